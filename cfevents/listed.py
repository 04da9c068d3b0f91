"""The events of a listing, of which there may be millions, made without detours.

`cfevents.wire` has one way for every class, which tolerates and keeps what is not documented. Nearly all pages are
just as documented: their events are made at once, and only a page that is not goes the general way.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import repeat
from typing import Any

from cfevents.events import KINDS
from cfevents.models import INT64, EventMetadata, EventSlots

OWN_TEXT: Mapping[str, str] = {kind: kind for kind in KINDS}
"""The catalogue's own text of each kind: an answer brings another copy with each event, of some 60 bytes."""

_END = INT64.stop

_Hook = Callable[[Any, Any], Any]


class UnfrozenEvent(EventSlots):
    """An event that is being made: its attributes are set in a third of the time that a frozen ``__init__`` takes.

    It is finished by making it an `EventMetadata`. Its ``extra`` stays unset: an event makes it when it is asked for.
    """

    __slots__ = ()

    kind: str
    recorded_ts: int
    sequence: int
    collected_ts: int


def unfrozen_events(number: int) -> tuple[UnfrozenEvent, ...]:
    """Make as many events without attributes."""
    return tuple(map(object.__new__, repeat(UnfrozenEvent, number)))


def listed_events_hook(letters: Mapping[str, str], general: _Hook) -> _Hook:
    """Make the hook for the events of a page: strict, and no judge of what it does not take.

    Where each event has exactly the four documented letters, each with a value that stays as it is, nothing is left to
    convert, to tolerate, to keep in ``extra`` or to complain of. tests/test_listed.py keeps both ways equal.

    Args:
        letters: How the API spells the attributes.
        general: The hook for a page that has an event of another shape.
    """
    names = ("kind", "recorded_ts", "sequence", "collected_ts")
    return partial(_structured, tuple(letters[name] for name in names), general)


def _structured(letters: tuple[str, ...], general: _Hook, raw: Any, cls: Any) -> Any:
    k, t, n, a = letters
    own_text = OWN_TEXT.get
    try:
        events = unfrozen_events(len(_array(raw)))
        for event, item in zip(events, raw, strict=True):
            kind, recorded, sequence, collected = item[k], item[t], item[n], item[a]
            # Or-ed, whole numbers are as long as the longest of them, and below 0 if one is.
            whole = type(recorded) is type(sequence) is type(collected) is int
            if not (whole and 0 <= recorded | sequence | collected < _END and type(kind) is str and len(item) == 4):
                return general(raw, cls)
            event.kind = own_text(kind, kind)
            event.recorded_ts = recorded
            event.sequence = sequence
            event.collected_ts = collected
            event.__class__ = EventMetadata  # type: ignore[assignment]
    except Exception:  # what it is, and where, the general way tells
        return general(raw, cls)
    return events


def _array(raw: Any) -> list[Any]:
    if type(raw) is not list:
        raise TypeError("an array was expected")
    return raw

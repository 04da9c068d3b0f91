"""The events of a listing, of which there may be millions, made without detours.

`cfevents._protocol.converter` has one way for every class, which tolerates and keeps what is not documented. Nearly
all pages are just as documented: their events are made at once, and only a page that is not goes the general way.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import repeat
from typing import Any, cast

from cfevents._model.api import INT64, EventMetadata, EventSlots, Listing
from cfevents.events import KINDS

OWN_TEXT: Mapping[str, str] = {kind: kind for kind in KINDS}
"""The catalogue's own text of each kind: an answer brings another copy with each event, of some 60 bytes."""

_END = INT64.stop
_LISTING = {"items", "cursor", "count"}
_TEXT_OR_NONE = {str, type(None)}

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


def listing_hook(letters: Mapping[str, str], general: _Hook) -> _Hook:
    """Make the hook for a page: strict, and no judge of what it does not take.

    Where each event has exactly the four documented letters, each with a value that stays as it is, and nothing else
    stands beside them, nothing is left to convert, to tolerate, to keep in ``extra`` or to complain of.
    tests/test_listed.py keeps both ways equal.

    Args:
        letters: How the API spells the attributes of an event.
        general: The hook for a page that is of another shape: it tells what is wrong, and where.
    """
    names = ("kind", "recorded_ts", "sequence", "collected_ts")
    return partial(_structured, tuple(letters[name] for name in names), general)


def _structured(letters: tuple[str, ...], general: _Hook, raw: Any, cls: Any) -> Any:
    try:
        if _is_as_documented(raw) and (events := _events(letters, raw["items"])) is not None:
            return Listing(events, raw.get("cursor"), raw.get("count"))
    except Exception:  # noqa: S110 - what it is, the general way tells
        pass
    return general(raw, cls)


def _is_as_documented(raw: Any) -> bool:
    cursor, count = raw.get("cursor"), raw.get("count")
    known = raw.keys() <= _LISTING and type(raw["items"]) is list
    return known and type(cursor) in _TEXT_OR_NONE and (count is None or (type(count) is int and count in INT64))


def _events(letters: tuple[str, ...], raw: list[Any]) -> tuple[EventMetadata, ...] | None:
    k, t, n, a = letters
    own_text = OWN_TEXT.get
    events = unfrozen_events(len(raw))
    for event, item in zip(events, raw, strict=True):
        kind, recorded, sequence, collected = item[k], item[t], item[n], item[a]
        if not (type(recorded) is type(sequence) is type(collected) is int and type(kind) is str and len(item) == 4):
            return None
        # As nearly all are; or-ed, whole numbers are as long as the longest of them, and below 0 if one is.
        if not (0 <= sequence <= recorded <= collected < _END or 0 <= recorded | sequence | collected < _END):
            return None
        event.kind = own_text(kind, kind)
        event.recorded_ts = recorded
        event.sequence = sequence
        event.collected_ts = collected
        event.__class__ = EventMetadata  # type: ignore[assignment]
    return cast("tuple[EventMetadata, ...]", events)

"""The events of a listing, of which there may be millions, made without detours.

`cfevents.wire` has one way for every class, which tolerates and keeps what is not documented. Nearly all events are
just as documented: these are made at once, and only what is not goes the general way.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cfevents.events import KINDS
from cfevents.models import INT64, EventMetadata

OWN_TEXT: Mapping[str, str] = {kind: kind for kind in KINDS}
"""The catalogue's own text of each kind: an answer brings another copy with each event, of some 60 bytes."""

# An event's slots are set past its frozen __init__, which looks each up by its name: a sixth of a page's time. Its
# ``extra`` is left unset, and made when it is asked for.
_ATTRIBUTES = ("kind", "recorded_ts", "sequence", "collected_ts")
_new = object.__new__
_set_kind, _set_recorded, _set_sequence, _set_collected = (vars(EventMetadata)[name].__set__ for name in _ATTRIBUTES)
_END = INT64.stop

_Hook = Callable[[Any, Any], Any]


def listed_events_hook(letters: Mapping[str, str], general: _Hook, general_array: _Hook) -> _Hook:
    """Make the hook for the events of a page: strict, and no judge of what it does not take.

    Exactly the four documented letters, each with a value that stays as it is, leave nothing to convert, to tolerate,
    to keep in ``extra`` or to complain of. tests/test_listed.py keeps both ways equal.

    Args:
        letters: How the API spells the attributes.
        general: The hook for an event that is of another shape.
        general_array: The hook that finds the place of what is wrong.
    """
    return partial(_structured, tuple(letters[name] for name in _ATTRIBUTES), general, general_array)


def _structured(letters: tuple[str, ...], general: _Hook, general_array: _Hook, raw: Any, cls: Any) -> Any:
    events: list[EventMetadata] = []
    k, t, n, a = letters
    try:
        for item in _array(raw):
            kind, recorded, sequence, collected = item[k], item[t], item[n], item[a]
            # Or-ed, whole numbers are as long as the longest of them, and below 0 if one is.
            whole = type(recorded) is type(sequence) is type(collected) is int
            if not (whole and 0 <= recorded | sequence | collected < _END and type(kind) is str and len(item) == 4):
                events.append(general(item, EventMetadata))
                continue
            event = _new(EventMetadata)
            _set_kind(event, OWN_TEXT.get(kind, kind))
            _set_recorded(event, recorded)
            _set_sequence(event, sequence)
            _set_collected(event, collected)
            events.append(event)
    except Exception:  # what it is, and where, the general way tells
        return general_array(raw, cls)
    return tuple(events)


def _array(raw: Any) -> list[Any]:
    if type(raw) is not list:
        raise TypeError("an array was expected")
    return raw

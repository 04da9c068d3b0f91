"""The events of a listing, of which there may be millions, made without detours.

`cfevents.wire` has one way for every class, which tolerates and keeps what is not documented. Nearly all events are
just as documented: these are made at once, and only what is not goes the general way.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cfevents.events import KINDS
from cfevents.models import INT64, EventMetadata

OWN_TEXT: Mapping[str, str] = {kind: kind for kind in KINDS}
"""The catalogue's own text of each kind: an answer brings another copy with each event, of some 60 bytes."""

# An event's slots are set past its frozen __init__, which looks each up by its name: a sixth of a page's time.
_ATTRIBUTES = ("kind", "recorded_ts", "sequence", "collected_ts", "extra")
_new = object.__new__
_set_kind, _set_recorded, _set_sequence, _set_collected, _set_extra = (
    vars(EventMetadata)[name].__set__ for name in _ATTRIBUTES
)
_LEAST, _END = INT64.start, INT64.stop


def listed_event_hook(
    letters: Mapping[str, str], otherwise: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], EventMetadata]:
    """Make the hook for `EventMetadata`: strict, and no judge of what it does not take.

    Exactly the four documented letters, each with a value that stays as it is, leave nothing to convert, to tolerate,
    to keep in ``extra`` or to complain of. tests/test_listed.py keeps both ways equal.

    Args:
        letters: How the API spells the attributes.
        otherwise: The hook that decides whatever else is sent.
    """
    k, t, n, a = (letters[name] for name in _ATTRIBUTES[:4])

    def structure_listed_event(raw: Any, cls: Any) -> Any:
        if type(raw) is not dict or len(raw) != 4:
            return otherwise(raw, cls)
        try:
            kind, recorded, sequence, collected = raw[k], raw[t], raw[n], raw[a]
        except KeyError:
            return otherwise(raw, cls)
        if type(kind) is not str or type(sequence) is not int or not _stay(recorded, sequence, collected):
            return otherwise(raw, cls)
        event = _new(EventMetadata)
        _set_kind(event, OWN_TEXT.get(kind, kind))
        _set_recorded(event, recorded)
        _set_sequence(event, sequence)
        _set_collected(event, collected)
        _set_extra(event, {})
        return event

    return structure_listed_event


def _stay(recorded: Any, sequence: int, collected: Any) -> bool:
    """Whether these are numbers that stay as they are: whole and of 64 bits, or fractional."""
    # Nearly always whole and from 0 up: or-ed, such are as long as the longest of them, and below 0 if one is.
    if type(recorded) is type(collected) is int and 0 <= recorded | sequence | collected < _END:
        return True
    return _stays(recorded) and _stays(sequence) and _stays(collected)


def _stays(value: Any) -> bool:
    if type(value) is int:
        return _LEAST <= value < _END
    return type(value) is float and value % 1 > 0  # of infinity and NaN, NaN is left, which is not above 0

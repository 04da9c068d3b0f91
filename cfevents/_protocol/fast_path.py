"""The extra ``speed``: a faster reader for a listing's answer, where msgspec is installed.

It says yes or steps aside, and then the ordinary way decides. It takes an answer that is as documented in every place,
with whole numbers of 64 bits and nothing beside the result; so both ways give the same for every body, which
tests/protocol/test_fast_path.py keeps true.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import repeat
from typing import Annotated, Any, cast

from attrs import frozen

from cfevents._model.api import INT64, WIRE_NAMES, EventMetadata, EventSlots, Listing
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
    tests/protocol/test_listings.py keeps both ways equal.

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


@frozen(eq=False, repr=False)
class DecodedListing:
    """A listing that was found to be as documented. Its events are still msgspec's structs."""

    _raw: Any

    @property
    def cursor(self) -> str | None:
        """The cursor of the next page."""
        return cast("str | None", self._raw.cursor)

    def read(self) -> Listing:
        """Make the events the library's own."""
        own_text = OWN_TEXT.get
        events = unfrozen_events(len(self._raw.items))
        for event, raw in zip(events, self._raw.items, strict=True):
            event.kind = own_text(kind := raw.kind, kind)
            event.recorded_ts = raw.recorded_ts
            event.sequence = raw.sequence
            event.collected_ts = raw.collected_ts
            event.__class__ = EventMetadata  # type: ignore[assignment]
        return Listing(cast("tuple[EventMetadata, ...]", events), self._raw.cursor, self._raw.count)


def decode_listing(body: bytes) -> DecodedListing | None:
    """Read the body of a successful answer to *List Events*; None where the ordinary way has to decide."""
    if (decode := _decoder()) is None:
        return None
    try:
        envelope = decode(body)
    except Exception:  # of which family, differs from one msgspec to the next
        return None
    return DecodedListing(envelope.result) if envelope.success else None


@cache
def _decoder() -> Callable[[bytes], Any] | None:
    """Look for msgspec, once, at the first page; without it there is no quick way."""
    try:
        from msgspec import Meta, defstruct, json  # noqa: PLC0415 - an extra, and importing has to be quick
    except ImportError:
        return None
    number: Any = Annotated[int, Meta(ge=INT64.start, le=INT64.stop - 1)]
    event = _struct(
        EventMetadata, ("kind", str), ("recorded_ts", number), ("sequence", number), ("collected_ts", number)
    )
    items = list[event]  # type: ignore[valid-type]
    listing = _struct(Listing, ("items", items), ("cursor", str | None, None), ("count", number | None, None))
    nothing = tuple[()] | None
    envelope = defstruct(
        "Envelope",
        [("result", listing), ("success", bool), ("errors", nothing, None), ("messages", nothing, None)],
        # What msgspec skips it does not check: a number without end, text that is not UTF-8.
        forbid_unknown_fields=True,
    )
    return cast("Callable[[bytes], Any]", json.Decoder(envelope).decode)


def _struct(cls: type, *fields: Any) -> Any:
    """Make the struct that reads a class by the API's letters, and nothing else beside them."""
    from msgspec import defstruct  # noqa: PLC0415 - as above

    return defstruct(
        cls.__name__,
        fields,
        rename=WIRE_NAMES.get(cls),
        forbid_unknown_fields=True,
        gc=False,
    )

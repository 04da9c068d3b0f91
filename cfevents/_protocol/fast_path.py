"""Faster decoding of listings that are exactly as documented, still faster with the extra ``speed`` (msgspec).

Both functions return None, or call the general decoder, for anything that is not exactly as documented: every place of
its type, whole numbers of 64 bits, and nothing beside the result. So the fast and the general way give the same for
every body, which tests/protocol/test_fast_path.py and test_listings.py keep true.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import repeat
from typing import Annotated, Any, cast

from attrs import frozen

from cfevents._model.api import INT64, WIRE_NAMES, EventMetadata, EventSlots, Listing
from cfevents.events import KINDS

OWN_TEXT: Mapping[str, str] = {kind: kind for kind in KINDS}
"""The catalogue's own text of each kind. Each event brings another copy, of some 60 bytes, which is dropped."""

_END = INT64.stop
_LISTING = {"items", "cursor", "count"}
_TEXT_OR_NONE = {str, type(None)}

_Hook = Callable[[Any, Any], Any]


class UnfrozenEvent(EventSlots):
    """An event under construction. Setting its attributes takes a third of the time of a frozen ``__init__``.

    It is finished by changing its class to `EventMetadata`. ``extra`` stays unset and is created on first access.
    """

    __slots__ = ()

    kind: str
    recorded_ts: int
    sequence: int
    collected_ts: int


def unfrozen_events(number: int) -> tuple[UnfrozenEvent, ...]:
    """Return so many events without attributes."""
    return tuple(map(object.__new__, repeat(UnfrozenEvent, number)))


def listing_hook(letters: Mapping[str, str], general: _Hook) -> _Hook:
    """Return the structuring hook for a page, which falls back to the general hook.

    Where each event has exactly the four documented fields, with values that stay as they are, there is nothing to
    convert, to tolerate, to keep in ``extra`` or to report.

    Args:
        letters: The API's names of an event's attributes.
        general: The hook for a page of another shape; its errors name the place.
    """
    names = ("kind", "recorded_ts", "sequence", "collected_ts")
    return partial(_structured, tuple(letters[name] for name in names), general)


def _structured(letters: tuple[str, ...], general: _Hook, raw: Any, cls: Any) -> Any:
    try:
        if _is_as_documented(raw) and (events := _documented_events(letters, raw["items"])) is not None:
            return Listing(events, raw.get("cursor"), raw.get("count"))
    except Exception:  # noqa: S110 - the general hook says what is wrong
        pass
    return general(raw, cls)


def _is_as_documented(raw: Any) -> bool:
    cursor, count = raw.get("cursor"), raw.get("count")
    known = raw.keys() <= _LISTING and type(raw["items"]) is list
    return known and type(cursor) in _TEXT_OR_NONE and (count is None or (type(count) is int and count in INT64))


def _documented_events(letters: tuple[str, ...], raw: list[Any]) -> tuple[EventMetadata, ...] | None:
    k, t, n, a = letters
    own_text = OWN_TEXT.get
    events = unfrozen_events(len(raw))
    for event, item in zip(events, raw, strict=True):
        kind, recorded, sequence, collected = item[k], item[t], item[n], item[a]
        if not (type(recorded) is type(sequence) is type(collected) is int and type(kind) is str and len(item) == 4):
            return None
        # Nearly all events pass the first comparison. Or-ed, numbers have as many bits as the longest of them, and are
        # below 0 if one is.
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
    """A listing exactly as documented, whose events are still msgspec's structs."""

    _raw: Any

    @property
    def cursor(self) -> str | None:
        """The cursor of the next page."""
        return cast("str | None", self._raw.cursor)

    def read(self) -> Listing:
        """Return the listing with events of the library."""
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
    """Decode the body of a listing; None where msgspec is missing or the general decoder has to decide."""
    if (decode := _decoder()) is None:
        return None
    try:
        envelope = decode(body)
    except Exception:  # the classes differ between versions of msgspec
        return None
    return DecodedListing(envelope.result) if envelope.success else None


@cache
def _decoder() -> Callable[[bytes], Any] | None:
    """Return msgspec's decoder, made at the first page; None where msgspec is not installed."""
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
        # msgspec does not check the fields that it skips: numbers out of range, text that is not UTF-8.
        forbid_unknown_fields=True,
    )
    return cast("Callable[[bytes], Any]", json.Decoder(envelope).decode)


def _struct(cls: type, *fields: Any) -> Any:
    """Return the struct with the API's names of a class, which refuses any other field."""
    from msgspec import defstruct  # noqa: PLC0415 - as above

    return defstruct(
        cls.__name__,
        fields,
        rename=WIRE_NAMES.get(cls),
        forbid_unknown_fields=True,
        gc=False,
    )

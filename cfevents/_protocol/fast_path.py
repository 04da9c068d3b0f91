"""Faster decoding of listings that are exactly as documented, still faster with the extra ``speed`` (msgspec).

Both functions return None, or call the general decoder, for anything that is not exactly as documented: every place of
its type, whole numbers of 64 bits, and nothing beside the result. So the fast and the general way give the same for
every body, which tests/protocol/test_fast_path.py and test_listings.py keep true.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import repeat, starmap
from typing import Annotated, Any, Literal, cast

from cfevents._model.api import INT64, WIRE_NAMES, EventMetadata, EventSlots, Listing
from cfevents.events import KINDS

OWN_TEXT: dict[str, str] = {kind: kind for kind in KINDS}
"""The catalogue's own text of each kind. Each event brings another copy, of some 60 bytes, which is dropped."""

_END = INT64.stop
_PART_EVENTS = 2000

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


def _unfrozen_events(number: int) -> tuple[UnfrozenEvent, ...]:
    return tuple(starmap(UnfrozenEvent, repeat((), number)))


def listing_hook(letters: Mapping[str, str], general: _Hook) -> _Hook:
    """Return the structuring hook for a page, by the API's names of an event's attributes.

    Where each event has exactly the four documented fields, with values that stay as they are, there is nothing to
    convert, to tolerate, to keep in ``extra`` or to report. The general hook structures a page of another shape; its
    errors name the place.
    """
    names = tuple(letters[name] for name in ("kind", "recorded_ts", "sequence", "collected_ts"))

    def structure_listing(raw: Any, cls: Any) -> Any:
        with suppress(Exception):
            if _is_as_documented(raw) and (events := _documented_events(names, raw["items"])) is not None:
                return Listing(events, raw.get("cursor"), raw.get("count"))
        return general(raw, cls)

    return structure_listing


def _is_as_documented(raw: Any) -> bool:
    cursor, count = raw.get("cursor"), raw.get("count")
    known = raw.keys() <= {"items", "cursor", "count"} and type(raw["items"]) is list
    return known and type(cursor) in {str, type(None)} and (count is None or (type(count) is int and count in INT64))


def _documented_events(letters: tuple[str, ...], raw: list[Any]) -> tuple[EventMetadata, ...] | None:
    events: list[EventMetadata] = []
    # In parts: a million items that are no events must not make a million events first.
    for start in range(0, len(raw), _PART_EVENTS):
        part = _documented_part(letters, raw[start : start + _PART_EVENTS])
        if part is None:
            return None
        events += part
    return tuple(events)


def _documented_part(letters: tuple[str, ...], raw: list[Any]) -> tuple[EventMetadata, ...] | None:
    if {*map(len, raw)} - {4}:
        return None
    k, t, n, a = letters
    own_text = OWN_TEXT
    events = _unfrozen_events(len(raw))
    for event, item in zip(events, raw, strict=True):
        try:
            event.kind = own_text[item[k]]
        except KeyError:  # a kind that is not documented, or a number
            if type(kind := item[k]) is not str:
                return None
            event.kind = kind
        event.recorded_ts = recorded = item[t]
        event.sequence = sequence = item[n]
        event.collected_ts = collected = item[a]
        if not (type(recorded) is int and type(sequence) is int and type(collected) is int):
            return None
        # Nearly all events pass the first comparison. Or-ed, numbers have as many bits as the longest of them, and are
        # below 0 if one is.
        if not (0 <= sequence <= recorded <= collected < _END or 0 <= recorded | sequence | collected < _END):
            return None
        event.__class__ = EventMetadata  # type: ignore[assignment]
    return cast("tuple[EventMetadata, ...]", events)


def decode_listing(body: bytes) -> Any:
    """Decode the body of a listing into msgspec's structs, for their ``cursor`` and `convert_listing`.

    Return None where msgspec is missing or the general decoder has to decide.
    """
    for decode in _decoders():
        with suppress(Exception):  # the classes differ between versions of msgspec
            envelope = decode(body)
            return envelope.result if envelope.success else None
    return None


def convert_listing(decoded: Any, cursor: str | None) -> Listing:
    """Convert msgspec's structs to a listing with events of the library, and a cursor that repeats no secret openly."""
    events = _unfrozen_events(len(decoded.items))
    for event, raw in zip(events, decoded.items, strict=True):
        event.kind = raw.kind
        event.recorded_ts = raw.recorded_ts
        event.sequence = raw.sequence
        event.collected_ts = raw.collected_ts
        event.__class__ = EventMetadata  # type: ignore[assignment]
    return Listing(cast("tuple[EventMetadata, ...]", events), cursor, decoded.count)


def as_rows(decoded: Any, cursor: str | None) -> Listing:
    """Return a listing of msgspec's structs, which have the attributes of events. That takes half of the time."""
    return Listing(tuple(decoded.items), cursor, decoded.count)


@cache
def _decoders() -> tuple[Callable[[bytes], Any], ...]:
    """Return msgspec's decoders, made at the first page; none where msgspec is not installed.

    The first is for pages of documented kinds: of a text that it knows, msgspec makes no copy.
    """
    try:
        import msgspec  # noqa: F401, PLC0415 - an extra, and importing has to be quick
    except ImportError:
        return ()
    known = _decoder(Literal[*KINDS])
    any_kind = _decoder(str)

    def decode_any_kind(body: bytes) -> Any:
        envelope = any_kind(body)
        for event in envelope.result.items:
            event.kind = OWN_TEXT.get(event.kind, event.kind)
        return envelope

    return known, decode_any_kind


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    from msgspec import Meta, defstruct, json  # noqa: PLC0415 - as above

    number: Any = Annotated[int, Meta(ge=INT64.start, le=INT64.stop - 1)]
    nothing: Any = tuple[()] | None
    # msgspec does not check the fields that it skips: numbers out of range, text that is not UTF-8.
    struct: Any = partial(defstruct, forbid_unknown_fields=True, gc=False)
    numbers = [(name, number) for name in ("recorded_ts", "sequence", "collected_ts")]
    event = struct("Event", [("kind", kind), *numbers], rename=WIRE_NAMES[EventMetadata])
    items = list[event]  # type: ignore[valid-type]
    listing = struct("Listing", [("items", items), ("cursor", str | None, None), ("count", number | None, None)])
    envelope = struct(
        "Envelope", [("result", listing), ("success", bool), ("errors", nothing, None), ("messages", nothing, None)]
    )
    return cast("Callable[[bytes], Any]", json.Decoder(envelope).decode)


def make_events(
    kinds: Sequence[str], recorded_ts: Sequence[float], sequence: Sequence[int], collected_ts: Sequence[float]
) -> tuple[EventMetadata, ...]:
    """Return the events whose values are in columns, and are valid."""
    events: Any = _unfrozen_events(len(kinds))
    for event, kind, recorded, number, collected in zip(
        events, kinds, recorded_ts, sequence, collected_ts, strict=True
    ):
        event.kind = kind
        event.recorded_ts = recorded
        event.sequence = number
        event.collected_ts = collected
        event.__class__ = EventMetadata
    return cast("tuple[EventMetadata, ...]", events)


def decode_integers(text: str) -> list[int] | None:
    """Decode a JSON array of whole numbers; None for one that has something else, such as ``3.0``."""
    if "." in text:
        return None
    with suppress(Exception):
        integers: list[int] = _integers_decoder()(text)
        return integers
    return None


@cache
def _integers_decoder() -> Callable[[str], Any]:
    try:
        from msgspec.json import Decoder  # noqa: PLC0415 - an extra, and importing has to be quick
    except ImportError:
        return json.loads
    return Decoder(list[int]).decode

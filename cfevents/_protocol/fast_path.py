"""The extra ``speed``: a faster reader for a listing's answer, where msgspec is installed.

It says yes or steps aside, and then the ordinary way decides. It takes an answer that is as documented in every place,
with whole numbers of 64 bits and nothing beside the result; so both ways give the same for every body, which
tests/test_quick.py keeps true.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, cast

from attrs import frozen

from cfevents._model.api import INT64, EventMetadata, Listing
from cfevents._protocol.converter import WIRE_NAMES
from cfevents.listed import OWN_TEXT, unfrozen_events


@frozen(eq=False, repr=False)
class QuickListing:
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


def quick_listing(body: bytes) -> QuickListing | None:
    """Read the body of a successful answer to *List Events*; None where the ordinary way has to decide."""
    if (decode := _decoder()) is None:
        return None
    try:
        envelope = decode(body)
    except Exception:  # of which family, differs from one msgspec to the next
        return None
    return QuickListing(envelope.result) if envelope.success else None


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

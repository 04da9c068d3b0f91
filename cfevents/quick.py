"""The extra ``speed``: a faster reader for a listing's answer, where msgspec is installed.

It says yes or steps aside, and then the ordinary way decides. It takes an answer that is as documented in every place,
with whole numbers of 64 bits and nothing beside the result; so both ways give the same for every body, which
tests/test_quick.py keeps true.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Annotated, Any, cast

from attrs import frozen

from cfevents.listed import OWN_TEXT
from cfevents.models import INT64, EventMetadata, Listing
from cfevents.wire import WIRE_NAMES


@frozen(eq=False, repr=False)
class QuickListing:
    """A listing that was found to be as documented. Its events are still msgspec's structs."""

    _raw: Any
    _convert: Callable[[Any], Listing]

    @property
    def cursor(self) -> str | None:
        """The cursor of the next page."""
        return cast("str | None", self._raw.cursor)

    def read(self) -> Listing:
        """Make the events the library's own."""
        for event in self._raw.items:
            event.kind = OWN_TEXT.get(event.kind, event.kind)
        return self._convert(self._raw)


def quick_listing(body: bytes) -> QuickListing | None:
    """Read the body of a successful answer to *List Events*; None where the ordinary way has to decide."""
    if (reader := _reader()) is None:
        return None
    decode, convert = reader
    try:
        envelope = decode(body)
    except Exception:  # of which family, differs from one msgspec to the next
        return None
    return QuickListing(envelope.result, convert) if envelope.success else None


@cache
def _reader() -> tuple[Callable[[bytes], Any], Callable[[Any], Listing]] | None:
    """Look for msgspec, once, at the first page; without it there is no quick way."""
    try:
        from msgspec import Meta, convert, defstruct, json  # noqa: PLC0415 - an extra, and importing has to be quick
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
    return json.Decoder(envelope).decode, partial(convert, type=Listing, from_attributes=True)


def _struct(cls: type, *fields: Any) -> Any:
    """Make the struct that reads a class by the API's letters, and nothing else beside them."""
    from msgspec import defstruct  # noqa: PLC0415 - as above

    return defstruct(
        cls.__name__,
        fields,
        rename=WIRE_NAMES.get(cls),
        forbid_unknown_fields=True,
        # No field: nobody can send it. Each event gets a copy, in half the time that a default would take.
        namespace={"extra": {}},
        gc=False,
    )

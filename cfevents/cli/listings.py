"""Events of a window as they are printed: some at a time, each as soon as it is there."""

import heapq
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import cfevents

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cfevents import EventMetadata, EventStream, FleetEvent, FleetStream
    from cfevents._model.results import FollowedEvent
    from cfevents.storage import ArchivedStream

    Item: TypeAlias = "FleetEvent[Any]"

# How many events are printed at once, where they do not come in pages.
_PIECE = 1000
# Payloads that are asked for at a time.
_PAYLOADS = 8


class Listing(Protocol):
    """Events of a window."""

    since: int
    until: int

    def pieces(self, *, details: bool, limit: int | None = None) -> "AsyncGenerator[Sequence[Item], None]":
        """Read it, some events at a time.

        Args:
            details: Whether with their payloads.
            limit: How many are wanted; what is left out need not be asked for.
        """
        ...


def event_of(item: "Item | FollowedEvent[Any]") -> "EventMetadata":
    """Give what is listed of an event, whether or not it comes with its payload."""
    event: Any = item.event
    listed: EventMetadata = getattr(event, "metadata", event)
    return listed


class Streamed:
    """A listing that is a stream of the library's."""

    def __init__(self, connector_id: str, stream: "EventStream | FleetStream | ArchivedStream") -> None:
        """Take it, and whose events it has where it does not say so itself."""
        self._connector_id, self._stream = connector_id, stream
        self.since, self.until = stream.since, stream.until

    async def pieces(self, *, details: bool, limit: int | None = None) -> "AsyncGenerator[Sequence[Item], None]":
        """Read it page by page, or event by event with its payload."""
        pieces = self._details(min(_PAYLOADS, limit or _PAYLOADS)) if details else self._blocks()
        async with aclosing(pieces) as each:
            async for piece in each:
                yield piece

    async def _blocks(self) -> "AsyncGenerator[Sequence[Item], None]":
        from cfevents._listing.stream_base import blocks_of  # noqa: PLC0415 - not needed for --help

        async with aclosing(blocks_of(self._stream)) as blocks:
            async for ids, events, _ in blocks:
                owners = [ids] * len(events) if isinstance(ids, str) else ids
                yield list(map(cfevents.FleetEvent, owners, events))

    async def _details(self, concurrency: int) -> "AsyncGenerator[Sequence[Item], None]":
        async with aclosing(self._stream.details(concurrency=concurrency)) as details:
            async for each in details:
                yield [each if isinstance(each, cfevents.FleetEvent) else cfevents.FleetEvent(self._connector_id, each)]


class Merged:
    """Listings side by side, each of which ascends, as one that ascends."""

    def __init__(self, listings: list[Streamed]) -> None:
        """Take them; there is at least one."""
        self._listings = listings
        self.since, self.until = listings[0].since, listings[0].until

    async def pieces(self, *, details: bool, limit: int | None = None) -> "AsyncGenerator[Sequence[Item], None]":
        """Read them all; a limit makes no difference."""
        async with AsyncExitStack() as stack:
            begun = [await stack.enter_async_context(aclosing(_flat(each, details))) for each in self._listings]
            nexts = [await _next(number, events) for number, events in enumerate(begun)]
            heapq.heapify(heads := [head for head in nexts if head is not None])
            piece: list[Item] = []
            while heads:
                _, number, item, events = heads[0]
                piece.append(item)
                if (head := await _next(number, events)) is None:
                    heapq.heappop(heads)
                else:
                    heapq.heapreplace(heads, head)
                if len(piece) == _PIECE or not heads:
                    yield piece
                    piece = []


async def _flat(listing: Streamed, details: bool) -> "AsyncGenerator[Item, None]":
    async with aclosing(listing.pieces(details=details)) as pieces:
        async for piece in pieces:
            for item in piece:
                yield item


async def _next(number: int, events: "AsyncGenerator[Item, None]") -> "tuple[Any, int, Item, Any] | None":
    try:
        item: Item = await anext(events)
    except StopAsyncIteration:
        return None
    event = event_of(item)
    return (event.recorded_ts, event.sequence), number, item, events

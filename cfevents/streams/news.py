"""What a connector has that was not delivered yet."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from cfevents.errors import CfEventsError
from cfevents.models import EventMetadata, FollowedEvent
from cfevents.query import Query
from cfevents.session import Reader
from cfevents.streams.details import Listed, get_details
from cfevents.streams.slices import list_slices
from cfevents.streams.watermark import Watermark
from cfevents.timespan import now

# How many events are delivered together at most. Each of those with a payload takes a request to get.
_MOST = 10_000
_MOST_WITH_PAYLOADS = 200


class Payloads(NamedTuple):
    """That events are delivered with their payloads."""

    concurrency: int
    kinds: tuple[str, ...]


class Found(NamedTuple):
    """What a round of a connector brought, or a part of it, and how far it is followed after it."""

    connector_id: str
    events: Sequence[EventMetadata]
    items: tuple[FollowedEvent[Any], ...]
    """The same events as they are delivered."""

    after: Watermark


class News:
    """What one listing of a connector has that was not delivered yet."""

    pages = 0
    """How many pages it had so far."""

    def __init__(self, reader: Reader, query: Query, payloads: Payloads | None, lookback: float) -> None:
        """Take what to read with, what to list, how to deliver it, and what may be listed again, in seconds."""
        self._reader, self._query, self._payloads, self._lookback = reader, query, payloads, lookback

    async def since(self, mark: Watermark) -> AsyncGenerator[Found, None]:
        """Yield what was not delivered at a watermark, ascending, in one piece where it is not very much.

        Raises:
            CfEventsError: There may be more; what came before has been yielded.
        """
        connector_id = self._query.start.connector_id
        async with aclosing(self._listed(mark)) as pieces:
            async for events in pieces:
                got, failure = await self._as_delivered(events)
                delivered = events[: len(got)]
                items = tuple(
                    FollowedEvent(connector_id, each, mark.is_late(event))
                    for each, event in zip(got, delivered, strict=True)
                )
                mark = self._after(mark, delivered)
                if items:
                    yield Found(connector_id, delivered, items, mark)
                if failure is not None:
                    raise failure

    async def _listed(self, mark: Watermark) -> AsyncGenerator[list[EventMetadata], None]:
        most = _MOST if self._payloads is None else _MOST_WITH_PAYLOADS
        piece: list[EventMetadata] = []
        failure: CfEventsError | None = None
        async with aclosing(list_slices(self._reader, self._query)) as pages:
            try:
                async for page in pages:
                    self.pages += 1
                    piece += (fresh := mark.missing(page.items))
                    mark = self._after(mark, fresh)
                    while len(piece) >= most:
                        yield piece[:most]
                        del piece[:most]
            except CfEventsError as error:
                failure = error
        if piece:
            yield piece
        if failure is not None:
            raise failure

    async def _as_delivered(self, events: Sequence[EventMetadata]) -> tuple[Sequence[object], CfEventsError | None]:
        """Get the payloads, if they are wanted, as far as they can be had; and what kept it from the rest."""
        if self._payloads is None:
            return events, None
        got: list[object] = []
        async with aclosing(get_details(self._reader, self._each(events), *self._payloads)) as details:
            async for _, detail in details:
                if isinstance(detail, CfEventsError):
                    return got, detail
                got.append(detail)
        return got, None

    async def _each(self, events: Sequence[EventMetadata]) -> AsyncGenerator[Listed, None]:
        for event in events:
            yield Listed(self._query.start, event)

    def _after(self, mark: Watermark, events: Sequence[EventMetadata]) -> Watermark:
        return mark.after(events).without_what_is_older(self._lookback, now()) if events else mark

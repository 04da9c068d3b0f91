"""Listed events with their payloads: one request for each event."""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, NamedTuple, Self, TypeVar

from cfevents._http.connection import GetConnection
from cfevents._listing.ordered import ordered_map
from cfevents._listing.pages import resume_context
from cfevents._listing.stream_base import BaseStream
from cfevents._model.api import EventMetadata
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import EventBatch, EventDetail, FleetEvent
from cfevents._progress import PageCounter, ProgressUpdate
from cfevents.errors import CfEventsError, NotFoundError
from cfevents.events import KindFilter, kind_names, warn_unknown_kind


class ListedEvent(NamedTuple):
    """A listed event, with the checkpoint that continues at its page."""

    checkpoint: Checkpoint
    event: EventMetadata


def wanted_kinds(kinds: KindFilter | None) -> tuple[str, ...]:
    """Return the names of the kinds whose payloads are wanted; none for all.

    Raises:
        TypeError: A kind is neither text nor one of the documented classes.
        ValueError: A name is empty, or the collection is.
    """
    names = kind_names(kinds, "kinds")
    for name in names:
        warn_unknown_kind(name)
    return names


async def get_details(
    get_connection: GetConnection, events: AsyncGenerator[ListedEvent, None], concurrency: int, kinds: tuple[str, ...]
) -> AsyncGenerator[tuple[ListedEvent, EventDetail | CfEventsError], None]:
    """Yield each event with its detail, in order, or with the error that the request raised.

    Args:
        get_connection: Returns the open connection.
        events: The events; the generator is closed at the end.
        concurrency: How many payloads are requested at a time.
        kinds: The kinds whose payloads are wanted; none for all.
    """

    async def get(listed: ListedEvent) -> EventDetail:
        event = listed.event
        if (kinds and event.kind not in kinds) or not isinstance(event.recorded_ts, int):
            return EventDetail(event, None)
        connection = get_connection()
        request = connection.endpoints.get_event(listed.checkpoint.connector_id, event.id)
        try:
            return EventDetail(event, (await connection.request(request)).result)
        except NotFoundError:
            return EventDetail(event, None)

    async with aclosing(ordered_map(get_connection, events, get, concurrency)) as details:
        async for detail in details:
            yield detail


def detail_or_raise(listed: ListedEvent, detail: EventDetail | CfEventsError) -> EventDetail:
    """Return the detail, or raise the error with the checkpoint that continues at the event's page."""
    if isinstance(detail, EventDetail):
        return detail
    with resume_context(listed.checkpoint):
        raise detail


D = TypeVar("D", bound=EventDetail | FleetEvent[EventDetail])

_BATCH_EVENTS = 1000


class Details(BaseStream, AsyncGenerator[D, None]):
    """The events of a stream with their payloads. Made by the ``details`` of a stream.

    An async generator, which is read once: event by event, or into a table.
    """

    __module__ = "cfevents"

    _has_payloads = True

    def __init__(self, stream: BaseStream, details: AsyncGenerator[D, None], counter: PageCounter) -> None:
        """Wrap a stream's details; the counter has the pages that were listed for them."""
        super().__init__(stream._query, stream._label, stream._get_wait)
        self._stream, self._counter = stream, counter
        self._shows_progress, self._unit = stream._shows_progress, stream._unit
        self._events = self._with_progress(details, _detail_progress, counter)

    def progress(self) -> Self:
        details = super().progress()
        if not self._shows_progress:
            details._events = details._with_progress(self._events, _detail_progress, self._counter)
        return details

    def __aiter__(self) -> AsyncGenerator[D, None]:
        """Yield event by event."""
        return self._events

    def __anext__(self) -> Coroutine[Any, Any, D]:
        """Return the next event."""
        return self._events.__anext__()

    async def asend(self, value: None) -> D:
        """Return the next event, as Python's own generators do."""
        return await self._events.asend(value)

    async def athrow(self, *error: Any) -> D:
        """Raise an error where the generator is suspended, as Python's own generators do."""
        return await self._events.athrow(*error)

    async def aclose(self) -> None:
        """Stop reading and cancel the requests that are under way."""
        await self._events.aclose()

    async def _batches(self) -> AsyncGenerator[EventBatch, None]:
        batch = list[D]()
        async with aclosing(self._events) as details:
            async for detail in details:
                batch.append(detail)
                if len(batch) == _BATCH_EVENTS:
                    yield self._batch(batch)
                    batch = []
        yield self._batch(batch)

    def _batch(self, items: list[D]) -> EventBatch:
        connector_ids = [item.connector_id if isinstance(item, FleetEvent) else self._label for item in items]
        details = [_without_owner(item) for item in items]
        return EventBatch(
            connector_ids, [detail.metadata for detail in details], [detail.recorded for detail in details]
        )

    def __repr__(self) -> str:
        return f"<Details of {self._stream!r}>"


def _without_owner(item: EventDetail | FleetEvent[EventDetail]) -> EventDetail:
    return item.event if isinstance(item, FleetEvent) else item


def _detail_progress(item: EventDetail | FleetEvent[EventDetail]) -> ProgressUpdate:
    return ProgressUpdate([_without_owner(item).metadata])

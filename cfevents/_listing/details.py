"""Listed events with their payloads: one request for each event."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypeVar

from cfevents._http.connection import GetConnection
from cfevents._listing.ordered import ordered_map
from cfevents._listing.pages import resume_context
from cfevents._listing.query import wanted_kinds
from cfevents._listing.stream_base import BaseStream
from cfevents._model.api import EventMetadata
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.kinds import kind_test
from cfevents._model.results import EventBatch, EventDetail, FleetEvent, PageCounter
from cfevents._public import set_module
from cfevents._validation import validate_int
from cfevents.errors import CfEventsError, NotFoundError
from cfevents.events import KindFilter

if TYPE_CHECKING:
    from cfevents._progress import Update


class ListedEvent(NamedTuple):
    """A listed event, with the checkpoint that continues at its page."""

    checkpoint: Checkpoint
    event: EventMetadata


def get_details(
    get_connection: GetConnection, events: AsyncGenerator[ListedEvent, None], concurrency: int, kinds: tuple[str, ...]
) -> AsyncGenerator[tuple[ListedEvent, EventDetail | CfEventsError], None]:
    """Yield each event with its detail, in order, or with the error that the request raised.

    ``concurrency`` payloads are requested at a time: of the given kinds, or of all if none are given.
    """
    is_wanted = kind_test(kinds)

    async def get(listed: ListedEvent) -> EventDetail:
        event = listed.event
        if not is_wanted(event.kind) or not isinstance(event.recorded_ts, int):
            return EventDetail(event, None)
        connection = get_connection()
        request = connection.endpoints.get_event(listed.checkpoint.connector_id, event.id)
        try:
            return EventDetail(event, (await connection.request(request)).result)
        except NotFoundError:
            return EventDetail(event, None)

    return ordered_map(get_connection, events, get, concurrency)


def detail_or_raise(listed: ListedEvent, detail: EventDetail | CfEventsError) -> EventDetail:
    """Return the detail, or raise the error with the checkpoint that continues at the event's page."""
    if isinstance(detail, EventDetail):
        return detail
    with resume_context(listed.checkpoint):
        raise detail


D = TypeVar("D", bound=EventDetail | FleetEvent[EventDetail])
Read: TypeAlias = Callable[[int, tuple[str, ...], PageCounter], AsyncGenerator[D, None]]
_BATCH_EVENTS = 1000


@set_module("cfevents")
class Details(BaseStream, AsyncGenerator[D, None]):
    """The events of a stream with their payloads. Made by the ``details`` of a stream.

    An async generator, which is read once: event by event, or into a table.
    """

    _advice = "use 'async for detail in details', or '[detail async for detail in details]' for a list"
    _has_payloads = True

    def __init__(self, stream: BaseStream, read: Read[D], concurrency: int, kinds: KindFilter | None) -> None:
        super().__init__(stream._query, stream._label, stream._get_wait)
        self._stream, self._counter = stream, PageCounter()
        self._shows_progress, self._unit = stream._shows_progress, stream._unit
        details = read(validate_int("concurrency", concurrency), wanted_kinds(kinds), self._counter)
        self._events = self._with_progress(details, _detail_progress, self._counter)

    def progress(self) -> Self:
        details = super().progress()
        if not self._shows_progress:
            details._events = details._with_progress(self._events, _detail_progress, self._counter)
        return details

    def __aiter__(self) -> AsyncGenerator[D, None]:
        """Yield event by event."""
        return self._events

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
                    yield self._to_batch(batch)
                    batch = []
        yield self._to_batch(batch)

    def _to_batch(self, items: list[D]) -> EventBatch:
        ids = [item.connector_id if isinstance(item, FleetEvent) else self._label for item in items]
        details = [_without_owner(item) for item in items]
        return EventBatch(ids, [detail.metadata for detail in details], [detail.recorded for detail in details])

    def __repr__(self) -> str:
        return f"<Details of {self._stream!r}>"


def _without_owner(item: EventDetail | FleetEvent[EventDetail]) -> EventDetail:
    return item.event if isinstance(item, FleetEvent) else item


def _detail_progress(item: EventDetail | FleetEvent[EventDetail]) -> "Update":
    return [_without_owner(item).metadata], None

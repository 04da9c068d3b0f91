"""The payloads of listed events: a request for each."""

from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, NamedTuple, Self, TypeVar

from cfevents._http.connection import GetConnection
from cfevents._listing.ordered import ordered_map
from cfevents._listing.stream_base import Drawn, Framed
from cfevents._model.api import EventMetadata
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import EventBatch, EventDetail, FleetEvent
from cfevents._progress import PageCounter, ProgressUpdate
from cfevents.errors import CfEventsError, NotFoundError
from cfevents.events import KindFilter, kind_names, warn_unknown_kind

# Payloads that may wait for an earlier one, for each that is asked for at a time.
_WAITING = 4


class ListedEvent(NamedTuple):
    """An event as it was listed, and what had been delivered before its page."""

    reached: Checkpoint
    event: EventMetadata


def wanted_kinds(kinds: KindFilter | None) -> tuple[str, ...]:
    """Check of which kinds the payloads are wanted; none for all.

    Raises:
        TypeError: A kind is neither text nor one of the documented classes.
        ValueError: A name is empty, or the collection is.
    """
    names = kind_names(kinds, "kinds")
    for name in names:
        warn_unknown_kind(name)
    return names


async def get_details(
    get_connection: GetConnection, listed: AsyncGenerator[ListedEvent, None], concurrency: int, kinds: tuple[str, ...]
) -> AsyncGenerator[tuple[ListedEvent, EventDetail | CfEventsError], None]:
    """Get the payload of each event, in order; an error takes the place of what could not be had.

    Args:
        get_connection: Returns the open connection.
        listed: The events; it is closed at the end.
        concurrency: How many are asked for at a time.
        kinds: The kinds whose payload is asked for; none for all.
    """

    async def detail(each: ListedEvent) -> EventDetail:
        event = each.event
        if (kinds and event.kind not in kinds) or not isinstance(event.recorded_ts, int):
            return EventDetail(event, None)
        connection = get_connection()
        request = connection.endpoints.get_event(each.reached.connector_id, event.id)
        try:
            return EventDetail(event, (await connection.request(request)).result)
        except NotFoundError:
            return EventDetail(event, None)

    async with aclosing(ordered_map(get_connection, listed, detail, concurrency, _WAITING * concurrency)) as details:
        async for each in details:
            yield each


D = TypeVar("D", bound=EventDetail | FleetEvent[EventDetail])

# Events of a block.
_ROWS = 1000


class Details(Framed, Drawn, AsyncGenerator[D, None]):
    """The events of a stream with their payloads. Made by the ``details`` of a stream.

    An async generator, which is read once: event by event, or into a table.
    """

    __module__ = "cfevents"

    _has_payloads = True

    def __init__(self, stream: Drawn, details: AsyncGenerator[D, None], tally: PageCounter) -> None:
        """Take whose they are, what reads them, and where that counts the pages of the listing."""
        super().__init__(stream._query)
        self._stream, self._tally = stream, tally
        self._draws, self._unit = stream._draws, stream._unit
        self._events = self._drawn(details, _seen, tally)

    def progress(self) -> Self:
        drawn = super().progress()
        if not self._draws:
            drawn._events = drawn._drawn(self._events, _seen, self._tally)
        return drawn

    def __aiter__(self) -> AsyncGenerator[D, None]:
        """Read event by event."""
        return self._events

    def __anext__(self) -> Coroutine[Any, Any, D]:
        """Read the next event."""
        return self._events.__anext__()

    async def asend(self, value: None) -> D:
        """Read the next event, as Python's own generators do."""
        return await self._events.asend(value)

    async def athrow(self, *error: Any) -> D:
        """Raise an error where it is read, as Python's own generators do."""
        return await self._events.athrow(*error)

    async def aclose(self) -> None:
        """End it: what is under way is cancelled."""
        await self._events.aclose()

    async def _blocks(self) -> AsyncGenerator[EventBatch, None]:
        gathered = list[D]()
        async with aclosing(self._events) as details:
            async for detail in details:
                gathered.append(detail)
                if len(gathered) == _ROWS:
                    yield _block(self._label, gathered)
                    gathered = []
        yield _block(self._label, gathered)

    @property
    def _label(self) -> str:
        return self._stream._label

    def _wait(self) -> float:
        return self._stream._wait()

    def __repr__(self) -> str:
        return f"<Details of {self._stream!r}>"


def _block(label: str, gathered: list[D]) -> EventBatch:
    connector_ids = [each.connector_id if isinstance(each, FleetEvent) else label for each in gathered]
    details = [_detail(each) for each in gathered]
    return EventBatch(connector_ids, [each.metadata for each in details], [each.recorded for each in details])


def _seen(item: EventDetail | FleetEvent[EventDetail]) -> ProgressUpdate:
    return ProgressUpdate([_detail(item).metadata])


def _detail(item: EventDetail | FleetEvent[EventDetail]) -> EventDetail:
    return item.event if isinstance(item, FleetEvent) else item

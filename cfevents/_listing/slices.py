"""A listing in concurrent slices of its window, each with a cursor of its own."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from itertools import compress

from attrs import define, evolve, field

from cfevents._http.connection import Connection, GetConnection, cancel_all
from cfevents._listing.pages import CursorGuard, filter_kinds, resume_context
from cfevents._listing.planner import STRICT, CostLimit, Planner, Slice
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventMetadata, Listing, event_key
from cfevents._model.checkpoint import Checkpoint, EventKey
from cfevents._model.results import Page
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Result
from cfevents.errors import BadRequestError, CfEventsError, CodedMessage


async def iter_slices(
    get_connection: GetConnection,
    query: ListQuery,
    *,
    limit: CostLimit = STRICT,
    quiet_from: float = math.inf,
    every_kind: bool = False,
) -> AsyncGenerator[Page, None]:
    """Yield a listing's events in ascending order, one page for each slice; with ``every_kind`` all that the API sends.

    From ``quiet_from`` on, in seconds since the Unix epoch, events are rare. If a slice cannot be read, the checkpoint
    of the error continues there; what comes before it was yielded.
    """
    fetcher = _SliceFetcher(get_connection, query, Planner(query.window, query.concurrency, limit, quiet_from))
    checkpoint, previous = query.start, set(query.start.delivered)
    try:
        while not checkpoint.finished:
            with resume_context(checkpoint):
                slice_, responses = await fetcher.next()
            events = tuple(event for key, event in sorted(slice_.events.items()) if key not in previous)
            items = events if every_kind else filter_kinds(events, query.kinds)
            checkpoint, previous = checkpoint_after(slice_, checkpoint), set(slice_.events)
            yield Page(items, messages=responses.messages, errors=responses.errors, checkpoint=checkpoint)
    finally:
        await cancel_all(fetcher.tasks)


def checkpoint_after(slice_: Slice, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint after a slice: all before its end, and what the next slice lists again."""
    if slice_.end == checkpoint.until:
        return evolve(checkpoint, reached=None, delivered=(), finished=True)
    return evolve(checkpoint, reached=slice_.end, delivered=resume_keys(slice_.events, slice_.end))


def resume_keys(events: Mapping[EventKey, EventMetadata], end: int) -> tuple[EventKey, ...]:
    """Return the events that a slice from ``end`` on lists again, by either time that the bounds may compare."""
    edge = (end - 1 <= event.recorded_ts <= end or end - 1 <= event.collected_ts <= end for event in events.values())
    return tuple(sorted(compress(events, edge)))


@define(eq=False)
class _SliceResponses:
    """The responses of one slice, besides their events."""

    guard: CursorGuard = field(factory=CursorGuard)
    messages: tuple[CodedMessage, ...] = ()
    errors: tuple[CodedMessage, ...] = ()
    restarted: bool = False
    failure: CfEventsError | None = None


class _SliceFetcher:
    """Requests the pages of the slices that the planner chooses, up to ``query.concurrency`` at a time."""

    def __init__(self, get_connection: GetConnection, query: ListQuery, planner: Planner) -> None:
        self.tasks = dict[asyncio.Task[Result[Listing]], tuple[Slice, Request[Listing]]]()
        self._get_connection, self._query, self._planner = get_connection, query, planner
        self._time_left = query.timeout  # seconds
        self._responses: defaultdict[Slice, _SliceResponses] = defaultdict(_SliceResponses)

    async def next(self) -> tuple[Slice, _SliceResponses]:
        """Return the first slice that is left, while others are requested."""
        while True:
            connection = self._get_connection()
            for task in [task for task in self.tasks if task.done()]:
                await self._on_response(connection, task)
            self._send_requests(connection)
            if slice_ := self._planner.pop_finished():
                responses = self._responses.pop(slice_)
                if responses.failure:
                    raise responses.failure
                # Let the next requests leave before the caller works on it.
                await asyncio.sleep(0)
                return slice_, responses
            began = connection.loop.time()
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._time_left is not None:
                self._time_left -= connection.loop.time() - began

    def _send_requests(self, connection: Connection) -> None:
        for task, (slice_, _) in list(self.tasks.items()):
            if slice_.discarded:
                task.cancel()
                del self.tasks[task]
        for slice_ in [slice_ for slice_ in self._responses if slice_.discarded]:
            del self._responses[slice_]
        for slice_, window in self._planner.next_requests():
            request = self._query.request(connection.endpoints, window, slice_.cursor)
            self.tasks[connection.create_task(connection.request(request, self._time_left))] = slice_, request

    async def _on_response(self, connection: Connection, task: "asyncio.Task[Result[Listing]]") -> None:
        slice_, request = self.tasks.pop(task)
        if slice_.discarded:  # by a response of the same moment
            return
        responses = self._responses[slice_]
        try:
            result = await connection.result_of(task)
            if cursor := result.result.cursor or None:
                responses.guard.check(request, cursor, result.ray_id)
        except CfEventsError as error:
            # The cursor may have expired, and a slice is small enough to list again.
            if isinstance(error, BadRequestError) and slice_.cursor and not responses.restarted:
                self._responses[slice_] = _SliceResponses(restarted=True)
                self._planner.restart(slice_)
            else:
                responses.failure = error
                self._planner.end_with(slice_)
            return
        responses.messages += result.messages
        responses.errors += result.errors
        self._planner.on_page(slice_, {event_key(event): event for event in result.result.items}, cursor)

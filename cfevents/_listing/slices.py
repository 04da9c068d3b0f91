"""A listing in slices of its window, side by side: each has a cursor of its own."""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping

from attrs import define, evolve, field

from cfevents._http.connection import Connection, GetConnection, cancel_all
from cfevents._listing.pages import CursorGuard, filter_kinds, told_how_to_go_on
from cfevents._listing.planner import STRICT, CostLimit, Planner, Slice
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventMetadata, Listing, event_key
from cfevents._model.checkpoint import Checkpoint, EventKey
from cfevents._model.results import Page
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Result
from cfevents.errors import BadRequestError, CfEventsError, CodedMessage


async def list_slices(
    get_connection: GetConnection,
    query: ListQuery,
    *,
    allowance: CostLimit = STRICT,
    quiet_from: float = math.inf,
    every_kind: bool = False,
) -> AsyncGenerator[Page, None]:
    """Yield a listing's events in ascending order, a page for each slice.

    Args:
        get_connection: Returns the open connection.
        query: What to list.
        allowance: What it may cost.
        quiet_from: From when on hardly anything is expected, in seconds since the Unix epoch.
        every_kind: Whether those of kinds that are not wanted come too, as the API sends them.

    Raises:
        CfEventsError: A slice could not be had; what comes before it has been yielded, and the error's checkpoint tells
            how to go on.
    """
    reached = query.start
    side_by_side = _SideBySide(get_connection, query, Planner(query.window, query.concurrency, allowance, quiet_from))
    before: set[EventKey] = set(reached.delivered)
    try:
        while not reached.finished:
            with told_how_to_go_on(reached):
                part, reading = await side_by_side.next()
            events = [event for key, event in sorted(part.events.items()) if key not in before]
            before = set(part.events)
            reached = _after(part, reached)
            yield Page(
                items=tuple(events) if every_kind else filter_kinds(tuple(events), query.kinds),
                messages=tuple(reading.messages),
                errors=tuple(reading.errors),
                checkpoint=reached,
            )
    finally:
        await cancel_all(side_by_side.tasks)


def _after(part: Slice, reached: Checkpoint) -> Checkpoint:
    """Note what was delivered with a slice: all before its end, and what the next will list again."""
    if part.end == reached.until:
        return evolve(reached, reached=None, delivered=(), finished=True)
    return evolve(reached, reached=part.end, delivered=resume_keys(part.events, part.end))


def resume_keys(events: Mapping[EventKey, EventMetadata], end: int) -> tuple[EventKey, ...]:
    """Find the events that a slice which begins at ``end`` lists again: by whichever of its times the bounds mean."""
    again = (
        key
        for key, event in events.items()
        if end - 1 <= event.recorded_ts <= end or end - 1 <= event.collected_ts <= end
    )
    return tuple(sorted(again))


@define(eq=False)
class _Reading:
    """How the listing of a slice goes."""

    trail: CursorGuard = field(factory=CursorGuard)
    request: Request[Listing] | None = None
    messages: list[CodedMessage] = field(factory=list)
    errors: list[CodedMessage] = field(factory=list)
    restarted: bool = False
    failure: CfEventsError | None = None


class _SideBySide:
    """The requests of the slices, as many at a time as the query says."""

    def __init__(self, get_connection: GetConnection, query: ListQuery, plan: Planner) -> None:
        self.tasks: dict[asyncio.Task[Result[Listing]], Slice] = {}
        self._get_connection, self._query, self._plan = get_connection, query, plan
        self._patience = query.timeout
        self._readings: defaultdict[Slice, _Reading] = defaultdict(_Reading)

    async def next(self) -> tuple[Slice, _Reading]:
        """Wait for the first slice that is left, with others on their way."""
        while True:
            connection = self._get_connection()
            for task in [task for task in self.tasks if task.done()]:
                await self._learn(connection, task)
            self._ask(connection)
            if part := self._plan.take():
                reading = self._readings.pop(part)
                if reading.failure:
                    raise reading.failure
                # Before the caller works on it, the next requests leave.
                await asyncio.sleep(0)
                return part, reading
            began = connection.loop.time()
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._patience is not None:
                self._patience -= connection.loop.time() - began

    def _ask(self, connection: Connection) -> None:
        for task, part in list(self.tasks.items()):
            if part.given_up:
                task.cancel()
                del self.tasks[task]
        for part in [part for part in self._readings if part.given_up]:
            del self._readings[part]
        for part, window in self._plan.asks():
            request = self._query.request(connection.endpoints, window, part.cursor)
            self._readings[part].request = request
            self.tasks[connection.create_task(connection.request(request, self._patience))] = part

    async def _learn(self, connection: Connection, task: "asyncio.Task[Result[Listing]]") -> None:
        part = self.tasks.pop(task)
        if part.given_up:  # by what another answer of the same moment told
            return
        reading = self._readings[part]
        try:
            answer = await connection.result_of(task)
            cursor = self._next(reading, part, answer)
        except CfEventsError as error:
            # A cursor may have expired, and a slice is soon listed again.
            if isinstance(error, BadRequestError) and part.cursor and not reading.restarted:
                self._readings[part] = _Reading(restarted=True)
                self._plan.restart(part)
            else:
                reading.failure = error
                self._plan.end_with(part)
        else:
            reading.messages += answer.messages
            reading.errors += answer.errors
            self._plan.learn(part, {event_key(event): event for event in answer.result.items}, cursor)

    def _next(self, reading: _Reading, part: Slice, answer: Result[Listing]) -> str | None:
        if not answer.result.cursor:
            return None
        assert reading.request is not None  # noqa: S101 - it was answered
        return reading.trail.after(reading.request, answer.result.cursor, answer.ray_id)

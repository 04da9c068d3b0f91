"""The requests of following: each connector asked when it is due, several at a time, whatever the API does."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from random import random
from typing import NamedTuple

from attrs import define, evolve

from cfevents.errors import (
    AuthenticationError,
    BadRequestError,
    CfEventsError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
)
from cfevents.models import EventMetadata, FollowedEvent
from cfevents.query import Query
from cfevents.session import Reader, stop
from cfevents.streams.fleet import Members
from cfevents.streams.schedule import Pace, Schedule, Turn
from cfevents.streams.slices import list_slices
from cfevents.streams.state import FollowCheckpoint
from cfevents.streams.watermark import Watermark
from cfevents.timespan import Timespan, now

# The API answered, and will answer the same for a while.
_REFUSALS = (AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError)
# The part of the lookback from which a lag is told of, before anything is lost.
_NOTABLE_LAG = 0.5
# The part of the budget that following takes at most.
_SHARE = 0.8

_log = logging.getLogger("cfevents")


class Terms(NamedTuple):
    """How following is done. Lengths of time are in seconds."""

    query: Query
    """What to list of each connector."""

    pace: Pace
    overlap: float
    """How far before the watermark each round begins."""

    lookback: float
    """How late an event may come."""

    random: Callable[[], float] = random

    @property
    def farthest(self) -> float:
        """How far before the watermark is looked: while it waits to be looked for, the watermark goes on."""
        return self.lookback + self.pace.deep_interval + self.pace.interval


@define(eq=False)
class ConnectorStatus:
    """How following a connector goes."""

    last_good_at: datetime | None = None
    """When it was last asked with success."""

    lag: timedelta = timedelta(0)
    """The longest time that was seen between an event's recording and its collection."""

    backlog: timedelta = timedelta(0)
    """How long ago the event was recorded that came last, while more are on their way."""

    error: CfEventsError | None = None
    """Why it could not be asked when it was asked last."""


class Found(NamedTuple):
    """What a page of a connector brought, and how far it is followed after it."""

    connector_id: str
    items: tuple[FollowedEvent[EventMetadata], ...]
    after: Watermark


class Asking:
    """Tasks that ask for whichever connector is due. What they find waits to be taken; then they wait too."""

    def __init__(self, reader: Reader, members: Members, terms: Terms, start: FollowCheckpoint) -> None:
        """Begin with nothing asked."""
        self.status: dict[str, ConnectorStatus] = {}
        self._reader, self._members, self._terms, self._start = reader, members, terms, start
        self._marks: dict[str, Watermark] = {}
        self._schedule = Schedule(terms.pace, terms.random)
        self._found: asyncio.Queue[Found | BaseException | None] = asyncio.Queue(1)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._answered = False

    async def next(self) -> Found | None:
        """Wait for what is found next; None after the end.

        Raises:
            CfEventsError: Nothing can be asked any more.
        """
        session = self._reader.opened()
        if not self._tasks:
            await self._look_for_connectors()
            works = [self._work() for _ in range(min(self._members.concurrency, max(1, len(self._marks))))]
            self._tasks = [session.start(work) for work in (*works, self._keep_looking())]
        found = await session.outcome(session.start(self._found.get()))
        if isinstance(found, BaseException):
            raise found
        return found

    def end(self) -> None:
        """Let whoever waits know that nothing more comes."""
        with suppress(asyncio.QueueFull):
            self._found.put_nowait(None)

    async def close(self) -> None:
        """End what is under way."""
        await stop(self._tasks)

    async def _look_for_connectors(self) -> None:
        ids, _ = await self._members.begin()
        for connector_id in ids:
            self._marks.setdefault(connector_id, self._start.of(connector_id))
            self.status.setdefault(connector_id, ConnectorStatus())
        self._schedule.add(ids, asyncio.get_running_loop().time())
        self._changed.set()

    async def _keep_looking(self) -> None:
        while self._members.named is None:
            await asyncio.sleep(self._terms.pace.deep_interval)
            with suppress(CfEventsError):  # those that are known are followed
                await self._look_for_connectors()

    async def _work(self) -> None:
        try:
            while True:
                turn = await self._next_turn()
                await self._take(turn)
                self._changed.set()
        except Exception as error:  # whoever reads has to know
            await self._found.put(error)

    async def _next_turn(self) -> Turn:
        loop = asyncio.get_running_loop()
        while (turn := self._schedule.next(loop.time())) is None:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._schedule.wait(loop.time())):
                    await self._changed.wait()
        return turn

    async def _take(self, turn: Turn) -> None:
        """Ask for a connector, and put it back to be asked again."""
        loop, status = asyncio.get_running_loop(), self.status[turn.connector_id]
        began = loop.time()
        try:
            again = await self._ask(turn, status)
        except ConfigurationError:
            raise
        except CfEventsError as error:
            status.error = error
            self._tell_of(turn, error)
            (self._schedule.refused if isinstance(error, _REFUSALS) else self._schedule.failed)(turn, loop.time())
            return
        if self._schedule.is_down:
            _log.warning("the API answers again")
        status.error, status.last_good_at, self._answered = None, datetime.now(UTC), True
        least = len(self._marks) / (_SHARE * self._reader.opened().rate)
        self._schedule.done(turn, began, loop.time(), again=again, least=least)

    def _tell_of(self, turn: Turn, error: CfEventsError) -> None:
        if isinstance(error, AuthenticationError) and not self._answered:
            raise error
        if isinstance(error, _REFUSALS):
            _log.warning("connector %s is refused, and asked rarely from now on: %s", turn.connector_id, error)
        elif not self._schedule.is_down:
            _log.warning("the API gives no answer; it is asked once a minute until it does: %s", error)

    async def _ask(self, turn: Turn, status: ConnectorStatus) -> bool:
        """List what a connector may have new; whether there may be more."""
        mark, pages, fresh = self._marks[turn.connector_id], 0, 0
        window = mark.window(self._terms.farthest if turn.deep else self._terms.overlap, now())
        reader = self._reader._replace(opened=lambda: self._reader.opened().once()) if turn.probe else self._reader
        async with aclosing(list_slices(reader, self._query(turn, window))) as listing:
            async for page in listing:
                pages += 1
                if missing := mark.missing(page.items):
                    fresh += len(missing)
                    self._note(turn.connector_id, status, missing)
                    items = tuple(FollowedEvent(turn.connector_id, each, mark.is_late(each)) for each in missing)
                    mark = mark.after(missing).without_what_is_older(self._terms.farthest, now())
                    await self._found.put(Found(turn.connector_id, items, mark))
                    self._marks[turn.connector_id] = mark
        status.backlog = timedelta(0)
        return pages > 1 and fresh > 0

    def _query(self, turn: Turn, window: Timespan) -> Query:
        query = self._terms.query
        start = evolve(query.start, connector_id=turn.connector_id, since=window.since, until=window.until)
        return evolve(query, start=start)

    def _note(self, connector_id: str, status: ConnectorStatus, events: list[EventMetadata]) -> None:
        """Remember how far behind events come, and tell of it before some come too late."""
        lag = timedelta(seconds=max(event.collected_ts - event.recorded_ts for event in events))
        notable = timedelta(seconds=_NOTABLE_LAG * self._terms.lookback)
        if status.lag < notable <= lag:
            _log.warning(
                "connector %s: an event was collected %s after it was recorded; what comes later than the lookback of "
                "%s is lost: follow with a longer one",
                connector_id,
                lag,
                timedelta(seconds=self._terms.lookback),
            )
        status.lag = max(status.lag, lag)
        status.backlog = timedelta(seconds=max(0.0, now() - events[-1].recorded_ts))

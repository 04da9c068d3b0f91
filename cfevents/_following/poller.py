"""The requests of following: each connector asked when it is due, several at a time, whatever the API does."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from random import random
from typing import NamedTuple

from attrs import evolve

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.poll import Payloads, Poll, PollResult
from cfevents._following.schedule import DueConnector, Intervals, Schedule
from cfevents._following.status import ConnectorStatus
from cfevents._following.watermark import Watermark
from cfevents._http.connection import Connection, Reader, cancel_all
from cfevents._listing.fleet import FleetMembers
from cfevents._listing.query import ListQuery
from cfevents._time import now
from cfevents.errors import (
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    CfEventsError,
    ConfigurationError,
    InternalServerError,
    PaginationError,
    RateLimitError,
)

# The part of the budget that following takes at most.
_SHARE = 0.8
# Seconds between two looks at which connectors an account has, at least.
_LOOK = 60.0

_log = logging.getLogger("cfevents")


class FollowOptions(NamedTuple):
    """How following is done. Lengths of time are in seconds."""

    query: ListQuery
    """What to list of each connector."""

    pace: Intervals
    overlap: float
    """How far before the watermark each round begins."""

    lookback: float
    """How late an event may come."""

    payloads: Payloads | None = None
    once: bool = False
    """Whether it ends after a round of each connector."""

    random: Callable[[], float] = random

    @property
    def latest(self) -> float:
        """How late an event may come, and a little more: another clock tells when it came."""
        return self.lookback + self.overlap


class Poller:
    """Tasks that ask for whichever connector is due. What they find waits to be taken; then they wait too."""

    def __init__(self, reader: Reader, members: FleetMembers, terms: FollowOptions, start: FollowCheckpoint) -> None:
        """Begin with nothing asked."""
        self.status: dict[str, ConnectorStatus] = {}
        self.errors: dict[str, CfEventsError] = {}
        """Why connectors could not be asked, where each is asked once."""

        self._reader, self._members, self._terms, self._start = reader, members, terms, start
        self._marks = dict[str, Watermark]()
        self._schedule = Schedule(terms.pace, terms.random)
        self._found: asyncio.Queue[PollResult | BaseException | None] = asyncio.Queue(1)
        self._changed = asyncio.Event()
        self._session: Connection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._answered = self._looked = self._looks_in_vain = False

    async def next(self) -> PollResult | None:
        """Wait for what is found next; None after the end.

        Raises:
            CfEventsError: Nothing can be asked any more.
        """
        session = self._reader.opened()
        if self._session is None:
            self._session = session
            self._begin(session)
        elif session is not self._session:
            raise ConfigurationError("the client was closed while it was reading")
        found = await session.outcome(session.start(self._found.get()))
        if isinstance(found, BaseException):
            raise found
        return found

    def end(self, error: CfEventsError | None = None) -> None:
        """End what is under way, and let whoever waits know that nothing more comes, or why."""
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.QueueFull):
            self._found.put_nowait(error)

    async def close(self) -> None:
        """End what is under way."""
        await cancel_all(self._tasks)

    def _begin(self, session: Connection) -> None:
        named, most = self._members.named, self._members.concurrency
        if not self._terms.once:
            # Which an account has is asked for; meanwhile those are followed that were followed before.
            self._take_in(named or self._start.connectors)
        works = [self._work] * (min(most, len(named)) if named else most)
        self._tasks = [session.start(self._told(work)) for work in (*works, self._look)]

    async def _told(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await work()
        except Exception as error:  # whoever reads has to know
            await self._found.put(error)

    def _take_in(self, connector_ids: Iterable[str]) -> None:
        """Follow these connectors, and no others."""
        ids = dict.fromkeys(connector_ids)
        for connector_id in self.status.keys() - ids.keys():
            self._schedule.drop(connector_id)
            del self.status[connector_id]
        for connector_id in ids:
            self._marks.setdefault(connector_id, self._start.of(connector_id))
            self.status.setdefault(connector_id, ConnectorStatus())
        self._schedule.add(ids, asyncio.get_running_loop().time())
        self._changed.set()

    async def _look(self) -> None:
        """Find which connectors there are, where they were not named from time to time."""
        while True:
            # While the API is down, the connectors that are known tell when it is back.
            if not (self._schedule.is_down and self.status):
                await self._look_once()
            if self._looked and (self._terms.once or self._members.named is not None):
                return
            await asyncio.sleep(max(_LOOK, self._terms.pace.deep_interval if self._looked else 0.0))

    async def _look_once(self) -> None:
        try:
            ids, self.errors = await self._members.begin(self._once(self._looks_in_vain))
        except ConfigurationError:
            raise
        except CfEventsError as error:
            if self._terms.once or (isinstance(error, AuthenticationError) and not self._answered):
                raise
            if not self._looks_in_vain:
                _log.warning("the connectors of the account cannot be listed; it is tried again: %s", error)
            self._looks_in_vain = True
            return
        self._answered = self._answered or self._members.named is None
        self._looked, self._looks_in_vain = True, False
        self._take_in(ids)

    def _once(self, doubted: bool) -> Reader:
        """Give what to read with: where no answer is expected, a request is not repeated."""
        return self._reader._replace(opened=lambda: self._reader.opened().once()) if doubted else self._reader

    async def _work(self) -> None:
        while (turn := await self._next_turn()) is not None:
            await self._take(turn)
            self._changed.set()
        await self._found.put(None)

    async def _next_turn(self) -> DueConnector | None:
        """Wait until a connector is due; None where each had its turn, and that was all."""
        loop = asyncio.get_running_loop()
        while (turn := self._schedule.next(loop.time())) is None:
            if self._terms.once and self._looked and self._schedule.is_empty:
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._schedule.wait(loop.time())):
                    await self._changed.wait()
        return turn

    async def _take(self, turn: DueConnector) -> None:
        """Ask for a connector, and put it back to be asked again."""
        loop, status, was_down = asyncio.get_running_loop(), self.status[turn.connector_id], self._schedule.is_down
        began, news = loop.time(), self._news(turn)
        try:
            await self._deliver(news, turn, status)
        except ConfigurationError:
            raise
        except CfEventsError as error:
            self._failed(turn, status, error, answered=news.pages > 0)
        else:
            status.succeeded()
            self._answered = True
            least = len(self.status) / (_SHARE * self._reader.opened().rate)
            self._schedule.done(turn, began, loop.time(), again=news.is_behind, least=least)
        if self._terms.once:
            self._schedule.drop(turn.connector_id)
        if was_down and not self._schedule.is_down:
            _log.warning("the API answers again")

    def _news(self, turn: DueConnector) -> Poll:
        terms, mark = self._terms, self._marks[turn.connector_id]
        since, until = mark.window(math.inf if turn.deep else terms.overlap, now())
        start = evolve(terms.query.start, connector_id=turn.connector_id, since=since, until=until)
        lookback = terms.latest if turn.deep else None
        query = evolve(terms.query, start=start)
        return Poll(self._once(turn.doubted), query, mark, payloads=terms.payloads, lookback=lookback)

    async def _deliver(self, news: Poll, turn: DueConnector, status: ConnectorStatus) -> None:
        async with aclosing(news.found()) as pieces:
            async for found in pieces:
                status.note(turn.connector_id, found.events, self._terms.lookback)
                await self._found.put(found)
                self._marks[turn.connector_id] = found.after
        self._marks[turn.connector_id] = news.mark

    def _failed(self, turn: DueConnector, status: ConnectorStatus, error: CfEventsError, *, answered: bool) -> None:
        if isinstance(error, AuthenticationError) and not self._answered:
            # It is of no window: nothing was asked yet.
            error.since = error.until = error.checkpoint = None
            raise error
        clock, is_news, was_down = asyncio.get_running_loop().time(), status.error is None, self._schedule.is_down
        status.error = error
        if self._terms.once:
            self.errors[turn.connector_id] = error
        if _is_refusal(error):
            self._schedule.refused(turn, clock)
        else:
            self._schedule.failed(turn, clock, answered=answered or _is_answer(error))
        if self._schedule.is_down and not was_down:
            _log.warning("the API gives no answer; it is asked once a minute until it does: %s", error)
        elif is_news and not was_down and not self._terms.once:
            name = turn.connector_id
            _log.warning("connector %s cannot be read; it is asked again from time to time: %s", name, error)


def _is_refusal(error: CfEventsError) -> bool:
    """Whether the API answered, and will answer the same for a while."""
    return isinstance(error, APIStatusError) and not isinstance(error, InternalServerError | RateLimitError)


def _is_answer(error: CfEventsError) -> bool:
    """Whether it was the API that answered, and nothing in front of it."""
    return isinstance(error, PaginationError) or (isinstance(error, APIResponseError) and error.place != "body")

"""The requests of following: each connector asked when it is due, several at a time, whatever the API does."""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import aclosing, suppress
from random import random
from typing import NamedTuple

from attrs import evolve

from cfevents.errors import (
    APIStatusError,
    AuthenticationError,
    CfEventsError,
    ConfigurationError,
    InternalServerError,
    RateLimitError,
)
from cfevents.query import Query
from cfevents.session import Reader, stop
from cfevents.streams.fleet import Members
from cfevents.streams.news import Found, News, Payloads
from cfevents.streams.schedule import Pace, Schedule, Turn
from cfevents.streams.state import FollowCheckpoint
from cfevents.streams.status import ConnectorStatus
from cfevents.streams.watermark import Watermark
from cfevents.timespan import now

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

    payloads: Payloads | None = None
    once: bool = False
    """Whether it ends after a round of each connector."""

    random: Callable[[], float] = random

    @property
    def latest(self) -> float:
        """How late an event may come, and a little more: another clock tells when it came."""
        return self.lookback + self.overlap


class Asking:
    """Tasks that ask for whichever connector is due. What they find waits to be taken; then they wait too."""

    def __init__(self, reader: Reader, members: Members, terms: Terms, start: FollowCheckpoint) -> None:
        """Begin with nothing asked."""
        self.status: dict[str, ConnectorStatus] = {}
        self._reader, self._members, self._terms, self._start = reader, members, terms, start
        self._marks = dict[str, Watermark]()
        self._schedule = Schedule(terms.pace, terms.random)
        self._found: asyncio.Queue[Found | BaseException | None] = asyncio.Queue(1)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.errors: dict[str, CfEventsError] = {}
        self._answered = False

    async def next(self) -> Found | None:
        """Wait for what is found next; None after the end.

        Raises:
            CfEventsError: Nothing can be asked any more.
        """
        session = self._reader.opened()
        if not self._tasks:
            await self._look_for_connectors()
            workers = min(self._members.concurrency, len(self._members.named or range(self._members.concurrency)))
            works = (self._work() for _ in range(workers))
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
        ids, self.errors = await self._members.begin()
        for connector_id in ids:
            self._marks.setdefault(connector_id, self._start.of(connector_id))
            self.status.setdefault(connector_id, ConnectorStatus())
        self._schedule.add(ids, asyncio.get_running_loop().time())
        self._changed.set()

    async def _keep_looking(self) -> None:
        while self._members.named is None and not self._terms.once:
            await asyncio.sleep(self._terms.pace.deep_interval)
            with suppress(CfEventsError):  # those that are known are followed
                await self._look_for_connectors()

    async def _work(self) -> None:
        try:
            while not (self._terms.once and self._schedule.is_empty):
                turn = await self._next_turn()
                await self._take(turn)
                self._changed.set()
            await self._found.put(None)
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
            self._failed(turn, error)
            return
        if self._schedule.is_down:
            _log.warning("the API answers again")
        status.succeeded()
        self._answered = True
        if self._terms.once:
            self._schedule.drop(turn)
            return
        least = len(self._marks) / (_SHARE * self._reader.opened().rate)
        self._schedule.done(turn, began, loop.time(), again=again, least=least)

    async def _ask(self, turn: Turn, status: ConnectorStatus) -> bool:
        """List what a connector may have new; whether there may be more."""
        terms, before = self._terms, self._marks[turn.connector_id]
        since, until = before.window(math.inf if turn.deep else terms.overlap, now())
        start = evolve(terms.query.start, connector_id=turn.connector_id, since=since, until=until)
        reader = self._reader._replace(opened=lambda: self._reader.opened().once()) if turn.doubted else self._reader
        lookback = terms.latest if turn.deep else None
        news = News(reader, evolve(terms.query, start=start), before, payloads=terms.payloads, lookback=lookback)
        async with aclosing(news.found()) as pieces:
            async for found in pieces:
                status.note(turn.connector_id, found.events, terms.lookback)
                await self._found.put(found)
                self._marks[turn.connector_id] = found.after
        self._marks[turn.connector_id] = news.mark
        return news.pages > 1 and news.mark is not before

    def _failed(self, turn: Turn, error: CfEventsError) -> None:
        status, clock = self.status[turn.connector_id], asyncio.get_running_loop().time()
        if isinstance(error, AuthenticationError) and not self._answered:
            raise error
        known, was_down, status.error = status.error is not None, self._schedule.is_down, error
        if self._terms.once:
            self.errors[turn.connector_id] = error
            self._schedule.drop(turn)
        elif _is_refusal(error):
            self._schedule.refused(turn, clock)
        else:
            self._schedule.failed(turn, clock)
        if self._schedule.is_down and not was_down:
            _log.warning("the API gives no answer; it is asked once a minute until it does: %s", error)
        elif not known and not was_down and not self._terms.once:
            _log.warning(
                "connector %s cannot be read, and is asked again from time to time: %s", turn.connector_id, error
            )


def _is_refusal(error: CfEventsError) -> bool:
    """Whether the API answered, and will answer the same for a while."""
    return isinstance(error, APIStatusError) and not isinstance(error, InternalServerError | RateLimitError)

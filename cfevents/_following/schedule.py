"""The times at which connectors are polled, the detection of an outage, and the pace of requests. No I/O."""

import asyncio
import heapq
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import Enum, auto
from itertools import count
from typing import NamedTuple, TypeAlias

from attrs import define, field

from cfevents._http.connection import GetConnection

# Until a connector without answer is polled again. During an outage the next of all connectors is polled as often, and
# only that one: at most one request a minute.
RETRY_S = 60.0
_OUTAGE_CONNECTORS = 3  # in a row without an answer
_JITTER_FRACTION = 0.1  # part by which an interval varies, so that many followers do not poll at the same moment
BUDGET_SHARE = 0.8  # of the request budget that following uses, so that others keep theirs
_LOOK_AGAIN_S = 1.0  # until a request that waits for the budget itself is looked at again


class Intervals(NamedTuple):
    """Seconds between two polls of a connector."""

    interval: float
    deep_interval: float  # between two deep polls, which look for late events
    refused: float = 900.0  # where the API refuses the connector


class DueConnector(NamedTuple):
    """A connector to poll now."""

    connector_id: str
    deep: bool  # look for late events too
    probe: bool  # find out if an outage is over
    suspect: bool  # the connector or the API did not answer before: send each request once


class _Health(Enum):
    """The state of a connector. See `Schedule` for the transitions."""

    OK = auto()
    SUSPECT = auto()
    FAILING = auto()


@define(eq=False)
class _Entry:
    connector_id: str
    deep_at: float
    ticket: int = -1  # the number of the heap item that counts; -1 for none
    health: _Health = _Health.OK


_Item: TypeAlias = tuple[float, int, _Entry]
"""When a connector is due, and the ticket that was valid then."""


class Schedule:
    """The connectors by due time. Times are those of the event loop's clock.

    A heap with lazy deletion: each push gives the connector a new ticket, and items with an older ticket are dropped
    when they reach the top. A connector that is being polled is not in the heap, so no two polls of it overlap. Every
    operation costs O(log n) amortized, also with 10,000 connectors; the end of an outage costs O(n) once.

    An outage is distinguished from single connectors that fail::

        health    meaning                                        left by
        OK        the last poll was answered                     a poll without answer -> SUSPECT
        SUSPECT   no answer, and none for any other since        any answer of the API -> FAILING
        FAILING   no answer, although the API answers others     a successful poll     -> OK

    Connectors that are not OK have a heap of their own: whoever polls these keeps none of the others waiting.
    A refusal by the API is an answer, but leaves the connector's own health as it is. If as many as 3 connectors are
    SUSPECT, or all that are not FAILING, the API is down: one connector a minute is polled until an answer comes.
    """

    def __init__(self, intervals: Intervals, random: Callable[[], float]) -> None:
        self._intervals, self._random = intervals, random
        self._heaps: dict[bool, list[_Item]] = {True: [], False: []}  # of the connectors that are OK, and of others
        self._tickets = count()
        self.entries: dict[str, _Entry] = {}
        self._by_health = {health: set[_Entry]() for health in _Health}
        self.is_down = False  # whether the API answers nobody
        self._probe_at, self._probing, self._answered_at = 0.0, False, -math.inf

    def add(self, connector_ids: Iterable[str], now: float) -> None:
        """Add connectors that are new; each is due at once, for a deep poll."""
        for connector_id in connector_ids:
            if connector_id not in self.entries:
                self.entries[connector_id] = entry = _Entry(connector_id, deep_at=now)
                self._by_health[entry.health].add(entry)
                self._push(connector_id, now)

    def drop(self, connector_id: str) -> None:
        """Remove a connector, also while it is being polled."""
        entry = self.entries.pop(connector_id)
        self._by_health[entry.health].discard(entry)
        entry.ticket = -1

    def next(self, now: float, *, healthy: bool | None = None) -> DueConnector | None:
        """Return the connector that is due first, or None; then `done`, `failed`, `refused` or `drop` must follow.

        Only a connector that is OK, or only one that is not; the default is either. During an outage, the probes are
        for who asks for those that are OK.
        """
        if self.wait(now, healthy=healthy) != 0:
            return None
        _, _, entry = heapq.heappop(self._heap(healthy))
        self._probing = self.is_down
        suspect = bool(self._by_health[_Health.SUSPECT]) or entry.health is not _Health.OK
        return DueConnector(entry.connector_id, entry.deep_at <= now, self._probing, suspect)

    def wait(self, now: float, *, healthy: bool | None = None) -> float | None:
        """Return the seconds until such a connector is due; None if that depends on the end of a poll."""
        heap = self._heap(healthy)
        if self._probing or not heap:
            return None
        return max(0.0, (self._probe_at if self.is_down else heap[0][0]) - now)

    def _heap(self, healthy: bool | None) -> list[_Item]:
        for heap in self._heaps.values():
            while heap and heap[0][1] != heap[0][2].ticket:
                heapq.heappop(heap)
        if healthy is None or (healthy and self.is_down):
            return min(filter(None, self._heaps.values()), default=[])
        return [] if self.is_down else self._heaps[healthy]

    def done(self, due: DueConnector, began: float, now: float, *, again: bool = False, least: float = 0.0) -> None:
        """Schedule a connector that answered, after the ``least`` seconds that the request budget allows.

        It is due again as soon as that if there may be more events already.
        """
        self._on_answer(now)
        if entry := self.entries.get(due.connector_id):
            if entry.health is not _Health.OK:
                self._set_health(entry, _Health.OK)
            if due.deep:
                entry.deep_at = began + self._intervals.deep_interval
        pause = least if again else self._jittered(max(self._intervals.interval, least))
        self._push(due.connector_id, max(now, began + pause) if again else began + pause)

    def failed(
        self,
        due: DueConnector,
        now: float,
        *,
        answered: bool = False,
        least: float = 0.0,
        sent_at: float = math.inf,
    ) -> None:
        """Schedule a connector whose poll failed; if the API answered all the same, that is no sign of an outage.

        Nor is it one if the API has answered another since the request was sent. The ``least`` seconds are those that
        the answer asks to wait, or the request budget, believed up to the interval of a refusal.
        """
        pause = max(RETRY_S, min(least, self._intervals.refused))
        if answered:
            self._on_answer(now)
        if entry := self.entries.get(due.connector_id):
            entry.deep_at = now
            if answered or (self._answered_at > sent_at and self._others_than_failing > 1):
                self._set_health(entry, _Health.FAILING)
            elif entry.health is _Health.OK or not self._others_than_failing:
                self._set_health(entry, _Health.SUSPECT)
        if not answered and (due.probe if self.is_down else self._is_outage()):
            self.is_down, self._probe_at, self._probing = True, now + self._delayed(pause), False
        self._push(due.connector_id, now + self._delayed(pause))

    def refused(self, due: DueConnector, now: float, *, least: float = 0.0) -> None:
        """Schedule a connector that the API refuses, for a rare poll."""
        self._on_answer(now)
        if entry := self.entries.get(due.connector_id):
            entry.deep_at = now
        self._push(due.connector_id, now + self._jittered(max(self._intervals.refused, least)))

    @property
    def _others_than_failing(self) -> int:
        return len(self.entries) - len(self._by_health[_Health.FAILING])

    def _is_outage(self) -> bool:
        # Connectors that never answer prove nothing.
        return 0 < min(_OUTAGE_CONNECTORS, self._others_than_failing) <= len(self._by_health[_Health.SUSPECT])

    def _on_answer(self, now: float) -> None:
        self._answered_at = now
        for entry in tuple(self._by_health[_Health.SUSPECT]):
            self._set_health(entry, _Health.FAILING)
        if self.is_down:
            # Events that were collected during the outage may have been recorded long before.
            for entry in self.entries.values():
                entry.deep_at = now
            self.is_down = self._probing = False

    def _set_health(self, entry: _Entry, health: _Health) -> None:
        self._by_health[entry.health].discard(entry)
        entry.health = health
        self._by_health[health].add(entry)

    def _push(self, connector_id: str, due_at: float) -> None:
        if entry := self.entries.get(connector_id):  # it may have been dropped while it was polled
            entry.ticket = next(self._tickets)
            heapq.heappush(self._heaps[entry.health is _Health.OK], (due_at, entry.ticket, entry))

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + _JITTER_FRACTION * (2 * self._random() - 1))

    def _delayed(self, seconds: float) -> float:
        return seconds * (1 + _JITTER_FRACTION * self._random())


@define(eq=False)
class Pace:
    """A gate for requests: at most four fifths of the budget pass in any of its periods, first come, first served.

    Algorithm: a log of the requests of the last period, as the budget itself has one. A request passes the gate, and
    then waits for the budget. Bound: one float for each request of a period.
    """

    _get_connection: GetConnection  # the budget is that of the connection
    _sent: deque[float] = field(factory=deque, init=False)
    _waiting_for_budget: int = field(default=0, init=False)
    _turn: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _opens_at: float = field(default=-math.inf, init=False)  # on the event loop's clock, where a request waits for that

    @property
    def wait(self) -> float:
        """Seconds until the next request passes; 0 where none waits, or where it waits for the budget."""
        return max(0.0, self._opens_at - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def gate(self, requests: "PollRequests") -> AsyncGenerator[None, None]:
        """Wait for the turn of a request of a poll. It waits for the budget inside, and leaves when it is sent."""
        loop = asyncio.get_running_loop()
        requests.count += 1
        requests.waiting += 1
        try:
            async with self._turn:
                while True:
                    allowed, period = self._get_connection().budget.allowance
                    while self._sent and self._sent[0] <= loop.time() - period:
                        self._sent.popleft()
                    if len(self._sent) + self._waiting_for_budget < max(1, int(BUDGET_SHARE * allowed)):
                        break
                    await self._sleep(self._sent[0] + period - loop.time() if self._sent else 0.0)
                self._waiting_for_budget += 1
            try:
                yield
            finally:
                self._waiting_for_budget -= 1
                requests.sent_at = loop.time()
                self._sent.append(requests.sent_at)
        finally:
            requests.waiting -= 1

    async def _sleep(self, seconds: float) -> None:
        try:
            self._opens_at = asyncio.get_running_loop().time() + seconds
            await asyncio.sleep(seconds or _LOOK_AGAIN_S)
        finally:
            self._opens_at = -math.inf


@define(eq=False)
class PollRequests:
    """The requests of one poll: how many were sent, how many wait, and when the last one left."""

    count: int = 0
    waiting: int = 0
    sent_at: float = -math.inf

"""An API whose events come with time: recorded at one moment, collected at another, listed from then on."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from random import Random
from types import SimpleNamespace

import pytest
from aiohttp import web

from cfevents import _time
from support.scripted import Reply, Step, failure, item, page, success

BEGIN = 1_700_000_000
DAY = 86_400

Arriving = tuple[int, int, int]
"""When an event is recorded, its sequence number, and when it is collected."""


@contextmanager
def dates_of_the_loop(ahead: Callable[[float], float] = lambda _: 0.0) -> Iterator[None]:
    """Let the wall clock go with the event loop's, from BEGIN on, and be ahead by some seconds at each moment."""
    loop = asyncio.get_running_loop()
    began = loop.time() - BEGIN
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_time, "time", SimpleNamespace(time=lambda: (now := loop.time() - began) + ahead(now)))
        yield


class ArrivingAPI:
    """A step of a script that answers for connectors with what was collected by then."""

    def __init__(self, events: Mapping[str, list[Arriving]], *, page_size: int = 1000) -> None:
        """Take each connector's events."""
        self.events = {
            connector: sorted(arriving, key=lambda event: event[2]) for connector, arriving in events.items()
        }
        self.page_size = page_size
        self._began = asyncio.get_running_loop().time() - BEGIN
        self.date_ahead: Callable[[float], float] = lambda _: 0.0
        """Says by how many seconds the Date of an answer is ahead."""

        self.fails: Callable[[web.Request], int | Step | None] = lambda _: None
        """Says with which status, or how, a request fails."""
        self.hangs: Callable[[web.Request], bool] = lambda _: False
        """Says whether a request is never answered."""

        self.listed: Callable[[str], bool] = lambda _: True
        """Says whether a connector is in the account."""

        self.compares = 0
        """Which time the bounds mean: 0 when an event was recorded, 2 when it was collected."""

        self.kind = "Init"
        self.kinds: dict[tuple[int, int], str] = {}
        """The kinds of events that are of another, by time and sequence number."""
        self.heartbeat: Callable[[str], str | None] = lambda _: None
        """Says when the last heartbeat of a connector came."""

        self.latency = 0.0
        """Seconds that an answer takes."""

        self.asked: list[tuple[float, str]] = []
        """When which connector was listed."""

    def now(self) -> float:
        """What time it is, whatever a clock shows."""
        return asyncio.get_running_loop().time() - self._began

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer(request)
        response.headers["Date"] = formatdate(self.now() + self.date_ahead(self.now()), usegmt=True)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if fault := self.fails(request):
            self._note(request)
            return await (failure(fault) if isinstance(fault, int) else fault)(request)
        if self.hangs(request):
            self._note(request)
            await asyncio.sleep(10**6)
        match request.path.split("/")[7:]:
            case [connector, "telemetry", "events"]:
                self._note(request)
                answer = self._listed(connector, request.query)
                await asyncio.sleep(self.latency)
                return await answer(request)
            case [connector, "telemetry", "events", event]:
                t, n = map(int, event.split("."))
                return await success({"e": {"k": "Init", "of": connector}, "t": t, "n": n})(request)
            case _:
                self._note(request)
                return await success(
                    [{"id": name, "last_heartbeat": self.heartbeat(name)} for name in self.events if self.listed(name)]
                )(request)

    def add(self, connector: str, *events: Arriving) -> None:
        """Let more events come."""
        self.events[connector] = sorted([*self.events.get(connector, []), *events], key=lambda event: event[2])

    def keys(self) -> list[tuple[str, int, int]]:
        """Name all that is or will be listed."""
        return sorted((connector, t, n) for connector, events in self.events.items() for t, n, _ in events)

    def _note(self, request: web.Request) -> None:
        self.asked.append((self.now(), request.path.split("/")[7] if request.path.count("/") > 6 else ""))

    def _listed(self, connector: str, query: Mapping[str, str]) -> Reply:
        known = self.events[connector]
        collected = known[: bisect_right(known, self.now(), key=lambda event: event[2])]
        bounds = range(int(query["from"]), int(query["to"]) + 1)
        within = sorted(event for event in collected if event[self.compares] in bounds)
        if query.get("k", self.kind) != self.kind:
            within = []
        at = int(query.get("cursor", 0))
        items = [item(t, n, k=self.kinds.get((t, n), self.kind), a=a) for t, n, a in within[at : at + self.page_size]]
        end = at + self.page_size
        return page(*items, cursor=str(end) if end < len(within) else None)


def late_history(seed: int, days: float, count: int, longest: float = 20 * 3600.0, ahead: int = 0) -> list[Arriving]:
    """Events of one connector, a third of them collected late, some of them sharing a second.

    Args:
        seed: What the chances depend on.
        days: How long it is.
        count: About how many events there are.
        longest: The longest delay, in seconds.
        ahead: By how many seconds its clock is ahead.
    """
    random, numbers, events = Random(seed), dict[int, int](), []
    for _ in range(count):
        recorded = BEGIN + random.randrange(int(days * DAY))
        for _ in range(1 + (random.random() < 0.1)):
            numbers[recorded] = numbers.get(recorded, -1) + 1
            lag = random.uniform(5, longest) if random.random() < 1 / 3 else random.uniform(0, 5)
            events.append((recorded + ahead, numbers[recorded], int(recorded + lag)))
    return events

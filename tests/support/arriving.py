"""An API whose events come with time: recorded at one moment, collected at another, listed from then on."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from cfevents import timespan
from support.scripted import failure, item, page

BEGIN = 1_700_000_000


@contextmanager
def dates_of_the_loop() -> Iterator[None]:
    """Let the wall clock go with the event loop's, from BEGIN on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timespan, "time", SimpleNamespace(time=lambda: BEGIN + loop.time() - began))
        yield


class ArrivingAPI:
    """A step of a script that answers listings of connectors with what was collected by then."""

    def __init__(self, events: dict[str, list[tuple[int, int, int]]], *, page_size: int = 1000) -> None:
        """Take each connector's events: when recorded, sequence number, when collected."""
        self.events = {connector: sorted(each, key=lambda event: event[2]) for connector, each in events.items()}
        self.page_size = page_size
        self.failing: Random | None = None
        self.down = False
        self.refused: set[str] = set()
        self.asked: list[tuple[float, str]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        connector = request.path.split("/")[-3]
        self.asked.append((timespan.now(), connector))
        if self.down or (self.failing and self.failing.random() < 0.2):
            return await failure(503)(request)
        if connector in self.refused:
            return await failure(403)(request)
        query = request.query
        known = self.events[connector]
        collected = known[: bisect_right(known, timespan.now(), key=lambda event: event[2])]
        within = sorted(each for each in collected if int(query["from"]) <= each[0] <= int(query["to"]))
        at = int(query.get("cursor", 0))
        items: list[Any] = [item(t, n, a=a) for t, n, a in within[at : at + self.page_size]]
        end = at + self.page_size
        return await page(*items, cursor=str(end) if end < len(within) else None)(request)


def late_history(seed: int, days: float, count: int, longest: float = 20 * 3600.0, ahead: int = 0) -> Any:
    """Events of one connector, a third of them collected late."""
    random, numbers, events = Random(seed), dict[int, int](), []
    for _ in range(count):
        recorded = BEGIN + random.randrange(int(days * 86400))
        numbers[recorded] = number = numbers.get(recorded, -1) + 1
        for twin in range(1 + (random.random() < 0.1)):
            lag = random.uniform(5, longest) if random.random() < 1 / 3 else random.uniform(0, 5)
            events.append((recorded + ahead, number + twin, int(recorded + lag)))
        numbers[recorded] = number + twin
    return events

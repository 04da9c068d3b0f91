"""The budget against servers that count and report in every way that the headers allow, in virtual time."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeAlias

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import SocketlessLoop, run_jumping

from cfevents import Budget
from cfevents._protocol.rate_limits import RateLimits, Remainder

pytestmark = pytest.mark.once

QUOTA, PERIOD, TENTH = 60, 3.0, 6
OTHERS = 20
"""Requests of others in each period: a third of the quota."""

Way: TypeAlias = tuple[str, str]
"""How a server counts, in windows that are fixed or that slide; and its `t`: what remains, or always the period."""

WAYS: list[Way] = [("fixed", "remains"), ("fixed", "constant"), ("sliding", "remains"), ("sliding", "constant")]


@define
class Server:
    """A quota of 60 requests in 3 seconds, in the headers and enforced."""

    way: Way
    names_policy: bool = True
    delays: Iterator[float] = field(factory=lambda: iter(lambda: 0.01, None))
    counted: deque[float] = field(factory=deque)
    refused: int = 0

    def count(self) -> float:
        """Count a request now."""
        now = asyncio.get_running_loop().time()
        while self.counted and self.counted[0] <= now - PERIOD + 1e-9:
            self.counted.clear() if self.way[0] == "fixed" else self.counted.popleft()
        self.counted.append(now)
        self.refused += len(self.counted) > QUOTA
        return now

    async def answer(self) -> RateLimits:
        """Count a request that takes its time to arrive, and so does the response."""
        await asyncio.sleep(next(self.delays))
        now = self.count()
        # In a sliding window that of the oldest request.
        remains = PERIOD if self.way[1] == "constant" else self.counted[0] + PERIOD - now
        left, resets = max(0, QUOTA - len(self.counted)), math.ceil(round(remains, 6))
        policy = f'"default";q={QUOTA};w={PERIOD:.0f}' if self.names_policy else None
        await asyncio.sleep(next(self.delays))
        return RateLimits.of(policy, f'"default";r={left};t={resets}')


async def send(server: "Server | BurstServer", budget: Budget, requests: int, tasks: int) -> float:
    """Send requests by some tasks, and return how many seconds that took."""
    loop, todo = asyncio.get_running_loop(), iter(range(requests))
    began = loop.time()

    async def work() -> None:
        for _ in todo:
            number = await budget.acquire()
            budget.update_from_headers(await server.answer(), number)
            budget.release(number)

    await asyncio.gather(*(work() for _ in range(tasks)))
    return loop.time() - began


def least_seconds(requests: int, usable: int) -> float:
    """Return how long requests take that leave at the first moment, so many in each period."""
    return PERIOD * (math.ceil(requests / usable) - 1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tasks", [30, 240])
@pytest.mark.parametrize(
    ("requests", "share", "names_policy"),
    [
        (60, 1.0, True),
        (60, 0.9, True),
        (60, 0.9, False),
        (10_000, 1.0, True),
        (10_000, 0.9, True),
        (10_000, 0.9, False),
    ],
)
def test_quota_is_used_up_and_never_exceeded(
    way: Way, tasks: int, requests: int, share: float, names_policy: bool
) -> None:
    """However the server counts and reports, it refuses nothing, and the requests take hardly longer than they must."""
    server = Server(way, names_policy)
    passed = run_jumping(send(server, Budget(requests, PERIOD, share), 240, tasks), SocketlessLoop)
    assert server.refused == 0
    assert passed <= 1.1 * least_seconds(240, QUOTA if share == 1.0 else QUOTA - TENTH)


def bursts() -> Iterator[float]:
    return (PERIOD * (number // OTHERS) for number in count())


def evenly() -> Iterator[float]:
    return (PERIOD / OTHERS * number for number in count())


def a_tenth() -> Iterator[float]:
    return (PERIOD / TENTH * number for number in count())


async def spend(server: Server, moments: Iterator[float]) -> None:
    """Spend from the quota at some moments, without a look at the headers."""
    loop = asyncio.get_running_loop()
    for moment in moments:
        await asyncio.sleep(moment - loop.time())
        server.count()


@pytest.mark.parametrize("requests", [60, 10_000])
@pytest.mark.parametrize(
    ("moments", "way", "used"),
    [
        *((bursts, way, OTHERS) for way in WAYS),
        # In windows that are fixed nobody knows what others will use before the end; the tenth is for that.
        *((evenly, way, OTHERS) for way in WAYS if way[0] == "sliding"),
        *((a_tenth, way, 0 if way[0] == "fixed" else TENTH) for way in WAYS),
    ],
)
def test_what_others_use_is_left_to_them(
    moments: Callable[[], Iterator[float]], way: Way, used: int, requests: int
) -> None:
    """Others that spend from the quota are refused nothing either, and what they leave is used up."""

    async def main() -> float:
        others = asyncio.ensure_future(spend(server, moments()))
        await asyncio.sleep(2 * PERIOD + 0.4)
        passed = await send(server, Budget(requests, PERIOD), 300, 30)
        others.cancel()
        return passed

    server = Server(way)
    passed = run_jumping(main(), SocketlessLoop)
    assert server.refused == 0
    assert passed <= 1.1 * least_seconds(300, QUOTA - TENTH - used)


@settings(max_examples=30)
@given(
    way=st.sampled_from(WAYS),
    tasks=st.integers(1, 60),
    requests=st.sampled_from([60, 10_000]),
    delays=st.lists(st.floats(0.001, 0.5), min_size=1, max_size=40),
)
def test_requests_that_overtake_each_other_are_not_refused(
    way: Way, tasks: int, requests: int, delays: list[float]
) -> None:
    server = Server(way, delays=(delays[number % len(delays)] for number in count()))
    run_jumping(send(server, Budget(requests, PERIOD, share=1.0), 150, tasks), SocketlessLoop)
    assert server.refused == 0


@define
class BurstServer:
    """A quota of 10 requests in a second, and of 60 in a minute, both enforced, and of one name in the headers."""

    policy: str
    windows: dict[int, deque[float]] = field(factory=lambda: {10: deque(), 60: deque()})
    refused: int = 0

    async def answer(self) -> RateLimits:
        await asyncio.sleep(0.01)
        now = asyncio.get_running_loop().time()
        for (quota, counted), period in zip(self.windows.items(), (1, 60), strict=True):
            while counted and counted[0] <= now - period + 1e-9:
                counted.popleft()
            counted.append(now)
            self.refused += len(counted) > quota
        left = min(max(0, quota - len(counted)) for quota, counted in self.windows.items())
        return RateLimits.of(self.policy, f'"default";r={left};t=1')


@pytest.mark.parametrize("policy", ["q=10;w=1,default;q=60;w=60", "q=60;w=60,default;q=10;w=1"])
def test_two_windows_of_one_name_are_both_kept_to(policy: str) -> None:
    server = BurstServer(f"default;{policy}")
    passed = run_jumping(send(server, Budget(10_000, 3, 1.0), 150, 30), SocketlessLoop)
    assert server.refused == 0
    assert passed <= 1.1 * 120


def test_count_is_forgotten_a_period_after_the_last() -> None:
    """Where responses no longer say what is left, requests leave freely again, a period after the last that did."""

    async def main() -> list[float]:
        loop, budget, counted = asyncio.get_running_loop(), Budget(20, 100.0, share=1.0), [4]
        times: list[float] = []
        for _ in range(20):
            number = await budget.acquire()
            times.append(loop.time())
            left = {"default": Remainder(counted.pop(), 100)} if counted else {}
            budget.update_from_headers(RateLimits({}, left), number)
            budget.release(number)
        return times

    times = run_jumping(main(), SocketlessLoop)
    assert (times[:5], times[6:]) == ([0] * 5, [times[6]] * 14)

"""What the headers may cost: memory, steps and time, whatever numbers they name."""

import asyncio
import sys
import tracemalloc
from types import FrameType
from typing import Any

import pytest
from support.clock import SocketlessLoop, run_jumping

from cfevents import Budget
from cfevents._protocol.rate_limits import RateLimits

pytestmark = pytest.mark.once

NAMES = [f'"name-{number}"' for number in range(200)]
HUGE = "999999999"
POLICIES = [
    *(f'"a";q={quota};w={period}' for quota in (1, 60, HUGE, "9" * 15, "9" * 40) for period in (1, 60, 86_400, HUGE)),
    *(", ".join(f"{name};q={HUGE};w={period}" for name in NAMES) for period in (1, 86_400)),
    '"' * 8000, "\\" * 8000, '"\\' * 4000, "a;" * 4000, "a;b=" * 2000, '"a,' * 2500, ";" * 8000, "," * 8000, ":" * 8000,
    '"a";x=":' * 1000, 'a;x=",";' * 1000, "a;x=1" * 1500, " " * 8000, "a;q=1;w=1," * 800, '"",' * 2600,
]  # fmt: skip
REMAINDERS = [
    '"a";r=0;t=60', f'"a";r=0;t={HUGE}', f'"a";r={HUGE};t=0', '"a";r=0;t=0', '"a";r=0', "nonsense",
    ", ".join(f"{name};r=0;t={HUGE}" for name in NAMES),
]  # fmt: skip
MAX_BYTES = 300_000
"""That a budget may take after 300 responses, the parser's cache of headers included."""
MAX_CALLS = 2000
"""That a response may take: a few for each of 16 policies and 64 pieces of a header."""


async def respond(budget: Budget, policy: str, remainder: str, times: int) -> None:
    """Let a budget meet headers as often, each time with other names."""
    for time in range(times):
        async with asyncio.timeout(4000):  # one request an hour asks
            number = await budget.acquire()
        limits = RateLimits.of(policy.replace("name", f"n{time}"), remainder.replace("name", f"n{time}"))
        budget.update_from_headers(limits, number)
        budget.release(number)


@pytest.mark.parametrize("policy", POLICIES, ids=range(len(POLICIES)))
def test_headers_take_little_memory_and_few_steps(policy: str) -> None:
    """Whatever limits the headers name, a response takes so much memory and so many steps at most."""
    calls = 0

    def on_event(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    async def main() -> int:
        nonlocal calls
        most, budget = 0, Budget()
        for remainder in REMAINDERS:
            await respond(budget, policy, remainder, 3)
            sys.setprofile(on_event)
            calls = 0
            await respond(budget, policy, remainder, 1)
            sys.setprofile(None)
            most = max(most, calls)
        return most

    tracemalloc.start()
    try:
        assert run_jumping(main(), SocketlessLoop) <= MAX_CALLS
        assert tracemalloc.get_traced_memory()[1] <= MAX_BYTES
    finally:
        tracemalloc.stop()
        sys.setprofile(None)


def test_log_of_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy of a day makes the budget remember a bounded number of its requests."""
    monkeypatch.setattr("cfevents._http.budget._MAX_LOG_REQUESTS", 500)

    async def main() -> int:
        budget = Budget(100, 0.1, share=1.0)
        for count in range(3_000):
            number = await budget.acquire()
            if not count:
                budget.update_from_headers(RateLimits.of(f'"a";q={HUGE};w=86400', f'"a";r={HUGE};t=86400'), number)
                tracemalloc.start()
            budget.release(number)
        return tracemalloc.get_traced_memory()[0]

    try:
        assert run_jumping(main(), SocketlessLoop) <= 12_000
    finally:
        tracemalloc.stop()

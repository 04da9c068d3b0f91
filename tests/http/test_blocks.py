"""A block: for how long nothing is sent."""

import asyncio
import math

import pytest
from support.clock import SocketlessLoop, run_jumping

from cfevents import Budget
from cfevents._http.budget import _Block
from cfevents._protocol.rate_limits import NO_LIMITS


def waits(blocked: _Block, *retry_after: float | None) -> list[float]:
    """How long each of some blocks is waited out, each met as soon as the one before it is over."""
    durations, now = [], max(1000.0, blocked.until)
    for seconds in retry_after:
        blocked.extend(seconds, now)
        durations.append(blocked.until - now)
        now = blocked.until
    return durations


def test_before_the_first_nothing_is_blocked() -> None:
    assert _Block().until == -math.inf


def test_margin_doubles_up_to_half_an_hour() -> None:
    """The margin doubles up to half an hour while there is no response."""
    blocked = _Block()
    assert waits(blocked, *[300] * 9) == [330, 360, 420, 540, 780, 1260, 2100, 2100, 2100]
    assert waits(_Block(), 86400) == [88200]


def test_short_blocks_do_not_make_a_long_one_longer() -> None:
    assert waits(_Block(), 1, 1, 1, 1, 300) == pytest.approx([1.1, 1.2, 1.4, 1.8, 330])


def test_least_margin_is_added_to_every_block() -> None:
    """The least margin is added, whatever duration the API names."""
    blocked = _Block(min_margin=100)
    assert waits(blocked, 300, 300) == [400, 500]
    assert waits(_Block(min_margin=100), None) == [101]
    assert waits(_Block(min_margin=3000), 300) == [3300]


def test_least_margin_stays_when_a_block_is_over() -> None:
    """The least margin of a budget is added to each of its blocks, also after responses in between."""

    async def main() -> list[float]:
        loop, budget, waited = asyncio.get_running_loop(), Budget(), []
        budget._block.min_margin = 100
        for _ in range(3):
            number, began = await budget.acquire(), loop.time()
            budget.update_from_headers(NO_LIMITS, number)
            budget.release(number)
            budget.block_for(300)
            budget.release(await budget.acquire())
            waited.append(loop.time() - began)
        return waited

    assert run_jumping(main(), SocketlessLoop) == [400, 400, 400]


def test_block_without_duration_doubles_up_to_five_minutes() -> None:
    """Blocks without a duration double up to the longest that is documented."""
    blocked = _Block()
    first = waits(blocked, *[None] * 30)
    assert first[:4] == pytest.approx([1.1, 2.2, 4.4, 8.8])
    assert first[-1] == 300 + 1800
    assert waits(_Block(), 0) == pytest.approx([1.1])


def test_refusals_of_one_block_do_not_shorten_it() -> None:
    """Refusals of requests in flight belong to the same block, and do not shorten it."""
    blocked = _Block()
    blocked.extend(300, 0)
    blocked.extend(None, 1)
    blocked.extend(10, 2)
    assert blocked.until == 330
    blocked.extend(300, 3)
    assert blocked.until == 333

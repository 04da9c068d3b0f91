"""The simulator's quota: sent in the headers, and enforced."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.clock import run_jumping
from testing.raw import Heard, ask, made

from cfevents.testing import Simulator
from cfevents.testing.backend import Refusal
from cfevents.testing.server import Quota
from cfevents.testing.store import SimulatorSettings


def answered(quota: Quota, times: list[float]) -> list[bool]:
    """Return for each time whether a request at that time is answered."""

    def take(now: float) -> bool:
        try:
            quota.count_request(now)
        except Refusal:
            return False
        return True

    return [take(now) for now in times]


def over(**settings: Any) -> Quota:
    return Quota(SimulatorSettings(**{"quota": 3, "period": 3, "block": 3, **settings}))


def test_fixed_window_begins_with_a_request() -> None:
    """A fixed window begins with the first request after the window before."""
    assert answered(over(), [10, 12.9, 12.9, 13.0, 13.1, 13.2, 20, 20, 20, 20]) == [True] * 9 + [False]


def test_a_sliding_window_counts_each_request_for_a_period() -> None:
    times = [10, 11, 12, 13.0, 14.0, 14.5]
    assert answered(over(counting="sliding"), times) == [True] * 5 + [False]


@pytest.mark.parametrize("counting", ["fixed", "sliding"])
def test_exceeding_the_quota_blocks_then_restarts(counting: str) -> None:
    """One request too many blocks everything; after the block the count starts again."""
    quota = over(counting=counting, block=5)
    assert answered(quota, [0, 0, 0, 1, 4, 5.9]) == [True] * 3 + [False] * 3
    assert answered(quota, [6, 6, 6, 6]) == [True] * 3 + [False]
    assert quota.refused == 4


def test_headers_have_the_rest_and_its_time() -> None:
    """The headers have the requests left, and the seconds until the window ends."""
    for counting, following in (("fixed", ["r=1;t=3", "r=0;t=1"]), ("sliding", ["r=1;t=3", "r=0;t=1"])):
        quota = over(counting=counting, period=2.5)
        headers = []
        for now in (0.0, 2.0):
            quota.count_request(now) if now else answered(quota, [0.0, 0.0])
            headers.append(quota.headers(now)["Ratelimit"].removeprefix('"default";'))
        assert headers == following
        assert quota.headers(2.0)["Ratelimit-Policy"] == '"default";q=3;w=3'


def test_sliding_window_frees_old_requests() -> None:
    """A request that leaves a sliding window is available again."""
    quota = over(counting="sliding")
    answered(quota, [0, 1, 2, 3.5])
    assert quota.headers(3.5)["Ratelimit"] == '"default";r=0;t=1'
    answered(quota, [5])
    assert quota.headers(5)["Ratelimit"] == '"default";r=1;t=2'


def test_short_window_is_sent_as_one_second() -> None:
    """A window shorter than a second is sent as one second."""
    assert over(period=0.2).headers(0)["Ratelimit-Policy"] == '"default";q=3;w=1'


def test_block_is_sent_in_seconds_rounded_up() -> None:
    """The rest of a block is sent in whole seconds, rounded up."""
    quota = over(block=299.5)
    answered(quota, [0, 0, 0, 0])
    assert quota.headers(0)["Retry-After"] == "300"
    assert quota.headers(299.4) == {
        "Ratelimit": '"default";r=0;t=1', "Ratelimit-Policy": '"default";q=3;w=3', "Retry-After": "1",
    }  # fmt: skip
    assert "Retry-After" not in quota.headers(299.5)


def test_without_quota_headers_are_the_documented() -> None:
    """Without a quota the headers have the documented one, and nothing is refused."""
    quota = Quota(SimulatorSettings())
    assert all(answered(quota, [7.0] * 1300))
    assert quota.headers(7.0) == {"Ratelimit": '"default";r=0;t=300', "Ratelimit-Policy": '"default";q=1200;w=300'}
    assert quota.refused == 0


def test_block_of_300_seconds_is_sent_as_300() -> None:
    """A block of 300 seconds is sent as 300 at any time of the clock."""
    # There (now + 300) - now is a little more than 300.
    now = 321.9888477818178
    quota = Quota(SimulatorSettings(quota=1))
    assert answered(quota, [now, now]) == [True, False]
    assert quota.headers(now)["Retry-After"] == "300"


@pytest.mark.parametrize(
    ("setting", "value"),
    [("quota", 0), ("quota", 1.5), ("period", 0), ("period", math.inf), ("block", -1), ("counting", "leaky")],
)
def test_a_quota_that_makes_no_sense_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{setting}.* must be"):
        Simulator(events={}, **{setting: value})


def on_the_wire(use: Callable[[Simulator], Coroutine[Any, Any, list[Heard]]], **settings: Any) -> list[Heard]:
    async def main() -> list[Heard]:
        async with made(**settings) as simulator:
            heard = await use(simulator)
            assert simulator.refused == sum(answer.status == 429 for answer in heard)
            return heard

    return run_jumping(main())


@pytest.mark.parametrize("counting", ["fixed", "sliding"])
def test_every_request_counts_and_block_is_an_envelope(counting: str) -> None:
    """Every request that arrives counts, and a refusal is an envelope."""

    async def use(simulator: Simulator) -> list[Heard]:
        first = [await ask(simulator, "/nowhere/x"), await ask(simulator), await ask(simulator), await ask(simulator)]
        await asyncio.sleep(299)
        late = await ask(simulator)
        await asyncio.sleep(2)
        return [*first, late, await ask(simulator)]

    heard = on_the_wire(use, quota=2, counting=counting)
    assert [answer.status for answer in heard] == [404, 200, 429, 429, 429, 200]
    assert [answer.headers.get("retry-after") for answer in heard] == [None, None, "300", "300", "1", None]
    assert heard[2].document["errors"][0]["code"] == 10100
    assert heard[2].document["success"] is False
    assert all("cf-ray" in answer.headers for answer in heard)


def test_the_quota_may_be_changed_while_it_runs() -> None:
    async def use(simulator: Simulator) -> list[Heard]:
        first = await ask(simulator)
        simulator.quota = 2
        return [first, await ask(simulator), await ask(simulator)]

    assert [answer.status for answer in on_the_wire(use)] == [200, 200, 429]

"""The longest waits: for a quota as for a block, and what asks again after an hour of silence."""

import asyncio
import math
from typing import Any

import pytest
from support.arriving import BEGIN, dates_of_the_loop
from support.clock import SocketlessLoop, StillLoop, run_jumping
from support.scripted import Reply, ScriptedAPI, failure, item, page, success

from cfevents import Budget, Client, ConfigurationError, RateLimitError, Retry
from cfevents._http.budget import BlockedError

DAILY = {"Ratelimit-Policy": '"daily";q=1;w=86400', "Ratelimit": '"daily";r=0;t=86400'}
HOUR = 3600
EVENTS = page(item(BEGIN - 60))


def named_once(reply: Reply) -> tuple[Reply, Reply]:
    """Name a quota of one request a day in the first response, and in no other."""
    return Reply(reply.body, headers=DAILY), reply


async def outcome(client: Client, **options: Any) -> str:
    try:
        await client.list_connectors(**options)
    except RateLimitError as error:
        return f"{error.resume_after} s: {str(error).partition(': ')[2]}"
    return "answered"


def test_quota_that_outlasts_the_call_is_an_error_at_once() -> None:
    """A quota that lasts longer than a call waits is an error at once, for calls that wait already too."""

    async def main() -> tuple[list[str], float, int]:
        async with ScriptedAPI(*named_once(success([]))) as api, Client(**api.client_options) as client:
            began = asyncio.get_running_loop().time()
            outcomes = await asyncio.gather(*(outcome(client) for _ in range(3)))
            outcomes.append(await outcome(client))
            return outcomes, asyncio.get_running_loop().time() - began, len(api.requests)

    outcomes, passed, requests = run_jumping(main(), StillLoop)
    why = "the request quota is used up: the next may be sent in 3600 s, and this call does not wait that long"
    assert outcomes == ["answered", *[f"3600 s: {why}"] * 3]
    assert (passed, requests) == (0, 1)


@pytest.mark.parametrize(
    ("budget", "longest", "timeout", "expected"),
    [
        (Budget(1, 600.0), 400.0, None, "600 s"),
        (Budget(1, 600.0), 600.0, None, "answered"),
        (Budget(1, 50.0), 400.0, 40.0, "50 s"),
        (Budget(1, 50.0), 400.0, 60.0, "answered"),
    ],
)
def test_wait_for_a_quota_is_bounded(budget: Budget, longest: float, timeout: float | None, expected: str) -> None:
    """A call waits for a quota no longer than `max_block_wait` or its timeout."""

    async def main() -> str:
        retry = Retry(max_block_wait=longest)
        async with ScriptedAPI(success([])) as api, Client(**api.client_options, budget=budget, retry=retry) as client:
            await client.list_connectors()
            return await outcome(client, timeout=timeout)

    assert run_jumping(main(), StillLoop).startswith(expected)


@pytest.mark.once
@pytest.mark.parametrize("period", [300.0, 900.0, 1e5])
def test_long_period_of_a_budget_is_waited_for(period: float) -> None:
    """A client without rules of its own waits for its own budget, however long the period."""

    async def main() -> tuple[str, float]:
        async with ScriptedAPI(success([])) as api, Client(**api.client_options, budget=Budget(1, period)) as client:
            await client.list_connectors()
            return await outcome(client), asyncio.get_running_loop().time()

    answer, passed = run_jumping(main(), StillLoop)
    assert (answer, round(passed / period, 2)) == ("answered", 1.0)


def test_impatient_requests_leave_the_queue_and_the_others_stay() -> None:
    async def main() -> list[str]:
        loop, budget, ends = asyncio.get_running_loop(), Budget(1, 100.0), []

        async def send(name: str, patience: float, deadline: float = math.inf) -> None:
            try:
                budget.release(await budget.acquire(patience, deadline))
                ends.append(f"{name} {loop.time():.0f}")
            except BlockedError as error:
                ends.append(f"{name} is told {error.seconds:.0f} s")

        await asyncio.gather(send("a", 1), send("b", 99), send("c", 400, deadline=90), send("d", 100), send("e", 400))
        return ends

    assert run_jumping(main(), SocketlessLoop) == [
        "a 0", "b is told 100 s", "c is told 100 s", "d 100", "e 200",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "first", [Reply(success([]).body, headers=DAILY), failure(429, headers={"Retry-After": "999999999"})]
)
def test_long_quota_or_block_is_asked_about_every_hour(first: Reply, caplog: pytest.LogCaptureFixture) -> None:
    """A quota or block of a day or more is asked about every hour, and is over once the API says so."""

    async def main() -> tuple[list[int], list[int]]:
        loop, asked = asyncio.get_running_loop(), []

        async def answer(request: Any) -> Any:
            asked.append(round(loop.time()))
            return await (first if loop.time() < 2.5 * HOUR else success([]))(request)

        patient = Retry(max_block_wait=4 * HOUR)
        async with ScriptedAPI(answer) as api, Client(**api.client_options, retry=patient) as client:
            await client.list_connectors()
            await asyncio.gather(*(client.list_connectors() for _ in range(5)))
            return asked, [client.usage.left]

    asked, left = run_jumping(main(), StillLoop)
    hours = [round(time / HOUR) for time in asked]
    assert (hours[:4], set(hours[4:])) == ([0, 1, 2, 3], {3})
    assert left[0] > 1000
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("waiting 3600 s" in message for message in messages) == 3
    if first.status == 429:
        assert messages[0] == (
            "the API refuses requests for 11574d 2h, longer than it documents: asking again in an hour"
        )


async def test_budget_is_refused_on_a_second_loop() -> None:
    """A budget that another event loop uses, on another thread, is refused with a sentence."""
    budget = Budget(2, 0.2, share=1.0)
    outcomes: list[str] = []

    async def use() -> None:
        async with ScriptedAPI(success([])) as api, Client(**api.client_options, budget=budget) as client:
            for _ in range(5):
                await client.list_connectors()
        outcomes.append("answered")

    def run() -> None:
        try:
            asyncio.run(use())
        except ConfigurationError as error:
            outcomes.append(str(error))

    async with asyncio.timeout(10):
        mine = asyncio.ensure_future(use())
        await asyncio.sleep(0.05)
        await asyncio.to_thread(run)
        await mine
    assert outcomes[0].startswith("the budget is in use on another event loop, and clients on two loops cannot share")
    assert outcomes[1:] == ["answered"]


def test_waiting_requests_of_an_abandoned_loop_are_told() -> None:
    """Requests that wait on a loop that stands still are told once the budget goes on elsewhere."""
    budget, loop = Budget(1, 5.0), SocketlessLoop()

    async def use() -> None:
        budget.release(await budget.acquire())

    waiting = [loop.create_task(use()) for _ in range(2)]
    loop.run_until_complete(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
    run_jumping(use(), SocketlessLoop)
    with pytest.raises(ConfigurationError, match="the budget went on to another event loop"):
        loop.run_until_complete(waiting[1])
    loop.close()


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("first", [Reply(EVENTS.body, headers=DAILY), failure(429, headers={"Retry-After": "86400"})])
def test_following_waits_for_a_long_quota(first: Reply, once: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A follower waits for a quota or block that outlasts a call, says so in status and log, and misses nothing."""

    async def main() -> tuple[list[str], list[str], int]:
        events, states, count = list[str](), list[str](), -1
        with dates_of_the_loop():
            async with ScriptedAPI(first, EVENTS) as api, Client(**api.client_options) as client:
                follower = client.follow_events(["c1", "c2"], since=BEGIN - 600)
                follower = follower.once() if once else follower

                async def look() -> None:
                    nonlocal count
                    await asyncio.sleep(0.5 * HOUR)
                    states.extend(str(status.error) for status in follower.status.values())
                    count = len(api.requests)
                    await asyncio.sleep(HOUR)
                    await follower.aclose()

                looking = asyncio.ensure_future(look())
                events += [event.connector_id async for event in follower]
                await looking
        return events, states, count

    events, states, count = run_jumping(main(), StillLoop)
    assert (sorted(events), count) == (["c1", "c2"], 1)
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    for texts in (states, messages):
        assert any(": the next may be sent in " in text for text in texts)
    assert not any("unreachable" in message for message in messages)

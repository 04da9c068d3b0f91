"""The request budget: never more than the quota in any window, nobody starved, nothing polled."""

import asyncio
import math
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.clock import JumpingLoop, StillLoop, run_jumping
from support.scripted import Reply, ScriptedAPI, failure, page, success

import cfevents
from cfevents import Budget, Client, RateLimitError, Retry
from cfevents._http.budget import BlockedError
from cfevents._protocol.rate_limits import RateLimits, parse_retry_after
from cfevents.testing import Simulator, SimulatorThread


@asynccontextmanager
async def slot(budget: Budget, patience: float = math.inf, deadline: float = math.inf) -> AsyncIterator[int]:
    number = await budget.acquire(patience, deadline)
    try:
        yield number
    finally:
        budget.release(number)


class Quota:
    """An API that allows so many requests in a period, and refuses everything for a while after one too many."""

    def __init__(self, requests: int, period: float, *, sliding: bool, headers: bool = False) -> None:
        self.requests, self.period, self.sliding, self.headers = requests, period, sliding, headers
        self.counted: deque[float] = deque()
        self.blocked_until = -math.inf
        self.refused = self.seen = 0

    async def __call__(self, request: Any) -> Any:
        self.seen += 1
        now = asyncio.get_running_loop().time()
        if self.sliding:
            while self.counted and self.counted[0] <= now - self.period:
                self.counted.popleft()
        elif self.counted and self.counted[0] <= now - self.period:
            self.counted.clear()
        self.counted.append(now)
        if now < self.blocked_until or len(self.counted) > self.requests:
            self.refused += 1
            self.blocked_until = max(self.blocked_until, now + self.period)
            return await failure(429, 10100, headers={"Retry-After": str(math.ceil(self.period))})(request)
        await asyncio.sleep(0.02)
        return await Reply(page().body, headers=self.told(now))(request)

    def told(self, now: float) -> dict[str, str]:
        if not self.headers:
            return {}
        left, resets = self.requests - len(self.counted), math.ceil(self.counted[0] + self.period - now)
        policy = f'"default";q={self.requests};w={math.ceil(self.period)}'
        return {"Ratelimit": f'"default";r={left};t={resets}', "Ratelimit-Policy": policy}


async def listings(clients: list[Client], count: int) -> None:
    async def one(number: int) -> None:
        await clients[number % len(clients)].list_events("c1", since=1, until=9).collect()

    await asyncio.gather(*(one(number) for number in range(count)))


@pytest.mark.parametrize("sliding", [False, True])
@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("clients", [1, 4])
def test_a_quota_that_is_enforced_refuses_nothing_and_is_used_up(sliding: bool, headers: bool, clients: int) -> None:
    async def main() -> tuple[Quota, float]:
        quota = Quota(60, 3.0, sliding=sliding, headers=headers)
        budget = Budget(60, 3.0, share=1.0)
        async with ScriptedAPI(quota) as api:
            made = [await Client(**api.client_options, budget=budget).open() for _ in range(clients)]
            began = asyncio.get_running_loop().time()
            await listings(made, 400)
            passed = asyncio.get_running_loop().time() - began
            for client in made:
                await client.close()
        return quota, passed

    quota, passed = run_jumping(main(), StillLoop)
    assert (quota.seen, quota.refused) == (400, 0)
    # 60 at once, and again every 3 s: the seventh lot leaves after 18 s.
    assert 18 <= passed <= 18 * 1.1


@settings(max_examples=examples(60))
@given(
    requests=st.integers(1, 8),
    period=st.floats(0.5, 20),
    share=st.floats(0.2, 1),
    work=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=40),
)
def test_in_no_window_do_more_requests_leave_than_the_share(
    requests: int, period: float, share: float, work: list[tuple[float, float]]
) -> None:
    async def main() -> list[tuple[float, float]]:
        loop, budget, spans = asyncio.get_running_loop(), Budget(requests, period, share), []

        async def send(start: float, length: float) -> None:
            await asyncio.sleep(start)
            async with slot(budget) as number:
                began = loop.time()
                await asyncio.sleep(length)
                spans.append((began, loop.time()))
                budget.update_from_headers(RateLimits.of(None, None), number)

        await asyncio.gather(*(send(*arguments) for arguments in work))
        return spans

    spans = run_jumping(main())
    allowed = max(1, math.floor(round(share * requests, 6)))
    for began, _ in spans:
        # Counted from its sending until a period after its answer: whatever moment the API counts it at lies within.
        held = [span for span in spans if span[0] <= began < span[1] + period - 1e-6]
        assert len(held) <= allowed


def test_whoever_waits_longest_goes_first() -> None:
    async def main() -> list[int]:
        budget, order = Budget(2, 10.0, share=1.0), []

        async def send(number: int) -> None:
            async with slot(budget) as sent:
                order.append(number)
                await asyncio.sleep(0.1)
                budget.update_from_headers(RateLimits.of(None, None), sent)

        await asyncio.gather(*(send(number) for number in range(20)))
        return order

    assert run_jumping(main()) == list(range(20))


def test_one_request_goes_alone_until_the_first_answer() -> None:
    async def main() -> list[int]:
        budget, together, most = Budget(), [0], []

        async def send() -> None:
            async with slot(budget) as number:
                together[0] += 1
                most.append(together[0])
                await asyncio.sleep(1)
                together[0] -= 1
                budget.update_from_headers(RateLimits.of(None, '"default";r=1000;t=300'), number)

        await asyncio.gather(*(send() for _ in range(5)))
        return most

    assert run_jumping(main()) == [1, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("policy", "ratelimit", "left"),
    [
        (None, None, 89),
        (None, '"default";r=50;t=30', 40),
        (None, '"default";r=95;t=30', 85),
        (None, '"a";r=0;t=30, "b";r=99;t=30', 0),
        ('"burst";q=10;w=60', None, 8),
        ('"default";q=100;w=60, "burst";q=20;w=1', '"burst";r=3;t=1,"default";r=70;t=30', 1),
        ('"burst" ; q=10 ; w=60', None, 8),
        ("burst;q=10;w=60", None, 8),
        ('"burst";q=10', "nonsense", 89),
        ('"burst";q=0;w=0', '"x";r=-1;t=5', 89),
        ('"long";q=1;w=999999999', None, 89),
        ('"a";w=60;q=10, ,"b"', '"a";t=9;r=4', 3),
    ],
)
def test_smaller_remainder_of_the_headers_wins(policy: str | None, ratelimit: str | None, left: int) -> None:
    """The budget is updated from the headers, and the smaller remainder wins."""

    async def main() -> int:
        budget = Budget(100, 60.0, share=0.9)
        async with slot(budget) as number:
            budget.update_from_headers(RateLimits.of(policy, ratelimit), number)
        return budget.left

    assert run_jumping(main()) == left


def test_policy_is_forgotten_by_a_later_response() -> None:
    """A policy is forgotten by a response of the API that does not name it, twice its window after one that did."""

    async def main() -> list[int]:
        budget, left = Budget(100, 300.0, share=1.0), []

        async def send(policy: str | None, *, settled: bool = True) -> None:
            async with slot(budget) as number:
                budget.update_from_headers(RateLimits.of(policy, None), number, settled=settled)
            left.append(budget.left)

        await send('"burst";q=10;w=60')
        await asyncio.sleep(100)
        await send(None)
        await asyncio.sleep(21)
        left.append(budget.left)
        await send(None, settled=False)
        await send(None)
        return left

    assert run_jumping(main()) == [9, 9, 9, 8, 96]


@pytest.mark.parametrize("max_block_wait", [Retry().max_block_wait, 10.0])
def test_block_stops_every_call(max_block_wait: float) -> None:
    """A block stops every call; each waits it out or fails at once."""

    async def main() -> tuple[list[Any], list[float], float]:
        times: list[float] = []
        loop = asyncio.get_running_loop()

        async def answer(request: Any) -> Any:
            times.append(loop.time())
            refused = 20 <= len(times) <= 25 or max_block_wait < 300
            reply = failure(429, 971, headers={"Retry-After": "300"}) if refused else success([])
            return await reply(request)

        async with (
            ScriptedAPI(answer) as api,
            Client(**api.client_options, retry=Retry(max_block_wait=max_block_wait)) as client,
        ):
            began = loop.time()
            done = await asyncio.gather(*(client.list_connectors() for _ in range(50)), return_exceptions=True)
            assert client.usage.sent == len(times)
            return list(done), times, loop.time() - began

    done, times, passed = run_jumping(main())
    failed = [result for result in done if isinstance(result, BaseException)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if max_block_wait > 300:
        assert failed == []
        assert max(gaps) >= 300
        assert sum(gap > 1 for gap in gaps) == 1
    else:
        assert len(failed) == 50
        assert len(times) == 1
        assert {type(error).__name__ for error in failed} == {"RateLimitError"}
        resumed = Counter((error.retry_after, error.resume_after) for error in failed)  # type: ignore[attr-defined]
        assert resumed == {(300, 330): 1, (None, 330): 49}  # one had an answer
        assert passed < 1


def test_rest_of_a_block_is_in_whole_seconds() -> None:
    """The rest of a block is in whole seconds, whatever the clock shows."""

    async def main() -> int | None:
        refused = failure(429, 971, headers={"Retry-After": "300"})
        async with ScriptedAPI(refused) as api, Client(**api.client_options, retry=Retry(max_block_wait=10)) as client:
            asyncio.get_running_loop().skipped = 1809.3  # type: ignore[attr-defined]
            with pytest.raises(RateLimitError) as caught:
                await client.list_connectors()
        return caught.value.resume_after

    assert (1809.3 + 300 + 30) - 1809.3 > 330
    assert run_jumping(main(), StillLoop) == 330


def test_block_as_long_as_the_longest_wait_is_waited_out() -> None:
    """A block exactly as long as the longest wait is waited out, whatever the clock shows."""

    async def main() -> float:
        loop, budget = asyncio.get_running_loop(), Budget()
        loop.skipped = 1809.3  # type: ignore[attr-defined]
        budget.block_for(300)
        async with slot(budget, patience=330):
            return loop.time()

    assert (1809.3 + 300 + 30) - 1809.3 > 330
    assert run_jumping(main(), StillLoop) == pytest.approx(1809.3 + 330)


def test_waiting_for_a_turn_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Any:
        budget = Budget(2, 60.0, share=1.0)
        async with ScriptedAPI(success([])) as api, Client(**api.client_options, budget=budget) as client:
            assert client.usage.left == 2
            await asyncio.gather(*(client.list_connectors() for _ in range(4)))
            return client.usage

    usage = run_jumping(main())
    assert (usage.sent, usage.repeated, usage.left) == (4, 0, 0)
    assert usage.waited == pytest.approx(120, abs=1)
    messages = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert messages == ["the request quota is used up: waiting 60 s"]


def test_a_cancelled_wait_keeps_no_slot() -> None:
    async def main() -> int:
        budget = Budget(1, 10.0, share=1.0)

        async def send() -> None:
            async with slot(budget):
                await asyncio.sleep(1)

        first = asyncio.ensure_future(send())
        waiting = [asyncio.ensure_future(send()) for _ in range(3)]
        await asyncio.sleep(0.5)
        for task in waiting[:2]:
            task.cancel()
        await asyncio.gather(first, *waiting, return_exceptions=True)
        await asyncio.sleep(10)
        return budget.left

    assert run_jumping(main()) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"requests": 0}, ValueError, "requests=0 must be at least 1"),
        ({"requests": 1.5}, TypeError, "requests=1.5 is not a whole number"),
        ({"period": 0}, ValueError, "period=0 must be finite and above 0"),
        ({"share": 0}, ValueError, "share=0 must be above 0 and at most 1"),
        ({"share": 1.1}, ValueError, "share=1.1 must be above 0"),
        ({"share": "1"}, TypeError, "share='1' is not a number"),
    ],
)
def test_a_budget_without_meaning_is_refused(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Budget(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"attempts": 0}, ValueError), ({"max_block_wait": -1}, ValueError), ({"backoff_initial": "1"}, TypeError)],
)
def test_a_patience_without_meaning_is_refused(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Retry(**arguments)
    with pytest.raises(TypeError, match="budget must be a Budget, not int"):
        Client(api_token="arg-token-33bb", account_id="a", budget=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="retry must be a Retry, not int"):
        Client(api_token="arg-token-33bb", account_id="a", retry=5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("300", 300),
        ("1.5", None),
        ("-1", None),
        ("soon", None),
        ("\u0663", None),
        ("9" * 50, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_parse_retry_after_or_nothing(header: str | None, seconds: int | None) -> None:
    assert parse_retry_after(header) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Wed, 21 Oct 2026 07:26:30 GMT", 90), ("Wed, 21 Oct 2026 07:30:00 GMT", 0), ("soon", None), (None, None)],
)
def test_retry_after_as_a_date_counts_from_the_responses(date: str | None, seconds: int | None) -> None:
    assert parse_retry_after("Wed, 21 Oct 2026 07:28:00 GMT", date) == seconds


def test_the_waits_between_attempts_grow_are_bounded_and_differ() -> None:
    retry = Retry(backoff_initial=1, backoff_max=30)
    for failures in range(1, 12):
        waits = [retry.wait(failures) for _ in range(200)]
        assert 0 <= min(waits) <= max(waits) <= min(30, 2 ** (failures - 1))
        assert len(set(waits)) > 100
    assert cfevents.Retry() == Retry()


def test_programs_that_start_in_turn_are_not_refused() -> None:
    """Programs that start one after the other are not refused where the headers say what is left."""

    async def main() -> Quota:
        quota = Quota(12, 30.0, sliding=False, headers=True)
        async with ScriptedAPI(quota) as api:
            for _ in range(10):
                # Each with a budget of its own, as a new process has.
                async with Client(**api.client_options, budget=Budget(12, 30.0)) as client:
                    await listings([client], 3)
        return quota

    quota = run_jumping(main())
    assert (quota.seen, quota.refused) == (30, 0)


# The server's own tasks, by what their coroutines are called.
_SERVERS = ("RequestHandler", "_accept_connection2")


class _CancellingLoop(JumpingLoop):
    """Cancels a task when it has turned so many times."""

    turns_left = math.inf
    victim: "asyncio.Task[Any] | None" = None

    def _run_once(self) -> None:
        self.turns_left -= 1
        if self.turns_left == 0 and self.victim is not None:
            self.victim.cancel()
        super()._run_once()  # type: ignore[misc]


def test_cancelled_call_leaves_no_task_connection_or_slot() -> None:
    """A call that is cancelled, at any moment at which it waits, leaves no task, connection or slot."""

    async def main() -> tuple[int, set[int]]:
        loop: Any = asyncio.get_running_loop()
        moment, counts = 0, set()
        while True:
            moment += 1
            budget = Budget(5, 1.0, share=1.0)
            steps = failure(503), page(cursor="x"), failure(429, headers={"Retry-After": "2"}), page()
            async with ScriptedAPI(*steps) as api, Client(**api.client_options, budget=budget) as client:
                loop.victim = asyncio.ensure_future(client.list_events("c1", since=1, until=9).collect())
                loop.turns_left = moment
                result: Any = (await asyncio.gather(loop.victim, return_exceptions=True))[0]
                loop.turns_left = math.inf
                tasks = asyncio.all_tasks() - {asyncio.current_task()}
                left_over = [task for task in tasks if not any(name in repr(task) for name in _SERVERS)]
                assert (left_over, budget.stats()) == ([], (0, 0))
                counts.add(len(api.requests))
            if result == []:
                return moment, counts
            assert isinstance(result, asyncio.CancelledError)

    with asyncio.Runner(loop_factory=_CancellingLoop) as runner:
        moments, counts = runner.run(main())
    assert moments > 20
    assert counts == {0, 1, 2, 3, 4}


def test_every_request_is_counted_on_a_dead_connection() -> None:
    """Every request that reaches the API is in the budget, also where a kept-alive connection is dead."""

    async def main() -> tuple[int, int, int]:
        seen = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            for number in range(2):
                await reader.readuntil(b"\r\n\r\n")
                seen += 1
                if number == 0:
                    body = b'{"result": [], "success": true}'
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                    await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(
                base_url=f"http://127.0.0.1:{port}", account_id="a", api_token="arg-token-33bb"
            ) as client:
                for _ in range(10):
                    await client.list_connectors()
                return seen, client.usage.sent, client.usage.repeated

    seen, sent, repeated = run_jumping(main())
    assert seen == sent == 10 + repeated > 10


def test_response_to_an_earlier_request_raises_no_limit() -> None:
    """A response to an earlier request does not raise what a later one said is left."""

    async def main() -> tuple[int, int]:
        budget = Budget(60, 3.0, share=1.0)

        async def send(seconds: float, left: int) -> int:
            async with slot(budget) as number:
                await asyncio.sleep(seconds)
                budget.update_from_headers(RateLimits.of(None, f'"default";r={left};t=3'), number)
            return budget.left

        await send(0, 59)
        slow, quick = await asyncio.gather(send(1.0, 58), send(0.1, 5))
        return quick, slow

    quick, slow = run_jumping(main())
    assert quick <= 5
    assert slow <= 5


def test_requests_before_the_window_hide_no_others() -> None:
    """Requests sent before the API's window began do not hide what others sent in it."""

    async def main() -> tuple[int, int]:
        budget = Budget(60, 30.0, share=1.0)

        async def send(left: int, resets: int) -> None:
            async with slot(budget) as number:
                await asyncio.sleep(0.1)
                budget.update_from_headers(RateLimits.of(None, f'"default";r={left};t={resets}'), number)

        await send(59, 30)
        await asyncio.gather(*(send(10, 30) for _ in range(49)))
        await asyncio.sleep(20)
        await send(30, 29)  # a new window, in which others have sent 29
        await asyncio.sleep(12)
        before = budget.left
        await asyncio.sleep(18)
        return before, budget.left

    assert run_jumping(main()) == (30, 60)


class Prolonged:
    """An API that refuses everything from a moment on, until nobody asked for five minutes."""

    def __init__(self, since: float, retry_after: str | None) -> None:
        self.since, self.until, self.refusals = since, math.inf, list[float]()
        self.headers = {"Retry-After": retry_after} if retry_after else {}

    async def __call__(self, request: Any) -> Any:
        now = asyncio.get_running_loop().time()
        if not self.since <= now < self.until:
            return await success([])(request)
        self.refusals.append(now)
        self.until = now + 300
        return await failure(429, 10100, headers=self.headers)(request)


@pytest.mark.parametrize(
    ("programs", "interval", "retry_after", "per_program"),
    [
        (1, 12, "300", 1),
        (4, 12, "300", 1),
        (2, 50, "300", 1),
        (2, 60, "300", 2),
        (10, 60, "300", 2),
        (10, 290, "300", 5),
        (3, 780, "300", 7),
        (2, 60, "60", 9),
        (2, 60, None, 15),
    ],
)
def test_programs_get_over_a_block_that_requests_prolong(
    programs: int, interval: float, retry_after: str | None, per_program: int
) -> None:
    """Programs that know nothing of each other get over a block that each request prolongs."""
    end = 100 + max(1200, 20 * interval)

    async def program(number: int, url: dict[str, Any]) -> int:
        failed = 0
        await asyncio.sleep(number * interval / programs)
        async with Client(**url, budget=Budget(10**6)) as client:
            while asyncio.get_running_loop().time() < end:
                try:
                    await client.list_connectors()
                except RateLimitError:
                    failed += 1
                await asyncio.sleep(interval)
        return failed

    async def main() -> tuple[Prolonged, list[int]]:
        api = Prolonged(since=100, retry_after=retry_after)
        async with ScriptedAPI(api) as server:
            failed = await asyncio.gather(*(program(number, server.client_options) for number in range(programs)))
        return api, failed

    api, failed = run_jumping(main(), StillLoop)
    assert 1 <= len(api.refusals) <= per_program * programs
    assert api.until < end
    if per_program == 1:
        assert not any(failed)


def test_margin_of_a_block_grows_until_a_response() -> None:
    """The margin grows where a block goes on, and starts again where a response came between."""

    async def main() -> list[int]:
        loop, budget, waits = asyncio.get_running_loop(), Budget(), list[int]()
        for answers in (*[False] * 8, True, False):
            budget.block_for(300)
            began = loop.time()
            budget.block_for(300)  # the same block: requests were under way
            async with slot(budget) as number:
                waits.append(round(loop.time() - began))
                if answers:
                    budget.update_from_headers(RateLimits.of(None, None), number)
        return waits

    assert run_jumping(main(), StillLoop) == [330, 360, 420, 540, 780, 1260, 2100, 2100, 2100, 330]


def test_nothing_is_left_during_a_prolonged_block(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """During a block's margin nothing is left, the wait is logged, and an old response does not end it."""

    async def main() -> tuple[int, list[bool]]:
        budget = Budget()
        before = await budget.acquire()
        budget.block_for(300)
        tasks = [asyncio.ensure_future(budget.acquire()) for _ in range(2)]
        await asyncio.sleep(315)
        budget.update_from_headers(RateLimits.of(None, None), before)
        budget.release(before)
        left = budget.left
        await asyncio.sleep(30)
        done = [task.done() for task in tasks]
        tasks[1].cancel()
        return left, done

    assert run_jumping(main(), StillLoop) == (0, [True, False])
    assert [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()] == [
        "the API refuses requests: waiting 15 s"
    ]


def test_refusal_names_the_rest_of_the_block() -> None:
    """A refusal says how long the block lasts, also where the response did not."""

    async def main() -> list[Any]:
        errors = []
        limits = {"Ratelimit": '"default";r=0;t=300'}
        body = {"success": False, "errors": [{"code": 10100, "message": "limit"}]}
        hasty = Retry(max_block_wait=10)
        async with ScriptedAPI(Reply(body, 429, limits)) as api, Client(**api.client_options, retry=hasty) as client:
            for _ in range(2):
                try:
                    await client.list_connectors()
                except cfevents.RateLimitError as error:
                    errors.append(
                        (error.retry_after, error.resume_after, error.status, client.usage.sent, client.usage.repeated)
                    )
        return errors

    assert run_jumping(main()) == [(None, 330, 429, 1, 0), (None, 330, 429, 1, 0)]


def test_gateway_failure_does_not_end_single_flight() -> None:
    """A failure in front of the API does not end the phase of one request at a time."""

    async def main() -> list[int]:
        together, most = 0, []

        async def answer(request: Any) -> Any:
            nonlocal together
            together += 1
            most.append(together)
            await asyncio.sleep(1)
            together -= 1
            return await (Reply(b"<html>", 502) if len(most) <= 2 else page())(request)

        async with ScriptedAPI(answer) as api, Client(**api.client_options) as client:
            await listings([client], 6)
        return most

    assert run_jumping(main())[:3] == [1, 1, 1]


def test_a_budget_is_used_on_one_event_loop_after_another() -> None:
    budget = Budget(1, 5.0, share=1.0)

    async def held() -> None:
        async with slot(budget):
            await asyncio.Event().wait()

    async def abandon() -> None:
        tasks = [asyncio.ensure_future(held()) for _ in range(2)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()

    async def use() -> int:
        async with slot(budget):
            return 1

    run_jumping(abandon())
    assert run_jumping(use()) == 1


def test_call_during_a_longer_block_fails_at_once() -> None:
    """A call during a block that outlasts its longest wait fails at once."""

    async def main() -> tuple[list[str], float]:
        loop, budget = asyncio.get_running_loop(), Budget()
        began = loop.time()
        budget.block_for(300)
        outcomes = []
        for patience, deadline in ((10.0, math.inf), (400.0, began + 50)):
            try:
                async with slot(budget, patience, deadline):
                    outcomes.append("went")
            except BlockedError as error:
                outcomes.append(f"{error.seconds:.0f} s")
        return outcomes, loop.time() - began

    outcomes, passed = run_jumping(main())
    assert outcomes == ["330 s", "330 s"]
    assert passed < 1


def test_block_ends_the_waits_that_it_outlasts() -> None:
    """When a block begins, requests that would not wait that long leave the queue, and the others stay."""

    async def main() -> list[tuple[str, int]]:
        loop, budget, ends = asyncio.get_running_loop(), Budget(1, 5.0, share=1.0), []
        began = loop.time()

        async def send(name: str, patience: float) -> None:
            try:
                async with slot(budget, patience):
                    if name == "first":
                        await asyncio.sleep(1)
                        budget.block_for(300)
                ends.append((name, round(loop.time() - began)))
            except BlockedError:
                ends.append((f"{name} was told", round(loop.time() - began)))

        await asyncio.gather(send("first", 400), send("hasty", 10), send("patient", 400))
        return ends

    assert run_jumping(main()) == [("first", 1), ("hasty was told", 1), ("patient", 331)]


def test_after_a_block_one_request_goes_alone() -> None:
    async def main() -> list[int]:
        budget, together, most = Budget(share=1.0), [0], []
        budget_is_known = RateLimits.of(None, '"default";r=1000;t=300')

        async def send() -> None:
            async with slot(budget) as number:
                together[0] += 1
                most.append(together[0])
                await asyncio.sleep(1)
                together[0] -= 1
                budget.update_from_headers(budget_is_known, number)

        await send()
        budget.block_for(300)
        await asyncio.gather(*(send() for _ in range(3)))
        return most

    assert run_jumping(main()) == [1, 1, 1, 2]


def test_slot_of_a_cancelled_caller_goes_to_the_next() -> None:
    """A slot that was assigned while its caller was cancelled goes to the next one."""

    async def main() -> list[str]:
        budget, served = Budget(1, 5.0, share=1.0), []

        async def send(name: str) -> None:
            async with slot(budget):
                served.append(name)

        await send("first")
        cancelled, last = asyncio.ensure_future(send("cancelled")), asyncio.ensure_future(send("last"))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        # After the slot was assigned, in the same turn of the loop.
        loop.call_later(budget.wait + 1e-10, cancelled.cancel)
        await asyncio.gather(cancelled, last, return_exceptions=True)
        assert loop.time() < 6
        return served

    assert run_jumping(main(), StillLoop) == ["first", "last"]


@pytest.mark.soak
@pytest.mark.skipif("CFEVENTS_SOAK_SEEDS" not in os.environ, reason="takes real time; nox -s soak runs it")
@pytest.mark.parametrize("counting", ["fixed", "sliding"])
def test_ten_processes_one_after_the_other_are_not_refused(counting: Any) -> None:
    with SimulatorThread(Simulator(quota=30, period=6.0, counting=counting, block=6.0)) as simulator:
        assert simulator.history is not None
        connector = next(iter(simulator.history.events))
        command = [sys.executable, "-m", "cfevents", "list", connector, "--since", "24h", "--page-size", "60"]
        for _ in range(10):
            done = subprocess.run(command, env=os.environ | simulator.environment, capture_output=True, check=True)
            assert len(done.stdout.splitlines()) > 200
        assert len(simulator.requests) >= 50
        assert simulator.refused == 0

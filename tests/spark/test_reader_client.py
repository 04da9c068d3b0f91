"""The client of one slot: where its token is found, the pace that keeps a quota, and blocks."""

import asyncio
import math
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve
from support.clock import StillLoop, run_jumping
from support.scripted import ACCOUNT, TOKEN, ScriptedAPI, failure, item, page, success

from cfevents import AuthenticationError, ConfigurationError
from cfevents._time import TimeWindow
from cfevents.spark.options import Options
from cfevents.spark.partitions import EventPartition
from cfevents.spark.reader import find_connectors, find_present, open_client, read_events

WINDOW = TimeWindow(1_700_000_000, 1_700_086_400)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)


def at(api: ScriptedAPI, **options: Any) -> Options:
    """Options that lead to an API, and let a task be quick."""
    given = {"connectors": None, "requests": 10**6, "base_url": api.base_url, "account_id": ACCOUNT, **options}
    return Options(**given)


async def ask(options: Options) -> None:
    """Ask once."""
    async with open_client(options) as client:
        await client.list_connectors()


def guarded(token: str) -> Any:
    """An answer for those who know a token."""

    async def answer(request: Any) -> Any:
        known = request.headers.get("Authorization") == f"Bearer {token}"
        return await (success([]) if known else failure(401))(request)

    return answer


async def test_token_is_found_where_the_options_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("rotated-token-44cc\n")
    monkeypatch.setenv("THE_OTHER", "rotated-token-44cc")
    async with ScriptedAPI(guarded("rotated-token-44cc")) as api:
        await ask(at(api, token_env="THE_OTHER"))
        await ask(at(api, token_file=str(file)))
        with pytest.raises(AuthenticationError):
            await ask(at(api))


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ({"token_env": "NOT_THERE"}, "environment variable that token_env names is not set where this task runs"),
        ({"token_file": "none"}, "file that token_file names cannot be read where this task runs: No such file"),
        ({"token_file": "empty"}, "file that token_file names is empty where this task runs"),
        ({"token_file": "blank"}, "file that token_file names is empty where this task runs"),
        ({"token_file": "a\0b"}, "file that token_file names cannot be read where this task runs: no file can have"),
        ({"token_file": "binary"}, "file that token_file names cannot be read where this task runs: it is not text"),
    ],
)
def test_missing_token_error_names_the_option(
    option: dict[str, str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    Path("blank").write_text(" \n")
    Path("binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=fault):
        asyncio.run(ask(Options(connectors=None, account_id=ACCOUNT, **option)))  # type: ignore[arg-type]


def test_missing_credentials_error_names_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(ask(Options(connectors=None, account_id=ACCOUNT)))
    assert "(token_env), a file (token_file) and the account (account_id)" in caught.value.__notes__[0]


@pytest.mark.parametrize("option", [{"token_env": "BROKEN"}, {"token_file": "broken"}])
def test_invalid_token_is_not_shown(option: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROKEN", "arg-token-33bb and more")
    Path("broken").write_text("arg-token-33bb and more")
    with pytest.raises(ConfigurationError) as caught:
        asyncio.run(ask(Options(connectors=None, account_id=ACCOUNT, **option)))  # type: ignore[arg-type]
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "arg-token-33bb" not in "".join(trace.format())


@pytest.mark.parametrize("connectors", [None, ("c1", "c2")])
@pytest.mark.parametrize("wrong", [0, 2 * 86_400, -400 * 86_400, -1_700_000_000])
async def test_present_is_the_time_of_the_api(
    wrong: int, connectors: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever this machine's clock shows, one request finds out what the API's shows."""
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000 + wrong)
    dated = {"Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    answer = success([]) if connectors is None else page(item(1), cursor="more")
    async with ScriptedAPI(evolve(answer, headers=dated)) as api:
        assert 0 <= await find_present(at(api, connectors=connectors)) - 1_700_000_000 < 5
        assert len(api.requests) == 1


async def test_present_without_a_date_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000)
    async with ScriptedAPI(evolve(success([]), headers={"Date": "soon"})) as api:
        assert await find_present(at(api)) == 1_700_000_000


async def test_present_is_asked_for_with_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request for the present has no negative bound where this machine's clock shows 1970."""
    monkeypatch.setattr(time, "time", lambda: 0.5)
    async with ScriptedAPI(page()) as api:
        await find_present(at(api, connectors=("a",)))
        assert (api.requests[0].query["from"], api.requests[0].query["to"]) == ("0", "1")


def test_share_applies_to_quotas_of_the_api() -> None:
    policy = {"Ratelimit-Policy": '"default";q=10;w=60'}

    async def main(share: float) -> float:
        async with ScriptedAPI(success([])) as api:
            api.steps[0] = lambda request: _with(request, policy)
            async with open_client(at(api, share=share)) as client:
                for _ in range(8):
                    await client.list_connectors()
        return asyncio.get_running_loop().time()

    assert run_jumping(main(1), StillLoop) < 1
    assert run_jumping(main(0.5), StillLoop) >= 60


async def _with(request: Any, headers: dict[str, str]) -> Any:
    response = await success([])(request)
    response.headers.update(headers)
    return response


class Arrivals:
    """An API that notes when it is asked, and tells nothing of its limits."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def __call__(self, request: Any) -> Any:
        loop = asyncio.get_running_loop()
        self.times.append(loop.time())
        await asyncio.sleep(Random(len(self.times)).uniform(0.001, 0.09))
        return await self.answer(request, self.times[-1])

    async def answer(self, request: Any, now: float) -> Any:
        """Give a few pages."""
        del now
        if request.path.endswith("/connectors"):
            return await success([])(request)
        number = int(request.query.get("cursor", "0"))
        return await page(cursor=str(number + 1) if number < 4 else None)(request)


async def read_all(options: Options, tasks: int) -> None:
    """Read so many parts, with as many tasks at a time as there are slots."""

    async def slot(numbers: Iterator[int]) -> None:
        for number in numbers:
            async with open_client(options) as client:
                _ = [batch async for batch in read_events(client, EventPartition(f"c{number}", WINDOW), options)]

    waiting = iter(range(tasks))
    await asyncio.gather(*(slot(waiting) for _ in range(options.slots)))


@pytest.mark.parametrize("slots", [1, 2, 7, 8])
def test_successive_tasks_keep_the_quota(slots: int) -> None:
    """Tasks that follow each other on the slots keep the quota, without knowing of each other."""
    arrivals, tasks = Arrivals(), 9 + 2 * slots

    async def main() -> tuple[Options, float]:
        async with ScriptedAPI(arrivals) as api:
            options = at(api, requests=60, period=3.0, share=1.0, slots=slots)
            for _ in range(3):  # jobs: each is planned, and then its tasks run
                await find_connectors(options)
                await read_all(options, tasks)
            return options, asyncio.get_running_loop().time()

    options, passed = run_jumping(main(), StillLoop)
    times = sorted(arrivals.times)
    assert len(times) == 3 * (1 + tasks * 5)
    assert min(later - time for time, later in zip(times, times[options.allowed :], strict=False)) >= options.period
    # What the even pace costs: an answer more for each request, and one more for each task.
    assert passed <= 3 * (options.pace + 0.09) * (2 + math.ceil(tasks / slots) * 6)


class Blocking(Arrivals):
    """An API that another program made block, and that blocks again with each request that comes meanwhile."""

    def __init__(self, since: float) -> None:
        super().__init__()
        self.since, self.until, self.refused = since, math.inf, 0

    async def answer(self, request: Any, now: float) -> Any:
        """Refuse while it blocks."""
        if now < self.since or now >= self.until:
            return await super().answer(request, now)
        self.refused += 1
        self.until = now + 300
        return await failure(429, 10100, headers={"Retry-After": "300"})(request)


@pytest.mark.parametrize("slots", [1, 2, *(pytest.param(slots, marks=pytest.mark.once) for slots in (8, 40))])
def test_prolonged_block_is_one_wait_for_each_slot(slots: int) -> None:
    """A block that each request prolongs is one wait for every slot, and no error."""
    pace = Options(connectors=None, slots=slots).pace
    blocking = Blocking(since=20 * pace)

    async def main() -> float:
        async with ScriptedAPI(blocking) as api:
            await read_all(at(api, requests=1200, slots=slots), tasks=12 * slots)
        return asyncio.get_running_loop().time()

    assert run_jumping(main(), StillLoop) <= 12 * 6 * (pace + 0.09) + 330 + 10 * pace
    assert 1 <= blocking.refused <= slots


def test_block_kept_up_by_others_is_waited_out() -> None:
    """A block that others keep up for longer than the API says is waited out."""

    async def main() -> int:
        loop = asyncio.get_running_loop()

        async def answer(request: Any) -> Any:
            refused = failure(429, 10100, headers={"Retry-After": "300"})
            return await (refused if loop.time() < 1700 else success([]))(request)

        async with ScriptedAPI(answer) as api:
            await ask(at(api))
            return len(api.requests)

    # Each time it waits longer: 330 s, 360 s, 420 s, and then 540 s.
    assert run_jumping(main(), StillLoop) == 6

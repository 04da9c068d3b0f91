"""Whatever is cancelled, at whatever step and however often, leaves nothing open behind it."""

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from types import coroutine
from typing import Any

import pytest
from support.batches import BEGIN, batch, listed
from support.tidy import client_tasks

from cfevents import Client
from cfevents._cancellation import finish
from cfevents.storage import Archive, NDJSONFile
from cfevents.testing import Simulator

EVENTS = [{"e": {"k": "Init"}, "t": BEGIN + second, "n": 0, "a": BEGIN + second} for second in range(12)]
WINDOW: dict[str, Any] = {"since": BEGIN, "until": BEGIN + 99}
FIRST, SECOND = batch([listed(BEGIN)]), batch([listed(BEGIN), listed(BEGIN + 1)])


@coroutine
def cancelled_at(work: Coroutine[Any, Any, None], waits: Container[int]) -> Generator[Any, Any, bool]:
    """Run a coroutine in a task that is cancelled while it waits for these times; return whether it went through."""
    error: BaseException | None = None
    for number in count():
        try:
            waiting_for = work.send(None) if error is None else work.throw(error)
        except StopIteration:
            return True
        if number in waits:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        error = None
        try:
            yield waiting_for
        except BaseException as caught:
            error = caught
    raise AssertionError


async def write_lines(folder: Path, _: Simulator) -> None:
    async with NDJSONFile(folder / "events.ndjson") as file:
        await file.begin(FIRST.checkpoint)
        await file.write(FIRST)
        await file.write(SECOND)


async def check_lines(folder: Path) -> None:
    """The lock is free, and each event is there once."""
    async with NDJSONFile(folder / "events.ndjson") as file:
        await file.write(SECOND)
    times = [json.loads(line)["recorded_ts"] for line in (folder / "events.ndjson").read_text().splitlines()]
    assert len(times) in {2, 3}


async def fill_archive(folder: Path, simulator: Simulator) -> None:
    async with Archive(folder / "events.db") as archive, Client(**simulator.client_options) as client:
        await archive.append(FIRST)
        await archive.sync(client, ["c1"], since=BEGIN)
        await archive.list_events("c1", **WINDOW).collect()


async def check_archive(folder: Path) -> None:
    """No connection is open: the write-ahead log is gone."""
    assert not (folder / "events.db-wal").exists()
    async with Archive(folder / "events.db") as archive:
        await archive.append(FIRST)


async def read_listing(_: Path, simulator: Simulator) -> None:
    async with Client(**simulator.client_options) as client:
        await client.list_connectors()
        stream = client.list_events("c1", **WINDOW, page_size=4, concurrency=2)
        async for _event in stream.details(concurrency=2):
            pass
        async for _fleet_event in client.fleet(["c1"]).list_events(**WINDOW):
            pass


async def follow(_: Path, simulator: Simulator) -> None:
    async with Client(**simulator.client_options) as client:
        async for _batch in client.follow_events(["c1"], since=BEGIN).once().batches():
            pass


async def check_nothing(_: Path) -> None:
    pass


async def write_parquet(folder: Path, simulator: Simulator) -> None:
    async with Client(**simulator.client_options) as client:
        await client.list_events("c1", **WINDOW, page_size=4).to_parquet(folder / "events.parquet")


async def check_parquet(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} <= {"events.parquet"}  # noqa: ASYNC240 - it is not long


@asynccontextmanager
async def busy_threads() -> AsyncIterator[list[str]]:
    """Keep the loop's shared threads busy, and collect what the loop has to complain of."""
    loop, may_end, complaints = asyncio.get_running_loop(), threading.Event(), list[str]()
    loop.set_default_executor(ThreadPoolExecutor(1))
    loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
    busy = loop.run_in_executor(None, may_end.wait)
    try:
        yield complaints
    finally:
        may_end.set()
        await busy


Use = Callable[[Path, Simulator], Coroutine[Any, Any, None]]
Check = Callable[[Path], Awaitable[None]]
USES: list[tuple[Use, Check]] = [
    (write_lines, check_lines),
    (fill_archive, check_archive),
    (read_listing, check_nothing),
    (follow, check_nothing),
    (write_parquet, check_parquet),
]


@pytest.mark.once
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("use", "check"), USES, ids=lambda function: function.__name__)
async def test_cancelled_use_leaves_nothing_open(tmp_path: Path, use: Use, check: Check, times: int) -> None:
    """No task, lock, connection, file or complaint is left after a cancellation at any wait, and at those after it."""
    async with Simulator(events={"c1": EVENTS}) as simulator, busy_threads() as complaints:
        for step in count():
            (folder := tmp_path / str(step)).mkdir()
            waits = range(step, step + times)
            task = asyncio.ensure_future(_cancel(use(folder, simulator), waits))
            await asyncio.wait([task])
            went_through = not task.cancelled() and task.result()
            del task
            assert client_tasks() == set(), step
            await check(folder)
            if went_through:
                assert step >= 3
                break
        gc.collect()
        assert complaints == []


async def _cancel(work: Coroutine[Any, Any, None], waits: Container[int]) -> bool:
    return await cancelled_at(work, waits)


async def test_finished_work_is_returned_or_raised() -> None:
    loop = asyncio.get_running_loop()
    done, failed = loop.create_future(), loop.create_future()
    done.set_result(1)
    failed.set_exception(KeyError("x"))
    assert await finish(done) == 1
    with pytest.raises(KeyError):
        await finish(failed)

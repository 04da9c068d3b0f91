"""One timed run on an archive, in a process of its own, by the library of today or by an older one.

It uses only what both have: the public names, and the command line.
"""

import asyncio
import gc
import json
import os
import runpy
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.task import ACCOUNT, TOKEN, ArchiveTask, Figures, peak_mb
from cfevents import Budget, Client
from cfevents.storage import Archive

_DAY_S = 86_400

_Work: TypeAlias = Callable[[], Coroutine[Any, Any, int]]


async def fill(task: ArchiveTask) -> _Work:
    """Store all events of all connectors, as `Archive.sync` reads them from the server."""

    async def work() -> int:
        async with _client(task) as client, Archive(task.path) as archive:
            return await archive.sync(client, task.connectors, since=task.since)

    return work


async def store(task: ArchiveTask) -> _Work:
    """Store all events of all connectors, which were read before."""
    async with _client(task) as client:
        follower = client.follow_events(task.connectors, since=task.since)
        batches: list[Any] = [batch async for batch in follower.once().batches()]

    async def work() -> int:
        async with Archive(task.path) as archive:
            return sum([await archive.append(batch) for batch in batches])

    return work


async def iterate(task: ArchiveTask) -> _Work:
    """Iterate over the events of each connector."""

    async def work() -> int:
        count = 0
        async with Archive(task.path) as archive:
            for connector in task.connectors:
                async for _ in archive.list_events(connector, since=task.since, until=task.until):
                    count += 1
        return count

    return work


async def to_arrow(task: ArchiveTask) -> _Work:
    """Make an Arrow table of each connector's events."""

    async def work() -> int:
        async with Archive(task.path) as archive:
            streams = [archive.list_events(name, since=task.since, until=task.until) for name in task.connectors]
            return sum([len(await stream.to_arrow()) for stream in streams])

    return work


CALLS: Mapping[str, Callable[[ArchiveTask], Coroutine[Any, Any, _Work]]] = {
    "fill": fill,
    "store": store,
    "iterate": iterate,
    "to_arrow": to_arrow,
}


def run_command(task: ArchiveTask) -> int:
    """Run a command over one connector, or over all, and drop what it prints or writes; return its exit status."""
    since, until = (datetime.fromtimestamp(bound, UTC).isoformat() for bound in (task.since, task.until))
    output = Path(f"{task.path}-output{task.call.partition(' ')[2]}")
    words = [str(output) if word.startswith(".") else word for word in task.call.split()]
    connectors = task.connectors if len(task.connectors) == 1 else ["--all"]
    sys.argv = ["cfevents", *words, *connectors, "--archive", task.path, "--since", since, "--until", until]
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            runpy.run_module("cfevents", run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        output.unlink(missing_ok=True)
    return 0


def measured(work: Callable[[], int]) -> tuple[int, Figures]:
    """Return what a function returns, and what it cost."""
    gc.collect()
    gc.freeze()
    began, cpu_began = time.perf_counter(), time.process_time()
    result = work()
    return result, Figures(time.perf_counter() - began, time.process_time() - cpu_began, peak_mb())


def main() -> None:
    """Do a task that reads over the first day of one connector, so that late imports are done; then do it all."""
    task = ArchiveTask(*json.loads(sys.argv[1]))
    first = task._replace(connectors=task.connectors[:1], until=min(task.until, task.since + _DAY_S))
    if (prepare := CALLS.get(task.call)) is None:
        run_command(first)
        status, figures = measured(lambda: run_command(task))
        assert status in {0, 3}, f"{task.call} ended with {status}"
    else:
        with asyncio.Runner() as runner:
            if prepare in {iterate, to_arrow}:
                runner.run(runner.run(prepare(first))())
            work = runner.run(prepare(task))
            count, figures = measured(lambda: runner.run(work()))
        assert count == task.events, f"{task.call} counted {count} of {task.events} events"
    print(json.dumps(figures))


def _client(task: ArchiveTask) -> Client:
    budget = Budget(requests=10**9, period=1.0)
    return Client(api_token=TOKEN, account_id=ACCOUNT, base_url=task.base_url, budget=budget)


if __name__ == "__main__":
    main()

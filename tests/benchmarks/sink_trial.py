"""One timed run into PostgreSQL, in a process of its own: its memory is one way's."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg

from benchmarks.task import ACCOUNT, CONNECTOR, TOKEN, Figures, SinkTask, peak_mb
from cfevents import Budget, Client
from cfevents.sinks import connect, forward

_TIMEOUT_S = 600


async def follow_and_forward(task: SinkTask) -> None:
    """Follow the server's events, and deliver them."""
    budget, options = Budget(10**9), {"api_token": TOKEN, "account_id": ACCOUNT, "base_url": task.base_url}
    async with Client(**options, budget=budget) as client, connect(task.url, timeout=_TIMEOUT_S) as sink:
        await forward(client.follow_events(CONNECTOR, since=task.since).once(), sink)


async def copy(task: SinkTask) -> None:
    """Copy the same rows from a file, in one transaction."""
    connection: Any = await asyncpg.connect(task.url.partition("&table=")[0])
    await connection.copy_to_table("copied", source=task.file, timeout=_TIMEOUT_S)
    await connection.close()


CALLS: Mapping[str, Callable[[SinkTask], Awaitable[None]]] = {"forward": follow_and_forward, "copy": copy}


async def run(task: SinkTask) -> Figures:
    """Run the task once."""
    gc.collect()
    began, cpu_began = time.perf_counter(), time.process_time()
    await CALLS[task.call](task)
    return Figures(time.perf_counter() - began, time.process_time() - cpu_began, peak_mb())


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(SinkTask(*json.loads(sys.argv[1]))))))

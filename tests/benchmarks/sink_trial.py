"""One timed run into PostgreSQL, in a process of its own: its memory is one way's."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Self

import asyncpg

from benchmarks.task import ACCOUNT, CONNECTOR, TOKEN, Figures, SinkTask, peak_mb
from cfevents import Batch, Budget, Client, EventMetadata, Follower
from cfevents.sinks import connect, forward

_TIMEOUT_S = 600
_HELD_BATCHES = 4


class Clock:
    """The time within its blocks."""

    seconds = 0.0
    cpu_seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        began, cpu_began = self._began
        self.seconds += time.perf_counter() - began
        self.cpu_seconds += time.process_time() - cpu_began


async def follow_and_forward(task: SinkTask) -> Clock:
    """Follow the server's events, and deliver them."""
    async with _client(task) as client, connect(task.url, timeout=_TIMEOUT_S) as sink:
        with Clock() as clock:
            await forward(client.follow_events(CONNECTOR, since=task.since).once(), sink)
    return clock


async def write(task: SinkTask) -> Clock:
    """Write the same events, which were followed before; only the sink is timed, and nothing else runs meanwhile."""
    clock = Clock()
    async with _client(task) as client, connect(task.url, timeout=_TIMEOUT_S) as sink:
        follower = client.follow_events(CONNECTOR, since=task.since).once()
        while batches := await _next_batches(follower):
            for batch in batches:
                with clock:
                    await sink.write(batch)
    return clock


async def _next_batches(follower: Follower[EventMetadata]) -> list[Batch[EventMetadata]]:
    """Return some batches; a follower that stays open would read the next ones beside the sink."""
    some: list[Batch[EventMetadata]] = []
    async with aclosing(follower.batches()) as batches:
        async for batch in batches:
            if len(some) == _HELD_BATCHES:
                break  # this one was not taken, and comes again
            some.append(batch)
    return some


async def copy(task: SinkTask) -> Clock:
    """Copy the same rows from a file, in one transaction."""
    connection: Any = await asyncpg.connect(task.url.partition("&table=")[0])
    with Clock() as clock:
        await connection.copy_to_table("copied", source=task.file, timeout=_TIMEOUT_S)
    await connection.close()
    return clock


def _client(task: SinkTask) -> Client:
    return Client(api_token=TOKEN, account_id=ACCOUNT, base_url=task.base_url, budget=Budget(10**9))


CALLS: Mapping[str, Callable[[SinkTask], Coroutine[Any, Any, Clock]]] = {
    "forward": follow_and_forward,
    "write": write,
    "copy": copy,
}


def main() -> None:
    task = SinkTask(*json.loads(sys.argv[1]))
    clock = asyncio.run(CALLS[task.call](task))
    print(json.dumps(Figures(clock.seconds, clock.cpu_seconds, peak_mb())))


if __name__ == "__main__":
    main()

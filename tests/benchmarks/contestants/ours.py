"""This library, as installed; whether its extra *speed* is there was decided before this is imported."""

import asyncio
import inspect
from typing import Any

from benchmarks.task import ACCOUNT, CONNECTOR, TOKEN, MissingError, Task
from cfevents import Budget, Client, EventMetadata, EventStream, RecordedEvent


async def list_events(task: Task) -> int:
    """Iterate over the listing."""
    count = 0
    async with _client(task) as client:
        async for _ in _stream(client, task):
            count += 1
    return count


async def to_arrow(task: Task) -> int:
    """Make an Arrow table of the listing."""
    async with _client(task) as client:
        return len(await _stream(client, task).to_arrow())


async def to_pandas(task: Task) -> int:
    """Make a pandas data frame of the listing."""
    async with _client(task) as client:
        return len(await _stream(client, task).to_pandas())


async def to_polars(task: Task) -> int:
    """Make a polars data frame of the listing."""
    async with _client(task) as client:
        return len(await _stream(client, task).to_polars())


async def get_events(task: Task) -> int:
    """List, and fetch every event with its payload, `concurrency` at a time."""
    gate = asyncio.Semaphore(task.concurrency)
    async with _client(task) as client:

        async def get(event: EventMetadata) -> RecordedEvent:
            async with gate:
                return await client.get_event(CONNECTOR, event)

        return len(await asyncio.gather(*[get(event) async for event in _stream(client, task._replace(concurrency=1))]))


async def details(task: Task) -> int:
    """Let the stream fetch the events."""
    count = 0
    async with _client(task) as client:
        stream: Any = _stream(client, task._replace(concurrency=1))
        if not hasattr(stream, "details"):
            raise MissingError("EventStream.details")
        async for _ in stream.details(concurrency=task.concurrency):
            count += 1
    return count


def _client(task: Task) -> Client:
    # The quota is not what is measured. A short period, since the budget remembers the requests of one.
    budget = Budget(requests=10**9, period=1.0)
    return Client(api_token=TOKEN, account_id=ACCOUNT, base_url=task.base_url, budget=budget)


def _stream(client: Client, task: Task) -> EventStream:
    options: dict[str, Any] = {}
    if task.concurrency > 1:
        if "concurrency" not in inspect.signature(client.list_events).parameters:
            raise MissingError("list_events(concurrency=)")
        options["concurrency"] = task.concurrency
    return client.list_events(CONNECTOR, since=task.since, until=task.until, page_size=task.page_size, **options)

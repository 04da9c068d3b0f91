"""The vendor's SDK, on httpx as it comes. It returns pages; its user follows the cursor."""

import asyncio
import importlib
from typing import Any

from benchmarks.task import ACCOUNT, CONNECTOR, TOKEN, Task

# By name, so that types are checked where it is not installed.
cloudflare = importlib.import_module("cloudflare")


async def list_events(task: Task) -> int:
    """Iterate over the items of page after page."""
    async with client(task) as opened:
        return await count_events(opened, task)


async def get_events(task: Task) -> int:
    """List, and fetch every event with its payload, `concurrency` at a time."""
    async with client(task) as opened:
        return await count_recorded(opened, task)


def client(task: Task, **options: Any) -> Any:
    """Return the client, with the SDK's own defaults."""
    return cloudflare.AsyncCloudflare(api_token=TOKEN, base_url=task.base_url, **options)


async def count_events(opened: Any, task: Task) -> int:
    """Follow the cursor by hand."""
    count, cursor = 0, cloudflare.omit
    while True:
        page = await _page(opened, task, cursor)
        for _ in page.items:
            count += 1
        if not page.cursor:
            return count
        cursor = page.cursor


async def count_recorded(opened: Any, task: Task) -> int:
    """Fetch the events of a first page. A caller must make the numbers whole again: the SDK's are floats."""
    gate = asyncio.Semaphore(task.concurrency)

    async def get(item: Any) -> Any:
        async with gate:
            return await opened.magic_transit.connectors.events.get(
                int(item.n), event_t=int(item.t), account_id=ACCOUNT, connector_id=CONNECTOR
            )

    page = await _page(opened, task, cloudflare.omit)
    return len(await asyncio.gather(*map(get, page.items)))


async def _page(opened: Any, task: Task, cursor: Any) -> Any:
    return await opened.magic_transit.connectors.events.list(
        CONNECTOR, account_id=ACCOUNT, from_=task.since, to=task.until, limit=task.page_size, cursor=cursor
    )

"""The shortest possible client: aiohttp, the standard json, the items left as dicts; nothing checked or repeated."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from benchmarks.task import TOKEN, Task

_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


async def list_events(task: Task) -> int:
    """Iterate over the listing."""
    count = 0
    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        async for _ in _events(session, task):
            count += 1
    return count


async def get_events(task: Task) -> int:
    """List, and fetch every event with its payload, `concurrency` at a time."""
    gate = asyncio.Semaphore(task.concurrency)
    async with aiohttp.ClientSession(headers=_HEADERS) as session:

        async def get(item: dict[str, Any]) -> Any:
            async with gate:
                return await _result(session, f"{task.path}/{item['t']}.{item['n']}", {})

        return len(await asyncio.gather(*[get(item) async for item in _events(session, task)]))


async def _events(session: aiohttp.ClientSession, task: Task) -> AsyncGenerator[dict[str, Any], None]:
    query = {"from": str(task.since), "to": str(task.until), "limit": str(task.page_size)}
    while True:
        result = await _result(session, task.path, query)
        for item in result["items"]:
            yield item
        if "cursor" not in result:
            return
        query["cursor"] = result["cursor"]


async def _result(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Any:
    async with session.get(url, params=query) as response:
        return json.loads(await response.read())["result"]

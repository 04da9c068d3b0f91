"""The vendor's SDK on aiohttp, which is its own extra."""

import importlib

from benchmarks.contestants import sdk
from benchmarks.task import Task

# The SDK's name for its client is there without the extra too, and fails when it is made.
importlib.import_module("httpx_aiohttp")


async def list_events(task: Task) -> int:
    """Iterate over the items of page after page."""
    async with sdk.client(task, http_client=sdk.cloudflare.DefaultAioHttpClient()) as opened:
        return await sdk.count_events(opened, task)


async def get_events(task: Task) -> int:
    """List, and get each event with its payload, so many at a time."""
    async with sdk.client(task, http_client=sdk.cloudflare.DefaultAioHttpClient()) as opened:
        return await sdk.count_recorded(opened, task)

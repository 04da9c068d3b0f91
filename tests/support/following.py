"""Following played through in simulated time: hours in milliseconds, against an API whose events come with time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from cfevents import Client, Follower, _time
from support.arriving import DAY, Arriving, ArrivingAPI, dates_of_the_loop
from support.clock import run_jumping
from support.scripted import ScriptedAPI

YEAR = 365.0 * DAY

Scenario = Callable[[ArrivingAPI, Client], Coroutine[Any, Any, Any]]


def run(
    scenario: Scenario,
    events: dict[str, list[Arriving]],
    page_size: int = 1000,
    ahead: Callable[[float], float] = lambda _: 0.0,
    connections: int = 100,
    **options: Any,
) -> Any:
    """Play a scenario on a loop whose clock jumps, and is the wall clock too, which may be ahead by some seconds."""

    async def main() -> Any:
        api = ArrivingAPI(events, page_size=page_size)
        server = ScriptedAPI(api)
        server.remembers, server.keepalive = False, YEAR
        # Connections stay open: else each virtual quarter of a minute takes a real millisecond to look after them.
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=YEAR)
        with dates_of_the_loop(ahead):
            async with (
                server,
                aiohttp.ClientSession(connector=connector) as session,
                Client(**server.client_options, session=session, **options) as client,
            ):
                return await scenario(api, client)

    return run_jumping(main())


async def until(moment: float, follower: Follower[Any], now: Callable[[], float] | None = None) -> list[Any]:
    """Everything that following brings until then, by this machine's clock or another."""
    events: list[Any] = []

    async def read() -> None:
        async for event in follower:
            events.append(event)  # noqa: PERF401 - what has come stays, also where it ends in an error

    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=moment - (now or _time.now)())
    await follower.aclose()
    await task
    return events


def keys(events: list[Any]) -> list[tuple[str, int, int]]:
    return [(event.connector_id, event.event.recorded_ts, event.event.sequence) for event in events]

"""Following: new events as they come, late ones too, once each."""

import asyncio
from random import Random
from typing import Any

import pytest
from support.arriving import BEGIN, ArrivingAPI, dates_of_the_loop, late_history
from support.clock import run_jumping
from support.scripted import ScriptedAPI

from cfevents import Client, timespan


async def followed(api: ArrivingAPI, until: float, **options: Any) -> list[Any]:
    """Everything that following brings until then."""
    found: list[Any] = []
    with dates_of_the_loop():
        async with ScriptedAPI(api) as server, Client(**server.client_options) as client:
            follower = client.follow_events(list(api.events), since=BEGIN, **options)

            async def read() -> None:
                found.extend([event async for event in follower])

            task = asyncio.create_task(read())
            await asyncio.sleep(until - timespan.now())
            await follower.aclose()
            await task
    return found


def keys(found: list[Any]) -> list[Any]:
    return [(each.connector_id, each.event.recorded_ts, each.event.sequence) for each in found]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("failing", [False, True])
def test_late_events_are_followed_once_each(seed: int, failing: bool) -> None:
    days = 3
    api = ArrivingAPI(
        {"c1": late_history(seed, days, 600), "c2": late_history(seed + 100, days, 300, ahead=3600)}, page_size=50
    )
    api.failing = Random(seed) if failing else None
    found = run_jumping(followed(api, BEGIN + (days + 1) * 86400, interval="15min"))
    expected = sorted((connector, t, n) for connector, each in api.events.items() for t, n, _ in each)
    assert sorted(keys(found)) == expected

"""A fleet some of whose connectors give no answer: the others begin in time, and nothing is lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from support.arriving import BEGIN, ArrivingAPI
from support.following import keys, run

from cfevents import APITimeoutError, Client, FleetError, Retry
from cfevents._listing.ordered import as_async, ordered_map

TIMEOUT = 30.0
WINDOW: dict[str, Any] = {"since": BEGIN - 3600, "until": BEGIN}


def history(connectors: int) -> dict[str, list[tuple[int, int, int]]]:
    return {
        f"c{number:03}": [(BEGIN - 3600 + 60 * at + number % 60, 0, BEGIN - 1800) for at in range(3)]
        for number in range(connectors)
    }


def hanging(names: set[str], end: float = 10**9) -> Callable[[ArrivingAPI], Callable[[web.Request], bool]]:
    """Requests for some connectors that are not answered in the first seconds."""
    return lambda api: lambda request: api.now() < BEGIN + end and request.path.split("/")[7] in names


@pytest.mark.once
@pytest.mark.parametrize(
    ("connectors", "every", "connections"), [(300, 3, 0), (60, 2, 0), (60, 2, 100), (2, 2, 0), (1, 1, 0)]
)
def test_fleet_begins_within_two_timeouts(
    connectors: int, every: int, connections: int, caplog: pytest.LogCaptureFixture
) -> None:
    """However many are silent, the events of the others begin within two timeouts, ascending; the silent are named."""
    events = history(connectors)
    silent = {*list(events)[::every]}

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.hangs = hanging(silent)(api)
        begins, received = list[float](), list[Any]()
        with pytest.raises(FleetError) as caught:
            async for event in client.fleet(list(events)).list_events(**WINDOW):
                begins.append(api.now() - BEGIN)
                received.append(event)
        assert not begins or begins[0] <= 2 * TIMEOUT
        expected = sorted((t, n, name) for name in events.keys() - silent for t, n, _ in events[name])
        assert [(t, n) for _, t, n in keys(received)] == [(t, n) for t, n, _ in expected]
        assert {*keys(received)} == {(name, t, n) for t, n, name in expected}
        assert caught.value.errors.keys() == silent
        for error in caught.value.errors.values():
            assert isinstance(error, APITimeoutError)
            assert error.checkpoint is not None

    run(scenario, events, connections=connections, retry=Retry(attempts=2))
    assert f"no answer from {len(silent)} connectors" in caplog.text


def test_silent_connectors_that_answer_later_come_last(caplog: pytest.LogCaptureFixture) -> None:
    """Connectors that were set aside and answer later lose nothing: their events come after all others."""
    events = history(12)
    silent = {*list(events)[:5]}

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.hangs = hanging(silent, end=20)(api)
        received = keys([event async for event in client.fleet(list(events)).list_events(**WINDOW)])
        first, last = received[: 7 * 3], received[7 * 3 :]
        assert {name for name, _, _ in last} == silent
        assert sorted(received) == api.keys()
        assert all([t for _, t, _ in part] == sorted(t for _, t, _ in part) for part in (first, last))

    run(scenario, events)
    assert "they are listed again now, after the others: c000, c001" in caplog.text


def test_slow_connectors_are_not_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that takes long, and a failure that passes, are no silence: the order stays."""
    events = history(12)

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.latency = 25
        failed = set[str]()

        def fails_once(request: web.Request) -> int | None:
            is_first = request.path not in failed
            failed.add(request.path)
            return 503 if is_first else None

        api.fails = fails_once
        received = keys([event async for event in client.fleet(list(events)).list_events(**WINDOW)])
        assert [t for _, t, _ in received] == sorted(t for arriving in events.values() for t, _, _ in arriving)

    run(scenario, events)
    assert "no answer" not in caplog.text


@pytest.mark.parametrize("max_stalled", [0, 1, 5])
def test_stalled_calls_make_room_for_so_many(max_stalled: int) -> None:
    """As many calls run as was said, and beside them those that stall, up to so many."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        running = most = 0

        async def call(seconds: int) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                await asyncio.sleep(seconds)
            finally:
                running -= 1
            return seconds

        items = [60, 60, 1, 60, 1, 60, 1, 1, 60, 60, 60, 60, 60, 60, 1, 1]
        results = ordered_map(
            client._get_connection, as_async(items), call, 2, max_buffered=99, max_stalled=max_stalled
        )
        assert [result async for _, result in results] == items
        assert most == 2 + max_stalled

    run(scenario, {})

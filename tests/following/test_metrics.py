"""The metrics of a follower: plain data at any time, and a collector for Prometheus."""

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from support.arriving import BEGIN, Arriving, ArrivingAPI
from support.clock import run_jumping
from support.following import run, until
from support.promtool import promtool
from support.scripted import TOKEN

from cfevents import Budget, Client, Connector, ConnectorStatus, Device, FollowerMetrics
from cfevents.metrics import FollowerCollector, families

EVENTS: dict[str, list[Arriving]] = {
    "a": [(BEGIN + 10, 0, BEGIN + 20), (BEGIN + 100, 1, BEGIN + 100), (BEGIN - 500, 2, BEGIN + 200)],
    "b": [(BEGIN + 10, 0, BEGIN + 10)],
}


def test_metrics_have_what_each_connector_did() -> None:
    """They are a copy; before the first request there is nothing, and after the client was closed they stay."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda request: 503 if "/b/" in request.path and client.usage.sent > 8 else None
        follower = client.follow_events(client.fleet(), since=BEGIN - 600)
        first = follower.metrics()
        assert (first.connectors, first.listed, first.usage, first.sink) == ({}, (), None, None)
        await until(BEGIN + 300, follower)
        metrics = follower.metrics()
        a, b = metrics.connectors["a"], metrics.connectors["b"]
        assert (a.delivered, a.late, a.errors) == (3, 1, {})
        assert a.recent_lag.total_seconds() == 700
        assert a.lag == a.recent_lag
        assert (b.delivered, b.late, [*b.errors]) == (1, 0, ["InternalServerError"])
        assert {connector.id for connector in metrics.listed} == {"a", "b"}
        assert metrics.usage == client.usage
        b.errors.clear()
        assert follower.metrics().connectors["b"].errors != {}
        await client.close()
        assert follower.metrics().usage == metrics.usage

    run(scenario, EVENTS)


def test_lag_of_the_last_events_comes_down() -> None:
    """So an alert on it ends; the longest lag of all stays beside it."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - 600)
        await until(BEGIN + 400, follower)
        status = follower.metrics().connectors["a"]
        assert (status.lag.total_seconds(), status.recent_lag.total_seconds()) == (700, 3)

    run(scenario, {"a": [*EVENTS["a"], (BEGIN + 297, 3, BEGIN + 300)]})


def test_connector_that_left_has_no_metrics() -> None:
    """However many come and go, there are those of the account."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(client.fleet(), since=BEGIN)
        api.listed = lambda name: name == "a" or client.usage.sent < 20
        await until(BEGIN + 3600, follower)
        assert [*follower.metrics().connectors] == ["a"]

    run(scenario, EVENTS)


def test_blocks_are_counted_once_each() -> None:
    """Several requests under way are refused by one block."""

    async def main() -> None:
        budget = Budget()
        for _ in range(3):
            budget.block_for(60)
        assert budget.blocks == 1
        await asyncio.sleep(100)
        budget.block_for(60)
        assert budget.blocks == 2

    run_jumping(main())


def test_usage_has_the_blocks() -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: 429 if client.usage.sent == 6 else None
        await until(BEGIN + 900, client.follow_events(["a"], since=BEGIN))
        assert client.usage.blocks == 1

    run(scenario, EVENTS)


HOSTILE = [
    'quote " and backslash \\',
    "line\nfeed, tab\t and NUL \0",
    "half \ud800 pair",
    "x" * 100_000,
    '"} 1\ncfevents_connectors 7\n#',
    "\u202e\x1b[31mred",
    "",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_cannot_break_out(name: str) -> None:
    """Whatever the API calls a connector, there is one sample for it, and Prometheus reads it."""
    connector = Connector(id=name, notes=name, device=Device(serial_number=name))
    metrics = FollowerMetrics({name: ConnectorStatus(errors={"APIError": 1})}, (connector,))
    text = generate_latest(registry(metrics)).decode()
    assert len(text) < 2 * len(name) * 10 + 10_000
    assert text.count("\ncfevents_connectors ") == 1
    assert [len(family.samples) for family in families(metrics)][:4] == [1, 1, 1, 1]
    promtool("check", "metrics", text=text)


def registry(metrics: FollowerMetrics) -> Any:
    made = CollectorRegistry()
    made.register(FollowerCollector(lambda: metrics))
    return made


def test_secrets_are_in_no_name() -> None:
    """A credential that a note repeats is hidden there too."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        await client.list_connectors()
        metrics = FollowerMetrics({"a": ConnectorStatus()}, (Connector(id="a", notes=f"see {TOKEN}"),))
        assert TOKEN not in generate_latest(registry(metrics)).decode()

    run(scenario, EVENTS)

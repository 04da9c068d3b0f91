"""How far a fill and a fleet's listing are: true at every request, and never back."""

from itertools import pairwise
from typing import Any

import pytest
from support.arriving import BEGIN, DAY, ArrivingAPI
from support.following import run

from cfevents import Client, Follower

EVENTS = {
    name: [(BEGIN - DAY + step * at, 0, BEGIN - DAY + step * at + 5) for at in range(count)]
    for name, count, step in (("a", 120, 700), ("b", 4, 20_000), ("c", 60, 1400))
}


def assert_true(fractions: list[float]) -> None:
    assert fractions[0] == 0.0
    assert fractions == sorted(fractions)
    assert len({fraction for fraction in fractions if 0 < fraction < 1}) >= 4
    assert max(after - before for before, after in pairwise(fractions)) < 0.4


@pytest.mark.parametrize("details", [False, True])
def test_a_fill_shows_its_part_at_every_request(details: bool) -> None:
    """The part of the window is known while the events of a poll are gathered, or their payloads."""
    fractions = list[float]()

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        listed = client.follow_events(list(EVENTS), since=BEGIN - DAY).once()
        follower: Follower[Any] = listed.details() if details else listed
        api.fails = lambda _: fractions.append(follower._progress().fraction or 0.0)
        assert follower._progress() == (0.0, "", 0.0)
        delivered = sum([len(batch.items) async for batch in follower.batches()])
        assert follower._progress() == (1.0, f"3 connectors, {delivered} events", 0.0)

    run(scenario, EVENTS, page_size=10)
    assert_true(fractions)


def test_a_fleets_listing_shows_its_part_at_every_request() -> None:
    """The part of the window is known before the events of a round are sorted."""
    fractions = list[float]()

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        stream = client.fleet(list(EVENTS)).list_events(since=BEGIN - DAY, until=BEGIN)
        api.fails = lambda _: fractions.append(stream._listed_fraction())
        assert len(await stream.collect()) == 184
        assert stream._listed_fraction() == 1.0

    run(scenario, EVENTS, page_size=10)
    assert_true(fractions)


def test_a_connector_that_fails_counts_as_done() -> None:
    """What cannot be listed keeps the part from nothing, and turns it nowhere back."""
    fractions = list[float]()

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        fleet = client.fleet([*EVENTS, "d"], on_error="collect")
        stream = fleet.list_events(since=BEGIN - DAY, until=BEGIN)

        def fails(request: object) -> int | None:
            fractions.append(stream._listed_fraction())
            return 404 if "/d/" in str(request) else None

        api.fails = fails
        await stream.collect()
        assert [*fleet.errors] == ["d"]
        assert stream._listed_fraction() == 1.0

    run(scenario, EVENTS, page_size=10)
    assert fractions == sorted(fractions)

"""When a fault strikes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.clock import run_jumping
from testing.raw import EVENTS, LISTING, ask, made

from cfevents.testing import Simulator, faults
from cfevents.testing.faults import Exchange, Fault

FAILING = faults.status(503)


async def statuses(simulator: Simulator, *paths: str) -> list[int]:
    return [(await ask(simulator, path)).status for path in paths]


async def test_fault_strikes_until_cleared() -> None:
    """A fault strikes every request until the faults are cleared."""
    async with made() as simulator:
        simulator.faults.add(FAILING)
        assert await statuses(simulator, LISTING, "", "/nowhere/x") == [503] * 3
        assert simulator.faults.struck == [FAILING] * 3
        assert len(simulator.requests) == 3
        simulator.faults.clear()
        assert await statuses(simulator, LISTING) == [200]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"on": 3}, [200, 200, 503, 200, 200]),
        ({"on": {1, 4}}, [503, 200, 200, 503, 200]),
        ({"times": 2}, [503, 503, 200, 200, 200]),
        ({"on": range(2, 9), "times": 2}, [200, 503, 503, 200, 200]),
        ({"chance": 0}, [200] * 5),
    ],
)
async def test_fault_strikes_matching_requests(conditions: dict[str, Any], expected: list[int]) -> None:
    """A fault strikes the requests that meet all its conditions."""
    async with made() as simulator:
        assert await statuses(simulator, LISTING) == [200]
        simulator.faults.add(FAILING, **conditions)
        assert await statuses(simulator, *[LISTING] * 5) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/latest", [200, 503, 200, 200]),
        ("/telemetry/events", [503, 200, 200, 200]),
        ("/site-1/*", [503, 503, 503, 200]),
        ("/events/*.0", [200, 200, 503, 200]),
        ("/connectors", [200, 200, 200, 503]),
    ],
)
async def test_path_matches_by_its_end(path: str, expected: list[int]) -> None:
    """A path is given by its end; a star stands for anything."""
    async with made() as simulator:
        simulator.faults.add(FAILING, path=path)
        paths = (LISTING, f"{EVENTS}/latest", f"{EVENTS}/1700000000.0", "")
        assert await statuses(simulator, *paths) == expected


async def test_on_counts_requests_of_the_path() -> None:
    """`on` counts only the requests with the fault's path."""
    async with made() as simulator:
        simulator.faults.add(FAILING, path="/latest", on=2)
        latest = f"{EVENTS}/latest"
        assert await statuses(simulator, LISTING, latest, LISTING, latest) == [200, 200, 200, 503]


async def test_first_added_fault_strikes() -> None:
    """Of several faults that are due the first one added strikes; every rule counts every request."""
    async with made() as simulator:
        simulator.faults.add(FAILING, on={1, 2})
        simulator.faults.add(faults.status(500), on={2, 3})
        simulator.faults.add(faults.status(404), times=1)
        assert await statuses(simulator, *[LISTING] * 5) == [503, 503, 500, 404, 200]


def drawn(seed: int, chance: float = 0.3) -> list[str]:
    """What strikes two hundred requests."""
    simulator = made()
    simulator.faults.add([FAILING, faults.reset(), faults.hang_up()], chance=chance, seed=seed)
    return [repr(simulator.faults.due("/", 0.0)) for _ in range(200)]


def test_chance_is_reproducible_by_seed() -> None:
    """Chance is reproducible by its seed, and draws every one of several faults."""
    first = drawn(1)
    assert first == drawn(1) != drawn(2)
    assert set(first) == {"None", "status(503)", "reset('before headers')", "hang_up()"}
    assert 30 <= sum(name != "None" for name in first) <= 90
    assert "None" not in drawn(1, chance=1)


def test_other_rules_do_not_change_chance() -> None:
    """Another rule does not change the random sequence."""
    simulator = made()
    simulator.faults.add(FAILING, on=range(1, 200, 2))
    simulator.faults.add([FAILING, faults.reset(), faults.hang_up()], chance=0.3, seed=1)
    outcomes = [repr(simulator.faults.due("/", 0.0)) for _ in range(200)]
    assert outcomes[1::2] == drawn(1)[1::2]


def test_seconds_count_from_the_first_request() -> None:
    """The `seconds` of a fault count on the loop's clock from the first request."""

    async def main() -> list[int]:
        codes = []
        async with made() as simulator:
            simulator.faults.add(faults.status(429, retry_after=300), seconds=60)
            for wait in (100, 59, 2):
                await asyncio.sleep(wait)
                codes += await statuses(simulator, LISTING)
        return codes

    assert run_jumping(main()) == [429, 429, 200]


def test_refused_requests_are_not_struck() -> None:
    """A request that the quota refuses is neither struck nor counted."""

    async def main() -> list[int]:
        async with made(quota=1) as simulator:
            simulator.faults.add(FAILING, on=2)
            first = await statuses(simulator, LISTING, LISTING)
            await asyncio.sleep(301)
            return first + await statuses(simulator, LISTING)

    assert run_jumping(main()) == [200, 429, 503]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"on": 0}, "on counts from 1"),
        ({"on": ()}, "on counts from 1"),
        ({"times": 0}, "times must be 1 or more"),
        ({"chance": 1.1}, "chance must be from 0 to 1"),
        ({"seconds": 0}, "seconds must be more than 0"),
    ],
)
def test_impossible_condition_is_refused(conditions: dict[str, Any], message: str) -> None:
    """A condition that can never be met is a ValueError that names it."""
    with pytest.raises(ValueError, match=message):
        made().faults.add(FAILING, **conditions)


def test_empty_list_of_faults_is_refused() -> None:
    """An empty list of faults is a ValueError."""
    with pytest.raises(ValueError, match="at least one"):
        made().faults.add([])


async def test_custom_fault_changes_the_exchange() -> None:
    """A fault of one's own is a function that changes the exchange."""

    def shout(exchange: Exchange) -> None:
        exchange.body = exchange.body.upper()
        exchange.headers["X-Shouted"] = "yes"

    async with made() as simulator:
        simulator.faults.add(Fault("shout", shout))
        heard = await ask(simulator)
        assert heard.headers["x-shouted"] == "yes"
        assert b'"RESULT"' in heard.body
        assert repr(simulator.faults.struck) == "[shout]"


def test_the_page_on_testing_shows_every_fault() -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    made_by_hand = {"ABSENT", "Exchange", "Fault", "Faults"}
    missing = [name for name in faults.__all__ if name not in made_by_hand and f"`{name}(" not in page]
    assert missing == []


def test_faults_can_be_added_from_another_thread(cfevents_simulator: Simulator) -> None:
    cfevents_simulator.add("site-1")
    cfevents_simulator.faults.add(FAILING, path="/latest")
    assert asyncio.run(statuses(cfevents_simulator, f"{EVENTS}/latest", "")) == [503, 200]

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


async def test_a_fault_strikes_every_request_until_the_faults_are_cleared() -> None:
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
async def test_a_fault_strikes_the_requests_that_meet_its_conditions(
    conditions: dict[str, Any], expected: list[int]
) -> None:
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
async def test_a_path_is_given_by_its_end_where_a_star_stands_for_anything(path: str, expected: list[int]) -> None:
    async with made() as simulator:
        simulator.faults.add(FAILING, path=path)
        asked = (LISTING, f"{EVENTS}/latest", f"{EVENTS}/1700000000.0", "")
        assert await statuses(simulator, *asked) == expected


async def test_requests_are_counted_among_those_with_the_path() -> None:
    async with made() as simulator:
        simulator.faults.add(FAILING, path="/latest", on=2)
        latest = f"{EVENTS}/latest"
        assert await statuses(simulator, LISTING, latest, LISTING, latest) == [200, 200, 200, 503]


async def test_of_several_that_are_due_the_first_added_strikes_and_each_counts_every_request() -> None:
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


def test_chance_is_reproducible_by_its_seed_and_draws_each_of_several() -> None:
    first = drawn(1)
    assert first == drawn(1) != drawn(2)
    assert set(first) == {"None", "status(503)", "reset('before headers')", "hang_up()"}
    assert 30 <= sum(name != "None" for name in first) <= 90
    assert "None" not in drawn(1, chance=1)


def test_another_rule_does_not_change_what_chance_gives() -> None:
    simulator = made()
    simulator.faults.add(FAILING, on=range(1, 200, 2))
    simulator.faults.add([FAILING, faults.reset(), faults.hang_up()], chance=0.3, seed=1)
    found = [repr(simulator.faults.due("/", 0.0)) for _ in range(200)]
    assert found[1::2] == drawn(1)[1::2]


def test_a_while_is_counted_on_the_loops_clock_from_the_first_request() -> None:
    async def main() -> list[int]:
        found = []
        async with made() as simulator:
            simulator.faults.add(faults.status(429, retry_after=300), seconds=60)
            for wait in (100, 59, 2):
                await asyncio.sleep(wait)
                found += await statuses(simulator, LISTING)
        return found

    assert run_jumping(main()) == [429, 429, 200]


def test_what_the_quota_refuses_is_neither_struck_nor_counted() -> None:
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
def test_a_condition_that_can_never_be_met_is_refused(conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made().faults.add(FAILING, **conditions)


def test_no_fault_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        made().faults.add([])


async def test_a_fault_of_ones_own_is_a_function_of_the_exchange() -> None:
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

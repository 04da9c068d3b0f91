"""Histories that go on: the same past all day, and a future that comes as it is collected."""

from collections.abc import Callable
from datetime import datetime
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples

from cfevents import Client
from cfevents.testing import History, LiveHistory, Simulator
from cfevents.testing.scenarios import INCIDENTS

MIDNIGHT = 1_767_225_600
NOON = MIDNIGHT + 43_200
DAY = 86_400

Event = dict[str, Any]


class Clock:
    """A clock that is set by hand."""

    def __init__(self, time: float = NOON) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


def followed(history: LiveHistory, clock: Clock, seconds: int, step: int = 60) -> dict[str, list[Event]]:
    """Everything that comes within some seconds, asked for in steps; nothing comes before it was collected."""
    arrived: dict[str, list[Event]] = {name: [] for name in history.events}
    for _ in range(0, seconds, step):
        before, clock.time = clock.time, clock.time + step
        for name, events in history.news().items():
            assert all(before < event["a"] <= clock.time for event in events)
            arrived[name] += events
    return arrived


def event_key(event: Event) -> tuple[int, int]:
    return event["t"], event["n"]


def ids(events: list[Event]) -> list[tuple[int, int]]:
    return [event_key(event) for event in events]


def without_numbers(event: Event) -> Event:
    return {name: value for name, value in event.items() if name in "ev"}


@pytest.mark.parametrize("time_of_day", [0, 1, 43_200.5, 86_399])
def test_its_past_is_that_of_the_day_and_ends_when_it_is_made(time_of_day: float) -> None:
    day = History(until=MIDNIGHT + DAY, days=8)
    live = LiveHistory(clock=Clock(MIDNIGHT + time_of_day))
    assert live.until == int(MIDNIGHT + time_of_day)
    assert live.events == {
        name: [event for event in events if event["a"] <= live.until] for name, events in day.events.items()
    }


def test_its_past_is_served_alone_until_something_is_collected() -> None:
    clock = Clock()
    history = LiveHistory(clock=clock)
    assert history.news() == {}
    clock.time += 3600
    assert sum(map(len, history.news().values())) > 10
    assert history.news() == {}


def test_at_its_own_speed_it_goes_on_as_the_day_was_made() -> None:
    day, clock = History(until=MIDNIGHT + DAY, days=8), Clock()
    history = LiveHistory(clock=clock)
    arrived = followed(history, clock, DAY // 2 - 1)
    for name, events in day.events.items():
        assert sorted(ids(history.events[name] + arrived[name])) == ids(events)
        assert all(event in events for event in arrived[name])


@pytest.mark.parametrize(
    "speed",
    [
        pytest.param(1, marks=pytest.mark.once),
        60.5,
        pytest.param(600, marks=pytest.mark.once),
        pytest.param(86_400, marks=pytest.mark.once),
    ],
)
@settings(max_examples=examples(10))
@given(seed=st.integers(), began=st.integers(MIDNIGHT, MIDNIGHT + DAY - 1))
def test_ids_are_unique_and_ascending_as_recorded_at_any_speed(speed: float, seed: int, began: int) -> None:
    clock = Clock(began)
    history = LiveHistory(seed=seed, connectors=2, days=3, speed=speed, incidents=["outage", "crash"], clock=clock)
    arrived = followed(history, clock, int(4 * DAY / speed) + 1, step=max(1, int(3600 / speed)))
    for name, past in history.events.items():
        known = ids(past)
        assert len({*known, *ids(arrived[name])}) == len(known) + len(arrived[name])
        ahead = sorted(key for key in ids(arrived[name]) if key[0] > began)
        # Of the last day, what was recorded before may yet be collected.
        assert all((t, n - 1) in ahead for t, n in ahead if n and t < began + 3 * DAY / speed)
        assert all(event["t"] <= event["a"] for event in arrived[name])


def test_faster_future_is_the_same_but_closer() -> None:
    """A faster future has the same events, closer and in the same order."""
    slow, fast = Clock(), Clock()
    real = followed(LiveHistory(clock=slow), slow, DAY)
    histories = LiveHistory(speed=600, clock=fast)
    quick = followed(histories, fast, DAY // 600, step=1)
    for name, events in real.items():
        expected = sorted((event for event in events if event["t"] > NOON), key=event_key)
        nearer = sorted((event for event in quick[name] if event["t"] > NOON), key=event_key)
        assert [without_numbers(event) for event in nearer[: len(expected)]] == [
            without_numbers(event) for event in expected[: len(nearer)]
        ]
        assert len(nearer) > 200
        for ahead, event in zip(nearer, expected, strict=False):
            assert 0 <= ahead["t"] - NOON - (event["t"] - NOON) / 600 < 1
            assert 0 <= ahead["a"] - NOON - (event["a"] - NOON) / 600 < 1


def test_it_has_no_end_and_incidents_go_on_to_happen() -> None:
    clock = Clock()
    history = LiveHistory(days=4, speed=86_400, incidents=["unfinished_upgrade", "failed_upgrade"], clock=clock)
    arrived = followed(history, clock, 40, step=1)
    kinds = [event["e"]["k"] for events in arrived.values() for event in events]
    assert len(kinds) > 40 * 3 * 250
    assert kinds.count("FinishUpgradeFailure") in range(9, 12)


def test_an_outage_that_lies_ahead_comes_late_and_all_at_once() -> None:
    clock = Clock()
    history = LiveHistory(days=2, speed=3600, connectors=1, incidents=["outage"], clock=clock)
    (events,) = followed(history, clock, 96, step=1).values()
    late = [event for event in events if event["a"] - event["t"] >= 4]
    assert len(late) > 20
    assert {event["a"] - event["t"] for event in late} <= set(range(4, 8))


def test_the_incidents_are_those_of_its_past() -> None:
    for hour in range(0, 24, 6):
        history = LiveHistory(days=1, connectors=4, incidents=INCIDENTS, clock=Clock(MIDNIGHT + hour * 3600))
        listed = {f"{event['t']}.{event['n']}" for events in history.events.values() for event in events}
        whole = History(days=1, connectors=4, incidents=INCIDENTS, until=MIDNIGHT + DAY)
        assert set(history.incidents) <= set(whole.incidents)
        assert all(set(incident.event_ids) <= listed for incident in history.incidents)


@pytest.mark.parametrize("speed", [0, 0.5, -1, 86_401, float("nan"), True, "600"])
def test_a_speed_without_meaning_is_refused(speed: Any) -> None:
    with pytest.raises(ValueError, match="speed must be a number from 1 to 86400"):
        LiveHistory(speed=speed)


async def test_collected_event_is_served_from_then_on() -> None:
    """An event is listed, fetched and among the latest once it is collected."""
    clock = Clock()
    history = LiveHistory(connectors=["site-1"], clock=clock)
    everything = followed(LiveHistory(connectors=["site-1"], clock=(twin := Clock())), twin, 7200)["site-1"]
    event = everything[5]
    async with Simulator(history=history) as simulator, Client(**simulator.client_options) as client:

        async def seen() -> list[bool]:
            listed = await client.list_events("site-1", since=NOON - 600, until=NOON + 7200).collect()
            latest = await client.latest_events("site-1")
            key = f"{event['t']}.{event['n']}"
            return [key in [str(event.id) for event in events] for events in (listed, latest)]

        clock.time = event["a"] - 1
        assert await seen() == [False, False]
        clock.time = event["a"]
        assert await seen() == [True, True]
        recorded = await client.get_event("site-1", f"{event['t']}.{event['n']}")
        assert recorded.event.kind == event["e"]["k"]
        (before,) = await client.list_connectors()
        clock.time += 3600
        (after,) = await client.list_connectors()
        assert (before.last_heartbeat or "") < (after.last_heartbeat or "")


def test_an_order_is_pending_until_it_is_executed() -> None:
    """An order to come is listed from the moment it is submitted, and executed before the start that it causes."""
    clock, states = Clock(MIDNIGHT), list[list[bool]]()
    history = LiveHistory(connectors=["site-1"], incidents=["ordered_reboot"], days=1, clock=clock)
    for _ in range(0, 2 * DAY, 10):
        clock.time += 10
        history.news()
        states.append(["triggered_at" in item for item in history.interrupts("site-1")])
    assert [state for state, _ in groupby(states)] == [[], [False], [True], [True, False], [True, True]]


def test_orders_to_come_come_faster_too() -> None:
    clock = Clock(MIDNIGHT)
    history = LiveHistory(connectors=["site-1"], incidents=["ordered_reboot"], days=1, speed=60, clock=clock)
    starts = [event["t"] for event in followed(history, clock, DAY // 60)["site-1"] if event["e"]["k"] == "Init"]
    (order,) = history.interrupts("site-1")
    triggered = datetime.fromisoformat(order["triggered_at"]).timestamp()
    assert min(abs(start - triggered - 1.5) for start in starts) <= 1.5


@pytest.mark.parametrize("make", [lambda event: event, lambda event: event | {"e": {"k": "Mine"}}])
async def test_added_event_is_not_replaced(make: Callable[[Event], Event]) -> None:
    """An event that a test has added stays when the history has one of the same id."""
    clock, twin = Clock(), Clock()
    event = followed(LiveHistory(connectors=["site-1"], clock=twin), twin, 7200)["site-1"][0]
    history = LiveHistory(connectors=["site-1"], clock=clock)
    async with Simulator(history=history) as simulator, Client(**simulator.client_options) as client:
        simulator.add("site-1", make(event))
        clock.time += 7200
        listed = await client.list_events("site-1", since=NOON, until=NOON + 7200).collect()
    assert [item.kind for item in listed if (item.recorded_ts, item.sequence) == event_key(event)] == [
        make(event)["e"]["k"]
    ]

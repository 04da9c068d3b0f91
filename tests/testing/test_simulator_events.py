"""What the simulator takes in, and what it refuses to."""

from typing import Any

import pytest

from cfevents.testing import Simulator

INIT = {"e": {"k": "Init"}, "t": 1700000000, "n": 0}


@pytest.mark.parametrize(
    ("event", "missing"),
    [
        ({"t": 1, "n": 0}, "'e'"),
        ({"e": "Init", "t": 1, "n": 0}, "'e'"),
        ({"e": {}, "t": 1, "n": 0}, "'k'"),
        ({"e": {"k": None}, "t": 1, "n": 0}, "'k'"),
        ({"e": {"k": "Init"}, "n": 0}, "'t'"),
        ({"e": {"k": "Init"}, "t": "1", "n": 0}, "'t'"),
        ({"e": {"k": "Init"}, "t": float("nan"), "n": 0}, "'t'"),
        ({"e": {"k": "Init"}, "t": 1}, "'n'"),
        ({"e": {"k": "Init"}, "t": 1, "n": True}, "'n'"),
        ({"e": {"k": "Init"}, "t": 1, "n": 0, "a": None}, "'a'"),
        ({"e": {"k": "Init", "when": object()}, "t": 1, "n": 0}, "JSON"),
        ({"e": {"k": "Init", "when": float("nan")}, "t": 1, "n": 0}, "JSON"),
        ({"e": {"k": "Init"}, "t": 10**400, "n": 0}, "'t'"),
        ("Init", "an object"),
    ],
)
def test_an_incomplete_event_is_refused_with_what_is_missing(event: Any, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        Simulator(events={"site-1": [event]})


@pytest.mark.parametrize("again", [INIT, INIT | {"t": 1700000000.0, "n": 0.0}])
def test_an_event_that_is_there_already_is_refused_by_its_id(again: dict[str, Any]) -> None:
    simulator = Simulator(events={"site-1": [INIT]})
    with pytest.raises(ValueError, match=r"site-1 already has an event 1700000000\.0$"):
        simulator.add("site-1", again)
    with pytest.raises(ValueError, match=r"site-2 already has"):
        simulator.add("site-2", INIT, again)


def test_the_same_id_may_be_on_two_connectors() -> None:
    simulator = Simulator(events={"site-1": [INIT]})
    simulator.add("site-2", INIT)


def test_events_are_added_all_or_none() -> None:
    simulator = Simulator(events={"site-1": [INIT]})
    fresh = INIT | {"n": 1}
    with pytest.raises(ValueError, match="already"):
        simulator.add("site-1", fresh, INIT)
    simulator.add("site-1", fresh)


def test_an_event_may_carry_anything_and_be_changed_afterwards() -> None:
    event = {"e": {"k": "New", "deep": [{"x": None}], "é": 1e308}, "t": 1.5, "n": 2**70, "zone": "x"}
    simulator = Simulator(events={"site-1": [event]})
    event["t"] = 3
    simulator.add("site-1", event)


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("order", "random", r"'ascending', 'descending', 'shuffled', 'grouped'.*'random'"),
        ("bounds", "open", "'inclusive', 'exclusive'"),
        ("compare", "n", "'t', 'a'"),
        ("ending", None, "'absent', 'null', 'empty'"),
        ("max_page_size", 0, "1 or more"),
        ("max_page_size", True, "whole number"),
        ("empty_pages", -1, "0 or more"),
        ("empty_pages", 1.0, "whole number"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(setting: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"{setting}.*must be .*{allowed}"):
        Simulator(events={}, **{setting: value})
    simulator = Simulator(events={})
    with pytest.raises(ValueError, match=allowed):
        setattr(simulator, setting, value)


def test_a_repr_shows_no_credentials() -> None:
    simulator = Simulator(events={}, api_token="tttt", api_key="kkkk", api_email="e@e.test")
    assert not any(secret in repr(simulator) for secret in ("tttt", "kkkk", "e@e.test"))
    assert "order='ascending'" in repr(simulator)


def test_events_and_a_history_are_not_mixed() -> None:
    history = Simulator().history
    with pytest.raises(ValueError, match="not both"):
        Simulator(events={}, history=history)

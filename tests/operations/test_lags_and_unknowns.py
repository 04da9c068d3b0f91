"""How late events come, and what this version does not know of them."""

from datetime import timedelta
from typing import Any

import pytest
from support.told import bare, event, seconds, story

from cfevents import FleetEvent, RecordedEvent, events, operations


def test_a_percentile_is_the_lag_of_an_event_and_names_it() -> None:
    told = [event(at, "Reconcile", lag=lag) for at, lag in enumerate(range(100, 0, -1))]
    (lags,) = operations.lags(told)
    assert lags.count == 100
    assert {share: lag.total_seconds() for share, lag in lags.percentiles.items()} == {50: 50, 90: 90, 99: 99, 100: 100}
    assert seconds(lags.event_ids) == [50, 10, 1, 0]


def test_other_percentiles_can_be_asked_for() -> None:
    (lags,) = operations.lags([event(0, "Init", lag=-3), event(1, "Init", lag=7)], percentages=[0.1, 51])
    assert [*lags.percentiles.values()] == [timedelta(seconds=-3), timedelta(seconds=7)]


@pytest.mark.parametrize(
    ("percentage", "error"), [(0, ValueError), (101, ValueError), ("50", TypeError), (True, TypeError)]
)
def test_a_percentile_that_is_none_is_refused(percentage: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="percentages has"):
        operations.lags([], percentages=[percentage])


def test_events_without_metadata_do_not_tell_their_lag() -> None:
    assert operations.lags([RecordedEvent(events.Init(), 1, 2)]) == []
    assert operations.report([RecordedEvent(events.Init(), 1, 2)]).connectors[0].lags is None


def test_kinds_and_fields_that_are_not_known_are_told_once_for_each_connector() -> None:
    told = [
        event(0, "Moonwalk", speed=3),
        event(5, "Moonwalk"),
        event(9, "HaTransition", role="primary"),
        event(11, "HaTransition", role="backup"),
        event(12, "StartUpgrade", url=5),
        event(13, "FinishUpgradeSuccess"),
    ]
    unknowns = [(each.kind, each.field, each.count, seconds(each.event_ids)) for each in operations.unknowns(told)]
    assert unknowns == [
        ("HaTransition", "role", 2, [9, 11]),
        ("Moonwalk", None, 2, [0, 5]),
        ("Moonwalk", "speed", 1, [0]),
        ("StartUpgrade", "url", 1, [12]),
    ]
    findings = operations.report(told).findings
    assert sorted(finding.kind for finding in findings) == ["unknown_field"] * 2 + ["unknown_kind"]
    assert {finding.severity for finding in findings} == {"info"}
    assert [each.details["fields"] for each in findings if each.kind == "unknown_kind"] == [("speed",)]


def test_without_payloads_only_kinds_tell() -> None:
    told = bare([event(0, "Moonwalk", speed=3), event(9, "HaTransition", role="primary")])
    assert [(each.kind, each.field) for each in operations.unknowns(told)] == [("Moonwalk", None)]


def test_the_tunnel_of_a_restart_is_understood_though_it_is_not_documented() -> None:
    told = story("0 RekeyStart a", "5 RekeyRestart a")
    assert operations.unknowns(told) == []
    assert operations.unknowns([FleetEvent("site", each.event.recorded) for each in told]) == []

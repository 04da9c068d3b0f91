"""How late events come, and what this version does not know of them."""

from datetime import timedelta
from typing import Any

import pytest
from support.appliance_events import event, events_at, offsets, without_payloads

from cfevents import FleetEvent, RecordedEvent, events, operations


def test_percentile_is_the_lag_of_an_event() -> None:
    """A percentile is the lag of an event, and names it."""
    sample = [event(at, "Reconcile", lag=lag) for at, lag in enumerate(range(100, 0, -1))]
    (lags,) = operations.lags(sample)
    assert lags.count == 100
    assert {share: lag.total_seconds() for share, lag in lags.percentiles.items()} == {50: 50, 90: 90, 99: 99, 100: 100}
    assert offsets(lags.event_ids) == [50, 10, 1, 0]


def test_other_percentiles_can_be_asked_for() -> None:
    (lags,) = operations.lags([event(0, "Init", lag=-3), event(1, "Init", lag=7)], percentages=[0.1, 51])
    assert [*lags.percentiles.values()] == [timedelta(seconds=-3), timedelta(seconds=7)]


@pytest.mark.parametrize(
    ("percentage", "error"), [(0, ValueError), (101, ValueError), ("50", TypeError), (True, TypeError)]
)
def test_invalid_percentages_are_refused(percentage: Any, error: type[Exception]) -> None:
    """A percentage that is not a number above 0 and up to 100 is refused."""
    with pytest.raises(error, match="percentages has"):
        operations.lags([], percentages=[percentage])


def test_events_without_metadata_have_no_lag() -> None:
    """Events without metadata have no lag."""
    assert operations.lags([RecordedEvent(events.Init(), 1, 2)]) == []
    assert operations.report([RecordedEvent(events.Init(), 1, 2)]).connectors[0].lags is None


def test_unknown_kinds_and_fields_are_listed_once() -> None:
    """Unknown kinds and fields are listed once for each connector."""
    sample = [
        event(0, "Moonwalk", speed=3),
        event(5, "Moonwalk"),
        event(9, "HaTransition", role="primary"),
        event(11, "HaTransition", role="backup"),
        event(12, "StartUpgrade", url=5),
        event(13, "FinishUpgradeSuccess"),
    ]
    unknowns = [(item.kind, item.field, item.count, offsets(item.event_ids)) for item in operations.unknowns(sample)]
    assert unknowns == [
        ("HaTransition", "role", 2, [9, 11]),
        ("Moonwalk", None, 2, [0, 5]),
        ("Moonwalk", "speed", 1, [0]),
        ("StartUpgrade", "url", 1, [12]),
    ]
    findings = operations.report(sample).findings
    assert sorted(finding.kind for finding in findings) == ["unknown_field"] * 2 + ["unknown_kind"]
    assert {finding.severity for finding in findings} == {"info"}
    assert [finding.details["fields"] for finding in findings if finding.kind == "unknown_kind"] == [("speed",)]


def test_without_payloads_only_kinds_are_unknown() -> None:
    """Without payloads only kinds can be unknown."""
    sample = without_payloads([event(0, "Moonwalk", speed=3), event(9, "HaTransition", role="primary")])
    assert [(item.kind, item.field) for item in operations.unknowns(sample)] == [("Moonwalk", None)]


def test_tunnel_of_a_restart_is_known() -> None:
    """The tunnel of a restart is known, although it is not documented."""
    sample = events_at("0 RekeyStart a", "5 RekeyRestart a")
    assert operations.unknowns(sample) == []
    assert operations.unknowns([FleetEvent("site", item.event.recorded) for item in sample]) == []

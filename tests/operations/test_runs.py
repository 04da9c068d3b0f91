"""Runs of the process: clean stops, crashes, restart loops, downtime."""

from datetime import timedelta

import pytest
from support.appliance_events import DAY, HOUR, DetailedEvent, event, events_at, offsets, reconciles

from cfevents import operations


def findings_of(events: list[DetailedEvent], **options: object) -> list[tuple[str, list[int]]]:
    report = operations.report(events, **options)  # type: ignore[call-overload]
    return [(finding.kind, offsets(finding.event_ids)) for finding in report.findings]


def test_stopped_run_has_a_downtime() -> None:
    """A run that is stopped has the pause after it as its downtime."""
    first, second = operations.runs(events_at("0 Init", "60 Reconcile", "100 Leave", "130 Init", "190 Reconcile"))
    assert (first.outcome, first.uptime, first.downtime) == ("stopped", timedelta(seconds=100), timedelta(seconds=30))
    assert (second.outcome, second.uptime, second.downtime) == ("running", timedelta(seconds=60), None)
    assert offsets(first.event_ids) == [0, 100]


def test_start_without_a_stop_is_a_crash() -> None:
    """A start without a stop is a crash, shown by the events around it."""
    sample = events_at("0 Init", "60 Reconcile", "90 Init", "95 Reconcile")
    crashed, _ = operations.runs(sample)
    assert (crashed.outcome, crashed.downtime) == ("crashed", timedelta(seconds=30))
    assert offsets(crashed.event_ids) == [0, 60, 90]
    assert findings_of(sample) == [("crash", [60, 90])]


def test_first_start_is_no_crash() -> None:
    """The first event is no crash, but a start after other events is."""
    assert findings_of(events_at("0 Init", "9 Reconcile")) == []
    assert findings_of(events_at("0 Reconcile", "9 Init")) == [("crash", [0, 9])]
    (before, _) = operations.runs(events_at("0 Reconcile", "9 Init"))
    assert (before.started_at, before.uptime) == (None, None)


def test_what_comes_between_stop_and_start_changes_nothing() -> None:
    sample = events_at("0 Init", "100 Leave", "101 HaLeave", "130 Init")
    assert [run.outcome for run in operations.runs(sample)] == ["stopped", "running"]
    assert findings_of(sample) == []


def test_two_stops_in_a_row_are_two_runs() -> None:
    assert [run.started_at is None for run in operations.runs(events_at("0 Init", "9 Leave", "50 Leave"))] == [
        False,
        True,
    ]


def test_three_quick_starts_are_a_loop() -> None:
    """Three starts in quick succession are a loop, and no crashes beside it."""
    sample = events_at("0 Reconcile", "300 Init", "400 Init", "450 Leave", "900 Init", "5000 Reconcile")
    assert [run.in_loop for run in operations.runs(sample)] == [False, True, True, True]
    assert findings_of(sample) == [("restart_loop", [300, 400, 900])]
    limits = operations.Limits(loop_starts=4)
    assert findings_of(sample, limits=limits) == [("crash", [0, 300]), ("crash", [300, 400])]


def test_starts_with_time_in_between_are_no_loop() -> None:
    sample = events_at("0 Reconcile", "300 Init", "400 Init", "1001 Init")
    assert [kind for kind, _ in findings_of(sample)] == ["crash"] * 3


def test_a_power_cut_of_hours_is_one_finding() -> None:
    sample = [*reconciles(0, DAY), event(DAY + 5 * HOUR, "Init"), *reconciles(DAY + 5 * HOUR, 2 * DAY)]
    (finding,) = operations.report(sample).findings
    assert finding.kind == "crash"
    assert finding.details["downtime"] == timedelta(hours=5, minutes=5)


def test_stopped_process_is_downtime() -> None:
    """A process that is stopped for hours is down, whether it comes back or not."""
    sample = [*reconciles(0, DAY), event(DAY, "Leave")]
    back = [*sample, event(DAY + 5 * HOUR, "Init"), *reconciles(DAY + 5 * HOUR, 2 * DAY)]
    assert findings_of(back) == [("downtime", [DAY, DAY + 5 * HOUR])]
    assert findings_of(sample, until=event(DAY + 5 * HOUR, "Init").event.metadata.recorded_ts) == [("downtime", [DAY])]


@pytest.mark.parametrize(("pause", "is_loop"), [(600, True), (601, False)])
def test_the_starts_of_a_loop_lie_ten_minutes_apart_at_most(pause: int, is_loop: bool) -> None:
    sample = events_at("0 Init", f"{pause} Init", f"{2 * pause} Init")
    assert {kind for kind, _ in findings_of(sample)} == ({"restart_loop"} if is_loop else {"crash"})


def test_the_version_of_a_run_is_the_first_that_its_events_tell() -> None:
    sample = [event(0, "Init"), event(9, "Reconcile", version="1"), event(20, "Reconcile", version="2")]
    assert [run.version for run in operations.runs(sample)] == ["1"]

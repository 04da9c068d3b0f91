"""Runs of the process: clean stops, crashes, restart loops, downtime."""

from datetime import timedelta

import pytest
from support.told import DAY, HOUR, Told, event, seconds, story, ticking

from cfevents import operations


def found(events: list[Told], **options: object) -> list[tuple[str, list[int]]]:
    report = operations.report(events, **options)  # type: ignore[call-overload]
    return [(each.kind, seconds(each.event_ids)) for each in report.findings]


def test_a_run_that_is_stopped_is_told_with_the_pause_after_it() -> None:
    first, second = operations.runs(story("0 Init", "60 Reconcile", "100 Leave", "130 Init", "190 Reconcile"))
    assert (first.outcome, first.uptime, first.downtime) == ("stopped", timedelta(seconds=100), timedelta(seconds=30))
    assert (second.outcome, second.uptime, second.downtime) == ("running", timedelta(seconds=60), None)
    assert seconds(first.event_ids) == [0, 100]


def test_a_start_without_a_stop_is_a_crash_shown_by_what_lies_around_it() -> None:
    told = story("0 Init", "60 Reconcile", "90 Init", "95 Reconcile")
    crashed, _ = operations.runs(told)
    assert (crashed.outcome, crashed.downtime) == ("crashed", timedelta(seconds=30))
    assert seconds(crashed.event_ids) == [0, 60, 90]
    assert found(told) == [("crash", [60, 90])]


def test_the_first_start_is_no_crash_but_one_after_other_events_is() -> None:
    assert found(story("0 Init", "9 Reconcile")) == []
    assert found(story("0 Reconcile", "9 Init")) == [("crash", [0, 9])]
    (before, _) = operations.runs(story("0 Reconcile", "9 Init"))
    assert (before.started_at, before.uptime) == (None, None)


def test_what_comes_between_stop_and_start_changes_nothing() -> None:
    told = story("0 Init", "100 Leave", "101 HaLeave", "130 Init")
    assert [run.outcome for run in operations.runs(told)] == ["stopped", "running"]
    assert found(told) == []


def test_two_stops_in_a_row_are_two_runs() -> None:
    assert [run.started_at is None for run in operations.runs(story("0 Init", "9 Leave", "50 Leave"))] == [False, True]


def test_three_starts_in_quick_succession_are_a_loop_and_no_crashes_beside_it() -> None:
    told = story("0 Reconcile", "300 Init", "400 Init", "450 Leave", "900 Init", "5000 Reconcile")
    assert [run.in_loop for run in operations.runs(told)] == [False, True, True, True]
    assert found(told) == [("restart_loop", [300, 400, 900])]
    limits = operations.Limits(loop_starts=4)
    assert found(told, limits=limits) == [("crash", [0, 300]), ("crash", [300, 400])]


def test_starts_with_time_in_between_are_no_loop() -> None:
    told = story("0 Reconcile", "300 Init", "400 Init", "1001 Init")
    assert [kind for kind, _ in found(told)] == ["crash"] * 3


def test_a_power_cut_of_hours_is_one_finding() -> None:
    told = [*ticking(0, DAY), event(DAY + 5 * HOUR, "Init"), *ticking(DAY + 5 * HOUR, 2 * DAY)]
    (finding,) = operations.report(told).findings
    assert finding.kind == "crash"
    assert finding.details["downtime"] == timedelta(hours=5, minutes=5)


def test_a_process_that_is_stopped_for_hours_is_down_whether_it_comes_back_or_not() -> None:
    told = [*ticking(0, DAY), event(DAY, "Leave")]
    back = [*told, event(DAY + 5 * HOUR, "Init"), *ticking(DAY + 5 * HOUR, 2 * DAY)]
    assert found(back) == [("downtime", [DAY, DAY + 5 * HOUR])]
    assert found(told, until=event(DAY + 5 * HOUR, "Init").event.metadata.recorded_ts) == [("downtime", [DAY])]


@pytest.mark.parametrize(("pause", "is_loop"), [(600, True), (601, False)])
def test_the_starts_of_a_loop_lie_ten_minutes_apart_at_most(pause: int, is_loop: bool) -> None:
    told = story("0 Init", f"{pause} Init", f"{2 * pause} Init")
    assert {kind for kind, _ in found(told)} == ({"restart_loop"} if is_loop else {"crash"})


def test_the_version_of_a_run_is_the_first_that_its_events_tell() -> None:
    told = [event(0, "Init"), event(9, "Reconcile", version="1"), event(20, "Reconcile", version="2")]
    assert [run.version for run in operations.runs(told)] == ["1"]

"""Runs of the process: clean stops, crashes, restart loops, downtime."""

from datetime import timedelta

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, DetailedEvent, event, events_at, offsets, reconciles

from cfevents import operations
from cfevents.operations.series import EventSeries, Payload


def findings_of(events: list[DetailedEvent], **options: object) -> list[tuple[str, list[int]]]:
    report = operations.report(events, **options)  # type: ignore[call-overload]
    return [(finding.kind, offsets(finding.event_ids)) for finding in report.findings]


def test_stopped_run_has_a_downtime() -> None:
    """A run that is stopped has the pause after it as its downtime."""
    first, second = operations.runs(events_at("0 Init", "60 Reconcile", "100 Leave", "130 Init", "190 Reconcile"))
    assert (first.outcome, first.uptime, first.downtime) == ("stopped", timedelta(seconds=100), timedelta(seconds=30))
    assert (second.outcome, second.uptime, second.downtime) == ("running", timedelta(seconds=60), None)
    assert offsets(first.event_ids) == [0, 100]


def test_start_without_a_stop_is_an_unclean_restart() -> None:
    """A start without a stop is shown by the events around it: a warning that says what it may be."""
    sample = events_at("0 Init", "60 Reconcile", "90 Init", "95 Reconcile")
    unclean, _ = operations.runs(sample)
    assert (unclean.outcome, unclean.downtime) == ("unclean", timedelta(seconds=30))
    assert offsets(unclean.event_ids) == [0, 60, 90]
    (finding,) = operations.report(sample).findings
    assert (finding.kind, finding.severity, offsets(finding.event_ids)) == ("unclean_restart", "warning", [60, 90])
    assert finding.message == (
        "started again without a stop, down for at most 30s: a crash, a power cut or an ordered restart"
    )


@pytest.mark.parametrize("end", ["Success", "Failure"])
@pytest.mark.parametrize(("pause", "outcome"), [(30, "upgraded"), (900, "upgraded"), (901, "unclean")])
def test_start_soon_after_an_upgrade_is_its_restart(end: str, pause: int, outcome: str) -> None:
    """A start within a quarter of an hour after an upgrade's end is its restart."""
    sample = events_at(
        "0 Init", f"60 FinishUpgrade{end}", "65 BlessSlotPending", f"{60 + pause} Init", "9000 Reconcile"
    )
    run, _ = operations.runs(sample)
    assert run.outcome == outcome
    restarts = [
        finding for finding in operations.report(sample, until=BEGIN + 2000).findings if "restart" in finding.kind
    ]
    expected = ("upgrade_restart", "info", [60, 60 + pause]) if outcome == "upgraded" else (
        "unclean_restart", "warning", [65, 60 + pause],
    )  # fmt: skip
    assert [(item.kind, item.severity, offsets(item.event_ids)) for item in restarts] == [expected]
    later = operations.Limits(restart=timedelta(seconds=pause))
    assert operations.runs(sample, limits=later)[0].outcome == "upgraded"


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        (["700 Init", "720 FinishUpgradeSuccess"], "upgraded"),
        (["2400 Init", "2420 FinishUpgradeSuccess"], "upgraded"),
        (["2401 Init", "2420 FinishUpgradeSuccess"], "unclean"),
        (["700 Init", "720 FinishUpgradeFailure"], "unclean"),
        (["700 Init", "720 StartUpgrade", "740 FinishUpgradeSuccess"], "unclean"),
        (["700 Init", "720 Reconcile"], "unclean"),
    ],
)
def test_start_in_the_course_of_an_upgrade_is_its_restart(lines: list[str], outcome: str) -> None:
    """A new version may record that its upgrade succeeded once it runs; one that fails may have crashed."""
    sample = events_at("0 Init", "600 StartUpgrade", *lines)
    assert operations.runs(sample)[0].outcome == outcome
    kinds = {finding.kind for finding in operations.report(sample).findings}
    assert ("upgrade_restart" in kinds, "unclean_restart" in kinds) == (outcome == "upgraded", outcome == "unclean")


def test_second_start_after_an_upgrade_is_unclean() -> None:
    """Only the first start after an upgrade is its restart: the new version may crash."""
    sample = events_at("0 Init", "60 FinishUpgradeSuccess", "90 Init", "800 Init", "900 Reconcile")
    assert [run.outcome for run in operations.runs(sample)] == ["upgraded", "unclean", "running"]


def test_unclean_restarts_in_a_row_are_errors() -> None:
    """Several unclean restarts in a row are errors; a clean stop or a day between them makes each a warning."""

    def severities(*lines: str) -> list[tuple[str, str]]:
        return [(item.kind, item.severity) for item in operations.report(events_at(*lines)).findings]

    row = ["0 Init", "10 Reconcile", "3600 Init", "7200 Init", "10800 Init"]
    assert severities(*row) == [("unclean_restart", "error")] * 3
    assert "one of 3 in a row" in operations.report(events_at(*row)).findings[0].message
    assert (
        severities("0 Init", "3600 Init", "7200 Leave", "7201 Init", "9000 Init")
        == [("unclean_restart", "warning")] * 2
    )
    assert severities("0 Init", "3600 Init", f"{3600 + DAY} Init") == [("unclean_restart", "error")] * 2
    assert severities("0 Init", "3600 Init", f"{3601 + DAY} Init") == [("unclean_restart", "warning")] * 2


def test_first_start_is_no_restart() -> None:
    """The first event is no restart, but a start after other events is."""
    assert findings_of(events_at("0 Init", "9 Reconcile")) == []
    assert findings_of(events_at("0 Reconcile", "9 Init")) == [("unclean_restart", [0, 9])]
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
    """Three starts in quick succession are a loop, and no unclean restarts beside it."""
    sample = events_at("0 Reconcile", "300 Init", "400 Init", "450 Leave", "900 Init", "5000 Reconcile")
    assert [run.in_loop for run in operations.runs(sample)] == [False, True, True, True]
    assert findings_of(sample) == [("restart_loop", [300, 400, 900])]
    limits = operations.Limits(loop_starts=4)
    assert findings_of(sample, limits=limits) == [("unclean_restart", [0, 300]), ("unclean_restart", [300, 400])]


def test_starts_with_time_in_between_are_no_loop() -> None:
    sample = events_at("0 Reconcile", "300 Init", "400 Init", "1001 Init")
    assert [kind for kind, _ in findings_of(sample)] == ["unclean_restart"] * 3


def test_a_power_cut_of_hours_is_one_finding() -> None:
    sample = [*reconciles(0, DAY), event(DAY + 5 * HOUR, "Init"), *reconciles(DAY + 5 * HOUR, 2 * DAY)]
    (finding,) = operations.report(sample).findings
    assert (finding.kind, finding.severity) == ("unclean_restart", "error")
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
    assert {kind for kind, _ in findings_of(sample)} == ({"restart_loop"} if is_loop else {"unclean_restart"})


def test_the_version_of_a_run_is_the_first_that_its_events_tell() -> None:
    sample = [event(0, "Init"), event(9, "Reconcile", version="1"), event(20, "Reconcile", version="2")]
    assert [run.version for run in operations.runs(sample)] == ["1"]


def test_version_ends_where_payloads_end() -> None:
    """Events without payloads have no version, also where they are added by themselves."""
    series = EventSeries("c1")
    series.add(["Init"], [0], [0], [0], [Payload(version="1")])
    series.add(["Init", "Reconcile"], [10, 20], [0, 0], [10, 20])
    series.add(["Init"], [30], [0], [30], [Payload(version="2")])
    assert [series.version(row, row) for row in range(4)] == ["1", None, None, "2"]

"""What a report says of the cause of a gap: what the events before, in and after it show, and nothing else."""

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, MINUTE, DetailedEvent, event, reconciles

from cfevents import operations
from cfevents.operations import GapEvent

BACK = DAY + 3 * HOUR
USUAL = [event(-2 * MINUTE, "Init"), *reconciles(0, DAY)]
AFTER = reconciles(BACK, 2 * DAY)


def late(begin: int, *more: DetailedEvent) -> list[DetailedEvent]:
    """Return events that were recorded from a time on, and delivered at once later."""
    return [event(at, "Reconcile", lag=BACK + 5 - at) for at in range(begin, BACK, 5 * MINUTE)] + [*more]


FAILURE = event(DAY - 4 * MINUTE, "FinishUpgradeFailure")
RESET = event(DAY - 4 * MINUTE, "RekeyReset", tunnel_id="a")
INIT = event(BACK + MINUTE, "Init")
RESTARTED = "it restarted: Init at 2025-06-16 18:07:40 UTC"
RUNNING = "it was running: {} events recorded meanwhile and delivered late"


@pytest.mark.once
@pytest.mark.parametrize(
    ("meanwhile", "reading"),
    [
        ([], "no restart was recorded soon after it"),
        ([INIT], RESTARTED),
        ([FAILURE, INIT], f"shortly before: FinishUpgradeFailure at 2025-06-16 15:02:40 UTC; {RESTARTED}"),
        ([RESET], "shortly before: RekeyReset at 2025-06-16 15:02:40 UTC; no restart was recorded soon after it"),
        ([event(DAY - HOUR, "HaError")], "no restart was recorded soon after it"),  # long before
        ([event(BACK + HOUR, "Init")], "no restart was recorded soon after it"),  # long after
        (late(DAY), RUNNING.format(36)),
        (
            late(DAY, event(DAY + HOUR + 1, "Init", lag=2 * HOUR)),
            f"{RUNNING.format(37)}; it restarted: Init at 2025-06-16 16:06:41 UTC",
        ),
    ],
)
def test_reading_of_a_gap(meanwhile: list[DetailedEvent], reading: str) -> None:
    report = operations.report([*USUAL, *meanwhile, *AFTER])
    (finding,) = [finding for finding in report.findings if finding.kind in {"device_gap", "collection_gap"}]
    assert finding.details["reading"] == reading
    assert finding.text == f"{finding.message}; {reading}"
    assert f": {finding.text}" in str(report)


LAST = " at 2025-06-16 15:06:40 UTC"


@pytest.mark.once
@pytest.mark.parametrize(
    ("events", "reading"),
    [
        (USUAL, "its process had run for 23h 57min"),
        (USUAL[1:], "nothing is known of its cause"),
        ([*USUAL, event(DAY, "StartUpgrade")], f"shortly before: StartUpgrade{LAST}; its process had run for 1d"),
        ([*USUAL, event(DAY, "Leave")], f"shortly before: Leave{LAST}"),
        ([*USUAL[:3], event(DAY, "HaError")], f"shortly before: HaError{LAST}; its process had run for 1d"),
    ],
)
def test_reading_of_a_silence(events: list[DetailedEvent], reading: str) -> None:
    """A silence has the last event before it, the last trouble soon before that, and the time since the start."""
    report = operations.report(events, since=BEGIN - DAY, until=BEGIN + 2 * DAY)
    (finding,) = [finding for finding in report.findings if finding.kind in {"silence", "downtime"}]
    assert finding.details["reading"] == reading
    last = max(item.event.metadata.id for item in events)
    assert (finding.details["last_at"].timestamp(), "next_kind" in finding.details) == (last.recorded_ts, False)


@pytest.mark.once
def test_silence_without_an_event_has_no_cause() -> None:
    report = operations.report([], connectors=["dead"], since=BEGIN, until=BEGIN + DAY)
    assert report.findings[0].text == "silent: no event in the window; nothing is known of its cause"
    assert "last_kind" not in report.findings[0].details


@pytest.mark.once
def test_gap_has_the_events_around_it() -> None:
    """The last event before an outage was delivered in time, the first after it too."""
    (gap,) = operations.gaps([*USUAL, *late(DAY), *AFTER])
    assert isinstance(gap.before, GapEvent)
    assert isinstance(gap.after, GapEvent)
    assert str(gap.before) == "Reconcile at 2025-06-16 15:01:40 UTC"
    assert (gap.before.id.recorded_ts, gap.after.id.recorded_ts) == (BEGIN + DAY - 300, BEGIN + BACK)
    assert gap.before.recorded_at < gap.started_at

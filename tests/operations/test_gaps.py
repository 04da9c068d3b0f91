"""Gaps: no event for much longer than usual, recorded or collected."""

from datetime import timedelta

import pytest
from support.appliance_events import (
    BEGIN,
    DAY,
    HOUR,
    MINUTE,
    DetailedEvent,
    event,
    events_at,
    offsets,
    reconciles,
    without_payloads,
)

from cfevents import FleetEvent, operations


def gaps(events: list[DetailedEvent], until: int | None = None) -> list[tuple[str, float, list[int]]]:
    result = operations.gaps(events, until=None if until is None else BEGIN + until)
    return [(gap.cause, gap.duration / timedelta(hours=1), offsets(gap.event_ids)) for gap in result]


def test_regular_connector_has_no_gaps() -> None:
    """A connector that records as usual has no gaps."""
    assert gaps(reconciles(0, 2 * DAY)) == []


def test_long_pause_is_a_device_gap() -> None:
    """A pause much longer than usual is a gap of the device."""
    sample = [*reconciles(0, DAY), *reconciles(DAY + 3 * HOUR, 2 * DAY)]
    (gap,) = operations.gaps(sample)
    assert (gap.cause, gap.duration, gap.usual) == ("device", timedelta(hours=3, minutes=5), timedelta(minutes=5))
    assert offsets(gap.event_ids) == [DAY - 300, DAY + 3 * HOUR]
    assert [finding.kind for finding in operations.report(sample).findings] == ["device_gap"]


@pytest.mark.parametrize(
    ("every", "pause", "is_gap"), [(300, 39, False), (300, 41, True), (10, 29, False), (10, 31, True)]
)
def test_gap_limits(every: int, pause: int, is_gap: bool) -> None:
    """A gap is longer than eight usual pauses and half an hour."""
    sample = [*reconciles(0, DAY, every), *reconciles(DAY - every + pause * MINUTE, 2 * DAY, every)]
    assert [gap.cause for gap in operations.gaps(sample)] == ["device"] * is_gap


def test_bursts_are_not_gaps() -> None:
    """A connector that reports in bursts is not silent in between."""
    bursts = [event(at + n, "Reconcile") for at in range(0, 3 * DAY, 2 * HOUR) for n in range(30)]
    assert gaps(bursts) == []
    (gap,) = gaps([*bursts, *(item for item in reconciles(5 * DAY, 5 * DAY + 300))])
    assert gap[0] == "device"


def test_outage_longer_than_all_other_time() -> None:
    """An outage that is longer than all other time is still a gap."""
    assert [gap[:2] for gap in gaps([*reconciles(0, 3 * HOUR), *reconciles(DAY, DAY + 3 * HOUR)])] == [
        ("device", 21 + 1 / 12)
    ]


def test_few_events_have_no_usual_pause() -> None:
    """A few events have no usual pause, and so no gap."""
    assert gaps(events_at("0 Init", "9 Reconcile", f"{DAY} Reconcile"), until=30 * DAY) == []


def test_late_collection_is_a_collection_gap() -> None:
    """Events that were recorded and collected late are a gap of the collection."""
    cut_off = [event(at, "Reconcile", lag=DAY + 6 * HOUR + 60 - at) for at in range(DAY, DAY + 6 * HOUR, 300)]
    sample = [*reconciles(0, DAY), *cut_off, *reconciles(DAY + 6 * HOUR, 2 * DAY)]
    (gap,) = operations.gaps(sample)
    assert gap.cause == "collection"
    assert offsets(gap.event_ids) == [*range(DAY, DAY + 6 * HOUR, 300)]
    assert gap.ended_at is not None
    assert (gap.started_at.timestamp(), gap.ended_at.timestamp()) == (BEGIN + DAY - 295, BEGIN + DAY + 6 * HOUR + 5)


def test_wrong_clock_does_not_change_the_cause() -> None:
    """A device's gap stays one of the device if its clock is wrong."""
    sample = [*reconciles(0, DAY, lag=HOUR), *reconciles(DAY + 3 * HOUR, 2 * DAY, lag=HOUR)]
    assert [cause for cause, *_ in gaps(sample)] == ["device"]


def test_ongoing_silence_has_an_unknown_cause() -> None:
    """A silence that goes on may be of the device or of the collection."""
    sample = reconciles(0, DAY)
    assert gaps(sample, until=DAY + 30 * MINUTE) == []
    assert gaps(sample, until=DAY + 3 * HOUR) == [("unknown", 3 + 295 / 3600, [DAY - 300])]
    assert operations.gaps(sample, until=BEGIN + DAY + 3 * HOUR)[0].ended_at is None


def test_silence_beside_other_connectors() -> None:
    """The events of other connectors show that one is silent."""
    sample = [*reconciles(0, 2 * DAY), *reconciles(0, DAY, connector="silent")]
    report = operations.report(sample)
    assert [(finding.kind, finding.connector_id) for finding in report.findings] == [("silence", "silent")]


def test_late_delivery_ends_a_silence() -> None:
    """A connector that has just delivered old events is not silent."""
    late = [event(at, "Reconcile", lag=DAY) for at in range(DAY - 600, DAY, 300)]
    ((cause, _, evidence),) = gaps([*reconciles(0, DAY - 600), *late], until=2 * DAY)
    assert (cause, evidence) == ("collection", [DAY - 600, DAY - 300])


def test_clock_ahead_silences_nobody() -> None:
    """A clock that is ahead makes no other connector silent."""
    sample = [*reconciles(0, DAY), event(400 * DAY, "Init", lag=-399 * DAY, connector="ahead")]
    assert gaps(sample) == []


def test_clock_that_jumps_ahead_is_no_gap() -> None:
    """An event of the future does not show that nothing was recorded until then."""
    sample = [*reconciles(0, DAY), event(100 * DAY, "Reconcile", lag=-99 * DAY)]
    assert gaps(sample, until=DAY + 20 * MINUTE) == []
    assert gaps(sample, until=DAY + HOUR) == [("unknown", 1, [100 * DAY])]


def test_gap_that_begins_before_the_window_is_not_reported() -> None:
    """Before its clock was set, a connector recorded an event of last year, which was collected in the window."""
    early = event(-400 * DAY, "Init", lag=400 * DAY + HOUR)
    report = operations.report([early, *reconciles(0, DAY)], since=BEGIN, until=BEGIN + DAY)
    assert [finding.kind for finding in report.findings] == []


def test_gaps_without_metadata() -> None:
    """Without metadata, gaps of the device are still found."""
    sample = [*reconciles(0, DAY), *reconciles(DAY + 3 * HOUR, 2 * DAY)]
    recorded = [FleetEvent(item.connector_id, item.event.recorded) for item in sample]
    assert [gap.cause for gap in operations.gaps(recorded)] == ["device"]
    assert [gap.cause for gap in operations.gaps(without_payloads(sample))] == ["device"]


def test_three_outages_do_not_change_the_usual_pause() -> None:
    """Three outages as long as all other time together do not count as usual."""
    sample = [item for day in range(4) for item in reconciles(day * DAY, day * DAY + 2 * HOUR)]
    assert [(cause, evidence[0]) for cause, _, evidence in gaps(sample)] == [
        ("device", day * DAY + 2 * HOUR - 300) for day in range(3)
    ]


def test_usual_pause_is_a_median_by_time() -> None:
    """Half of the time lies in pauses at least as long as the usual one."""
    sample = [*reconciles(0, 2400, 60), *reconciles(2400, 5700, 300), *reconciles(DAY, 4 * DAY, DAY)]
    assert {gap.usual for gap in operations.gaps(sample)} == {timedelta(seconds=300)}


@pytest.mark.parametrize(("pauses", "is_known"), [(19, False), (20, True)])
def test_twenty_pauses_are_needed(pauses: int, is_known: bool) -> None:
    """A usual pause needs twenty pauses."""
    sample = [*reconciles(0, pauses * 300), event(DAY, "Reconcile")]
    assert [cause for cause, *_ in gaps(sample)] == ["device"] * is_known


def test_stop_during_an_outage_is_no_downtime() -> None:
    """A process that was restarted while the connector was cut off is no downtime."""
    begin, end = DAY, DAY + 6 * HOUR
    cut_off = [event(at, "Reconcile", lag=end + 60 - at) for at in range(begin + 10, end, 300)]
    restarted = [event(begin + at, kind, lag=end + 60 - begin - at) for at, kind in ((1, "Leave"), (9, "Init"))]
    report = operations.report([*reconciles(0, begin), *restarted, *cut_off, *reconciles(end, 2 * DAY)])
    assert [finding.kind for finding in report.findings] == ["collection_gap"]


def test_offline_for_at_most_the_pause_of_the_collection() -> None:
    """Between two collections a connector was offline for an unknown part of the time."""
    back = DAY + 4 * HOUR
    late = [event(at, "Reconcile", lag=back - at) for at in range(DAY, back, 5 * MINUTE)]
    sample = [*reconciles(0, DAY), *late, *reconciles(back, 2 * DAY)]
    (finding,) = operations.report(sample).findings
    assert finding.message == "silent for at most 4h 4min: events of that time were collected afterwards"


def test_a_process_that_stopped_may_have_been_started_in_a_silence() -> None:
    """That it was not started again is known only if something came afterwards."""
    sample = [*reconciles(0, DAY), event(DAY, "Leave")]
    (finding,) = operations.report(sample, until=BEGIN + DAY + 5 * HOUR).findings
    assert (finding.kind, finding.message) == ("downtime", "process stopped, and nothing received for 4h 59min since")
    back = [*sample, event(DAY + 5 * HOUR, "Init"), *reconciles(DAY + 5 * HOUR, 2 * DAY)]
    (finding,) = operations.report(back).findings
    assert (finding.kind, finding.message) == ("downtime", "process stopped, and not started again for 5h")

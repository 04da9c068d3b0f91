"""Gaps: no event for much longer than usual, recorded or collected."""

from datetime import timedelta

import pytest
from support.told import BEGIN, DAY, HOUR, MINUTE, Told, bare, event, seconds, story, ticking

from cfevents import FleetEvent, operations


def gaps(events: list[Told], until: int | None = None) -> list[tuple[str, float, list[int]]]:
    found = operations.gaps(events, until=None if until is None else BEGIN + until)
    return [(gap.cause, gap.duration / timedelta(hours=1), seconds(gap.event_ids)) for gap in found]


def test_a_connector_that_records_as_usual_has_none() -> None:
    assert gaps(ticking(0, 2 * DAY)) == []


def test_a_pause_much_longer_than_usual_is_one_of_the_device() -> None:
    told = [*ticking(0, DAY), *ticking(DAY + 3 * HOUR, 2 * DAY)]
    (gap,) = operations.gaps(told)
    assert (gap.cause, gap.duration, gap.usual) == ("device", timedelta(hours=3, minutes=5), timedelta(minutes=5))
    assert seconds(gap.event_ids) == [DAY - 300, DAY + 3 * HOUR]
    assert [finding.kind for finding in operations.report(told).findings] == ["device_gap"]


@pytest.mark.parametrize(
    ("every", "pause", "is_gap"), [(300, 39, False), (300, 41, True), (10, 29, False), (10, 31, True)]
)
def test_it_takes_eight_times_the_usual_pause_and_half_an_hour(every: int, pause: int, is_gap: bool) -> None:
    told = [*ticking(0, DAY, every), *ticking(DAY - every + pause * MINUTE, 2 * DAY, every)]
    assert [gap.cause for gap in operations.gaps(told)] == ["device"] * is_gap


def test_a_connector_that_reports_in_bursts_is_not_silent_in_between() -> None:
    bursts = [event(at + n, "Reconcile") for at in range(0, 3 * DAY, 2 * HOUR) for n in range(30)]
    assert gaps(bursts) == []
    (gap,) = gaps([*bursts, *(each for each in ticking(5 * DAY, 5 * DAY + 300))])
    assert gap[0] == "device"


def test_an_outage_longer_than_all_the_rest_is_still_one() -> None:
    assert [gap[:2] for gap in gaps([*ticking(0, 3 * HOUR), *ticking(DAY, DAY + 3 * HOUR)])] == [
        ("device", 21 + 1 / 12)
    ]


def test_a_few_events_do_not_tell_what_is_usual() -> None:
    assert gaps(story("0 Init", "9 Reconcile", f"{DAY} Reconcile"), until=30 * DAY) == []


def test_what_was_recorded_and_not_collected_is_a_gap_of_the_collection() -> None:
    cut_off = [event(at, "Reconcile", lag=DAY + 6 * HOUR + 60 - at) for at in range(DAY, DAY + 6 * HOUR, 300)]
    told = [*ticking(0, DAY), *cut_off, *ticking(DAY + 6 * HOUR, 2 * DAY)]
    (gap,) = operations.gaps(told)
    assert gap.cause == "collection"
    assert seconds(gap.event_ids) == [*range(DAY, DAY + 6 * HOUR, 300)]
    assert gap.ended_at is not None
    assert (gap.started_at.timestamp(), gap.ended_at.timestamp()) == (BEGIN + DAY - 295, BEGIN + DAY + 6 * HOUR + 5)


def test_a_clock_that_is_wrong_makes_no_gap_of_the_device_one_of_the_collection() -> None:
    told = [*ticking(0, DAY, lag=HOUR), *ticking(DAY + 3 * HOUR, 2 * DAY, lag=HOUR)]
    assert [cause for cause, *_ in gaps(told)] == ["device"]


def test_a_silence_that_goes_on_may_be_of_either() -> None:
    told = ticking(0, DAY)
    assert gaps(told, until=DAY + 30 * MINUTE) == []
    assert gaps(told, until=DAY + 3 * HOUR) == [("unknown", 3 + 295 / 3600, [DAY - 300])]
    assert operations.gaps(told, until=BEGIN + DAY + 3 * HOUR)[0].ended_at is None


def test_a_silence_is_seen_by_the_others_of_a_fleet() -> None:
    told = [*ticking(0, 2 * DAY), *ticking(0, DAY, connector="silent")]
    report = operations.report(told)
    assert [(finding.kind, finding.connector_id) for finding in report.findings] == [("silence", "silent")]


def test_one_that_has_just_delivered_what_it_recorded_long_ago_is_not_silent() -> None:
    late = [event(at, "Reconcile", lag=DAY) for at in range(DAY - 600, DAY, 300)]
    ((cause, _, evidence),) = gaps([*ticking(0, DAY - 600), *late], until=2 * DAY)
    assert (cause, evidence) == ("collection", [DAY - 600, DAY - 300])


def test_a_clock_that_is_ahead_makes_nobody_silent() -> None:
    told = [*ticking(0, DAY), event(400 * DAY, "Init", lag=-399 * DAY, connector="ahead")]
    assert gaps(told) == []


def test_without_metadata_only_what_was_recorded_tells() -> None:
    told = [*ticking(0, DAY), *ticking(DAY + 3 * HOUR, 2 * DAY)]
    recorded = [FleetEvent(each.connector_id, each.event.recorded) for each in told]
    assert [gap.cause for gap in operations.gaps(recorded)] == ["device"]
    assert [gap.cause for gap in operations.gaps(bare(told))] == ["device"]


def test_three_outages_as_long_as_all_the_rest_have_no_say_in_what_is_usual() -> None:
    told = [each for day in range(4) for each in ticking(day * DAY, day * DAY + 2 * HOUR)]
    assert [(cause, evidence[0]) for cause, _, evidence in gaps(told)] == [
        ("device", day * DAY + 2 * HOUR - 300) for day in range(3)
    ]


def test_half_of_its_time_lies_in_pauses_at_least_as_long_as_the_usual() -> None:
    told = [*ticking(0, 2400, 60), *ticking(2400, 5700, 300), *ticking(DAY, 4 * DAY, DAY)]
    assert {gap.usual for gap in operations.gaps(told)} == {timedelta(seconds=300)}


@pytest.mark.parametrize(("pauses", "is_known"), [(19, False), (20, True)])
def test_twenty_pauses_tell_what_is_usual(pauses: int, is_known: bool) -> None:
    told = [*ticking(0, pauses * 300), event(DAY, "Reconcile")]
    assert [cause for cause, *_ in gaps(told)] == ["device"] * is_known


def test_a_process_that_stopped_while_it_was_cut_off_is_no_downtime() -> None:
    begin, end = DAY, DAY + 6 * HOUR
    cut_off = [event(at, "Reconcile", lag=end + 60 - at) for at in range(begin + 10, end, 300)]
    restarted = [event(begin + at, kind, lag=end + 60 - begin - at) for at, kind in ((1, "Leave"), (9, "Init"))]
    report = operations.report([*ticking(0, begin), *restarted, *cut_off, *ticking(end, 2 * DAY)])
    assert [finding.kind for finding in report.findings] == ["collection_gap"]

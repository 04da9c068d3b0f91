"""Events as they come: from anywhere, twice, late, at once or not."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, event, events_at, reconciles, without_payloads

from cfevents import EventDetail, EventMetadata, FollowedEvent, RecordedEvent, events, operations
from cfevents.operations import Journal, Limits

UPGRADE = events_at("0 StartUpgrade", "60 FinishUpgradeFailure")
ALL = [operations.spans, operations.rekeys, operations.runs, operations.ha, operations.slots, operations.gaps,
       operations.lags, operations.unknowns, operations.report]  # fmt: skip


async def later(sample: Iterable[Any]) -> AsyncIterator[Any]:
    for item in sample:
        yield item


SOMETHING_OF_ALL = [
    *UPGRADE,
    *events_at("100 Init", "110 HaTransition", "120 RekeyReset a", "130 BlessSlotFailure", "140 Moonwalk"),
    *reconciles(200, DAY),
    *reconciles(2 * DAY, 3 * DAY),
]


@pytest.mark.parametrize("ask", ALL, ids=lambda ask: ask.__name__)
async def test_functions_accept_any_events(ask: Any) -> None:
    """Each function accepts iterables, asynchronous iterables and journals."""
    at_once = ask(SOMETHING_OF_ALL)
    assert at_once
    assert ask(iter(SOMETHING_OF_ALL)) == at_once
    assert ask(Journal(SOMETHING_OF_ALL)) == at_once
    assert await ask(later(SOMETHING_OF_ALL)) == at_once


def test_events_may_be_listed_recorded_detailed_or_followed() -> None:
    details = [item.event for item in UPGRADE]
    listed: list[Any] = [item.metadata for item in details]
    recorded: list[Any] = [item.recorded for item in details]
    followed: list[Any] = [FollowedEvent("site", item) for item in details]
    named = operations.spans(UPGRADE)
    assert operations.spans(followed) == named
    for some in (listed, recorded, details):
        (span,) = operations.spans(some)
        assert (span.connector_id, span.event_ids) == (None, named[0].event_ids)
        assert operations.spans(Journal(some, connector_id="site")) == named


def test_other_objects_are_refused() -> None:
    """An object that is not an event is a TypeError."""
    with pytest.raises(TypeError, match="is not an event: pass EventMetadata"):
        operations.spans(["1700000000.3"])  # type: ignore[list-item]
    journal = Journal()
    with pytest.raises(TypeError, match="is not an event"):
        journal.add(None)  # type: ignore[arg-type]
    assert operations.report(journal).connectors == ()


def test_duplicates_are_merged() -> None:
    """An event that comes twice counts once, with all that is known of it."""
    start = event(0, "StartUpgrade", url="https://u", version="1")
    pieces: list[Any] = [start.event.metadata, start.event.recorded, start.event.metadata]
    for order in (pieces, pieces[::-1]):
        report = operations.report(Journal(order))
        assert report.events == 1
        assert report.connectors[0].spans[0].url == "https://u"
        assert report.connectors[0].lags is not None


def test_conflicting_duplicates_merge_in_any_order() -> None:
    """If duplicates disagree, their order does not matter."""
    one, other = event(0, "StartUpgrade", url="a", version="1", lag=5), event(0, "Init", new=3, lag=9)
    assert operations.report([one, other]) == operations.report([other, one])


def test_first_collection_of_a_duplicate_counts() -> None:
    """The earliest collection of an event that comes twice decides when the events end."""
    sample: list[Any] = [event(0, "Init", lag=900), event(0, "Init", lag=5)]
    ahead = event(DAY, "Init", lag=5 - DAY).event  # by a clock that is a day ahead
    twice: list[Any] = [ahead.recorded, ahead.metadata]
    for some in (sample, twice):
        journal = Journal(some)
        assert operations.report(some).until.timestamp() == BEGIN + 5
        assert len(journal) == 1
        assert operations.report(journal) == operations.report(some)


def test_the_same_id_of_two_connectors_is_two_events() -> None:
    sample = [event(0, "Init"), event(0, "Init", connector="other")]
    assert len(Journal(sample)) == 2
    assert repr(Journal(sample)) == "<Journal: 2 events of 2 connectors>"


def test_repeats_do_not_pile_up() -> None:
    journal = Journal(event(0, "Init") for _ in range(10_000))
    assert sum(map(len, journal._records.values())) < 2_000
    assert len(journal) == 1


def test_events_can_be_added_to_a_journal() -> None:
    """Events can be added to a journal after it was used."""
    journal = Journal(UPGRADE[1:])
    assert [span.outcome for span in operations.spans(journal)] == ["orphan"]
    journal.add(UPGRADE[0])
    assert [span.outcome for span in operations.spans(journal)] == ["failure"]
    journal.update(events_at("90 StartUpgrade"))
    assert [span.outcome for span in operations.spans(journal)] == ["failure", "open"]


async def test_a_journal_can_be_read() -> None:
    journal = await Journal.read(later(item.event for item in UPGRADE), connector_id="site")
    assert operations.spans(journal) == operations.spans(UPGRADE)


@pytest.mark.parametrize("before", [BEGIN + HOUR, datetime.fromtimestamp(BEGIN + HOUR, UTC)])
def test_a_journal_forgets_what_is_old(before: Any) -> None:
    journal = Journal([*UPGRADE, *reconciles(HOUR, 2 * HOUR)])
    journal.forget(before)
    assert operations.spans(journal) == []
    assert len(journal) == 12
    journal.forget(BEGIN + DAY)
    assert operations.report(journal).connectors == ()
    assert [ask(journal) for ask in ALL[:-1]] == [[]] * 8
    journal.update(UPGRADE)
    assert len(journal) == 2


@pytest.mark.parametrize(
    ("moment", "error", "words"),
    [
        (datetime(2026, 1, 1), ValueError, "has no time zone"),
        ("24h", TypeError, "is no time"),
        (True, TypeError, "is no time"),
        (float("nan"), ValueError, "is not a time"),
        (float("inf"), ValueError, "is not a time"),
        (10**30, ValueError, "milliseconds"),
        (BEGIN * 1000, ValueError, "milliseconds"),
    ],
)
def test_invalid_moments_are_refused(moment: Any, error: type[Exception], words: str) -> None:
    """A value that is not a moment is refused."""
    for ask in (operations.report, operations.gaps):
        with pytest.raises(error, match=words):
            ask([], until=moment)
    with pytest.raises(error, match=words):
        Journal().forget(moment)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"upgrade": 60}, TypeError),
        ({"rekey": timedelta(0)}, ValueError),
        ({"gap_factor": 0}, ValueError),
        ({"loop_starts": 1}, ValueError),
        ({"flapping_transitions": 2.5}, TypeError),
    ],
)
def test_invalid_limits_are_refused(limits: Any, error: type[Exception]) -> None:
    """A limit of the wrong type or too small is refused."""
    with pytest.raises(error, match=next(iter(limits))):
        Limits(**limits)


@pytest.mark.parametrize("moment", [Decimal(BEGIN), Fraction(BEGIN), float(BEGIN)])
def test_a_moment_may_be_any_number(moment: Any) -> None:
    assert operations.report(UPGRADE, until=moment) == operations.report(UPGRADE, until=BEGIN)
    assert operations.gaps(UPGRADE, until=moment) == []


def test_limits_of_another_type_are_refused() -> None:
    limits: Any = {"upgrade": timedelta(hours=1)}
    for ask in (operations.report, operations.gaps, operations.ha, operations.runs):
        with pytest.raises(TypeError, match="limits must be a Limits, not dict"):
            ask([], limits=limits)


def test_times_outside_the_calendar() -> None:
    """Times outside the calendar become the nearest that a datetime can hold."""
    sample: list[Any] = [
        RecordedEvent(events.StartUpgrade(), -(2**63), 0),
        RecordedEvent(events.FinishUpgradeFailure(), 2**63 - 1, 0),
    ]
    report = operations.report(sample)
    (span,) = report.connectors[0].spans
    assert span.started_at == datetime.min.replace(tzinfo=UTC)
    assert span.finished_at == datetime.max.replace(tzinfo=UTC)
    assert span.duration == datetime.max - datetime.min
    assert [event_id.recorded_ts for event_id in span.event_ids] == [-(2**63), 2**63 - 1]
    (lags,) = operations.lags([EventMetadata("Init", -(2**63), 0, 2**63 - 1)])
    assert lags.percentiles[50] == timedelta.max


def test_connectors_are_sorted() -> None:
    """The order of connectors does not depend on which came first."""
    sample = [event(0, "HaError", connector=name) for name in ("b", "a", "c")]
    nameless: list[Any] = [without_payloads(sample)[0].event]
    assert [item.connector_id for item in operations.ha([*sample, *nameless])] == [None, "a", "b", "c"]


def test_missing_payload_leaves_the_listed_event() -> None:
    """An event whose payload is gone counts as listed."""
    (span,) = operations.spans(Journal([EventDetail(UPGRADE[0].event.metadata, None)]))
    assert (span.outcome, span.url) == ("open", None)

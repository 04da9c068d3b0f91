"""Whatever the events are, there is a report, and it is the same in any order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cfevents import EventDetail, EventMetadata, FleetEvent, RecordedEvent, events, operations, structure
from cfevents.operations import Journal, Report

_KINDS = st.sampled_from([*events.KINDS]) | st.sampled_from(["RekeyStart", "Init", "Reconcile"]) | st.text(max_size=3)
_NEAR = st.integers(0, 40).map(lambda place: 1_750_000_000 + place * 97)
_TIMES = _NEAR | _NEAR | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e15, 1e15)
_PAYLOADS = st.dictionaries(
    st.sampled_from(["tunnel_id", "url", "new"]), st.sampled_from(["a", "b", 5, None]), max_size=2
)


@st.composite
def told(draw: st.DrawFn) -> Any:
    """An event of any sort, near to others or far from everything."""
    kind, time, number = draw(_KINDS), draw(_TIMES), draw(st.integers(0, 3))
    listed = EventMetadata(kind, time, number, draw(_TIMES))
    raw = {"e": {"k": kind, **draw(_PAYLOADS)}, "t": time, "n": number, "v": draw(st.sampled_from([None, "1", "2"]))}
    recorded = structure(raw, RecordedEvent)
    event = draw(st.sampled_from([listed, recorded, EventDetail(listed, recorded), EventDetail(listed, None)]))
    name = draw(st.sampled_from([None, "a", "b"]))
    return event if name is None else FleetEvent(name, event)


def ids_of(report: Report) -> set[Any]:
    """All ids that a report names, each with its connector."""
    named = set()
    for each in report.connectors:
        results: list[Any] = [*each.spans, *each.rekeys, *each.runs, *each.slots, *each.gaps, *each.unknowns]
        results += [*each.findings, *(part for part in (each.ha, each.lags) if part is not None)]
        assert all(result.event_ids for result in results)
        named |= {(each.connector_id, event_id) for result in results for event_id in result.event_ids}
    return named


def ids_in(some: list[Any]) -> set[Any]:
    """The ids of some events, each with its connector."""
    pairs = [(each.connector_id, each.event) if isinstance(each, FleetEvent) else (None, each) for each in some]
    return {(name, (event.metadata if isinstance(event, EventDetail) else event).id) for name, event in pairs}


@settings(deadline=None)
@given(st.lists(told(), max_size=60), st.randoms())
def test_any_events_give_one_report_whatever_their_order_and_however_often_they_come(some: Any, random: Any) -> None:
    report = operations.report(some)
    assert str(report)
    assert ids_of(report) <= ids_in(some)
    again = random.sample(some, len(some)) + random.sample(some, len(some) // 2)
    random.shuffle(again)
    assert operations.report(again) == report
    assert report.events == len(ids_in(some))


@settings(deadline=None)
@given(st.lists(told(), max_size=30), st.lists(told(), max_size=30))
def test_a_journal_that_goes_on_tells_what_one_that_began_with_everything_does(some: Any, more: Any) -> None:
    journal = Journal(some)
    operations.report(journal)
    journal.update(more)
    assert operations.report(journal) == operations.report([*more, *some])


@settings(deadline=None)
@given(st.lists(told(), max_size=60), _NEAR | st.floats(-1e10, 1e10))
def test_every_event_may_be_the_last(some: Any, until: Any) -> None:
    report = operations.report(some, until=until)
    assert all(finding.first_at <= finding.last_at for finding in report.findings)

"""Whatever the events are, there is a report, and it is the same in any order."""

from typing import Any

from hypothesis import given
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
def any_event(draw: st.DrawFn) -> Any:
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
    for connector in report.connectors:
        results: list[Any] = [*connector.spans, *connector.rekeys, *connector.runs, *connector.slots]
        results += [*connector.gaps, *connector.unknowns]
        results += [*connector.findings, *(part for part in (connector.ha, connector.lags) if part is not None)]
        assert all(result.event_ids for result in results)
        named |= {(connector.connector_id, event_id) for result in results for event_id in result.event_ids}
    return named


def ids_in(some: list[Any]) -> set[Any]:
    """The ids of some events, each with its connector."""
    pairs = [(item.connector_id, item.event) if isinstance(item, FleetEvent) else (None, item) for item in some]
    return {(name, (event.metadata if isinstance(event, EventDetail) else event).id) for name, event in pairs}


@given(st.lists(any_event(), max_size=60), st.randoms())
def test_report_does_not_depend_on_order_or_repeats(some: Any, random: Any) -> None:
    """Any events have one report, in any order and however often they come."""
    report = operations.report(some)
    assert str(report)
    assert ids_of(report) <= ids_in(some)
    again = random.sample(some, len(some)) + random.sample(some, len(some) // 2)
    random.shuffle(again)
    assert operations.report(again) == report
    assert report.events == len(ids_in(some))


@given(st.lists(any_event(), max_size=30), st.lists(any_event(), max_size=30))
def test_growing_journal_has_the_same_report(some: Any, more: Any) -> None:
    """A journal that grows has the report of one that had all events at once."""
    journal = Journal(some)
    operations.report(journal)
    journal.update(more)
    assert operations.report(journal) == operations.report([*more, *some])


@given(st.lists(any_event(), max_size=60), _NEAR | st.floats(-1e10, 1e10))
def test_any_event_may_be_the_last(some: Any, until: Any) -> None:
    """The events may end at any time."""
    report = operations.report(some, until=until)
    assert all(finding.first_at <= finding.last_at for finding in report.findings)

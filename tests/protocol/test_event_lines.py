"""Lines and rows that are made of columns: the same as those that are made event by event."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, details, listed, with_payload
from support.brief import examples

from cfevents import EventDetail, EventMetadata
from cfevents._export.formats import CSV, NDJSON, csv_lines, event_cells, payload_cells
from cfevents._model.results import EventBatch
from cfevents._protocol.records import detailed_line, listed_line

# The first and the last second that has a date.
FIRST, LAST = -62_135_596_800, 253_402_300_799


def assert_same(ids: str | Sequence[str], these: Sequence[EventDetail]) -> None:
    """Compare the bytes of both formats, with payloads and without, with those of one event after the other."""
    owners = [ids] * len(these) if isinstance(ids, str) else ids
    events, recorded = [event.metadata for event in these], [event.recorded for event in these]
    bare, full = EventBatch(ids, events).columns(extra=True), EventBatch(ids, events, recorded).columns(extra=True)
    pairs = [*zip(owners, these, strict=True)]
    lines = [json.dumps(listed_line(owner, event.metadata)) for owner, event in pairs]
    detailed = [json.dumps(detailed_line(owner, event)) for owner, event in pairs]
    assert NDJSON(details=False).encode(bare).decode().splitlines() == lines
    assert NDJSON(details=True).encode(full).decode().splitlines() == detailed
    rows = [event_cells(owner, event.metadata) for owner, event in pairs]
    assert CSV(details=False).encode(bare) == csv_lines(rows)
    with_payloads = [row + payload_cells(event.recorded) for row, event in zip(rows, these, strict=True)]
    assert CSV(details=True).encode(full) == csv_lines(with_payloads)


@pytest.mark.once
@settings(max_examples=examples(150))
@given(these=st.lists(details(), max_size=6), names=st.lists(st.text(max_size=3), min_size=6, max_size=6))
def test_columns_make_the_lines_of_their_events(these: list[EventDetail], names: list[str]) -> None:
    """Whatever the API may send, lines and rows are those of the events, of one connector or several."""
    assert_same('c\u00e9 "1"', these)
    assert_same(names[: len(these)], these)


def test_lines_of_whole_times_are_the_same_at_every_edge() -> None:
    """Hours, days and the first and last date begin and end where they do event by event; others are null."""
    around = [edge + step for edge in (0, 3600, 86_400, BEGIN, 951_782_400, -1) for step in (-1, 0, 1)]
    times = [FIRST, FIRST + 3599, *sorted(around), LAST - 1, LAST]
    assert_same("c1", [EventDetail(EventMetadata("Init", time, 0, time), None) for time in times])
    for beyond in (FIRST - 1, LAST + 1, 2**62, 0.5, 3.0):
        assert_same("c1", [EventDetail(listed(time), None) for time in (BEGIN, beyond, BEGIN + 1)])


def test_payloads_that_several_events_share_are_in_each_line() -> None:
    shared = with_payload(listed(BEGIN))
    assert_same("c1", [shared, EventDetail(listed(BEGIN + 1), None), shared, with_payload(listed(BEGIN + 2), "other")])

"""Ids, times and pages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents import EventId, EventMetadata, RecordedEvent, events
from cfevents._validation import short_repr, validate_int

whole = st.integers(-(2**63), 2**63 - 1)


@given(whole, whole)
def test_an_id_reads_back_from_its_text(t: int, n: int) -> None:
    assert str(EventId(t, n)) == f"{t}.{n}"
    assert EventId.parse(str(EventId(t, n))) == EventId(t, n)


def test_id_of_floats_has_the_form_of_the_api() -> None:
    """An id has the form of the API, also where its numbers arrived as floats."""
    event_id = EventId(1700000000.0, 3.0)
    assert str(event_id) == "1700000000.3"
    assert event_id == EventId(1700000000, 3)


@given(st.lists(st.tuples(whole, whole)))
def test_ids_order_by_time_then_sequence_and_hash(pairs: list[tuple[int, int]]) -> None:
    ids = [EventId(t, n) for t, n in pairs]
    assert [(event_id.recorded_ts, event_id.sequence) for event_id in sorted(ids)] == sorted(pairs)
    assert len(set(ids)) == len(set(pairs))


@pytest.mark.parametrize(
    "text",
    ["", "1700000000", "1700000000.0.3.0", "1.2.3", "a.b", "1.", ".1", " 1.2", "1.2\n", "+1.2", "01.2", "1.02", "1e3.1",
     "\u0661.\u0662", "-0.1", "1,2", "9" * 20 + ".1", "9" * 5000 + ".0"],
)  # fmt: skip
def test_text_that_is_no_id_is_refused_with_the_form_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"write its t and n as whole numbers, '1700000000\.3'"):
        EventId.parse(text)


def test_a_float_is_no_id_since_it_has_lost_the_sequence() -> None:
    with pytest.raises(TypeError, match=r"text such as '1700000000\.3', not float"):
        EventId.parse(1700000000.3)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [(True, 0), ("1", 0), (1, None), (1, "2")])
def test_an_id_of_no_numbers_is_a_type_error(bad: tuple[int, int]) -> None:
    with pytest.raises(TypeError, match="must be a number, not"):
        EventId(*bad)


@pytest.mark.parametrize("bad", [(float("nan"), 0), (float("inf"), 0), (1, 0.5), (10**400, 0), (0, 2**63), (1e30, 0)])
def test_an_id_of_impossible_numbers_is_a_value_error(bad: tuple[float, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        EventId(*bad)


def test_times_are_aware_and_in_utc() -> None:
    event = EventMetadata("Init", 1700000000, 3, 1700000003.5)
    assert event.id == EventId(1700000000, 3)
    assert event.recorded_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert event.collected_at.tzinfo is UTC
    assert event.lag == timedelta(seconds=3.5)
    recorded = RecordedEvent(events.Init(), 1700000000, 3)
    assert (recorded.id, recorded.kind, recorded.recorded_at) == (event.id, "Init", event.recorded_at)


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 1e300])
def test_a_time_beyond_the_calendar_says_so(seconds: float) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999; use the number itself"):
        _ = EventMetadata("Init", seconds, 0, 0).recorded_at


def test_what_is_too_long_to_show_is_shown_in_short() -> None:
    with pytest.raises(ValueError, match="page_size=a number of thousands of digits must be at least 1"):
        validate_int("page_size", 10**5000)
    assert short_repr("x" * 100) == "'" + "x" * 56 + "..."

"""How far a stream has read: offsets that say all that is needed to ask for a batch again."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents.spark.offsets import BEGINNING, Offset, after, is_due, window_between
from cfevents.spark.options import Options

NOW = 1_700_000_000


def stream(**options: object) -> Options:
    return Options(connectors=("a",), **options)  # type: ignore[arg-type]


def test_the_first_offset_says_when_the_stream_began_so_that_its_batch_can_be_asked_for_again() -> None:
    first = after(BEGINNING, stream(since="2023-11-14T00:00:00Z"), NOW + 0.7)
    assert first == json.loads(json.dumps(first)) == {"since": 1_699_920_000, "until": NOW}
    # Started again, the query has another present, and asks for the same.
    assert window_between(BEGINNING, first, stream(since="1h")) == (1_699_920_000, NOW)


def test_a_stream_without_a_since_begins_now() -> None:
    first = after(BEGINNING, stream(), NOW + 0.7)
    assert first == {"since": NOW, "until": NOW}
    assert window_between(first, {"since": NOW, "until": NOW + 60}, stream()) == (NOW, NOW + 60)


def test_a_batch_reads_back_over_the_lookback_and_not_before_the_stream() -> None:
    start, end = {"since": NOW, "until": NOW + 7200}, {"since": NOW, "until": NOW + 7260}
    assert window_between(start, end, stream(lookback=3600)) == (NOW + 3599, NOW + 7260)
    assert window_between(start, end, stream(lookback=86400)) == (NOW, NOW + 7260)


def test_a_batch_is_due_at_first_and_then_after_each_interval() -> None:
    options, start = stream(interval=60), {"since": NOW, "until": NOW}
    assert is_due(BEGINNING, options, NOW)
    assert [is_due(start, options, NOW + seconds) for seconds in (0, 59.9, 60)] == [False, False, True]


def test_an_offset_never_goes_backwards_when_the_clock_does() -> None:
    start = {"since": NOW, "until": NOW + 600}
    assert after(start, stream(), NOW + 10) == start


def test_a_clock_that_went_back_by_more_than_the_lookback_is_an_error_since_events_would_be_lost() -> None:
    options, start = stream(lookback=3600), {"since": NOW, "until": NOW + 7200}
    assert not is_due(start, options, NOW + 3599)
    assert after(start, options, NOW + 3599) == start
    assert is_due(start, options, NOW + 3598)
    with pytest.raises(ValueError, match=r"all was read up to 2023-11-15T00:13:20\+00:00, which is later than now"):
        after(start, options, NOW + 3598)


def test_an_offset_of_something_else_is_an_error() -> None:
    other, mine = {"index": 3}, {"since": NOW, "until": NOW + 60}
    for asked in (
        lambda: window_between(BEGINNING, other, stream()),
        lambda: window_between(other, mine, stream()),
        lambda: is_due(other, stream(), NOW),
        lambda: after(other, stream(), NOW),
    ):
        with pytest.raises(ValueError, match=r"offset \{'index': 3\} is not of the format 'cfevents'"):
            asked()


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 3600)), max_size=30),
)
def test_every_event_that_is_no_later_than_the_lookback_lies_in_a_batch_that_is_read_after_it_was_collected(
    pauses: list[int], events: list[tuple[int, int]]
) -> None:
    options = stream(lookback=3600, since=str(NOW))
    offsets: list[Offset] = [BEGINNING, {"since": NOW, "until": NOW}]
    for pause in pauses:
        offsets.append(after(offsets[-1], options, offsets[-1]["until"] + pause))
    windows = [window_between(start, end, options) for start, end in pairwise(offsets)]
    for time, lag in ((NOW + recorded, lag) for recorded, lag in events):
        if time + lag < offsets[-1]["until"]:
            # A window is asked for at its end. Bounds may be exclusive, and whether the stream's own is, the API says.
            asked_for = [window for window in windows if window.until >= time + lag]
            assert any(since < time < until or time == NOW for since, until in asked_for)

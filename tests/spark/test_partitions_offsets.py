"""How far a stream has read: offsets that say all that is needed to ask for a batch again."""

import json
import math
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents.spark.options import Options
from cfevents.spark.partitions import (
    AHEAD_S,
    FIRST_OFFSET,
    Offset,
    QueryOffsets,
    batch_window,
    is_due,
    next_offset,
)

NOW = 1_700_000_000


def stream(**options: object) -> Options:
    return Options(connectors=("a",), **options)  # type: ignore[arg-type]


def test_first_offset_holds_the_beginning() -> None:
    """The first offset holds the beginning of the stream, so that its batch can be read again."""
    first = next_offset(FIRST_OFFSET, stream(since="2023-11-14T00:00:00Z"), NOW + 0.7)
    assert first == json.loads(json.dumps(first)) == {"since": 1_699_920_000, "until": NOW}
    # Started again, the query has another present, and asks for the same.
    assert batch_window(FIRST_OFFSET, first, stream(since="1h")) == (1_699_920_000, NOW)


def test_stream_without_since_begins_now() -> None:
    first = next_offset(FIRST_OFFSET, stream(), NOW + 0.7)
    assert first == {"since": NOW, "until": NOW}
    assert batch_window(first, {"since": NOW, "until": NOW + 60}, stream()) == (NOW, NOW + 60)


def test_batch_reads_back_over_the_lookback() -> None:
    """A batch reads back over the lookback, but not before the stream."""
    start, end = {"since": NOW, "until": NOW + 7200}, {"since": NOW, "until": NOW + 7260}
    assert batch_window(start, end, stream(lookback=3600)) == (NOW + 3599, NOW + 7260)
    assert batch_window(start, end, stream(lookback=86400)) == (NOW, NOW + 7260)


def test_batch_is_due_after_each_interval() -> None:
    options, start = stream(interval=60), {"since": NOW, "until": NOW}
    assert is_due(FIRST_OFFSET, options, NOW)
    assert [is_due(start, options, NOW + seconds) for seconds in (0, 59.9, 60)] == [False, False, True]


def test_clock_set_back_makes_the_next_batch_due() -> None:
    """If the clock was set back, the next batch is due at once and reads up to the present."""
    options, start = stream(lookback=3600), {"since": NOW, "until": NOW + 82_800}
    assert is_due(start, options, NOW + 7200.5)
    end = next_offset(start, options, NOW + 7200.5)
    assert end == {"since": NOW, "until": NOW + 7200}
    # What was read by the wrong clock was read now at the latest.
    assert batch_window(start, end, options) == (NOW + 3599, NOW + 7200)
    assert not is_due(end, options, NOW + 7201)


def test_offset_is_never_before_the_stream() -> None:
    assert next_offset({"since": NOW, "until": NOW + 60}, stream(), NOW - 5) == {"since": NOW, "until": NOW}


def test_first_window_is_not_reversed() -> None:
    first = next_offset(FIRST_OFFSET, stream(since=str(NOW + 1)), NOW + 0.5)
    assert first == {"since": NOW + 1, "until": NOW + 1}


def test_offsets_are_whole_seconds_without_gaps() -> None:
    start = {"since": NOW, "until": NOW + 7200}
    assert next_offset(start, stream(), NOW + 7290.9) == {"since": NOW, "until": NOW + 7290}
    assert batch_window(start, {"since": NOW, "until": NOW + 7290}, stream(lookback=60.5)).since == NOW + 7138


def test_foreign_offset_is_refused() -> None:
    mine: Offset = {"since": NOW, "until": NOW + 60}
    others: list[Any] = [{"index": 3}, {"since": NOW, "until": None}, {"since": 0.5, "until": 1}, mine | {"more": 1}, 3]
    for other in others:
        for call in (
            lambda other: batch_window(FIRST_OFFSET, other, stream()),
            lambda other: batch_window(other, mine, stream()),
            lambda other: is_due(other, stream(), NOW),
            lambda other: next_offset(other, stream(), NOW),
        ):
            with pytest.raises(ValueError, match=r"offset .* is not of the format 'cfevents'"):
                call(other)


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 20_000), st.floats(0, 1)), max_size=30),
    st.integers(0, 3600),
    st.integers(0, 30),
)
def test_batches_cover_all_events_within_the_lookback(
    pauses: list[int], events: list[tuple[int, float]], ahead: int, right_from: int
) -> None:
    """Each event within the lookback lies in a batch that is read after it was collected."""
    options = stream(lookback=3600, since=str(NOW))
    offsets: list[Offset] = [FIRST_OFFSET]
    reads = [NOW + passed for passed in accumulate([0, *pauses])]
    for number, read in enumerate(reads):
        # The driver's clock is ahead at first, and then set right.
        offsets.append(next_offset(offsets[-1], options, read + (ahead if number < right_from else 0)))
    windows = [batch_window(start, end, options) for start, end in pairwise(offsets)]
    for recorded, late in events:
        # A clock that is ahead takes from the lookback.
        time, lag = NOW + recorded, int(late * (3600 - ahead))
        if time + lag < reads[-1]:
            # Bounds may be exclusive, and whether the stream's own is, the API says.
            asked_for = [window for window, read in zip(windows, reads, strict=True) if read >= time + lag]
            own = [window for window in asked_for if window.until >= time + lag]
            assert any(since < time < until + AHEAD_S or time == NOW for since, until in own)


class Driver:
    """A running query whose API has a time, and is asked for it."""

    def __init__(self, options: Options, steady: float = 5.0) -> None:
        self.api_time, self.steady, self.asked = float(NOW), steady, 0
        self.offsets = QueryOffsets(options, self.ask, lambda: self.steady)

    def ask(self) -> float:
        self.asked += 1
        return math.floor(self.api_time)

    def wait(self, seconds: float) -> None:
        self.api_time += seconds
        self.steady += seconds


def test_relative_since_counts_back_from_the_present_given() -> None:
    """The beginning is counted back from the API's time, not from this machine's."""
    assert next_offset(FIRST_OFFSET, stream(since="1d"), NOW + 0.7) == {"since": NOW - 86_400, "until": NOW}


@given(st.integers(0, 60))
def test_offset_does_not_go_back_by_moments(behind: int) -> None:
    """A present that is up to a minute before the last batch's end is that end: no batch is due."""
    start = {"since": NOW - 100, "until": NOW}
    assert not is_due(start, stream(interval=10), NOW - behind)
    assert next_offset(start, stream(), NOW - behind) == start


def test_beginning_in_the_future_is_the_present() -> None:
    """A stream that was to begin in the future, by a clock that was wrong, begins now."""
    start = {"since": NOW + 90_000, "until": NOW + 90_000}
    assert next_offset(start, stream(), NOW) == {"since": NOW, "until": NOW}


def test_api_is_asked_once_a_batch() -> None:
    """The API is asked for its time when a batch is due, however often Spark asks for an offset."""
    driver = Driver(stream(since="1h", interval=60))
    offset, ends = FIRST_OFFSET, []
    for _ in range(6_000):
        offset = driver.offsets.latest(offset)
        ends.append(offset["until"])
        driver.wait(0.1)
    assert driver.asked == len({*ends}) == 10
    assert ends == sorted(ends)
    assert ends[-1] <= driver.api_time


def test_restarted_query_asks_before_it_is_due() -> None:
    """A restarted query waits for the rest of its interval by the API's time."""
    driver, start = Driver(stream(interval=60)), {"since": NOW - 600, "until": NOW - 20}
    assert [driver.offsets.latest(start) for _ in range(3)] == [start] * 3
    driver.wait(41)
    assert driver.offsets.latest(start) == {"since": NOW - 600, "until": NOW + 41}
    assert driver.asked == 2


def test_query_that_ends_keeps_its_present() -> None:
    """A query over what is available asks once, and reads up to then however long it takes."""
    driver = Driver(stream(since="1h", interval=3600))
    driver.offsets.end_now()
    first = driver.offsets.latest({"since": NOW - 600, "until": NOW - 20})
    driver.wait(10_000)
    assert driver.offsets.latest(first) == first == {"since": NOW - 600, "until": NOW}
    assert driver.asked == 1

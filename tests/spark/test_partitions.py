"""How a job is cut into the parts that tasks read."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cfevents._time import TimeWindow
from cfevents.spark.partitions import EventPartition, partition_window

DAY = 86_400
BEGIN = 1_700_000_000
windows = st.integers(1, 400 * DAY).map(lambda width: TimeWindow(BEGIN, BEGIN + width))
fleets = st.integers(1, 40).map(lambda count: [f"c{number}" for number in range(count)])


@given(fleets, windows, st.integers(1, 64))
def test_partitions_cover_the_window(connectors: list[str], window: TimeWindow, slots: int) -> None:
    """The partitions of a connector cover its window, and meet in a second."""
    parts = partition_window(connectors, window, slots)
    for connector in connectors:
        mine = [part for part in parts if part.connector_id == connector]
        assert (mine[0].window.since, mine[-1].window.until) == window
        assert mine[0].seam is None
        for before, after in pairwise(mine):
            assert after.seam == TimeWindow(before.window.until - 1, before.window.until)
            assert after.window.since == before.window.until - 1


@given(fleets, windows, st.integers(1, 64))
def test_partitions_are_bounded(connectors: list[str], window: TimeWindow, slots: int) -> None:
    """Cuts cost at most two requests for each slot, and no partition is shorter than a day."""
    parts = partition_window(connectors, window, slots)
    counts = Counter(part.connector_id for part in parts)
    assert len(parts) <= len(connectors) + 2 * slots
    assert max(counts.values()) - min(counts.values()) <= 1
    assert all(count == 1 or (window.until - window.since) // count >= DAY for count in counts.values())


def test_all_allowed_cuts_are_made() -> None:
    for slots in (1, 2, 7):
        assert len(partition_window(["a", "b", "c"], TimeWindow(BEGIN, BEGIN + 365 * DAY), slots)) == 3 + 2 * slots


def test_window_of_a_day_is_not_cut() -> None:
    window = TimeWindow(BEGIN, BEGIN + DAY)
    assert partition_window(["a", "b"], window, 8) == [EventPartition("a", window), EventPartition("b", window)]


def test_one_connector_is_read_by_all_slots() -> None:
    assert len(partition_window(["a"], TimeWindow(BEGIN, BEGIN + 365 * DAY), 8)) == 17


def test_empty_window_is_one_partition() -> None:
    """A window of no length is listed too, since bounds may be inclusive."""
    window = TimeWindow(BEGIN, BEGIN)
    assert partition_window(["a"], window, 1) == [EventPartition("a", window)]


def test_time_ahead_belongs_to_the_last_partition() -> None:
    parts = partition_window(["a"], TimeWindow(BEGIN, BEGIN + 2 * DAY), 8, ahead=DAY)
    assert [part.window for part in parts] == [(BEGIN, BEGIN + DAY), (BEGIN + DAY - 1, BEGIN + 3 * DAY)]


def test_no_connectors_make_no_partition() -> None:
    assert partition_window([], TimeWindow(BEGIN, BEGIN + DAY), 1) == []

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
def test_the_parts_of_a_connector_cover_its_window_and_meet_in_a_second(
    connectors: list[str], window: TimeWindow, slots: int
) -> None:
    parts = partition_window(connectors, window, slots)
    for connector in connectors:
        mine = [part for part in parts if part.connector_id == connector]
        assert (mine[0].window.since, mine[-1].window.until) == window
        assert mine[0].seam is None
        for before, after in pairwise(mine):
            assert after.seam == TimeWindow(before.window.until - 1, before.window.until)
            assert after.window.since == before.window.until - 1


@given(fleets, windows, st.integers(1, 64))
def test_cutting_costs_at_most_two_requests_for_each_slot_and_no_part_is_shorter_than_a_day(
    connectors: list[str], window: TimeWindow, slots: int
) -> None:
    parts = partition_window(connectors, window, slots)
    counts = Counter(part.connector_id for part in parts)
    assert len(parts) <= len(connectors) + 2 * slots
    assert max(counts.values()) - min(counts.values()) <= 1
    assert all(count == 1 or (window.until - window.since) // count >= DAY for count in counts.values())


def test_all_cuts_are_spent_that_the_slots_allow() -> None:
    for slots in (1, 2, 7):
        assert len(partition_window(["a", "b", "c"], TimeWindow(BEGIN, BEGIN + 365 * DAY), slots)) == 3 + 2 * slots


def test_a_window_of_a_day_is_not_cut() -> None:
    window = TimeWindow(BEGIN, BEGIN + DAY)
    assert partition_window(["a", "b"], window, 8) == [EventPartition("a", window), EventPartition("b", window)]


def test_one_connector_is_read_by_all_slots() -> None:
    assert len(partition_window(["a"], TimeWindow(BEGIN, BEGIN + 365 * DAY), 8)) == 17


def test_a_window_of_no_length_is_asked_for_too_since_bounds_may_be_inclusive() -> None:
    window = TimeWindow(BEGIN, BEGIN)
    assert partition_window(["a"], window, 1) == [EventPartition("a", window)]


def test_what_lies_ahead_belongs_to_the_last_part_and_is_not_cut() -> None:
    parts = partition_window(["a"], TimeWindow(BEGIN, BEGIN + 2 * DAY), 8, ahead=DAY)
    assert [part.window for part in parts] == [(BEGIN, BEGIN + DAY), (BEGIN + DAY - 1, BEGIN + 3 * DAY)]


def test_without_connectors_there_is_no_part() -> None:
    assert partition_window([], TimeWindow(BEGIN, BEGIN + DAY), 1) == []

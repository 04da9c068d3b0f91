"""What was delivered of a connector that is followed, and what is missing."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents import CheckpointError, EventMetadata
from cfevents._following.checkpoint import FollowCheckpoint, Watermark

NOW = 1_700_000_000
LOOKBACK = 1000


def event(t: float, n: int = 0) -> EventMetadata:
    return EventMetadata("Init", t, n, t)


def keys(events: list[EventMetadata]) -> list[Any]:
    return [(event.recorded_ts, event.sequence) for event in events]


def test_window_overlaps_and_ends_a_day_ahead() -> None:
    """A window begins before the newest event, and ends a day from now."""
    mark = Watermark(NOW - 5000).after([event(NOW - 100)])
    assert mark.window(60, NOW, NOW) == (NOW - 161, NOW + 86400)
    assert mark.window(math.inf, NOW, NOW) == (NOW - 5001, NOW + 86400)
    mark = mark.prune_before(NOW - 100 - LOOKBACK)
    assert mark.window(math.inf, NOW, NOW) == (NOW - 1101, NOW + 86400)
    assert mark.window(5000, NOW, NOW) == (NOW - 1101, NOW + 86400)
    assert mark.prune_before(NOW - 200 - LOOKBACK) == mark


def test_nothing_before_since_is_listed() -> None:
    mark = Watermark(NOW)
    assert mark.window(LOOKBACK, NOW, NOW).since == mark.window(math.inf, NOW, NOW).since == NOW - 1
    assert keys(mark.undelivered([event(NOW - 1), event(NOW + 1), event(NOW)])) == [(NOW, 0), (NOW + 1, 0)]


def test_watermark_is_never_later_than_now() -> None:
    """An appliance whose clock is ahead does not move the watermark beyond now."""
    mark = Watermark(NOW - 10).after([event(NOW + 3600)])
    assert mark.window(60, NOW, NOW).since == NOW - 10 - 1
    later = mark.after([event(NOW + 4000)])
    assert later.window(60, NOW + 2000, NOW + 2000).since == NOW + 2000 - 61
    assert keys(later.undelivered([event(NOW + 1500), event(NOW + 3600)])) == [(NOW + 1500, 0)]


def test_pruning_keeps_the_keys_from_its_second_on() -> None:
    """What was delivered in the second from which on events are kept is not delivered again."""
    mark = Watermark(NOW - 10).after([event(NOW - 1), event(NOW), event(NOW + 0.5), event(NOW + 1)])
    pruned = mark.prune_before(NOW + 0.9)
    assert (pruned.since, sorted(pruned.delivered)) == (NOW, [(NOW, 0), (NOW + 0.5, 0), (NOW + 1, 0)])
    assert keys(pruned.undelivered([event(NOW - 1), event(NOW), event(NOW, 1)])) == [(NOW, 1)]


def test_connectors_that_left_are_dropped_with_their_end() -> None:
    """A connector that comes back begins after all that was delivered of those that were dropped, however often."""
    first = FollowCheckpoint("a", None, None, NOW, dropped_until=NOW + 50)
    left = {"early": Watermark(NOW).after([event(NOW + 9)]), "late": Watermark(NOW).after([event(NOW + 80)])}
    for name, mark in left.items():
        first = first.with_connector(name, mark)
    one = first.with_connector("new", Watermark(NOW), gone={"early", "unknown"})
    assert (set(one.connectors), one.dropped_until, one.of("early").since) == ({"late", "new"}, NOW + 50, NOW + 50)
    both = one.with_connector("new", Watermark(NOW), gone={"late"})
    assert (set(both.connectors), both.dropped_until) == ({"new"}, NOW + 81)
    assert both.with_connector("new", Watermark(NOW)).dropped_until == NOW + 81


def test_late_events_do_not_move_the_watermark_back() -> None:
    mark = Watermark(NOW - 5000).after([event(NOW - 100)])
    for later in (mark.after([event(NOW - 900)]), mark.with_reached(NOW - 900)):
        assert (later.newest, later.reached) == (NOW - 100, NOW - 100)
        assert later.window(60, NOW, NOW).since == NOW - 161


def test_event_older_than_the_newest_is_late() -> None:
    mark = Watermark(NOW - 10)
    assert not mark.is_late(event(NOW - 5))
    mark = mark.after([event(NOW)])
    assert [mark.is_late(event(time)) for time in (NOW - 1, NOW, NOW + 1)] == [True, False, False]


@given(st.lists(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 2)), max_size=8), max_size=20), st.data())
def test_each_event_within_the_lookback_is_delivered_once(rounds: list[list[tuple[int, int]]], data: Any) -> None:
    mark, now, delivered, due = Watermark(NOW), NOW, [], set()
    for pairs in rounds:
        now += data.draw(st.integers(0, 500))
        listed = [event(NOW + t, n) for t, n in pairs]
        missing = mark.undelivered(listed)
        due |= {(NOW + t, n) for t, n in pairs if NOW + t >= mark.since}
        delivered += keys(missing)
        taken = data.draw(st.integers(0, len(missing)))
        # In parts too, as where somebody stops in the middle.
        mark = mark.after(missing[:taken])
        rest = mark.undelivered(missing)
        assert keys(rest) == keys(missing[taken:])
        mark = mark.after(rest).prune_before(data.draw(st.integers(NOW, now)) - LOOKBACK)
        assert not mark.undelivered(listed)
        assert mark.since <= max(NOW, now - LOOKBACK)
        assert all(key[0] >= mark.since for key in mark.delivered)
    assert len(delivered) == len(set(delivered))
    assert set(delivered) == due


@given(
    st.dictionaries(st.text(min_size=1), st.lists(st.tuples(st.integers(0, 99) | st.just(0.5), st.integers(0, 9)))),
    st.none() | st.text(min_size=1) | st.tuples(st.text(), st.text()),
)
def test_follow_checkpoint_round_trips(connectors: dict[str, list[Any]], kind: Any) -> None:
    marks = {connector: Watermark(5).after([event(t, n) for t, n in keys]) for connector, keys in connectors.items()}
    checkpoint = FollowCheckpoint("account", tuple(connectors) or None, kind, 5, marks)
    read = FollowCheckpoint.from_json(checkpoint.to_json())
    assert read.to_json() == checkpoint.to_json()
    assert (read.account_id, read.connector_ids, read.kind, read.since) == (
        "account",
        tuple(connectors) or None,
        kind,
        5,
    )
    for connector, mark in marks.items():
        again = read.of(connector)
        assert (again.since, again.newest, set(again.delivered)) == (mark.since, mark.newest, set(mark.delivered))


def test_5000_events_make_less_than_100_kb() -> None:
    """A checkpoint of 5,000 events within the lookback has less than 100 kB."""
    mark = Watermark(NOW).after([event(NOW + offset, offset % 7) for offset in range(5000)])
    assert len(FollowCheckpoint("a" * 32, ("c" * 32,), None, NOW, {"c" * 32: mark}).to_json()) < 100_000


MARK = {"since": 5, "newest": 7, "reached": 8, "delivered": [7, 0]}
GOOD = json.loads(FollowCheckpoint("a", ("c",), None, 5, {"c": Watermark(5, 7, 8, {(7, 0): None})}).to_json())


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2},
        {"since": "5"},
        {"since": True},
        {"account_id": None},
        {"connector_ids": "c"},
        {"connector_ids": [1]},
        {"kind": 1},
        {"connectors": []},
        {"connectors": {"c": {}}},
        {"connectors": {"c": MARK | {"since": 10**400}}},
        {"connectors": {"c": MARK | {"since": 2**63}}},
        {"since": 2**63},
        {"connectors": {"c": MARK | {"since": 5.5}}},
        {"connectors": {"c": MARK | {"delivered": [7]}}},
        {"connectors": {"c": MARK | {"newest": "7"}}},
        {"connectors": {"c": MARK | {"newest": math.nan}}},
        {"connectors": {"c": MARK | {"reached": math.inf}}},
        {"connectors": {"c": MARK | {"delivered": [7, 0.5]}}},
        {"connectors": {"c": MARK | {"delivered": [math.nan, 0]}}},
        {"connectors": {"c": MARK | {"delivered": [10**400, 0]}}},
        {"connectors": {"c": MARK | {"more": 1}}},
        {"since": 10**400},
        {"more": 1},
    ],
)
def test_damaged_follow_checkpoint_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        FollowCheckpoint.from_json(json.dumps(GOOD | damage))
    short = {name: value for name, value in GOOD.items() if name not in damage}
    with pytest.raises(CheckpointError):
        FollowCheckpoint.from_json(json.dumps(short) if short != GOOD else "[]")


@pytest.mark.parametrize("overlap", [3600.0, math.inf])
@pytest.mark.parametrize("since", [-86_100, 300, NOW])
def test_clock_that_was_never_set_reverses_no_window(since: int, overlap: float) -> None:
    """Where the clock shows 1970, a window neither begins before that nor ends before it begins."""
    for mark in (Watermark(since), Watermark(since, reached=NOW)):
        window = mark.window(overlap, 300.0, 300.0)
        assert 0 <= window.since < window.until
        assert window.since <= max(since, 300)

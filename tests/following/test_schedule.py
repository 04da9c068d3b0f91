"""When connectors that are followed are asked again."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from cfevents._following.schedule import DueConnector, Intervals, Schedule

PACE = Intervals(interval=30.0, deep_interval=900.0)


def scheduled(*connector_ids: str) -> Schedule:
    schedule = Schedule(PACE, lambda: 0.5)
    schedule.add(connector_ids, 0.0)
    return schedule


def taken(schedule: Schedule, now: float) -> DueConnector:
    turn = schedule.next(now)
    assert turn is not None
    return turn


def test_connectors_take_turns() -> None:
    """Connectors are polled in turn, and then after the interval."""
    schedule = scheduled("a", "b")
    first, second = taken(schedule, 0), taken(schedule, 0)
    assert (first.connector_id, second.connector_id, schedule.next(0)) == ("a", "b", None)
    schedule.done(first, 0, 2)
    schedule.done(second, 1, 2)
    assert schedule.wait(2) == 28
    assert schedule.next(29.9) is None
    assert taken(schedule, 30) == DueConnector("a", deep=False, probe=False, suspect=False)
    assert schedule.next(30) is None
    assert taken(schedule, 31).connector_id == "b"


def test_deep_polls_follow_their_interval() -> None:
    """The first poll is deep, and one after each deep interval."""
    schedule = scheduled("a")
    deep = []
    for now in range(0, 3600, 30):
        turn = taken(schedule, now)
        schedule.done(turn, now, now + 1)
        if turn.deep:
            deep.append(now)
    assert deep == [0, 900, 1800, 2700]


def test_connector_with_more_is_due_at_once() -> None:
    schedule = scheduled("a")
    schedule.done(taken(schedule, 0), 0, 2, again=True)
    assert schedule.wait(2) == 0


def test_interval_is_at_least_what_the_budget_allows() -> None:
    schedule = scheduled("a")
    schedule.done(taken(schedule, 0), 0, 2, least=100)
    assert schedule.wait(2) == 98


def test_outage_is_probed_once_a_minute() -> None:
    """During an outage one connector a minute is polled, each in turn."""
    schedule = scheduled("a", "b", "c")
    turns = [taken(schedule, 0) for _ in range(3)]
    for turn, moment in zip(turns, (3, 4, 5), strict=True):
        assert not schedule.is_down
        schedule.failed(turn, moment)
    assert schedule.is_down
    probed = set()
    for begin in (5, 68, 131):
        now = begin + 63.0
        assert schedule.next(now - 0.1) is None
        probe = taken(schedule, now)
        assert probe.probe
        assert probe.suspect
        assert schedule.next(now) is None
        assert schedule.wait(now) is None
        schedule.failed(probe, now)
        probed.add(probe.connector_id)
    assert probed == {"a", "b", "c"}  # one of them may be what is at fault


def test_failing_connector_is_polled_once_a_minute() -> None:
    """A connector without answer is polled once a minute; the others go on."""
    schedule = scheduled("a", "b")
    schedule.failed(taken(schedule, 0), 1)
    schedule.done(taken(schedule, 0), 0, 1)
    polls = []
    for now in range(1, 600):
        while turn := schedule.next(now):
            assert not schedule.is_down
            polls.append((now, turn))
            schedule.failed(turn, now) if turn.connector_id == "a" else schedule.done(turn, now, now)
    assert [now for now, turn in polls if turn.connector_id == "a"] == list(range(64, 600, 63))
    assert all(turn.deep for _, turn in polls if turn.connector_id == "a")
    assert len([turn for _, turn in polls if turn.connector_id == "b"]) == 599 // 30


def test_occasional_failures_are_no_outage() -> None:
    schedule = scheduled("a", "b", "c", "d")
    turns = [taken(schedule, 0) for _ in range(4)]
    for turn in turns[:3]:
        schedule.failed(turn, 1)
        assert not schedule.is_down
        schedule.done(turns[3], 0, 1)
        turns[3] = taken(schedule, 30 + turns.index(turn) * 30)


def test_failing_connectors_are_no_outage() -> None:
    """Connectors that never answer make one outage at most."""
    schedule = scheduled(*"abcdefgh")
    outages, was_down = 0, False
    for now in range(0, 7200, 5):
        while turn := schedule.next(now):
            bad = turn.connector_id in "abcd"
            schedule.failed(turn, now) if bad else schedule.done(turn, now, now)
            outages += schedule.is_down and not was_down
            was_down = schedule.is_down
    assert outages <= 1  # when they fail for the first time


def test_failing_connector_is_suspect() -> None:
    """A connector that never answers is polled without retries."""
    schedule = scheduled("a", "b", "c", "d")
    schedule.failed(taken(schedule, 0), 1)
    for _ in range(3):
        schedule.done(taken(schedule, 0), 0, 1)
    turns = [taken(schedule, 100) for _ in range(4)]
    assert [turn.connector_id for turn in turns if turn.suspect] == ["a"]


def test_failed_poll_with_an_answer_is_no_outage() -> None:
    schedule = scheduled("a", "b", "c")
    for _ in range(20):
        schedule.failed(taken(schedule, 1000), 1, answered=True)
        assert not schedule.is_down


def test_dropped_connector_is_not_due() -> None:
    """A connector that was dropped is not due, also if it was being polled."""
    schedule = scheduled("a", "b", "c")
    turn = taken(schedule, 0)
    schedule.drop("a")
    schedule.drop("b")
    schedule.done(turn, 0, 1)
    schedule.add(["b"], 2)
    assert [taken(schedule, 5000).connector_id for _ in range(2)] == ["c", "b"]
    assert schedule.next(5000) is None
    assert schedule.wait(5000) is None


def test_dropped_connector_makes_no_outage() -> None:
    """A connector that is dropped while its poll fails makes no outage."""
    schedule = scheduled("a", "b")
    turn = taken(schedule, 0)
    schedule.drop("a")
    schedule.failed(turn, 1)
    assert not schedule.is_down
    assert taken(schedule, 2) == DueConnector("b", deep=True, probe=False, suspect=False)


def test_every_poll_is_deep_after_an_outage() -> None:
    schedule = scheduled("a", "b")
    for _ in range(2):
        schedule.done(taken(schedule, 0), 0, 0)
    for now in (31, 32):
        turn = taken(schedule, 30)
        assert not turn.deep
        schedule.failed(turn, now)
    probe = taken(schedule, 95)
    schedule.done(probe, 95, 96)
    assert not schedule.is_down
    turns = [taken(schedule, 160), taken(schedule, 160)]
    assert {turn.connector_id for turn in turns} == {"a", "b"}
    # The one that was asked whether the API is back has looked for them by that.
    assert probe.deep
    assert [turn.connector_id for turn in turns if not turn.deep] == [probe.connector_id]


def test_refused_connector_is_due_rarely() -> None:
    """A connector that is refused is due rarely; the others go on."""
    schedule = scheduled("a", "b")
    schedule.refused(taken(schedule, 0), 1)
    schedule.done(taken(schedule, 0), 0, 1)
    polls = []
    for now in range(1, 2000):
        while turn := schedule.next(now):
            polls.append((now, turn.connector_id))
            schedule.refused(turn, now) if turn.connector_id == "a" else schedule.done(turn, now, now)
    assert [now for now, connector in polls if connector == "a"] == [901, 1801]
    assert len(polls) == 2 + 2000 // 30


@given(st.integers(1, 50), st.lists(st.floats(0, 1), min_size=1))
def test_no_connector_waits_longer_than_two_rounds(connectors: int, drawn: list[float]) -> None:
    numbers = count()
    schedule = Schedule(PACE, lambda: drawn[next(numbers) % len(drawn)])
    schedule.add(map(str, range(connectors)), 0.0)
    last: dict[str, float] = {}
    now = 0.0
    for _ in range(10 * connectors):
        now += schedule.wait(now) or 0.0
        turn = taken(schedule, now)
        assert now - last.get(turn.connector_id, 0.0) <= max(2 * connectors, 2 * PACE.interval)
        last[turn.connector_id] = now
        schedule.done(turn, now, now + 1, least=connectors)
        now += 1
    assert len(last) == connectors

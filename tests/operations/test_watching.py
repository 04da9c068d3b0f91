"""What opens, changes and is over as events come is, at each moment, what a report of them has."""

from collections.abc import Iterable
from typing import Any

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, MINUTE, DetailedEvent, event, history_events, reconciles

from cfevents.operations import Finding, FindingUpdate, Limits, report
from cfevents.operations.limits import AskedConnector
from cfevents.operations.watching import ConnectorWatch
from cfevents.testing import History
from cfevents.testing.scenarios import INCIDENTS

KEPT = 40.0 * DAY
ASKED = AskedConnector("site")


def watch_for(kept: float = KEPT) -> ConnectorWatch:
    return ConnectorWatch("site", BEGIN - 1, kept, Limits())


def play(
    watch: ConnectorWatch, events: Iterable[DetailedEvent], until: float, *, step: float = 5 * MINUTE, since: float = -1
) -> list[FindingUpdate]:
    """Let events come as they are collected, and judge every so many seconds after `BEGIN`."""
    waiting = sorted(events, key=lambda item: item.event.metadata.collected_ts, reverse=True)
    moment, updates = BEGIN, list[FindingUpdate]()
    while moment <= BEGIN + until:
        come = []
        while waiting and waiting[-1].event.metadata.collected_ts <= moment:
            come.append(waiting.pop())
        watch.add(come)
        updates += watch.judge(ASKED, moment, BEGIN + since)
        moment += int(step)
    return updates


def words(updates: list[FindingUpdate]) -> list[str]:
    return [f"{update.state} {update.finding.severity} {update.finding.kind}" for update in updates]


def keys(findings: Iterable[Finding]) -> list[Any]:
    return sorted((item.kind, item.severity, item.event_ids, item.message) for item in findings)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("step", [20 * MINUTE, 3 * HOUR])
def test_at_the_end_it_has_the_findings_of_a_report(seed: int, step: int) -> None:
    """Each has opened once more than it was over, none is over before it opened, and nothing opens when it is open."""
    history = History(seed=seed, connectors=["site"], days=1, until=BEGIN + DAY, incidents=[*INCIDENTS][seed % 4 :: 4])
    events = [item for item in history_events(history) if seed % 2 or item.event.metadata.kind != "Leave"]
    watch, until = watch_for(), BEGIN + DAY + 3 * HOUR
    updates = play(watch, events, until - BEGIN, step=step)
    expected = report(events, since=BEGIN - 1, until=until, known_until=until, connectors=["site"]).findings
    assert keys(watch.open) == keys(expected)
    assert expected
    open_ = list[Any]()
    for update in updates:
        key = update.finding.kind, update.finding.event_ids[-1:]
        if update.state == "opened":
            assert key not in open_
            open_.append(key)
        elif update.state == "over":
            kinds = [kind for kind, _ in open_]
            del open_[kinds.index(update.finding.kind)]
    assert sorted(kind for kind, _ in open_) == sorted(finding.kind for finding in expected)


def test_silence_needs_no_event_to_open_and_one_to_end() -> None:
    """Time alone opens it; its end brings the gap that it was, with its cause."""
    events = [*reconciles(0, 3 * HOUR), event(9 * HOUR, "Init"), *reconciles(9 * HOUR + 60, 12 * HOUR)]
    updates = play(watch_for(), events, 12 * HOUR)
    assert words(updates) == ["opened error silence", "over error silence", "opened error unclean_restart"]
    opened, over, restart = updates
    assert opened.at.timestamp() - BEGIN == 3 * HOUR + 40 * MINUTE
    assert over.text == "over, at most 6h 9min after it began"
    assert over.at == restart.at
    assert "no longer" not in str(over)


def test_late_events_end_a_silence_that_was_none() -> None:
    """It was the delivery alone, which is a warning."""
    late = [item for at in range(3 * HOUR, 9 * HOUR, 300) for item in [event(at, "Reconcile", lag=9 * HOUR - at + 5)]]
    updates = play(watch_for(), [*reconciles(0, 3 * HOUR), *late, *reconciles(9 * HOUR, 12 * HOUR)], 12 * HOUR)
    assert words(updates) == ["opened error silence", "over error silence", "opened warning collection_gap"]


def test_severity_changes_once() -> None:
    """A second unclean restart within a day makes an error of the first; a third changes nothing of it."""
    starts = [2 * HOUR, 5 * HOUR, 8 * HOUR]
    events = [*reconciles(0, 10 * HOUR), *(event(at, "Init", sequence=2) for at in starts)]
    updates = play(watch_for(), events, 10 * HOUR)
    assert words(updates) == [
        "opened warning unclean_restart",
        "changed error unclean_restart",
        "opened error unclean_restart",
        "opened error unclean_restart",
    ]
    assert updates[1].before == "warning"


def test_restarts_become_a_loop() -> None:
    """What belongs to a worse finding is no longer one of its own."""
    starts = [2 * HOUR, 2 * HOUR + 7 * MINUTE, 2 * HOUR + 14 * MINUTE, 2 * HOUR + 21 * MINUTE]
    updates = play(watch_for(), [*reconciles(0, HOUR * 4), *(event(at, "Init", sequence=2) for at in starts)], 4 * HOUR)
    assert words(updates)[-3:] == ["over error unclean_restart"] * 2 + ["opened critical restart_loop"]
    assert updates[-2].text == "no longer: later events show otherwise"


def test_late_answer_ends_what_is_unfinished() -> None:
    events = [*reconciles(0, 6 * HOUR), event(HOUR, "StartUpgrade"), event(2 * HOUR, "FinishUpgradeSuccess")]
    updates = play(watch_for(), events, 6 * HOUR)
    assert words(updates) == ["opened error unfinished_upgrade", "over error unfinished_upgrade"]


def test_unknown_kind_opens_once() -> None:
    """However often it comes, also when its first event is forgotten."""
    events = [*reconciles(0, 6 * DAY, 30 * MINUTE), *(event(at, "New", sequence=9) for at in range(0, 6 * DAY, HOUR))]
    updates = play(watch_for(2.0 * DAY), events, 6 * DAY, step=2 * HOUR)
    assert words(updates) == ["opened info unknown_kind"]


def test_what_was_over_before_is_left_out() -> None:
    """It is not reported when it is still there; a silence that goes on is, and what is new."""
    events = [
        *reconciles(0, 8 * HOUR),
        event(2 * HOUR, "FinishUpgradeFailure"),
        event(HOUR, "Init", sequence=3),
        event(6 * HOUR, "Init", sequence=3),
        event(7 * HOUR, "HaError"),
    ]
    watch = watch_for()
    watch.add([item for item in events if item.event.metadata.recorded_ts <= BEGIN + 4 * HOUR])
    assert watch.judge(ASKED, BEGIN + 4 * HOUR, BEGIN + 4 * HOUR) == []
    assert [finding.kind for finding in watch.known] == ["failed_upgrade", "unclean_restart"]
    watch.add(events)
    updates = watch.judge(ASKED, BEGIN + 8 * HOUR, 0)
    # The restart that was known is worse now.
    assert sorted(words(updates)) == ["opened error unclean_restart"] * 2 + ["opened warning ha_error"]
    late = watch_for()
    late.add(events)
    assert words(late.judge(ASKED, BEGIN + 10 * HOUR, BEGIN + 10 * HOUR)) == ["opened error silence"]


@pytest.mark.parametrize("end", ["Pending", "Failure"])
def test_slot_that_failed_does_not_go_on(end: str) -> None:
    """Of slots that were bad before watching began, those alone are reported that may still be blessed."""
    events = [*reconciles(0, 8 * HOUR), event(HOUR, "FinishUpgradeSuccess"), event(2 * HOUR, f"BlessSlot{end}")]
    watch = watch_for()
    watch.add(events)
    updates = watch.judge(ASKED, BEGIN + 8 * HOUR, BEGIN + 8 * HOUR)
    assert words(updates) == (["opened error unblessed_slot"] if end == "Pending" else [])


def test_memory_is_bounded_and_nothing_ends_by_it() -> None:
    """A month of events: what is old is forgotten without a word, and a silence that outlasts it goes on."""
    faults = [event(at, "HaError", sequence=5) for at in range(DAY // 2, 20 * DAY, DAY)]
    faults += [event(at, "Init", sequence=5) for at in range(DAY // 3, 20 * DAY, 3 * DAY)]
    watch = watch_for(3.0 * DAY)
    updates = play(watch, [*reconciles(0, 20 * DAY, 15 * MINUTE), *faults], 30 * DAY, step=3 * HOUR)
    assert [update.state for update in updates] == ["opened"] * len(updates)
    assert len(updates) == len(faults) + 1
    assert [finding.kind for finding in watch.open] == ["silence"]
    assert len(watch._journal) <= 3 * 24 * 4 + 200
    watch.add([event(30 * DAY, "Reconcile")])
    assert words(watch.judge(ASKED, BEGIN + 30 * DAY + 60, 0)) == ["over error silence", "opened error device_gap"]
    watch.add(reconciles(30 * DAY, 31 * DAY))
    assert watch.judge(ASKED, BEGIN + 31 * DAY, 0) == []


def test_without_events_it_is_judged_once_a_minute() -> None:
    watch = watch_for()
    assert words(watch.judge(ASKED, BEGIN + HOUR, 0)) == ["opened error silence"]
    watch.limits = Limits(gap_least=watch.limits.silence)
    assert watch.judge(ASKED, BEGIN + HOUR + 59, 0) == []
    assert words(watch.judge(ASKED, BEGIN + HOUR + 60, 0)) == ["over error silence"]

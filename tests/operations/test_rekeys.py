"""The keys of tunnels are followed, step by step."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from support.appliance_events import DAY, HOUR, event, events_at, offsets, reconciles, without_payloads

from cfevents import operations

TWO = events_at(
    "0 RekeyStart a", "3 RekeyStart b", "5 RekeyRestart a", "9 RekeyAdvance b",
    "12 RekeyAdvance a", "13 RekeyComplete a", "20 RekeyComplete b",
)  # fmt: skip


def findings_of(events: Sequence[Any], until: int = 7200) -> list[tuple[str, object, list[int]]]:
    """The findings, of which tunnel, and when their evidence was recorded."""
    report = operations.report(events, until=event(until, "Init").event.metadata.recorded_ts)
    return [(finding.kind, finding.details.get("tunnel_id"), offsets(finding.event_ids)) for finding in report.findings]


def test_tunnels_that_rekey_side_by_side_are_told_apart() -> None:
    one, other = operations.rekeys(TWO)
    assert (one.tunnel_id, one.state, one.restarts, offsets(one.event_ids)) == ("a", "complete", 1, [0, 5, 12, 13])
    assert (other.tunnel_id, other.state, other.restarts, offsets(other.event_ids)) == ("b", "complete", 0, [3, 9, 20])
    assert (one.duration, other.duration) == (timedelta(seconds=13), timedelta(seconds=17))
    assert one.ended_by == "RekeyComplete"


def test_rekeys_without_payloads() -> None:
    """Without payloads as many rekeys are found, but not their tunnels."""
    rekeys = operations.rekeys(without_payloads(TWO))
    assert [(rekey.tunnel_id, rekey.state) for rekey in rekeys] == [(None, "complete")] * 2
    assert sum(rekey.restarts for rekey in rekeys) == 1


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        (["0 RekeyStart a"], "start"),
        (["0 RekeyStart a", "9 RekeyRestart a"], "start"),
        (["0 RekeyStart a", "9 RekeyAdvance a"], "advance"),
        (["0 RekeyRestart a"], "start"),
        (["0 RekeyAdvance a"], "advance"),
    ],
)
def test_a_rekey_that_does_not_go_on_is_stuck_where_it_is(steps: list[str], state: str) -> None:
    sample = events_at(*steps)
    (rekey,) = operations.rekeys(sample)
    assert (rekey.state, rekey.ended_at, rekey.duration) == (state, None, None)
    assert findings_of(sample) == [("stuck_rekey", "a", offsets(rekey.event_ids))]
    assert findings_of(sample, until=300) == []


def test_stuck_rekey_beside_others() -> None:
    """A stuck rekey is found beside others that complete."""
    others = events_at("3600 RekeyStart b", "3610 RekeyAdvance b", "3611 RekeyComplete b")
    sample = [*events_at("0 RekeyStart a"), *others]
    assert findings_of(sample) == [("stuck_rekey", "a", [0])]
    assert [finding[2] for finding in findings_of(without_payloads(sample))] == [[0]]


def messages(events: Sequence[Any], until: int = 7200) -> list[str]:
    report = operations.report(events, until=event(until, "Init").event.metadata.recorded_ts)
    return [finding.message for finding in report.findings if finding.kind == "stuck_rekey"]


def test_a_length_that_payloads_would_tell_is_no_length() -> None:
    """Without payloads, the rekey that comes next may be the stuck one's next attempt, or another tunnel's."""
    sample = events_at(
        "0 RekeyStart a", "3600 RekeyStart a", "3610 RekeyAdvance a", "3611 RekeyComplete a", "7100 Reconcile"
    )
    assert messages(sample) == ["rekey stuck in start for 1h"]
    assert messages(without_payloads(sample)) == ["rekey may be stuck in start, for at most 2h: only payloads tell"]
    restarted = events_at("0 RekeyStart a", "9 RekeyRestart a", "3600 RekeyInstallBoth b", "3700 RekeyInstallBoth a")
    assert messages(restarted) == ["rekey stuck in start for 1h 1min, restarts: 1"]
    assert messages(without_payloads(restarted)) == [
        "rekey may be stuck in start, for at most 2h: only payloads tell, restarts: 1"
    ]


def test_a_rekey_alone_is_certain_without_payloads() -> None:
    """A rekey that no event of another tunnel can belong to has a length without payloads too."""
    sample = without_payloads(events_at("0 RekeyStart a", "9 RekeyAdvance a", "12 RekeyComplete a", "60 RekeyStart b"))
    alone, stuck = operations.rekeys(sample)
    assert (alone.is_certain, alone.duration) == (True, timedelta(seconds=12))
    assert (stuck.is_certain, stuck.state) == (True, "start")
    assert messages(sample) == ["rekey stuck in start for 1h 59min"]


@pytest.mark.parametrize(
    ("lines", "certain"),
    [
        (["0 RekeyStart", "1 RekeyStart", "2 RekeyAdvance", "3 RekeyComplete"], [False, False]),
        (["0 RekeyStart a", "1 RekeyStart b", "2 RekeyAdvance", "3 RekeyComplete b"], [False, False]),
        (["0 RekeyStart a", "1 RekeyStart b", "2 RekeyAdvance b", "3 RekeyComplete a"], [True, True]),
        (["0 RekeyStart", "1 RekeyStart b", "2 RekeyComplete b"], [False, True]),
        (["0 RekeyStart", "1 RekeyAdvance b", "2 RekeyComplete b"], [True]),
        (["0 RekeyStart", "1 RekeyStart", "2 RekeyAdvance b", "3 RekeyComplete b"], [False, False]),
        (["0 RekeyStart a", "1 RekeyReset"], [False, True]),
        (["0 RekeyStart a", "1 RekeyReset b"], [True, True]),
        (["0 RekeyStart a", "1 RekeyInstallBoth"], [False]),
        (["0 RekeyStart", "1 RekeyInstallBoth a"], [False]),
        (["0 RekeyStart a", "1 RekeyInstallBoth b", "2 RekeyComplete a"], [True]),
        (["0 RekeyReset a", "1 RekeyStart", "2 RekeyAdvance"], [False, True]),
    ],
)
def test_what_may_be_of_another_tunnel_is_not_certain(lines: list[str], certain: list[bool]) -> None:
    rekeys = operations.rekeys(events_at(*lines))
    assert [rekey.is_certain for rekey in rekeys] == certain
    assert all(rekey.duration is None for rekey in rekeys if not rekey.is_certain)


def test_a_rekey_is_not_stuck_for_longer_than_is_known() -> None:
    """Of a connector that went silent, only the time until then is known: a rekey may have gone on."""
    sample = [*reconciles(-DAY, 0), *events_at("10 RekeyStart a")]
    assert messages(sample, until=5 * HOUR) == ["rekey stuck in start for at most 4h 59min"]


def test_a_rekey_that_is_begun_again_soon_goes_on() -> None:
    assert (
        findings_of(events_at("0 RekeyStart a", "200 RekeyStart a", "210 RekeyAdvance a", "220 RekeyComplete a")) == []
    )


def test_a_rekey_that_is_begun_again_and_again_is_stuck() -> None:
    sample = events_at(
        *(f"{at} RekeyStart a" for at in range(0, 900, 200)), "820 RekeyAdvance a", "820 RekeyComplete a"
    )
    assert findings_of(sample) == [("stuck_rekey", "a", [0, 200, 400, 600])]


def test_a_rekey_that_a_restart_cut_short_is_not_stuck() -> None:
    sample = events_at("0 RekeyStart a", "60 Init", "70 RekeyInstallBoth b", "71 RekeyInstallBoth a")
    (rekey,) = operations.rekeys(sample)
    assert (rekey.state, rekey.ended_by, rekey.duration) == ("start", "RekeyInstallBoth", timedelta(seconds=71))
    assert "stuck_rekey" not in {kind for kind, *_ in findings_of(sample)}
    assert "stuck_rekey" not in {kind for kind, *_ in findings_of(without_payloads(sample))}


def test_a_rekey_that_was_stuck_until_a_restart_is_found() -> None:
    assert findings_of(events_at("0 RekeyStart a", "600 RekeyInstallBoth a")) == [("stuck_rekey", "a", [0])]


def test_keys_without_a_tunnel_may_be_for_any() -> None:
    """Keys installed without a tunnel may be for any tunnel."""
    sample = events_at("0 RekeyStart a", "60 RekeyInstallBoth a")
    assert findings_of([sample[0], *without_payloads(sample[1:])]) == []
    assert findings_of([*without_payloads(sample[:1]), sample[1]]) == []


def test_keys_installed_for_another_tunnel_change_nothing() -> None:
    assert findings_of(events_at("0 RekeyStart a", "60 RekeyInstallBoth b")) == [("stuck_rekey", "a", [0])]


def test_reset_ends_when_there_are_keys_again() -> None:
    """A reset is critical, and is over when there are keys again."""
    sample = events_at("0 RekeyReset a", "4 RekeyInstallBoth b", "9 RekeyInstallBoth a")
    (rekey,) = operations.rekeys(sample)
    assert (rekey.state, rekey.duration, offsets(rekey.event_ids)) == ("reset", timedelta(seconds=9), [0, 9])
    assert findings_of(sample) == [("rekey_reset", "a", [0, 9])]
    assert operations.report(sample).worst == "critical"


def test_a_reset_ends_the_rekey_that_was_going_on() -> None:
    sample = events_at("0 RekeyStart a", "10 RekeyReset a", "12 RekeyInstallBoth a")
    assert [(rekey.state, rekey.ended_by) for rekey in operations.rekeys(sample)] == [
        ("start", "RekeyReset"),
        ("reset", "RekeyInstallBoth"),
    ]
    assert findings_of(sample) == [("rekey_reset", "a", [10, 12])]


def test_a_step_after_a_reset_belongs_to_another_rekey() -> None:
    sample = events_at("0 RekeyReset a", "60 RekeyAdvance a", "61 RekeyComplete a")
    assert [rekey.state for rekey in operations.rekeys(sample)] == ["reset", "complete"]


def test_a_reset_after_an_hour_in_one_step_is_two_findings() -> None:
    sample = events_at("0 RekeyStart a", "3600 RekeyReset a")
    expected = {("rekey_reset", "a"), ("stuck_rekey", "a")}
    assert {finding[:2] for finding in findings_of(sample)} == expected
    assert {finding[0] for finding in findings_of(without_payloads(sample))} == {kind for kind, _ in expected}


def test_step_without_payload_joins_the_newest_rekey() -> None:
    """A step without a payload belongs to the rekey that was begun last."""
    steps = events_at("0 RekeyStart a", "9 RekeyAdvance a", "12 RekeyComplete a")
    for place in range(3):
        mixed: list[Any] = [*steps[:place], *without_payloads(steps[place : place + 1]), *steps[place + 1 :]]
        (rekey,) = operations.rekeys(mixed)
        assert (rekey.tunnel_id, rekey.state) == ("a", "complete")

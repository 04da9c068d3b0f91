"""The keys of tunnels are followed, step by step."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from support.told import bare, event, seconds, story

from cfevents import operations

TWO = story(
    "0 RekeyStart a", "3 RekeyStart b", "5 RekeyRestart a", "9 RekeyAdvance b",
    "12 RekeyAdvance a", "13 RekeyComplete a", "20 RekeyComplete b",
)  # fmt: skip


def found(events: Sequence[Any], until: int = 7200) -> list[tuple[str, object, list[int]]]:
    """The findings, of which tunnel, and when their evidence was recorded."""
    report = operations.report(events, until=event(until, "Init").event.metadata.recorded_ts)
    return [(each.kind, each.details.get("tunnel_id"), seconds(each.event_ids)) for each in report.findings]


def test_tunnels_that_rekey_side_by_side_are_told_apart() -> None:
    one, other = operations.rekeys(TWO)
    assert (one.tunnel_id, one.state, one.restarts, seconds(one.event_ids)) == ("a", "complete", 1, [0, 5, 12, 13])
    assert (other.tunnel_id, other.state, other.restarts, seconds(other.event_ids)) == ("b", "complete", 0, [3, 9, 20])
    assert (one.duration, other.duration) == (timedelta(seconds=13), timedelta(seconds=17))
    assert one.ended_by == "RekeyComplete"


def test_without_payloads_as_many_rekeys_are_seen_though_not_of_which_tunnel() -> None:
    rekeys = operations.rekeys(bare(TWO))
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
    told = story(*steps)
    (rekey,) = operations.rekeys(told)
    assert (rekey.state, rekey.ended_at, rekey.duration) == (state, None, None)
    assert found(told) == [("stuck_rekey", "a", seconds(rekey.event_ids))]
    assert found(told, until=300) == []


def test_a_rekey_that_is_stuck_is_found_beside_others_that_are_not() -> None:
    others = story("3600 RekeyStart b", "3610 RekeyAdvance b", "3611 RekeyComplete b")
    told = [*story("0 RekeyStart a"), *others]
    assert found(told) == [("stuck_rekey", "a", [0])]
    assert [each[2] for each in found(bare(told))] == [[0]]


def test_a_rekey_that_is_begun_again_soon_goes_on() -> None:
    assert found(story("0 RekeyStart a", "200 RekeyStart a", "210 RekeyAdvance a", "220 RekeyComplete a")) == []


def test_a_rekey_that_is_begun_again_and_again_is_stuck() -> None:
    told = story(*(f"{at} RekeyStart a" for at in range(0, 900, 200)), "820 RekeyAdvance a", "820 RekeyComplete a")
    assert found(told) == [("stuck_rekey", "a", [0, 200, 400, 600])]


def test_a_rekey_that_a_restart_cut_short_is_not_stuck() -> None:
    told = story("0 RekeyStart a", "60 Init", "70 RekeyInstallBoth b", "71 RekeyInstallBoth a")
    (rekey,) = operations.rekeys(told)
    assert (rekey.state, rekey.ended_by, rekey.duration) == ("start", "RekeyInstallBoth", timedelta(seconds=71))
    assert "stuck_rekey" not in {kind for kind, *_ in found(told)}
    assert "stuck_rekey" not in {kind for kind, *_ in found(bare(told))}


def test_a_rekey_that_was_stuck_until_a_restart_is_found() -> None:
    assert found(story("0 RekeyStart a", "600 RekeyInstallBoth a")) == [("stuck_rekey", "a", [0])]


def test_keys_installed_for_nobody_knows_whom_may_be_for_any_tunnel() -> None:
    told = story("0 RekeyStart a", "60 RekeyInstallBoth a")
    assert found([told[0], *bare(told[1:])]) == []
    assert found([*bare(told[:1]), told[1]]) == []


def test_keys_installed_for_another_tunnel_change_nothing() -> None:
    assert found(story("0 RekeyStart a", "60 RekeyInstallBoth b")) == [("stuck_rekey", "a", [0])]


def test_a_reset_is_an_alarm_and_over_when_there_are_keys_again() -> None:
    told = story("0 RekeyReset a", "4 RekeyInstallBoth b", "9 RekeyInstallBoth a")
    (rekey,) = operations.rekeys(told)
    assert (rekey.state, rekey.duration, seconds(rekey.event_ids)) == ("reset", timedelta(seconds=9), [0, 9])
    assert found(told) == [("rekey_reset", "a", [0, 9])]
    assert operations.report(told).worst == "critical"


def test_a_reset_ends_the_rekey_that_was_going_on() -> None:
    told = story("0 RekeyStart a", "10 RekeyReset a", "12 RekeyInstallBoth a")
    assert [(rekey.state, rekey.ended_by) for rekey in operations.rekeys(told)] == [
        ("start", "RekeyReset"),
        ("reset", "RekeyInstallBoth"),
    ]
    assert found(told) == [("rekey_reset", "a", [10, 12])]


def test_a_step_after_a_reset_belongs_to_another_rekey() -> None:
    told = story("0 RekeyReset a", "60 RekeyAdvance a", "61 RekeyComplete a")
    assert [rekey.state for rekey in operations.rekeys(told)] == ["reset", "complete"]


def test_a_reset_after_an_hour_in_one_step_is_two_findings() -> None:
    told = story("0 RekeyStart a", "3600 RekeyReset a")
    expected = {("rekey_reset", "a"), ("stuck_rekey", "a")}
    assert {each[:2] for each in found(told)} == expected
    assert {each[0] for each in found(bare(told))} == {kind for kind, _ in expected}


def test_a_step_without_a_payload_belongs_to_the_rekey_that_was_begun_last() -> None:
    steps = story("0 RekeyStart a", "9 RekeyAdvance a", "12 RekeyComplete a")
    for place in range(3):
        mixed: list[Any] = [*steps[:place], *bare(steps[place : place + 1]), *steps[place + 1 :]]
        (rekey,) = operations.rekeys(mixed)
        assert (rekey.tunnel_id, rekey.state) == ("a", "complete")

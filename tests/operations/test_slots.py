"""Boot slots: blessed after an upgrade, or not."""

import pytest
from support.told import HOUR, event, seconds, story

from cfevents import operations

UPGRADED = ["0 StartUpgrade", "60 FinishUpgradeSuccess"]


def found(*lines: str, until: int = 3 * HOUR) -> list[list[int]]:
    report = operations.report(story(*lines), until=event(until, "Init").event.metadata.recorded_ts)
    assert {finding.kind for finding in report.findings} <= {"unblessed_slot"}
    return [seconds(finding.event_ids) for finding in report.findings]


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (["90 BlessSlotPending", "99 BlessSlotSuccess"], "blessed"),
        (["90 BlessSlotFailure", "99 BlessSlotSuccess"], "blessed"),
        (["90 BlessSlotPending", "99 BlessSlotFailure"], "failed"),
        (["90 BlessSlotPending"], "pending"),
        ([], "unknown"),
    ],
)
def test_what_is_told_last_of_a_slot_is_what_became_of_it(told: list[str], outcome: str) -> None:
    (slot,) = operations.slots(story(*UPGRADED, *told))
    assert slot.outcome == outcome
    assert seconds(slot.event_ids) == [60, *(int(line.split()[0]) for line in told)]
    assert (slot.decided_at is None) == (outcome in {"pending", "unknown"})


def test_a_slot_that_could_not_be_blessed_is_found_at_once() -> None:
    assert found(*UPGRADED, "90 BlessSlotFailure", until=91) == [[60, 90]]


def test_a_slot_that_is_still_pending_is_found_after_an_hour() -> None:
    assert found(*UPGRADED, "90 BlessSlotPending") == [[60, 90]]
    assert found(*UPGRADED, "90 BlessSlotPending", until=HOUR) == []


def test_appliances_that_never_tell_of_slots_are_not_asked_for_it() -> None:
    assert found(*UPGRADED) == []


def test_one_that_told_of_a_slot_before_is_expected_to() -> None:
    before = ["0 FinishUpgradeSuccess", "9 BlessSlotSuccess"]
    assert found(*before, "100 StartUpgrade", "200 FinishUpgradeSuccess") == [[200]]


def test_the_next_upgrade_begins_another_slot() -> None:
    told = story("0 FinishUpgradeSuccess", "9 BlessSlotPending", "500 FinishUpgradeSuccess", "510 BlessSlotSuccess")
    assert [slot.outcome for slot in operations.slots(told)] == ["pending", "blessed"]
    # The first had eight minutes, in which it need not have been blessed.
    assert (
        found("0 FinishUpgradeSuccess", "9 BlessSlotPending", "500 FinishUpgradeSuccess", "510 BlessSlotSuccess") == []
    )
    assert operations.slots(told)[0].replaced_at == told[2].event.metadata.recorded_at


def test_what_is_told_of_a_slot_without_an_upgrade_stands_alone() -> None:
    assert found("0 BlessSlotFailure") == [[0]]
    told = story("0 FinishUpgradeSuccess", "9 BlessSlotSuccess", "900 BlessSlotFailure")
    assert [slot.outcome for slot in operations.slots(told)] == ["blessed", "failed"]
    assert operations.slots(told)[1].upgraded_at is None


@pytest.mark.parametrize(("waited", "is_found"), [(HOUR, False), (HOUR + 1, True)])
def test_a_slot_may_be_pending_for_an_hour(waited: int, is_found: bool) -> None:
    assert found("0 BlessSlotPending", until=waited) == [[0]] * is_found


def test_the_version_of_a_slot_is_what_came_with_its_blessing() -> None:
    told = [event(0, "FinishUpgradeSuccess", version="1"), event(60, "BlessSlotFailure", version="2")]
    assert [slot.version for slot in operations.slots(told)] == ["2"]
    assert operations.report(told).findings[0].details["version"] == "2"

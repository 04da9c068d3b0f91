"""Boot slots: blessed after an upgrade, or not."""

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, event, events_at, offsets, reconciles

from cfevents import operations

UPGRADED = ["0 StartUpgrade", "60 FinishUpgradeSuccess"]


def findings_of(*lines: str, until: int = 3 * HOUR) -> list[list[int]]:
    report = operations.report(events_at(*lines), until=event(until, "Init").event.metadata.recorded_ts)
    assert {finding.kind for finding in report.findings} <= {"unblessed_slot"}
    return [offsets(finding.event_ids) for finding in report.findings]


@pytest.mark.parametrize(
    ("sample", "outcome"),
    [
        (["90 BlessSlotPending", "99 BlessSlotSuccess"], "blessed"),
        (["90 BlessSlotFailure", "99 BlessSlotSuccess"], "blessed"),
        (["90 BlessSlotPending", "99 BlessSlotFailure"], "failed"),
        (["90 BlessSlotPending"], "pending"),
        ([], "unknown"),
    ],
)
def test_last_event_of_a_slot_decides(sample: list[str], outcome: str) -> None:
    """The last event of a slot is its outcome."""
    (slot,) = operations.slots(events_at(*UPGRADED, *sample))
    assert slot.outcome == outcome
    assert offsets(slot.event_ids) == [60, *(int(line.split()[0]) for line in sample)]
    assert (slot.decided_at is None) == (outcome in {"pending", "unknown"})


def test_a_slot_that_could_not_be_blessed_is_found_at_once() -> None:
    assert findings_of(*UPGRADED, "90 BlessSlotFailure", until=91) == [[60, 90]]


def test_a_slot_that_is_still_pending_is_found_after_an_hour() -> None:
    assert findings_of(*UPGRADED, "90 BlessSlotPending") == [[60, 90]]
    assert findings_of(*UPGRADED, "90 BlessSlotPending", until=HOUR) == []


def test_appliances_without_slot_events() -> None:
    """Appliances that never record slots have no findings of them."""
    assert findings_of(*UPGRADED) == []


def test_slot_events_are_expected_once_seen() -> None:
    """A connector that recorded a slot's event before is expected to do so again."""
    before = ["0 FinishUpgradeSuccess", "9 BlessSlotSuccess"]
    assert findings_of(*before, "100 StartUpgrade", "200 FinishUpgradeSuccess") == [[200]]


def test_the_next_upgrade_begins_another_slot() -> None:
    sample = events_at(
        "0 FinishUpgradeSuccess", "9 BlessSlotPending", "500 FinishUpgradeSuccess", "510 BlessSlotSuccess"
    )
    assert [slot.outcome for slot in operations.slots(sample)] == ["pending", "blessed"]
    # The first had eight minutes, in which it need not have been blessed.
    assert (
        findings_of("0 FinishUpgradeSuccess", "9 BlessSlotPending", "500 FinishUpgradeSuccess", "510 BlessSlotSuccess")
        == []
    )
    assert operations.slots(sample)[0].replaced_at == sample[2].event.metadata.recorded_at


def test_slot_without_an_upgrade() -> None:
    """Events of a slot without an upgrade are a slot of their own."""
    assert findings_of("0 BlessSlotFailure") == [[0]]
    sample = events_at("0 FinishUpgradeSuccess", "9 BlessSlotSuccess", "900 BlessSlotFailure")
    assert [slot.outcome for slot in operations.slots(sample)] == ["blessed", "failed"]
    assert operations.slots(sample)[1].upgraded_at is None


@pytest.mark.parametrize(("waited", "is_found"), [(HOUR, False), (HOUR + 1, True)])
def test_a_slot_may_be_pending_for_an_hour(waited: int, is_found: bool) -> None:
    assert findings_of("0 BlessSlotPending", until=waited) == [[0]] * is_found


def test_the_version_of_a_slot_is_what_came_with_its_blessing() -> None:
    sample = [event(0, "FinishUpgradeSuccess", version="1"), event(60, "BlessSlotFailure", version="2")]
    assert [slot.version for slot in operations.slots(sample)] == ["2"]
    assert operations.report(sample).findings[0].details["version"] == "2"


def test_a_slot_is_not_known_to_be_unblessed_in_a_silence() -> None:
    sample = [*reconciles(-DAY, 600), *events_at("0 BlessSlotPending")]
    report = operations.report(sample, until=BEGIN + 5 * HOUR)
    message = "boot slot was not blessed when the connector went silent 5min 5s later; the next boot rolls back"
    assert message in [item.message for item in report.findings]

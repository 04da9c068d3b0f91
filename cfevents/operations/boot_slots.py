"""Boot slots: whether a new version stays after an upgrade."""

from datetime import datetime
from itertools import pairwise
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import Journal, Record, accepts_any_events

SlotOutcome: TypeAlias = Literal["blessed", "failed", "pending", "unknown"]
"""The last known state of a slot."""

_OUTCOMES: dict[str, SlotOutcome] = {
    "BlessSlotSuccess": "blessed",
    "BlessSlotFailure": "failed",
    "BlessSlotPending": "pending",
}


@frozen
class Slot(HtmlRepr):
    """A boot slot after an upgrade. Unless it is blessed, the connector rolls back at the next boot."""

    connector_id: str | None
    """The connector; None if the events do not name it."""

    outcome: SlotOutcome
    """``"blessed"``; ``"failed"`` if that failed; ``"pending"`` if it is not blessed yet; ``"unknown"`` without
    events of the slot, as on appliances that do not record any."""

    upgraded_at: datetime | None
    """When the upgrade had succeeded; None if that is not among the events."""

    decided_at: datetime | None
    """When it was blessed, or that failed; None if neither."""

    replaced_at: datetime | None
    """When the next upgrade had succeeded; None without one."""

    version: str | None
    """Version that its outcome came with; None without payloads."""

    expected: bool
    """Whether the connector had recorded an event of a slot before, and can be expected to do so again."""

    event_ids: tuple[EventId, ...]
    """The upgrade's success, and the events of the slot."""

    @property
    def first_at(self) -> datetime:
        """When the first of its events was recorded."""
        return to_datetime(self.event_ids[0].recorded_ts)


@accepts_any_events
def slots(events: Journal) -> list[Slot]:
    """Find for each upgrade that succeeded whether its boot slot was blessed.

    Args:
        events: Events in any order; ``FinishUpgradeSuccess`` and all kinds that begin with BlessSlot.

    Returns:
        The slots, by connector, ascending.
    """
    return [slot for connector_id, records in events.connectors() for slot in slots_of(connector_id, records)]


@define
class _SlotRecords:
    """The records of one slot: the upgrade that filled it, and what was recorded of it since."""

    upgrade: Record | None
    expected: bool
    blessings: list[Record] = field(factory=list)

    @property
    def outcome(self) -> SlotOutcome:
        return _OUTCOMES[self.blessings[-1].kind] if self.blessings else "unknown"


def slots_of(connector_id: str | None, records: list[Record]) -> list[Slot]:
    """Return a connector's slots, ascending."""
    filled: list[_SlotRecords] = []
    expected = False
    for record in records:
        if record.kind == "FinishUpgradeSuccess":
            filled.append(_SlotRecords(record, expected))
        elif outcome := _OUTCOMES.get(record.kind):
            # A blessed slot stays blessed. Any other outcome after that is of an upgrade that is not among the events.
            if not filled or (filled[-1].outcome == "blessed" and outcome != "blessed"):
                filled.append(_SlotRecords(None, expected))
            filled[-1].blessings.append(record)
            expected = True
    return [_to_slot(connector_id, slot, following) for slot, following in pairwise([*filled, None]) if slot]


def _to_slot(connector_id: str | None, slot: _SlotRecords, following: _SlotRecords | None) -> Slot:
    upgrade, outcome = slot.upgrade, slot.outcome
    replacement = None if following is None else following.upgrade
    decision = next((record for record in slot.blessings if _OUTCOMES[record.kind] == outcome), None)
    return Slot(
        connector_id,
        outcome,
        upgraded_at=upgrade and upgrade.recorded_at,
        decided_at=decision.recorded_at if decision and outcome != "pending" else None,
        replaced_at=replacement and replacement.recorded_at,
        version=decision and decision.payload.version,
        expected=slot.expected,
        event_ids=tuple(record.id for record in [upgrade, *slot.blessings] if record),
    )

"""Boot slots: whether a new version stays after an upgrade."""

from datetime import datetime
from itertools import pairwise
from typing import Literal, TypeAlias

from attrs import frozen

from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import ConnectorResult, Journal, Record, accepts_any_events, split

SlotOutcome: TypeAlias = Literal["blessed", "failed", "pending", "unknown"]

_UPGRADED = "FinishUpgradeSuccess"
_OUTCOMES: dict[str, SlotOutcome] = {
    "BlessSlotSuccess": "blessed",
    "BlessSlotFailure": "failed",
    "BlessSlotPending": "pending",
}
_SLOT_KINDS = {_UPGRADED, *_OUTCOMES}


@frozen
class Slot(ConnectorResult):
    """A boot slot after an upgrade. Unless it is blessed, the connector rolls back at the next boot."""

    outcome: SlotOutcome
    """``"blessed"``; ``"failed"``; ``"pending"`` if it is not blessed yet; ``"unknown"`` without events of the slot."""

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
    slots: list[Slot] = []
    for connector_id, records in events.connectors():
        of_slots = split((record for record in records if record.kind in _SLOT_KINDS), _begins_slot)
        expected = False
        for of_slot, following in pairwise([*of_slots, []]):
            slots.append(_to_slot(connector_id, of_slot, following, expected))
            expected = expected or of_slot[-1].kind in _OUTCOMES
    return slots


def _begins_slot(of_slot: list[Record], record: Record) -> bool:
    # A blessed slot stays blessed. Any other outcome after that is of an upgrade that is not among the events.
    return record.kind == _UPGRADED or (of_slot[-1].kind == "BlessSlotSuccess" and record.kind != "BlessSlotSuccess")


def _to_slot(connector_id: str | None, records: list[Record], following: list[Record], expected: bool) -> Slot:
    upgraded_at, replaced_at = (
        next((record.recorded_at for record in of_slot if record.kind == _UPGRADED), None)
        for of_slot in (records, following)
    )
    outcome = _OUTCOMES.get(records[-1].kind, "unknown")
    decision = next((record for record in records if _OUTCOMES.get(record.kind) == outcome), None)
    return Slot(
        connector_id,
        outcome,
        upgraded_at=upgraded_at,
        decided_at=decision.recorded_at if decision and outcome != "pending" else None,
        replaced_at=replaced_at,
        version=decision and decision.payload.version,
        expected=expected,
        event_ids=tuple(record.id for record in records),
    )

"""Boot slots: whether a new version stays after an upgrade."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record

SlotOutcome: TypeAlias = Literal["blessed", "failed", "pending", "unknown"]
"""What became of a slot."""

_OUTCOMES: dict[str, SlotOutcome] = {
    "BlessSlotSuccess": "blessed",
    "BlessSlotFailure": "failed",
    "BlessSlotPending": "pending",
}


@frozen
class Slot(HtmlRepr):
    """A boot slot after an upgrade. Unless it is blessed, the connector rolls back at the next boot."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose it is; None where the events do not say."""

    outcome: SlotOutcome
    """``"blessed"``; ``"failed"`` where that failed; ``"pending"`` where it is not blessed yet; ``"unknown"`` where no
    event tells, as on appliances that do not record it."""

    upgraded_at: datetime | None
    """When the upgrade had succeeded; None where that is not among the events."""

    decided_at: datetime | None
    """When it was blessed, or that failed; None if neither."""

    replaced_at: datetime | None
    """When the next upgrade had succeeded; None where there is none."""

    version: str | None
    """Version that came with what became of it; None without payloads."""

    expected: bool
    """Whether the connector had recorded the blessing of a slot before, and may be expected to do so again."""

    event_ids: tuple[EventId, ...]
    """The upgrade's success, and what was recorded of the slot."""

    @property
    def first_at(self) -> datetime:
        """When the first of its events was recorded."""
        return to_datetime(self.event_ids[0].recorded_ts)


@accepts_any_events
def slots(events: Journal) -> list[Slot]:
    """Tell for each upgrade that succeeded whether its boot slot was blessed.

    Args:
        events: Events in any order; ``FinishUpgradeSuccess`` and all kinds that begin with BlessSlot.

    Returns:
        The slots, by connector, ascending.
    """
    return [slot for connector_id, records in events.connectors() for slot in slots_of(connector_id, records)]


def slots_of(connector_id: str | None, records: list[Record]) -> list[Slot]:
    """Find a connector's slots."""
    trials = pairwise([*_trials(records), None])
    return [_slot(connector_id, trial, following) for trial, following in trials if trial is not None]


@define
class _Trial:
    """A new version on trial."""

    upgraded: Record | None
    expected: bool
    told: list[Record] = field(factory=list)

    @property
    def outcome(self) -> SlotOutcome:
        return _OUTCOMES[self.told[-1].kind] if self.told else "unknown"


def _trials(records: list[Record]) -> Iterator[_Trial]:
    trial: _Trial | None = None
    expected = False
    for record in records:
        if record.kind == "FinishUpgradeSuccess":
            if trial is not None:
                yield trial
            trial = _Trial(record, expected)
        elif outcome := _OUTCOMES.get(record.kind):
            # A slot that is blessed stays so: what is told of another one belongs to an upgrade that is not there.
            if trial is not None and trial.outcome == "blessed" and outcome != "blessed":
                yield trial
                trial = None
            trial = trial or _Trial(None, expected)
            trial.told.append(record)
            expected = True
    if trial is not None:
        yield trial


def _slot(connector_id: str | None, trial: _Trial, following: _Trial | None) -> Slot:
    first = next((record for record in trial.told if _OUTCOMES[record.kind] == trial.outcome), None)
    known = [trial.upgraded] if trial.upgraded else []
    replaced = None if following is None else following.upgraded
    return Slot(
        connector_id,
        trial.outcome,
        trial.upgraded and trial.upgraded.recorded_at,
        first.recorded_at if first and trial.outcome in {"blessed", "failed"} else None,
        replaced and replaced.recorded_at,
        first and first.version,
        trial.expected,
        tuple(record.id for record in [*known, *trial.told]),
    )

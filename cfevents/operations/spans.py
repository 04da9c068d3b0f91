"""Operations that are started and answered, and the boot slots of upgrades: whether a new version stays."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events, split
from cfevents.operations.series import EventSeries, Record

Operation: TypeAlias = Literal["Attestation", "RotateCryptKey", "RotatePki", "Upgrade"]
"""The operation: the common part of the API's names for its kinds."""

Answer: TypeAlias = Literal["success", "failure"]

_STARTS: dict[str, Operation] = {f"Start{name}": name for name in get_args(Operation)}
_FINISHES: dict[str, tuple[Operation, Answer]] = {
    f"Finish{name}{answer.title()}": (name, answer) for name in get_args(Operation) for answer in get_args(Answer)
}


@frozen
class Span(HtmlRepr):
    """An operation from its start to its answer."""

    operation: Operation
    """The operation: ``"Upgrade"`` for ``StartUpgrade``."""

    connector_id: str | None
    """The connector; None if the events do not name it."""

    outcome: Literal["success", "failure", "open", "orphan"]
    """``"success"`` or ``"failure"``; ``"open"`` without an answer so far, or if it was started again before one came;
    ``"orphan"`` for an answer without a start."""

    answer: Answer | None
    """Its answer, an orphan's too; None without one."""

    started_at: datetime | None
    """When its start was recorded; None for an orphan."""

    finished_at: datetime | None
    """When its answer was recorded; None without one."""

    version: str | None
    """Version that its start came with, or an orphan's answer; None without payloads."""

    url: str | None
    """Location of upgrade bundle; None for other operations, and without payloads."""

    event_ids: tuple[EventId, ...]
    """Its start and its answer, if they are among the events."""

    @property
    def duration(self) -> timedelta | None:
        """Time from start to answer; None if one of them is missing."""
        return None if self.started_at is None or self.finished_at is None else self.finished_at - self.started_at


@accepts_any_events
def spans(events: Journal) -> list[Span]:
    """Pair each start with the success or the failure that answers it.

    ``StartX`` is answered by the next ``FinishXSuccess`` or ``FinishXFailure``. An appliance is assumed to run one
    operation of a sort at a time: nothing in the events tells two of them apart.

    Args:
        events: Events in any order; all kinds that begin with Start or Finish.

    Returns:
        The operations, by connector, ascending.
    """
    return [span for series in events._series() for span in spans_of(series)]


def spans_of(series: EventSeries) -> list[Span]:
    """Return the operations of a connector, ascending."""
    paired = (_to_span(operation, series.connector_id, start, finish) for operation, start, finish in _pairs(series))
    return sorted(paired, key=lambda span: span.event_ids[0])


def is_drawn(span: Span) -> bool:
    """Return whether a page draws an operation: an upgrade, and any other that did not succeed."""
    return span.operation == "Upgrade" or span.outcome != "success"


def _pairs(series: EventSeries) -> Iterator[tuple[Operation, Record | None, Record | None]]:
    starts: dict[Operation, Record] = {}
    for record in series.records:
        if operation := _STARTS.get(record.kind):
            if earlier := starts.get(operation):
                yield operation, earlier, None
            starts[operation] = record
        elif finish := _FINISHES.get(record.kind):
            yield finish[0], starts.pop(finish[0], None), record
    for operation, start in starts.items():
        yield operation, start, None


def _to_span(operation: Operation, connector_id: str | None, start: Record | None, finish: Record | None) -> Span:
    records = [record for record in (start, finish) if record is not None]
    answer = _FINISHES[finish.kind][1] if finish else None
    return Span(
        operation,
        connector_id,
        outcome=(answer or "open") if start else "orphan",
        answer=answer,
        started_at=start and start.recorded_at,
        finished_at=finish and finish.recorded_at,
        version=records[0].payload.version,
        url=start and start.payload.url,
        event_ids=tuple(record.id for record in records),
    )


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
    return [slot for series in events._series() for slot in slots_of(series)]


def slots_of(series: EventSeries) -> Iterator[Slot]:
    """Yield the slots of a connector, ascending."""
    of_slots = split((record for record in series.records if record.kind in _SLOT_KINDS), _begins_slot)
    expected = False
    for of_slot, following in pairwise([*of_slots, []]):
        yield _to_slot(series.connector_id, of_slot, following, expected)
        expected = expected or of_slot[-1].kind in _OUTCOMES


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

"""Operations that are started and answered: upgrades, attestations, rotations."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents.operations.journal import Journal, Record, accepts_any_events

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
    spans: list[Span] = []
    for connector_id, records in events.connectors():
        paired = (_to_span(operation, connector_id, start, finish) for operation, start, finish in _pairs(records))
        spans += sorted(paired, key=lambda span: span.event_ids[0])
    return spans


def _pairs(records: list[Record]) -> Iterator[tuple[Operation, Record | None, Record | None]]:
    starts: dict[Operation, Record] = {}
    for record in records:
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

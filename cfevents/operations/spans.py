"""Operations that are started and answered: upgrades, attestations, rotations."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record

Operation: TypeAlias = Literal["Attestation", "RotateCryptKey", "RotatePki", "Upgrade"]
"""What was started: what the API's names for it have in common."""

SpanOutcome: TypeAlias = Literal["success", "failure", "open", "orphan"]
"""How it ended, as far as is known."""

Answer: TypeAlias = Literal["success", "failure"]
"""What its finish said."""

_OPERATIONS: tuple[Operation, ...] = ("Attestation", "RotateCryptKey", "RotatePki", "Upgrade")
_STARTS: dict[str, Operation] = {f"Start{name}": name for name in _OPERATIONS}
_SUCCESSES: dict[str, Operation] = {f"Finish{name}Success": name for name in _OPERATIONS}
_FAILURES: dict[str, Operation] = {f"Finish{name}Failure": name for name in _OPERATIONS}
_FINISHES = _SUCCESSES | _FAILURES


@frozen
class Span(HtmlRepr):
    """An operation from its start to its answer."""

    __module__ = "cfevents.operations"

    operation: Operation
    """What was started: ``"Upgrade"`` for ``StartUpgrade``."""

    connector_id: str | None
    """Whose it is; None where the events do not say."""

    outcome: SpanOutcome
    """``"success"`` or ``"failure"``; ``"open"`` without an answer so far, or where it was started again before one
    came; ``"orphan"`` for an answer without a start."""

    answer: Answer | None
    """What its answer was, an orphan's too; None where there is none."""

    started_at: datetime | None
    """When its start was recorded; None for an orphan."""

    finished_at: datetime | None
    """When its answer was recorded; None where there is none."""

    version: str | None
    """Version that its start came with, an orphan's answer with; None without payloads."""

    url: str | None
    """Location of upgrade bundle; None for other operations, and without payloads."""

    event_ids: tuple[EventId, ...]
    """Its start and its answer, as far as they are there."""

    @property
    def duration(self) -> timedelta | None:
        """How long it took; None unless it has both start and answer."""
        return None if self.started_at is None or self.finished_at is None else self.finished_at - self.started_at


@accepts_any_events
def spans(events: Journal) -> list[Span]:
    """Pair each start with the success or the failure that answers it.

    ``StartX`` is answered by the next ``FinishXSuccess`` or ``FinishXFailure``. An appliance is taken to do one such
    thing at a time: nothing in the events would tell two of them apart.

    Args:
        events: Events in any order; all kinds that begin with Start or Finish.

    Returns:
        What was started and what was answered, by connector, ascending.
    """
    found = [span for connector_id, records in events.connectors() for span in spans_of(connector_id, records)]
    return [span for _, span in found]


def spans_of(connector_id: str | None, records: list[Record]) -> list[tuple[Record, Span]]:
    """Find a connector's spans, each with the record that it begins with."""
    return sorted(_paired(connector_id, records), key=lambda pair: pair[0][:2])


def _paired(connector_id: str | None, records: list[Record]) -> Iterator[tuple[Record, Span]]:
    started: dict[Operation, Record] = {}
    for record in records:
        if operation := _STARTS.get(record.kind):
            if earlier := started.get(operation):
                yield earlier, _span(operation, connector_id, earlier, None)
            started[operation] = record
        elif operation := _FINISHES.get(record.kind):
            begun = started.pop(operation, None)
            yield begun or record, _span(operation, connector_id, begun, record)
    for operation, begun in started.items():
        yield begun, _span(operation, connector_id, begun, None)


def _span(operation: Operation, connector_id: str | None, begun: Record | None, ended: Record | None) -> Span:
    known = [record for record in (begun, ended) if record is not None]
    answer = ended and _answer(ended)
    return Span(
        operation,
        connector_id,
        "orphan" if begun is None else answer or "open",
        answer,
        begun and begun.recorded_at,
        ended and ended.recorded_at,
        known[0].version,
        begun and begun.url,
        tuple(record.id for record in known),
    )


def _answer(ended: Record) -> Answer:
    return "success" if ended.kind in _SUCCESSES else "failure"

"""The runs of a connector's process, from each start to its stop or crash."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias

from attrs import define, evolve, field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record
from cfevents.operations.limits import Limits, limits_of

RunOutcome: TypeAlias = Literal["stopped", "crashed", "running"]
"""How a run ended."""


@frozen
class Run(HtmlRepr):
    """A run of the process, from ``Init`` to ``Leave``."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose it is; None where the events do not say."""

    outcome: RunOutcome
    """``"stopped"`` by a ``Leave``; ``"crashed"`` where the next ``Init`` came without one: a crash or a power cut;
    ``"running"`` where neither has come."""

    started_at: datetime | None
    """When its ``Init`` was recorded; None where it is not among the events."""

    last_at: datetime
    """When its last event was recorded, of whatever kind: its ``Leave``, if it was stopped."""

    next_at: datetime | None
    """When the next run started; None where there is none."""

    in_loop: bool
    """Whether it was started in a restart loop: several starts, none long after the other."""

    version: str | None
    """Version that its events came with; None without payloads."""

    event_ids: tuple[EventId, ...]
    """Its ``Init``, its last event, and after a crash the next ``Init``, which shows it; as far as they are there."""

    @property
    def uptime(self) -> timedelta | None:
        """From its start to its last event; None where the start is not known."""
        return None if self.started_at is None else self.last_at - self.started_at

    @property
    def downtime(self) -> timedelta | None:
        """From its last event to the next start, after a crash the most that it can have been; None without one."""
        return None if self.next_at is None else self.next_at - self.last_at


@accepts_any_events
def runs(events: Journal, *, limits: Limits | None = None) -> list[Run]:
    """Tell the runs of each connector's process apart.

    The events have to be of all kinds: after a listing of ``Init`` alone, every run is a crash.

    Args:
        events: Events in any order.
        limits: What a restart loop is (``loop_starts`` and ``loop_pause``).

    Returns:
        The runs, by connector, ascending. The first may have begun before the events do.
    """
    chosen = limits_of(limits)
    return [run for connector_id, records in events.connectors() for run in runs_of(connector_id, records, chosen)]


def runs_of(connector_id: str | None, records: list[Record], limits: Limits) -> list[Run]:
    """Find the runs of a connector's process."""
    found = [*_cut(records)]
    made = [_run(connector_id, each, following) for each, following in pairwise([*found, None]) if each]
    looping = {id(run) for loop in loops(made, limits) for run in loop}
    return [evolve(run, in_loop=id(run) in looping) for run in made]


@define
class _Cut:
    """The events of a run."""

    begun: Record | None
    last: Record
    stopped: bool = False
    version: str | None = field(default=None)


def _cut(records: list[Record]) -> Iterator[_Cut]:
    run: _Cut | None = None
    for record in records:
        if record.kind == "Init":
            if run is not None:
                yield run
            run = _Cut(record, record)
        elif run is None or (run.stopped and record.kind == "Leave"):
            # What follows a stop is the rest of it, unless it is another stop: then a start is missing.
            if run is not None:
                yield run
            run = _Cut(None, record)
        if not run.stopped:
            run.last, run.stopped = record, record.kind == "Leave"
            run.version = run.version or record.version
    if run is not None:
        yield run


def _run(connector_id: str | None, run: _Cut, following: _Cut | None) -> Run:
    begun = None if following is None else following.begun
    crashed = not run.stopped and begun is not None
    shown_by = [run.begun, run.last, begun if crashed else None]
    return Run(
        connector_id,
        "stopped" if run.stopped else "crashed" if crashed else "running",
        run.begun and run.begun.recorded_at,
        run.last.recorded_at,
        begun and begun.recorded_at,
        False,
        run.version,
        tuple(dict.fromkeys(record.id for record in shown_by if record is not None)),
    )


def loops(runs: Sequence[Run], limits: Limits) -> list[list[Run]]:
    """Find the restart loops among a connector's runs, each as the runs that were started in it."""
    return [series for series in _series(runs, limits) if len(series) >= limits.loop_starts]


def _series(runs: Iterable[Run], limits: Limits) -> Iterator[list[Run]]:
    """Cut the runs into series that were started in quick succession."""
    series: list[Run] = []
    before: datetime | None = None
    for run in runs:
        if run.started_at is None:
            continue
        if before is not None and run.started_at - before > limits.loop_pause:
            yield series
            series = []
        series.append(run)
        before = run.started_at
    yield series

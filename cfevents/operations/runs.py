"""The runs of a connector's process, from each start to its stop or the next start."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from attrs import evolve, frozen

from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events, split
from cfevents.operations.limits import Limits, limits_or_default
from cfevents.operations.series import EventSeries, Record

Outcome: TypeAlias = Literal["stopped", "upgraded", "unclean", "running"]


@frozen
class Run(ConnectorResult):
    """A run of the process, from ``Init`` to ``Leave``."""

    outcome: Outcome
    """``"stopped"`` by a ``Leave``; ``"upgraded"`` if the next ``Init`` came without one, in the course of
    an upgrade that succeeded or soon after one had ended; ``"unclean"`` if it came without either: a crash, a power cut
    or a restart that somebody ordered; ``"running"`` if none has come."""

    started_at: datetime | None
    """When its ``Init`` was recorded; None if it is not among the events."""

    last_at: datetime
    """When its last event was recorded, of any kind: its ``Leave``, if it was stopped."""

    next_at: datetime | None
    """When the next run started; None without one."""

    upgraded_at: datetime | None
    """When the upgrade ended whose restart ended the run, or began, if it succeeded later; None unless upgraded."""

    in_loop: bool
    """Whether it was started in a restart loop: several starts, none long after the other."""

    version: str | None
    """Version that its events came with; None without payloads."""

    event_ids: tuple[EventId, ...]
    """Its ``Init``, its last event or its upgrade's end, and without a stop the next ``Init``; those that are known."""

    @property
    def uptime(self) -> timedelta | None:
        """Time from its start to its last event; without a stop it may have run longer. None without a start."""
        return None if self.started_at is None else self.last_at - self.started_at

    @property
    def downtime(self) -> timedelta | None:
        """Time from its last event to the next start; without a stop it may be shorter. None without a next start."""
        return None if self.next_at is None else self.next_at - self.last_at


@accepts_any_events
def runs(events: Journal, *, limits: Limits | None = None) -> list[Run]:
    """Split the events of each connector into the runs of its process.

    The events have to be of all kinds: in a listing of ``Init`` alone, every run ends unclean.

    Args:
        events: Events in any order.
        limits: What a restart loop is (``loop_starts`` and ``loop_pause``), and how soon an upgrade restarts
            (``restart`` and ``upgrade``).

    Returns:
        The runs, by connector, ascending. The first may have begun before the events do.
    """
    limits = limits_or_default(limits)
    return [run for series in events._series() for run in runs_of(series, limits)]


def runs_of(series: EventSeries, limits: Limits) -> list[Run]:
    """Return the runs of a connector, ascending."""
    of_runs = pairwise([*_split_runs(series), _RunEvents(len(series), [])])
    runs = [_to_run(series, of_run, following, limits) for of_run, following in of_runs]
    looping = {id(run) for loop in restart_loops(runs, limits) for run in loop}
    return [evolve(run, in_loop=id(run) in looping) for run in runs]


class _RunEvents(NamedTuple):
    """The row of a run's first event, and its records that begin or end a run, or belong to an upgrade."""

    first: int
    records: list[Record]


_UPGRADE_KINDS = ("StartUpgrade", "FinishUpgradeSuccess", "FinishUpgradeFailure")
_RUN_KINDS = {"Init", "Leave", *_UPGRADE_KINDS}


def _split_runs(series: EventSeries) -> list[_RunEvents]:
    records = [record for record in series.records if record.kind in _RUN_KINDS]
    runs = [_RunEvents(series.row(of_run[0]), of_run) for of_run in split(records, _begins_run)]
    if runs and runs[0].first > 0 and runs[0].records[0].kind != "Init":
        runs[0] = _RunEvents(0, runs[0].records)
    elif len(series) and not (runs and runs[0].first == 0):
        runs.insert(0, _RunEvents(0, []))
    return runs


def _begins_run(of_run: list[Record], record: Record) -> bool:
    # Other events after a stop still belong to the stopped run. A second stop shows that a start is missing.
    return record.kind == "Init" or (record.kind == "Leave" and any(earlier.kind == "Leave" for earlier in of_run))


def _upgrade_of_restart(
    counted: Sequence[Record], restarted: Record, following: Sequence[Record], limits: Limits
) -> Record | None:
    """Return the upgrade's end that a start followed soon, or its start if it succeeded in the next run."""
    upgrade = next((record for record in reversed(counted) if record.kind in _UPGRADE_KINDS), None)
    if upgrade is None:
        return None
    later = next((record.kind for record in following if record.kind in _UPGRADE_KINDS), None)
    is_under_way = upgrade.kind == "StartUpgrade"
    limit = limits.upgrade if is_under_way else limits.restart
    is_its_restart = restarted.recorded_at - upgrade.recorded_at <= limit
    return upgrade if is_its_restart and (not is_under_way or later == "FinishUpgradeSuccess") else None


def _to_run(series: EventSeries, run: _RunEvents, following: _RunEvents, limits: Limits) -> Run:
    start, next_start = (
        events.records[0] if events.records and events.records[0].kind == "Init" else None
        for events in (run, following)
    )
    stop = next((place for place, record in enumerate(run.records) if record.kind == "Leave"), None)
    # What follows a stop does not count.
    counted = run.records if stop is None else run.records[: stop + 1]
    last = following.first - 1 if stop is None else series.row(counted[-1])
    restarted = next_start if stop is None else None
    upgrade = restarted and _upgrade_of_restart(counted, restarted, following.records, limits)
    shown_by = [start and start.id, upgrade.id if upgrade else series.id(last), restarted and restarted.id]
    unstopped: Outcome = "upgraded" if upgrade else "unclean" if restarted else "running"
    return Run(
        series.connector_id,
        outcome=unstopped if stop is None else "stopped",
        started_at=start and start.recorded_at,
        last_at=to_datetime(series.recorded_ts[last]),
        next_at=next_start and next_start.recorded_at,
        upgraded_at=upgrade and upgrade.recorded_at,
        in_loop=False,
        version=series.version(run.first, last),
        event_ids=tuple(dict.fromkeys(event_id for event_id in shown_by if event_id)),
    )


def restart_loops(runs: Iterable[Run], limits: Limits) -> list[list[Run]]:
    """Return the restart loops among a connector's runs, each as the runs that were started in it."""
    starts = [(run.started_at, run) for run in runs if run.started_at is not None]
    series = split(starts, lambda earlier, start: start[0] - earlier[-1][0] > limits.loop_pause)
    return [[run for _, run in loop] for loop in series if len(loop) >= limits.loop_starts]

"""The runs of a connector's process, from each start to its stop or the next start."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias

from attrs import evolve, frozen

from cfevents._model.api import EventId
from cfevents.operations.journal import ConnectorResult, Journal, Record, accepts_any_events, split
from cfevents.operations.limits import Limits, limits_or_default

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
    limits, runs = limits_or_default(limits), list[Run]()
    for connector_id, records in events.connectors():
        of_runs = pairwise([*split(records, _begins_run), []])
        of_connector = [_to_run(connector_id, of_run, following, limits) for of_run, following in of_runs]
        looping = {id(run) for loop in restart_loops(of_connector, limits) for run in loop}
        runs += [evolve(run, in_loop=id(run) in looping) for run in of_connector]
    return runs


def _begins_run(of_run: list[Record], record: Record) -> bool:
    # Other events after a stop still belong to the stopped run. A second stop shows that a start is missing.
    return record.kind == "Init" or (record.kind == "Leave" and any(earlier.kind == "Leave" for earlier in of_run))


_UPGRADE_KINDS = ("StartUpgrade", "FinishUpgradeSuccess", "FinishUpgradeFailure")


def _upgrade_of_restart(
    counted: Sequence[Record], restarted: Record, following: list[Record], limits: Limits
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


def _to_run(connector_id: str | None, records: list[Record], following: list[Record], limits: Limits) -> Run:
    start, next_start = (of_run[0] if of_run and of_run[0].kind == "Init" else None for of_run in (records, following))
    stop = next((place for place, record in enumerate(records) if record.kind == "Leave"), None)
    # What follows a stop does not count.
    counted = records if stop is None else records[: stop + 1]
    restarted = next_start if stop is None else None
    upgrade = restarted and _upgrade_of_restart(counted, restarted, following, limits)
    shown_by = [start, upgrade or counted[-1], restarted]
    unstopped: Outcome = "upgraded" if upgrade else "unclean" if restarted else "running"
    return Run(
        connector_id,
        outcome=unstopped if stop is None else "stopped",
        started_at=start and start.recorded_at,
        last_at=counted[-1].recorded_at,
        next_at=next_start and next_start.recorded_at,
        upgraded_at=upgrade and upgrade.recorded_at,
        in_loop=False,
        version=next((record.payload.version for record in counted if record.payload.version), None),
        event_ids=tuple(dict.fromkeys(record.id for record in shown_by if record)),
    )


def restart_loops(runs: Iterable[Run], limits: Limits) -> list[list[Run]]:
    """Return the restart loops among a connector's runs, each as the runs that were started in it."""
    starts = [(run.started_at, run) for run in runs if run.started_at is not None]
    series = split(starts, lambda earlier, start: start[0] - earlier[-1][0] > limits.loop_pause)
    return [[run for _, run in loop] for loop in series if len(loop) >= limits.loop_starts]

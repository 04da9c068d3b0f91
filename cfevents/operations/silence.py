"""Silence: connectors that were asked for and sent nothing, or have stopped after a few events."""

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from attrs import frozen

from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import ConnectorResult, Record
from cfevents.operations.judged import AskedConnector, JudgedWindow
from cfevents.operations.limits import Limits

Heartbeats: TypeAlias = Literal["going on", "stopped", "later", "none", "unknown"]
"""The heartbeats at the end of a window: they may have stopped before it, or be known from a later time alone."""


@frozen
class Silence(ConnectorResult):
    """The time at the end of a window in which nothing came from a connector."""

    since: datetime | None  # the beginning of the window
    started_at: datetime  # the last event or where heartbeats stopped, or the beginning of the window without either
    until: datetime  # the end of what is known
    heartbeats: Heartbeats
    last_heartbeat: datetime | None
    is_in_service: bool
    event_ids: tuple[EventId, ...]  # the last event in the window

    @property
    def duration(self) -> timedelta:
        """Its length so far."""
        return self.until - self.started_at


def silence_of(
    connector: AskedConnector, records: list[Record], window: JudgedWindow, limits: Limits
) -> Silence | None:
    """Return the silence of a connector without events, or with too few to know its usual pause.

    None if its usual pause is known, so that `gaps` find a silence, and if the window has not begun.
    """
    since = None if window.since_ts is None else to_datetime(window.since_ts)
    if window.since_ts is not None and window.until_ts < window.since_ts:
        return None
    until = to_datetime(window.end_ts(connector.connector_id, records))
    heartbeats = _heartbeats(connector, until, limits.gap_least)
    heartbeat = connector.last_heartbeat if heartbeats in {"going on", "stopped"} else None
    if len(records) > limits.gap_pauses and heartbeat is None:
        return None
    last = to_datetime(max(record.known_ts for record in records)) if records else None
    signs = [moment for moment in (last, heartbeat if heartbeats == "stopped" else None) if moment is not None]
    return Silence(
        connector_id=connector.connector_id,
        since=since,
        started_at=max(signs, default=until if since is None else min(since, until)),
        until=until,
        heartbeats=heartbeats,
        last_heartbeat=connector.last_heartbeat,
        is_in_service=connector.is_in_service,
        event_ids=tuple(record.id for record in records[-1:]),
    )


def _heartbeats(connector: AskedConnector, until: datetime, tolerance: timedelta) -> Heartbeats:
    if connector.last_heartbeat is None:
        return "none" if connector.had_no_heartbeat else "unknown"
    age = until - connector.last_heartbeat
    return "stopped" if age > tolerance else "later" if age < -tolerance else "going on"

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
    known_since: datetime | None  # the beginning of what is known; None if that is the window's
    started_at: datetime  # the last event or where heartbeats stopped, or the beginning of the window without either
    until: datetime  # the end of what is known
    heartbeats: Heartbeats
    last_heartbeat: datetime | None
    is_in_service: bool
    has_usual_pause: bool  # whether there are enough events to know it
    event_ids: tuple[EventId, ...]  # the last event in the window

    @property
    def duration(self) -> timedelta:
        """Its length so far."""
        return self.until - self.started_at


def silence_of(
    connector: AskedConnector, records: list[Record], window: JudgedWindow, limits: Limits
) -> Silence | None:
    """Return the silence of a connector at the end of a window; None if that has not begun."""
    since = None if window.since_ts is None else to_datetime(window.since_ts)
    if window.since_ts is not None and window.until_ts < window.since_ts:
        return None
    known_ts = window.known_since_ts(connector.connector_id)
    known_since = None if known_ts is None else to_datetime(known_ts)
    begin, until = known_since or since, to_datetime(window.end_ts(connector.connector_id, records))
    heartbeats = _heartbeats(connector, until, limits.gap_least)
    last = to_datetime(max(record.known_ts for record in records)) if records else None
    stopped = connector.last_heartbeat if heartbeats == "stopped" else None
    signs = [moment for moment in (last, stopped) if moment is not None]
    return Silence(
        connector_id=connector.connector_id,
        since=since,
        known_since=known_since,
        started_at=max(signs, default=until if begin is None else min(begin, until)),
        until=until,
        heartbeats=heartbeats,
        last_heartbeat=connector.last_heartbeat,
        is_in_service=connector.is_in_service,
        has_usual_pause=len(records) > limits.gap_pauses,
        event_ids=tuple(record.id for record in records[-1:]),
    )


def _heartbeats(connector: AskedConnector, until: datetime, tolerance: timedelta) -> Heartbeats:
    if connector.last_heartbeat is None:
        return "none" if connector.had_no_heartbeat else "unknown"
    age = until - connector.last_heartbeat
    return "stopped" if age > tolerance else "later" if age < -tolerance else "going on"

"""The rekeying of tunnels, step by step."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record

RekeyState: TypeAlias = Literal["start", "advance", "complete", "reset"]
"""How far a rekey came."""

_STATES: dict[str, RekeyState] = {
    "RekeyStart": "start",
    "RekeyRestart": "start",
    "RekeyAdvance": "advance",
    "RekeyComplete": "complete",
    "RekeyReset": "reset",
}
_INSTALL = "RekeyInstallBoth"


@frozen
class Rekey(HtmlRepr):
    """One change of a tunnel's keys, or one loss of them."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose it is; None where the events do not say."""

    tunnel_id: str | None
    """Tunnel identifier; None without payloads."""

    state: RekeyState
    """How far it came: ``"start"``, ``"advance"``, ``"complete"``; ``"reset"`` where all keys were deleted."""

    started_at: datetime
    """When it began, or the first step of it that is there."""

    ended_at: datetime | None
    """When it was over: completed, or its keys replaced or deleted; a reset, when there were keys again. None if it is
    not over."""

    ended_by: str | None
    """The kind of the event that ended it: ``"RekeyComplete"``, or ``"RekeyStart"``, ``"RekeyReset"`` or
    ``"RekeyInstallBoth"``, after which its keys no longer counted."""

    restarts: int
    """How often it was restarted with newer key material."""

    event_ids: tuple[EventId, ...]
    """Its steps, and the installation of new keys after a reset."""

    @property
    def last_at(self) -> datetime:
        """When its last step was recorded."""
        return to_datetime(self.event_ids[-1].recorded_ts)

    @property
    def duration(self) -> timedelta | None:
        """How long it took; None while it is not over."""
        return None if self.ended_at is None else self.ended_at - self.started_at


@accepts_any_events
def rekeys(events: Journal) -> list[Rekey]:
    """Follow the keys of each tunnel.

    A rekey runs ``RekeyStart``, any number of ``RekeyRestart``, ``RekeyAdvance``, ``RekeyComplete``; ``RekeyReset``
    deletes all keys, until ``RekeyInstallBoth`` brings new ones.

    Tunnels are told apart by their payload. A step without one is taken for the next step of the rekey that was begun
    last. So where there are no payloads at all it is known that a rekey is stuck, but not of which tunnel, and when
    tunnels rekey side by side, the duration of each is a guess.

    Args:
        events: Events in any order; all kinds that begin with Rekey.

    Returns:
        The rekeys, by connector, ascending.
    """
    return [rekey for connector_id, records in events.connectors() for rekey in rekeys_of(connector_id, records)]


def rekeys_of(connector_id: str | None, records: list[Record]) -> list[Rekey]:
    """Find a connector's rekeys."""
    tunnels = _Tunnels()
    for record in records:
        if record.kind in _STATES or record.kind == _INSTALL:
            tunnels.take(record)
    return [attempt.frozen(connector_id) for attempt in tunnels.attempts]


@define(eq=False)
class _Attempt:
    """A rekey that goes on."""

    tunnel_id: str | None
    state: RekeyState
    records: list[Record]
    end: Record | None = None
    restarts: int = 0
    place: int = 0

    def frozen(self, connector_id: str | None) -> Rekey:
        return Rekey(
            connector_id,
            self.tunnel_id,
            self.state,
            self.records[0].recorded_at,
            self.end and self.end.recorded_at,
            self.end and self.end.kind,
            self.restarts,
            tuple(record.id for record in self.records),
        )


@define(eq=False)
class _Tunnels:
    """The rekeys of a connector, and those among them that are not over."""

    attempts: list[_Attempt] = field(factory=list)
    # By place among the attempts: an anonymous rekey is never replaced, so there may be many.
    _open: dict[int, _Attempt] = field(factory=dict)

    def take(self, record: Record) -> None:
        """Take the next step, of whichever tunnel."""
        if record.kind == _INSTALL:
            self._replace({None, record.tunnel_id} if record.tunnel_id else None, record)
        elif record.kind in {"RekeyStart", "RekeyReset"}:
            # Without its tunnel it may be another one's, so that a rekey that is stuck must not be taken for over.
            if record.tunnel_id is not None:
                self._replace({record.tunnel_id}, record)
            self._begin(record)
        else:
            self._advance(self._meant(record), record)

    def _replace(self, tunnel_ids: Collection[str | None] | None, record: Record) -> None:
        """End the rekeys of some tunnels, or of all: there are other keys."""
        for attempt in [each for each in self._open.values() if tunnel_ids is None or each.tunnel_id in tunnel_ids]:
            if attempt.state == "reset" and record.kind == _INSTALL:
                attempt.records.append(record)
            self._end(attempt, record)

    def _advance(self, attempt: _Attempt | None, record: Record) -> None:
        if attempt is None:
            attempt = self._begin(record)
        else:
            attempt.records.append(record)
            attempt.tunnel_id = attempt.tunnel_id or record.tunnel_id
            attempt.state = _STATES[record.kind]
        attempt.restarts += record.kind == "RekeyRestart"
        if record.kind == "RekeyComplete":
            self._end(attempt, record)

    def _begin(self, record: Record) -> _Attempt:
        attempt = _Attempt(record.tunnel_id, _STATES[record.kind], [record])
        attempt.place = len(self.attempts)
        self.attempts.append(attempt)
        self._open[attempt.place] = attempt
        return attempt

    def _end(self, attempt: _Attempt, record: Record) -> None:
        attempt.end = record
        del self._open[attempt.place]

    def _meant(self, record: Record) -> _Attempt | None:
        """Find the rekey that a step belongs to: of its tunnel, or where one of both has no payload, the newest."""
        if record.tunnel_id is not None:
            its = (attempt for attempt in self._going_on() if attempt.tunnel_id == record.tunnel_id)
            if found := next(its, None):
                return found
        others = (attempt for attempt in self._going_on() if record.tunnel_id is None or attempt.tunnel_id is None)
        return next(others, None)

    def _going_on(self) -> Iterator[_Attempt]:
        return (attempt for attempt in reversed(self._open.values()) if attempt.state != "reset")

"""The rekeying of tunnels, step by step."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import ConnectorResult, Journal, Record, accepts_any_events

RekeyState: TypeAlias = Literal["start", "advance", "complete", "reset"]

_STATES: dict[str, RekeyState] = {
    "RekeyStart": "start",
    "RekeyRestart": "start",
    "RekeyAdvance": "advance",
    "RekeyComplete": "complete",
    "RekeyReset": "reset",
}
_INSTALL = "RekeyInstallBoth"


@frozen
class Rekey(ConnectorResult):
    """One change of a tunnel's keys, or one loss of them."""

    tunnel_id: str | None
    """Tunnel identifier; None without payloads."""

    state: RekeyState
    """Its last step: ``"start"``, ``"advance"``, ``"complete"``; ``"reset"`` if all keys were deleted."""

    started_at: datetime
    """When its first step among the events was recorded."""

    ended_at: datetime | None
    """When it was completed, or its keys were replaced or deleted; of a reset, replaced. None if it is not over."""

    ended_by: str | None
    """The kind of that event: ``"RekeyComplete"``, ``"RekeyStart"``, ``"RekeyReset"`` or ``"RekeyInstallBoth"``."""

    restarts: int
    """Number of restarts with newer key material."""

    event_ids: tuple[EventId, ...]
    """Its steps, and the installation of new keys after a reset."""

    @property
    def last_at(self) -> datetime:
        """When its last step was recorded."""
        return to_datetime(self.event_ids[-1].recorded_ts)

    @property
    def duration(self) -> timedelta | None:
        """Time from its start to its end; None while it is not over."""
        return None if self.ended_at is None else self.ended_at - self.started_at


@accepts_any_events
def rekeys(events: Journal) -> list[Rekey]:
    """Follow the keys of each tunnel.

    A rekey runs ``RekeyStart``, any number of ``RekeyRestart``, ``RekeyAdvance``, ``RekeyComplete``; ``RekeyReset``
    deletes all keys, until ``RekeyInstallBoth`` brings new ones.

    Payloads tell tunnels apart. A step without a payload counts as the next step of the rekey that was begun last.
    Without any payloads it is known that a rekey is stuck, but not of which tunnel, and if tunnels rekey side by side,
    the duration of each is a guess.

    Args:
        events: Events in any order; all kinds that begin with Rekey.

    Returns:
        The rekeys, by connector, ascending.
    """
    rekeys: list[Rekey] = []
    for connector_id, records in events.connectors():
        tunnels = _Tunnels()
        for record in records:
            if record.kind in _STATES or record.kind == _INSTALL:
                tunnels.add(record)
        rekeys += [steps.to_rekey(connector_id) for steps in tunnels.rekeys]
    return rekeys


@define(eq=False)
class _RekeySteps:
    """The steps of one rekey."""

    tunnel_id: str | None
    state: RekeyState
    records: list[Record]
    end: Record | None = None

    def to_rekey(self, connector_id: str | None) -> Rekey:
        return Rekey(
            connector_id,
            self.tunnel_id,
            self.state,
            started_at=self.records[0].recorded_at,
            ended_at=self.end and self.end.recorded_at,
            ended_by=self.end and self.end.kind,
            restarts=sum(record.kind == "RekeyRestart" for record in self.records),
            event_ids=tuple(record.id for record in self.records),
        )


@define(eq=False)
class _Tunnels:
    """The rekeys of a connector, and those among them that are not over."""

    rekeys: list[_RekeySteps] = field(factory=list)
    # A dict for its order and its quick removal: rekeys without a tunnel are never replaced, so there may be many.
    _open: dict[_RekeySteps, None] = field(factory=dict)

    def add(self, record: Record) -> None:
        tunnel_id = record.payload.tunnel_id
        if record.kind == _INSTALL:
            self._replace_keys(None if tunnel_id is None else {None, tunnel_id}, record)
            return
        rekey = None
        if record.kind not in {"RekeyStart", "RekeyReset"}:
            rekey = self._open_rekey(tunnel_id)
        elif tunnel_id is not None:
            # Without a tunnel it may be another one's, and must not end a rekey that is stuck.
            self._replace_keys({tunnel_id}, record)
        if rekey is None:
            rekey = _RekeySteps(tunnel_id, _STATES[record.kind], [])
            self.rekeys.append(rekey)
            self._open[rekey] = None
        rekey.tunnel_id = rekey.tunnel_id or tunnel_id
        rekey.records.append(record)
        rekey.state = _STATES[record.kind]
        if record.kind == "RekeyComplete":
            self._close(rekey, record)

    def _replace_keys(self, tunnel_ids: Collection[str | None] | None, record: Record) -> None:
        """End the open rekeys of some tunnels, or of all: they have other keys now."""
        for rekey in [*self._open]:
            if tunnel_ids is None or rekey.tunnel_id in tunnel_ids:
                if rekey.state == "reset" and record.kind == _INSTALL:
                    rekey.records.append(record)
                self._close(rekey, record)

    def _close(self, rekey: _RekeySteps, record: Record) -> None:
        rekey.end = record
        del self._open[rekey]

    def _open_rekey(self, tunnel_id: str | None) -> _RekeySteps | None:
        """Return the newest open rekey of a step's tunnel. A step or a rekey without a tunnel may be of any tunnel."""
        for accepted in (tunnel_id, None):
            for rekey in reversed(self._open):
                if rekey.state != "reset" and (tunnel_id is None or rekey.tunnel_id == accepted):
                    return rekey
        return None

"""The rekeying of tunnels, step by step."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events
from cfevents.operations.series import EventSeries, Record

RekeyState: TypeAlias = Literal["start", "advance", "complete", "reset"]

_STATES: dict[str, RekeyState] = {
    "RekeyStart": "start",
    "RekeyRestart": "start",
    "RekeyAdvance": "advance",
    "RekeyComplete": "complete",
    "RekeyReset": "reset",
}
_FIRST_STEPS = {"RekeyStart", "RekeyReset"}
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

    is_certain: bool
    """Whether its steps and its end are its own: without payloads, those of other tunnels may be among them."""

    event_ids: tuple[EventId, ...]
    """Its steps, and the installation of new keys after a reset."""

    @property
    def last_at(self) -> datetime:
        """When its last step was recorded."""
        return to_datetime(self.event_ids[-1].recorded_ts)

    @property
    def duration(self) -> timedelta | None:
        """Time from its start to its end; None while it is not over, and where it is not certain."""
        return self.ended_at - self.started_at if self.is_certain and self.ended_at is not None else None


@accepts_any_events
def rekeys(events: Journal) -> list[Rekey]:
    """Follow the keys of each tunnel.

    A rekey runs ``RekeyStart``, any number of ``RekeyRestart``, ``RekeyAdvance``, ``RekeyComplete``; ``RekeyReset``
    deletes all keys, until ``RekeyInstallBoth`` brings new ones.

    Payloads tell tunnels apart. A step without a payload counts as the next step of the rekey that was begun last. If
    others were open at that time, it may be theirs, so none of them is certain any more, and none has a duration.

    Args:
        events: Events in any order; all kinds that begin with Rekey.

    Returns:
        The rekeys, by connector, ascending.
    """
    return [rekey for series in events._series() for rekey in rekeys_of(series)]


def rekeys_of(series: EventSeries) -> Iterator[Rekey]:
    """Yield the rekeys of a connector, ascending."""
    tunnels = _Tunnels()
    for record in series.records:
        if record.kind in _STATES or record.kind == _INSTALL:
            tunnels.add(record)
    for steps in tunnels.rekeys:
        yield steps.to_rekey(series.connector_id)


@define(eq=False)
class _RekeySteps:
    """The steps of one rekey."""

    tunnel_id: str | None
    state: RekeyState
    records: list[Record]
    end: Record | None = None
    is_certain: bool = True

    def to_rekey(self, connector_id: str | None) -> Rekey:
        return Rekey(
            connector_id,
            self.tunnel_id,
            self.state,
            started_at=self.records[0].recorded_at,
            ended_at=self.end and self.end.recorded_at,
            ended_by=self.end and self.end.kind,
            restarts=sum(record.kind == "RekeyRestart" for record in self.records),
            is_certain=self.is_certain,
            event_ids=tuple(record.id for record in self.records),
        )


@define(eq=False)
class _Tunnels:
    """The rekeys of a connector, and those among them that are not over."""

    rekeys: list[_RekeySteps] = field(factory=list)
    # A dict for its order and its quick removal: rekeys without a tunnel are never replaced, so there may be many.
    _open: dict[_RekeySteps, None] = field(factory=dict)
    _certain: dict[_RekeySteps, None] = field(factory=dict)  # those of them that are

    def add(self, record: Record) -> None:
        tunnel_id = record.payload.tunnel_id
        if record.kind == _INSTALL:
            self._doubt(tunnel_id)
            self._replace_keys(None if tunnel_id is None else {None, tunnel_id}, record)
            return
        if record.kind in _FIRST_STEPS:
            rekey, is_ambiguous = None, True
        else:
            rekey, other = [*islice(self._candidates(tunnel_id), 2), None, None][:2]
            is_ambiguous = other is not None
        if is_ambiguous:
            self._doubt(tunnel_id)
        if rekey is None:
            if record.kind in _FIRST_STEPS and tunnel_id is not None:
                # Without a tunnel it may be another one's, and must not end a rekey that is stuck.
                self._replace_keys({tunnel_id}, record)
            rekey = _RekeySteps(tunnel_id, _STATES[record.kind], [])
            self.rekeys.append(rekey)
            self._open[rekey] = self._certain[rekey] = None
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
        self._certain.pop(rekey, None)

    def _doubt(self, tunnel_id: str | None) -> None:
        """Mark the open rekeys that an event of a tunnel may belong to as no longer certain. Each is marked once."""
        for rekey in [*self._certain]:
            if tunnel_id is None or rekey.tunnel_id is None:
                rekey.is_certain = False
                del self._certain[rekey]

    def _candidates(self, tunnel_id: str | None) -> Iterator[_RekeySteps]:
        """Yield the open rekeys that a step may belong to, the newest first: its tunnel's, else those without one."""
        for accepted in dict.fromkeys((tunnel_id, None)):
            for rekey in reversed(self._open):
                if rekey.state != "reset" and (tunnel_id is None or rekey.tunnel_id == accepted):
                    yield rekey
                    if accepted is not None:
                        return

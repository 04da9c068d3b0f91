"""The bounds of a report: limits from which something is wrong, the window, and the connectors asked for."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from attrs import fields, frozen

from cfevents._model.api import Connector
from cfevents._time import now, parse_moment, parse_timestamp, validate_duration
from cfevents._validation import short_repr, validate_int, validate_seconds, validate_type
from cfevents.operations.journal import Journal
from cfevents.operations.series import EventSeries


@frozen(kw_only=True)
class Limits:
    """The limits from which a report calls something wrong.

    The API's documentation gives no figures. These follow from the meaning of the kinds, and lie well above what a
    healthy appliance needs on a bad line, so that a finding is worth attention.

    Raises:
        TypeError: A duration is not a timedelta, or a number is not whole.
        ValueError: A value is too small.
    """

    upgrade: timedelta = timedelta(minutes=30)
    """How long an upgrade may go without an answer: half a gigabyte takes as long at two Mbit/s."""

    attestation: timedelta = timedelta(minutes=15)
    """How long an attestation may go without an answer: it exchanges a few messages, in some attempts."""

    rotation: timedelta = timedelta(minutes=15)
    """How long the rotation of a key or a certificate may go without an answer, for the same reason."""

    rekey: timedelta = timedelta(minutes=5)
    """How long a tunnel's rekey may stay incomplete: it needs traffic on the new key, and tunnels are always probed."""

    blessing: timedelta = timedelta(hours=1)
    """How long after an upgrade its slot may stay unblessed: the new version has to prove itself first."""

    loop_pause: timedelta = timedelta(minutes=10)
    """Longest time between two consecutive starts of a restart loop."""

    loop_starts: int = 3
    """Number of starts that make a restart loop: two may be an upgrade and a crash."""

    restart: timedelta = timedelta(minutes=15)
    """How long after an upgrade's end, or after an order was executed, a start is its restart: a boot takes minutes."""

    restart_series: timedelta = timedelta(days=1)
    """Longest time between two unclean restarts in a row: one may be a power cut, several within a day are a fault."""

    flapping_window: timedelta = timedelta(minutes=15)
    """Time within which so many HA transitions are flapping."""

    flapping_transitions: int = 4
    """Number of HA transitions that are flapping: a failover and the way back are two, and each may need two steps."""

    gap_factor: float = 8.0
    """How many times longer than the usual pause a gap is: by pure chance, one pause in 600,000 would be as long."""

    gap_least: timedelta = timedelta(minutes=30)
    """Longest time that is never a gap, however busy the connector is: a reboot takes minutes."""

    gap_pauses: int = 20
    """Number of pauses that have to be known before one is called usual."""

    silence: timedelta = timedelta(hours=12)
    """How long a connector may be silent at the end of a window with too few events to know its usual pause."""

    def __attrs_post_init__(self) -> None:
        """Check the types and bounds."""
        for limit in fields(Limits):
            value = getattr(self, limit.name)
            if limit.type is timedelta:
                validate_duration(limit.name, value)
            elif limit.type is int:
                validate_int(limit.name, value, least=2)
            else:
                validate_seconds(limit.name, value)


def limits_or_default(limits: Limits | None) -> Limits:
    """Return the limits, or the default ones for None; raise a TypeError for anything else."""
    return validate_type("limits", Limits() if limits is None else limits, Limits)


KnownUntil: TypeAlias = datetime | float | Mapping[str, datetime | float | None]
"""Until when the events are known: one time for all, or one for each connector, None for that of its last event."""


_FIRST_YEAR = 1970


@frozen
class JudgedWindow:
    """The window of events, and until when they are known. Times are in seconds since the Unix epoch."""

    since_ts: float | None
    until_ts: float  # the earliest of its end and what is known of all connectors
    _known: Mapping[str, float | None]
    _known_since: Mapping[str, float]

    @classmethod
    def of(
        cls,
        events: Journal,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        known_until: KnownUntil | None = None,
        known_since: Mapping[str, datetime | float] | None = None,
    ) -> "JudgedWindow":
        """Return the window of events; without an end it ends with them."""
        since_ts = None if since is None else parse_timestamp("since", since)
        known = known_until if isinstance(known_until, Mapping) else {}
        parsed = {
            name: None if end is None else parse_timestamp(f"known_until[{name!r}]", end) for name, end in known.items()
        }
        ends = [(events.latest_ts() or since_ts or 0) if until is None else parse_timestamp("until", until)]
        if known_until is not None and not isinstance(known_until, Mapping):
            ends.append(parse_timestamp("known_until", known_until))
        elif until is not None:
            # Events that were collected later show that our own clock is behind.
            ends.append(max(now(), events.latest_collected_ts() or 0, *filter(None, parsed.values())))
        begins = {name: parse_timestamp(f"known_since[{name!r}]", time) for name, time in (known_since or {}).items()}
        return cls(since_ts, min(ends), parsed, begins)

    def known_since_ts(self, connector_id: str | None) -> float | None:
        """Return since when a connector's events are known, if that is later than the window begins."""
        known = None if connector_id is None else self._known_since.get(connector_id)
        return None if known is None or self.since_ts is None or known <= self.since_ts else known

    def end_ts(self, series: EventSeries) -> float:
        """Return when a connector's part of the window ends."""
        if series.connector_id is None or series.connector_id not in self._known:
            return self.until_ts
        known = self._known[series.connector_id]
        return min(self.until_ts, max(series.known_ts, default=self.until_ts) if known is None else known)


@frozen
class AskedConnector:
    """A connector that a report was asked for."""

    connector_id: str | None
    last_heartbeat: datetime | None = None  # None where it is not known, or there was none
    had_no_heartbeat: bool = False  # whether the account lists it without one
    is_in_service: bool = True
    notes: str | None = None

    @classmethod
    def of(cls, connector: str | Connector) -> "AskedConnector":
        """Parse an id or a connector of the account."""
        if isinstance(connector, str):
            return cls(connector)
        if not isinstance(connector, Connector):
            raise TypeError(f"{short_repr(connector)} is no connector: write its id, or what list_connectors returns")
        heartbeat = parse_moment(connector.last_heartbeat)
        # Where there was none, servers may send the first day of the calendar.
        had_none = not connector.last_heartbeat or (heartbeat is not None and heartbeat.year < _FIRST_YEAR)
        return cls(
            connector.id, None if had_none else heartbeat, had_none, connector.activated is not False, connector.notes
        )


def parse_connectors(connectors: Iterable[str | Connector], events: Journal) -> dict[str | None, AskedConnector]:
    """Return the connectors that were asked for, and those of the events, by id, ascending."""
    if isinstance(connectors, str):
        raise TypeError(f"connectors is {short_repr(connectors)}: write a list, also for one")
    asked = {connector.connector_id: connector for connector in map(AskedConnector.of, connectors)}
    named = [connector_id for connector_id, _ in events.connectors()]
    if asked and None in named:
        raise ValueError("connectors= needs events that name theirs: Journal.read(events, connector_id=...) does that")
    asked = {connector_id: AskedConnector(connector_id) for connector_id in named} | asked
    return dict(sorted(asked.items(), key=lambda item: item[0] or ""))

"""Events put in order: of each only what the questions need, each once, whatever the order in which they come."""

from collections.abc import AsyncIterable, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from cfevents._model.api import EventId, EventMetadata, RecordedEvent
from cfevents._model.results import EventDetail, FleetEvent, FollowedEvent
from cfevents._time import parse_timestamp, to_datetime
from cfevents._validation import short_repr
from cfevents.events import DocumentedEvent, Event, UnknownEvent

AnyEvent: TypeAlias = EventMetadata | RecordedEvent | EventDetail | FleetEvent[Any] | FollowedEvent[Any]
"""An event as any part of the library gives it: listed, with its payload, of a fleet, or followed."""

# Put in order again whenever there are twice as many as the last time, so that repeats do not pile up.
_UNSORTED = 1024
# Not documented, but understood: it is what the other steps of a rekey have.
_UNDERSTOOD = {("RekeyRestart", "tunnel_id")}


class Told(NamedTuple):
    """What is known of an event because its payload is there."""

    version: str | None = None
    tunnel_id: str | None = None
    url: str | None = None
    unknown: tuple[str, ...] = ()


class Record(NamedTuple):
    """What is kept of an event."""

    recorded_ts: int | float
    sequence: int
    kind: str
    collected_ts: int | float | None
    told: Told | None

    @property
    def id(self) -> EventId:
        """What identifies the event."""
        return EventId(self.recorded_ts, self.sequence)

    @property
    def recorded_at(self) -> datetime:
        """Time the event was recorded."""
        return to_datetime(self.recorded_ts)

    @property
    def known_ts(self) -> int | float:
        """Time it was collected; where that is not known, recorded. A device's clock may be wrong by years."""
        return self.recorded_ts if self.collected_ts is None else self.collected_ts

    @property
    def tunnel_id(self) -> str | None:
        """Tunnel identifier, where the payload is there and has one."""
        return None if self.told is None else self.told.tunnel_id

    @property
    def url(self) -> str | None:
        """Location of upgrade bundle, where the payload is there and has one."""
        return None if self.told is None else self.told.url

    @property
    def version(self) -> str | None:
        """Version, where the payload is there and came with one."""
        return None if self.told is None else self.told.version


class Journal:
    """Events in the order in which they were recorded, each once, to be asked several questions.

    Every function of ``cfevents.operations`` takes one in place of events, which are then sorted once, and not again
    for each question. It also goes on: what a `cfevents.Follower` brings can be added, and the questions asked again.

    An event is told by its connector and its id. Where it comes twice, as listed and with its payload, both are put
    together. It is kept as about 200 bytes, 400 with its payload, until it is forgotten: an event may be collected
    hours after those that were recorded later, so nothing but time tells that an operation is over.
    """

    __module__ = "cfevents.operations"

    def __init__(self, events: Iterable[AnyEvent] = (), *, connector_id: str | None = None) -> None:
        """Begin with some events.

        Args:
            events: The events, in any order.
            connector_id: Whose the events are that do not say it: all but those of a fleet, or followed.
        """
        self._connector_id = connector_id
        self._records: dict[str | None, list[Record]] = {}
        self._sorted: dict[str | None, int] = {}
        self.update(events)

    @classmethod
    async def read(cls, events: AsyncIterable[AnyEvent], *, connector_id: str | None = None) -> "Journal":
        """Read events that come asynchronously, to the last.

        Args:
            events: The events, in any order, such as a `cfevents.EventStream`.
            connector_id: Whose the events are that do not say it.
        """
        journal = cls(connector_id=connector_id)
        async for event in events:
            journal.add(event)
        return journal

    def add(self, event: AnyEvent) -> None:
        """Add an event.

        Raises:
            TypeError: It is no event.
        """
        connector_id: str | None = self._connector_id
        if isinstance(event, FleetEvent | FollowedEvent):
            connector_id, event = event.connector_id, event.event
        record = _record(event)
        records = self._records.setdefault(connector_id, [])
        records.append(record)
        if len(records) > 2 * self._sorted.get(connector_id, 0) + _UNSORTED:
            self._tidy(connector_id)

    def update(self, events: Iterable[AnyEvent]) -> None:
        """Add events, in any order."""
        for event in events:
            self.add(event)

    def forget(self, before: datetime | float) -> None:
        """Forget what was recorded before a time: an aware datetime, or seconds since the Unix epoch.

        Raises:
            TypeError: It is neither.
            ValueError: It has no time zone, or is not finite.
        """
        moment = parse_timestamp("before", before)
        for connector_id, records in [*self.connectors()]:
            if kept := [record for record in records if record.recorded_ts >= moment]:
                self._keep(connector_id, kept)
            else:
                del self._records[connector_id], self._sorted[connector_id]

    def connectors(self) -> Iterator[tuple[str | None, list[Record]]]:
        """Give each connector with its records, ascending; those that do not say whose they are come first."""
        for connector_id in sorted(self._records, key=lambda name: (name is not None, name or "")):
            if len(self._records[connector_id]) != self._sorted.get(connector_id):
                self._tidy(connector_id)
            yield connector_id, self._records[connector_id]

    def latest_ts(self) -> int | float | None:
        """Tell when the last event was known, in seconds since the Unix epoch; None where there are no events."""
        # In order first: of an event that came twice, only one time counts.
        return max((record.known_ts for _, its in self.connectors() for record in its), default=None)

    def __len__(self) -> int:
        """Count the events."""
        return sum(len(records) for _, records in self.connectors())

    def __repr__(self) -> str:
        """Say how much there is, not all of it."""
        return f"<Journal: {len(self)} events of {len(self._records)} connectors>"

    def _tidy(self, connector_id: str | None) -> None:
        records = sorted(self._records[connector_id], key=_place)
        once = records[:1]
        for record in records[1:]:
            if _place(record) == _place(once[-1]):
                once[-1] = _together(once[-1], record)
            else:
                once.append(record)
        self._keep(connector_id, once)

    def _keep(self, connector_id: str | None, records: list[Record]) -> None:
        self._records[connector_id] = records
        self._sorted[connector_id] = len(records)


def _place(record: Record) -> tuple[int | float, int]:
    return record.recorded_ts, record.sequence


def _record(event: Any) -> Record:
    if isinstance(event, EventMetadata):
        return Record(event.recorded_ts, event.sequence, event.kind, event.collected_ts, None)
    if isinstance(event, RecordedEvent):
        return Record(event.recorded_ts, event.sequence, event.kind, None, _told(event.event, event.version))
    if isinstance(event, EventDetail):
        listed, recorded = event.metadata, event.recorded
        told = None if recorded is None else _told(recorded.event, recorded.version)
        return Record(listed.recorded_ts, listed.sequence, listed.kind, listed.collected_ts, told)
    raise TypeError(
        f"{short_repr(event)} is no event: give EventMetadata, RecordedEvent, EventDetail, or those of a fleet"
    )


def _told(event: Event, version: str | None) -> Told:
    if isinstance(event, UnknownEvent):
        return Told(version, unknown=tuple(sorted(event.payload)))
    return Told(
        version,
        _text(event, "tunnel_id"),
        _text(event, "url"),
        tuple(sorted(name for name in event.extra if (event.kind, name) not in _UNDERSTOOD)),
    )


def _text(event: DocumentedEvent, name: str) -> str | None:
    value = getattr(event, name, None) or event.extra.get(name)
    return value if isinstance(value, str) else None


def _together(one: Record, other: Record) -> Record:
    """Put together what is known of one event; where it disagrees, so that neither has to come first."""
    first, second = one.told or Told(), other.told or Told()
    told = Told(
        _either(first.version, second.version),
        _either(first.tunnel_id, second.tunnel_id),
        _either(first.url, second.url),
        tuple(sorted({*first.unknown, *second.unknown})),
    )
    return Record(
        one.recorded_ts,
        one.sequence,
        min(one.kind, other.kind),
        _either(one.collected_ts, other.collected_ts),
        None if one.told is None and other.told is None else told,
    )


def _either(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else min(one, other)

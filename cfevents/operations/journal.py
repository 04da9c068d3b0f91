"""The journal: events in the order in which they were recorded, each once, reduced to what the functions need."""

import inspect
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.results import EventDetail, FleetEvent, FollowedEvent
from cfevents._time import parse_timestamp
from cfevents._validation import short_repr
from cfevents.events import DocumentedEvent, UnknownEvent
from cfevents.operations.series import EventSeries, Payload, Record, recording_order

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

AnyEvent: TypeAlias = EventMetadata | RecordedEvent | EventDetail | FleetEvent[Any] | FollowedEvent[Any]
"""An event as any part of the library returns it: listed, with its payload, of a fleet, or followed."""

# Records are sorted when there are twice as many as the last time, and this many more, so that repeats do not pile up.
_MIN_UNSORTED_RECORDS = 1024
# Not documented for this kind, but all other steps of a rekey have it.
_EXPECTED_FIELDS = {("RekeyRestart", "tunnel_id")}


@frozen
class ConnectorResult(HtmlRepr):
    """A result of one connector's events."""

    connector_id: str | None
    """The connector; None if the events do not name it."""


def split(items: Iterable[T], begins: Callable[[list[T], T], bool]) -> list[list[T]]:
    """Split items into consecutive groups. `begins` decides from the group so far if an item begins the next one."""
    groups: list[list[T]] = []
    for item in items:
        if not groups or begins(groups[-1], item):
            groups.append([])
        groups[-1].append(item)
    return groups


class Journal:
    """Events in the order in which they were recorded, each once, for several functions.

    Every function of ``cfevents.operations`` accepts a journal in place of events. The events are then sorted once, and
    not again for each function. Events can be added later, such as those of a `cfevents.Follower`.

    An event is identified by its connector and its id. If it comes twice, as listed and with its payload, both are
    merged. It takes about 200 bytes, 400 with its payload, until it is forgotten: an event may be collected hours after
    others that were recorded later, so only time shows that an operation is over.
    """

    def __init__(self, events: Iterable[AnyEvent] = (), *, connector_id: str | None = None) -> None:
        """Begin with some events.

        Args:
            events: The events, in any order.
            connector_id: The connector of events that do not name it: all but those of a fleet, or followed.
        """
        self._connector_id = connector_id
        self._records: dict[str | None, list[Record]] = {}
        self._sorted: dict[str | None, int] = {}
        self.update(events)

    @classmethod
    async def read(cls, events: AsyncIterable[AnyEvent], *, connector_id: str | None = None) -> "Journal":
        """Read asynchronous events, such as a `cfevents.EventStream`, to the last; arguments as for a journal."""
        journal = cls(connector_id=connector_id)
        async for event in events:
            journal.add(event)
        return journal

    def add(self, event: AnyEvent) -> None:
        """Add an event.

        Raises:
            TypeError: It is not an event.
        """
        connector_id: str | None = self._connector_id
        if isinstance(event, FleetEvent | FollowedEvent):
            connector_id, event = event.connector_id, event.event
        record = _to_record(event)
        records = self._records.setdefault(connector_id, [])
        records.append(record)
        if len(records) > 2 * self._sorted.get(connector_id, 0) + _MIN_UNSORTED_RECORDS:
            self._sort(connector_id)

    def update(self, events: Iterable[AnyEvent]) -> None:
        """Add events, in any order."""
        for event in events:
            self.add(event)

    def forget(self, before: datetime | float) -> None:
        """Forget the events that were recorded before an aware datetime, or before seconds since the Unix epoch.

        Raises:
            TypeError: `before` is neither.
            ValueError: `before` has no time zone, or is not finite.
        """
        moment = parse_timestamp("before", before)
        for connector_id, records in [*self.connectors()]:
            if kept := [record for record in records if record.recorded_ts >= moment]:
                self._replace(connector_id, kept)
            else:
                del self._records[connector_id], self._sorted[connector_id]

    def _discard(self, connector_ids: Iterable[str]) -> None:
        """Forget all events of connectors."""
        for connector_id in connector_ids:
            self._records.pop(connector_id, None)
            self._sorted.pop(connector_id, None)

    def connectors(self) -> Iterator[tuple[str | None, list[Record]]]:
        """Yield each connector with its records, both ascending. Events without a connector come first, under None."""
        for connector_id in sorted(self._records, key=lambda name: (name is not None, name or "")):
            if len(self._records[connector_id]) != self._sorted.get(connector_id):
                self._sort(connector_id)
            yield connector_id, self._records[connector_id]

    def _series(self) -> Iterator[EventSeries]:
        """Yield the series of each connector's events, in the order of `connectors`."""
        for connector_id, records in self.connectors():
            yield EventSeries.of_records(connector_id, records)

    def latest_ts(self) -> int | float | None:
        """Return when the last event was collected, in seconds since the Unix epoch; None without events."""
        # Sorted first: of an event that came twice, only one time counts.
        return max((record.known_ts for _, records in self.connectors() for record in records), default=None)

    def latest_collected_ts(self) -> int | float | None:
        """Return the same without the events whose collection is unknown."""
        known = (record.collected_ts for _, records in self.connectors() for record in records)
        return max((time for time in known if time is not None), default=None)

    def __len__(self) -> int:
        """Return the number of events."""
        return sum(len(records) for _, records in self.connectors())

    def __repr__(self) -> str:
        """Return a summary."""
        return f"<Journal: {len(self)} events of {len(self._records)} connectors>"

    def _sort(self, connector_id: str | None) -> None:
        merged: list[Record] = []
        for record in sorted(self._records[connector_id], key=recording_order):
            if merged and recording_order(merged[-1]) == recording_order(record):
                merged[-1] = _merge(merged[-1], record)
            else:
                merged.append(record)
        self._replace(connector_id, merged)

    def _replace(self, connector_id: str | None, records: list[Record]) -> None:
        self._records[connector_id] = records
        self._sorted[connector_id] = len(records)


def _to_record(event: Any) -> Record:
    if isinstance(event, EventMetadata):
        return Record(event.recorded_ts, event.sequence, event.kind, event.collected_ts)
    if isinstance(event, RecordedEvent):
        return Record(event.recorded_ts, event.sequence, event.kind, None, to_payload(event))
    if isinstance(event, EventDetail):
        record = _to_record(event.metadata)
        return record if event.recorded is None else record._replace(payload=to_payload(event.recorded))
    raise TypeError(
        f"{short_repr(event)} is not an event: pass EventMetadata, RecordedEvent, EventDetail, or those of a fleet"
    )


def to_payload(recorded: RecordedEvent) -> Payload:
    """Return the parts of an event's payload that the functions use."""
    event = recorded.event
    if isinstance(event, UnknownEvent):
        return Payload(recorded.version, unknown_fields=tuple(sorted(event.payload)))
    unknown = sorted(name for name in event.extra if (event.kind, name) not in _EXPECTED_FIELDS)
    return Payload(recorded.version, _text_field(event, "tunnel_id"), _text_field(event, "url"), tuple(unknown))


def _text_field(event: DocumentedEvent, name: str) -> str | None:
    value = getattr(event, name, None) or event.extra.get(name)
    return value if isinstance(value, str) else None


def _merge(one: Record, other: Record) -> Record:
    """Merge two records of one event. The result does not depend on their order, even if they disagree."""
    payload, more = one.payload, other.payload
    if payload != more:
        unknown = tuple(sorted({*payload.unknown_fields, *more.unknown_fields}))
        version, tunnel_id, url = map(_least, payload[:-1], more[:-1])
        payload = Payload(version, tunnel_id, url, unknown)
    collected_ts = _least(one.collected_ts, other.collected_ts)
    return Record(one.recorded_ts, one.sequence, min(one.kind, other.kind), collected_ts, payload)


def _least(*values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


AnyEvents: TypeAlias = Journal | Iterable[AnyEvent] | AsyncIterable[AnyEvent]
"""Events in any order: a `Journal`, any iterable, or an asynchronous one, whose result must be awaited."""


class EventsFunction(Protocol[P, T_co]):
    """A function of events. If the events are asynchronous, so is its result."""

    @overload
    def __call__(
        self, events: AsyncIterable[AnyEvent], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T_co]: ...

    @overload
    def __call__(self, events: Journal | Iterable[AnyEvent], *args: P.args, **kwargs: P.kwargs) -> T_co: ...


def accepts_any_events(function: Callable[Concatenate[Journal, P], T_co]) -> EventsFunction[P, T_co]:
    """Convert a function of a journal to one of any events."""

    async def read_and_call(events: AsyncIterable[AnyEvent], *args: P.args, **kwargs: P.kwargs) -> T_co:
        return function(await Journal.read(events), *args, **kwargs)

    @wraps(function)
    def accepting(events: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
        if isinstance(events, AsyncIterable):
            return read_and_call(events, *args, **kwargs)
        return function(events if isinstance(events, Journal) else Journal(events), *args, **kwargs)

    # The documentation shows what a caller may pass, not what the function receives.
    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    vars(accepting)["__signature__"] = signature.replace(parameters=[first.replace(annotation=AnyEvents), *others])
    accepting.__annotations__ = {**function.__annotations__, first.name: AnyEvents}
    return accepting

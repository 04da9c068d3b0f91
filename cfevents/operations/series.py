"""The events of one connector: the times of all as columns of numbers, and records of those that mean something."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import compress, islice
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, Self

from attrs import define, field

from cfevents._model.api import EventId
from cfevents._time import to_datetime

# The kind of two thirds of all events. Of its events the times alone matter, and fields that are not documented.
UNEVENTFUL = "Reconcile"


class Payload(NamedTuple):
    """The parts of an event's payload that the functions use. All are empty if the payload was not read."""

    version: str | None = None
    tunnel_id: str | None = None
    url: str | None = None
    unknown_fields: tuple[str, ...] = ()


NO_PAYLOAD = Payload()


class Record(NamedTuple):
    """The parts of an event that the functions use."""

    recorded_ts: int | float
    sequence: int
    kind: str
    collected_ts: int | float | None
    payload: Payload = NO_PAYLOAD

    @property
    def id(self) -> EventId:
        """The event's id."""
        return EventId._trusted(self.recorded_ts, self.sequence)

    @property
    def recorded_at(self) -> datetime:
        """Time the event was recorded."""
        return to_datetime(self.recorded_ts)

    @property
    def known_ts(self) -> int | float:
        """Time the event was collected, or recorded if that is unknown. A device's clock may be wrong by years."""
        return self.recorded_ts if self.collected_ts is None else self.collected_ts


recording_order = attrgetter("recorded_ts", "sequence")


def _extended(column: Any, more: Sequence[Any]) -> Any:
    """Return a column with more numbers: 8 bytes for each while all are whole."""
    if isinstance(column, array):
        try:
            column.extend(array("q", more))
        except (TypeError, OverflowError):
            return [*column, *more]
        return column
    column.extend(more)
    return column


@define(eq=False)
class EventSeries:
    """The events of one connector, ascending, each once.

    The records leave out events of which the times alone matter. So an event takes 24 bytes, and a few hundred if it
    has a record. Rows are numbers of events from 0 on.
    """

    connector_id: str | None
    recorded_ts: Sequence[int | float] = field(factory=lambda: array("q"))
    sequence: Sequence[int] = field(factory=lambda: array("q"))
    collected_ts: Sequence[int | float | None] = field(factory=lambda: array("q"))  # None where it is unknown
    records: list[Record] = field(factory=list)
    _versions: list[tuple[int, str | None]] = field(factory=list)  # from which row on events came with which version

    @classmethod
    def of_records(cls, connector_id: str | None, records: Sequence[Record]) -> Self:
        """Return the series of some records, ascending, each once."""
        series = cls(connector_id)
        if records:
            recorded_ts, sequence, kinds, collected_ts, payloads = zip(*records, strict=True)
            series.add(kinds, recorded_ts, sequence, collected_ts, payloads)
        return series

    def add(
        self,
        kinds: Iterable[str],
        recorded_ts: Sequence[int | float],
        sequence: Sequence[int],
        collected_ts: Sequence[int | float | None],
        payloads: Iterable[Payload] | None = None,
    ) -> None:
        """Add later events, as columns of one length: ascending, each once. Payloads are left out if none was read."""
        row, version = len(self.recorded_ts), self._versions[-1][1] if self._versions else None
        self.recorded_ts = _extended(self.recorded_ts, recorded_ts)
        self.sequence = _extended(self.sequence, sequence)
        self.collected_ts = _extended(self.collected_ts, collected_ts)
        events = zip(recorded_ts, sequence, kinds, collected_ts, strict=True)
        if payloads is None:
            # Records are tuples, made so in half the time.
            self.records += [tuple.__new__(Record, (*event, NO_PAYLOAD)) for event in events if event[2] != UNEVENTFUL]
            if version is not None:
                self._versions.append((row, None))
            return
        for number, (event, payload) in enumerate(zip(events, payloads, strict=True), row):
            if event[2] != UNEVENTFUL or payload.unknown_fields:
                self.records.append(Record(*event, payload))
            if payload.version != version:
                version = payload.version
                self._versions.append((number, version))

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.recorded_ts)

    @property
    def first_at(self) -> datetime | None:
        """When the first was recorded; None without events."""
        return to_datetime(self.recorded_ts[0]) if self.recorded_ts else None

    @property
    def last_at(self) -> datetime | None:
        """When the last was recorded; None without events."""
        return to_datetime(self.recorded_ts[-1]) if self.recorded_ts else None

    @property
    def known_ts(self) -> Sequence[int | float]:
        """When each was collected, or recorded if that is unknown. A device's clock may be wrong by years."""
        collected_ts = self.collected_ts
        if isinstance(collected_ts, array):
            return collected_ts
        return [
            recorded if collected is None else collected
            for recorded, collected in zip(self.recorded_ts, collected_ts, strict=True)
        ]

    def id(self, row: int) -> EventId:
        """Return the id of an event."""
        return EventId._trusted(self.recorded_ts[row], self.sequence[row])

    def kind(self, row: int) -> str:
        """Return the kind of an event."""
        return self.kind_of(self.id(row))

    def kind_of(self, event_id: EventId) -> str:
        """Return the kind of an event of the series by its id."""
        key = event_id.recorded_ts, event_id.sequence
        place = bisect_left(self.records, key, key=recording_order)
        is_record = place < len(self.records) and recording_order(self.records[place]) == key
        return self.records[place].kind if is_record else UNEVENTFUL

    def row(self, record: Record) -> int:
        """Return the row of a record."""
        row = bisect_left(self.recorded_ts, record.recorded_ts)
        while self.sequence[row] != record.sequence:
            row += 1
        return row

    def version(self, first: int, last: int) -> str | None:
        """Return the first version that events came with, from a row to another; None if none of them has one."""
        place = max(0, bisect_right(self._versions, first, key=itemgetter(0)) - 1)
        changes = islice(self._versions, place, None)
        return next((version for row, version in changes if version is not None and row <= last), None)

    def collected(self) -> "EventSeries":
        """Return the events whose time of collection is known."""
        if isinstance(self.collected_ts, array) or None not in self.collected_ts:
            return self
        is_known = [collected is not None for collected in self.collected_ts]
        recorded_ts, sequence = list(compress(self.recorded_ts, is_known)), list(compress(self.sequence, is_known))
        records = [record for record in self.records if record.collected_ts is not None]
        return EventSeries(
            self.connector_id, recorded_ts, sequence, list(compress(self.collected_ts, is_known)), records
        )

    def first_known_ts(self, since: float, until: float) -> float:
        """Return when the first event was recorded that was collected between two times, and the first time at most."""
        pairs = zip(self.recorded_ts, self.known_ts, strict=True)
        return min(since, next((recorded for recorded, known in pairs if since <= known <= until), since))

    def since(self, moment: float) -> "EventSeries":
        """Return the events that were recorded at a time or later."""
        row, place = bisect_left(self.recorded_ts, moment), bisect_left(self.records, moment, key=itemgetter(0))
        start = bisect_right(self._versions, row, key=itemgetter(0)) - 1
        return EventSeries(
            self.connector_id,
            self.recorded_ts[row:],
            self.sequence[row:],
            self.collected_ts[row:],
            self.records[place:],
            [(max(0, number - row), version) for number, version in self._versions[max(0, start) :]],
        )

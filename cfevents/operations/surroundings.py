"""The events around a gap, and what they show of its cause. Nothing is said that no event shows."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from attrs import frozen

from cfevents._html import HtmlRepr, counted
from cfevents._model.api import EventId
from cfevents._time import format_duration, to_datetime, to_timedelta
from cfevents.operations.series import EventSeries, Record

# What is started and fails before a silence may be its cause. Kinds of other failures end in Failure.
_TROUBLE = {"StartUpgrade", "FinishUpgradeSuccess", "BlessSlotPending", "RekeyReset", "HaError", "HaLeave", "Leave"}


@frozen
class GapEvent(HtmlRepr):
    """An event at the edge of a gap."""

    kind: str
    """Event kind (``k``)."""

    id: EventId
    """The event's id."""

    @property
    def recorded_at(self) -> datetime:
        """Time the event was recorded."""
        return to_datetime(self.id.recorded_ts)

    def __str__(self) -> str:
        return f"{self.kind} at {self.recorded_at:%Y-%m-%d %H:%M:%S} UTC"


class Surroundings(NamedTuple):
    """The last event before a gap, the first after it, and a sentence about its cause."""

    before: GapEvent | None
    after: GapEvent | None
    reading: str


def around_device_gap(series: EventSeries, row: int, soon: timedelta) -> Surroundings:
    """Return the surroundings of a gap between an event and the next; its start is recorded soon."""
    after = row + 1
    begun = (record for record in _between(series, after, soon) if record.kind == "Init")
    start = next(begun, None)
    restarted = f"it restarted: {_event(start)}" if start else "no restart was recorded soon after it"
    return Surroundings(_at(series, row), _at(series, after), "; ".join([*_trouble(series, row, soon), restarted]))


def around_late_events(series: EventSeries, rows: Sequence[int]) -> Surroundings:
    """Return the surroundings of events that were delivered late."""
    before = _at(series, rows[0] - 1) if rows[0] else None
    after = _at(series, rows[-1] + 1) if rows[-1] + 1 < len(series) else None
    length = to_timedelta(series.recorded_ts[rows[-1]] - series.recorded_ts[rows[0]])
    start = next((record for record in _between(series, rows[0], length) if record.kind == "Init"), None)
    restarted = [f"it restarted: {_event(start)}"] if start else []
    reading = f"it was running: {counted(len(rows), 'event')} recorded meanwhile and delivered late"
    return Surroundings(before, after, "; ".join([reading, *restarted]))


def around_silence(series: EventSeries, soon: timedelta) -> Surroundings:
    """Return the surroundings of the time after the last event."""
    if not len(series):
        return Surroundings(None, None, "nothing is known of its cause")
    last = len(series) - 1
    known = [*_trouble(series, last, soon)]
    begun = next((record for record in reversed(series.records) if record.kind in {"Init", "Leave"}), None)
    if begun is not None and begun.kind == "Init":
        length = to_timedelta(series.recorded_ts[last] - begun.recorded_ts)
        known.append(f"its process had run for {format_duration(length)}")
    return Surroundings(_at(series, last), None, "; ".join(known) or "nothing is known of its cause")


def _at(series: EventSeries, row: int) -> GapEvent:
    return GapEvent(series.kind(row), series.id(row))


def _event(record: Record) -> GapEvent:
    return GapEvent(record.kind, record.id)


def _between(series: EventSeries, row: int, length: timedelta) -> Iterator[Record]:
    """Yield the records from a row on, as long as they were recorded within a time after it."""
    begin = series.recorded_ts[row]
    end = begin + length.total_seconds()
    first = bisect_left(series.records, begin, key=itemgetter(0))
    for record in islice(series.records, first, None):
        if record.recorded_ts > end:
            return
        if record.recorded_ts > begin or record.sequence >= series.sequence[row]:
            yield record


def _trouble(series: EventSeries, row: int, soon: timedelta) -> Iterator[str]:
    """Yield a sentence about the last trouble that was recorded soon before an event, if there was any."""
    end = series.recorded_ts[row]
    place = bisect_right(series.records, end, key=itemgetter(0))
    for record in reversed(series.records[max(0, place - 100) : place]):
        if record.recorded_ts < end - soon.total_seconds():
            return
        if record.kind in _TROUBLE or record.kind.endswith("Failure"):
            yield f"shortly before: {_event(record)}"
            return

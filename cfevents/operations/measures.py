"""Measures of events: how late they were collected, and what of them this version does not know."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import sub

from attrs import field, frozen

from cfevents._model.api import EventId
from cfevents._time import to_timedelta
from cfevents._validation import is_number, short_repr
from cfevents.events import KINDS
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events
from cfevents.operations.series import UNEVENTFUL, EventSeries, Record

USUAL_PERCENTAGES = (50, 90, 99, 100)
HOUR_S = 3600


@frozen
class Lags(ConnectorResult):
    """The time from recording to collection of a connector's events."""

    count: int
    """Number of events whose time of collection is known."""

    percentiles: Mapping[float, timedelta] = field(hash=False)
    """For each percentage the lag that so many events do not exceed. Below zero if the device's clock is ahead."""

    event_ids: tuple[EventId, ...]
    """The events that have these lags, one for each percentage."""


@accepts_any_events
def lags(events: Journal, *, percentages: Sequence[float] = USUAL_PERCENTAGES) -> list[Lags]:
    """Measure how long each connector's events took to be collected (``a`` less ``t``).

    Args:
        events: Events in any order. Those without metadata, as those of *Get latest Events*, are left out.
        percentages: The percentiles, above 0 and up to 100. Each is the lag of one of the events.

    Returns:
        The lags of each connector that has events with metadata.

    Raises:
        TypeError: A percentage is not a number.
        ValueError: A percentage is not above 0 and up to 100.
    """
    for percentage in percentages:
        if not is_number(percentage):
            raise TypeError(f"percentages has {short_repr(percentage)}, which is not a number")
        if not 0 < percentage <= 100:
            raise ValueError(f"percentages has {short_repr(percentage)}: write numbers above 0 and up to 100")
    measured = (lags_of(series, percentages) for series in events._series())
    return [of_connector for of_connector in measured if of_connector is not None]


def lags_of(series: EventSeries, percentages: Sequence[float] = USUAL_PERCENTAGES) -> Lags | None:
    """Return the lags of a connector; None if no event has metadata."""
    series = series.collected()
    if not len(series):
        return None
    lags = list(map(sub, series.known_ts, series.recorded_ts))
    ranked = sorted(lags)
    # The nearest rank: the least number of events that are so many percent of all.
    ranks = [max(0, int(-(-percentage * len(ranked) // 100)) - 1) for percentage in percentages]
    rows = [_row_of_rank(lags, ranked, rank) for rank in ranks]
    percentiles = {percentage: to_timedelta(ranked[rank]) for percentage, rank in zip(percentages, ranks, strict=True)}
    return Lags(series.connector_id, len(lags), percentiles, tuple(map(series.id, rows)))


def _row_of_rank(lags: list[float], ranked: list[float], rank: int) -> int:
    """Return the event at a rank. Those of one lag are ranked as they were recorded."""
    row = -1
    for _ in range(bisect_left(ranked, ranked[rank]), rank + 1):
        row = lags.index(ranked[rank], row + 1)
    return row


def count_hours(series: EventSeries) -> Counter[tuple[str, int]]:
    """Return the number of a connector's events by kind and hour since the Unix epoch."""
    counts = Counter((record.kind, int(record.recorded_ts // HOUR_S)) for record in series.records)
    hours = Counter(int(moment // HOUR_S) for moment in series.recorded_ts)
    hours.subtract(int(record.recorded_ts // HOUR_S) for record in series.records)
    counts.update({(UNEVENTFUL, hour): count for hour, count in hours.items() if count})
    return counts


@frozen
class Unknown(ConnectorResult):
    """A kind, or a field of a kind's payload, that this version does not know."""

    kind: str
    """Event kind (``k``)."""

    field: str | None
    """The payload's field; None if the kind itself is not in the catalogue."""

    count: int
    """Number of events that have it."""

    first_at: datetime
    """When the first of them was recorded."""

    last_at: datetime
    """When the last of them was recorded."""

    event_ids: tuple[EventId, ...]
    """The first and the last of them."""


@accepts_any_events
def unknowns(events: Journal) -> list[Unknown]:
    """Find kinds that are not in the catalogue, and fields that are not documented, or not of the documented type.

    Payloads have fields that the API's documentation does not list. They are found only if the payloads were read.

    Args:
        events: Events in any order.

    Returns:
        The unknown kinds and fields, by connector, kind and field.
    """
    return [unknown for series in events._series() for unknown in unknowns_of(series)]


def unknowns_of(series: EventSeries) -> Iterator[Unknown]:
    """Yield the unknown kinds and fields of a connector, by kind and field."""
    seen: dict[tuple[str, str | None], tuple[Record, Record, int]] = {}
    for record in series.records:
        names = record.payload.unknown_fields
        for name in names if record.kind in KINDS else (None, *names):
            first, _, count = seen.get((record.kind, name), (record, record, 0))
            seen[record.kind, name] = first, record, count + 1
    for key, (first, last, count) in sorted(seen.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        ids = tuple(dict.fromkeys((first.id, last.id)))
        yield Unknown(series.connector_id, *key, count, first.recorded_at, last.recorded_at, ids)

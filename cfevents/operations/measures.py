"""Measures of events: how late they were collected, and what of them this version does not know."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from attrs import field, frozen

from cfevents._model.api import EventId
from cfevents._time import to_timedelta
from cfevents._validation import is_number, short_repr
from cfevents.events import KINDS
from cfevents.operations.journal import ConnectorResult, Journal, Record, accepts_any_events


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
def lags(events: Journal, *, percentages: Sequence[float] = (50, 90, 99, 100)) -> list[Lags]:
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
    measured: list[Lags] = []
    for connector_id, records in events.connectors():
        ranked = sorted(
            (record.collected_ts - record.recorded_ts, record.recorded_ts, record.sequence)
            for record in records
            if record.collected_ts is not None
        )
        if ranked:
            # The nearest rank: the least number of events that are so many percent of all.
            ranks = [int(-(-percentage * len(ranked) // 100)) for percentage in percentages]
            chosen = [ranked[max(0, rank - 1)] for rank in ranks]
            lags = [to_timedelta(lag) for lag, *_ in chosen]
            percentiles = dict(zip(percentages, lags, strict=True))
            measured.append(Lags(connector_id, len(ranked), percentiles, tuple(EventId(*key) for _, *key in chosen)))
    return measured


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
    unknowns: list[Unknown] = []
    for connector_id, records in events.connectors():
        seen: dict[tuple[str, str | None], tuple[Record, Record, int]] = {}
        for record in records:
            names = record.payload.unknown_fields
            for name in names if record.kind in KINDS else (None, *names):
                first, _, count = seen.get((record.kind, name), (record, record, 0))
                seen[record.kind, name] = first, record, count + 1
        for key, (first, last, count) in sorted(seen.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            ids = tuple(dict.fromkeys((first.id, last.id)))
            unknowns.append(Unknown(connector_id, *key, count, first.recorded_at, last.recorded_at, ids))
    return unknowns

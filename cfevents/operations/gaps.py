"""Gaps: no event for much longer than usual, recorded or collected."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Literal, TypeAlias

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import parse_timestamp, to_datetime, to_timedelta
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record
from cfevents.operations.limits import Limits, limits_of

GapCause: TypeAlias = Literal["device", "collection", "unknown"]
"""What paused."""

_EXCEPTIONS = 3  # pauses that are set aside as no usual ones: a gap has no say in what a gap is
_Moments: TypeAlias = list[int | float]


@frozen
class Gap(HtmlRepr):
    """A time without events, much longer than this connector's usual pause."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose it is; None where the events do not say."""

    cause: GapCause
    """``"device"`` where nothing was recorded; ``"collection"`` where events were recorded meanwhile, and collected
    after it; ``"unknown"`` where it goes on: events may have been recorded and not been collected yet."""

    started_at: datetime
    """When the last event before it was recorded, or for a gap of the collection, collected."""

    ended_at: datetime | None
    """When the first event after it was; None where it goes on."""

    duration: timedelta
    """How long it is, or has been so far."""

    usual: timedelta
    """The usual pause that it is compared with."""

    event_ids: tuple[EventId, ...]
    """The last event before it and the first after it; for a gap of the collection, what was recorded meanwhile."""


@accepts_any_events
def gaps(events: Journal, *, until: datetime | float | None = None, limits: Limits | None = None) -> list[Gap]:
    """Find where a connector was silent for much longer than is usual for it.

    Its usual pause is such that half of its time lies in pauses at least as long, the three longest set aside: a
    connector that reports in bursts every two hours is not called silent in between. The same is done with the times
    of collection, which events without metadata do not have, as those of *Get latest Events*.

    Args:
        events: Events in any order, of all kinds.
        until: When the events end, an aware datetime or seconds since the Unix epoch; the time the last event of
            all was collected where it is left out. A silence may go on until then.
        limits: What is much longer (``gap_factor``, ``gap_least`` and ``gap_pauses``).

    Returns:
        The gaps, by connector, ascending.

    Raises:
        TypeError: `until` is no moment.
        ValueError: `until` has no time zone, or is not finite.
    """
    end = end_of(events, until)
    chosen = limits_of(limits)
    return [gap for connector_id, records in events.connectors() for gap in gaps_of(connector_id, records, end, chosen)]


def end_of(events: Journal, until: datetime | float | None) -> float:
    """Tell when the events end, in seconds since the Unix epoch."""
    if until is not None:
        return parse_timestamp("until", until)
    return events.latest_ts() or 0


def gaps_of(connector_id: str | None, records: list[Record], until: float, limits: Limits) -> list[Gap]:
    """Find a connector's gaps."""
    found = [
        *_silences(connector_id, records, limits),
        *_cut_off(connector_id, records, limits),
        *_going_on(connector_id, records, until, limits),
    ]
    return sorted(found, key=lambda gap: (gap.started_at, gap.cause))


def _silences(connector_id: str | None, records: list[Record], limits: Limits) -> Iterator[Gap]:
    usual = _usual([record.recorded_ts for record in records], limits)
    for before, after in pairwise(records):
        length = after.recorded_ts - before.recorded_ts
        if usual is not None and _is_gap(length, usual, limits):
            ids = (before.id, after.id)
            yield Gap(
                connector_id,
                "device",
                before.recorded_at,
                after.recorded_at,
                to_timedelta(length),
                to_timedelta(usual),
                ids,
            )


def _cut_off(connector_id: str | None, records: list[Record], limits: Limits) -> Iterator[Gap]:
    """Find pauses of the collection in which the device was alive."""
    collected = [record for record in records if record.collected_ts is not None]
    moments = sorted(record.known_ts for record in collected)
    usual = _usual(moments, limits)
    if usual is None:
        return
    # A clock that is wrong by hours must not move what was recorded into a pause in which nothing was.
    usual_lag = sorted(record.known_ts - record.recorded_ts for record in collected)[len(collected) // 2]
    for before, after in pairwise(moments):
        if _is_gap(after - before, usual, limits):
            late = [
                record for record in collected if before < record.recorded_ts + usual_lag < after <= record.known_ts
            ]
            if late:
                ids, length = tuple(record.id for record in late), to_timedelta(after - before)
                yield Gap(
                    connector_id,
                    "collection",
                    to_datetime(before),
                    to_datetime(after),
                    length,
                    to_timedelta(usual),
                    ids,
                )


def _going_on(connector_id: str | None, records: list[Record], until: float, limits: Limits) -> Iterator[Gap]:
    usual = _usual([record.recorded_ts for record in records], limits)
    # Its last sign of life may be that it delivered what it had recorded long before.
    seen = max(record.known_ts for record in records)
    if usual is not None and _is_gap(until - seen, usual, limits):
        yield Gap(
            connector_id,
            "unknown",
            to_datetime(seen),
            None,
            to_timedelta(until - seen),
            to_timedelta(usual),
            (records[-1].id,),
        )


def _is_gap(length: float, usual: float, limits: Limits) -> bool:
    return length > max(usual * limits.gap_factor, limits.gap_least.total_seconds())


def _usual(moments: _Moments, limits: Limits) -> float | None:
    """Tell the usual pause between moments, ascending; None where too few are known."""
    pauses = sorted(after - before for before, after in pairwise(moments))
    if len(pauses) < limits.gap_pauses:
        return None
    ordinary = pauses[:-_EXCEPTIONS]
    half = sum(ordinary) / 2
    return next(pause for pause, so_far in zip(ordinary, accumulate(ordinary), strict=True) if so_far >= half)

"""Gaps and silence: no event for much longer than usual, or none at all."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, islice
from operator import sub
from typing import Literal, NamedTuple, TypeAlias

from attrs import frozen

from cfevents._model.api import EventId
from cfevents._time import to_datetime, to_timedelta
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events
from cfevents.operations.limits import AskedConnector, JudgedWindow, KnownUntil, Limits, limits_or_default
from cfevents.operations.series import EventSeries
from cfevents.operations.surroundings import (
    GapEvent,
    Surroundings,
    around_device_gap,
    around_late_events,
    around_silence,
)

GapCause: TypeAlias = Literal["device", "collection", "unknown"]


class _Pause(NamedTuple):
    """A pause that is too long. Times are in seconds since the Unix epoch, the usual pause is in seconds."""

    cause: GapCause
    start: float
    end: float
    usual: float
    shown_by: tuple[EventId, ...]
    around: Surroundings
    began_earlier: bool = False


# The longest pauses, which do not count as usual: they may be gaps themselves.
_OUTLIER_PAUSES = 3


@frozen
class Gap(ConnectorResult):
    """A time without events, much longer than this connector's usual pause."""

    cause: GapCause
    """``"device"`` if nothing was recorded; ``"collection"`` if events were recorded meanwhile and collected after it;
    ``"unknown"`` if it goes on: events may have been recorded and not been collected yet."""

    started_at: datetime
    """When the last event before it was recorded, or collected for a gap of the collection."""

    began_earlier: bool
    """Whether it had begun before `started_at`, which is the window's first event then: that was collected late."""

    ended_at: datetime | None
    """When the first event after it was recorded or collected; None if it goes on."""

    duration: timedelta
    """Its length, so far if it goes on, and at least if it had begun earlier."""

    usual: timedelta | None
    """The usual pause that it is compared with; None if too few are known, for one that had begun before the window."""

    event_ids: tuple[EventId, ...]
    """The last event before it and the first after it; for a gap of the collection, the events recorded meanwhile."""

    before: GapEvent | None
    """The last event before it; of the collection, the last before the late ones. None if there is none."""

    after: GapEvent | None
    """The first event after it, or after the late ones; None if there is none."""

    reading: str
    """What the events around it show of its cause, in a sentence."""


@accepts_any_events
def gaps(
    events: Journal,
    *,
    until: datetime | float | None = None,
    known_until: KnownUntil | None = None,
    limits: Limits | None = None,
) -> list[Gap]:
    """Find the times in which a connector was silent for much longer than usual.

    Half of a connector's time lies in pauses at least as long as its usual pause, the three longest left out. So a
    connector that reports in bursts every two hours is not silent in between. Pauses of the collection are found
    likewise; events without metadata, as those of *Get latest Events*, have no time of collection.

    Args:
        events: Events in any order, of all kinds.
        until: When the events end, an aware datetime or seconds since the Unix epoch; by default when the last event of
            all was collected. A silence may go on until then, or if that is in the future, until now.
        known_until: Until when the events are known, if not until now; see `report`.
        limits: What is much longer (``gap_factor``, ``gap_least`` and ``gap_pauses``).

    Returns:
        The gaps, by connector, ascending.

    Raises:
        TypeError: A time is neither a datetime nor a number.
        ValueError: A time has no time zone, or is not finite.
    """
    window, limits = JudgedWindow.of(events, until=until, known_until=known_until), limits_or_default(limits)
    return [gap for series in events._series() for gap in gaps_of(series, window.end_ts(series), limits)]


def gaps_of(
    series: EventSeries, until: float, limits: Limits, since: float | None = None, *, has_earlier: bool = False
) -> list[Gap]:
    """Return a connector's gaps, ascending.

    One of the device that begins before the window is left out, unless the series has earlier events: what was recorded
    then is not known. One that ended before the window is left out, too.
    """
    known_since = -math.inf if has_earlier else since
    if not len(series):
        return []
    gaps = [
        Gap(
            series.connector_id,
            pause.cause,
            started_at=to_datetime(pause.start),
            began_earlier=pause.began_earlier,
            ended_at=None if pause.cause == "unknown" else to_datetime(pause.end),
            duration=to_timedelta(pause.end - pause.start),
            usual=None if math.isinf(pause.usual) else to_timedelta(pause.usual),
            event_ids=pause.shown_by,
            **pause.around._asdict(),
        )
        for pauses in (_device_pauses(series, until, limits), _collection_pauses(series, limits, known_since))
        for pause in pauses
    ]
    begin, known_begin = (to_datetime(-math.inf if moment is None else moment) for moment in (since, known_since))
    kept = (
        gap
        for gap in gaps
        if (gap.cause != "device" or gap.started_at >= known_begin) and (gap.ended_at is None or gap.ended_at > begin)
    )
    return sorted(kept, key=lambda gap: (gap.started_at, gap.cause))


def _device_pauses(series: EventSeries, until: float, limits: Limits) -> Iterator[_Pause]:
    moments = series.recorded_ts
    usual, longest = _usual_pause(moments, limits)
    for row in _longer_pauses(moments, longest):
        # Nothing was recorded later than now: the clock was set ahead in between.
        if not moments[row] <= until < moments[row + 1]:
            shown_by, around = (series.id(row), series.id(row + 1)), around_device_gap(series, row, limits.restart)
            yield _Pause("device", moments[row], moments[row + 1], usual, shown_by, around)
    # Its last sign of life may be that it delivered events that it had recorded long before.
    last_known = max(series.known_ts)
    if until - last_known > longest:
        around = around_silence(series, limits.restart)
        yield _Pause("unknown", last_known, until, usual, (series.id(-1),), around)


def _collection_pauses(series: EventSeries, limits: Limits, since: float | None) -> Iterator[_Pause]:
    """Yield the pauses of the collection in which the device recorded events."""
    series = series.collected()
    known_ts = series.known_ts
    moments = sorted(known_ts)
    usual, longest = _usual_pause(moments, limits)
    if since is not None and (pause := _first_pause(series, since, usual, longest, limits)):
        yield pause
    pauses = _longer_pauses(moments, longest)
    # A clock that is wrong by hours would move events into a pause in which nothing was recorded.
    usual_lag = sorted(map(sub, known_ts, series.recorded_ts))[len(series) // 2] if pauses else 0
    for place in pauses:
        start, end = moments[place : place + 2]
        after, before = start - usual_lag, end - usual_lag
        rows = range(bisect_right(series.recorded_ts, after), bisect_left(series.recorded_ts, before))
        if late := [row for row in rows if known_ts[row] >= end]:
            shown_by, around = tuple(map(series.id, late)), around_late_events(series, late)
            yield _Pause("collection", start, end, usual, shown_by, around)


def _first_pause(series: EventSeries, since: float, usual: float, longest: float, limits: Limits) -> _Pause | None:
    """Return the pause of the collection that had begun before the window, as far as the window shows it.

    Its first event is late then, collected at once with others that were recorded up to that time. Only what exceeds
    the least lag counts, so that neither a wrong clock nor a lag that is usual is an outage. A connector that delivers
    in batches looks the same, but for the next event, which is in time only after an outage. Without such an event, as
    where the outage outlasts the window, the pause has to be as long as a silence without a usual pause.
    """
    first = bisect_left(series.recorded_ts, since)
    recorded_ts, known_ts = series.recorded_ts[first:], series.known_ts[first:]
    if not recorded_ts:
        return None
    end, least_lag = min(known_ts), min(map(sub, known_ts, recorded_ts))
    length = end - recorded_ts[0] - least_lag
    after = bisect_right(recorded_ts, end - least_lag)
    is_over = after < len(recorded_ts) and (
        (known_ts[after] - recorded_ts[after] - least_lag) * limits.gap_factor <= length
    )
    least = (limits.gap_least if is_over else limits.silence).total_seconds()
    if length <= (least if math.isinf(longest) else max(least, longest)):
        return None
    clock_lag = least_lag if is_over else min(least_lag, 0)
    start, late = recorded_ts[0] + clock_lag, bisect_left(recorded_ts, end - clock_lag)
    # A clock that is set soon after the start puts the first events alone into the past.
    is_filled = recorded_ts[late - 1] + clock_lag >= start + length / 2
    if not is_filled:
        return None
    rows = range(first, first + late)
    around = around_late_events(series, rows)
    return _Pause("collection", start, end, usual, tuple(map(series.id, rows)), around, began_earlier=True)


def _longer_pauses(moments: Sequence[float], longest: float) -> list[int]:
    """Return the places of the moments before pauses that are too long."""
    pauses = map(sub, islice(moments, 1, None), moments)
    return [] if math.isinf(longest) else [place for place, pause in enumerate(pauses) if pause > longest]


def _usual_pause(moments: Sequence[float], limits: Limits) -> tuple[float, float]:
    """Return the usual pause between ascending moments and the longest that is no gap; infinity for too few pauses.

    The usual one is the median weighted by length: half of the time lies in pauses at least as long. The three longest
    are left out, so that an outage does not count as usual. O(n), but for the different lengths, which are sorted.
    """
    if len(moments) - 1 < limits.gap_pauses:
        return math.inf, math.inf
    pauses = Counter(map(sub, islice(moments, 1, None), moments))
    lengths, outliers = sorted(pauses), _OUTLIER_PAUSES
    for length in reversed(lengths):
        left_out = min(outliers, pauses[length])
        pauses[length] -= left_out
        outliers -= left_out
    totals = list(accumulate(length * pauses[length] for length in lengths))
    usual = lengths[bisect_left(totals, totals[-1] / 2)]
    return usual, max(usual * limits.gap_factor, limits.gap_least.total_seconds())


Heartbeats: TypeAlias = Literal["going on", "stopped", "later", "none", "unknown"]
"""The heartbeats at the end of a window: they may have stopped before it, or be known from a later time alone."""


@frozen
class Silence(ConnectorResult):
    """The time at the end of a window in which nothing came from a connector."""

    since: datetime | None  # the beginning of the window
    known_since: datetime | None  # the beginning of what is known; None if that is the window's
    started_at: datetime  # the last event or where heartbeats stopped, or the beginning of the window without either
    until: datetime  # the end of what is known
    heartbeats: Heartbeats
    last_heartbeat: datetime | None
    is_in_service: bool
    has_usual_pause: bool  # whether there are enough events to know it
    event_ids: tuple[EventId, ...]  # the last event in the window
    around: Surroundings  # with the last event before it, which may be earlier

    @property
    def duration(self) -> timedelta:
        """Its length so far."""
        return self.until - self.started_at


def silence_of(
    connector: AskedConnector, series: EventSeries, whole: EventSeries, window: JudgedWindow, limits: Limits
) -> Silence | None:
    """Return the silence of a connector at the end of a window; None if that has not begun.

    The whole series may have events from before the window.
    """
    since = None if window.since_ts is None else to_datetime(window.since_ts)
    if window.since_ts is not None and window.until_ts < window.since_ts:
        return None
    known_ts = window.known_since_ts(connector.connector_id)
    known_since = None if known_ts is None else to_datetime(known_ts)
    begin, until = known_since or since, to_datetime(window.end_ts(series))
    last = to_datetime(max(series.known_ts)) if len(series) else None
    heartbeats = _heartbeats(connector, begin if last is None else last, until, limits.gap_least)
    stopped = connector.last_heartbeat if heartbeats == "stopped" else None
    signs = [moment for moment in (last, stopped) if moment is not None]
    return Silence(
        connector_id=connector.connector_id,
        since=since,
        known_since=known_since,
        started_at=max(signs, default=until if begin is None else min(begin, until)),
        until=until,
        heartbeats=heartbeats,
        last_heartbeat=connector.last_heartbeat,
        is_in_service=connector.is_in_service,
        has_usual_pause=len(series) > limits.gap_pauses,
        event_ids=(series.id(-1),) if len(series) else (),
        around=around_silence(whole, limits.restart),
    )


def _heartbeats(connector: AskedConnector, begin: datetime | None, until: datetime, tolerance: timedelta) -> Heartbeats:
    if connector.last_heartbeat is None:
        return "none" if connector.had_no_heartbeat else "unknown"
    age = until - connector.last_heartbeat
    if abs(age) > tolerance:
        return "stopped" if age > tolerance else "later"
    # Only one since the silence began shows that they outlast it.
    return "unknown" if begin is not None and connector.last_heartbeat < begin else "going on"

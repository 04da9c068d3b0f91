"""High availability: how often the roles of a pair change, and errors."""

from datetime import datetime, timedelta

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_timedelta
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events
from cfevents.operations.limits import Limits, limits_or_default
from cfevents.operations.series import EventSeries, Record, recording_order

_HOUR_S = 3600


@frozen
class Flapping(HtmlRepr):
    """HA transitions in quick succession."""

    first_at: datetime
    """When the first was recorded."""

    last_at: datetime
    """When the last was recorded."""

    transitions: int
    """Number of transitions."""

    event_ids: tuple[EventId, ...]
    """The transitions, and the errors between them or shortly before or after."""


@frozen
class HaActivity(ConnectorResult):
    """Transitions and errors of a connector's HA subsystem."""

    transitions: int
    """Number of transitions."""

    per_hour: float
    """Transitions an hour, from the connector's first event to its last, but over an hour at least."""

    busiest_hour: int
    """Transitions in the hour that had the most."""

    flapping: tuple[Flapping, ...]
    """Transitions in quick succession."""

    error_ids: tuple[EventId, ...]
    """Its errors."""

    event_ids: tuple[EventId, ...]
    """The transitions and the errors."""


@accepts_any_events
def ha(events: Journal, *, limits: Limits | None = None) -> list[HaActivity]:
    """Count the HA transitions and errors of each connector that has any, and find flapping.

    Args:
        events: Events in any order; ``HaTransition`` and ``HaError``.
        limits: What flapping is (``flapping_transitions`` and ``flapping_window``).

    Returns:
        One activity for each connector that has any.
    """
    limits = limits_or_default(limits)
    activities = (ha_of(series, limits) for series in events._series())
    return [activity for activity in activities if activity is not None]


def ha_of(series: EventSeries, limits: Limits) -> HaActivity | None:
    """Return the activity of a connector; None without any."""
    transitions = [record for record in series.records if record.kind == "HaTransition"]
    errors = [record for record in series.records if record.kind == "HaError"]
    if not transitions and not errors:
        return None
    hours = max(1.0, (series.recorded_ts[-1] - series.recorded_ts[0]) / _HOUR_S)
    return HaActivity(
        series.connector_id,
        transitions=len(transitions),
        per_hour=len(transitions) / hours,
        busiest_hour=_busiest_hour(transitions),
        flapping=tuple(_flapping(burst, errors, limits.flapping_window) for burst in _bursts(transitions, limits)),
        error_ids=tuple(record.id for record in errors),
        event_ids=_ids([*transitions, *errors]),
    )


def _busiest_hour(transitions: list[Record]) -> int:
    most = first = 0
    for last, record in enumerate(transitions):
        while record.recorded_ts - transitions[first].recorded_ts >= _HOUR_S:
            first += 1
        most = max(most, last - first + 1)
    return most


def _bursts(transitions: list[Record], limits: Limits) -> list[list[Record]]:
    """Return the transitions of which enough lie within the window. Bursts that share a transition are one."""
    bounds: list[tuple[int, int]] = []
    for first in range(len(transitions) - limits.flapping_transitions + 1):
        last = first + limits.flapping_transitions - 1
        length = to_timedelta(transitions[last].recorded_ts - transitions[first].recorded_ts)
        if length <= limits.flapping_window:
            overlaps = bounds and first <= bounds[-1][1]
            bounds.append((bounds.pop()[0] if overlaps else first, last))
    return [transitions[first : last + 1] for first, last in bounds]


def _flapping(burst: list[Record], errors: list[Record], window: timedelta) -> Flapping:
    first_at, last_at = burst[0].recorded_at, burst[-1].recorded_at
    near = [e for e in errors if first_at - e.recorded_at <= window and e.recorded_at - last_at <= window]
    return Flapping(first_at, last_at, len(burst), _ids([*burst, *near]))


def _ids(records: list[Record]) -> tuple[EventId, ...]:
    return tuple(record.id for record in sorted(records, key=recording_order))

"""High availability: who of a pair does the work, and how often that changes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_timedelta
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record
from cfevents.operations.limits import Limits, limits_of

_HOUR = 3600


@frozen
class Flapping(HtmlRepr):
    """HA transitions in quick succession."""

    __module__ = "cfevents.operations"

    first_at: datetime
    """When the first was recorded."""

    last_at: datetime
    """When the last was recorded."""

    transitions: int
    """How many there were."""

    event_ids: tuple[EventId, ...]
    """The transitions, and the errors between them or shortly before or after."""


@frozen
class HaActivity(HtmlRepr):
    """What the HA subsystem of a connector did."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose it is; None where the events do not say."""

    transitions: int
    """How many transitions there were."""

    per_hour: float
    """How many there were an hour, from the connector's first event to its last; an hour is the least."""

    busiest_hour: int
    """How many there were in the hour that had the most."""

    flapping: tuple[Flapping, ...]
    """Where they came in quick succession."""

    error_ids: tuple[EventId, ...]
    """The ids of its errors."""

    event_ids: tuple[EventId, ...]
    """The transitions and the errors."""


@accepts_any_events
def ha(events: Journal, *, limits: Limits | None = None) -> list[HaActivity]:
    """Count the HA transitions and errors of each connector that has any, and find where they flap.

    Args:
        events: Events in any order; ``HaTransition`` and ``HaError``.
        limits: What flapping is (``flapping_transitions`` and ``flapping_window``).

    Returns:
        One for each connector.
    """
    chosen = limits_of(limits)
    activities = (ha_of(connector_id, records, chosen) for connector_id, records in events.connectors())
    return [activity for activity in activities if activity is not None]


def ha_of(connector_id: str | None, records: list[Record], limits: Limits) -> HaActivity | None:
    """Tell what a connector's HA subsystem did; None where it did nothing."""
    transitions = [record for record in records if record.kind == "HaTransition"]
    errors = [record for record in records if record.kind == "HaError"]
    if not transitions and not errors:
        return None
    hours = max(1.0, (records[-1].recorded_ts - records[0].recorded_ts) / _HOUR)
    return HaActivity(
        connector_id,
        len(transitions),
        len(transitions) / hours,
        _busiest(transitions),
        tuple(_flapping(transitions, errors, limits)),
        tuple(record.id for record in errors),
        tuple(record.id for record in sorted([*transitions, *errors], key=lambda record: record[:2])),
    )


def _busiest(transitions: list[Record]) -> int:
    most = first = 0
    for place, record in enumerate(transitions):
        while record.recorded_ts - transitions[first].recorded_ts >= _HOUR:
            first += 1
        most = max(most, place - first + 1)
    return most


def _flapping(transitions: list[Record], errors: list[Record], limits: Limits) -> Iterator[Flapping]:
    for series in _series(transitions, limits):
        near = [error for error in errors if _is_near(error, series, limits.flapping_window)]
        shown_by = sorted([*series, *near], key=lambda record: record[:2])
        ids = tuple(record.id for record in shown_by)
        yield Flapping(series[0].recorded_at, series[-1].recorded_at, len(series), ids)


def _series(transitions: list[Record], limits: Limits) -> Iterator[list[Record]]:
    """Find transitions of which so many lie in so short a time; such series that overlap are one."""
    series: dict[int, int] = {}
    number, end = -1, -1
    for first in range(len(transitions) - limits.flapping_transitions + 1):
        last = first + limits.flapping_transitions - 1
        length = to_timedelta(transitions[last].recorded_ts - transitions[first].recorded_ts)
        if length <= limits.flapping_window:
            number += first > end
            end = last
            series |= dict.fromkeys(range(first, last + 1), number)
    for _, places in groupby(series, key=series.__getitem__):
        yield [transitions[place] for place in places]


def _is_near(error: Record, series: list[Record], window: timedelta) -> bool:
    return series[0].recorded_at - error.recorded_at <= window and error.recorded_at - series[-1].recorded_at <= window

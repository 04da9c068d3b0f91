"""How long events take to be collected."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from attrs import field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents._time import to_timedelta
from cfevents._validation import is_number, short_repr
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record

DEFAULT_PERCENTILES = (50, 90, 99, 100)


@frozen
class Lags(HtmlRepr):
    """How long after they were recorded a connector's events were collected."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose they are; None where the events do not say."""

    count: int
    """How many events tell."""

    percentiles: Mapping[float, timedelta] = field(hash=False)
    """By percentage the lag that so many events do not exceed. Below zero where the device's clock is ahead."""

    event_ids: tuple[EventId, ...]
    """The events that have these lags, one for each percentage."""


@accepts_any_events
def lags(events: Journal, *, percentages: Sequence[float] = DEFAULT_PERCENTILES) -> list[Lags]:
    """Tell how long each connector's events took to be collected (``a`` less ``t``).

    Args:
        events: Events in any order. Those without metadata, as those of *Get latest Events*, do not tell.
        percentages: Which percentiles, above 0 and up to 100. Each is the lag of one of the events.

    Returns:
        One for each connector that has an event that tells.

    Raises:
        TypeError: A percentage is not a number.
        ValueError: A percentage is not above 0 and up to 100.
    """
    for percentage in percentages:
        if not is_number(percentage):
            raise TypeError(f"percentages has {short_repr(percentage)}, which is not a number")
        if not 0 < percentage <= 100:
            raise ValueError(f"percentages has {short_repr(percentage)}: write numbers above 0 and up to 100")
    found = (lags_of(connector_id, records, percentages) for connector_id, records in events.connectors())
    return [each for each in found if each is not None]


def lags_of(
    connector_id: str | None, records: list[Record], percentages: Sequence[float] = DEFAULT_PERCENTILES
) -> Lags | None:
    """Tell a connector's lags; None where no event tells."""
    ranked = sorted(
        (record.collected_ts - record.recorded_ts, record.recorded_ts, record.sequence)
        for record in records
        if record.collected_ts is not None
    )
    if not ranked:
        return None
    chosen = [ranked[max(0, _rank(percentage, len(ranked)) - 1)] for percentage in percentages]
    lengths = {percentage: to_timedelta(lag) for percentage, (lag, *_) in zip(percentages, chosen, strict=True)}
    return Lags(connector_id, len(ranked), lengths, tuple(EventId(ts, sequence) for _, ts, sequence in chosen))


def _rank(percentage: float, count: int) -> int:
    """The nearest rank: the least number of events that are so many percent of all."""
    return int(-(-percentage * count // 100))

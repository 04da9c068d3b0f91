"""The state of each connector that is followed, for users to look at."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import define

from cfevents._model.api import EventMetadata
from cfevents._public import set_module
from cfevents._time import TimeWindow, now, to_timedelta
from cfevents.errors import CfEventsError

_WARN_LAG_FRACTION = 0.5  # of the lookback; a lag above it is logged, before anything is lost

_log = logging.getLogger("cfevents")


@define(eq=False)
class PollProgress:
    """The part of a connector's window that its present poll has read, from 0 to 1, and the events so far."""

    fraction: float = 0.0
    events: int = 0  # that were not delivered before; with payloads, those whose payload came

    def reach(self, recorded_ts: float, window: TimeWindow) -> None:
        """Note that all of a window was read up to a time. The fraction never shrinks: a poll may begin again."""
        covered = (recorded_ts - window.since) / max(1.0, window.until - window.since)
        self.fraction = max(self.fraction, min(1.0, covered))


@set_module("cfevents")
@define(eq=False)
class ConnectorStatus:
    """The state of a connector that is followed."""

    last_good_at: datetime | None = None
    """The time of the last successful poll."""

    lag: timedelta = timedelta(0)
    """The longest time that was seen between an event's recording and its collection."""

    backlog: timedelta = timedelta(0)
    """The age of the event that was found last, while more are on their way; zero once all were listed."""

    error: CfEventsError | None = None
    """The error of the last poll; None where it succeeded."""

    clock_ahead: timedelta = timedelta(0)
    """How far this machine's clock is ahead of the API's, negative where it is behind; zero below a minute."""

    def on_success(self) -> None:
        """Note that a poll listed everything."""
        self.error, self.last_good_at, self.backlog = None, datetime.fromtimestamp(now(), UTC), timedelta(0)

    def on_events(self, connector_id: str, events: Sequence[EventMetadata], lookback: float, present: float) -> None:
        """Note how late events, ascending, were collected; warn once before some exceed the lookback, in seconds."""
        lag = to_timedelta(max(event.collected_ts - event.recorded_ts for event in events))
        if self.lag < timedelta(seconds=_WARN_LAG_FRACTION * lookback) <= lag:
            _log.warning(
                "connector %s: an event was collected %s after it was recorded; events later than the lookback of %s "
                "are lost: follow with a longer lookback",
                connector_id,
                lag,
                timedelta(seconds=lookback),
            )
        self.lag = max(self.lag, lag)
        self.backlog = to_timedelta(max(0.0, present - events[-1].recorded_ts))

"""How following goes, connector by connector."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import define

from cfevents._model.api import EventMetadata
from cfevents._time import now
from cfevents.errors import CfEventsError

# The part of the lookback from which a lag is told of, before anything is lost.
_NOTABLE = 0.5
# Seconds: longer than anybody waits, and not too long for a timedelta.
_LONGEST = 1e12

_log = logging.getLogger("cfevents")


@define(eq=False)
class ConnectorStatus:
    """How following a connector goes."""

    __module__ = "cfevents"

    last_good_at: datetime | None = None
    """When it was last asked with success."""

    lag: timedelta = timedelta(0)
    """The longest time that was seen between an event's recording and its collection."""

    backlog: timedelta = timedelta(0)
    """While more is on its way: how long ago the event was recorded that was found last."""

    error: CfEventsError | None = None
    """Why it could not be asked when it was asked last."""

    def succeeded(self) -> None:
        """Note that all was listed."""
        self.error, self.last_good_at, self.backlog = None, datetime.fromtimestamp(now(), UTC), timedelta(0)

    def note(self, connector_id: str, events: Sequence[EventMetadata], lookback: float) -> None:
        """Remember how far behind events come, and tell of it before some come too late.

        Args:
            connector_id: Whose they are.
            events: Some that were found, ascending.
            lookback: How late an event may come, in seconds.
        """
        lag = _length(max(event.collected_ts - event.recorded_ts for event in events))
        notable = timedelta(seconds=_NOTABLE * lookback)
        if self.lag < notable <= lag:
            _log.warning(
                "connector %s: an event was collected %s after it was recorded; what comes later than the lookback of "
                "%s is lost: follow with a longer one",
                connector_id,
                lag,
                timedelta(seconds=lookback),
            )
        self.lag = max(self.lag, lag)
        self.backlog = _length(max(0.0, now() - events[-1].recorded_ts))


def _length(seconds: float) -> timedelta:
    # Of an event's times nothing is known but that they are numbers.
    return timedelta(seconds=max(-_LONGEST, min(seconds, _LONGEST)))

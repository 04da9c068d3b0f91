"""How far one connector is followed, and what was delivered of what may be listed again. No I/O."""

import math
from collections.abc import Iterable, Mapping

from attrs import evolve, field, frozen

from cfevents._model.api import EventMetadata, event_key
from cfevents._model.checkpoint import EventKey
from cfevents._time import TimeWindow

# Appliances' clocks may be ahead: what they recorded "tomorrow" is listed too.
_AHEAD = 86_400


@frozen(eq=False, repr=False)
class Watermark:
    """What was delivered of a connector: everything before ``since``, and of what came later ``delivered``."""

    since: int
    """What was recorded before is not delivered, in seconds since the Unix epoch."""

    newest: int | float | None = None
    """When the newest event that was delivered was recorded."""

    reached: int | float | None = None
    """When the newest event that was listed was recorded, of whatever kind."""

    delivered: Mapping[EventKey, None] = field(factory=dict)
    """The events that were delivered and may be listed again; a dict, since a copy of it costs least."""

    def window(self, overlap: float, now: float) -> TimeWindow:
        """Say what to list: from so many seconds before the watermark on, and all that is later.

        Args:
            overlap: The seconds; infinite for all that may be listed again.
            now: The time, in seconds since the Unix epoch. The watermark is never later: an appliance whose clock is
                ahead may be put right.
        """
        mark = min(self.since if self.reached is None else self.reached, now)
        begin = self.since if math.isinf(overlap) else max(self.since, math.floor(mark - overlap))
        # A second early: whether bounds are inclusive is not known.
        return TimeWindow(begin - 1, math.ceil(now) + _AHEAD)

    def missing(self, events: Iterable[EventMetadata]) -> list[EventMetadata]:
        """Find what was not delivered yet, ascending."""
        found = {
            key: event
            for event in events
            if event.recorded_ts >= self.since and (key := event_key(event)) not in self.delivered
        }
        return [found[key] for key in sorted(found)]

    def is_late(self, event: EventMetadata) -> bool:
        """Whether something newer was delivered before it."""
        return self.newest is not None and event.recorded_ts < self.newest

    def after(self, events: Iterable[EventMetadata]) -> "Watermark":
        """Take in what is delivered."""
        if not (more := dict.fromkeys(map(event_key, events))):
            return self
        newest = max(time for time, _ in more)
        return evolve(
            self,
            newest=_later(self.newest, newest),
            reached=_later(self.reached, newest),
            delivered={**self.delivered, **more},
        )

    def listed(self, newest: float | None) -> "Watermark":
        """Take in when the newest event that was listed was recorded: it may be of a kind that is not delivered."""
        return self if newest is None else evolve(self, reached=_later(self.reached, newest))

    def looked_through(self, until: float, lookback: float) -> "Watermark":
        """Give up what is older than late events may be, once all before a moment was looked for.

        Args:
            until: All that was recorded before, and had been collected by then, was listed and delivered.
            lookback: How late an event may come, in seconds.
        """
        # What is collected later, and not too late, was recorded no more than the lookback before that moment.
        since = math.floor(until - lookback)
        if since <= self.since:
            return self
        return evolve(self, since=since, delivered={key: None for key in self.delivered if key[0] >= since})


def _later(one: float | None, other: float) -> float:
    return other if one is None else max(one, other)

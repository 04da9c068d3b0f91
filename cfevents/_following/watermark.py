"""The delivery state of one connector: how far it was read, and which events may be listed again. No I/O."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, evolve, field, frozen

from cfevents._model.api import EventMetadata, event_key
from cfevents._model.checkpoint import EventKey
from cfevents._time import TimeWindow

_MAX_CLOCK_AHEAD_S = 86_400  # events that an appliance recorded "tomorrow" are listed too


@frozen(eq=False, repr=False)
class Watermark:
    """The events of a connector that were delivered: all before ``since``, and of the later ones ``delivered``.

    De-duplication by key. Invariant: an event is delivered if and only if it is not covered yet, and is covered from
    then on; ``since`` moves only past times of which nothing can come any more. So each event that is collected within
    the lookback is delivered exactly once. Memory is one key for each event of the lookback; an update copies them.
    """

    since: int  # events recorded earlier are not delivered, in seconds since the Unix epoch
    newest: int | float | None = None  # the latest recording time of the events that were delivered
    reached: int | float | None = None  # the same of those that were listed, of any kind
    # The events that were delivered and may be listed again; a dict, since it is the quickest to copy.
    delivered: Mapping[EventKey, None] = field(factory=dict)

    def window(self, overlap: float, earliest: float, latest: float) -> TimeWindow:
        """Return the window to list: from ``overlap`` seconds, or all that may come again, until a day from now.

        Now is some time between ``earliest`` and ``latest``.
        """
        # No later than now: an appliance whose clock is ahead may be corrected.
        mark = min(self.since if self.reached is None else self.reached, earliest)
        begin = self.since if math.isinf(overlap) else max(self.since, math.floor(mark - overlap))
        # A second early: whether bounds are inclusive is not known. Where a clock was never set, now may seem earlier.
        return TimeWindow(max(0, begin - 1), max(math.ceil(latest), begin) + _MAX_CLOCK_AHEAD_S)

    def undelivered(self, events: Iterable[EventMetadata]) -> list[EventMetadata]:
        """Return the events that are not covered yet, ascending and once each."""
        missing = {
            key: event
            for event in events
            if event.recorded_ts >= self.since and (key := event_key(event)) not in self.delivered
        }
        return [missing[key] for key in sorted(missing)]

    @property
    def complete_from(self) -> int:
        """The time from which on nothing was delivered so far: a store that begins here has all of it."""
        return max([self.since, *(math.floor(recorded_ts) + 1 for recorded_ts, _ in self.delivered)])

    def covers(self, other: "Watermark") -> bool:
        """Return whether all that counts as delivered there does so here: who goes on from there leaves no gap."""
        return other.since <= self.since and all(
            key[0] < self.since or key in self.delivered for key in other.delivered
        )

    def with_lookback(self, begin: int, seconds: float) -> "Watermark":
        """Return the watermark back by a lookback, but not before ``begin``: another may have had a shorter one.

        Events that are delivered again are in the store already.
        """
        if self.reached is None:
            return self
        return evolve(self, since=max(begin, min(self.since, math.floor(self.reached - seconds))))

    def is_late(self, event: EventMetadata) -> bool:
        return self.newest is not None and event.recorded_ts < self.newest

    def after(self, events: Iterable[EventMetadata]) -> "Watermark":
        """Return the watermark once these events are delivered."""
        keys = dict.fromkeys(map(event_key, events))
        if not keys:
            return self
        newest_ts = max(recorded_ts for recorded_ts, _ in keys)
        newest = newest_ts if self.newest is None else max(self.newest, newest_ts)
        return evolve(self, newest=newest, delivered={**self.delivered, **keys}).with_reached(newest_ts)

    def with_reached(self, recorded_ts: float) -> "Watermark":
        """Return the watermark once an event of that recording time was listed, of whatever kind."""
        return evolve(self, reached=recorded_ts if self.reached is None else max(self.reached, recorded_ts))

    def to_dict(self) -> dict[str, Any]:
        # One flat array of keys: it is the longest part by far.
        return {**asdict(self, recurse=False), "delivered": [part for key in sorted(self.delivered) for part in key]}

    def prune_before(self, recorded_ts: float) -> "Watermark":
        """Return the watermark without the events recorded earlier: nothing more of then can be collected in time."""
        since = math.floor(recorded_ts)
        if since <= self.since:
            return self
        return evolve(self, since=since, delivered={key: None for key in self.delivered if key[0] >= since})

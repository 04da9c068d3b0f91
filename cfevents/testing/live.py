"""A made-up history that goes on: its appliances live while it is served."""

import heapq
import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

from cfevents.testing.appliance import RawEvent
from cfevents.testing.appliance_life import ApplianceTimeline
from cfevents.testing.history import DAY_SECONDS, History
from cfevents.testing.scenarios import DEFAULT_INCIDENTS

__all__ = ["LiveHistory"]

# A day of every appliance takes milliseconds to make: at a day a second, they can still be made in time.
MAX_SPEED = 86_400

_Record: TypeAlias = tuple[str, RawEvent]


class LiveHistory(History):
    """A history that goes on: what its appliances record from now on is served as soon as it is collected.

    Its past is some UTC days, today among them up to now: the same for all that are made on one day with the same
    arguments. Its future has no end, and comes `speed` times faster: what would be recorded an hour from now is
    recorded, and dated, that much earlier. One simulator can serve it.

    Attributes:
        until: When it was made: where its past ends, and its future begins.
        speed: How much faster time goes for the appliances from then on.
        events: By connector id the events of its past, all collected by then, as JSON, ascending by `(t, n)`.
        incidents: What went wrong in that past, oldest first.
    """

    __module__ = "cfevents.testing"

    def __init__(
        self,
        *,
        seed: int = 0,
        connectors: int | Collection[str] = 3,
        days: int = 8,
        incidents: Collection[str] = DEFAULT_INCIDENTS,
        speed: float = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a history that goes on.

        Args:
            seed: What the chances depend on.
            connectors: How many appliances there are, or their ids.
            days: How many UTC days its past has, today among them, 1 or more.
            incidents: The names of what goes wrong, each of which happens once in every so many days.
            speed: How much faster its future comes, from 1 to 86,400.
            clock: Tells the time, seconds since the Unix epoch.

        Raises:
            ValueError: `speed` is not a number from 1 to 86,400; also as for `History`.
            TypeError: `days` is not a whole number.
        """
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not 1 <= speed <= MAX_SPEED:
            raise ValueError(f"speed must be a number from 1 to {MAX_SPEED}, not {speed!r}")
        began = int(clock())
        midnight = began - began % DAY_SECONDS + DAY_SECONDS
        super().__init__(seed=seed, connectors=connectors, days=days, until=midnight, incidents=incidents)
        self.until, self.speed, self._clock = began, speed, clock
        self._names = incidents
        # Of all appliances, ascending by the time recorded; of that which was recorded, what is not collected yet.
        self._upcoming = heapq.merge(*(self._upcoming_events(*each) for each in self._timelines.items()), key=_recorded)
        self._next = next(self._upcoming)
        self._uncollected: list[tuple[int, int, _Record]] = []
        self._tie_breakers = itertools.count()
        self.events = {name: [event for event in all_ if event["a"] <= began] for name, all_ in self.events.items()}
        self.incidents = tuple(each for each in self.incidents if self._is_past(each.connector_id, each.event_ids))

    def news(self) -> Mapping[str, list[RawEvent]]:
        """Give what was collected since it was asked last, by connector id; the simulator asks."""
        now = self._clock()
        # Nothing is collected before it is recorded.
        while _recorded(self._next) <= now:
            heapq.heappush(self._uncollected, (self._next[1]["a"], next(self._tie_breakers), self._next))
            self._next = next(self._upcoming)
        found: dict[str, list[RawEvent]] = {}
        while self._uncollected and self._uncollected[0][0] <= now:
            name, event = heapq.heappop(self._uncollected)[-1]
            found.setdefault(name, []).append(event)
        return found

    def _upcoming_events(self, name: str, life: ApplianceTimeline) -> Iterator[_Record]:
        """Go on with a life for ever; what was collected in the past is left out."""
        # Read here and now: the attribute is cut down to the past before this generator goes on.
        made = [event for event in self.events[name] if event["a"] > self.until]
        return ((name, event) for event in self._accelerate(itertools.chain(made, self._later_days(name, life))))

    def _later_days(self, name: str, life: ApplianceTimeline) -> Iterator[RawEvent]:
        for number in itertools.count(1):
            life.plan_incidents(self._plan_incidents([*self._timelines], self._names, number)[name])
            for _ in range(self.days):
                yield from life.next_day()

    def _accelerate(self, events: Iterator[RawEvent]) -> Iterator[RawEvent]:
        """Bring what lies ahead nearer; what then falls into the same second is numbered anew."""
        last, number = self.until, 0
        for event in events:
            nearer = event | {"a": self._accelerated(event["a"])}
            if event["t"] > self.until:
                moment = self._accelerated(event["t"])
                last, number = moment, number + 1 if moment == last else 0
                nearer |= {"t": moment, "n": number}
            yield nearer

    def _accelerated(self, moment: int) -> int:
        # Rounded up: nothing moves into a second of the past, whose numbers are taken.
        return self.until + math.ceil((moment - self.until) / self.speed)

    def _is_past(self, name: str, event_ids: tuple[str, ...]) -> bool:
        return set(event_ids) <= {f"{event['t']}.{event['n']}" for event in self.events[name]}


def _recorded(record: _Record) -> int:
    moment: int = record[1]["t"]
    return moment

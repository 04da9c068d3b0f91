"""How much of its window a listing has covered, by what was seen of it. No I/O."""

from collections.abc import Callable, Sequence
from operator import attrgetter, ge, le

from cfevents._model.api import EventMetadata

_TIMES: tuple[Callable[[EventMetadata], float], ...] = (attrgetter("recorded_ts"), attrgetter("collected_ts"))


class _Order:
    """An order in which the API may list, by one of an event's times; until an event is out of it."""

    def __init__(self, time: Callable[[EventMetadata], float], *, ascending: bool) -> None:
        self.ascending = ascending
        self.last: float | None = None
        self._time, self._follows = time, ge if ascending else le

    def goes_on(self, events: Sequence[EventMetadata]) -> bool:
        """Whether some events come next in it."""
        times = [self._time(event) for event in events]
        before = times[0] if self.last is None else self.last
        self.last = times[-1]
        return self._follows(times[0], before) and times == sorted(times, reverse=not self.ascending)


class Covered:
    """The seconds of a window that were covered: never more than the order of the events lets one say.

    Nothing is documented of that order. As long as several are possible it is the least that one of them means; where
    none is left, it stays as it is.
    """

    def __init__(self, since: float, until: float) -> None:
        """Begin with nothing of the window, whose bounds are in seconds since the Unix epoch."""
        self.seconds = 0.0
        self._since, self._until = since, until
        self._orders = [_Order(time, ascending=ascending) for time in _TIMES for ascending in (True, False)]

    def see(self, events: Sequence[EventMetadata], reached: float | None = None) -> float:
        """Take in the events that came next.

        Args:
            events: The events.
            reached: Up to when everything was read, where that is known.

        Returns:
            The seconds that are covered by now.
        """
        if reached is not None:
            self._to(reached - self._since)
        if events:
            self._orders = [order for order in self._orders if order.goes_on(events)]
            self._to(min(map(self._by, self._orders), default=0.0))
        return self.seconds

    def _by(self, order: _Order) -> float:
        last = order.last or 0.0
        return last - self._since if order.ascending else self._until - last

    def _to(self, seconds: float) -> None:
        self.seconds = max(self.seconds, min(seconds, self._until - self._since))

"""How dense a part of a window is, by what was seen of it. No I/O."""

import math
from bisect import bisect_left
from collections.abc import Iterable

# How much of an older sight a newer one leaves, and how much wider than what was seen a guess may reach: one crowded
# second says nothing of the next ten years.
_FADING = 0.7
_REACH = 8


class Density:
    """Where in a part of the window how many events are to be expected.

    Around those that were seen, as many more as the listing seems to be longer; elsewhere so many in a second as where
    those lie closest together. What whole slices turn out to have corrects both.
    """

    def __init__(self, times: Iterable[float] = (), longer: float = 1.0) -> None:
        """Take it from the times of some events.

        Args:
            times: When they were recorded, in seconds since the Unix epoch.
            longer: How many events are to be expected for each of them.
        """
        self._times = sorted(times)
        self._longer = longer
        self._rate, self._reach = _closest(self._times)
        self._found = self._foreseen = 1.0

    def end(self, begin: float, events: float) -> float:
        """Say where a slice that begins there has so many events; not much farther than was seen."""
        foreseen = events * self._foreseen / self._found if self._found else math.inf
        return min(self._end(begin, foreseen), begin + _REACH * self._reach)

    def estimate(self, begin: float, end: float) -> float:
        """Say how many events are to be expected in a slice."""
        return self._events(begin, end) * self._found / self._foreseen

    def silence(self, seconds: float) -> float:
        """Say how many slices it takes until one reaches so far, if all of them turn out to be empty."""
        return max(0.0, math.log(seconds / self._reach, _REACH))

    def learn(self, begin: float, end: float, events: int) -> None:
        """Take in how many events a whole slice had."""
        self._found = self._found * _FADING + events
        self._foreseen = self._foreseen * _FADING + self._events(begin, end)
        self._reach = max(self._reach, end - begin)

    def _end(self, begin: float, events: float) -> float:
        times, rate = self._times, self._rate
        if not times or events == math.inf:
            return begin if not times else math.inf
        before = max(0.0, times[0] - begin)
        if events <= before * rate:
            return begin + events / rate
        index = bisect_left(times, begin) + (events - before * rate) / self._longer
        if index < len(times):
            return times[int(index)]
        return max(begin, times[-1]) + (index - len(times)) * self._longer / rate

    def _events(self, begin: float, end: float) -> float:
        times = self._times
        if not times:
            return 0.0
        seen = bisect_left(times, end) - bisect_left(times, begin)
        unseen = max(0.0, min(end, times[0]) - begin) + max(0.0, end - max(begin, times[-1]))
        return self._longer * seen + self._rate * unseen


def _closest(times: list[float]) -> tuple[float, float]:
    """Find the half of some events that lies closer together: events per second, and its length in seconds."""
    middle = len(times) // 2
    spans = [max(1.0, half[-1] - half[0]) for half in (times[: middle + 1], times[middle:]) if half]
    return ((middle + 1) / min(spans), min(spans)) if spans else (0.0, 1.0)

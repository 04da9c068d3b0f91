"""An estimate of how many events a part of a window has, by a sample and by the slices that were listed. No I/O."""

import math
from bisect import bisect_left
from collections.abc import Iterable

# The weight that an older slice keeps when a newer one corrects the estimate.
_DECAY = 0.7
# How many times wider than what was seen an estimate may reach: one hot second says nothing about the next ten years.
_MAX_SPAN_FACTOR = 8


class RateEstimate:
    """The number of events to expect in a part of the window.

    Within a sample of events it is their number, scaled. Outside it is the rate of the denser half of the sample. The
    slices that were listed whole correct both.
    """

    def __init__(self, times: Iterable[float] = (), scale: float = 1.0, peak: float = 0.0) -> None:
        """Estimate from the times of a sample, with so many events to expect for each of them.

        The peak is the most events a second that was seen so far.
        """
        self.peak = peak
        self._times, self._scale = sorted(times), scale
        self.is_known = bool(self._times)
        middle = len(self._times) // 2
        halves = self._times[: middle + 1], self._times[middle:]
        # Of the half that is closer together.
        self._max_span = min((max(1.0, half[-1] - half[0]) for half in halves if half), default=1.0)
        self._rate = (middle + 1) / self._max_span if self._times else 0.0
        self._actual = self._expected = 1.0

    def end(self, begin: float, events: float) -> float:
        """Return where a slice has so many events; at most `_MAX_SPAN_FACTOR` times as wide as what was seen."""
        expected = events * self._expected / self._actual if self._actual else math.inf
        return min(self._end_in_sample(begin, expected), begin + _MAX_SPAN_FACTOR * self._max_span)

    def estimate(self, begin: float, end: float) -> float:
        return self._sampled(begin, end) * self._actual / self._expected

    def slices_across_gap(self, seconds: float) -> float:
        """Return how many slices reach so far if all of them are empty."""
        return max(0.0, math.log(seconds / self._max_span, _MAX_SPAN_FACTOR))

    def correct(self, begin: float, end: float, events: int) -> None:
        """Correct the estimate by a slice that was listed whole."""
        self._actual = self._actual * _DECAY + events
        self._expected = self._expected * _DECAY + self._sampled(begin, end)
        self._max_span = max(self._max_span, end - begin)

    def _end_in_sample(self, begin: float, events: float) -> float:
        times, rate = self._times, self._rate
        if not times or events == math.inf:
            return math.inf if times else begin
        before = max(0.0, times[0] - begin)
        if events <= before * rate:
            return begin + events / rate
        index = bisect_left(times, begin) + (events - before * rate) / self._scale
        if index < len(times):
            return times[int(index)]
        return max(begin, times[-1]) + (index - len(times)) * self._scale / rate

    def _sampled(self, begin: float, end: float) -> float:
        times = self._times
        if not times:
            return 0.0
        sampled = bisect_left(times, end) - bisect_left(times, begin)
        outside = max(0.0, min(end, times[0]) - begin) + max(0.0, end - max(begin, times[-1]))
        return self._scale * sampled + self._rate * outside

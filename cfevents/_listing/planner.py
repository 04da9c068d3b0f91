"""Planning of a sliced listing: where to split the window, and what that may cost. No I/O.

Algorithm: the window is a list of segments, ascending. A *slice* is listed through a cursor of its own; a *gap* is not
assigned yet. The first page of the whole window estimates how the events are spread, and each listed slice corrects it.
The planner cuts slices of about a page off the first gap. A slice that turns out much larger than planned is discarded
and becomes a gap again: by its first page, if that is denser than all before. In a descending listing a page says
nothing about what is long before it, so that each part of it is asked for a page of its own. A crowded second cannot be
cut: it is left out of the estimates, and a slice that is mostly one second is followed by its cursor, while what lies
around it is listed.

Invariant: no event depends on an estimate. The API documents neither its order nor whether bounds are inclusive, so a
slice begins one second before its segment, neighbours overlap, and `iter_slices` drops what comes twice.

Bound: `RequestCost` refuses each request that would break the `CostLimit`. The planner holds a few pages for each
concurrent slice, because it starts nothing while that many wait for the first one.

Cost: a page takes time proportional to its events and to the number of open segments.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from attrs import define, field

from cfevents._listing.rates import RateEstimate
from cfevents._model.api import EventMetadata
from cfevents._model.checkpoint import EventKey
from cfevents._time import TimeWindow

# Pages kept in reserve for each slice: how much two neighbours will both list is not known in advance.
_RESERVED_PAGES = 0.4


class CostLimit(NamedTuple):
    """The most requests of a sliced listing, per request that a listing page by page needs at least."""

    in_order: float
    out_of_order: float
    per_slice: float  # requests beyond those, for each concurrent slice


STRICT = CostLimit(1.4, 1.85, 2)
"""Keeps the promise of 1.5 times (out of order 2 times) the requests of a plain listing, and 2 for each slice."""

LENIENT = CostLimit(3, 3, 30)
"""For a listing whose first events are urgent: no slice is longer than a few pages."""


class RequestCost:
    """The requests that were sent, against those that the listed events justify.

    A listing page by page needs at least one request per full page. So each event that is seen for the first time adds
    1/page_size requests to what may be spent. An event of a discarded slice is subtracted until it was listed again.
    """

    page_size = 1  # the most events that a page had
    per_page = 1  # requests per page with events: some servers send empty pages in between
    in_order = True  # until the API was seen to list out of order: estimates are worth less then
    sent = 0
    seen = 0  # distinct events

    def __init__(self, concurrency: int, limit: CostLimit) -> None:
        self._concurrency, self._limit = concurrency, limit
        self._known: set[EventKey] = set()
        self._discarded: set[EventKey] = set()

    def record(self, keys: AbstractSet[EventKey]) -> None:
        self.page_size = max(self.page_size, len(keys))
        self._discarded -= keys
        self.seen += len(keys - self._known)
        self._known |= keys

    def mark_discarded(self, keys: AbstractSet[EventKey]) -> None:
        self._discarded |= keys

    def release(self, keys: AbstractSet[EventKey]) -> None:
        self._known -= keys
        self._discarded -= keys

    def allows(self, pages: float, relisted: Collection[EventKey] = ()) -> bool:
        """Return whether so many pages without new events may be requested, and these events listed again."""
        share = self._limit.in_order if self.in_order else self._limit.out_of_order
        earned = (share * self.seen - len(self._discarded) - len(relisted)) / self.page_size
        extra = self._concurrency * max(0, self._limit.per_slice - _RESERVED_PAGES * self.per_page)
        return (earned - pages) * self.per_page + extra >= self.sent


# The narrowest slice, also where it has many pages: its neighbour lists the seconds at its edges again.
_MIN_SLICE_S = 8
_MIN_DENSE_SLICE_S = 32
_MAX_SLICE_PAGES = 4
# A slice with so many times the planned pages is split again, if that is allowed.
_OUTGROWN_FACTOR = 3
# So many times are clear from one page of it.
_OUTGROWN_BY_FAR = 8
# In shorter windows no part is listed apart from a crowded second.
_MIN_CROWDED_WINDOW_S = 3600
# A silence before the first event that is so many times as long as the first page is listed by itself.
_SILENCE_FACTOR = 8
# A page of a descending listing says nothing about what is so many times as long before, in the window or a part of it.
# If it is shorter, asking there costs more than it gains. If a part is longer, events may come in bursts.
_FAR_SPANS, _FAR_SPANS_OF_PART, _MAX_SPANS_OF_PART = 512, 64, 1024
_STEP_FACTOR = 8
# A page of fewer events says too little about the rest of its slice.
_MIN_SAMPLE = 25
# Pages of a slice that is cut although hardly any extra request is left.
_FALLBACK_SLICE_PAGES = 8
# Finished pages that may wait for an earlier slice, for each concurrent slice.
_MAX_WAITING_PAGES = 3


@define(eq=False)
class Segment:
    """A part of the window, from ``begin`` to before ``end`` (seconds since the Unix epoch): a slice or a gap."""

    begin: int
    end: int
    rate: RateEstimate


@define(eq=False)
class Slice(Segment):
    """A segment that is listed through a cursor of its own."""

    planned: float = 0.0  # pages that it should have
    next_check: int = 1  # the number of pages at which its size is checked next
    events: dict[EventKey, EventMetadata] = field(factory=dict)
    pages: int = 0  # that had events
    requests: int = 0
    cursor: str | None = None
    in_flight: bool = False
    finished: bool = False
    discarded: bool = False

    def has_inside(self, time: int) -> bool:
        """Return whether it can be cut there."""
        return self.begin < time < self.end


class Planner:
    """The segments of a window, ascending, and which of them to request next."""

    def __init__(
        self, window: TimeWindow, concurrency: int, limit: CostLimit = STRICT, quiet_from: float = math.inf
    ) -> None:
        """Start with one slice. After ``quiet_from`` (seconds since the Unix epoch) events are rare: no more cuts."""
        self._window, self._concurrency, self._quiet_from = window, concurrency, quiet_from
        self._cost = RequestCost(concurrency, limit)
        self._segments: list[Segment] = [Slice(*window, RateEstimate())]
        self._hot_seconds: set[int] = set()
        self._popped: set[EventKey] = set()

    def pop_finished(self) -> Slice | None:
        """Remove and return the first slice, if it is finished."""
        first = self._segments[0] if self._segments else None
        if not (isinstance(first, Slice) and first.finished):
            return None
        del self._segments[0]
        self._cost.release(self._popped)
        self._hot_seconds = {second for second in self._hot_seconds if second >= first.end - 1}
        self._popped = set(first.events)
        return first

    def next_requests(self) -> Iterator[tuple[Slice, TimeWindow]]:
        """Yield the slices to request a page of now, with the bounds to send."""
        idle = [slice_ for slice_ in self._running() if not slice_.in_flight]
        free = self._concurrency - len(self._running()) + len(idle)
        while free > 0 and (slice_ := idle.pop(0) if idle else self._cut()):
            free -= 1
            slice_.in_flight = True
            slice_.requests += 1
            self._cost.sent += 1
            yield slice_, TimeWindow(slice_.begin - (slice_.begin > self._window.since), slice_.end)

    def on_page(self, slice_: Slice, events: dict[EventKey, EventMetadata], cursor: str | None) -> None:
        """Record a page of a slice: its events, and the cursor of the next page."""
        if events and not self._cost.seen:
            self._cost.per_page = slice_.requests
        self._cost.record(events.keys())
        slice_.events |= events
        slice_.pages += bool(events)
        slice_.in_flight, slice_.cursor, slice_.finished = False, cursor, cursor is None
        if slice_.finished:
            slice_.rate.correct(slice_.begin, slice_.end, len(self._cool(slice_)))
        elif slice_.pages >= slice_.next_check:
            slice_.next_check = max(_OUTGROWN_FACTOR, 2 * slice_.next_check)
            self._check_size(slice_)

    def restart(self, slice_: Slice) -> None:
        slice_.in_flight, slice_.cursor, slice_.pages = False, None, 0

    def end_with(self, slice_: Slice) -> None:
        """Finish with this slice, which failed, and discard those after it."""
        slice_.finished = True
        first = self._segments.index(slice_) + 1
        for later in _slices(self._segments[first:]):
            later.discarded = True
        del self._segments[first:]

    def _running(self) -> list[Slice]:
        return [slice_ for slice_ in _slices(self._segments) if not slice_.finished]

    def _check_size(self, slice_: Slice) -> None:
        """Discard a slice that outgrew its plan, with the neighbours that list the same hot second."""
        self._note_hot_seconds(slice_)
        outgrown = self._overlapping(slice_)
        relisted = {key for part in outgrown for key in part.events}
        if len(outgrown) == 1:
            discard = self._is_worth_splitting(slice_) and self._allows(1 + self._gaps(), relisted, outgrown)
        else:
            early = self._cost.in_order and slice_.pages < 2 * _MAX_SLICE_PAGES
            discard = early or self._allows(0, relisted, outgrown)
        if not discard:
            return
        if slice_.planned and slice_.end > self._quiet_from:
            self._quiet_from = math.inf  # it is not quiet
        for part in outgrown:
            part.discarded = True
        self._cost.mark_discarded(relisted)
        first = self._segments.index(outgrown[0])
        self._segments[first : first + len(outgrown)] = self._gaps_for(slice_, outgrown)

    def _overlapping(self, slice_: Slice) -> list[Slice]:
        """Return the slice, and the neighbours with a third of its events, a page at least: they share a hot second."""

        def overlaps(other: Slice) -> bool:
            shared = len(slice_.events.keys() & other.events.keys())
            return shared > self._cost.page_size and 3 * shared > max(len(slice_.events), len(other.events))

        index = self._segments.index(slice_)
        neighbours = _slices(self._segments[max(0, index - 1) : index + 2])
        return [other for other in neighbours if other is slice_ or overlaps(other)]

    def _is_worth_splitting(self, slice_: Slice) -> bool:
        most = min(_OUTGROWN_FACTOR * slice_.planned, 2 * _MAX_SLICE_PAGES)
        outgrown = slice_.pages >= most or self._is_dense(slice_)
        if slice_.end - slice_.begin < 2 * _MIN_SLICE_S or not outgrown:
            return False
        rate = self._rate_of(slice_)
        if not rate.is_known:
            is_long = slice_.end - slice_.begin >= _MIN_CROWDED_WINDOW_S
            return not slice_.planned and is_long and any(map(slice_.has_inside, _around_first(slice_)))
        # What is mostly one second cannot be cut.
        most = max(Counter(math.floor(time) for time, _ in slice_.events).values())
        share = 1 / 2 if self._cost.in_order else 2 / 3
        if most >= share * len(slice_.events) and (slice_.planned or not self._cost.in_order):
            return False
        # If the second page seems to be the last, no split is quicker.
        return slice_.pages > 1 or rate.estimate(slice_.begin, self._quiet_end(slice_)) > 2 * self._cost.page_size

    def _is_dense(self, slice_: Slice) -> bool:
        """Return whether the first page of a slice shows that it has many more pages than planned.

        Where events were as dense before, it may be a burst.
        """
        times = sorted(self._cool(slice_))
        if slice_.pages > 1 or not self._cost.in_order or len(times) < max(_MIN_SAMPLE, self._cost.page_size / 2):
            return False
        pages = (slice_.end - slice_.begin) / max(1.0, times[-1] - times[0])
        return pages > _OUTGROWN_BY_FAR * max(1.0, slice_.planned) and self._peak(times) > 2 * slice_.rate.peak

    def _peak(self, times: Sequence[float]) -> float:
        """Return the most events a second among half a page of events, whose times are ascending."""
        few = min(len(times), max(2, self._cost.page_size // 2))
        spans = (last - first for first, last in zip(times, times[few - 1 :], strict=False))
        return few / max(1.0, min(spans, default=math.inf))

    def _gaps_for(self, slice_: Slice, outgrown: Sequence[Slice]) -> list[Segment]:
        """Return the gaps in place of discarded slices: several, to list around a silence or a crowded second."""
        begin, end, rate = outgrown[0].begin, outgrown[-1].end, self._rate_of(slice_)
        if (slice_.planned and slice_.pages > 1) or len(outgrown) > 1:
            return [Segment(begin, end, rate)]
        if not rate.is_known:  # nothing but a crowded second
            cuts = [begin, *filter(slice_.has_inside, _around_first(slice_)), end]
            return [Segment(*edges, RateEstimate()) for edges in pairwise(cuts)]
        # In an ascending listing nothing comes before the first event. One request shows that, instead of one a slice.
        keys = list(slice_.events)
        span, ascending, edge = max(1.0, abs(keys[-1][0] - keys[0][0])), sorted(keys), _around_first(slice_)[0]
        if keys == ascending and begin + _SILENCE_FACTOR * span < edge < end:
            return [Segment(begin, edge, RateEstimate()), Segment(edge, end, rate)]
        if keys == ascending[::-1] and keys[-1][0] <= end:
            return self._gaps_backwards(begin, end, keys[-1][0], span, rate)
        return [Segment(begin, end, rate)]

    def _gaps_backwards(self, begin: int, end: int, first: float, span: float, rate: RateEstimate) -> list[Segment]:
        """Return the gaps in place of a slice whose page, of a span in seconds, is of its end: the order is descending.

        What is far before that page may be dense or silent. So each part of it, the longer the farther back it is, is
        asked for a page of its own.
        """
        spans, is_whole = (first - begin) / span, (begin, end) == self._window
        if is_whole:
            most = math.log(spans, _STEP_FACTOR) if spans >= _FAR_SPANS else 0
        else:
            is_far = _FAR_SPANS_OF_PART <= spans <= _MAX_SPANS_OF_PART
            most = math.log2(2 * spans / _FAR_SPANS_OF_PART) if is_far else 0
        steps = next((steps for steps in range(int(most), 0, -1) if self._allows(2 * steps)), 0)
        factor = spans ** (1 / (steps + 1)) if is_whole else 2
        cuts = [math.floor(first - (first - begin) / factor ** (step + 1)) for step in range(steps)]
        rates = [*(RateEstimate() for _ in cuts), rate]
        return [Segment(*edges, rate) for edges, rate in zip(pairwise([begin, *cuts, end]), rates, strict=True)]

    def _note_hot_seconds(self, slice_: Slice) -> None:
        """Remember the seconds with much of a page, by either time that the bounds may compare."""
        for time in attrgetter("recorded_ts"), attrgetter("collected_ts"):
            counts = Counter(math.floor(time(event)) for event in slice_.events.values())
            self._hot_seconds.update(second for second, count in counts.items() if 4 * count > self._cost.page_size)

    def _cool(self, slice_: Slice) -> list[float]:
        """Return the times outside crowded seconds, which say nothing about other seconds; all, if out of order."""
        counts = Counter(math.floor(time) for time, _ in slice_.events)
        most = max(1.0, self._cost.page_size / 4) if self._cost.in_order else math.inf
        return [time for time, _ in slice_.events if counts[math.floor(time)] <= most]

    def _rate_of(self, slice_: Slice) -> RateEstimate:
        keys, scale = list(slice_.events), 1.0
        ascending = sorted(keys)
        if keys not in (ascending, ascending[::-1]):
            self._cost.in_order = False
            # The events are a sample of an unknown whole: assume what is worth a few slices.
            scale = max(2.0, min(self._concurrency, 8) * self._target() / len(keys))
        times = sorted(self._cool(slice_))
        return RateEstimate(times, scale, max(slice_.rate.peak, self._peak(times)))

    def _gaps(self) -> int:
        return len(self._segments) - len(_slices(self._segments))

    def _allows(self, pages: float, relisted: Collection[EventKey] = (), without: Collection[Slice] = ()) -> bool:
        """Return whether the cost limit allows it beside what the running slices still need."""
        per_page, running = self._cost.per_page, [slice_ for slice_ in self._running() if slice_ not in without]
        needed = sum(max(0, per_page * (slice_.pages + 1) - slice_.requests) for slice_ in running)
        return self._cost.allows(pages + needed / per_page, relisted)

    def _cut(self) -> Slice | None:
        """Cut a slice off the first gap, if there is one and its events would not wait too long."""
        index = next((index for index, part in enumerate(self._segments) if not isinstance(part, Slice)), None)
        if index is None:
            return None
        before, gap = _slices(self._segments[:index]), self._segments[index]
        waiting = sum(slice_.pages for slice_ in before if slice_.finished)
        slow_consumer = bool(before) and before[0].finished
        may_wait = waiting < self._concurrency * (1 if slow_consumer else _MAX_WAITING_PAGES)
        if not may_wait or (end := self._cut_at(gap)) is None:
            return None
        slice_ = Slice(gap.begin, end, gap.rate)
        if gap.rate.is_known:
            slice_.planned = max(1.0, gap.rate.estimate(gap.begin, end) / self._cost.page_size)
        self._segments[index : index + 1] = [slice_] if end == gap.end else [slice_, Segment(end, gap.end, gap.rate)]
        return slice_

    def _cut_at(self, gap: Segment) -> int | None:
        """Return where the next slice of a gap ends, later if fewer requests may be spent; None to wait.

        The requests that it may take to cross a silence are kept back, so that the rest need not become one slice.
        """
        if not gap.rate.is_known:
            return gap.end
        width = max(1, self._quiet_end(gap) - gap.begin)
        cut, silence = 1 + self._gaps(), min(gap.rate.slices_across_gap(width), 3 * (self._concurrency - 2))
        if self._allows(cut + silence):
            return self._short_end(gap)
        if not self._running():
            return self._long_end(gap, _FALLBACK_SLICE_PAGES)
        return self._long_end(gap, _MAX_SLICE_PAGES) if self._allows(cut + silence / 2) else None

    def _short_end(self, gap: Segment) -> int:
        """Return the end of a slice of about a page."""
        end = max(gap.begin + _MIN_SLICE_S, math.ceil(gap.rate.end(gap.begin, self._target())))
        if gap.rate.estimate(gap.begin, end) > _MAX_SLICE_PAGES * self._cost.page_size:
            end = max(end, gap.begin + _MIN_DENSE_SLICE_S)
        width, end = end - gap.begin, self._avoid_hot_seconds(end)
        return gap.end if self._quiet_end(gap) - end < max(_MIN_SLICE_S, 0.15 * width) else end

    def _long_end(self, gap: Segment, pages: int) -> int:
        """Return the end of a slice of several pages, which costs little more than a plain listing of them."""
        end = gap.rate.end(gap.begin, pages * self._cost.page_size)
        end = self._avoid_hot_seconds(math.ceil(min(gap.end, max(end, gap.begin + _MIN_DENSE_SLICE_S))))
        # What two slices keep in reserve is less than the request that a cut may cost.
        reserved = _RESERVED_PAGES if self._concurrency == 2 else 0.0
        is_last = end >= self._quiet_end(gap) - _MIN_SLICE_S or not self._allows(reserved)
        return gap.end if is_last else end

    def _quiet_end(self, segment: Segment) -> float:
        return min(segment.end, self._quiet_from)

    def _avoid_hot_seconds(self, end: int) -> int:
        """Move a cut away from hot seconds, which both neighbours would list."""
        return next((cut for cut in range(end, end + 16) if self._hot_seconds.isdisjoint((cut - 1, cut))), end)

    def _target(self) -> float:
        """Return how many events a slice should have: a little less than fill a page, or several small ones."""
        capacities = [pages * self._cost.page_size for pages in range(1, _MAX_SLICE_PAGES + 1)]
        targets = [capacity - 1.3 * math.sqrt(capacity) for capacity in capacities]
        efficient = (target for capacity, target in zip(capacities, targets, strict=True) if target >= 0.8 * capacity)
        return max(1.0, next(efficient, targets[-1]))


def _around_first(slice_: Slice) -> tuple[int, int]:
    """Return the times around the first event of a slice, outside of the slice where a wrong clock recorded it."""
    first = math.floor(next(iter(slice_.events))[0])
    return first - _MIN_SLICE_S // 2, first + _MIN_SLICE_S // 2


def _slices(segments: list[Segment]) -> list[Slice]:
    return [segment for segment in segments if isinstance(segment, Slice)]

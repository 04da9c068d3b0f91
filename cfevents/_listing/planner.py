"""Where a window is cut into slices. No I/O.

Every cut is a guess: nothing is known of the order in which a server lists, nor whether its bounds are inclusive. So a
slice asks for a second more on either side, what comes twice is dropped, and no event depends on a guess. Only the
number of requests does, and of that there is a hard account.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from attrs import define, field

from cfevents._model.api import EventMetadata
from cfevents._model.checkpoint import EventKey
from cfevents._time import TimeWindow

# The part of a page that is kept for each slice: what two of them turn out to list both cannot be foreseen.
_KEPT = 0.4


class CostLimit(NamedTuple):
    """What a listing in slices may cost."""

    in_order: float
    """Requests for each that a listing page by page needs at least, where the server lists in order."""

    out_of_order: float
    """The same where it does not."""

    beyond: float
    """Requests beyond those, for each slice that runs at a time."""


STRICT = CostLimit(1.4, 1.85, 2)
"""No more than 1.5 and 2 times as many and two for each slice are spent, whatever the listing turns out to be."""

LENIENT = CostLimit(3, 3, 30)
"""A listing that has to bring its first events soon may cost more: no slice is longer than a few pages."""


class RequestCost:
    """What was sent, and what it has earned: each event that is seen for the first time earns a part of a page.

    A listing page by page needs a request for every full page of events at least. So the events that were seen, over
    the size of a page, are the part of its cost that is known already.
    """

    page_size = 1
    """The most events that a page had."""

    per_page = 1
    """Requests for each page that has events: some servers send empty pages in between."""

    in_order = True
    """Whether the server was seen to list in order: what it does not, cannot be planned well."""

    sent = 0
    seen = 0
    """Events that were seen."""

    def __init__(self, concurrency: int, allowance: CostLimit) -> None:
        """Begin with what the slices that run at a time may cost."""
        self._concurrency, self._allowance = concurrency, allowance
        self._known: set[EventKey] = set()
        self._owed: set[EventKey] = set()

    def see(self, keys: AbstractSet[EventKey]) -> None:
        """Take in a page's events."""
        self.page_size = max(self.page_size, len(keys))
        self._owed -= keys
        self.seen += len(keys - self._known)
        self._known |= keys

    def owe(self, keys: AbstractSet[EventKey]) -> None:
        """Remember events whose slice was given up: they have earned already, and have to be listed again."""
        self._owed |= keys

    def forget(self, keys: AbstractSet[EventKey]) -> None:
        """Drop events that will not be listed again."""
        self._known -= keys
        self._owed -= keys

    def affords(self, pages: float, owing: Collection[EventKey] = ()) -> bool:
        """Whether so many pages may be spent that earn nothing, with these events to be listed again."""
        share = self._allowance.in_order if self.in_order else self._allowance.out_of_order
        earned = (share * self.seen - len(self._owed) - len(owing)) / self.page_size
        beyond = self._concurrency * max(0, self._allowance.beyond - _KEPT * self.per_page)
        return (earned - pages) * self.per_page + beyond >= self.sent


# How much of an older sight a newer one leaves, and how much wider than what was seen a guess may reach: one crowded
# second says nothing of the next ten years.
_FADING = 0.7
_REACH = 8


class RateEstimate:
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


# The narrowest slice, in seconds, and that of a part where it would have many pages: the seconds at its edges are
# listed by its neighbour too.
_NARROWEST = 8
_NARROWEST_CROWDED = 32
# Pages that a slice is to have at most, and how many times more it may have before it is cut again.
_MOST_PAGES = 4
_OUTGROWN = 3
# Pages of a slice that is cut although hardly anything more can be afforded.
_LONG = 8
# Pages that may wait for the head of the line, for each slice that runs at a time.
_WAITING = 3


@define(eq=False)
class Part:
    """A part of the window, from a second to before another. By itself it is a gap, which is yet to be cut."""

    begin: int
    end: int
    density: RateEstimate

    @property
    def width(self) -> int:
        """Its length in seconds."""
        return self.end - self.begin


@define(eq=False)
class Slice(Part):
    """A part that is listed by itself, its own cursor followed."""

    planned: float = 0.0
    """Pages that it was to have."""

    look_at: int = _OUTGROWN
    """Pages after which it is asked whether it outgrew its plan."""

    events: dict[EventKey, EventMetadata] = field(factory=dict)
    pages: int = 0
    """Pages that had events."""

    requests: int = 0
    cursor: str | None = None
    asking: bool = False
    finished: bool = False
    given_up: bool = False

    def shares(self, other: Part, least: int) -> bool:
        """Whether much of it is listed by its neighbour too: their cut lies in a crowded second."""
        if not isinstance(other, Slice):
            return False
        shared = len(self.events.keys() & other.events.keys())
        return shared > least and 3 * shared > max(len(self.events), len(other.events))


class Planner:
    """A window's parts, in ascending order."""

    def __init__(
        self, window: TimeWindow, concurrency: int, allowance: CostLimit = STRICT, quiet_from: float = math.inf
    ) -> None:
        """Begin with the whole window: where its first page is the only one, nothing is cut.

        Args:
            window: The window.
            concurrency: How many slices run at a time.
            allowance: What they may cost.
            quiet_from: From when on hardly anything is expected, in seconds since the Unix epoch: nothing is cut there.
        """
        self._window, self._concurrency = window, concurrency
        self._account, self._quiet_from = RequestCost(concurrency, allowance), quiet_from
        self._parts: list[Part] = [Slice(*window, RateEstimate(), look_at=1)]
        self._crowded: set[int] = set()
        self._taken: set[EventKey] = set()

    def take(self) -> Slice | None:
        """Take the first slice, if it is finished."""
        head = self._parts[0] if self._parts else None
        if not (isinstance(head, Slice) and head.finished):
            return None
        del self._parts[0]
        self._account.forget(self._taken)
        self._crowded = {second for second in self._crowded if second >= head.end - 1}
        self._taken = set(head.events)
        return head

    def asks(self) -> Iterator[tuple[Slice, TimeWindow]]:
        """Give the slices that are to be asked for a page now, and the bounds to ask for."""
        idle = [part for part in self._running() if not part.asking]
        free = self._concurrency - len(self._running()) + len(idle)
        while free > 0 and (part := idle.pop(0) if idle else self._cut()):
            free -= 1
            part.asking = True
            part.requests += 1
            self._account.sent += 1
            yield part, TimeWindow(part.begin - (part.begin > self._window.since), part.end)

    def learn(self, part: Slice, events: dict[EventKey, EventMetadata], cursor: str | None) -> None:
        """Take in a page of a slice: its events, and the cursor of the next."""
        if events and not self._account.seen:
            self._account.per_page = part.requests
        self._account.see(events.keys())
        part.events |= events
        part.pages += bool(events)
        part.asking, part.cursor, part.finished = False, cursor, cursor is None
        if part.finished:
            part.density.learn(part.begin, part.end, len(part.events))
        elif part.pages >= part.look_at:
            part.look_at *= 2
            self._look_at(part)

    def restart(self, part: Slice) -> None:
        """List a slice from its beginning."""
        part.asking, part.cursor, part.pages = False, None, 0

    def end_with(self, part: Slice) -> None:
        """Leave what comes after a slice: it failed."""
        part.finished = True
        for each in self._parts[self._parts.index(part) + 1 :]:
            self._parts.remove(each)
            if isinstance(each, Slice):
                each.given_up = True

    def _running(self) -> list[Slice]:
        return [part for part in self._parts if isinstance(part, Slice) and not part.finished]

    def _look_at(self, part: Slice) -> None:
        """Make a gap of a slice that outgrew its plan, and of the neighbours that list the same crowded second."""
        self._note_crowds(part)
        index, least = self._parts.index(part), self._account.page_size
        first = index - bool(index and part.shares(self._parts[index - 1], least))
        last = index + any(part.shares(each, least) for each in self._parts[index + 1 : index + 2])
        merged = self._parts[first : last + 1]
        given_up = [each for each in merged if isinstance(each, Slice)]
        keys = [key for each in given_up for key in each.events]
        for each in given_up:
            each.given_up = True
        if self._may_be_cut(part, keys) if len(merged) == 1 else self._may_be_merged(part, keys):
            if part.planned and part.end > self._quiet_from:
                self._quiet_from = math.inf  # it is not
            self._account.owe(set(keys))
            self._parts[first : last + 1] = [Part(merged[0].begin, merged[-1].end, self._sight(part))]
            return
        for each in given_up:
            each.given_up = False

    def _may_be_cut(self, part: Slice, keys: Collection[EventKey]) -> bool:
        wide = part.width >= 2 * _NARROWEST
        outgrown = part.pages >= min(_OUTGROWN * part.planned, 2 * _MOST_PAGES)
        return wide and outgrown and not self._nearly_whole(part) and self._affords(1 + self._gaps(), keys)

    def _nearly_whole(self, part: Slice) -> bool:
        """Whether the second page seems to be the last: no cut is quicker."""
        if part.pages > 1:
            return False
        return self._sight(part).estimate(part.begin, self._last(part)) <= 2 * self._account.page_size

    def _may_be_merged(self, part: Slice, keys: Collection[EventKey]) -> bool:
        early = self._account.in_order and part.pages < 2 * _MOST_PAGES
        return early or self._affords(0, keys)

    def _note_crowds(self, part: Slice) -> None:
        """Remember the seconds that hold much of a page, by either time that the bounds may mean."""
        collected = (event.collected_ts for event in part.events.values())
        for times in ((time for time, _ in part.events), collected):
            counts = Counter(map(math.floor, times))
            self._crowded.update(second for second, count in counts.items() if 4 * count > self._account.page_size)

    def _sight(self, part: Slice) -> RateEstimate:
        keys = list(part.events)
        ascending = sorted(keys)
        longer = 1.0
        if keys not in (ascending, ascending[::-1]):
            self._account.in_order = False
            # What was seen is a sample, of nobody knows how much: as much as is worth a few slices.
            longer = max(2.0, min(self._concurrency, 8) * self._target() / len(keys))
        return RateEstimate((time for time, _ in keys), longer)

    def _gaps(self) -> int:
        return sum(not isinstance(part, Slice) for part in self._parts)

    def _affords(self, pages: float, owing: Collection[EventKey] = ()) -> bool:
        per_page = self._account.per_page
        under_way = sum(
            max(0, per_page * (part.pages + 1) - part.requests) for part in self._running() if not part.given_up
        )
        return self._account.affords(pages + under_way / per_page, owing)

    def _cut(self) -> Slice | None:
        """Cut a slice from the first gap, if there is one, and its events would not wait too long."""
        index = next((index for index, part in enumerate(self._parts) if not isinstance(part, Slice)), None)
        if index is None or not self._may_wait(self._parts[:index]):
            return None
        gap = self._parts[index]
        end = self._end(gap)
        if end is None:
            return None
        planned = max(1.0, gap.density.estimate(gap.begin, end) / self._account.page_size)
        part = Slice(gap.begin, end, gap.density, planned)
        self._parts[index : index + 1] = [part] if end == gap.end else [part, Part(end, gap.end, gap.density)]
        return part

    def _may_wait(self, before: list[Part]) -> bool:
        """Whether more may be listed that has to wait for the parts before it to be taken."""
        slices = [part for part in before if isinstance(part, Slice)]
        waiting = sum(part.pages for part in slices if part.finished)
        slow = bool(slices) and slices[0].finished
        return waiting < self._concurrency * (1 if slow else _WAITING)

    def _end(self, gap: Part) -> int | None:
        """Find where the next slice of a gap ends, if it may be cut now: the less can be afforded, the later.

        What it may take to find the next events after a silence is kept back, so that the rest need not be one slice.
        """
        width = max(1, self._last(gap) - gap.begin)
        cut, silence = 1 + self._gaps(), min(gap.density.silence(width), 3 * (self._concurrency - 2))
        if self._affords(cut + silence):
            return self._short_end(gap)
        if not self._running():
            return self._long_end(gap, _LONG)
        return self._long_end(gap, _MOST_PAGES) if self._affords(cut + silence / 2) else None

    def _short_end(self, gap: Part) -> int:
        """Find where a slice ends that has about a page, and not in a crowded second."""
        end = max(gap.begin + _NARROWEST, math.ceil(gap.density.end(gap.begin, self._target())))
        if gap.density.estimate(gap.begin, end) > _MOST_PAGES * self._account.page_size:
            end = max(end, gap.begin + _NARROWEST_CROWDED)
        width, end = end - gap.begin, self._quiet(end)
        return gap.end if self._last(gap) - end < max(_NARROWEST, 0.15 * width) else end

    def _long_end(self, gap: Part, pages: int) -> int:
        """Find where a slice ends that costs little more than page by page does, and is not the whole listing."""
        end = gap.density.end(gap.begin, pages * self._account.page_size)
        end = self._quiet(math.ceil(min(gap.end, max(end, gap.begin + _NARROWEST_CROWDED))))
        return gap.end if end >= self._last(gap) - _NARROWEST or not self._affords(0) else end

    def _last(self, gap: Part) -> float:
        """Find where the part of a gap ends that is worth a cut."""
        return min(gap.end, self._quiet_from)

    def _quiet(self, end: int) -> int:
        """Move a cut off crowded seconds, which both neighbours would list."""
        return next((each for each in range(end, end + 16) if self._crowded.isdisjoint((each - 1, each))), end)

    def _target(self) -> float:
        """Say how many events a slice is to have: a little less than fill its pages, and more pages of small ones."""
        fulls = [pages * self._account.page_size for pages in range(1, _MOST_PAGES + 1)]
        targets = [full - 1.3 * math.sqrt(full) for full in fulls]
        enough = (target for full, target in zip(fulls, targets, strict=True) if target >= 0.8 * full)
        return max(1.0, next(enough, targets[-1]))

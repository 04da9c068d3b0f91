"""A listing's plan worked through without HTTP, in virtual time: thousands of histories in seconds."""

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from operator import attrgetter
from random import Random
from typing import Any

from attrs import define, field, frozen

from cfevents import Checkpoint, EventMetadata
from cfevents._listing.planner import Planner, Slice
from cfevents._listing.slices import checkpoint_after
from cfevents._model.api import event_key
from cfevents._model.checkpoint import EventKey
from cfevents._time import TimeWindow

BEGIN = 1_700_000_000
_KINDS = ("Init", "Leave", "Reconcile")


def made(times: Iterable[float], lag: Callable[[float], float] = lambda _: 0) -> list[EventMetadata]:
    """Events at these times, each collected some seconds later."""
    counted: dict[float, int] = {}
    events = []
    for number, time in enumerate(sorted(times)):
        counted[time] = sequence = counted.get(time, -1) + 1
        events.append(EventMetadata(_KINDS[number * 7 % 3], time, sequence, time + lag(time)))
    return events


@frozen(eq=False)
class VirtualAPI:
    """Answers as the API may: every choice that its documentation leaves open is a setting."""

    events: list[EventMetadata] = field(repr=False)
    order: str = "ascending"
    bounds: str = "inclusive"
    compare: str = "t"
    page_size: int = 100
    empty_pages: int = 0
    _listings: dict[TimeWindow, list[EventMetadata]] = field(factory=dict, init=False, repr=False)
    _by_time: list[EventMetadata] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_time", sorted(self.events, key=self._time))

    @property
    def _time(self) -> Callable[[EventMetadata], Any]:
        return attrgetter("recorded_ts" if self.compare == "t" else "collected_ts")

    @property
    def requested(self) -> set[TimeWindow]:
        """The windows that were asked for."""
        return {*self._listings}

    def listing(self, window: TimeWindow) -> list[EventMetadata]:
        """Everything in a window, in the API's order."""
        if window not in self._listings:
            first, last = (bisect_left, bisect_right) if self.bounds == "inclusive" else (bisect_right, bisect_left)
            low = first(self._by_time, window.since, key=self._time)
            high = last(self._by_time, window.until, key=self._time)
            self._listings[window] = sorted(self._by_time[low:high], key=self._order)
        return self._listings[window]

    def _order(self, event: EventMetadata) -> Any:
        time, sequence = event_key(event)
        orders: dict[str, Any] = {
            "ascending": (time, sequence),
            "descending": (-time, -sequence),
            "grouped": (event.kind, time, sequence),
            "shuffled": hash((time * 7919, sequence * 104_729)),
        }
        return orders[self.order]

    def page(self, window: TimeWindow, cursor: str | None) -> tuple[list[EventMetadata], str | None]:
        """A page, and the cursor of the next."""
        listing = self.listing(window)
        at, empties = map(int, cursor.split("/")) if cursor else (0, self.empty_pages)
        if empties:
            return [], f"{at}/{empties - 1}"
        end = at + self.page_size
        return listing[at:end], f"{end}/{self.empty_pages}" if end < len(listing) else None

    def pages(self, window: TimeWindow) -> int:
        """How many requests a listing page by page takes."""
        return max(1, math.ceil(len(self.listing(window)) / self.page_size)) * (1 + self.empty_pages)


@define(eq=False)
class Listed:
    """What became of a listing in slices; a request takes a round, or up to twice as long where they differ."""

    slices: list[Slice] = field(factory=list)
    keys: list[list[EventKey]] = field(factory=list)
    """What each slice delivered."""

    checkpoints: list[Checkpoint] = field(factory=list)
    requests: int = 0
    rounds: float = 0.0
    held: int = 0
    """The most events that were held at a time."""

    asked: list[int] = field(factory=list)
    """Requests that had been sent when each slice was delivered."""

    @property
    def events(self) -> list[EventKey]:
        """All that was delivered."""
        return [key for keys in self.keys for key in keys]


@define(eq=False)
class _Run:
    api: VirtualAPI
    plan: Planner
    listed: Listed
    differing: Random | None
    under_way: list[tuple[float, int, Slice, TimeWindow]] = field(factory=list)
    held: set[Slice] = field(factory=set)

    def ask(self) -> None:
        for slice_, window in self.plan.next_requests():
            self.held.add(slice_)
            self.listed.requests += 1
            lasts = 1 + (self.differing.random() if self.differing else 0)
            answered = self.listed.rounds + lasts
            heapq.heappush(self.under_way, (answered, self.listed.requests, slice_, window))

    def receive(self, until: float) -> None:
        """Take in what is answered by then; at least one answer is waited for."""
        while self.under_way and self.under_way[0][0] <= until:
            _, _, slice_, window = heapq.heappop(self.under_way)
            if slice_.discarded:
                continue
            items, cursor = self.api.page(window, slice_.cursor)
            self.plan.on_page(slice_, {event_key(event): event for event in items}, cursor)

    def note(self) -> None:
        self.held = {slice_ for slice_ in self.held if not slice_.discarded}
        self.listed.held = max(self.listed.held, sum(len(slice_.events) for slice_ in self.held))


def list_virtually(
    api: VirtualAPI,
    start: Checkpoint,
    concurrency: int,
    *,
    differing: Random | None = None,
    work: float = 0.0,
    slices: int | None = None,
    quiet_from: float = math.inf,
) -> Listed:
    """List as `iter_slices` does.

    Args:
        api: What answers.
        start: Where to begin, and the window.
        concurrency: Slices that are listed side by side.
        differing: Where the requests' lengths come from; each takes one round without it.
        work: Rounds that the caller works on each slice.
        slices: After how many slices the caller ends it.
        quiet_from: From when on events are said to be rare, in seconds since the Unix epoch.
    """
    since = start.since if start.reached is None else max(start.since, start.reached - 1)
    run = _Run(api, Planner(TimeWindow(since, start.until), concurrency, quiet_from=quiet_from), Listed(), differing)
    reached, before, listed = start, set(start.delivered), run.listed
    while not reached.finished and len(listed.keys) != slices:
        run.receive(listed.rounds)
        run.note()
        run.ask()
        if slice_ := run.plan.pop_finished():
            run.held.remove(slice_)
            listed.slices.append(slice_)
            listed.keys.append([key for key in sorted(slice_.events) if key not in before])
            before, reached = set(slice_.events), checkpoint_after(slice_, reached)
            listed.checkpoints.append(reached)
            listed.asked.append(listed.requests)
            listed.rounds += work
        else:
            assert run.under_way, "it waits for nothing"
            listed.rounds = run.under_way[0][0]
    return listed

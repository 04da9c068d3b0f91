"""By which rule a listing's window takes events: found by windows in which each rule lists others."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

from cfevents._model.api import EventMetadata, event_key
from cfevents._time import TimeWindow
from cfevents.doctor.probe import ProbedListing

# So many events of those that are known are enough to find a window with.
_SAMPLE = 10
# The bounds of a window are at most so many of the sample's times apart.
_REACH = 8
# Seconds: where not all events are known, a longer window may hold any number of them.
_NARROW = 600


Clock: TypeAlias = Literal["t", "a"]
"""The time of an event: that of recording or that of collection."""


def time_by(clock: Clock, event: EventMetadata) -> float:
    """Give an event's time, in seconds since the Unix epoch."""
    return event.recorded_ts if clock == "t" else event.collected_ts


class Rule(NamedTuple):
    """A rule by which a window could take events."""

    clock: Clock
    """The time that is compared."""

    lower: bool
    """Whether an event exactly on the lower bound is taken."""

    upper: bool
    """Whether an event exactly on the upper bound is taken."""

    def takes(self, event: EventMetadata, window: TimeWindow) -> bool:
        """Whether an event is listed for a window."""
        time = time_by(self.clock, event)
        late_enough = time > window.since or (self.lower and time == window.since)
        return late_enough and (time < window.until or (self.upper and time == window.until))


_CLOCKS: tuple[Clock, ...] = ("t", "a")
RULES = tuple(Rule(*each) for each in product(_CLOCKS, (True, False), (True, False)))
"""All that are thought of."""


def fitting(rules: Iterable[Rule], listed: ProbedListing, known: Iterable[EventMetadata]) -> tuple[Rule, ...]:
    """Keep the rules that explain a listing: it has nothing that they leave out, and all of the known that they take.

    Args:
        rules: The rules to choose from.
        listed: The listing; of one that was not read to its end only counts what it has.
        known: Events that are there, as other listings showed.
    """
    lacking = listed.lacking(known)
    return tuple(
        rule
        for rule in rules
        if all(rule.takes(event, listed.window) for event in listed.items)
        and not any(rule.takes(event, listed.window) for event in lacking)
    )


def telling_window(
    rules: Sequence[Rule], known: Sequence[EventMetadata], asked: Collection[TimeWindow] = ()
) -> TimeWindow | None:
    """Find the window whose listing tells most about which rule it is.

    Args:
        rules: Those that are possible.
        known: Events that are there.
        asked: Windows that have been listed.

    Returns:
        A narrow one, if there is any; None where no window would tell.
    """
    sample = _sample(known)
    ranked = [
        (window.until - window.since > _NARROW, left, window.until - window.since, window)
        for window in _windows(sample)
        if window not in asked and (left := _most_left(rules, sample, window)) < len(rules)
    ]
    return min(ranked)[-1] if ranked else None


def _most_left(rules: Sequence[Rule], sample: Sequence[EventMetadata], window: TimeWindow) -> int:
    """Count the rules that remain at worst when the window has been listed."""
    outcomes = Counter(frozenset(event_key(event) for event in sample if rule.takes(event, window)) for rule in rules)
    return max(outcomes.values(), default=0)


def _windows(sample: Sequence[EventMetadata]) -> Iterator[TimeWindow]:
    """Give the windows whose bounds lie on the sample's times, or just beside them."""
    times = {time for event in sample for time in (event.recorded_ts, event.collected_ts)}
    near = sorted(
        {whole + step for time in times for whole in (math.floor(time), math.ceil(time)) for step in (-1, 0, 1)}
    )
    for number, since in enumerate(near):
        for until in near[number + 1 : number + 1 + _REACH]:
            yield TimeWindow(since, until)


def _sample(known: Sequence[EventMetadata]) -> Sequence[EventMetadata]:
    """Take neighbours in time, as close together as possible, the two times of one of which differ if any's do."""
    ascending = sorted(known, key=event_key)
    runs = [ascending[first : first + _SAMPLE] for first in range(max(1, len(ascending) - _SAMPLE + 1))]
    return min(runs, key=lambda run: (not any(_is_delayed(event) for event in run), _span(run)))


def _is_delayed(event: EventMetadata) -> bool:
    return event.recorded_ts != event.collected_ts


def _span(run: Sequence[EventMetadata]) -> float:
    return run[-1].recorded_ts - run[0].recorded_ts if run else 0

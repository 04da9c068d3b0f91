"""Inference from listings: the order of events, and the rule by which a window takes them."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from cfevents._model.api import EventMetadata, event_key
from cfevents._time import TimeWindow
from cfevents.doctor.findings import Findings, ProbedListing

SortKey: TypeAlias = Literal["t and n", "t", "a", "kind"]
EventClock: TypeAlias = Literal["t", "a"]
"""One of an event's times: ``t``, when it was recorded, or ``a``, when it was collected."""

_ODDS_AGAINST_CHANCE = 10_000  # random events look ordered once in so many times, at most
_SAMPLE_EVENTS = 10  # known events to choose a window by
_MAX_TIMES_APART = 8  # the bounds of a window, in times of the sample
_NARROW_WINDOW_S = 600  # a longer window may hold any number of events that are not known yet

_SORT_KEYS: Mapping[SortKey, Callable[[EventMetadata], Any]] = {
    "t and n": event_key,
    "t": lambda event: event.recorded_ts,
    "a": lambda event: event.collected_ts,
    "kind": lambda event: (event.kind, *event_key(event)),
}


class ListingOrder(NamedTuple):
    """An order in which events could be listed."""

    direction: Literal["ascending", "descending"]
    key: SortKey
    """``kind`` is by kind first, then by ``t`` and ``n``."""


def possible_orders(runs: Iterable[Sequence[EventMetadata]]) -> tuple[ListingOrder, ...]:
    """Return the orders that no listing contradicts, from the events of each as they came; none for any order."""
    # An event that comes twice, as neighbouring pages may have it, counts where it came first.
    runs = [list({event_key(event): event for event in run}.values()) for run in runs]
    orders = [
        ListingOrder(direction, key)
        for key, value in _SORT_KEYS.items()
        for direction in ("ascending", "descending")
        if all(run == sorted(run, key=value, reverse=direction == "descending") for run in runs)
    ]
    # An order by t and n is an order by t as well.
    return tuple(order for order in orders if order.key != "t" or order._replace(key="t and n") not in orders)


def enough_for_order(runs: Iterable[Sequence[EventMetadata]]) -> bool:
    """Return True where so many events came that they are not in order by chance."""
    log_odds = sum(math.lgamma(len({event_key(event) for event in run}) + 1) for run in runs)
    return log_odds > math.log(_ODDS_AGAINST_CHANCE)


class WindowRule(NamedTuple):
    """A rule by which a window could take events: by one of their times, with bounds that are inclusive or not."""

    clock: EventClock
    lower: bool
    upper: bool

    def time(self, event: EventMetadata) -> float:
        """Return the compared time, in seconds since the Unix epoch."""
        return event.recorded_ts if self.clock == "t" else event.collected_ts

    def takes(self, event: EventMetadata, window: TimeWindow) -> bool:
        """Return True where the window has the event."""
        time = self.time(event)
        late_enough = time > window.since or (self.lower and time == window.since)
        return late_enough and (time < window.until or (self.upper and time == window.until))


RULES = tuple(WindowRule(*terms) for terms in product(get_args(EventClock), (True, False), (True, False)))
"""All rules that are considered."""


def window_rules(findings: Findings) -> tuple[WindowRule, ...]:
    """Return the rules that explain all listings."""
    rules, known = RULES, findings.known
    for listing in findings.listings:
        rules = consistent_rules(rules, listing, known)
    return rules


def consistent_rules(
    rules: Iterable[WindowRule], listing: ProbedListing, known: Iterable[EventMetadata]
) -> tuple[WindowRule, ...]:
    """Return the rules that take every event of a listing, and none of the known events that it does not have.

    An incomplete listing counts for the events that it has alone.
    """
    listed = {event_key(event) for event in listing.items}
    missing = [event for event in known if event_key(event) not in listed] if listing.complete else []
    return tuple(
        rule
        for rule in rules
        if all(rule.takes(event, listing.window) for event in listing.items)
        and not any(rule.takes(event, listing.window) for event in missing)
    )


def most_telling_window(
    rules: Sequence[WindowRule], known: Sequence[EventMetadata], listed: Collection[TimeWindow] = ()
) -> TimeWindow | None:
    """Return the window whose listing rules out most, a narrow one if there is any; None where none rules out any.

    The candidates have their bounds on the times of some neighbouring events, or a second beside them. Each rule
    predicts a listing for each of them. The best candidate leaves the fewest rules in the worst case, which is the
    largest set of rules with the same prediction. The cost is bounded by the size of the sample: at most some
    500 windows, times 8 rules, times 10 events.
    """
    sample = _closest_neighbours(known)
    ranked = []
    for window in set(_candidate_windows(sample)).difference(listed):
        predictions = Counter(frozenset(event_key(e) for e in sample if rule.takes(e, window)) for rule in rules)
        if (left := max(predictions.values(), default=0)) < len(rules):
            length = window.until - window.since
            ranked.append((length > _NARROW_WINDOW_S, left, length, window))
    return min(ranked)[-1] if ranked else None


def _candidate_windows(sample: Sequence[EventMetadata]) -> Iterator[TimeWindow]:
    times = {time for event in sample for time in (event.recorded_ts, event.collected_ts)}
    bounds = sorted(
        {whole + step for time in times for whole in (math.floor(time), math.ceil(time)) for step in (-1, 0, 1)}
    )
    for number, since in enumerate(bounds):
        for until in bounds[number + 1 : number + 1 + _MAX_TIMES_APART]:
            yield TimeWindow(since, until)


def _closest_neighbours(known: Sequence[EventMetadata]) -> Sequence[EventMetadata]:
    """Return neighbours in time, as close together as possible; one of them has two different times, if any has."""
    ascending = sorted(known, key=event_key)
    runs = [ascending[first : first + _SAMPLE_EVENTS] for first in range(max(1, len(ascending) - _SAMPLE_EVENTS + 1))]

    def rank(run: Sequence[EventMetadata]) -> tuple[bool, float]:
        is_delayed = any(event.recorded_ts != event.collected_ts for event in run)
        return not is_delayed, run[-1].recorded_ts - run[0].recorded_ts if run else 0

    return min(runs, key=rank)

"""In which order a listing's events come."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

from cfevents._model.api import EventMetadata, key_of

Direction: TypeAlias = Literal["ascending", "descending"]
Key: TypeAlias = Literal["t and n", "t", "a", "kind"]

# Events at random look ordered once in so many times, where no fewer are looked at.
_CHANCE = 10_000

_KEYS: Mapping[Key, Callable[[EventMetadata], Any]] = {
    "t and n": key_of,
    "t": lambda event: event.recorded_ts,
    "a": lambda event: event.collected_ts,
    "kind": lambda event: (event.kind, *key_of(event)),
}


class Order(NamedTuple):
    """An order in which events could come."""

    direction: Direction
    key: Key
    """What they are sorted by; ``kind`` is by kind first, then by ``t`` and ``n``."""


def possible_orders(runs: Iterable[Sequence[EventMetadata]]) -> tuple[Order, ...]:
    """Find the orders that nothing contradicts; none for events in any order.

    Args:
        runs: Events as they came, listing by listing.
    """
    # What comes again, as neighbouring pages may have it, came before.
    runs = [list({key_of(event): event for event in run}.values()) for run in runs]
    orders = [
        Order(direction, key)
        for key, value in _KEYS.items()
        for direction in ("ascending", "descending")
        if all(_is_sorted([value(event) for event in run], direction) for run in runs)
    ]
    # What holds for t and n together says as much of t.
    return tuple(order for order in orders if order.key != "t" or order._replace(key="t and n") not in orders)


def enough_for_order(runs: Iterable[Sequence[EventMetadata]]) -> bool:
    """Whether so many events came that they do not look ordered by chance."""
    improbable = sum(math.lgamma(len({key_of(event) for event in run}) + 1) for run in runs)
    return improbable > math.log(_CHANCE)


def _is_sorted(values: Sequence[Any], direction: Direction) -> bool:
    if direction == "descending":
        values = values[::-1]
    return all(first <= second for first, second in pairwise(values))

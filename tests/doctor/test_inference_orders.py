"""The order of a listing, found by the events as they came."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents._model.api import EventMetadata
from cfevents.doctor.inference import ListingOrder, enough_for_order, possible_orders

SORTED: dict[str, tuple[Callable[[EventMetadata], Any], tuple[ListingOrder, ...]]] = {
    "t and n": (lambda event: (event.recorded_ts, event.sequence), (ListingOrder("ascending", "t and n"),)),
    "-t and -n": (lambda event: (-event.recorded_ts, -event.sequence), (ListingOrder("descending", "t and n"),)),
    "t": (lambda event: (event.recorded_ts, -event.sequence), (ListingOrder("ascending", "t"),)),
    "a": (lambda event: event.collected_ts, (ListingOrder("ascending", "a"),)),
    "-a": (lambda event: -event.collected_ts, (ListingOrder("descending", "a"),)),
    "kind": (lambda event: (event.kind, event.recorded_ts, event.sequence), (ListingOrder("ascending", "kind"),)),
    "chance": (lambda event: hash((event.recorded_ts, event.sequence, "chance")), ()),
}


def history(seed: int) -> list[EventMetadata]:
    """Forty events of three kinds, two in each of twenty seconds, each collected at a time of its own."""
    random = Random(seed)
    late = random.sample(range(1000), 40)
    return [EventMetadata("ABC"[(2 * t + n) % 3], t, n, late[2 * t + n]) for t in range(20) for n in range(2)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", SORTED)
def test_an_order_is_found_and_no_other(name: str, seed: int) -> None:
    key, expected = SORTED[name]
    events = history(seed)
    Random(seed).shuffle(events)
    events.sort(key=key)
    assert possible_orders([events]) == expected
    assert possible_orders([events[:20], events[20:]]) == expected
    assert enough_for_order([events])


@given(st.permutations(history(1)[:6]))
def test_six_events_are_too_few_to_tell_an_order_from_chance(events: list[EventMetadata]) -> None:
    assert not enough_for_order([events])


def test_repeated_events_do_not_hide_the_order() -> None:
    """Events that come again on the next page do not count for the order."""
    events = history(2)
    assert possible_orders([[*events[:10], *events[8:]]]) == (ListingOrder("ascending", "t and n"),)
    assert not enough_for_order([[events[0]] * 50])

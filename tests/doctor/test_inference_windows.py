"""The rule by which a listing's window takes events, found by the listings alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples

from cfevents._model.api import EventMetadata
from cfevents._time import TimeWindow
from cfevents.doctor.findings import ProbedListing, SeenPage
from cfevents.doctor.inference import RULES, WindowRule, consistent_rules, most_telling_window

TIMES = st.integers(0, 40) | st.sampled_from([3.5, 10.25])
EVENTS = st.builds(lambda t, n, lag: EventMetadata("Init", t, n, t + lag), TIMES, st.integers(0, 2), st.integers(-1, 9))
HISTORIES = st.lists(EVENTS, max_size=20, unique_by=lambda event: (event.recorded_ts, event.sequence))


def answer(
    rule: WindowRule, events: Sequence[EventMetadata], window: TimeWindow, *, complete: bool = True
) -> ProbedListing:
    """What a server lists by a rule."""
    items = tuple(event for event in events if rule.takes(event, window))
    page = SeenPage(items, None, "absent") if complete else SeenPage(items[: len(items) // 2], "more", "text")
    return ProbedListing(window, None, (page,))


def narrowed(rule: WindowRule, events: Sequence[EventMetadata], *, complete: bool = True) -> tuple[WindowRule, ...]:
    """The rules that are left when four windows were listed, or windows tell no more."""
    rules: tuple[WindowRule, ...] = RULES
    requested: list[TimeWindow] = []
    while len(requested) < 4 and (window := most_telling_window(rules, events, requested)) is not None:
        requested.append(window)
        rules = consistent_rules(rules, answer(rule, events, window, complete=complete), events)
    return rules


@settings(max_examples=examples(40))
@given(HISTORIES, st.sampled_from(RULES), st.booleans())
def test_true_rule_is_never_excluded(events: list[EventMetadata], rule: WindowRule, complete: bool) -> None:
    """The true rule is never excluded, whether listings were read to their ends or not."""
    assert rule in narrowed(rule, events, complete=complete)


@pytest.mark.parametrize("rule", RULES)
def test_two_events_tell_all_rules_apart(rule: WindowRule) -> None:
    """Two events whose times differ are enough to tell all rules apart."""
    events = [EventMetadata("Init", 100, 0, 107), EventMetadata("Leave", 130, 0, 133)]
    assert narrowed(rule, events) == (rule,)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.clock == "t"])
def test_equal_times_show_the_bounds_alone(rule: WindowRule) -> None:
    """Where no times differ, the bounds alone can be found."""
    events = [EventMetadata("Init", 100, 0, 100), EventMetadata("Leave", 130, 0, 130)]
    assert narrowed(rule, events) == (rule, rule._replace(clock="a"))


def test_no_rule_explains_stray_or_missing_events() -> None:
    """No rule explains an event beyond both bounds, or one that is missing between them."""
    inside, outside = EventMetadata("Init", 105, 0, 105), EventMetadata("Init", 300, 0, 300)
    window = TimeWindow(100, 110)
    beyond = ProbedListing(window, None, (SeenPage((inside, outside), None, "absent"),))
    missing = ProbedListing(window, None, (SeenPage((), None, "absent"),))
    assert consistent_rules(RULES, beyond, [inside, outside]) == ()
    assert consistent_rules(RULES, missing, [inside]) == ()


def test_narrow_window_is_preferred() -> None:
    """A narrow window is preferred to one that may hold any number of events."""
    events = [EventMetadata("Init", 10_000 * number, 0, 10_000 * number + 30) for number in range(1, 9)]
    window = most_telling_window(RULES, events)
    assert window is not None
    assert window.until - window.since <= 600

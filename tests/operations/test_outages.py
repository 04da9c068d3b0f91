"""Outages of the collection at the edges of a window: they begin before, in or after it, and end in or after it."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, LAG, MINUTE, DetailedEvent, event

from cfevents import operations

EVERY = 6 * MINUTE
AN_HOUR, A_DAY = (HOUR, 2 * HOUR), (HOUR, DAY)
BEFORE_NINE = "silent since before 2025-06-15 16:06:45 UTC, for at least"


def collected(window: tuple[int, int], collect: Callable[[int], float], every: int = EVERY) -> list[DetailedEvent]:
    """Return regular events in a window. A function says when those of a time are collected."""
    return [event(at, "Reconcile", lag=collect(at) - at) for at in range(*window, every)]


def outages(events: list[DetailedEvent], window: tuple[int, int], **more: Any) -> list[str]:
    """Return what a report says of outages and their length."""
    report = operations.report(events, since=BEGIN + window[0], until=BEGIN + window[1], **more)
    after = ": events of that time were collected afterwards"
    return [finding.message.removesuffix(after) for finding in report.findings if finding.kind == "collection_gap"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("window", "outage", "expected"),
    [
        # An hour has too few events for a usual pause.
        (AN_HOUR, (0, HOUR + 40 * MINUTE), [f"{BEFORE_NINE} 39min 55s"]),
        (AN_HOUR, (-9 * DAY, 2 * HOUR - 10 * MINUTE), [f"{BEFORE_NINE} 49min 55s"]),
        (AN_HOUR, (0, HOUR + 20 * MINUTE), []),  # as late as that is no gap
        (AN_HOUR, (0, 2 * HOUR), []),  # nothing shows that it is not always so late
        (AN_HOUR, (0, 3 * HOUR), []),
        (AN_HOUR, (HOUR + 10 * MINUTE, HOUR + 50 * MINUTE), []),
        (AN_HOUR, (2 * HOUR, 3 * HOUR), []),
        # A day.
        (A_DAY, (0, 4 * HOUR), [f"{BEFORE_NINE} 2h 59min"]),
        (A_DAY, (0, HOUR + 40 * MINUTE), []),  # shorter than eight usual pauses
        (A_DAY, (5 * HOUR, 9 * HOUR), ["silent for at most 4h 5min"]),
        (A_DAY, (5 * HOUR, 2 * DAY), ["silent for at most 1d 19h"]),
        (A_DAY, (0, 2 * DAY), ["silent since before 2025-06-15 16:06:40 UTC, for at least 1d 23h"]),
        (A_DAY, (DAY, 2 * DAY), []),
    ],
)
def test_outage_at_the_edges_of_a_window(window: tuple[int, int], outage: tuple[int, int], expected: list[str]) -> None:
    """An outage is found wherever it begins and ends; one that began before the window has no length, but a least."""
    begin, end = outage
    events = collected(window, lambda at: end if begin <= at + LAG < end else at + LAG)
    assert outages(events, window) == expected


@pytest.mark.once
@pytest.mark.parametrize("window", [AN_HOUR, (HOUR, 7 * HOUR), A_DAY], ids=["hour", "hours", "day"])
@pytest.mark.parametrize(
    "lag",
    [0, LAG, 50 * MINUTE, 3 * HOUR, 30 * HOUR, -3 * HOUR],
)
def test_usual_lag_is_no_outage(window: tuple[int, int], lag: int) -> None:
    """A lag that all events have, as by a wrong clock, is no outage, and nor is one that varies by some minutes."""
    random = Random(lag)
    assert outages(collected(window, lambda at: at + lag), window) == []
    assert outages(collected(window, lambda at: at + lag + random.expovariate(1 / 180)), window) == []


@pytest.mark.once
@pytest.mark.parametrize("period", [20 * MINUTE, 40 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR])
@pytest.mark.parametrize("phase", [0, 0.3, 0.7, 0.95])
def test_delivery_in_batches_is_no_outage(period: int, phase: float) -> None:
    """A connector that always delivers in batches was not offline before an hour."""
    offset = int(period * phase)
    events = collected(AN_HOUR, lambda at: (at + offset) // period * period + period - offset)
    assert outages(events, AN_HOUR) == []
    known = [item for item in events if item.event.metadata.collected_ts <= BEGIN + AN_HOUR[1]]
    assert outages(known, AN_HOUR) == []


@pytest.mark.once
def test_clock_that_is_set_after_the_start_is_no_outage() -> None:
    """The first events of a start have the time of a clock that is not set yet."""
    first = [event(HOUR + at, kind, lag=50 * MINUTE) for at, kind in ((0, "Init"), (20, "HaInit"))]
    later = collected((HOUR + 51 * MINUTE, 2 * HOUR), lambda at: at + LAG)
    assert outages([*first, *later], AN_HOUR) == []

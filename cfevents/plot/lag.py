"""How late events were collected."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record
from cfevents.plot._axes import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    Zone,
    drawn_at,
    key_above,
    nothing,
    paper,
    short,
    span_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, PINK)
_TICKS = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h", 86_400: "1 d", 604_800: "1 w"}


@accepts_any_events
def lag(events: Journal, *, tz: Zone = "UTC", ax: "Axes | None" = None) -> "Axes":
    """Draw how long after it was recorded each event was collected, over the time it was recorded.

    A connector that was cut off is a line that falls: what was recorded last had the shortest wait. Up to six
    connectors have a colour of their own.

    Args:
        events: Events in any order. Those without metadata, as those of *Get latest Events*, are left out.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones where they are left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has no meaning.
    """
    ax = paper(ax, tz, 4.0)
    ax.set_ylabel("collected later by")
    told = {connector_id: points for connector_id, its in events.connectors() if (points := [*_points(its)])}
    if not told:
        return nothing(ax)
    several = 1 < len(told) <= len(_COLOURS)
    for number, (connector_id, points) in enumerate(told.items()):
        moments, lags = zip(*points, strict=True)
        colour = _COLOURS[number] if len(told) <= len(_COLOURS) else GREY
        name = short(connector_id)
        ax.scatter(moments, lags, s=9, color=colour, alpha=0.6, linewidths=0, rasterized=True, label=name)
    _scale(ax, [lag for points in told.values() for _, lag in points])
    span_of(ax, [moment for points in told.values() for moment, _ in points])
    if several:
        key_above(ax, 3)
    return ax


def _points(records: Iterable[Record]) -> Iterable[tuple[datetime, float]]:
    told = (each for each in records if each.collected_ts is not None)
    return ((drawn_at(each.recorded_at), each.known_ts - each.recorded_ts) for each in told)


def _scale(ax: "Axes", lags: list[float]) -> None:
    """Give the second and the day the same room: most events come at once, and some are a day late."""
    ax.set_yscale("symlog", linthresh=1)
    top = max([10.0, *lags])
    ticks = {seconds: text for seconds, text in _TICKS.items() if seconds <= 2 * top}
    below = {-seconds: f"-{text}" for seconds, text in ticks.items() if -2 * seconds >= min(lags)}
    shown = {**dict(reversed(below.items())), 0: "0", **ticks}
    ax.set_yticks(list(shown), list(shown.values()))
    ax.minorticks_off()
    ax.set_ylim(min([-0.3, *(1.5 * each for each in lags if each < 0)]), 2 * top)
    ax.grid(axis="y", color=GREY, alpha=0.25)

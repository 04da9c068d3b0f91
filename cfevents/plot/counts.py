"""How many events of each kind there were in each hour."""

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cfevents._html import shortened
from cfevents._time import to_datetime
from cfevents._validation import short_repr
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal
from cfevents.plot._axes import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RED,
    SKY,
    YELLOW,
    Zone,
    as_it_is,
    drawn_at,
    key_above,
    nothing,
    paper,
    span_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, PINK, YELLOW)
_OTHERS = "other kinds"
_LONGEST_KIND = 30


@accepts_any_events
def counts(
    events: Journal, *, per: timedelta = timedelta(hours=1), tz: Zone = "UTC", ax: "Axes | None" = None
) -> "Axes":
    """Draw how many events of each kind were recorded in each hour, the commonest seven kinds by their name.

    Args:
        events: Events in any order, of one connector or several, which are counted together.
        per: The width of a bar.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones where they are left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has no meaning.
    """
    width = _checked(per).total_seconds()
    found: Counter[tuple[str, int]] = Counter(
        (record.kind, int(record.recorded_ts // width)) for _, records in events.connectors() for record in records
    )
    ax = paper(ax, tz, 4.0)
    ax.set_ylabel(f"events per {_told(per)}")
    if not found:
        return nothing(ax)
    totals: Counter[str] = Counter()
    for (kind, _), count in found.items():
        totals[kind] += count
    named = [kind for kind, _ in totals.most_common(len(_COLOURS))]
    _draw(ax, found, named, per)
    span_of(ax, [drawn_at(to_datetime((number + end) * width)) for _, number in found for end in (0, 1)])
    key_above(ax, 4)
    return ax


def _draw(ax: "Axes", found: Counter[tuple[str, int]], named: list[str], per: timedelta) -> None:
    from matplotlib import ticker  # noqa: PLC0415 - only where something is drawn

    ax.yaxis.set_major_locator(ticker.MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    width, below = per.total_seconds(), Counter[int]()
    colours = dict(zip(named, _COLOURS, strict=False)) | {_OTHERS: GREY}
    for name, colour in colours.items():
        heights: Counter[int] = Counter()
        for (kind, number), count in found.items():
            if (kind if kind in named else _OTHERS) == name:
                heights[number] += count
        if heights:
            numbers = sorted(heights)
            begins: list[datetime] = [drawn_at(to_datetime(number * width)) for number in numbers]
            bottoms = [below[number] for number in numbers]
            tall = [heights[number] for number in numbers]
            label = as_it_is(shortened(name, _LONGEST_KIND))
            ax.bar(begins, tall, per, bottoms, align="edge", color=colour, label=label)  # type: ignore[arg-type]
            below.update(heights)


def _checked(per: timedelta) -> timedelta:
    if not isinstance(per, timedelta):
        raise TypeError(f"per={short_repr(per)} is no timedelta: write timedelta(hours=1)")
    if per <= timedelta(0):
        raise ValueError(f"per={per} must be longer than nothing")
    return per


def _told(per: timedelta) -> str:
    return {timedelta(minutes=1): "minute", timedelta(hours=1): "hour", timedelta(days=1): "day"}.get(per, str(per))

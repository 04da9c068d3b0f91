"""The number of events of each kind in each hour."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from cfevents._html import shortened
from cfevents._time import to_datetime, validate_duration
from cfevents.operations.journal import Journal, accepts_any_events
from cfevents.plot._axes import COLOURS, GREY, Zone, drawable, finish, literal, time_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OTHER_KINDS = "other kinds"
_MAX_KIND_CHARACTERS = 30
_UNIT_NAMES = {timedelta(minutes=1): "minute", timedelta(hours=1): "hour", timedelta(days=1): "day"}


@accepts_any_events
def counts(
    events: Journal, *, per: timedelta = timedelta(hours=1), tz: Zone = "UTC", ax: "Axes | None" = None
) -> "Axes":
    """Draw how many events of each kind were recorded in each hour. The seven commonest kinds have their own colours.

    Args:
        events: Events in any order, of one connector or several, which are counted together.
        per: The width of a bar.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones if left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: `per` is not above 0, or there is no time zone of that name.
    """
    width = validate_duration("per", per).total_seconds()
    by_kind: dict[str, Counter[int]] = {}
    for _, records in events.connectors():
        for record in records:
            by_kind.setdefault(record.kind, Counter())[int(record.recorded_ts // width)] += 1
    ax = time_axes(ax, tz, 4.0)
    ax.set_ylabel(f"events per {_UNIT_NAMES.get(per, per)}")
    bars = {number for heights in by_kind.values() for number in heights}
    if bars:
        _draw_bars(ax, by_kind, per)
    return finish(ax, [drawable(to_datetime((number + end) * width)) for number in bars for end in (0, 1)], 4)


def _draw_bars(ax: "Axes", by_kind: dict[str, Counter[int]], per: timedelta) -> None:
    """Draw the bars of each kind upon those of the kinds before it."""
    from matplotlib import ticker  # noqa: PLC0415 - only where something is drawn

    ax.yaxis.set_major_locator(ticker.MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    commonest = sorted(by_kind, key=lambda kind: -by_kind[kind].total())
    named, others = commonest[: len(COLOURS)], commonest[len(COLOURS) :]
    layers = [(kind, by_kind[kind], colour) for kind, colour in zip(named, COLOURS, strict=False)]
    if others:
        layers.append((_OTHER_KINDS, sum((by_kind[kind] for kind in others), Counter[int]()), GREY))
    below = Counter[int]()
    for name, heights, colour in layers:
        numbers = sorted(heights)
        starts = [drawable(to_datetime(number * per.total_seconds())) for number in numbers]
        bottoms, tops = [below[number] for number in numbers], [heights[number] for number in numbers]
        label = literal(shortened(name, _MAX_KIND_CHARACTERS))
        ax.bar(starts, tops, per, bottoms, align="edge", color=colour, label=label)  # type: ignore[arg-type]
        below.update(heights)

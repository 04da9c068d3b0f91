"""The lag of events: how late they were collected."""

from typing import TYPE_CHECKING

from cfevents.operations.journal import Journal, accepts_any_events
from cfevents.plot._axes import COLOURS, GREY, Zone, connector_label, drawable, finish, time_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_MAX_COLOURED_CONNECTORS = 6
_TICKS = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h", 86_400: "1 d", 604_800: "1 w"}


@accepts_any_events
def lag(events: Journal, *, tz: Zone = "UTC", ax: "Axes | None" = None) -> "Axes":
    """Draw how long after recording each event was collected, over the time it was recorded.

    A connector that was cut off is a falling line: the event recorded last waited shortest. Up to six connectors have
    their own colours.

    Args:
        events: Events in any order. Those without metadata, as those of *Get latest Events*, are left out.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones if left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: There is no time zone of that name.
    """
    ax = time_axes(ax, tz, 4.0)
    ax.set_ylabel("collected later by")
    collected = {
        connector_id: known
        for connector_id, records in events.connectors()
        if (known := [record for record in records if record.collected_ts is not None])
    }
    colours = COLOURS if len(collected) <= _MAX_COLOURED_CONNECTORS else (GREY,) * len(collected)
    moments, lags = [], []
    for (connector_id, records), colour in zip(collected.items(), colours, strict=False):
        xs, ys = [drawable(r.recorded_at) for r in records], [r.known_ts - r.recorded_ts for r in records]
        name = connector_label(connector_id)
        ax.scatter(xs, ys, s=9, color=colour, alpha=0.6, linewidths=0, rasterized=True, label=name)  # type: ignore[arg-type]
        moments += xs
        lags += ys
    if lags:
        _scale(ax, lags)
    return finish(ax, moments, 3 if 1 < len(collected) <= _MAX_COLOURED_CONNECTORS else 0)


def _scale(ax: "Axes", lags: "Sequence[float]") -> None:
    """Scale the lag so that a second has as much room as a day: most events come at once, and some are a day late."""
    ax.set_yscale("symlog", linthresh=1)
    top = max([10.0, *lags])
    ticks = {seconds: text for seconds, text in _TICKS.items() if seconds <= 2 * top}
    below = {-seconds: f"-{text}" for seconds, text in ticks.items() if -2 * seconds >= min(lags)}
    labels = {**dict(reversed(below.items())), 0: "0", **ticks}
    ax.set_yticks(list(labels), list(labels.values()))
    ax.minorticks_off()
    ax.set_ylim(min([-0.3, *(1.5 * lag for lag in lags if lag < 0)]), 2 * top)
    ax.grid(axis="y", color=GREY, alpha=0.25)

"""The pictures: the timeline, the number of events of each kind, and their lag."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cfevents._html import shortened
from cfevents._time import to_datetime, validate_duration
from cfevents.operations.journal import Journal, accepts_any_events
from cfevents.operations.rekeys import Rekey, rekeys
from cfevents.operations.spans import Span, spans
from cfevents.plot import _axes
from cfevents.plot._axes import GREY, Zone, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Lanes: TypeAlias = Literal["connector", "operation"]

# In drawing order: failures lie on top, so that they are seen in a month, and by their marks without colours.
_OUTCOMES = {
    "success": (_axes.GREEN, "|"),
    "orphan": (_axes.BLUE, "|"),
    "open": (_axes.ORANGE, "s"),
    "failure": (_axes.RED, "X"),
}
_REKEY_OUTCOMES = {"complete": "success", "reset": "failure"}
_OTHER_EVENTS = "other events"
_BAR_POINTS = 7.0


class _OperationBar(NamedTuple):
    """The time that an operation took."""

    lane: str
    begin: datetime
    end: datetime
    outcome: str


@accepts_any_events
def timeline(events: Journal, *, lanes: Lanes = "connector", tz: Zone = "UTC", ax: "Axes | None" = None) -> "Axes":
    """Draw operations and rekeys as bars, coloured by how they ended, and all other events as points.

    Args:
        events: Events in any order, of one connector or several.
        lanes: A lane for each ``"connector"``, or for each ``"operation"``.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones if left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: `lanes` is neither, or there is no time zone of that name.
    """
    if lanes not in {"connector", "operation"}:
        raise ValueError(f"lanes={lanes!r} must be 'connector' or 'operation'")
    operations: list[Span | Rekey] = [*spans(events), *rekeys(events)]
    in_bars = {(operation.connector_id, event_id) for operation in operations for event_id in operation.event_ids}
    last = to_datetime(events.latest_ts() or 0)
    bars = [_bar(operation, lanes, last) for operation in operations]
    points = [
        ((connector_id or "") if lanes == "connector" else _OTHER_EVENTS, drawable(record.recorded_at))
        for connector_id, records in events.connectors()
        for record in records
        if (connector_id, record.id) not in in_bars
    ]
    names = {bar.lane for bar in bars} | {name for name, _ in points}
    ax = _axes.time_axes(ax, tz, 1.4 + 0.42 * len(names))
    if names:
        _draw_lanes(ax, sorted(names, key=lambda name: (name == _OTHER_EVENTS, name)), bars, points)
    return _axes.finish(ax, [*(at for bar in bars for at in (bar.begin, bar.end)), *(at for _, at in points)], 5)


def _bar(operation: Span | Rekey, lanes: Lanes, last: datetime) -> _OperationBar:
    begin = to_datetime(operation.event_ids[0].recorded_ts)
    if isinstance(operation, Rekey):
        name, outcome = "Rekey", _REKEY_OUTCOMES.get(operation.state, "open")
        # A rekey that is not over has lasted until the events end.
        end = operation.ended_at or max(operation.last_at, last)
    else:
        name, outcome, end = operation.operation, operation.outcome, operation.finished_at or begin
    lane = (operation.connector_id or "") if lanes == "connector" else name
    return _OperationBar(lane, drawable(begin), drawable(end), outcome)


def _draw_lanes(ax: "Axes", names: list[str], bars: list[_OperationBar], points: list[tuple[str, datetime]]) -> None:
    from matplotlib import dates  # noqa: PLC0415 - only where something is drawn

    heights = {name: height for height, name in enumerate(names)}
    if points:
        moments, lanes = [at for _, at in points], [heights[name] for name, _ in points]
        ax.scatter(moments, lanes, s=12, marker="|", color=GREY, alpha=0.5, label=_OTHER_EVENTS, rasterized=True)  # type: ignore[arg-type]
    for outcome, (colour, mark) in _OUTCOMES.items():
        if drawn := [bar for bar in bars if bar.outcome == outcome]:
            lanes = [heights[bar.lane] for bar in drawn]
            begins = dates.date2num([bar.begin for bar in drawn])  # type: ignore[no-untyped-call]
            ends = dates.date2num([bar.end for bar in drawn])  # type: ignore[no-untyped-call]
            ax.hlines(lanes, begins, ends, color=colour, linewidth=_BAR_POINTS)
            ax.scatter(begins, lanes, s=1.4 * _BAR_POINTS**2, marker=mark, color=colour, label=outcome)
    ax.set_yticks(range(len(names)), [_axes.connector_label(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", color=GREY, alpha=0.25)


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
    by_kind = dict[str, Counter[int]]()
    for _, records in events.connectors():
        for record in records:
            by_kind.setdefault(record.kind, Counter())[int(record.recorded_ts // width)] += 1
    ax = _axes.time_axes(ax, tz, 4.0)
    ax.set_ylabel(f"events per {_UNIT_NAMES.get(per, per)}")
    bars = {number for heights in by_kind.values() for number in heights}
    if bars:
        _draw_counts(ax, by_kind, per)
    return _axes.finish(ax, [drawable(to_datetime((number + end) * width)) for number in bars for end in (0, 1)], 4)


def _draw_counts(ax: "Axes", by_kind: dict[str, Counter[int]], per: timedelta) -> None:
    """Draw the bars of each kind upon those of the kinds before it."""
    from matplotlib import ticker  # noqa: PLC0415 - only where something is drawn

    ax.yaxis.set_major_locator(ticker.MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    commonest = sorted(by_kind, key=lambda kind: -by_kind[kind].total())
    named, others = commonest[: len(_axes.COLOURS)], commonest[len(_axes.COLOURS) :]
    layers = [(kind, by_kind[kind], colour) for kind, colour in zip(named, _axes.COLOURS, strict=False)]
    if others:
        layers.append(("other kinds", sum((by_kind[kind] for kind in others), Counter[int]()), GREY))
    below = Counter[int]()
    for name, heights, colour in layers:
        numbers = sorted(heights)
        starts = [drawable(to_datetime(number * per.total_seconds())) for number in numbers]
        bottoms, tops = [below[number] for number in numbers], [heights[number] for number in numbers]
        label = _axes.literal(shortened(name, 30))
        ax.bar(starts, tops, per, bottoms, align="edge", color=colour, label=label)  # type: ignore[arg-type]
        below.update(heights)


_MAX_COLOURED_CONNECTORS = 6
_MAX_LAG_S = 1e15  # thirty million years
_TICKS = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h", 86_400: "1 d", 604_800: "1 w"}


@accepts_any_events
def lag(events: Journal, *, tz: Zone = "UTC", ax: "Axes | None" = None) -> "Axes":
    """Draw how long after recording each event was collected, over the time it was recorded.

    A connector that was offline is a falling line: the event recorded last waited shortest. Up to six connectors have
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
    ax = _axes.time_axes(ax, tz, 4.0)
    ax.set_ylabel("collected later by")
    collected = {
        connector_id: known
        for connector_id, records in events.connectors()
        if (known := [record for record in records if record.collected_ts is not None])
    }
    colours = _axes.COLOURS if len(collected) <= _MAX_COLOURED_CONNECTORS else (GREY,) * len(collected)
    moments, lags = [], []
    for (connector_id, records), colour in zip(collected.items(), colours, strict=False):
        xs, ys = (
            [drawable(r.recorded_at) for r in records],
            [_drawable_lag(r.known_ts - r.recorded_ts) for r in records],
        )
        name = _axes.connector_label(connector_id)
        ax.scatter(xs, ys, s=9, color=colour, alpha=0.6, linewidths=0, rasterized=True, label=name)  # type: ignore[arg-type]
        moments += xs
        lags += ys
    if lags:
        _scale(ax, lags)
    return _axes.finish(ax, moments, 3 if 1 < len(collected) <= _MAX_COLOURED_CONNECTORS else 0)


def _drawable_lag(seconds: float) -> float:
    # matplotlib has no integers beyond 64 bits, and needs room above and below.
    return max(-_MAX_LAG_S, min(float(seconds), _MAX_LAG_S))


def _scale(ax: "Axes", lags: Sequence[float]) -> None:
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

"""Pictures of events, drawn with matplotlib (extra ``plot``). Each function accepts what `cfevents.operations` accepts.

If that is an asynchronous stream, the result must be awaited::

    axes = await plot.timeline(client.fleet().list_events(since="7d"))

All return the axes that they drew on, for anything else that matplotlib can do with them. People who see fewer colours
can tell the colours apart. Events recorded outside the years 1000 to 8999 are drawn at their edge.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cfevents._html import shortened
from cfevents._model.api import EventId
from cfevents._time import EPOCH, to_datetime, validate_duration
from cfevents._validation import validate_type
from cfevents.operations.journal import Journal, accepts_any_events
from cfevents.operations.rekeys import Rekey, rekeys
from cfevents.operations.report import Report
from cfevents.operations.report import report as report_of
from cfevents.operations.rules import Finding, Severity
from cfevents.operations.spans import Span, spans
from cfevents.plot import _axes
from cfevents.plot._axes import GREY, Zone, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["counts", "lag", "timeline"]

Lanes: TypeAlias = Literal["connector", "operation"]

# In drawing order: failures lie on top, so that they are seen in a month, and by their marks without colours.
_OUTCOMES = {
    "success": (_axes.GREEN, "|"),
    "orphan": (_axes.BLUE, "|"),
    "open": (_axes.ORANGE, "s"),
    "perhaps open": (_axes.ORANGE, "o"),
    "info": (_axes.BLUE, "D"),
    "warning": (_axes.ORANGE, "^"),
    "failure": (_axes.RED, "X"),
}
_SEVERITIES: dict[Severity, str] = {"info": "info", "warning": "warning", "error": "failure", "critical": "failure"}
_OTHER_EVENTS = "other events"
_BAR_POINTS = 7.0


_EventKey: TypeAlias = tuple[str | None, EventId]


class _OperationBar(NamedTuple):
    """The time that an operation took, or that a finding is of."""

    lane: str
    begin: datetime
    end: datetime
    outcome: str
    event_keys: list[_EventKey]


@accepts_any_events
def timeline(
    events: Journal,
    *,
    lanes: Lanes = "connector",
    report: Report | None = None,
    tz: Zone = "UTC",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw operations and rekeys as bars, coloured by how they ended, findings upon them, and other events as points.

    A finding is a failure if it is an error or critical. A rekey that is not certain has no length; one that is open is
    drawn as a dotted line, for as long as it may be.

    Args:
        events: Events in any order, of one connector or several.
        lanes: A lane for each ``"connector"``, or for each ``"operation"``.
        report: The report whose findings are drawn, such as one with limits of your own; by default that of the events.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones if left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: `lanes` is neither, or there is no time zone of that name.
    """
    if lanes not in {"connector", "operation"}:
        raise ValueError(f"lanes={lanes!r} must be 'connector' or 'operation'")
    last = {name: to_datetime(max(record.known_ts for record in records)) for name, records in events.connectors()}
    operations: list[Span | Rekey] = [*spans(events), *rekeys(events)]
    bars = [_bar(operation, lanes, last[operation.connector_id]) for operation in operations]
    lane_of = {key: bar.lane for bar in bars for key in bar.event_keys}
    points = [
        ((connector_id or "") if lanes == "connector" else _OTHER_EVENTS, drawable(record.recorded_at))
        for connector_id, records in events.connectors()
        for record in records
        if (connector_id, record.id) not in lane_of
    ]
    # Whatever failed is a finding.
    bars = [bar for bar in bars if bar.outcome != "failure"]
    for finding in validate_type("report", report_of(events) if report is None else report, Report).findings:
        bars.append(_finding_bar(finding, lanes, lane_of))
    names = {bar.lane for bar in bars} | {name for name, _ in points}
    ax = _axes.time_axes(ax, tz, 1.4 + 0.42 * len(names))
    if names:
        _draw_lanes(ax, sorted(names, key=lambda name: (name == _OTHER_EVENTS, name)), bars, points)
    return _axes.finish(ax, [*(at for bar in bars for at in (bar.begin, bar.end)), *(at for _, at in points)], 7)


def _bar(operation: Span | Rekey, lanes: Lanes, last: datetime) -> _OperationBar:
    begin = to_datetime(operation.event_ids[0].recorded_ts)
    if isinstance(operation, Rekey):
        name, outcome = "Rekey", {"complete": "success", "reset": "failure"}.get(operation.state, "open")
        # A rekey that is not over has lasted until the connector's last event.
        end = operation.ended_at or max(operation.last_at, last)
        if not operation.is_certain:
            end, outcome = (max(end, last), "perhaps open") if outcome == "open" else (begin, outcome)
    else:
        name, outcome, end = operation.operation, operation.outcome, operation.finished_at or begin
    lane = (operation.connector_id or "") if lanes == "connector" else name
    keys = [(operation.connector_id, event_id) for event_id in operation.event_ids]
    return _OperationBar(lane, drawable(begin), drawable(end), outcome, keys)


def _finding_bar(finding: Finding, lanes: Lanes, lane_of: Mapping[_EventKey, str]) -> _OperationBar:
    keys = [(finding.connector_id, event_id) for event_id in finding.event_ids]
    # One that rests on events of several operations, or of none, belongs to none of them.
    lane, *others = {lane_of.get(key, _OTHER_EVENTS) for key in keys} or {_OTHER_EVENTS}
    lane = _OTHER_EVENTS if others else lane
    lane = (finding.connector_id or "") if lanes == "connector" else lane
    return _OperationBar(
        lane, drawable(finding.first_at), drawable(finding.last_at), _SEVERITIES[finding.severity], keys
    )


def _draw_lanes(ax: "Axes", names: list[str], bars: list[_OperationBar], points: list[tuple[str, datetime]]) -> None:
    from matplotlib import dates  # noqa: PLC0415 - only where something is drawn

    heights = {name: height for height, name in enumerate(names)}
    if points:
        moments, lanes = [at for _, at in points], [heights[name] for name, _ in points]
        ax.scatter(moments, lanes, s=12, marker="|", color=GREY, alpha=0.5, label=_OTHER_EVENTS, rasterized=True)  # type: ignore[arg-type]
    for outcome, (colour, _) in _OUTCOMES.items():
        if drawn := [bar for bar in bars if bar.outcome == outcome]:
            lanes = [heights[bar.lane] for bar in drawn]
            begins = dates.date2num([bar.begin for bar in drawn])  # type: ignore[no-untyped-call]
            ends = dates.date2num([bar.end for bar in drawn])  # type: ignore[no-untyped-call]
            width, line = (3.0, "dotted") if outcome == "perhaps open" else (_BAR_POINTS, "solid")
            ax.hlines(lanes, begins, ends, color=colour, linewidth=width, linestyle=line)
            _draw_marks(ax, begins, lanes, outcome)
    ax.set_yticks(range(len(names)), [_axes.connector_label(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", color=GREY, alpha=0.25)


def _draw_marks(ax: "Axes", moments: Any, heights: Sequence[int], outcome: str, label: str | None = None) -> None:
    colour, mark = _OUTCOMES[outcome]
    look: dict[str, Any] = {"s": 70, "alpha": 0.6 if outcome == "success" else 1}
    if outcome in _SEVERITIES.values():
        # A white edge sets the findings off from all that is well.
        look = {"s": 110, "edgecolors": "white", "linewidths": 0.8, "zorder": 4}
    ax.scatter(moments, heights, marker=mark, color=colour, label=label or outcome, **look)


_UNIT_NAMES = {timedelta(minutes=1): "minute", timedelta(hours=1): "hour", timedelta(days=1): "day"}


@accepts_any_events
def counts(
    events: Journal, *, per: timedelta = timedelta(hours=1), tz: Zone = "UTC", ax: "Axes | None" = None
) -> "Axes":
    """Draw how many events of each kind were recorded in each hour. The six commonest kinds have their own colours.

    Kinds that say that something failed are red, and a red mark is upon each hour in which an error was found.

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
        below = _draw_counts(ax, by_kind, per)
        _draw_errors(ax, report_of(events).at_least("error"), below, per)
    return _axes.finish(ax, [drawable(to_datetime((number + end) * width)) for number in bars for end in (0, 1)], 4)


_FAILURE_ENDINGS = ("Failure", "Error", "Reset")


def _draw_counts(ax: "Axes", by_kind: dict[str, Counter[int]], per: timedelta) -> Counter[int]:
    """Draw the bars of each kind upon those of the kinds before it, and return the height of each bar."""
    from matplotlib import ticker  # noqa: PLC0415 - only where something is drawn

    ax.yaxis.set_major_locator(ticker.MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    failures = [kind for kind in by_kind if kind.endswith(_FAILURE_ENDINGS)]
    commonest = sorted(by_kind.keys() - failures, key=lambda kind: (-by_kind[kind].total(), kind))
    named, others = commonest[: len(_axes.COLOURS)], commonest[len(_axes.COLOURS) :]
    layers = [(kind, by_kind[kind], colour) for kind, colour in zip(named, _axes.COLOURS, strict=False)]
    for name, kinds, colour in (("other kinds", others, GREY), ("failures", failures, _axes.RED)):
        if kinds:
            layers.append((name, sum((by_kind[kind] for kind in kinds), Counter[int]()), colour))
    below = Counter[int]()
    for name, heights, colour in layers:
        numbers = sorted(heights)
        starts = [drawable(to_datetime(number * per.total_seconds())) for number in numbers]
        bottoms, tops = [below[number] for number in numbers], [heights[number] for number in numbers]
        label = _axes.literal(shortened(name, 30))
        ax.bar(starts, tops, per, bottoms, align="edge", color=colour, label=label)  # type: ignore[arg-type]
        below.update(heights)
    return below


def _draw_errors(ax: "Axes", errors: Sequence[Finding], tops: Counter[int], per: timedelta) -> None:
    """Draw a mark upon each bar in which an error began."""
    width = per.total_seconds()
    numbers = sorted({int((finding.first_at - EPOCH).total_seconds() // width) for finding in errors})
    if numbers:
        moments = [drawable(to_datetime((number + 0.5) * width)) for number in numbers]
        _draw_marks(ax, moments, [tops[number] for number in numbers], "failure", "errors")


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
        xs = [drawable(record.recorded_at) for record in records]
        # matplotlib has no integers beyond 64 bits, and needs room above and below.
        ys = [max(-_MAX_LAG_S, min(float(record.known_ts - record.recorded_ts), _MAX_LAG_S)) for record in records]
        name = _axes.connector_label(connector_id)
        ax.scatter(xs, ys, s=9, color=colour, alpha=0.6, linewidths=0, rasterized=True, label=name)  # type: ignore[arg-type]
        moments += xs
        lags += ys
    if lags:
        _scale(ax, lags)
    return _axes.finish(ax, moments, 3 if 1 < len(collected) <= _MAX_COLOURED_CONNECTORS else 0)


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

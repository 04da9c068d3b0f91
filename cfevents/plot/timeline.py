"""The timeline: operations and rekeys as bars, all other events as points."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cfevents._time import to_datetime
from cfevents.operations.journal import Journal, accepts_any_events
from cfevents.operations.rekeys import Rekey, rekeys
from cfevents.operations.spans import Span, spans
from cfevents.plot._axes import BLUE, GREEN, GREY, ORANGE, RED, Zone, connector_label, drawable, finish, time_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Lanes: TypeAlias = Literal["connector", "operation"]

# In drawing order: failures lie on top, so that they are seen in a month, and by their marks without colours.
_OUTCOMES = {"success": (GREEN, "|"), "orphan": (BLUE, "|"), "open": (ORANGE, "s"), "failure": (RED, "X")}
_REKEY_OUTCOMES = {"complete": "success", "reset": "failure"}
_OTHER_EVENTS = "other events"
_LANE_INCHES = 0.42
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
    names = sorted(
        {bar.lane for bar in bars} | {name for name, _ in points}, key=lambda name: (name == _OTHER_EVENTS, name)
    )
    ax = time_axes(ax, tz, 1.4 + _LANE_INCHES * len(names))
    if names:
        heights = {name: height for height, name in enumerate(names)}
        _draw_points(ax, heights, points)
        _draw_bars(ax, heights, bars)
        ax.set_yticks(range(len(names)), [connector_label(name) for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.grid(axis="y", color=GREY, alpha=0.25)
    return finish(ax, [*(at for bar in bars for at in (bar.begin, bar.end)), *(at for _, at in points)], 5)


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


def _draw_points(ax: "Axes", heights: dict[str, int], points: list[tuple[str, datetime]]) -> None:
    if points:
        moments, lanes = [at for _, at in points], [heights[name] for name, _ in points]
        ax.scatter(moments, lanes, s=12, marker="|", color=GREY, alpha=0.5, label=_OTHER_EVENTS, rasterized=True)  # type: ignore[arg-type]


def _draw_bars(ax: "Axes", heights: dict[str, int], bars: list[_OperationBar]) -> None:
    from matplotlib import dates  # noqa: PLC0415 - only where something is drawn

    for outcome, (colour, mark) in _OUTCOMES.items():
        if drawn := [bar for bar in bars if bar.outcome == outcome]:
            lanes = [heights[bar.lane] for bar in drawn]
            begins = dates.date2num([bar.begin for bar in drawn])  # type: ignore[no-untyped-call]
            ends = dates.date2num([bar.end for bar in drawn])  # type: ignore[no-untyped-call]
            ax.hlines(lanes, begins, ends, color=colour, linewidth=_BAR_POINTS)
            ax.scatter(begins, lanes, s=1.4 * _BAR_POINTS**2, marker=mark, color=colour, label=outcome)

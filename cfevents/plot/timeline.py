"""Who did what when: spans as bars, all else as points."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record
from cfevents.operations.rekeys import rekeys
from cfevents.operations.spans import spans
from cfevents.plot._axes import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
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

Lanes: TypeAlias = Literal["connector", "operation"]

# In the order in which they are drawn: what is bad lies on top, and is seen in a month too, without colours too.
_OUTCOMES = {"success": (GREEN, "|"), "orphan": (BLUE, "|"), "open": (ORANGE, "s"), "failure": (RED, "X")}
_OTHERS = "other events"
_LANE = 0.42  # inches
_BAR = 7.0  # points


class _Bar(NamedTuple):
    """Something that took its time."""

    lane: str
    begin: datetime
    end: datetime
    outcome: str


@accepts_any_events
def timeline(events: Journal, *, lanes: Lanes = "connector", tz: Zone = "UTC", ax: "Axes | None" = None) -> "Axes":
    """Draw what connectors did: operations and rekeys as bars, coloured by how they ended, all other events as points.

    Args:
        events: Events in any order, of one connector or several.
        lanes: A lane for each ``"connector"``, or for each ``"operation"``.
        tz: The time zone of the axis, or its name.
        ax: Axes to draw on; new ones where they are left out.

    Raises:
        ConfigurationError: matplotlib is not installed.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has no meaning.
    """
    if lanes not in {"connector", "operation"}:
        raise ValueError(f"lanes={lanes!r} must be 'connector' or 'operation'")
    bars, used = _bars(events, lanes)
    points = _points(events, lanes, used)
    names = sorted({bar.lane for bar in bars} | points.keys(), key=lambda name: (name == _OTHERS, name))
    ax = paper(ax, tz, 1.4 + _LANE * len(names))
    if not names:
        return nothing(ax)
    _draw_points(ax, names, points)
    _draw_bars(ax, names, bars)
    ax.set_yticks(range(len(names)), [short(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", color=GREY, alpha=0.25)
    ends = (moment for bar in bars for moment in (bar.begin, bar.end))
    span_of(ax, [*ends, *(moment for its in points.values() for moment in its)])
    key_above(ax, 5)
    return ax


def _bars(events: Journal, lanes: Lanes) -> tuple[list[_Bar], set[tuple[str | None, EventId]]]:
    """Make bars of operations and rekeys, and say which events are in them."""
    bars, used = list[_Bar](), set[tuple[str | None, EventId]]()
    for span in spans(events):
        begin = span.started_at or span.finished_at
        used |= {(span.connector_id, each) for each in span.event_ids}
        if begin is not None:
            lane = _name(span.connector_id) if lanes == "connector" else span.operation
            bars.append(_bar(lane, begin, span.finished_at or begin, span.outcome))
    last = to_datetime(events.latest_ts() or 0)
    for rekey in rekeys(events):
        used |= {(rekey.connector_id, each) for each in rekey.event_ids}
        lane = _name(rekey.connector_id) if lanes == "connector" else "Rekey"
        outcome = {"complete": "success", "reset": "failure"}.get(rekey.state, "open")
        # What is not over has lasted until the events end.
        end = rekey.ended_at or max(rekey.last_at, last)
        bars.append(_bar(lane, rekey.started_at, end, outcome))
    return bars, used


def _bar(lane: str, begin: datetime, end: datetime, outcome: str) -> _Bar:
    return _Bar(lane, drawn_at(begin), drawn_at(end), outcome)


def _points(events: Journal, lanes: Lanes, used: set[tuple[str | None, EventId]]) -> dict[str, list[datetime]]:
    points: dict[str, list[datetime]] = {}
    for connector_id, records in events.connectors():
        lane = _name(connector_id) if lanes == "connector" else _OTHERS
        moments = [drawn_at(record.recorded_at) for record in _rest(records, connector_id, used)]
        if moments:
            points.setdefault(lane, []).extend(moments)
    return points


def _rest(
    records: Iterable[Record], connector_id: str | None, used: set[tuple[str | None, EventId]]
) -> Iterable[Record]:
    return (record for record in records if (connector_id, record.id) not in used)


def _name(connector_id: str | None) -> str:
    return "" if connector_id is None else connector_id


def _draw_points(ax: "Axes", names: list[str], points: dict[str, list[datetime]]) -> None:
    drawn = [(at, names.index(name)) for name, moments in points.items() for at in moments]
    if drawn:
        moments, heights = zip(*drawn, strict=True)
        ax.scatter(moments, heights, s=12, marker="|", color=GREY, alpha=0.5, label=_OTHERS, rasterized=True)


def _draw_bars(ax: "Axes", names: list[str], bars: list[_Bar]) -> None:
    from matplotlib import dates  # noqa: PLC0415 - only where something is drawn

    for outcome, (colour, mark) in _OUTCOMES.items():
        drawn = [bar for bar in bars if bar.outcome == outcome]
        if drawn:
            heights = [names.index(bar.lane) for bar in drawn]
            begins, ends = (dates.date2num([bar[place] for bar in drawn]) for place in (1, 2))  # type: ignore[no-untyped-call]
            ax.hlines(heights, begins, ends, color=colour, linewidth=_BAR)
            ax.scatter(begins, heights, s=1.4 * _BAR**2, marker=mark, color=colour, label=outcome)

"""The time to fetch many events with their payloads, one request per event."""

import math
from collections.abc import Mapping

from benchmarks.contestants import FLOOR, OURS, SDK, SDK_AIOHTTP
from benchmarks.extent import Extent
from benchmarks.processes import in_turn, serving
from benchmarks.report import figure, table, times
from benchmarks.targets import target
from benchmarks.task import Figures, Task

_DELAY = 0.05
_AT_A_TIME = 8
_ROWS = {
    "`gather` over the SDK's `get`": (SDK, "get_events"),
    "`gather` over the SDK's `get`, on aiohttp": (SDK_AIOHTTP, "get_events"),
    "`gather` over the floor": (FLOOR, "get_events"),
    "`gather` over `client.get_event`": (OURS, "get_events"),
    "`stream.details`": (OURS, "details"),
}
_HEAD = ("contestant", "seconds", "to the least possible", "CPU µs/event", "target")


def measured(extent: Extent) -> str:
    """List a page of events, and fetch them all."""
    with serving(extent.details, delay=_DELAY) as place:
        tasks = {row: Task(name, call=call, concurrency=_AT_A_TIME, **place) for row, (name, call) in _ROWS.items()}
        figures = in_turn(tasks, extent.runs)
    title = f"### {extent.details:,} events with their payloads"
    about = f"Listed, and got one by one, {_AT_A_TIME} at a time; each answer is {_DELAY * 1000:.0f} ms away:"
    return "\n\n".join((title, about, _table(extent.details, figures)))


def _table(events: int, figures: Mapping[str, Figures]) -> str:
    # The page first, then round after round.
    least = _DELAY * (1 + math.ceil(events / _AT_A_TIME))
    rows = [
        (
            row,
            figure(run.seconds),
            times(run.seconds / least),
            figure(run.cpu_seconds / events * 1e6),
            target("details", row),
        )
        for row, run in figures.items()
    ]
    return table(_HEAD, rows)

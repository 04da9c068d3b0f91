"""The peak memory of a listing, and whether it grows with the listing's length."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks.contestants import FAST, FLOOR, OURS, SDK
from benchmarks.extent import Extent
from benchmarks.processes import in_turn, serving
from benchmarks.report import table
from benchmarks.targets import target
from benchmarks.task import Figures, Task

_PAGE_SIZE = 1000
_ROWS = ((FLOOR, 1), (FAST, 1), (OURS, 1), (OURS, 8), (SDK, 1))


def measured(extent: Extent) -> str:
    """Iterate over listings of several lengths."""
    with ExitStack() as servers:
        places = {events: servers.enter_context(serving(events)) for events in extent.memory_events}
        tasks = {
            (name, concurrency, events): Task(name, page_size=_PAGE_SIZE, concurrency=concurrency, **place)
            for name, concurrency in _ROWS
            for events, place in places.items()
        }
        figures = in_turn(tasks, extent.runs)
    about = f"Of the whole process, its libraries included, in MB; pages of {_PAGE_SIZE:,} events:"
    return "\n\n".join(("### Peak memory", about, _table(extent.memory_events, figures)))


def _table(lengths: Sequence[int], figures: Mapping[tuple[str, int, int], Figures]) -> str:
    head = ("contestant", "at a time", *(f"{length:,} events" for length in lengths), "growth", "target")
    rows = []
    for name, concurrency in _ROWS:
        peaks = [
            figures[name, concurrency, length].peak_mb for length in lengths if (name, concurrency, length) in figures
        ]
        if peaks:
            growth, reach = f"{peaks[-1] - peaks[0]:+.1f}", target(f"memory {concurrency}", name)
            rows.append((name, str(concurrency), *(f"{peak:.1f}" for peak in peaks), growth, reach))
    return table(head, rows)

"""The time to list a long past from far away, page after page and in parallel."""

from collections.abc import Mapping
from contextlib import ExitStack

from benchmarks.contestants import FLOOR, OURS, SDK
from benchmarks.extent import Extent
from benchmarks.processes import in_turn, serving
from benchmarks.report import figure, table, times
from benchmarks.targets import target
from benchmarks.task import Figures, Task

_DELAY = 0.1
_PAGE_SIZE = 100
_CASES = {
    "ascending": {"order": "ascending"},
    "descending": {"order": "descending"},
    "clustered": {"shape": "clustered"},
}
_ROWS = ((SDK, 1), (FLOOR, 1), (OURS, 1), (OURS, 8), (OURS, 32))
_HEAD = ("contestant", "at a time", "no less than", *_CASES, "target")
_NOTE = """In brackets: how many times as fast as cfevents one at a time. Where pages are asked for one after the other,
the order changes nothing, and is measured once. *Clustered*: half of the events lie in a hundredth of the window."""


def measured(extent: Extent) -> str:
    """List so many pages, each after a delay, with several requests at a time and in several pasts."""
    with ExitStack() as servers:
        places = {
            case: servers.enter_context(serving(extent.backfill_pages * _PAGE_SIZE, delay=_DELAY, **options))
            for case, options in _CASES.items()
        }
        tasks = {
            (name, concurrency, case): Task(name, page_size=_PAGE_SIZE, concurrency=concurrency, **place)
            for name, concurrency in _ROWS
            for case, place in places.items()
            if concurrency > 1 or case == "ascending"
        }
        figures = in_turn(tasks, extent.runs)
    title = f"### A backfill of {extent.backfill_pages} pages"
    about = f"Pages of {_PAGE_SIZE} events, each {_DELAY * 1000:.0f} ms away:"
    return "\n\n".join((title, about, _table(extent.backfill_pages, figures), _NOTE))


def _table(pages: int, figures: Mapping[tuple[str, int, str], Figures]) -> str:
    one_at_a_time = figures[OURS, 1, "ascending"].seconds
    rows = [
        (
            name,
            str(concurrency),
            f"{figure(pages * _DELAY / concurrency)} s",
            *(_cell(figures.get((name, concurrency, case)), one_at_a_time) for case in _CASES),
            target(f"backfill {concurrency}", name),
        )
        for name, concurrency in _ROWS
        if (name, concurrency, "ascending") in figures
    ]
    return table(_HEAD, rows)


def _cell(run: Figures | None, one_at_a_time: float) -> str:
    return f"{figure(run.seconds)} s ({times(one_at_a_time / run.seconds)})" if run else ""

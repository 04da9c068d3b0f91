"""The time to list a long past from far away, page after page and in parallel."""

from collections.abc import Iterable, Mapping
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
_ORDERS = "ascending", "descending"
_UNEVEN = {
    "one crowded second": "crowded",
    "ten crowded seconds": "bursts",
    "ten silent years before": "late",
    "a rate that doubles ten times": "growing",
}
_UNEVEN_CASES = {
    f"{name}, {order}": {"order": order, "shape": shape} for name, shape in _UNEVEN.items() for order in _ORDERS
}
_UNEVEN_HEAD = ("history", *(f"{concurrency} at a time, {order}" for concurrency in (8, 32) for order in _ORDERS))
_HEAD = ("contestant", "at a time", "no less than", *_CASES, "target")
_NOTE = """In brackets: how many times as fast as cfevents one at a time. Where pages are asked for one after the other,
the order changes nothing, and is measured once. *Clustered*: half of the events lie in a hundredth of the window."""
_UNEVEN_ABOUT = """As many pages of histories that are hard to cut up, by cfevents, one run of each. A crowded second
has a fiftieth of the events, which one cursor has to follow:"""


def measured(extent: Extent) -> str:
    """List so many pages, each after a delay, with several requests at a time and in several pasts."""
    figures = _measured(extent, _CASES, _ROWS, extent.runs)
    uneven = _measured(extent, _UNEVEN_CASES, ((OURS, 8), (OURS, 32)), 1)
    title = f"### A backfill of {extent.backfill_pages} pages"
    about = f"Pages of {_PAGE_SIZE} events, each {_DELAY * 1000:.0f} ms away:"
    one_at_a_time = figures[OURS, 1, "ascending"].seconds
    tables = _table(extent.backfill_pages, figures), _NOTE, _UNEVEN_ABOUT, _uneven_table(uneven, one_at_a_time)
    return "\n\n".join((title, about, *tables))


def _measured(
    extent: Extent, cases: Mapping[str, Mapping[str, str]], rows: Iterable[tuple[str, int]], runs: int
) -> dict[tuple[str, int, str], Figures]:
    with ExitStack() as servers:
        places = {
            case: servers.enter_context(serving(extent.backfill_pages * _PAGE_SIZE, delay=_DELAY, **options))
            for case, options in cases.items()
        }
        tasks = {
            (name, concurrency, case): Task(name, page_size=_PAGE_SIZE, concurrency=concurrency, **place)
            for name, concurrency in rows
            for case, place in places.items()
            if concurrency > 1 or case == "ascending"
        }
        return in_turn(tasks, runs)


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


def _uneven_table(figures: Mapping[tuple[str, int, str], Figures], one_at_a_time: float) -> str:
    rows = [
        (
            name,
            *(
                _cell(figures.get((OURS, concurrency, f"{name}, {order}")), one_at_a_time)
                for concurrency in (8, 32)
                for order in _ORDERS
            ),
        )
        for name in _UNEVEN
    ]
    return table(_UNEVEN_HEAD, rows)


def _cell(run: Figures | None, one_at_a_time: float) -> str:
    return f"{figure(run.seconds)} s ({times(one_at_a_time / run.seconds)})" if run else ""

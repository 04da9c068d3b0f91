"""The processor time of an event, step by step: where each tenth of a microsecond goes."""

import json
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.contestants import FAST, FLOOR, OURS
from benchmarks.extent import Extent
from benchmarks.processes import in_turn, serving
from benchmarks.report import table
from benchmarks.task import Task

_CONTESTANTS = (FLOOR, FAST, OURS)
_PAGE_SIZES = (100, 1000)
_TURNS_PER_RUN = 100
_NOTE = """The steps are timed alone, each the least of its runs. *All else* is the rest of the whole: the request and
its headers, the socket, aiohttp; and of cfevents the budget, the search for secrets, checkpoints, prefetching."""


def measured(extent: Extent) -> str:
    """Time the steps by themselves, and whole listings."""
    parts = ["### Where the processor time goes"]
    with serving(extent.events) as place:
        tasks = {(size, name): Task(name, page_size=size, **place) for size in _PAGE_SIZES for name in _CONTESTANTS}
        whole = {key: run.cpu_seconds / extent.events * 1e6 for key, run in in_turn(tasks, extent.runs).items()}
    for size in _PAGE_SIZES:
        of_size = {name: cost for (of, name), cost in whole.items() if of == size}
        parts += [f"µs an event, pages of {size:,}:", _table(of_size, _steps(size, extent.runs))]
    return "\n\n".join([*parts, _NOTE])


def _steps(size: int, runs: int) -> dict[tuple[str, str], float]:
    """Return the microseconds an event of each step and contestant."""
    command = [sys.executable, "-m", "benchmarks.steps", f"--events={size}", f"--turns={_TURNS_PER_RUN * runs}"]
    printed = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return {(step, name): seconds * 1e6 for step, name, seconds in printed}


def _table(whole: Mapping[str, float], steps: Mapping[tuple[str, str], float]) -> str:
    names = [*dict.fromkeys(step for step, _ in steps)]
    rest = {name: cost - sum(steps.get((step, name), 0) for step in names) for name, cost in whole.items()}
    rows = [
        *((step, *(_figure(steps.get((step, name))) for name in whole)) for step in names),
        ("all else", *map(_figure, rest.values())),
        ("together", *map(_figure, whole.values())),
        ("to the floor", *(f"{cost / whole[FLOOR]:.2f}x" for cost in whole.values())),
    ]
    return table(("step", *whole), rows)


def _figure(microseconds: float | None) -> str:
    return "" if microseconds is None else f"{microseconds:.3f}"

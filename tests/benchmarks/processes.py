"""The processes that a benchmark is made of: servers that stay, and one for each timed run.

Nothing heavy is imported here: on Linux a process begins with the peak memory of the one that started it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, TypeVar

from benchmarks.task import Figures, MissingError, Task

K = TypeVar("K")


@contextmanager
def serving(events: int, **options: str | float) -> Iterator[dict[str, Any]]:
    """Run a server of so many events; give what a `Task` has to know of it."""
    asked = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "benchmarks.server", f"--events={events}", *asked]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield {"events": events, **json.loads(server.stdout.readline())}
        finally:
            server.terminate()


def in_turn(tasks: Mapping[K, Task], runs: int) -> dict[K, Figures]:
    """Run each task so many times, and give the medians; what is not there is left out.

    The tasks take turns, so that a machine that changes its speed changes it for all.
    """
    figures: dict[K, list[Figures]] = {key: [] for key in tasks}
    for number in range(runs):
        for key in tuple(figures):
            _tell(f"run {number + 1} of {runs}: {tasks[key].summary}")
            try:
                figures[key].append(_trial(tasks[key]))
            except MissingError as missing:
                _tell(f"left out, since it is not there: {missing}")
                del figures[key]
    return {key: _medians(several) for key, several in figures.items()}


def _trial(task: Task) -> Figures:
    command = [sys.executable, "-m", "benchmarks.trial", json.dumps(task)]
    done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    if "missing" in done:
        raise MissingError(done["missing"])
    return Figures(*done)


def _medians(several: Sequence[Figures]) -> Figures:
    return Figures(*map(median, zip(*several, strict=True)))


def _tell(progress: str) -> None:
    print(f"  {progress}", file=sys.stderr, flush=True)

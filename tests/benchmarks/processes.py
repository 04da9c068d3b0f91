"""The processes of a benchmark: servers that stay, and one for every timed run.

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
    """Run a server of so many events; yield the arguments of a `Task` for it."""
    arguments = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "benchmarks.server", f"--events={events}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield {"events": events, **json.loads(server.stdout.readline())}
        finally:
            server.terminate()


def in_turn(tasks: Mapping[K, Task], runs: int) -> dict[K, Figures]:
    """Run every task `runs` times, and return the medians; a contestant that is not installed is left out.

    The tasks take turns, so that a change of the machine's speed affects all.
    """
    figures: dict[K, list[Figures]] = {key: [] for key in tasks}
    for number in range(runs):
        for key in tuple(figures):
            _report_progress(f"run {number + 1} of {runs}: {tasks[key].summary}")
            try:
                figures[key].append(_trial(tasks[key]))
            except MissingError as missing:
                _report_progress(f"left out, not installed: {missing}")
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


def _report_progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)

"""The archive beside the one of an older commit, and an archive of many events.

``nox -s bench-archive`` runs ``python -m benchmarks.archives``, and passes what follows ``--``; see its ``--help``. The
older library is taken from the history of the repository.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import serving
from benchmarks.report import figure, heading, table, times, write
from benchmarks.task import ArchiveTask, Figures

OLD = "1a4bcb3"
"""The last commit before archives had columns."""

_ROOT = Path(__file__).parents[2]
_CONNECTOR_EVENTS = 27_867  # of 90 days
_DAY_S = 86_400

_CALLS = {
    "store": ("Storing what was read", "at most 1x"),
    "fill": ("`Archive.sync`", "at most 1x"),
    "iterate": ("`async for`", "1.6x"),
    "to_arrow": ("`to_arrow()`", "5x"),
    "report": ("`cfevents report`", "4x"),
    "export .parquet": ("`cfevents export` to Parquet", "5x"),
    "export .ndjson": ("`cfevents export` to NDJSON", "3x"),
}
_FILLS = {"store", "fill"}
_COMPARED_HEAD = ("", "old", "new", "old to new", "target", "peak, old, MB", "peak, new, MB")


class Library:
    """A library, old or new, and the archive that it fills."""

    def __init__(self, name: str, folder: Path, code: Path | None) -> None:
        self.path = folder / f"{name}.db"
        inherited = os.environ.get("PYTHONPATH", "")
        paths = [*([str(code)] if code else []), inherited]
        self._env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
        self._env.pop("CLOUDFLARE_ACCOUNT_ID", None)

    def run(self, task: ArchiveTask) -> Figures:
        """Do a task in a process of its own; one that fills an archive fills a new one."""
        path = self.path
        if task.call in _FILLS:
            for file in path.parent.glob(f"{path.name}*"):
                file.unlink()
        command = [sys.executable, "-m", "benchmarks.archive_trial", json.dumps(task._replace(path=str(path)))]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=self._env, text=True, check=True)
        return Figures(*json.loads(done.stdout.splitlines()[-1]))


def old_code(folder: Path) -> Path:
    """Take the package of the older commit from the history."""
    command = ["git", "-C", str(_ROOT), "archive", OLD, "cfevents"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        sys.exit(
            f"the history lacks the commit {OLD}: 'git fetch --unshallow' brings it ({done.stderr.decode().strip()})"
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def compared(connectors: int, runs: int, folder: Path) -> str:
    """Measure both libraries in turn, and return the table."""
    libraries = {"old": Library("old", folder, old_code(folder / "code")), "new": Library("new", folder, None)}
    figures = {(call, name): list[Figures]() for call in _CALLS for name in libraries}
    with serving(_CONNECTOR_EVENTS) as place:
        task = _task(place, connectors)
        for run in range(runs):
            for (call, name), done in figures.items():
                _report_progress(f"run {run + 1} of {runs}: {name}, {call}")
                done.append(libraries[name].run(task._replace(call=call)))
    sizes = [library.path.stat().st_size / task.events for library in libraries.values()]
    size = "bytes on disk", *map(figure, sizes), times(sizes[0] / sizes[1]), "2.5x", "", ""
    about = (
        f"{_about(task)}. Microseconds of processor time an event, beside the library of commit {OLD}; runs: {runs}."
    )
    rows = [_compared_row(call, figures, task.events) for call in _CALLS]
    return f"{about}\n\n{table(_COMPARED_HEAD, [size, *rows])}"


def _compared_row(call: str, figures: Mapping[tuple[str, str], Sequence[Figures]], events: int) -> tuple[str, ...]:
    old, new = (_medians(figures[call, name]) for name in ("old", "new"))
    title, target = _CALLS[call]
    costs = [figure(run.cpu_seconds / events * 1e6) for run in (old, new)]
    return title, *costs, times(old.cpu_seconds / new.cpu_seconds), target, f"{old.peak_mb:.0f}", f"{new.peak_mb:.0f}"


def scaled(connectors: int, folder: Path) -> str:
    """Measure an archive of many connectors, and return the table."""
    library, rows = Library("large", folder, None), list[tuple[str, ...]]()
    with serving(_CONNECTOR_EVENTS) as place:
        task = _task(place, connectors)
        day = task._replace(connectors=task.connectors[:1], since=task.until - _DAY_S)
        for title, part in {
            "`Archive.sync`": task._replace(call="fill"),
            "`cfevents report --all`": task._replace(call="report"),
            "`cfevents report --all --format html`": task._replace(call="report --format html"),
            "`cfevents export --all` to Parquet": task._replace(call="export .parquet"),
            "`cfevents export --all` to NDJSON": task._replace(call="export .ndjson"),
            "`cfevents list`, a day of one connector": day._replace(call="list"),
        }.items():
            _report_progress(title)
            run = library.run(part)
            rows.append((title, f"{run.seconds:,.2f}", f"{run.cpu_seconds:,.2f}", f"{run.peak_mb:.0f}"))
    about = f"{_about(task)}; the file has {library.path.stat().st_size / 1e6:,.0f} MB:"
    return f"{about}\n\n{table(('', 'seconds', 'processor seconds', 'peak, MB'), rows)}"


def _task(place: Mapping[str, Any], connectors: int) -> ArchiveTask:
    names = [f"{number:032x}" for number in range(connectors)]
    window = place["since"], place["until"]
    return ArchiveTask("", "", names, *window, connectors * _CONNECTOR_EVENTS, place["base_url"])


def _about(task: ArchiveTask) -> str:
    return f"{task.events:,} events of {len(task.connectors)} connectors in 90 days, without payloads"


def _medians(runs: Sequence[Figures]) -> Figures:
    return Figures(*map(median, zip(*runs, strict=True)))


def _report_progress(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure what is chosen, print it, and write it to a page if one is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archives", description="Measure archives.")
    parser.add_argument("--events", type=int, default=836_000, help="events of the archive, of 90 days")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each")
    parser.add_argument("--large", action="store_true", help="only this library: time and memory of a large archive")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page whose tables are to be replaced")
    options = parser.parse_args()
    connectors = max(1, round(options.events / _CONNECTOR_EVENTS))
    with tempfile.TemporaryDirectory(prefix="cfevents-bench-") as folder:
        measured = (
            scaled(connectors, Path(folder)) if options.large else compared(connectors, options.runs, Path(folder))
        )
    report = f"{heading()}\n\n{measured}"
    print(report)
    if options.write:
        write(options.write, report, "archives")


if __name__ == "__main__":
    main()

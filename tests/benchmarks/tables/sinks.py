"""The rate of following into PostgreSQL beside COPY of the same rows from a file, and the memory of both."""

import asyncio
import json
import subprocess
import sys
from statistics import median
from typing import Any

from support import postgres

from benchmarks.extent import Extent
from benchmarks.processes import serving
from benchmarks.report import figure, table
from benchmarks.targets import target
from benchmarks.task import Figures, SinkTask

_MAX_RUNS = 3
_WAYS = {"forward": "follow and `forward`", "write": "the sink alone", "copy": "`COPY` from a file"}
_HEAD = "way", "events", "rows/s", "to `COPY`", "CPU µs/event", "peak memory, MB", "target"


def measured(extent: Extent) -> str:
    """Deliver a tenth of the events, and all of them."""
    title = "### Delivery into PostgreSQL"
    if not postgres.PROGRAMS:
        return f"{title}\n\nNot measured: no PostgreSQL is installed."
    with postgres.cluster() as server:
        server.crash()
        server.start(fsync=True)
        rows = [row for events in (extent.events // 10, extent.events) for row in _rows(server, events, extent)]
        ((version,),) = asyncio.run(server.fetch("SHOW server_version"))
    about = f"PostgreSQL {version.split()[0]} on the same machine and disk, with `fsync`; events of one connector:"
    method = (
        "The first row reads the events from a local server, in slices of a page of 100. Each batch of at most 10,000\n"
        "events is a transaction with its checkpoint; *the sink alone* is the time of those, while nothing is read.\n"
        "`COPY` is one transaction, into a table with the same key."
    )
    return "\n\n".join((title, about, table(_HEAD, rows), method))


def _rows(server: postgres.Cluster, events: int, extent: Extent) -> list[tuple[str, ...]]:
    with serving(events) as place:
        common = {"file": str(server.folder / "rows"), "base_url": place["base_url"], "since": place["since"]}
        figures: dict[str, list[Figures]] = {way: [] for way in _WAYS}
        for number in range(min(extent.runs, _MAX_RUNS)):
            for way in _WAYS:
                print(f"  run {number + 1}: {way} {events:,}", file=sys.stderr, flush=True)
                figures[way].append(_trial(server, SinkTask(way, server.url("delivered"), **common), events))
    middle = {way: Figures(*map(median, zip(*several, strict=True))) for way, several in figures.items()}
    return [
        (
            name,
            f"{events:,}",
            figure(events / middle[way].seconds),
            f"{middle['copy'].seconds / middle[way].seconds:.0%}",
            figure(middle[way].cpu_seconds / events * 1e6),
            f"{middle[way].peak_mb:.1f}",
            target("sinks", way),
        )
        for way, name in _WAYS.items()
    ]


def _trial(server: postgres.Cluster, task: SinkTask, events: int) -> Figures:
    """Fill an empty table, and count its rows; the first way writes the file of the second."""
    filled = "copied" if task.call == "copy" else "delivered"
    if task.call == "copy":
        _execute(server, "DROP TABLE IF EXISTS copied", "CREATE TABLE copied (LIKE delivered INCLUDING ALL)")
    else:
        _execute(server, "DROP TABLE IF EXISTS delivered, delivered_checkpoints")
    _execute(server, "CHECKPOINT")
    command = [sys.executable, "-m", "benchmarks.sink_trial", json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    counted = _execute(server, f"SELECT count(*) FROM {filled}")[0][0]
    if counted != events:
        raise AssertionError(f"{task.call} stored {counted} of {events} events")
    if task.call == "forward":
        _execute(server, f"COPY delivered TO '{task.file}'")
    return Figures(*json.loads(done.stdout))


def _execute(server: postgres.Cluster, *statements: str) -> list[Any]:
    """Run statements, and return the rows of the last."""
    return [asyncio.run(server.fetch(sql)) for sql in statements][-1]

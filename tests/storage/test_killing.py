"""What processes that are killed write is what one that was left alone writes."""

import asyncio
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import define, field
from support import killed, old_archives
from support.batches import BEGIN, batch, listed, with_payload
from support.old_archives import to_version_1, version

from cfevents.storage import Archive
from cfevents.testing import Simulator, SimulatorThread

KILLS = int(os.environ.get("CFEVENTS_KILLS", "10"))
# Forked from a process that has imported what they need: an interpreter of its own takes longer to start than they run.
_PROCESSES: Any = multiprocessing.get_context(None if os.name == "nt" else "forkserver")
_PROCESSES.set_forkserver_preload(["cfevents._client", "cfevents._following.follower", "cfevents.storage"])
CONNECTORS = ["c1", "c2", "c3"]

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX"),
    pytest.mark.timeout(60 + 6 * KILLS),
]


def history(seed: int, begin: int, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Events of several connectors in the order in which they are collected: a third of them late."""
    random, numbers, events = Random(seed), dict[Any, int](), []
    for number in range(count):
        connector, recorded = random.choice(CONNECTORS), begin + number * 600 // count
        numbers[connector, recorded] = sequence = numbers.get((connector, recorded), -1) + 1
        lag = random.uniform(5, 300) if random.random() < 1 / 3 else random.uniform(0, 2)
        kind = random.choice(["StartUpgrade", "Init"])
        payload = {"k": kind, "url": f"https://u/{number}\u20ac"}
        event = {"e": payload, "t": recorded, "n": sequence, "a": int(recorded + lag), "v": "1"}
        events.append((connector, event))
    return sorted(events, key=lambda pair: pair[1]["a"])


@define
class Run:
    """Processes that follow one after the other into the same place, while events come."""

    simulator: Simulator
    begin: int
    coming: Iterator[tuple[tuple[str, dict[str, Any]], ...]]
    random: Random
    killed: int = field(default=0, init=False)

    def start(self, place: str, path: Path, *, once: bool = False) -> tuple[Any, Any]:
        """Start a process, and return it with what it says."""
        hears, says = _PROCESSES.Pipe(duplex=False)
        arguments = place, str(path), self.begin, self.simulator.client_options, says
        process = _PROCESSES.Process(target=killed.main, args=arguments, kwargs={"once": once})
        process.start()
        says.close()
        return process, hears

    def add_some(self) -> None:
        for connector, event in next(self.coming, ()):
            self.simulator.add(connector, event)

    def kill_one(self, place: str, path: Path) -> None:
        """Start one, and kill it at a moment at random, mostly while it writes."""
        process, hears = self.start(place, path)
        if self.random.random() < 0.85:
            assert hears.recv() == "open"
        end = time.monotonic() + self.random.uniform(0, 0.4)
        while time.monotonic() < end:
            self.add_some()
            time.sleep(0.01)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        self.killed += 1

    def finish(self, place: str, path: Path) -> None:
        """Let one read all that is left, and end."""
        for some in self.coming:
            for connector, event in some:
                self.simulator.add(connector, event)
        process, _ = self.start(place, path, once=True)
        process.join()
        assert process.exitcode == 0


@pytest.fixture
def run() -> Iterator[Run]:
    begin = int(time.time()) - 800
    events = iter(history(1, begin, 60 + 40 * KILLS))
    coming = iter(lambda: tuple(islice(events, 2)), ())
    empty: dict[str, Any] = {connector: [] for connector in CONNECTORS}
    with SimulatorThread(Simulator(events=empty, quota=10**7)) as simulator:
        yield Run(simulator, begin, coming, Random(1))


def lines(*paths: Path) -> list[dict[str, Any]]:
    """What stands in files, sorted by connector and id, without what depends on when it was asked for."""
    records = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    for line in records:
        del line["late"]
    return sorted(records, key=lambda line: (line["connector_id"], line["recorded_ts"], line["sequence"]))


def rows(path: Path) -> list[Any]:
    """What stands in an archive, sorted by connector and id."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT * FROM events ORDER BY connector_id, recorded_ts, sequence").fetchall()
    finally:
        connection.close()


def test_file_of_killed_processes_has_each_event_once(run: Run, tmp_path: Path) -> None:
    """A file that killed processes wrote has each event once."""
    path = tmp_path / "events.ndjson"
    for _ in range(KILLS):
        run.kill_one("file", path)
    run.finish("file", path)
    run.finish("file", tmp_path / "undisturbed.ndjson")
    assert lines(path) == lines(tmp_path / "undisturbed.ndjson")
    assert len(lines(path)) == 60 + 40 * KILLS


def test_moved_files_of_killed_processes_have_each_event_once(run: Run, tmp_path: Path) -> None:
    """Files that are moved away while processes are killed have each event once."""
    path, moved = tmp_path / "events.ndjson", 0
    for _ in range(KILLS):
        run.kill_one("file", path)
        if run.random.random() < 0.5 and path.exists():
            moved += 1
            path.rename(tmp_path / f"events.ndjson.{moved}")
    run.finish("file", path)
    run.finish("file", tmp_path / "undisturbed.ndjson")
    parts = [tmp_path / f"events.ndjson.{number + 1}" for number in range(moved)]
    assert moved
    assert lines(path, *parts) == lines(tmp_path / "undisturbed.ndjson")


def test_archive_of_killed_processes_has_each_event_once(run: Run, tmp_path: Path) -> None:
    """An archive that killed processes wrote has each event once."""
    path = tmp_path / "events.db"
    for _ in range(KILLS):
        run.kill_one("archive", path)
    run.finish("archive", path)
    run.finish("archive", tmp_path / "undisturbed.db")
    assert rows(path) == rows(tmp_path / "undisturbed.db")
    assert len(rows(path)) == 60 + 40 * KILLS


def test_two_processes_on_one_archive_store_each_event_once(run: Run, tmp_path: Path) -> None:
    """Two processes on one archive lose and double nothing."""
    path = tmp_path / "events.db"
    other, _ = run.start("archive", path)
    for _ in range(2):
        run.kill_one("archive", path)
    other.kill()
    other.join()
    for some in run.coming:
        for connector, event in some:
            run.simulator.add(connector, event)
    both = [run.start("archive", path, once=True) for _ in range(2)]
    assert [hears.recv() for _, hears in both] == ["open", "open"]
    for process, _ in both:
        process.join()
    assert [process.exitcode for process, _ in both] == [0, 0]
    run.finish("archive", tmp_path / "undisturbed.db")
    assert rows(path) == rows(tmp_path / "undisturbed.db")


def migration(path: Path) -> Any:
    """Return a process that has opened an archive and begins to migrate it."""
    hears, says = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=killed.migrate, args=(str(path), says))
    process.start()
    assert hears.recv() == "open"
    return process


async def store_some(path: Path) -> None:
    async with Archive(path) as archive:
        for connector in CONNECTORS:
            events = [listed(BEGIN + number) for number in range(3000)]
            await archive.append(batch([*map(with_payload, events[:300])], connector))
            await archive.append(batch(events[300:], connector))


async def migrate_here(path: Path) -> None:
    async with Archive(path) as archive:
        await archive._writer()


def test_killed_migrations_leave_one_version_or_the_other(tmp_path: Path) -> None:
    """What a process leaves that is killed while it migrates is of the old version, or whole in the new one."""
    path, copy, random, versions = tmp_path / "events.db", tmp_path / "copy.db", Random(1), set[int]()
    asyncio.run(store_some(path))
    to_version_1(path)
    before, duration = old_archives.rows(path), 0.0
    for _ in range(KILLS if KILLS > 10 else 3):
        shutil.copy(path, copy)
        process = migration(copy)
        time.sleep(random.uniform(0, duration))
        process.kill()
        process.join()
        versions.add(version(copy))
        assert old_archives.rows(copy) == before
        began = time.monotonic()
        asyncio.run(migrate_here(copy))
        duration = max(duration, time.monotonic() - began)
        assert (version(copy), old_archives.rows(copy)) == (2, before)
    assert 1 in versions
    assert versions <= {1, 2}

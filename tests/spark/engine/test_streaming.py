"""Streams with a real Spark: each event once, whatever happens to the query."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.spark import environment, options

from cfevents.testing import Simulator, SimulatorThread

KILLS = int(os.environ.get("CFEVENTS_SPARK_KILLS", "3"))
PROGRAM = Path(__file__).with_name("streaming.py")
CONNECTORS = ["c1", "c2", "c3"]


def history(begin: int, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events of several connectors in the order in which they are collected: a third of them late."""
    random, events = Random(1), list[tuple[str, dict[str, Any]]]()
    for number in range(count):
        recorded = begin + number * 600 // count
        lag = random.uniform(5, 300) if random.random() < 1 / 3 else random.uniform(0, 2)
        event = {"e": {"k": "Init"}, "t": recorded, "n": number, "a": int(recorded + lag)}
        events.append((random.choice(CONNECTORS), event))
    return iter(sorted(events, key=lambda pair: pair[1]["a"]))


class Run:
    """Queries that follow one after the other on one checkpoint, while events come."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator, self.folder, self.random = simulator, folder, Random(2)
        # What is collected in the future is left to a batch of then.
        begin = int(time.time()) - 1000
        self.expected: Counter[tuple[str, str]] = Counter()
        self.coming = history(begin, 40 + 60 * KILLS)
        self.since = begin
        self.between = 0
        self.log = (folder / "log").open("a")

    def add(self, count: int) -> None:
        for _, (connector, event) in zip(range(count), self.coming, strict=False):
            self.simulator.add(connector, event)
            self.expected[connector, f"{event['t']}.{event['n']}"] += 1

    def start(self, mode: str) -> "subprocess.Popen[str]":
        terms = options(self.simulator, connectors="all", since=self.since, interval="1s", lookback="1h", slots=2)
        command = [sys.executable, str(PROGRAM), str(self.folder), json.dumps(terms), mode]
        return subprocess.Popen(
            command,
            env=os.environ | environment(),
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            start_new_session=True,
        )

    def batches(self, what: str) -> int:
        """How many batches have got as far as a log of the checkpoint."""
        return len([path for path in (self.folder / "checkpoint" / what).glob("*") if path.name.isdecimal()])

    def kill_one(self, number: int) -> None:
        """Start one and kill it: at a moment at random, or between a batch's read and its commit."""
        begun, process = self.batches("commits"), self.start("killed")
        is_time = self.batch_was_read if number % 2 == 0 else self.at_random(begun)
        try:
            while not is_time():
                assert process.poll() is None, (self.folder / "log").read_text()[-5000:]
                self.add(self.random.randrange(3))
                time.sleep(0.05)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        self.between += self.batches("offsets") > self.batches("commits")

    def batch_was_read(self) -> bool:
        """Whether a batch was asked for, and is not committed."""
        if self.batches("offsets") == self.batches("commits"):
            self.simulator.requests.clear()
        return any(request.path.endswith("/events") for request in self.simulator.requests)

    def at_random(self, begun: int) -> Callable[[], bool]:
        """Make what says that a moment has come, some seconds after a batch was committed."""
        moments = list[float]()

        def is_time() -> bool:
            if not moments and self.batches("commits") > begun:
                moments.append(time.monotonic() + self.random.uniform(0, 8))
            return bool(moments) and time.monotonic() > moments[0]

        return is_time

    def finish(self) -> Counter[tuple[str, str]]:
        """Let one read all that is left; give what was written."""
        self.add(10**6)
        with self.start("now") as process:
            out, _ = process.communicate()
            assert process.returncode == 0
        return Counter((connector, event) for connector, event in json.loads(out.splitlines()[-1]))


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.timeout(300 + 120 * KILLS)
def test_killed_stream_has_each_event_once(tmp_path: Path) -> None:
    """A stream into Parquet that is killed again and again has each event once."""
    empty: dict[str, Any] = {connector: [] for connector in CONNECTORS}
    with SimulatorThread(Simulator(events=empty, quota=10**7)) as simulator:
        run = Run(simulator, tmp_path)
        run.add(20)
        with run.log:
            for number in range(KILLS):
                run.kill_one(number)
            written = run.finish()
    assert len(run.expected) == 40 + 60 * KILLS
    assert written == run.expected
    assert run.between >= KILLS // 2


def available(spark: Any, simulator: Simulator, folder: Path, **more: object) -> list[str]:
    """Run a query over what is there; give the ids of all events that were written so far."""
    frame = spark.readStream.format("cfevents").options(**options(simulator, **more)).load()
    once = frame.withWatermark("collected_at", "1 day").dropDuplicatesWithinWatermark(["connector_id", "id"])
    writer = once.writeStream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))
    writer.trigger(availableNow=True).start(str(folder / "events")).awaitTermination()
    return sorted(row.id for row in spark.read.parquet(str(folder / "events")).collect())


@pytest.fixture
def one() -> Iterator[Simulator]:
    with SimulatorThread(Simulator(events={"c1": []}, quota=10**7)) as simulator:
        yield simulator


def test_available_now_resumes(spark: Any, one: Simulator, tmp_path: Path) -> None:
    """A query over what is available resumes where the last one ended."""
    begin = int(time.time()) - 4000
    terms = {"connectors": "c1", "since": begin, "lookback": "30min"}
    for number in range(3):
        one.add("c1", {"e": {"k": "Init"}, "t": begin + number, "n": 0, "a": begin + 100 + number})
    first = available(spark, one, tmp_path, **terms)
    assert first == [f"{begin + number}.0" for number in range(3)]
    # Late, but not too late; later than the lookback says; and of an appliance whose clock is ahead.
    for recorded in (3000, 3, 10_000):
        one.add("c1", {"e": {"k": "Init"}, "t": begin + recorded, "n": 0, "a": begin + 4000})
    assert available(spark, one, tmp_path, **terms) == [*first, f"{begin + 3000}.0", f"{begin + 10_000}.0"]
    froms = sorted({int(request.query["from"]) for request in one.requests})
    assert froms[0] == begin
    assert begin + 2198 <= froms[1] <= begin + 2198 + 300


def test_slow_batch_makes_no_later_event_late(spark: Any, one: Simulator, tmp_path: Path) -> None:
    """What is collected while a batch is read for days makes no event of the next one too late."""
    begin = int(time.time()) - 4000
    terms = {"connectors": "c1", "since": begin}
    one.add("c1", {"e": {"k": "Init"}, "t": begin, "n": 0, "a": begin})
    one.add("c1", {"e": {"k": "Init"}, "t": begin + 10, "n": 0, "a": begin + 2 * 86_400})
    assert available(spark, one, tmp_path, **terms) == [f"{begin}.0"]
    one.add("c1", {"e": {"k": "Init"}, "t": begin + 20, "n": 0, "a": begin + 3900})
    assert available(spark, one, tmp_path, **terms) == [f"{begin}.0", f"{begin + 20}.0"]


def test_stream_that_begins_now_reads_no_past(spark: Any, one: Simulator, tmp_path: Path) -> None:
    now = int(time.time())
    one.add("c1", {"e": {"k": "Init"}, "t": now - 60, "n": 0})
    frame = spark.readStream.format("cfevents").options(**options(one, connectors="all")).load()
    query = frame.writeStream.format("memory").queryName("seen").trigger(availableNow=True).start()
    query.awaitTermination()
    assert spark.table("seen").count() == 0
    assert [request for request in one.requests if request.path.endswith("/events")] == []


def test_stream_sends_nothing_within_its_interval(spark: Any, one: Simulator) -> None:
    frame = spark.readStream.format("cfevents").options(**options(one, connectors="all", since="1h", interval="1h"))
    query = frame.load().writeStream.format("noop").start()
    try:
        query.processAllAvailable()
        assert one.requests
        one.requests.clear()
        time.sleep(2)
        assert query.isActive
        assert one.requests == []
    finally:
        query.stop()


def test_wrong_stream_options_fail_at_the_start(spark: Any, one: Simulator, tmp_path: Path) -> None:
    frame = spark.readStream.format("cfevents").options(**options(one, connectors="c1", until="1h")).load()
    with pytest.raises(Exception, match="until has no meaning for readStream") as caught:
        frame.writeStream.format("noop").trigger(availableNow=True).start().awaitTermination()
    assert "UnboundLocalError" not in str(caught.value)
    assert one.requests == []

"""A follower into a receiver: whatever is killed, each event is there, and in a database once."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support import killed
from support.postgres import Cluster
from support.proxy import proxy
from support.receivers import on_thread
from support.rsyslog import RSyslog

from cfevents.testing import ElasticReceiver, Simulator, SimulatorThread, SplunkReceiver

KILLS = int(os.environ.get("CFEVENTS_SINK_KILLS", "3"))
EVENTS_A_KILL = 60
CONNECTORS = [f"c{number}" for number in range(50)]
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cfevents'"
_MAX_CUT_AFTER_BYTES = 20_000

Kill = Callable[[], Awaitable[object] | None]

pytestmark = [pytest.mark.once, pytest.mark.timeout(120 + 10 * KILLS)]


def history(random: Random, begin: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events of many connectors in the order in which they are collected, a third of them late."""
    for number in range(EVENTS_A_KILL * (KILLS + 1)):
        lag = random.randrange(300) if random.random() < 1 / 3 else 1
        event = {"e": {"k": "Init"}, "t": begin + number // 10 - lag, "n": number, "a": begin + number // 10}
        yield random.choice(CONNECTORS), event


def start(simulator: Simulator, url: str, since: int, *, once: bool = False) -> Any:
    """Start a process, and return it when its sink is open."""
    context = multiprocessing.get_context("forkserver")
    hears, says = context.Pipe(duplex=False)
    arguments = "sink", url, since, simulator.client_options, says
    process = context.Process(target=killed.main, args=arguments, kwargs={"once": once})
    process.start()
    says.close()
    assert hears.recv() == "open"
    return process


async def follow_while_killing(url: str, **kills: Kill) -> None:
    """Let a process deliver events while it, or what these functions kill, is killed at moments at random."""
    random, begin, process = Random(KILLS), int(time.time()) - 900, None
    coming, victims = history(random, begin), ["process", *kills]
    with SimulatorThread(Simulator(events={name: [] for name in CONNECTORS}, quota=10**7)) as simulator:
        process = start(simulator, url, begin - 3600)
        for victim in [*victims, *random.choices(victims, k=KILLS - 3)]:
            for _ in range(EVENTS_A_KILL):
                simulator.add(*next(coming))
                await asyncio.sleep(random.uniform(0, 0.02))
            if victim == "process":
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                process = start(simulator, url, begin - 3600)
            elif (killing := kills[victim]()) is not None:
                await killing
            assert process.is_alive()
        for connector, event in coming:
            simulator.add(connector, event)
        process.terminate()
        process.join()
        process = start(simulator, url, begin - 3600, once=True)
        process.join()
        assert process.exitcode == 0


async def test_each_event_is_there_once_whatever_is_killed(postgres: Cluster) -> None:
    """The process, the database and the connection between them are killed at moments at random."""

    def crash() -> None:
        postgres.crash()
        postgres.start()

    await follow_while_killing(postgres.url("killed"), database=crash, network=lambda: postgres.fetch(_CUT))
    stored = await postgres.fetch("SELECT sequence FROM killed ORDER BY sequence")
    assert [row[0] for row in stored] == [*range(EVENTS_A_KILL * (KILLS + 1))]


async def test_no_event_is_missing_in_rsyslog_whatever_is_killed(
    rsyslog: RSyslog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process, rsyslog and the connection between them are killed; what was cut comes again."""
    random = Random(KILLS)

    def crash() -> None:
        rsyslog.crash()
        rsyslog.start()

    with proxy(rsyslog.ports["tcp"]) as network:
        url = f"syslog+tcp://127.0.0.1:{network.port} {tmp_path / 'state.json'}"

        def cut() -> None:
            network.cut(random.randrange(_MAX_CUT_AFTER_BYTES))

        await follow_while_killing(url, rsyslog=crash, network=cut)
    arrived = [event["sequence"] for event in rsyslog.events]
    with capsys.disabled():
        print(f"\n{KILLS} kills: {len(arrived):,} messages of {len({*arrived}):,} events, cut {network.cuts} times")
    assert {*arrived} == {*range(EVENTS_A_KILL * (KILLS + 1))}


@pytest.mark.skipif("CFEVENTS_SINK_KILLS" not in os.environ, reason="'nox -s sinks' runs it")
@pytest.mark.parametrize("kind", ["splunk", "splunk, confirming", "elastic"])
async def test_no_event_is_missing_at_a_receiver_whatever_is_killed(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process and the connection are killed, and the receiver lies; a document is there once."""
    random, lies = Random(KILLS), ["reset", "cut", "garbled", ""]
    receiver = ElasticReceiver() if kind == "elastic" else SplunkReceiver(confirms="confirming" in kind)
    with on_thread(receiver), proxy(int(receiver.url.rpartition(":")[2])) as network:
        address = f"http://127.0.0.1:{network.port}"
        url = f"elastic+{address}/wan" if kind == "elastic" else f"splunk+{address}"
        await follow_while_killing(
            f"{url} {tmp_path / 'state.json'} {receiver.token}",
            receiver=lambda: receiver.plan(*random.choices(lies, k=3)),
            network=lambda: network.cut(random.randrange(_MAX_CUT_AFTER_BYTES)),
        )
    arrived = [event.get("event", event)["sequence"] for event in receiver.events]
    with capsys.disabled():
        print(f"\n{KILLS} kills, {kind}: {len(arrived):,} of {len({*arrived}):,} events, cut {network.cuts} times")
    assert {*arrived} == {*range(EVENTS_A_KILL * (KILLS + 1))}
    assert kind != "elastic" or len(arrived) == len({*arrived})

"""A follower into a receiver: whatever is killed, each event is there, and in a database once."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support import killed
from support.postgres import Cluster
from support.proxy import Proxy
from support.rsyslog import RSyslog

from cfevents.testing import ElasticReceiver, EventReceiver, LokiReceiver, Simulator, SimulatorThread, SplunkReceiver

IS_LONG = "CFEVENTS_SINK_KILLS" in os.environ
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


async def start(simulator: Simulator, target: str, since: int, *, once: bool = False) -> Any:
    """Start a process, and return it when its sink is open."""
    context = multiprocessing.get_context("forkserver")
    hears, says = context.Pipe(duplex=False)
    arguments = "sink", target, since, simulator.client_options, says
    process = context.Process(target=killed.main, args=arguments, kwargs={"once": once})
    process.start()
    says.close()
    assert await asyncio.to_thread(hears.recv) == "open"
    return process


async def follow_while_killing(target: str, **kills: Kill) -> None:
    """Let a process deliver events while it, or what these functions kill, is killed at moments at random."""
    random, begin, process = Random(KILLS), int(time.time()) - 900, None
    coming, victims = history(random, begin), ["process", *kills]
    with SimulatorThread(Simulator(events={name: [] for name in CONNECTORS}, quota=10**7)) as simulator:
        process = await start(simulator, target, begin - 3600)
        for victim in [*victims, *random.choices(victims, k=KILLS)][:KILLS]:
            for _ in range(EVENTS_A_KILL):
                simulator.add(*next(coming))
                await asyncio.sleep(random.uniform(0, 0.02))
            if victim == "process":
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                process = await start(simulator, target, begin - 3600)
            elif (killing := kills[victim]()) is not None:
                await killing
            assert process.is_alive()
        for connector, event in coming:
            simulator.add(connector, event)
        process.terminate()
        await asyncio.to_thread(process.join)
        process = await start(simulator, target, begin - 3600, once=True)
        await asyncio.to_thread(process.join)
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

    def crash() -> None:
        rsyslog.crash()
        rsyslog.start()

    async with Proxy(rsyslog.ports["tcp"]) as network:
        target = f"syslog+tcp://127.0.0.1:{network.port} {tmp_path / 'state.json'}"
        await follow_while_killing(target, rsyslog=lambda: asyncio.to_thread(crash), network=cutting(network))
    assert_complete([event["sequence"] for event in rsyslog.events], network, capsys)


RECEIVERS: dict[str, Callable[[], EventReceiver]] = {
    "splunk": SplunkReceiver,
    "splunk, confirming": lambda: SplunkReceiver(confirms=True),
    "elastic": ElasticReceiver,
    "loki": LokiReceiver,
}


@pytest.mark.skipif(not IS_LONG, reason="'nox -s sinks' runs it")
@pytest.mark.parametrize("name", RECEIVERS)
async def test_no_event_is_missing_in_a_local_receiver(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process, the receiver and the connection between them end, and it lies; a document is there once."""
    random, receiver = Random(KILLS), RECEIVERS[name]()
    lies: list[int | str] = ["reset", "cut", "garbled", "", 503]

    async def restart() -> None:
        await receiver.stop()
        await asyncio.sleep(random.uniform(0, 1))
        await receiver.start()

    async with receiver, Proxy(int(receiver.url.rpartition(":")[2])) as network:
        index = "/events" if name == "elastic" else ""
        url = f"{name.partition(',')[0]}+http://127.0.0.1:{network.port}{index}"
        target = f"{url} {tmp_path / 'state.json'} {receiver.token}"
        faults = {
            "receiver": restart,
            "network": cutting(network),
            "answers": lambda: receiver.plan(*random.choices(lies, k=3)),
        }
        await follow_while_killing(target, **faults)
    arrived = [event.get("event", event)["sequence"] for event in receiver.events]
    assert_complete(arrived, network, capsys)
    assert name != "elastic" or len(arrived) == len({*arrived})


def cutting(network: Proxy) -> Kill:
    random = Random(KILLS)
    return lambda: network.cut(random.randrange(_MAX_CUT_AFTER_BYTES))


def assert_complete(arrived: Sequence[int], network: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{KILLS} kills, {network.cuts} connections cut: {len({*arrived}):,} events, {len(arrived):,} times")
    assert {*arrived} == {*range(EVENTS_A_KILL * (KILLS + 1))}

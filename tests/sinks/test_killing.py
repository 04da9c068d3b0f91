"""A follower into PostgreSQL: whatever is killed, each event is there once."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from support import killed
from support.postgres import Cluster

from cfevents.testing import Simulator, SimulatorThread

KILLS = int(os.environ.get("CFEVENTS_SINK_KILLS", "3"))
EVENTS_A_KILL = 60
CONNECTORS = [f"c{number}" for number in range(50)]
_VICTIMS = "process", "database", "network"
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cfevents'"

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


async def test_each_event_is_there_once_whatever_is_killed(postgres: Cluster) -> None:
    """The process, the database and the connection between them are killed at moments at random."""
    random, begin, url = Random(KILLS), int(time.time()) - 900, postgres.url("killed")
    coming = history(random, begin)
    with SimulatorThread(Simulator(events={name: [] for name in CONNECTORS}, quota=10**7)) as simulator:
        process = start(simulator, url, begin - 3600)
        for victim in [*_VICTIMS, *random.choices(_VICTIMS, k=KILLS - 3)]:
            for _ in range(EVENTS_A_KILL):
                simulator.add(*next(coming))
                await asyncio.sleep(random.uniform(0, 0.02))
            if victim == "process":
                os.kill(process.pid, signal.SIGKILL)
                process.join()
                process = start(simulator, url, begin - 3600)
            elif victim == "database":
                postgres.crash()
                postgres.start()
            else:
                await postgres.fetch(_CUT)
            assert process.is_alive()
        for connector, event in coming:
            simulator.add(connector, event)
        process.terminate()
        process.join()
        process = start(simulator, url, begin - 3600, once=True)
        process.join()
        assert process.exitcode == 0
    stored = await postgres.fetch("SELECT sequence FROM killed ORDER BY sequence")
    assert [row[0] for row in stored] == [*range(EVENTS_A_KILL * (KILLS + 1))]

"""The rate at which events go into PostgreSQL, beside COPY of the same rows from a file."""

import os
import resource
import tempfile
import time

import asyncpg
import pytest
from support.postgres import Cluster

from cfevents import Batch, EventMetadata, FollowCheckpoint, FollowedEvent
from cfevents.sinks import connect

EVENTS = int(os.environ.get("CFEVENTS_SINK_EVENTS", "50000"))
BATCH_EVENTS = 10_000
BEGIN = 1_700_000_000

pytestmark = [pytest.mark.once, pytest.mark.timeout(60 + EVENTS // 2000)]


def batch(begin: int) -> Batch[EventMetadata]:
    """Return a batch of the largest size, of events of 50 connectors, one a second of each."""
    items = (
        FollowedEvent(f"{number % 50:032x}", EventMetadata("Reconcile", BEGIN + number // 50, 0, BEGIN + number // 50))
        for number in range(begin, begin + BATCH_EVENTS)
    )
    return Batch(tuple(items), FollowCheckpoint("0123456789abcdef0123456789abcdef", None, None, 1))


async def test_rate_is_half_of_copy_and_memory_is_flat(postgres: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Each batch is a transaction with its checkpoint; COPY is one, of the same rows with the same key."""
    ours, memory = 0.0, list[int]()
    async with connect(postgres.url("ours")) as sink:
        for begin in range(0, EVENTS, BATCH_EVENTS):
            events = batch(begin)
            began = time.perf_counter()
            await sink.write(events)
            ours += time.perf_counter() - began
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    await postgres.fetch("CREATE TABLE theirs (LIKE ours INCLUDING ALL)")
    connection = await asyncpg.connect(postgres.url("").partition("&")[0])
    with tempfile.NamedTemporaryFile() as file:
        await connection.copy_from_table("ours", output=file.name)
        began = time.perf_counter()
        await connection.copy_to_table("theirs", source=file.name)
        theirs = time.perf_counter() - began
    await connection.close()
    with capsys.disabled():
        print(f"\n{EVENTS:,} events: {EVENTS / ours:,.0f}/s, COPY {EVENTS / theirs:,.0f}/s, {theirs / ours:.0%}")
    assert theirs / ours > 0.5
    assert memory[-1] - memory[2] < 20_000  # kilobytes

"""The time of which an archive has all events: since when, and until when each connector was asked."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from support.batches import batch, listed

from cfevents import Client, FleetError, _time
from cfevents.storage import Archive, Extent
from cfevents.testing import Simulator, faults

BEGIN = int(time.time()) - 50_000


class Clock:
    """The wall clock, which stands still until a test moves it."""

    date: float = BEGIN + 1000

    def time(self) -> float:
        return self.date


def made(*times: int) -> list[dict[str, Any]]:
    return [{"e": {"k": "Init"}, "t": BEGIN + second, "n": 0} for second in times]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_time, "time", SimpleNamespace(time=clock.time))
    return clock


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(events={"c1": made(0, 1, 2), "silent": []}, max_page_size=2) as running:
        yield running


async def extents(archive: Archive) -> dict[str, tuple[int, int] | None]:
    """The extents in seconds after `BEGIN`."""
    return {
        name: None if extent is None else (int(extent.since.timestamp()) - BEGIN, int(extent.until.timestamp()) - BEGIN)
        for name, extent in (await archive.extents()).items()
    }


@pytest.mark.parametrize("ids", [None, ["c1", "silent"]], ids=["all", "named"])
async def test_an_extent_ends_when_its_poll_began(
    client: Client, archive: Archive, clock: Clock, ids: list[str] | None
) -> None:
    """Each connector that was asked has an extent, also one without events and in a round without events."""
    await archive.sync(client, ids, since=BEGIN - 5)
    assert await extents(archive) == {"c1": (-5, 1000), "silent": (-5, 1000)}
    assert await archive.list_connectors() == ["c1", "silent"]
    clock.date += 60
    await archive.sync(client, ids)
    assert await extents(archive) == {"c1": (-5, 1060), "silent": (-5, 1060)}
    assert (await archive.extents())["c1"] == Extent(
        datetime.fromtimestamp(BEGIN - 5, UTC), datetime.fromtimestamp(BEGIN + 1060, UTC)
    )


async def test_following_extends_extents_without_events(client: Client, archive: Archive, clock: Clock) -> None:
    """While an archive is followed, the extents grow with each poll, whatever it brings."""
    filling = asyncio.create_task(archive.sync(client, since=BEGIN, follow=True, interval=0.02))
    while await extents(archive) != {"c1": (0, 1000), "silent": (0, 1000)}:
        await asyncio.sleep(0.01)
    clock.date += 500
    async with asyncio.timeout(10):
        while await extents(archive) != {"c1": (0, 1500), "silent": (0, 1500)}:
            await asyncio.sleep(0.01)
    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling


async def test_interrupted_first_fill_has_no_extent(simulator: Simulator, client: Client, archive: Archive) -> None:
    """A connector that was read in part has events, and no extent; one that was never read has neither."""
    simulator.add("c1", *made(*range(20, 900, 20)))
    simulator.faults.add(faults.status(403), path="/c1/telemetry/events", on=range(12, 999))
    with pytest.raises(FleetError):
        await archive.sync(client, ["c1", "mistyped", "silent"], since=BEGIN)
    assert await extents(archive) == {"c1": None, "silent": (0, 1000)}


async def test_failed_round_leaves_the_extent(
    simulator: Simulator, client: Client, archive: Archive, clock: Clock
) -> None:
    """An extent stays where it was when the connector cannot be read, and is gone when it is to be read anew."""
    await archive.sync(client, "c1", since=BEGIN)
    simulator.faults.add(faults.status(403), path="/c1/telemetry/events")
    clock.date += 60
    for since, expected in ((None, (0, 1000)), (BEGIN - 9, None)):
        with pytest.raises(FleetError):
            await archive.sync(client, "c1", since=since)
        assert await extents(archive) == {"c1": expected}


async def test_extents_that_touch_are_joined(client: Client, archive: Archive, clock: Clock) -> None:
    """A fill that begins within the extent extends it; one that begins after it begins another."""
    await archive.sync(client, "c1", since=BEGIN)
    clock.date += 60
    await archive.sync(client, "c1", since=BEGIN + 900, details=True)
    assert await extents(archive) == {"c1": (0, 1060)}
    await archive.append(batch([listed(BEGIN + 2000)], since=BEGIN + 1990, account_id=client._endpoints.account_id))
    assert await extents(archive) == {"c1": (1990, 2000)}


async def test_appended_batches_extend_to_their_last_event(archive: Archive) -> None:
    """What a follower of one's own brings extends the extent to its last event: a later batch may have the next."""
    await archive.append(batch([listed(BEGIN + 5), listed(BEGIN + 9)], since=BEGIN))
    await archive.append(batch([listed(BEGIN + 7)], since=BEGIN))
    assert await extents(archive) == {"c1": (0, 9)}
    await archive.append(batch([listed(BEGIN - 70)], since=BEGIN - 99))
    assert await extents(archive) == {"c1": (0, 9)}, "what lies between has not come yet"
    await archive.append(batch([listed(BEGIN + 4)], since=BEGIN - 99))
    assert await extents(archive) == {"c1": (-99, 9)}


async def test_pruning_forgets_who_was_not_asked_since(
    simulator: Simulator, client: Client, archive: Archive, clock: Clock
) -> None:
    """A connector that is gone from the account is forgotten once its events are pruned."""
    await archive.sync(client, since=BEGIN)
    clock.date += 60
    await archive.sync(client, "c1")
    await archive.prune(before=BEGIN + 1000)
    assert await archive.list_connectors() == ["c1", "silent"]
    await archive.prune(before=BEGIN + 1001)
    assert await extents(archive) == {"c1": (1001, 1060)}


async def test_pruned_events_are_no_part_of_an_extent(client: Client, archive: Archive, clock: Clock) -> None:
    """An extent begins where events were removed, also after the next fill; one that is read anew has them again."""
    await archive.sync(client, "c1", since=BEGIN)
    await archive.prune(before=BEGIN + 2)
    assert await extents(archive) == {"c1": (2, 1000)}
    clock.date += 60
    await archive.sync(client, "c1")
    await archive.prune(before=BEGIN + 1)
    assert await extents(archive) == {"c1": (2, 1060)}
    await archive.sync(client, "c1", since=BEGIN - 5)
    assert await extents(archive) == {"c1": (-5, 1060)}


async def test_some_kinds_are_no_extent(client: Client, archive: Archive) -> None:
    """A connector of which some kinds were read is not known as a whole."""
    await archive.sync(client, "c1", since=BEGIN, kind="Init")
    assert await extents(archive) == {"c1": None}

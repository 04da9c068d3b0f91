"""A stored checkpoint stands for the range that was read, and for no more."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.batches import batch, listed

from cfevents import ArchiveError, Client, _time
from cfevents._time import to_datetime
from cfevents.storage import Archive, Extent, NDJSONFile
from cfevents.testing import Simulator

HOUR = 3600
BEGIN = int(time.time()) // HOUR * HOUR - 30 * HOUR


def made(*hours: float) -> list[dict[str, Any]]:
    return [{"e": {"k": "Init"}, "t": int(BEGIN + hour * HOUR), "n": 0} for hour in hours]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The wall clock, which stands still."""
    clock = SimpleNamespace(date=BEGIN + HOUR)
    monkeypatch.setattr(_time, "time", SimpleNamespace(time=lambda: clock.date))
    return clock


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(events={"c1": made(0), "c2": []}) as running:
        yield running


async def stored(archive: Archive, connector_id: str = "c1") -> list[float]:
    """Return the hours of the events that an archive has."""
    events = await archive.list_events(connector_id, since=1, until=BEGIN + 99 * HOUR).collect()
    return [(event.recorded_ts - BEGIN) / HOUR for event in events]


async def follow(client: Client, archive: Archive, connector_id: str = "c1", **options: Any) -> str:
    """Append what a follower brings, and return its last checkpoint."""
    follower = client.follow_events(connector_id, **options).once()
    async for next_batch in follower.batches():
        await archive.append(next_batch)
    return follower.checkpoint.to_json()


@pytest.mark.parametrize("since", [None, BEGIN + 2 * HOUR], ids=["without since", "with a later one"])
async def test_gap_before_a_follower_is_read_by_next_sync(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive, since: int | None
) -> None:
    await archive.sync(client, "c1", since=BEGIN)
    simulator.add("c1", *made(1.5, 3.5))
    clock.date = BEGIN + 4 * HOUR
    checkpoint = await follow(client, archive, since=BEGIN + 3 * HOUR)
    simulator.add("c1", *made(4))
    await follow(client, archive, checkpoint=checkpoint)
    assert await stored(archive) == [0, 3.5, 4]
    assert await archive.sync(client, "c1", since=since) == 1
    assert await stored(archive) == [0, 1.5, 3.5, 4]


async def test_follower_that_leaves_no_gap_is_gone_on_from(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive
) -> None:
    """What a follower of one's own has read is not read again, also where its watermark was pruned."""
    pace: dict[str, Any] = {"lookback": 60}
    await archive.sync(client, "c1", since=BEGIN, **pace)
    checkpoint = await follow(client, archive, since=BEGIN, **pace)
    for hour in (4, 8):
        simulator.add("c1", *made(hour - 1))
        clock.date = BEGIN + hour * HOUR
        checkpoint = await follow(client, archive, checkpoint=checkpoint, **pace)
    simulator.requests.clear()
    assert await archive.sync(client, "c1", **pace) == 0
    assert min(int(request.query["from"]) for request in simulator.requests) > BEGIN + 6 * HOUR


async def test_resumed_follower_covers_only_what_it_brought(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive
) -> None:
    """What a follower delivered elsewhere, before it filled the archive, is not taken for stored."""
    follower = client.follow_events("c1", since=BEGIN).once()
    elsewhere = [len(next_batch.items) async for next_batch in follower.batches()]
    assert elsewhere == [1]
    simulator.add("c1", *made(2))
    clock.date += 2 * HOUR
    await follow(client, archive, checkpoint=follower.checkpoint)
    assert await stored(archive) == [2]
    assert await archive.sync(client, "c1", since=BEGIN) == 1


@pytest.mark.parametrize("is_named", [True, False])
async def test_connector_of_an_account_begins_where_that_did(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive, is_named: bool
) -> None:
    """A connector that was silent so far is read from the account's beginning, by whatever it is followed next."""
    await archive.sync(client, since=BEGIN)
    simulator.add("c2", *made(1.5, 3.5))
    clock.date = BEGIN + 4 * HOUR
    if is_named:
        assert await archive.sync(client, "c2") == 2
        assert await archive.sync(client, "c2", since=BEGIN + 3 * HOUR) == 0
    else:
        await follow(client, archive, "c2", since=BEGIN + 3 * HOUR)
        assert await archive.sync(client) == 1
    assert await stored(archive, "c2") == [1.5, 3.5]


async def test_longer_lookback_reads_what_a_shorter_left_out(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive
) -> None:
    """Late events that a sync with a short lookback left out come with the first one that looks back far enough."""
    simulator.add("c1", *made(20))
    clock.date = BEGIN + 20 * HOUR
    for _ in range(2):
        await archive.sync(client, "c1", since=BEGIN + HOUR, lookback="1min")
    simulator.add("c1", *made(0.5, 5))
    assert await archive.sync(client, "c1", lookback="1min") == 0
    assert await archive.sync(client, "c1") == 1
    assert await stored(archive) == [5, 20]


async def test_batch_made_by_hand_covers_its_own_events(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive
) -> None:
    """A batch without the state before it counts for no more than its events."""
    await archive.sync(client, "c1", since=BEGIN)
    simulator.add("c1", *made(1.5))
    clock.date = BEGIN + 4 * HOUR
    await archive.append(batch([listed(BEGIN + 3 * HOUR)], since=BEGIN + 3 * HOUR))
    assert await archive.sync(client, "c1") == 1


async def sync(client: Client, archive: Archive, name: str | None, hour: int | None = None) -> None:
    await archive.sync(client, name, since=None if hour is None else BEGIN + hour * HOUR)


STEPS: dict[str, Callable[[Client, Archive, str], Awaitable[Any]]] = {
    "a sync": sync,
    "a later sync": partial(sync, hour=3),
    "a sync of all": lambda client, archive, name: sync(client, archive, None),
    "a later sync of all": lambda client, archive, name: sync(client, archive, None, 3),
    "a follower": partial(follow, since="1h"),
}


@pytest.mark.parametrize("is_account", [False, True], ids=["named", "all"])
@pytest.mark.parametrize("first", STEPS)
async def test_two_steps_after_a_sync_leave_no_gap(
    clock: SimpleNamespace, tmp_path: Path, first: str, is_account: bool
) -> None:
    """Whatever fills an archive after its first sync, the next has all that was recorded since the first began."""
    for number, second in enumerate(("a later sync", "a follower")):
        clock.date, begun = BEGIN + HOUR, {"c1": made(0), "silent": made()}
        async with (
            Simulator(events=begun) as simulator,
            Client(**simulator.client_options) as client,
            Archive(tmp_path / f"{number}.db") as archive,
        ):
            await archive.sync(client, None if is_account else begun, since=BEGIN)
            for hour, step in ((4, first), (7, second), (9, "a sync")):
                clock.date = BEGIN + hour * HOUR
                for name in begun:
                    simulator.add(name, *made(hour - 2.5, hour - 0.25))
                    await STEPS[step](client, archive, name)
            assert (await stored(archive))[1:] == await stored(archive, "silent"), second
            assert await stored(archive, "silent") == [1.5, 3.75, 4.5, 6.5, 6.75, 8.75], second


async def test_extent_begins_after_a_gap(
    clock: SimpleNamespace, simulator: Simulator, client: Client, archive: Archive
) -> None:
    """No extent spans a gap that a follower left; the sync that fills it joins both sides."""
    await archive.sync(client, "c1", since=BEGIN)
    simulator.add("c1", *made(1.5, 3.5))
    clock.date = BEGIN + 4 * HOUR
    checkpoint = await follow(client, archive, since="1h")
    simulator.add("c1", *made(3.75))
    await follow(client, archive, checkpoint=checkpoint)
    assert (await archive.extents())["c1"] == Extent(to_datetime(BEGIN + 3 * HOUR), to_datetime(BEGIN + 3.75 * HOUR))
    await archive.sync(client, "c1")
    assert (await archive.extents())["c1"] == Extent(to_datetime(BEGIN), to_datetime(BEGIN + 4 * HOUR))


@pytest.mark.parametrize("since", [0, 1], ids=["from the same time", "from a later one"])
async def test_file_of_lines_takes_no_other_followers_batch(
    clock: SimpleNamespace, simulator: Simulator, client: Client, tmp_path: Path, since: int
) -> None:
    """A follower that begins anew on a file would repeat its events or leave a gap, and later be gone on from."""
    simulator.add("c1", *made(0.5, 1))
    async with NDJSONFile(tmp_path / "events.ndjson") as file:
        follower = client.follow_events("c1", since=BEGIN).once()
        await file.begin(follower.checkpoint)
        for hour in (0.75, 0.9):
            async for next_batch in follower.batches():
                await file.write(next_batch)
                await file.write(next_batch)
            simulator.add("c1", *made(hour))
        before, lines = file.checkpoint, (tmp_path / "events.ndjson").read_bytes().count(b"\n")
        async for next_batch in client.follow_events("c1", since=BEGIN + since * HOUR).once().batches():
            with pytest.raises(
                ArchiveError, match=r"goes on after another checkpoint .* give checkpoint=file.checkpoint"
            ):
                await file.write(next_batch)
        assert (file.checkpoint, lines) == (before, 4)
    async with NDJSONFile(tmp_path / "events.ndjson") as file:
        simulator.add("c1", *made(0.25))
        async for next_batch in client.follow_events("c1", checkpoint=file.checkpoint).once().batches():
            await file.write(next_batch)
    assert (tmp_path / "events.ndjson").read_bytes().count(b"\n") == 6

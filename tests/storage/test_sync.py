"""Filling an archive: what is new, from where it ended, however often it is asked for."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.batches import batch, listed
from support.tidy import client_tasks

from cfevents import APIStatusError, ArchiveError, Client, ConfigurationError, FleetError, _time
from cfevents.storage import Archive, NDJSONFile, queries
from cfevents.testing import Simulator, faults

BEGIN = int(time.time()) - 50_000


def made(*times: int, kind: str = "Init") -> list[dict[str, Any]]:
    return [{"e": {"k": kind, "url": "u"}, "t": BEGIN + second, "n": 0, "v": "1"} for second in times]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(events={"c1": made(0, 1, 2), "c2": made(0, 5)}) as running:
        yield running


async def stored(archive: Archive, connector_id: str) -> list[float]:
    """When the events that it has were recorded."""
    events = await archive.list_events(connector_id, since=1, until=BEGIN + 99_999).collect()
    return [event.recorded_ts - BEGIN for event in events]


def listed_from(simulator: Simulator, connector_id: str) -> list[int]:
    """From when on a connector was listed, since the last time this was asked."""
    starts = [
        int(request.query["from"]) - BEGIN
        for request in simulator.requests
        if connector_id in request.path and "from" in request.query
    ]
    simulator.requests.clear()
    return starts


async def test_archive_equals_live_stream_with_payloads(client: Client, archive: Archive) -> None:
    """An archive has what a live stream gives with the payloads."""
    assert await archive.sync(client, since=BEGIN, details=True) == 5
    for connector_id in await archive.list_connectors():
        window: dict[str, Any] = {"since": BEGIN, "until": BEGIN + 9}
        live, offline = client.list_events(connector_id, **window), archive.list_events(connector_id, **window)
        assert await offline.collect() == await live.collect()
        assert [detail async for detail in offline.details()] == [detail async for detail in live.details()]
        event = (await live.collect())[-1]
        assert await archive.get_event(connector_id, event) == await client.get_event(connector_id, event)
        assert await archive.latest_events(connector_id) == await client.latest_events(connector_id)
    assert await archive.list_connectors() == ["c1", "c2"]
    assert client_tasks() == set()


async def test_once_more_brings_only_what_is_new_late_events_too(
    simulator: Simulator, client: Client, archive: Archive
) -> None:
    assert await archive.sync(client, ["c1"], since=BEGIN) == 3
    assert await archive.sync(client, ["c1"], since=BEGIN) == 0
    simulator.add("c1", *made(-1, 7))
    simulator.add("c1", {"e": {"k": "Init"}, "t": BEGIN + 1, "n": 1})
    assert await archive.sync(client, "c1") == 2
    assert await stored(archive, "c1") == [0, 1, 1, 2, 7]
    assert await archive.sync(client, iter(["c1"])) == 0


async def test_silent_connector_starts_where_account_did(
    simulator: Simulator, client: Client, archive: Archive
) -> None:
    """A connector that was silent so far loses nothing where ``since`` means another time each day."""
    simulator.add("silent")
    await archive.sync(client, since=BEGIN - 10)
    simulator.add("silent", *made(5))
    assert await archive.sync(client, since=BEGIN + 100) == 1


async def test_mistyped_account_is_none_of_the_archive(simulator: Simulator, client: Client, archive: Archive) -> None:
    """An account that was mistyped once is none of the archive."""
    options: dict[str, Any] = {**simulator.client_options, "account_id": "typo"}
    async with Client(**options) as other:
        with pytest.raises(FleetError):
            await archive.sync(other, "c1", since=BEGIN)
    await archive.sync(client, "c1", since=BEGIN)
    assert await stored(archive, "c1") == [0, 1, 2]


async def test_an_archive_that_is_closed_while_a_sync_begins_ends_it(client: Client, archive: Archive) -> None:
    syncing = asyncio.create_task(archive.sync(client, since=BEGIN, follow=True))
    await asyncio.sleep(0)
    await archive.close()
    async with asyncio.timeout(5):
        await syncing
    assert client_tasks() == set()


async def test_payloads_of_some_kinds_do_not_count_as_all(client: Client, archive: Archive) -> None:
    """Payloads of some kinds alone do not count as those of all."""
    follower = client.follow_events("c1", since=BEGIN).details(kinds="StartUpgrade").once()
    async for next_batch in follower.batches():
        await archive.append(next_batch)
    await archive.sync(client, "c1", since=BEGIN, details=True)
    assert [detail async for detail in archive.list_events("c1", since=BEGIN).details()] == [
        detail async for detail in client.list_events("c1", since=BEGIN, until=BEGIN + 9).details()
    ]


@pytest.mark.parametrize("since", [None, BEGIN], ids=["never told", "told again"])
async def test_payloads_come_when_first_requested(client: Client, archive: Archive, since: int | None) -> None:
    """Payloads that were not asked for at first come when they are."""
    assert await archive.sync(client, since=BEGIN) == 5
    assert await archive.latest_events("c1") == []
    assert await archive.sync(client, since=since, details=True) == 0
    assert await archive.latest_events("c1") == await client.latest_events("c1")
    before = client.usage.sent
    assert await archive.sync(client, details=True) == 0
    assert client.usage.sent <= before + 3, "each payload is asked for once"
    assert await archive.sync(client) == 0


async def test_later_since_goes_on_and_earlier_restarts(simulator: Simulator, client: Client, archive: Archive) -> None:
    """A later time does not begin again and an earlier one does."""
    simulator.add("c1", *made(-40_000, 40_000))
    await archive.sync(client, "c1", since=BEGIN, lookback=60)
    assert listed_from(simulator, "c1")[0] == -1
    simulator.add("c1", *made(40_001))
    assert await archive.sync(client, "c1", since=BEGIN + 10, lookback=60) == 1
    assert listed_from(simulator, "c1")[0] > 30_000
    await archive.sync(client, "c1", since=BEGIN, lookback=60)
    assert listed_from(simulator, "c1")[0] > 30_000, "it was followed from there once"
    assert await archive.sync(client, "c1", since=BEGIN - 45_000, lookback=60) == 1
    assert listed_from(simulator, "c1")[0] == -45_001
    await archive.sync(client, "c1", since=BEGIN - 45_000, lookback=60)
    assert listed_from(simulator, "c1")[0] > 30_000
    assert await stored(archive, "c1") == [-40_000, 0, 1, 2, 40_000, 40_001]


@pytest.mark.parametrize("is_named", [False, True])
async def test_a_connector_that_is_new_is_read_from_its_beginning_on(
    simulator: Simulator, client: Client, archive: Archive, is_named: bool
) -> None:
    assert await archive.sync(client, ["c1", "c2"] if is_named else None, since=BEGIN) == 5
    simulator.add("c3", *made(-1, 0, 3))
    assert await archive.sync(client, ["c1", "c2", "c3"] if is_named else None) == 2
    simulator.add("c4", *made(-1, 0, 3))
    assert await archive.sync(client, ["c1", "c4"] if is_named else client.fleet(), since=BEGIN + 1) == (
        1 if is_named else 2
    )
    assert (await stored(archive, "c3"), await stored(archive, "c4")) == ([0, 3], [3] if is_named else [0, 3])


@pytest.mark.parametrize("ids", [None, "c1"])
async def test_start_is_stored_although_nothing_came(
    simulator: Simulator, client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch, ids: str | None
) -> None:
    """What comes between two times is not lost where the first brought nothing."""
    date = BEGIN + 1000.5
    monkeypatch.setattr(_time, "time", SimpleNamespace(time=lambda: date))
    assert await archive.sync(client, ids) == 0
    simulator.add("c1", *made(999, 1005))
    date += 60
    assert await archive.sync(client, ids) == 1
    assert await stored(archive, "c1") == [1005]


async def test_kinds_go_on_each_by_itself(simulator: Simulator, client: Client, archive: Archive) -> None:
    simulator.add("c1", *made(3, 4, kind="StartUpgrade"))
    assert await archive.sync(client, "c1", since=BEGIN, kind="StartUpgrade", details=True) == 2
    assert await archive.sync(client, "c1", since=BEGIN, kind=["StartUpgrade", "Init"]) == 3
    assert await archive.sync(client, "c1", since=BEGIN) == 0
    details = [detail async for detail in archive.list_events("c1", since=BEGIN).details()]
    assert [detail.recorded is not None for detail in details] == [False, False, False, True, True]


async def test_failed_connectors_are_raised_after_others_are_stored(
    simulator: Simulator, client: Client, archive: Archive
) -> None:
    """Connectors that fail are told of after the others are stored."""
    with pytest.raises(FleetError) as caught:
        await archive.sync(client, ["c1", "missing", "c2"], since=BEGIN)
    assert list(caught.value.errors) == ["missing"]
    assert len(await stored(archive, "c1")) + len(await stored(archive, "c2")) == 5
    simulator.add("missing", *made(4))
    assert await archive.sync(client, ["c1", "missing", "c2"]) == 1


async def test_it_goes_on_until_it_is_cancelled_and_keeps_what_came(
    simulator: Simulator, client: Client, archive: Archive
) -> None:
    filling = asyncio.create_task(archive.sync(client, since=BEGIN, follow=True, interval=0.05))
    while len(await stored(archive, "c1")) < 3:
        await asyncio.sleep(0.01)
    filling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await filling
    assert client_tasks() == set()
    simulator.add("c1", *made(9))
    assert await archive.sync(client, since=BEGIN) >= 1
    assert await stored(archive, "c1") == [0, 1, 2, 9]


async def test_it_goes_on_until_the_archive_is_closed(simulator: Simulator, client: Client, tmp_path: Path) -> None:
    async with Archive(tmp_path / "events.db") as archive:
        filling = asyncio.create_task(archive.sync(client, since=BEGIN, follow=True))
        while len(await stored(archive, "c1")) + len(await stored(archive, "c2")) < 5:
            await asyncio.sleep(0.01)
    assert await filling == 5
    with pytest.raises(ArchiveError, match="is not open"):
        await archive.sync(client, since=BEGIN)


async def test_closing_waits_for_the_batch_that_is_being_stored(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on, store_batch = threading.Event(), threading.Event(), queries.store_batch

    def slow(*arguments: Any, **more: Any) -> int:
        begun.set()
        assert goes_on.wait(10)
        return store_batch(*arguments, **more)

    monkeypatch.setattr(queries, "store_batch", slow)
    archive = await Archive(tmp_path / "events.db").open()
    filling = asyncio.create_task(archive.sync(client, "c1", since=BEGIN, follow=True))
    await asyncio.to_thread(begun.wait, 10)
    closing = asyncio.create_task(archive.close())
    await asyncio.sleep(0.02)
    assert not closing.done()
    goes_on.set()
    await closing
    assert await filling == 3


async def test_two_syncs_at_once_store_each_event_once(
    simulator: Simulator, client: Client, archive: Archive, tmp_path: Path
) -> None:
    """Two that fill one archive at once lose and double nothing."""
    simulator.add("c1", *made(*range(100, 900)))
    async with Archive(tmp_path / "events.db") as other:
        counts = await asyncio.gather(archive.sync(client, since=BEGIN), other.sync(client, since=BEGIN))
    assert sum(counts) == 805
    assert await stored(archive, "c1") == [0, 1, 2, *range(100, 900)]


async def test_what_was_followed_by_hand_can_be_appended(client: Client, archive: Archive) -> None:
    new = 0
    async for next_batch in client.follow_events(["c1", "c2"], since=BEGIN).once().batches():
        new += await archive.append(next_batch)
    assert new == 5
    assert await archive.sync(client, ["c1", "c2"], since=BEGIN) == 0


async def test_earlier_since_fills_a_followed_gap(simulator: Simulator, client: Client, archive: Archive) -> None:
    """A followed gap is filled where an earlier time is asked for."""
    simulator.add("c1", *made(*range(10, 20)))
    async for next_batch in client.follow_events("c1", since=BEGIN + 15).once().batches():
        await archive.append(next_batch)
    assert await archive.sync(client, "c1", since=BEGIN) == 8
    assert await stored(archive, "c1") == [0, 1, 2, *range(10, 20)]


async def test_a_client_that_is_closed_and_another_account_are_errors(simulator: Simulator, tmp_path: Path) -> None:
    client = Client(**simulator.client_options)
    async with Archive(tmp_path / "events.db", account_id="another") as archive:
        with pytest.raises(ArchiveError, match="opened for the account another, not for 0123"):
            await archive.sync(client)
    async with Archive(tmp_path / "events.db") as archive:
        with pytest.raises(ConfigurationError, match="is not open"):
            await archive.sync(client)
        with pytest.raises(ValueError, match="since="):
            await archive.sync(client, since="yesterday")
        with pytest.raises(ValueError, match="interval="):
            await archive.sync(client, interval="often")


async def test_a_stored_checkpoint_that_was_damaged_is_an_error(
    client: Client, archive: Archive, tmp_path: Path
) -> None:
    await archive.sync(client, "c1", since=BEGIN)
    connection = sqlite3.connect(tmp_path / "events.db")
    with connection:
        connection.execute("UPDATE checkpoints SET checkpoint = 'x'")
    connection.close()
    with pytest.raises(ArchiveError, match=r"events.db.* a checkpoint that is damaged"):
        await archive.sync(client, "c1", since=BEGIN)


async def test_a_row_of_the_checkpoints_is_of_its_connector_alone(
    client: Client, archive: Archive, tmp_path: Path
) -> None:
    await archive.sync(client, since=BEGIN)
    connection = sqlite3.connect(tmp_path / "events.db")
    rows = connection.execute("SELECT connector_id, kind, checkpoint FROM checkpoints ORDER BY connector_id").fetchall()
    connection.close()
    checkpoints = [(name, kind, list(json.loads(text)["connectors"])) for name, kind, text in rows]
    assert checkpoints == [("", "null", []), ("c1", "null", ["c1"]), ("c2", "null", ["c2"])]


async def test_both_places_take_the_same_batches(archive: Archive, tmp_path: Path) -> None:
    these = batch([listed(BEGIN)])
    async with NDJSONFile(tmp_path / "events.ndjson") as file:
        await file.write(these)
        assert await archive.append(these) == 1


@pytest.mark.parametrize("reason", ["malformed", "unknown", "rolled"])
@pytest.mark.parametrize("ids", [None, ["c1", "c2"]])
async def test_sync_ends_where_the_token_never_worked(
    simulator: Simulator, client: Client, archive: Archive, reason: Any, ids: list[str] | None
) -> None:
    """A wrong token ends a sync that would go on for ever."""
    simulator.faults.add(faults.wrong_token(reason))
    async with asyncio.timeout(5):
        with pytest.raises(APIStatusError) as raised:
            await archive.sync(client, ids, since=BEGIN, follow=True)
    assert raised.value.status in {400, 403}
    assert len(simulator.requests) <= 2

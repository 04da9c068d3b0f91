"""Parquet files: the events of a stream, row group by row group, and never half of them."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.batches import BEGIN, batch, listed, with_payload
from support.scripted import ScriptedAPI, failure, item, page

import cfevents
from cfevents import ArchiveError, Client
from cfevents.frames import parquet, tables
from cfevents.storage import Archive, archived
from cfevents.streams import payloads
from cfevents.streams.framed import Block


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 10)
    monkeypatch.setattr(tables, "_ROWS", 4)
    monkeypatch.setattr(archived, "_PAGE", 3)
    monkeypatch.setattr(payloads, "_ROWS", 3)


@pytest.mark.usefixtures("small_groups")
async def test_a_file_has_the_events_of_the_stream_in_row_groups(tmp_path: Path) -> None:
    these = [with_payload(listed(BEGIN + each, kind=f"Kind{each % 9}")) for each in range(40)]
    path = tmp_path / "events.parquet"
    async with Archive(tmp_path / "events.db") as archive:
        await archive.append(batch(these))
        stream = archive.list_events("c1", since=BEGIN, until=BEGIN + 99)
        for each in (stream, stream.details):
            make = each if callable(each) else lambda: stream
            assert await make().to_parquet(path) == 40
            assert pq.read_table(path).equals(await make().to_arrow())
            groups = pq.ParquetFile(path).metadata
            assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [12, 12, 12, 4]
    assert sorted(each.name for each in tmp_path.glob("events.parquet*")) == ["events.parquet"]


async def test_a_stream_without_events_makes_a_file_of_the_same_columns(tmp_path: Path) -> None:
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        stream = client.list_events("c1", since=1, until=9)
        assert await stream.to_parquet(str(tmp_path / "none.parquet")) == 0
        assert pq.read_table(tmp_path / "none.parquet").schema == (await stream.to_arrow()).schema


async def test_a_stream_that_fails_leaves_the_file_that_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    path.write_bytes(b"as it was")
    async with (
        ScriptedAPI(page(item(1), cursor="x"), failure(403)) as api,
        Client(**api.client_options) as client,
    ):
        with pytest.raises(cfevents.PermissionDeniedError):
            await client.list_events("c1", since=1, until=9).to_parquet(path)
    assert path.read_bytes() == b"as it was"
    assert [*tmp_path.iterdir()] == [path]


async def test_a_file_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def blocks() -> AsyncGenerator[Block, None]:
        yield Block("c1", [listed(BEGIN)] * parquet._ROWS)
        waiting.set()
        await asyncio.sleep(1000)

    task = asyncio.ensure_future(parquet.write(blocks(), tmp_path / "events.parquet", payloads=False))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [*tmp_path.iterdir()] == []


async def test_a_write_that_is_cancelled_is_over_before_anything_is_removed() -> None:
    begun, may_end, done = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        begun.set()
        may_end.wait()
        done.append("written")

    task = asyncio.ensure_future(parquet._on_a_thread(Path("x"), work))
    while not begun.is_set():
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["written"]


async def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    async with ScriptedAPI(page(item(1))) as api, Client(**api.client_options) as client:
        stream: Any = client.list_events("c1", since=1, until=9)
        with pytest.raises(ArchiveError, match=r"missing/events.parquet cannot be written: "):
            await stream.to_parquet(tmp_path / "missing" / "events.parquet")
        assert api.requests == []
        (tmp_path / "folder").mkdir()
        with pytest.raises(ArchiveError, match=r"folder cannot be written: "):
            await stream.to_parquet(tmp_path / "folder")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]

"""Parquet files: the events of a stream, row group by row group, and never half of them."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.batches import BEGIN, batch, listed, with_payload
from support.scripted import ScriptedAPI, failure, item, page

import cfevents
from cfevents import ArchiveError, Client
from cfevents._model.results import EventBatch, EventColumns
from cfevents.frames import parquet, tables
from cfevents.storage import Archive

TEXT = pa.string()


def as_stored(table: pa.Table) -> pa.Table:
    """Return a table with its kinds as text, which a file has: each row group would have a dictionary of its own."""
    return table.cast(pa.schema([field.with_type(TEXT) if field.name == "kind" else field for field in table.schema]))


async def test_a_file_has_the_events_of_the_stream_in_row_groups(tmp_path: Path) -> None:
    these = [with_payload(listed(BEGIN + offset, kind=f"Kind{offset % 9}")) for offset in range(40)]
    path = tmp_path / "events.parquet"
    async with Archive(tmp_path / "events.db") as archive:
        await archive.append(batch(these))
        stream = archive.list_events("c1", since=BEGIN, until=BEGIN + 99)
        for make in (lambda: stream, stream.details):
            assert await make().to_parquet(path) == 40
            assert pq.read_table(path).equals(as_stored(await make().to_arrow()))
    assert [path.name for path in tmp_path.glob("events.parquet*")] == ["events.parquet"]


async def test_events_are_written_in_row_groups(tmp_path: Path) -> None:
    """A row group is written when enough events came, and the file has all of them in order."""
    path = tmp_path / "events.parquet"

    async def events() -> AsyncGenerator[EventColumns, None]:
        for first in range(0, 40, 3):
            times = range(first, min(40, first + 3))
            yield EventBatch("c1", [listed(BEGIN + time, kind=f"Kind{time % 9}") for time in times]).columns()

    assert await parquet.write(events(), path, payloads=False, group_events=10, batch_events=4) == 40
    groups = pq.ParquetFile(path).metadata
    assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [10] * 4
    table = pq.read_table(path)
    assert table.equals(as_stored(await tables.to_arrow(events(), payloads=False)))
    assert sorted(table.group_by("kind").aggregate([("id", "count")])["id_count"].to_pylist()) == [4] * 5 + [5] * 4


async def test_empty_stream_makes_a_file_of_the_same_columns(tmp_path: Path) -> None:
    """A stream without events makes a file of the same columns."""
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        stream = client.list_events("c1", since=1, until=9)
        assert await stream.to_parquet(str(tmp_path / "none.parquet")) == 0
        assert pq.read_table(tmp_path / "none.parquet").schema == as_stored(await stream.to_arrow()).schema


async def test_failed_stream_leaves_the_old_file(tmp_path: Path) -> None:
    """A stream that fails leaves the file that was there and nothing else."""
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

    async def blocks() -> AsyncGenerator[EventColumns, None]:
        yield EventBatch("c1", [listed(BEGIN)] * parquet.ROW_GROUP_EVENTS).columns()
        waiting.set()
        await asyncio.sleep(1000)

    task = asyncio.ensure_future(parquet.write(blocks(), tmp_path / "events.parquet", payloads=False))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [*tmp_path.iterdir()] == []


async def test_cancelled_write_ends_before_removal() -> None:
    """A write that is cancelled is over before anything is removed."""
    begun, may_end, done = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        begun.set()
        may_end.wait()
        done.append("written")

    thread = ThreadPoolExecutor(1)
    task = asyncio.ensure_future(parquet._run_blocking(Path("x"), thread, work))
    while not begun.is_set():
        await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["written"]
    thread.shutdown()


async def test_unwritable_file_is_refused_before_any_request(tmp_path: Path) -> None:
    """A file that cannot be written is an error that names it before anything is sent."""
    async with ScriptedAPI(page(item(1))) as api, Client(**api.client_options) as client:
        stream: Any = client.list_events("c1", since=1, until=9)
        with pytest.raises(ArchiveError, match=r"missing/events.parquet cannot be written: "):
            await stream.to_parquet(tmp_path / "missing" / "events.parquet")
        (tmp_path / "folder").mkdir()
        for folder in (tmp_path / "folder", "", ".", "..", "/"):
            with pytest.raises(ArchiveError, match=r" cannot be written: Is a directory; what was there stays"):
                await stream.to_parquet(folder)
        assert api.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(sys.platform == "win32", reason="there it is no name")
async def test_a_name_with_a_colon_is_a_name_and_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with ScriptedAPI(page(item(1))) as api, Client(**api.client_options) as client:
        for name in ("night-06:00.parquet", "file:events.parquet", "hdfs:events.parquet"):
            assert await client.list_events("c1", since=1, until=9).to_parquet(name) == 1
            assert (tmp_path / name).is_file()


async def test_later_of_two_writers_wins_whole(tmp_path: Path) -> None:
    """Of two who write a file at the same time the later writes it whole."""
    path = tmp_path / "events.parquet"
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncGenerator[EventColumns, None]:
        yield EventBatch("c1", [listed(BEGIN)] * parquet.ROW_GROUP_EVENTS).columns()
        begun.set()
        await may_end.wait()

    async def quick() -> AsyncGenerator[EventColumns, None]:
        yield EventBatch("c2", [listed(BEGIN)]).columns()
        may_end.set()
        with pytest.raises(ArchiveError, match="another has begun to write it; what was there stays"):
            await first
        yield EventBatch("c2", [listed(BEGIN)]).columns()

    first = asyncio.ensure_future(parquet.write(slow(), path, payloads=False))
    await begun.wait()
    assert await parquet.write(quick(), path, payloads=False) == 2
    assert pq.read_table(path)["connector_id"].to_pylist() == ["c2", "c2"]
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="there no size is forbidden")
@pytest.mark.parametrize("size", [3, pytest.param(1000, marks=pytest.mark.once)])
def test_full_disk_leaves_the_old_file(tmp_path: Path, size: int) -> None:
    """A disk that is full leaves what was there and nothing else."""
    program = f"""
import asyncio, resource, signal
from cfevents import ArchiveError, EventMetadata
from cfevents.frames import parquet
from cfevents._model.results import EventBatch

async def blocks():
    yield EventBatch("c1", [EventMetadata("Init", 1, 0, 1)]).columns()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, before[1]))
try:
    asyncio.run(parquet.write(blocks(), "events.parquet", payloads=False))
except ArchiveError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, before)  # for what is written when it ends, such as coverage
"""
    (tmp_path / "events.parquet").write_bytes(b"as it was")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (
        "events.parquet cannot be written: File too large; what was there stays\n",
        "",
    )
    assert (tmp_path / "events.parquet").read_bytes() == b"as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]

"""An archive that is locked, full, read-only, damaged or something else is an `ArchiveError`, and nothing is lost."""

import asyncio
import errno
import os
import pickle
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.batches import BEGIN, batch, listed, with_payload

from cfevents import ArchiveError, EventMetadata
from cfevents.storage import Archive


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        yield connection
    finally:
        connection.close()


async def filled(path: Path, count: int = 2) -> list[EventMetadata]:
    these = [listed(BEGIN + number) for number in range(count)]
    async with Archive(path) as archive:
        await archive.append(batch(these))
    return these


def same_after_pickling(error: ArchiveError) -> bool:
    back = pickle.loads(pickle.dumps(error))
    return (type(back), str(back)) == (ArchiveError, str(error))


async def test_one_that_is_locked_is_waited_for_and_then_says_so(path: Path) -> None:
    these = await filled(path)
    async with Archive(path, timeout=0.3) as archive:
        with connected(path) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            with pytest.raises(ArchiveError, match=r"events.db: another process has locked it; try again .*is locked"):
                await archive.append(batch([listed(BEGIN + 9)]))
            assert 0.25 < time.monotonic() - began < 5
            assert await archive.list_events("c1", since=BEGIN).collect() == these, "it can be read meanwhile"
            with pytest.raises(ArchiveError, match="nothing is lost") as caught:
                await archive.prune(before=BEGIN + 1)
            assert same_after_pickling(caught.value)
        assert await archive.append(batch([listed(BEGIN + 9)])) == 1
        assert len(await archive.list_events("c1", since=BEGIN).collect()) == 3


async def test_a_second_process_waits_until_the_first_is_done(path: Path) -> None:
    await filled(path)
    with connected(path) as other:
        other.execute("BEGIN IMMEDIATE")
        async with Archive(path) as archive:
            threading.Timer(0.3, other.execute, ["COMMIT"]).start()
            assert await archive.append(batch([listed(BEGIN + 9)])) == 1


async def test_cancelled_wait_stores_nothing(path: Path) -> None:
    """A call that is cancelled while it waits stores nothing and keeps nobody."""
    await filled(path)
    with connected(path) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        async with Archive(path) as archive:
            call = asyncio.create_task(archive.append(batch([listed(BEGIN + 9)])))
            await asyncio.sleep(0.05)
            call.cancel()
            await asyncio.wait([call])
        assert time.monotonic() - began < 5
    async with Archive(path) as archive:
        assert len(await archive.list_events("c1", since=BEGIN).collect()) == 2


async def test_opening_that_is_cancelled_leaves_nothing_open(path: Path) -> None:
    with connected(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        call = asyncio.create_task(Archive(path).open())
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith("cfevents-archive") and _stays(thread)
    ]


def _stays(thread: threading.Thread) -> bool:
    thread.join(5)
    return thread.is_alive()


@pytest.mark.parametrize(
    ("state", "what"),
    [
        ("max_page_count = 6", "there is no room for it; make room on the disk"),
        ("query_only = TRUE", "it is read-only; make the file and its directory writable"),
    ],
)
async def test_failed_batch_is_stored_whole_later(path: Path, state: str, what: str) -> None:
    """A batch that does not fit or may not be written is stored as a whole later."""
    these = await filled(path)
    big = batch([with_payload(listed(BEGIN + 100 + number), "u" * 900) for number in range(50)])
    async with Archive(path) as archive:
        writer = archive._require_open().writer
        await writer.run(lambda connection: connection.execute(f"PRAGMA {state}"))
        for _ in range(2):
            with pytest.raises(ArchiveError, match=what) as caught:
                await archive.append(big)
            assert same_after_pickling(caught.value)
        assert await archive.list_events("c1", since=BEGIN).collect() == these
        await writer.run(lambda connection: connection.execute("PRAGMA max_page_count = 99999"))
        await writer.run(lambda connection: connection.execute("PRAGMA query_only = FALSE"))
        assert await archive.append(big) == 50


async def test_events_and_checkpoint_are_one_transaction(path: Path) -> None:
    """Events and their checkpoint are stored together or not at all."""
    these = await filled(path)
    with connected(path) as other:
        before = other.execute("SELECT * FROM checkpoints").fetchall()
        async with Archive(path) as archive:
            other.execute("ALTER TABLE checkpoints RENAME TO elsewhere")
            with pytest.raises(ArchiveError, match="no such table"):
                await archive.append(batch([listed(BEGIN + 9)]))
            other.execute("ALTER TABLE elsewhere RENAME TO checkpoints")
            assert await archive.list_events("c1", since=BEGIN).collect() == these
            assert other.execute("SELECT * FROM checkpoints").fetchall() == before
            await archive.append(batch([listed(BEGIN + 9)]))
            assert other.execute("SELECT * FROM checkpoints").fetchall() != before


def of_text(path: Path) -> None:
    path.write_text("this is no database, but it is long enough to be taken for one by its length" * 20)


def of_something_else(path: Path) -> None:
    with connected(path) as other:
        other.execute("CREATE TABLE theirs (x)")


def of_a_named_program(path: Path) -> None:
    with connected(path) as other:
        other.execute("PRAGMA application_id = 17")


def a_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (of_text, "it is damaged, or not a SQLite database; move it away, or give another path"),
        (of_something_else, "is a SQLite database of something else; give another path"),
        (of_a_named_program, "is a SQLite database of something else; give another path"),
        (a_directory, "it is no plain file; give another path"),
    ],
)
async def test_other_file_is_an_error_and_stays_as_it_is(path: Path, make: Callable[[Path], None], what: str) -> None:
    """A file that is no archive is an error and stays as it is."""
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ArchiveError, match=what) as caught:
        await Archive(path).open()
    assert same_after_pickling(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes")
async def test_a_pipe_or_a_device_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(ArchiveError, match="it is no plain file; give another path"):
            await Archive(path).open()


async def test_a_directory_that_may_not_be_entered_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    archive = Archive(path)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(ArchiveError, match=r"writable, and has room \(Permission denied\)"):
        await archive.open()


async def test_a_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="it cannot be opened; make sure that its directory is there"):
        await Archive(tmp_path / "missing" / "events.db").open()


async def test_a_file_that_was_damaged_is_an_error_wherever_it_is_seen(path: Path) -> None:
    await filled(path, 3000)
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xff" * len(data[8192:-4096])
    path.write_bytes(data)

    async def use() -> None:
        async with Archive(path) as archive:
            await archive.list_events("c1", since=BEGIN).collect()
            await archive.append(batch([listed(BEGIN + number, 1) for number in range(3000)]))

    with pytest.raises(ArchiveError, match=r"it is damaged; save what can be saved with the command sqlite3"):
        await use()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("payloads", "event = '{'"),
        ("payloads", "event = '[]'"),
        ("payloads", "event = x'ff'"),
        ("payloads", "version = x'ff'"),
        ("listed_events", "extra = '{'"),
        ("listed_events", "kind_key = 99"),
        ("kinds", "kind = x'ff'"),
    ],
)
async def test_an_event_that_was_damaged_is_an_error(path: Path, table: str, change: str) -> None:
    async with Archive(path) as archive:
        await archive.append(batch([with_payload(listed(BEGIN))]))
        with connected(path) as other:
            other.execute(f"UPDATE {table} SET {change}")
        with pytest.raises(ArchiveError, match=r"events.db: .*an event of 'c1' that is damaged"):
            await archive.get_event("c1", "1700000000.0")
        if table != "payloads":
            with pytest.raises(ArchiveError, match=r"events.db: .*an event of 'c1' that is damaged"):
                await archive.list_events("c1", since=BEGIN).collect()


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_has_no_meaning_is_refused(path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="timeout="):
        Archive(path, timeout=value)

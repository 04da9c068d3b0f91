"""An archive that this process may only read, that was moved away, or that a forked child has from its parent."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.batches import BEGIN, batch, listed
from support.old_archives import to_version_1, version
from support.processes import error_in_fork, may_not_write, readable_folder
from support.tidy import client_tasks

from cfevents import ArchiveError, Budget, Client, Connector
from cfevents.storage import Archive, NDJSONFile
from cfevents.storage.schema import MIGRATIONS
from cfevents.testing import Simulator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows neither forks nor removes open files")


@pytest.fixture
def folder() -> Iterator[Path]:
    with readable_folder() as path:
        yield path


async def seconds(archive: Archive) -> list[float]:
    """Return when the events of an archive were recorded."""
    events = await archive.list_events("c1", since=BEGIN, until=BEGIN + 99).collect()
    return [event.recorded_ts - BEGIN for event in events]


async def filled(path: Path, *times: int) -> None:
    async with Archive(path) as archive:
        await archive.append(batch([listed(BEGIN + time) for time in times]))


def vacuumed(path: Path) -> Path:
    """Return a copy as the documentation advises, which has no write-ahead log."""
    copy = path.with_name("copy #1?.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    path.unlink()
    return copy


def linked(path: Path) -> Path:
    link = path.with_name("link.db")
    link.symlink_to(path)
    return link


@pytest.mark.parametrize("prepare", [Path, vacuumed, linked], ids=["file", "copy", "link"])
@pytest.mark.parametrize("is_folder_writable", [False, True], ids=["folder", "file alone"])
async def test_archive_is_read_without_leave_to_write(
    folder: Path, prepare: Callable[[Path], Path], is_folder_writable: bool
) -> None:
    """Who may not write an archive reads it, leaves nothing beside it, and gets an error where it would write."""
    await filled(folder / "events.db", 1, 2)
    path = prepare(folder / "events.db")
    if is_folder_writable:
        folder.chmod(0o777)
    before = sorted(folder.iterdir())
    with may_not_write(*(before if is_folder_writable else [folder])):
        async with Archive(path) as archive:
            assert await seconds(archive) == [1, 2]
            with pytest.raises(ArchiveError, match="it is read-only; make the file and its directory writable"):
                await archive.append(batch([listed(BEGIN + 3)]))
        assert sorted(folder.iterdir()) == before
    async with Archive(path) as archive:
        assert await archive.append(batch([listed(BEGIN + 3)])) == 1


@pytest.mark.parametrize("is_in_use", [False, True])
async def test_older_archive_is_read_without_leave_to_write(folder: Path, is_in_use: bool) -> None:
    """Who may not migrate an archive reads it as it is, also while it is open, or after its owner has migrated it."""
    path = folder / "events.db"
    await filled(path, 1, 2)
    to_version_1(path)
    owner = await Archive(path).open() if is_in_use else None
    with may_not_write(folder):
        before = sorted(folder.iterdir())
        archive = await Archive(path).open()
        assert await seconds(archive) == [1, 2]
        assert await archive.named_connectors() == [Connector("c1")]
        with pytest.raises(ArchiveError, match="it is read-only"):
            await archive.append(batch([listed(BEGIN + 3)]))
        assert sorted(folder.iterdir()) == before
    assert version(path) == 1
    owner = owner or await Archive(path).open()
    await owner.append(batch([listed(BEGIN + 3)]))
    with may_not_write(folder):
        assert await seconds(archive) == [1, 2, 3]
    await owner.close()
    with may_not_write(folder):
        assert await seconds(archive) == [1, 2, 3]
        await archive.close()
    assert version(path) == len(MIGRATIONS)


async def test_archive_is_read_while_its_owner_writes(folder: Path) -> None:
    """Events that its owner stores before or after a reader has opened it are read, whoever closes first."""
    path = folder / "events.db"
    await filled(path, 1)
    owner = Archive(path)
    with may_not_write(folder):
        reader = await Archive(path).open()
        assert await seconds(reader) == [1]
    await owner.open()
    await owner.append(batch([listed(BEGIN + 2)]))
    with may_not_write(folder):
        assert await seconds(reader) == [1, 2]
        async with Archive(path) as another:
            assert await seconds(another) == [1, 2]
    await owner.close()
    await filled(path, 3)
    with may_not_write(folder):
        assert await seconds(reader) == [1, 2, 3]
        await reader.close()
    await filled(path, 4)
    with may_not_write(folder):
        async with Archive(path) as another:
            assert await seconds(another) == [1, 2, 3, 4]


def test_file_that_changes_while_it_is_read_is_read_again(folder: Path) -> None:
    """What is read while the owner writes is not mixed of old content and new."""

    async def main() -> None:
        path = folder / "events.db"
        await filled(path, 1)
        with may_not_write(folder):
            archive = await Archive(path).open()
        calls = []

        def count(connection: sqlite3.Connection) -> int:
            calls.append(connection)
            (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
            if len(calls) == 1:
                asyncio.run(filled(path, 2))
                raise sqlite3.DatabaseError("as of mixed pages")
            return int(events)

        assert await archive._require_open().reader.run(count) == 2
        assert len(set(map(id, calls))) == 2
        await archive.close()

    asyncio.run(main())


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def replace(path: Path) -> None:
    path.rename(path.with_name("moved.db"))
    asyncio.run(filled(path, 9))


@pytest.mark.parametrize("move", [remove, rename, replace])
async def test_archive_that_is_moved_ends_a_sync(tmp_path: Path, move: Callable[[Path], None]) -> None:
    """An archive that is removed, renamed or replaced while it is open is an error for whoever uses it next."""
    path = tmp_path / "events.db"
    async with (
        Simulator(events={"c1": [{"e": {"k": "Init"}, "t": BEGIN, "n": 0}]}) as simulator,
        Client(**simulator.client_options) as client,
        Archive(path) as archive,
    ):
        filling = asyncio.create_task(archive.sync(client, "c1", since=BEGIN, follow=True, interval=0.02))
        while not await seconds(archive):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(move, path)
        simulator.add("c1", {"e": {"k": "Init"}, "t": BEGIN + 1, "n": 0})
        with pytest.raises(ArchiveError, match=r"events.db: it was removed or renamed while it was open; put it back"):
            await asyncio.wait_for(filling, 5)
        with pytest.raises(ArchiveError, match="removed or renamed"):
            await seconds(archive)
        if move is rename:
            path.with_name("moved.db").rename(path)
            assert await archive.sync(client, "c1") == 1
    assert client_tasks() == set()


def test_forked_child_is_told_at_once(tmp_path: Path) -> None:
    """What is open belongs to the process that opened it: in a forked child each use is an error, not a hang."""
    these = batch([listed(BEGIN)])
    simulated: dict[str, Any] = {"api_token": "t0ken", "account_id": "a" * 32}
    with asyncio.Runner() as runner, NDJSONFile(tmp_path / "events.ndjson") as file:
        archive = runner.run(Archive(tmp_path / "events.db").open())
        client = runner.run(Client(**simulated).open())
        budget, unused = Budget(), Budget()
        runner.run(budget.acquire())
        runner.run(file.write(these))

        async def close_all() -> None:
            await archive.close()
            file.close()

        uses: list[tuple[Callable[[], Any], str]] = [
            (lambda: archive.append(these), "ArchiveError: the archive"),
            (lambda: seconds(archive), "ArchiveError: the archive"),
            (lambda: file.write(these), f"ArchiveError: {tmp_path}"),
            (client.list_connectors, "ConfigurationError: the client"),
            (budget.acquire, "ConfigurationError: the budget"),
        ]
        for use, error in uses:
            text = error_in_fork(use)
            assert text.startswith(error)
            assert text.endswith(
                "was opened before this process was forked from another: open one here, after the fork"
            )
        assert error_in_fork(close_all) == error_in_fork(unused.acquire) == "nothing"
        assert runner.run(archive.append(these)) == 1
        runner.run(file.write(batch([listed(BEGIN + 1)])))
        assert "another process" in error_in_fork(lambda: asyncio.to_thread(NDJSONFile(file._path).open))
        runner.run(archive.close())
        runner.run(client.close())

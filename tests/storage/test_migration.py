"""An archive of version 1 is read as it is, and migrated as a whole before something is written."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.batches import BEGIN, batch, listed, with_payload
from support.old_archives import rows, to_version_1, version

from cfevents import ArchiveError, EventDetail, EventMetadata
from cfevents.storage import Archive, schema

pytestmark = pytest.mark.once

KINDS = ("Init", "RekeyStart", "RekeyComplete", "New")


def various(begin: float) -> list[Any]:
    """Return events of all sorts: times whole and not, kinds of odd text, with payloads or undocumented fields."""
    plain = [listed(begin + number // 3, number % 3, KINDS[number % 4]) for number in range(20)]
    odd = [
        EventMetadata("\ud800", begin + 30, 0, begin + 31.25),
        EventMetadata("Init", begin + 30.5, -1, -(2**63), extra={"x": ["\ud800", 1.5]}),
        EventMetadata("Init", 2**62, 2**63 - 1, begin),
    ]
    with_payloads = [with_payload(event, f"https://u/{event.recorded_ts}") for event in plain[::3]]
    return [*with_payloads, *(event for event in plain if event not in plain[::3]), *odd]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The file of an archive of version 1."""
    path = tmp_path / "events.db"
    async with Archive(path) as archive:
        for number, connector in enumerate(("c1", "c2", "c3")):
            items = [item for item in various(BEGIN + 100 * number) if isinstance(item, EventDetail)]
            await archive.append(batch(items, connector))
            await archive.append(
                batch([item for item in various(BEGIN) if not isinstance(item, EventDetail)], connector)
            )
    to_version_1(path)
    return path


async def everything(path: Path) -> list[Any]:
    """Return what can be read of an archive."""
    async with Archive(path) as archive:
        read: list[Any] = [
            await archive.list_connectors(),
            await archive.named_connectors(),
            await archive.extents(),
            await archive._event_counts(),
            await archive.latest_events("c2", limit=4),
            await archive.get_event("c1", f"{BEGIN}.0"),
        ]
        for kind in (None, "New", "!Rekey*", ("Init", "Leave")):
            stream = archive.list_events("c1", since=0, until=9e10, kind=kind)
            read += [await stream.collect(), [detail async for detail in stream.details()]]
            read += [[columns.events() async for columns in stream._read_columns(7)]]
        return read


async def add(path: Path, *events: EventMetadata) -> int:
    async with Archive(path) as archive:
        return await archive.append(batch(events or [listed(BEGIN + 99)]))


async def test_old_archive_is_read_as_it_is(path: Path) -> None:
    """Reading migrates nothing, and finds what is found after the migration."""
    before = await everything(path)
    assert version(path) == 1
    await add(path, listed(BEGIN))
    assert version(path) == 2
    assert await everything(path) == before


@pytest.mark.parametrize("part", [1, 3, 1000])
async def test_migration_keeps_every_row(path: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value stays what it is, also its type, however the events are divided into parts."""
    monkeypatch.setattr(schema, "_PART_EVENTS", part)
    before, reports = rows(path), list[float]()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW mine AS SELECT count(*) FROM events")
    async with Archive(path) as archive:
        writer = archive._require_open().writer
        monkeypatch.setattr(writer, "_report", reports.append)
        assert await archive.prune(before=0) == 0
    after = rows(path)
    assert repr(after) == repr(before)
    assert reports == sorted(reports)
    assert len(reports) >= 3
    assert {0 <= report <= 1 for report in reports} == {True}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM mine").fetchall() == [(len(before[0]),)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)


async def test_archive_without_extents_is_read_and_migrated(path: Path) -> None:
    """The first archives of version 1 had no table of extents."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE extents")
    async with Archive(path) as archive, Archive(path) as reader:
        for opened in (archive, reader):
            assert await opened.extents() == {"c1": None, "c2": None, "c3": None}
        assert version(path) == 1
        await archive.append(batch([listed(BEGIN + 99)]))
        for opened in (archive, reader):
            extents = await opened.extents()
            assert extents.keys() == {"c1", "c2", "c3"}
            assert extents["c1"] is not None


async def test_two_that_migrate_at_once(path: Path) -> None:
    """The second waits for the first, and finds nothing left to do; a reader goes on meanwhile."""
    async with Archive(path) as one, Archive(path) as other, Archive(path) as reader:
        before = await reader.list_events("c2", since=0, until=9e10).collect()
        appends = [archive.append(batch([listed(BEGIN + 98), listed(BEGIN + 99)])) for archive in (one, other)]
        assert sorted(await asyncio.gather(*appends)) == [0, 2]
        assert await reader.list_events("c2", since=0, until=9e10).collect() == before
        assert await reader.named_connectors() == await one.named_connectors()


async def test_migration_that_is_cancelled_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, loop, call = rows(path), asyncio.get_running_loop(), asyncio.Future[int]()
    async with Archive(path) as archive:
        writer = archive._require_open().writer

        def report(_: float) -> None:
            loop.call_soon_threadsafe(call.cancel)
            # The thread goes on until SQLite asks whether it may.
            connection = writer._connected()
            connection.execute(
                "WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
            ).fetchall()

        monkeypatch.setattr(writer, "_report", report)
        call = asyncio.ensure_future(archive.append(batch([listed(BEGIN + 99)])))
        await asyncio.wait([call])
        assert call.cancelled()
    assert (version(path), rows(path)) == (1, before)
    assert await add(path) == 1


@pytest.mark.parametrize("number", [1, 2])
async def test_half_an_archive_is_an_error(path: Path, number: int) -> None:
    """A copy of a file that was being written may lack tables of its version; nothing is written to it."""
    if number == 2:
        await add(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP TABLE {'checkpoints' if number == 1 else 'payloads'}")
        connection.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match=r"events.db: it lacks the table (checkpoints|payloads): .*with VACUUM INTO"):
        await Archive(path).open()
    assert path.read_bytes() == before


async def test_archive_with_damaged_page_stays_as_it_is(path: Path) -> None:
    """A page that cannot be read ends the migration; what was there stays."""
    await add(path, *(listed(BEGIN + number) for number in range(2000)))
    to_version_1(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"c1", len(data) // 2) // 4096 * 4096
    data[place : place + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"it is damaged.*; save what can be saved with .*\.recover"):
        await add(path)
    assert version(path) == 1
    assert path.read_bytes() == data


async def test_rows_that_are_lost_end_the_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that misleads leaves out events without an error of SQLite; they are counted."""
    monkeypatch.setattr(schema, "_NEXT_CONNECTOR", schema._NEXT_CONNECTOR.replace("LIMIT 1", "LIMIT 1 OFFSET 30"))
    before = rows(path)
    with pytest.raises(ArchiveError, match=r"it is damaged: of 69 events, \d+ could be read; save .*\.recover"):
        await add(path)
    assert (version(path), rows(path)) == (1, before)

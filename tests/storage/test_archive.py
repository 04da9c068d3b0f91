"""The archive: what goes in comes out, once each, also where several write it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, details, listed, with_payload
from support.brief import examples
from support.tidy import client_tasks

from cfevents import ArchiveError, Connector, EventDetail, EventId, EventMetadata, events
from cfevents._listing.query import ListQuery
from cfevents._model.api import Device
from cfevents.storage import Archive, ArchivedStream
from cfevents.storage.rows import LISTED, PAYLOAD
from cfevents.storage.schema import APPLICATION_ID, MIGRATIONS
from cfevents.storage.sqlite import Database

KINDS = ("Init", "Leave", "New\0")


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with Archive(tmp_path / "events.db") as opened:
        yield opened


def plainly(path: Path, statement: str, *values: Any) -> list[Any]:
    """Ask the file with SQLite alone."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


Opened = tuple[asyncio.Runner, Archive]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """An archive for many examples, and what runs coroutines on its loop."""
    with asyncio.Runner() as runner:
        archive = runner.run(Archive(tmp_path / "events.db").open())
        yield runner, archive
        runner.run(archive.close())


async def emptied(archive: Archive) -> None:
    """Remove what the example before left in an archive."""

    def delete(connection: sqlite3.Connection) -> None:
        for table in ("listed_events", "payloads", "checkpoints", "extents"):
            connection.execute(f"DELETE FROM {table}")

    await archive._require_open().writer.write(delete)


def in_pages(archive: Archive, page_events: int, **window: Any) -> ArchivedStream:
    """Return what `Archive.list_events` returns, with small pages."""
    return ArchivedStream(ListQuery.of("c1", **window), archive._query, page_events)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(details(), max_size=5, unique_by=lambda detail: (detail.metadata.recorded_ts, detail.metadata.sequence))
)
def test_what_goes_in_comes_out(opened: Opened, these: list[EventDetail]) -> None:
    runner, archive = opened

    async def main() -> list[EventDetail]:
        await emptied(archive)
        assert await archive.append(batch(these)) == len(these)
        stored = await archive._select(LISTED + PAYLOAD, "ORDER BY recorded_ts, sequence", ("c1",))
        for detail in stored:
            if detail.recorded is not None:
                assert await archive.get_event("c1", detail.metadata) == detail.recorded
        return stored

    stored = runner.run(main())
    expected = sorted(these, key=lambda detail: (detail.metadata.recorded_ts, detail.metadata.sequence))
    assert stored == expected
    for back, sent in zip(stored, expected, strict=True):
        assert type(back.metadata.recorded_ts) is type(sent.metadata.recorded_ts)
        assert type(back.metadata.collected_ts) is type(sent.metadata.collected_ts)
        assert back.metadata.extra == sent.metadata.extra
        if sent.recorded is not None:
            assert back.recorded is not None
            assert back.recorded.extra == sent.recorded.extra


async def test_number_is_found_by_its_text(archive: Archive, tmp_path: Path) -> None:
    """A server of web pages compares with text of a URL, which SQLite converts for numeric columns alone."""
    await archive.append(batch([listed(BEGIN + half / 2, half) for half in range(5)]))
    for half in range(5):
        event = listed(BEGIN + half / 2, half)
        for column, value in (
            ("recorded_ts", event.recorded_ts),
            ("sequence", half),
            ("collected_ts", event.collected_ts),
        ):
            select = f"SELECT sequence FROM events WHERE {column} = ?"
            assert plainly(tmp_path / "events.db", select, str(value)) == [(half,)]
        after = "SELECT sequence FROM listed_events WHERE (connector_key, recorded_ts, sequence) > (?, ?, ?)"
        rest = plainly(tmp_path / "events.db", after, "1", str(event.recorded_ts), str(half))
        assert rest == [(later,) for later in range(half + 1, 5)]


async def test_an_archive_is_read_as_a_live_stream_is(archive: Archive) -> None:
    these = [listed(BEGIN + number // 3, number % 3) for number in range(20)]
    await archive.append(batch(these))
    stream = in_pages(archive, 4, since=BEGIN, until=BEGIN + 100)
    assert await stream.collect() == [event async for event in stream] == these
    assert [len(page.items) for page in [page async for page in stream.pages()]] == [4, 4, 4, 4, 4]
    assert [detail.metadata async for detail in stream.details()] == these
    assert (stream.since, stream.until) == (BEGIN, BEGIN + 100)
    assert repr(stream) == f"<ArchivedStream of 'c1' since={BEGIN} until={BEGIN + 100}>"
    empty = [page async for page in archive.list_events("c2", since=BEGIN).pages()]
    assert [page.items for page in empty] == [()]


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    times=st.lists(st.integers(0, 8) | st.sampled_from([2.5, 4.5]), max_size=30),
    since=st.integers(BEGIN - 1, BEGIN + 9),
    length=st.integers(0, 9),
    page=st.integers(1, 7),
    kinds=st.sampled_from([KINDS, KINDS[:1], KINDS[1:]]),
)
def test_window_includes_both_bounds(
    opened: Opened, times: list[float], since: int, length: int, page: int, kinds: tuple[str, ...]
) -> None:
    """A window has what was recorded within its bounds and on them."""
    these = [listed(BEGIN + time, number, KINDS[number % 3]) for number, time in enumerate(times)]
    until, (runner, archive) = since + length, opened

    async def main() -> list[EventMetadata]:
        await emptied(archive)
        await archive.append(batch(these))
        kind = None if kinds == KINDS else kinds
        return await in_pages(archive, page, since=since, until=until, kind=kind).collect()

    stored = runner.run(main())
    expected = [event for event in these if since <= event.recorded_ts <= until and event.kind in kinds]
    assert stored == sorted(expected, key=lambda event: (event.recorded_ts, event.sequence))


async def test_missing_payload_is_filled_in(archive: Archive) -> None:
    """An event is stored once and a payload that it lacked is filled in."""
    first, second = listed(BEGIN), listed(BEGIN + 1)
    assert await archive.append(batch([first, second])) == 2
    with pytest.raises(ArchiveError, match=r"1700000000.0 of c1 without its payload: sync with details=True"):
        await archive.get_event("c1", first)
    assert await archive.append(batch([with_payload(first)])) == 0
    assert (await archive.get_event("c1", first)).event == events.StartUpgrade("https://u")
    await archive.append(batch([with_payload(first, "https://other")]))
    assert (await archive.get_event("c1", "1700000000.0")).event == events.StartUpgrade("https://u")
    assert [detail.recorded is None async for detail in archive.list_events("c1", since=BEGIN).details()] == [
        False,
        True,
    ]
    with pytest.raises(ArchiveError, match=r"has no event 1700000005\.0 of c1"):
        await archive.get_event("c1", EventId(BEGIN + 5, 0))


async def test_payload_belongs_to_the_event_it_was_requested_for(archive: Archive) -> None:
    """A payload that names another event, as the API may, is stored with the event that was listed."""
    events = [with_payload(listed(BEGIN + number), f"https://u/{number}") for number in range(3)]
    shifted = [
        evolve(detail, recorded=evolve(detail.recorded, recorded_ts=BEGIN + 1)) for detail in events if detail.recorded
    ]
    await archive.append(batch(shifted))
    stored = [detail.recorded async for detail in archive.list_events("c1", since=0, until=9e10).details()]
    assert [recorded and recorded.event for recorded in stored] == [
        detail.recorded and detail.recorded.event for detail in events
    ]


async def test_details_of_other_kinds_come_without_their_payloads(archive: Archive) -> None:
    await archive.append(batch([with_payload(listed(BEGIN)), with_payload(listed(BEGIN + 1, kind="New"))]))
    stream = archive.list_events("c1", since=BEGIN)
    assert [detail.recorded is not None async for detail in stream.details(kinds="New")] == [False, True]
    with pytest.raises(ValueError, match="concurrency=0"):
        stream.details(concurrency=0)


async def test_the_latest_events_are_those_with_a_payload_newest_first(archive: Archive) -> None:
    await archive.append(batch([with_payload(listed(BEGIN + number)) for number in range(12)]))
    await archive.append(batch([listed(BEGIN + 99)]))
    assert [event.recorded_ts - BEGIN for event in await archive.latest_events("c1")] == list(range(11, 1, -1))
    assert [event.recorded_ts - BEGIN for event in await archive.latest_events("c1", limit=2)] == [11, 10]
    assert await archive.latest_events("c2") == []


async def test_the_connectors_are_those_with_events(archive: Archive) -> None:
    assert await archive.list_connectors() == []
    await archive.append(batch([listed(BEGIN)], "c2"))
    await archive.append(batch([listed(BEGIN)], "c1"))
    assert await archive.list_connectors() == ["c1", "c2"]


async def test_several_accounts_need_account_id(tmp_path: Path) -> None:
    """With several accounts the one that is meant has to be given."""
    async with Archive(tmp_path / "events.db") as archive:
        await archive.append(batch([listed(BEGIN)], account_id="a1"))
        await archive.append(batch([listed(BEGIN), listed(BEGIN + 1)], account_id="a2"))
        for call in (archive.list_events("c1", since=1).collect(), archive.list_connectors()):
            with pytest.raises(ArchiveError, match="several accounts: give one as account_id=, of a1, a2"):
                await call
    async with Archive(tmp_path / "events.db", account_id="a2") as archive:
        assert len(await archive.list_events("c1", since=1).collect()) == 2
        with pytest.raises(ArchiveError, match="opened for the account a2, not for a1"):
            await archive.append(batch([listed(BEGIN)], account_id="a1"))
        assert await archive.prune(before=BEGIN + 1) == 1
    assert plainly(tmp_path / "events.db", "SELECT account_id FROM events") == [("a1",), ("a2",)]


async def test_pruning_removes_what_is_earlier_and_the_file_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Archive(path) as archive:
        for connector, count in (("c1", 12_000), ("c2", 500)):
            await archive.append(batch([with_payload(listed(BEGIN + n), "u" * 90) for n in range(count)], connector))
        await archive.prune(before=BEGIN)
        before = path.stat().st_size
        assert await archive.prune(before=BEGIN + 11_900) == 12_400, "more than are removed in one transaction"
        assert path.stat().st_size < before / 5
        assert await archive.prune(before=BEGIN + 11_900) == 0
        stored = await archive.list_events("c1", since=BEGIN).collect()
        assert [event.recorded_ts - BEGIN for event in stored] == list(range(11_900, 12_000))


async def test_file_has_its_mark_and_field_names(tmp_path: Path) -> None:
    """The file tells what it is and its columns are named as the fields are."""
    async with Archive(tmp_path / "events.db") as archive:
        await archive.append(batch([with_payload(listed(BEGIN))]))
        columns = "connector_id, kind, recorded_ts, sequence, collected_ts, version, json_extract(event, '$.url')"
        expected = [("c1", "Init", BEGIN, 0, BEGIN + 3, "1.2", "https://u")]
        assert plainly(tmp_path / "events.db", f"SELECT {columns} FROM events") == expected, (
            "it is read while it is open for writing"
        )
    assert plainly(tmp_path / "events.db", "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert plainly(tmp_path / "events.db", "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert plainly(tmp_path / "events.db", "PRAGMA journal_mode") == [("wal",)]


async def test_listing_goes_on_while_archive_is_written(tmp_path: Path) -> None:
    """A listing goes on while it is written and holds nothing open."""
    async with Archive(tmp_path / "events.db") as archive:
        await archive.append(batch([listed(BEGIN + number) for number in range(6)]))
        seen = []
        async for event in in_pages(archive, 2, since=BEGIN, until=BEGIN + 50):
            seen.append(event.recorded_ts - BEGIN)
            if len(seen) == 3:
                await archive.append(batch([listed(BEGIN + 40)]))
                await archive.prune(before=BEGIN + 3)
                blocked = plainly(tmp_path / "events.db", "PRAGMA wal_checkpoint(TRUNCATE)")
                assert blocked[0][0] == 0
        assert seen == [0, 1, 2, 3, 4, 5, 40]


async def opened_with(path: Path, *statements: str) -> None:
    """Open an archive as a later version would, whose next step has these statements."""
    database = Database(path, 1, writes=True, migrations=(*MIGRATIONS, statements))
    try:
        await database.open()
    finally:
        await database.close()


async def test_older_archive_is_migrated_and_newer_refused(tmp_path: Path) -> None:
    """An older archive is brought up to date and a newer one is refused."""
    path = tmp_path / "events.db"
    async with Archive(path) as archive:
        await archive.append(batch([listed(BEGIN)]))
    for _ in range(2):
        await opened_with(path, "ALTER TABLE listed_events ADD COLUMN seen", "CREATE TABLE more (x)")
    newest = len(MIGRATIONS)
    assert plainly(path, "PRAGMA user_version") == [(newest + 1,)]
    assert plainly(path, "SELECT recorded_ts, seen FROM listed_events") == [(BEGIN, None)]
    with pytest.raises(ArchiveError, match=f"version {newest + 1}, and this version of cfevents knows {newest}"):
        await Archive(path).open()


def office(connector_id: str, notes: str | None, serial_number: str | None = None) -> Connector:
    return Connector(connector_id, notes=notes, device=Device(serial_number=serial_number) if serial_number else None)


async def test_names_of_connectors_are_those_of_the_last_listing(archive: Archive) -> None:
    """Connectors without events are not there, new names replace old ones, and what is not listed any more stays."""
    with pytest.raises(ArchiveError, match="no account yet"):
        await archive.store_connectors([office("c1", "Berlin")])
    for name in ("c1", "c2", "c3"):
        await archive.append(batch([listed(BEGIN)], name))
    await archive.store_connectors([office("c1", "Berlin", "S1"), office("c2", "Rome\ud800"), office("other", "Oslo")])
    await archive.store_connectors(iter([office("c1", "Bonn")]))
    known = [office("c1", "Bonn"), office("c2", "Rome\ud800"), office("c3", None)]
    assert await archive.named_connectors() == known


async def test_a_step_up_that_fails_leaves_the_archive_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Archive(path) as archive:
        await archive.append(batch([listed(BEGIN)]))
    with pytest.raises(ArchiveError, match="already exists"):
        await opened_with(path, "ALTER TABLE listed_events ADD COLUMN seen", "CREATE TABLE listed_events (x)")
    async with Archive(path) as archive:
        assert len(await archive.list_events("c1", since=BEGIN).collect()) == 1


async def test_many_that_open_a_new_archive_at_once_all_can_write_it(tmp_path: Path) -> None:
    async def one(number: int) -> int:
        async with Archive(tmp_path / "events.db") as archive:
            return await archive.append(batch([listed(BEGIN), listed(BEGIN + 1 + number)]))

    counts = await asyncio.gather(*(one(number) for number in range(8)))
    assert sorted(counts) == [1] * 7 + [2]
    assert plainly(tmp_path / "events.db", "SELECT count(*) FROM events") == [(9,)]


async def test_what_is_not_open_says_so_and_can_be_opened_again(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "events.db")
    assert repr(archive) == f"<Archive {str(tmp_path / 'events.db')!r}, not open>"
    for call in (archive.append(batch([listed(BEGIN)])), archive.list_events("c", since=1).collect()):
        with pytest.raises(ArchiveError, match="is not open; write 'async with Archive"):
            await call
    assert await archive.open() is await archive.open() is archive
    assert await archive.append(batch([listed(BEGIN)])) == 1
    await archive.close()
    await archive.close()
    async with archive:
        assert await archive.append(batch([listed(BEGIN)])) == 0
    database = Database(tmp_path / "events.db", 1, writes=True)
    await database.close()
    with pytest.raises(ArchiveError, match="is not open"):
        await database.open()


async def test_a_name_that_sqlite_takes_for_memory_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Archive(":memory:") as archive:
        await archive.append(batch([listed(BEGIN)]))
    assert (tmp_path / ":memory:").stat().st_size > 0


async def test_a_call_that_is_cancelled_is_done_whole_or_not_at_all(archive: Archive) -> None:
    done = 0
    for number in range(30):
        call = asyncio.create_task(archive.append(batch([listed(BEGIN + number), listed(BEGIN + number, 1)])))
        await asyncio.sleep(number / 10_000)
        call.cancel()
        await asyncio.wait([call])
        done += not call.cancelled()
    stored = await archive.list_events("c1", since=BEGIN).collect()
    seconds = [event.recorded_ts for event in stored]
    assert len(seconds) == 2 * len(set(seconds))
    assert len(seconds) >= 2 * done
    assert await archive.append(batch([listed(BEGIN + 500)])) == 1
    assert client_tasks() == set()

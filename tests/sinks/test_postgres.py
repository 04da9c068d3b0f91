"""The sink of PostgreSQL, on a real one: each event once, with its checkpoint, as the tables need it."""

import asyncio
import json
import os
import re
import signal
import socket
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, details, listed, texts, with_payload
from support.postgres import POOLER, Cluster
from support.scripted import ACCOUNT

from cfevents import EventDetail, EventMetadata, RecordedEvent, SinkError, events, structure, unstructure
from cfevents._model.results import FollowedEvent
from cfevents.sinks import KeepingSink, connect
from cfevents.sinks.postgres import _EVENT_COLUMNS
from cfevents.sinks.postgres_rows import copy_text

_PROCESS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'cfevents'"
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cfevents'"
COLUMNS = (
    "account_id, connector_id, id, kind, recorded_at::text, collected_at::text, recorded_ts::text, sequence, "
    "collected_ts::text, late, version, event::text, extra::text"
)


@pytest.fixture
async def db(postgres: Cluster) -> AsyncIterator[Cluster]:
    """The server, without the tables of other tests, and with UTC."""
    yield postgres
    for (name,) in await postgres.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        await postgres.fetch(f'DROP TABLE "{name}" CASCADE')


async def rows(db: Cluster, table: str = "events") -> list[tuple[Any, ...]]:
    order = f'ORDER BY connector_id, "{table}".recorded_ts, sequence'
    return [tuple(row) for row in await db.fetch(f'SELECT {COLUMNS} FROM "{table}" {order}')]


async def kept(db: Cluster) -> list[str]:
    return [row[0] for row in await db.fetch("SELECT checkpoint FROM events_checkpoints")]


async def test_events_and_checkpoint_are_rows(db: Cluster) -> None:
    """The columns are those of a line; with a payload it is there too."""
    stored = batch([with_payload(listed(BEGIN, 2)), EventDetail(listed(BEGIN + 0.5), None)])
    async with connect(db.url("events", timezone="UTC")) as sink:
        assert isinstance(sink, KeepingSink)
        assert await sink.resume(evolve(stored.checkpoint, connectors={})) is None
        await sink.write(stored)
        assert await sink.resume(stored.checkpoint) == stored.checkpoint.to_json()
        assert repr(sink) == "<PostgreSQL table='events'>"
    first, second = await rows(db)
    at = "2023-11-14 22:13:20+00", "2023-11-14 22:13:23+00"
    payload = {"k": "StartUpgrade", "url": "https://u"}
    assert first[:-2] == (ACCOUNT, "c1", f"{BEGIN}.2", "Init", *at, str(BEGIN), 2, str(BEGIN + 3), False, "1.2")
    assert (json.loads(first[-2]), first[-1]) == (payload, None)
    assert second[4:9] == ("2023-11-14 22:13:20.5+00", "2023-11-14 22:13:23.5+00", f"{BEGIN}.5", 0, f"{BEGIN + 3}.5")
    assert second[9:] == (False, None, None, None)
    assert await kept(db) == [stored.checkpoint.to_json()]


async def test_what_is_there_is_not_stored_again(db: Cluster) -> None:
    """A batch whose answer was lost, or that another run stored, brings only what is missing."""
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(BEGIN + 1), listed(BEGIN + 3)]))
        for _ in range(2):
            await sink.write(batch([listed(BEGIN + 1), listed(BEGIN + 2), listed(BEGIN + 3)]))
    assert [row[2] for row in await rows(db)] == [f"{BEGIN + n}.0" for n in (1, 2, 3)]


async def test_events_and_checkpoint_come_together_or_not(db: Cluster) -> None:
    """A checkpoint that cannot be stored takes the events back."""
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(BEGIN)]))
        await db.fetch("ALTER TABLE events_checkpoints ADD CHECK (false) NOT VALID")
        with pytest.raises(SinkError, match="violates check constraint") as caught:
            await sink.write(batch([listed(BEGIN + 1)]))
        assert not caught.value.is_temporary
    assert len(await rows(db)) == 1


async def test_numbers_and_dates_out_of_range_are_kept(db: Cluster) -> None:
    """A date outside the table's years is null, and its number is kept; so are 64 bits, and fractions."""
    times = [-(2**63), -1, 0, 0.1, 253402300799, 253402300800, 2**63 - 1, 1e300]
    async with connect(db.url("events", timezone="UTC")) as sink:
        await sink.write(batch([EventMetadata("Init", time, 2**63 - 1, -time) for time in times]))
    stored = {Decimal(row[6]): row[4] for row in await rows(db)}
    assert [*stored] == [Decimal(repr(time)) for time in times]
    dates = [date[:4] if date else None for date in stored.values()]
    assert dates == [None, "1969", "1970", "1970", "9999", None, None, None]
    assert {row[7] for row in await rows(db)} == {2**63 - 1}


async def test_time_with_a_fraction_is_the_key_that_its_text_is(db: Cluster) -> None:
    """A float is other keys, by the driver that sends it: what else fills or reads the table uses the text."""
    times = [BEGIN + 0.123456, BEGIN + 0.1, 0.1, BEGIN + 0.5]
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(time) for time in times]))
    for time in times:
        assert len(await db.fetch("SELECT FROM events WHERE recorded_ts = $1", Decimal(str(time)))) == 1


async def test_text_that_cannot_be_stored_stands_as_its_escape(db: Cluster) -> None:
    """NUL and half of a surrogate pair lose no event; a pair, a backslash and line ends are themselves."""
    hostile = "a\0b\ud800c\U0001f600\\u0000\t\n\r\\."
    shown = "a\\u0000b\\ud800c\U0001f600\\u0000\t\n\r\\."
    recorded = structure(
        {"e": {"k": hostile, "x": [{hostile: hostile}]}, "t": BEGIN, "n": 0, "v": hostile}, RecordedEvent
    )
    detail = EventDetail(structure({"k": hostile, "t": BEGIN, "n": 0, "a": 1, "y": hostile}, EventMetadata), recorded)
    async with connect(db.url("events")) as sink:
        await sink.write(batch([detail], connector_id="c\\N\t1"))
    ((_, connector, _, kind, *_, version, event, extra),) = await rows(db)
    assert (connector, kind, version) == ("c\\N\t1", shown, shown)
    assert (json.loads(event), json.loads(extra)) == ({"k": shown, "x": [{shown: shown}]}, {"y": shown})


def stored_text(text: str | None) -> str | None:
    return None if text is None else re.sub("[\0\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def stored_json(value: Any) -> Any:
    """Return what a column of JSON holds, its numbers with all their digits."""
    if isinstance(value, dict):
        return {stored_text(key): stored_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [stored_json(item) for item in value]
    if isinstance(value, str):
        return stored_text(value)
    return value if value is None or isinstance(value, bool) else Decimal(repr(value))


def stored_date(seconds: float) -> datetime | None:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def stored_row(connector_id: str, detail: EventDetail, late: bool) -> tuple[Any, ...]:
    """Return the values of an event's row, by the column."""
    event, recorded = detail.metadata, detail.recorded
    time, number, collected = event.recorded_ts, event.sequence, event.collected_ts
    extra = event.extra | (recorded.extra if recorded else {})
    return (
        *(ACCOUNT, stored_text(connector_id), f"{time}.{number}", stored_text(event.kind)),
        *(stored_date(time), stored_date(collected)),
        *(Decimal(repr(time)), number, Decimal(repr(collected)), late),
        stored_text(recorded.version) if recorded else None,
        stored_json(unstructure(recorded.event)) if recorded else None,
        stored_json(extra) if extra else None,
    )


def read_json(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)


@given(
    connector_id=texts, late=st.booleans(), some=st.lists(details(), max_size=4, unique_by=lambda one: one.metadata.id)
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_any_event_is_stored(db: Cluster, connector_id: str, late: bool, some: list[EventDetail]) -> None:
    """Whatever the API may send becomes a row with just its values, whether it is copied or merged."""
    items = tuple(FollowedEvent[Any](connector_id, detail, late) for detail in some)
    expected = sorted((stored_row(connector_id, detail, late) for detail in some), key=itemgetter(6, 7))
    for merges in (False, True):
        async with connect(db.url("events")) as sink:
            sink._merges = merges  # type: ignore[attr-defined]
            await sink.write(evolve(batch(some), items=items))
        stored = await db.fetch(f"SELECT {', '.join(_EVENT_COLUMNS)} FROM events ORDER BY recorded_ts, sequence")
        rows = [(*row[:-2], read_json(row[-2]), read_json(row[-1])) for row in stored]
        assert rows == expected
        await db.fetch("TRUNCATE events")


@given(st.integers(-62_135_596_800, 253_402_300_799))
async def test_date_of_any_second_is_written(second: int) -> None:
    """Each whole second of the years 1 to 9999 is the text that a datetime has."""
    (line,) = [chunk async for chunk in copy_text("acc", batch([listed(second)]).items)]
    assert datetime.fromisoformat(line.decode().split("\t")[4]) == stored_date(second)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("CREATE TABLE events (id int)", "has other columns: there is no column account_id (text); name another table"),
        ("ALTER TABLE events ALTER recorded_ts TYPE bigint", "recorded_ts is bigint, not numeric"),
        ("ALTER TABLE events DROP CONSTRAINT events_pkey", "has no unique key (account_id, connector_id, recorded_ts"),
        (
            "ALTER TABLE events_checkpoints DROP following",
            "events_checkpoints has other columns: there is no column following (text)",
        ),
        ("CREATE ROLE other LOGIN", "permission denied"),
    ],
)
async def test_table_that_does_not_fit_is_refused_when_opened(db: Cluster, sql: str, says: str) -> None:
    if not sql.startswith("CREATE TABLE"):
        async with connect(db.url("events")):
            pass
    await db.fetch(sql)
    url = db.url("events").replace("postgres@", "other@") if "ROLE" in sql else db.url("events")
    with pytest.raises(SinkError) as caught:
        await connect(url).__aenter__()
    assert says in str(caught.value)
    assert not caught.value.is_temporary


async def test_table_may_have_more_columns_and_another_schema(db: Cluster) -> None:
    """Both tables are there before, made by someone else; ours may do no more than use them."""
    await db.fetch('CREATE SCHEMA "Tele metry"')
    async with connect(db.url('Tele metry.Ev"ents')) as sink:
        await sink.write(batch([listed(BEGIN)]))
    await db.fetch("""ALTER TABLE "Tele metry"."Ev""ents" ADD stored_at timestamptz DEFAULT now()""")
    await db.fetch("""ALTER TABLE "Tele metry"."Ev""ents_checkpoints" DROP stored_at""")
    await db.fetch("""ALTER TABLE "Tele metry"."Ev""ents_checkpoints" ADD note text, ADD stored_at timestamptz""")
    await db.fetch("CREATE ROLE writer LOGIN")
    await db.fetch('GRANT USAGE ON SCHEMA "Tele metry" TO writer')
    await db.fetch('GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA "Tele metry" TO writer')
    async with connect(db.url('Tele metry.Ev"ents').replace("postgres@", "writer@")) as sink:
        await sink.write(batch([listed(BEGIN), listed(BEGIN + 1)]))
    (row,) = await db.fetch("""SELECT count(stored_at) FROM "Tele metry"."Ev""ents" """)
    assert row[0] == 2
    await db.fetch('DROP SCHEMA "Tele metry" CASCADE')


async def test_tables_of_the_page_fit(db: Cluster) -> None:
    """The statements on the page make tables that the sink accepts."""
    page = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")
    (statements,) = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for statement in filter(str.strip, statements.split(";")):
        await db.fetch(statement)
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(BEGIN)]))
    assert len(await rows(db)) == 1


async def test_each_following_has_its_checkpoint(db: Cluster) -> None:
    """Other connectors, or another account, go into the same table without a mistake."""
    first, second = batch([listed(BEGIN)]), batch([listed(BEGIN)], connector_id="c2", account_id="b" * 32)
    async with connect(db.url("events")) as sink:
        assert isinstance(sink, KeepingSink)
        await sink.write(first)
        assert await sink.resume(second.checkpoint) is None
        await sink.write(second)
        assert await sink.resume(first.checkpoint) == first.checkpoint.to_json()
    assert len(await kept(db)) == len(await rows(db)) == 2


async def test_two_that_begin_at_once_make_the_tables_once(db: Cluster) -> None:
    async def one(number: int) -> None:
        async with connect(db.url("events")) as sink:
            await sink.write(batch([listed(BEGIN), listed(BEGIN + number)]))

    await asyncio.gather(*map(one, range(1, 6)))
    assert len(await rows(db)) == 6


async def test_pooler_may_change_connections(db: Cluster) -> None:
    """Each transaction may run on another connection of the pool, as with pgbouncer's pool_mode=transaction."""
    if not POOLER:
        pytest.skip("'nox -s sinks' runs it, with pgbouncer")

    async def one(url: str, number: int) -> None:
        async with connect(url) as sink:
            assert isinstance(sink, KeepingSink)
            for begin in range(0, 100, 10):
                events = batch([listed(BEGIN + begin + place) for place in range(15)], connector_id=f"c{number}")
                await sink.resume(events.checkpoint)
                await sink.write(events)

    with db.pooler() as url:
        await asyncio.gather(*[one(url, number) for number in range(6)])
    assert len(await rows(db)) == 6 * 105


async def test_reason_of_a_lost_connection_is_named(db: Cluster) -> None:
    """An end of the connection within a transaction is not hidden by the transaction that cannot be ended."""
    async with connect(db.url("events", idle_in_transaction_session_timeout="1")) as sink:
        with pytest.raises(SinkError, match=r"idle-in-transaction timeout|connection was closed") as caught:
            await sink.write(batch([listed(BEGIN + number) for number in range(5000)]))
    assert caught.value.is_temporary


@pytest.mark.parametrize(
    ("fault", "says"),
    [("ends", "connection was closed|terminating connection"), ("stays", "did not answer within 0.5 s")],
)
async def test_server_that_takes_no_rows_is_given_up(db: Cluster, fault: str, says: str) -> None:
    """A server that reads nothing more, and ends or stays like that, is given up, whatever is on its way."""
    large = batch([listed(BEGIN + number) for number in range(10_000)])
    async with connect(db.url("events"), timeout=60 if fault == "ends" else 0.5) as sink:
        await sink.write(batch([listed(BEGIN)]))
        async with db.locked("events"):
            writing = asyncio.create_task(sink.write(large))
            await asyncio.sleep(0.2)
            if fault == "ends":
                await db.fetch(_CUT)
            with pytest.raises(SinkError, match=says) as caught:
                async with asyncio.timeout(10):
                    await writing
        assert caught.value.is_temporary
        await sink.write(large)
    assert len(await rows(db)) == 10_000


@pytest.mark.parametrize("count", [10, 10_000])
async def test_cancellation_waits_for_no_server_that_is_silent(db: Cluster, count: int) -> None:
    """Whatever is on its way to a server that answers nothing more, a cancellation ends it at once, and stays one."""
    some = batch([listed(BEGIN + number) for number in range(1, 1 + count)])
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(BEGIN)]))
        ((process,),) = await db.fetch(_PROCESS)
        async with db.locked("events"):
            writing = asyncio.create_task(sink.write(some))
            await asyncio.sleep(0.2)
            os.kill(process, signal.SIGSTOP)
            try:
                writing.cancel()
                await asyncio.wait([writing], timeout=5)
            finally:
                os.kill(process, signal.SIGCONT)
        assert writing.cancelled()
        await sink.write(some)
    assert len(await rows(db)) == 1 + count


async def test_search_path_names_the_schema(db: Cluster) -> None:
    """A table without a schema is where PostgreSQL looks for it, and where it makes one."""
    await db.fetch("CREATE SCHEMA other")
    async with connect(db.url("events", search_path="other,public")) as sink:
        await sink.write(batch([listed(BEGIN)]))
    assert [row[0] for row in await db.fetch("SELECT count(*) FROM other.events")] == [1]
    await db.fetch("DROP SCHEMA other CASCADE")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"default_transaction_read_only": "on"}, "in a read-only transaction"),
        ({"statement_timeout": "1"}, "canceling statement due to statement timeout"),
    ],
)
async def test_server_that_may_change_is_tried_again(db: Cluster, settings: dict[str, str], says: str) -> None:
    """A read-only server, as after a failover, and a statement that takes too long, may pass."""
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(BEGIN)]))
    async with connect(db.url("events", **settings)) as sink:
        with pytest.raises(SinkError, match=says) as caught:
            await sink.write(batch([listed(BEGIN + number) for number in range(10_000)]))
    assert caught.value.is_temporary


async def test_database_that_crashes_is_reached_again(db: Cluster) -> None:
    """What is lost with the connection may pass; the same batch is written when it is back."""
    async with connect(db.url("events")) as sink:
        await sink.write(batch([listed(BEGIN)]))
        db.crash()
        with pytest.raises(SinkError, match=r"^PostgreSQL( at .+)?: |^PostgreSQL at .+ cannot be reached: ") as caught:
            await sink.write(batch([listed(BEGIN + 1)]))
        assert caught.value.is_temporary
        db.start()
        await sink.write(batch([listed(BEGIN + 1)]))
        await sink.write(batch([listed(BEGIN + number) for number in range(3)]))
        assert getattr(sink, "stored") == 3  # noqa: B009 - of this sink alone
    assert len(await rows(db)) == 3


async def test_cancelled_batch_is_not_there_and_comes_again(db: Cluster) -> None:
    """A cancellation in the middle of a batch takes all of it back."""
    large = batch([listed(BEGIN + number) for number in range(10_000)])
    async with connect(db.url("events")) as sink:
        for delay in (0.0, 0.01, 0.05):
            task = asyncio.create_task(sink.write(large))
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert len(await rows(db)) == 0
        await sink.write(large)
    assert len(await rows(db)) == 10_000


async def test_database_that_is_down_is_waited_for(db: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    db.crash()
    async with connect(db.url("events")) as sink:
        assert "it is tried again with the first events" in caplog.text
        db.start()
        await sink.write(batch([listed(BEGIN)]))


async def test_host_that_is_down_is_named(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("asyncpg")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
        async with connect(f"postgresql://writer@{address}/t?table=e"):
            assert f"PostgreSQL at {address} cannot be reached: Connection refused; it is tried" in caplog.text


async def test_refused_credentials_end_it_at_once(db: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password comes from the arguments or PGPASSWORD, and shows nowhere."""
    db.crash()
    db.start(listens="127.0.0.1")
    await db.fetch("CREATE ROLE reader LOGIN PASSWORD 'arg-token-33bb'")
    await db.fetch("GRANT ALL ON SCHEMA public TO reader")
    url = "postgresql://reader@127.0.0.1/postgres?table=events"
    for password in ("header-secret-55dd", None):
        with pytest.raises(SinkError, match="the credentials are refused: check PGPASSWORD") as caught:
            await connect(url, token=password).__aenter__()
        assert not caught.value.is_temporary
    with pytest.raises(SinkError, match=r"rejected SSL upgrade: insecure=True goes without TLS"):
        await connect(f"{url}&sslmode=require", token="arg-token-33bb").__aenter__()
    with pytest.raises(SinkError, match='database "nothing" does not exist'):
        await connect(url.replace("/postgres?", "/nothing?"), token="arg-token-33bb").__aenter__()
    monkeypatch.setenv("PGPASSWORD", "arg-token-33bb")
    async with connect(url) as sink:
        await sink.write(batch([listed(BEGIN)]))
    await db.fetch("DROP OWNED BY reader")
    await db.fetch("DROP ROLE reader")
    db.crash()
    db.start()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://db.example/telemetry", "names no table"),
        ("postgresql://db.example/telemetry?table=e&table=f", "has a parameter twice: leave one out"),
        ("postgresql://db.example/telemetry?table=e&sslmode=require&sslmode=disable", "has a parameter twice"),
        ("postgresql://[db.example/telemetry?table=e", "is no URL: write postgresql://HOST:PORT/DATABASE"),
        ("postgresql://db.example:tls/telemetry?table=e", "has a port that is no number below 65536"),
        ("postgresql://[::1]:5432,db.example:65536/telemetry?table=e", "has a port that is no number"),
        (f"postgresql://db.example/t?table=s.{'x' * 52}", "names a table of more than 51 bytes"),
        ("postgresql://user:header-secret-55dd@db.example/t?table=e", "holds a password: .* PGPASSWORD"),
        ("postgres://user%3Aheader-secret-55dd@db.example/t?table=e", "holds a password"),
        ("postgresql://db.example/t?table=e&password=header-secret-55dd", "holds a password"),
        ("postgresql://db.example/t?table=e&sslmode=prefer", "has sslmode=prefer, which may go without TLS"),
        ("postgresql:///t?host=db.example&table=e&sslmode=disable", "may go without TLS"),
    ],
)
def test_address_without_table_or_with_secrets_is_refused(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        connect(url)
    shown = traceback.TracebackException(type(caught.value), caught.value, caught.tb.tb_next, capture_locals=True)
    assert "header-secret" not in "".join(shown.format())


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://db.example/t?table=e", "require"),
        ("postgresql://[::1]:5432,db.example:5433/t?table=e", "require"),
        ("postgresql://db.example/t?table=e&sslmode=verify-full", "verify-full"),
        ("postgresql:///t?table=e", None),
        ("postgresql://db.example:/t?table=e", "require"),
        ("postgresql://[::1]:5432,127.0.0.1/t?table=e", None),
        ("postgresql:///t?host=/run/postgresql&table=e", None),
    ],
)
def test_other_machines_are_reached_by_tls(url: str, mode: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    sink: Any = connect(url)
    dsn = sink._connect["dsn"]
    assert ("sslmode=" in dsn, f"sslmode={mode}" in dsn) == (mode is not None, mode is not None)
    assert "table" not in dsn
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGSSLMODE", "disable")
    with pytest.raises(ValueError, match="has sslmode=disable"):
        connect("postgresql:///t?table=e")
    assert connect("postgresql:///t?table=e", insecure=True)


async def test_rows_are_what_copy_reads() -> None:
    """A backslash, a tab and a line end are escaped; nothing is a null that is none."""
    event = EventDetail(listed(BEGIN, kind="\\N\t\n"), RecordedEvent(events.StartUpgrade("a\\"), BEGIN, 0, None))
    (line,) = [chunk async for chunk in copy_text("acc", batch([event]).items)]
    columns = line.decode().split("\t")
    assert columns[3] == r"\\N\t\n"
    assert columns[10:] == [r"\N", r'{"k": "StartUpgrade", "url": "a\\\\"}', "\\N\n"]

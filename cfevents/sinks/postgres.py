"""PostgreSQL: events and checkpoint in one transaction, so that each event is there once, whatever is killed."""

import asyncio
import hashlib
import json
import os
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from attrs import frozen

from cfevents._extras import require_extra
from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._protocol.requests import is_loopback
from cfevents._secrets import Secret, hide_in, remember
from cfevents.errors import SinkError
from cfevents.sinks.postgres_rows import copy_text
from cfevents.sinks.reasons import connection_fault
from cfevents.sinks.sink import outages_logged
from cfevents.sinks.urls import SinkAddress

_KEY = "account_id, connector_id, recorded_ts, sequence"
_EVENT_COLUMNS = {
    **dict.fromkeys(("account_id", "connector_id", "id", "kind"), "text"),
    **dict.fromkeys(("recorded_at", "collected_at"), "timestamp with time zone"),
    "recorded_ts": "numeric",
    "sequence": "bigint",
    "collected_ts": "numeric",
    "late": "boolean",
    "version": "text",
    **dict.fromkeys(("event", "extra"), "jsonb"),
}
_CHECKPOINT_COLUMNS = {
    **dict.fromkeys(("account_id", "following", "checkpoint"), "text"),
    "stored_at": "timestamp with time zone",
}
_FIND_COLUMNS = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('cfevents.sinks'))"
_NEW_ROWS = "cfevents_new_rows"  # a temporary table
# Classes of SQLSTATE: connection, transaction rollback, resources, object in use, operator's intervention, system; and
# a server that is read-only, as after a failover.
_TRANSIENT_STATES = ("08", "40", "53", "55", "57", "58", "25006")
_MAX_TABLE_BYTES = 63 - len("_checkpoints")
_REASON_S = 0.5  # after the end of a connection, in which asyncpg says why
_TLS_MODES = {"require", "verify-ca", "verify-full"}


@frozen
class _SinkTable:
    """A table as the sink needs it."""

    name: str
    columns: Mapping[str, str]
    key: str

    @property
    def quoted(self) -> str:
        """The name as SQL takes it; a point separates the schema."""
        return ".".join('"{}"'.format(part.replace('"', '""')) for part in self.name.split(".", 1))

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        return f"CREATE TABLE {self.quoted} ({columns}, PRIMARY KEY ({self.key}))"

    def fault(self, present: Mapping[str, str]) -> str | None:
        """Return the first column that is not as it must be."""
        wrong = [name for name, kind in self.columns.items() if present.get(name) != kind]
        if not wrong:
            return None
        name, kind = wrong[0], self.columns[wrong[0]]
        fault = f"{name} is {present[name]}, not {kind}" if name in present else f"there is no column {name} ({kind})"
        return f"the table {self.name} has other columns: {fault}"


class PostgreSQL:
    """A table of events, and a table of checkpoints beside it. Made by `connect`."""

    def __init__(self, dsn: str, hosts: str, table: str, password: Secret | None, timeout_s: float) -> None:
        """Set what is connected to; nothing is opened. The hosts are what messages name."""
        require_extra("postgres", "asyncpg")
        import asyncpg  # noqa: PLC0415 - an extra

        self._asyncpg: Any = asyncpg
        self._name = f"PostgreSQL at {hosts}" if hosts else "PostgreSQL"
        foreign = asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError
        self._foreign_errors: tuple[type[Exception], ...] = foreign
        # It takes no subclass of str; its own errors lose their frames, whose variables would show the password.
        secret = None if password is None else lambda: str(password)
        self._timeout_s = timeout_s
        self._connect = {"dsn": dsn, "password": secret, "timeout": timeout_s, "command_timeout": timeout_s}
        self._events = _SinkTable(table, _EVENT_COLUMNS, _KEY)
        self._checkpoints = _SinkTable(f"{table}_checkpoints", _CHECKPOINT_COLUMNS, "account_id, following")
        self._connection: Any = None
        self.stored = 0
        """The events that were not in the table yet."""

        self._merges = False  # once rows were there already
        names, quoted = ", ".join(_EVENT_COLUMNS), self._events.quoted
        self._merge = f"INSERT INTO {quoted} ({names}) SELECT {names} FROM {{}} ON CONFLICT ({_KEY}) DO NOTHING"
        remember(() if password is None else (password,))

    async def resume(self, start: FollowCheckpoint) -> str | None:
        """Return the checkpoint of the same connectors and kinds; None where none was, and ``start`` is stored now."""
        select = f"SELECT checkpoint FROM {self._checkpoints.quoted} WHERE account_id = $1 AND following = $2"
        async with self._session() as connection, self._transaction(connection):
            known: str | None = await connection.fetchval(select, start.account_id, _following(start))
            if known is None:
                await self._keep(connection, start)
            return known

    async def write(self, batch: Batch[Any]) -> None:
        """Store the events of a batch that are not there yet, and its checkpoint, in one transaction."""
        async with self._session() as connection:
            if not self._merges:
                try:
                    await self._store_batch(connection, batch)
                    return
                except self._asyncpg.UniqueViolationError:
                    self._merges = True  # of another run
            await self._store_batch(connection, batch)

    async def _store_batch(self, connection: Any, batch: Batch[Any]) -> None:
        """Copy the events into the table; or, at about half of that rate, those that are not there yet."""
        schema, _, name = self._events.name.rpartition(".")
        rows, count = copy_text(batch.checkpoint.account_id, batch.items), len(batch.items)
        async with self._transaction(connection):
            if self._merges:
                await connection.execute(
                    f"CREATE TEMPORARY TABLE IF NOT EXISTS {_NEW_ROWS} ON COMMIT DELETE ROWS AS "
                    f"SELECT {', '.join(_EVENT_COLUMNS)} FROM {self._events.quoted} WITH NO DATA"
                )
                schema, name = "pg_temp", _NEW_ROWS
            target = {"schema_name": schema or None, "columns": [*_EVENT_COLUMNS]}
            async with _ending_with(connection, self._timeout_s):
                await connection.copy_to_table(name, source=rows, **target)
            if self._merges:
                count = int((await connection.execute(self._merge.format(_NEW_ROWS))).split()[-1])  # "INSERT 0 12"
            await self._keep(connection, batch.checkpoint)
        self.stored += count

    async def _keep(self, connection: Any, checkpoint: FollowCheckpoint) -> None:
        await connection.execute(
            f"INSERT INTO {self._checkpoints.quoted} ({', '.join(_CHECKPOINT_COLUMNS)}) VALUES ($1, $2, $3, now()) "
            "ON CONFLICT (account_id, following) DO UPDATE SET (checkpoint, stored_at) = ($3, now())",
            *(checkpoint.account_id, _following(checkpoint), checkpoint.to_json()),
        )

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Any, None]:
        """Yield the connection, made anew after a failure."""
        try:
            if self._connection is None or self._connection.is_closed():
                # A pooler may give each transaction another connection, on which nothing is prepared.
                more = {"server_settings": {"application_name": "cfevents"}, "statement_cache_size": 0}
                self._connection = await self._asyncpg.connect(**self._connect, **more)
                await self._require_tables(self._connection)
            yield self._connection
        except BaseException as error:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.terminate()
            if isinstance(error, self._foreign_errors):
                raise self._translated(error) from None
            raise

    @asynccontextmanager
    async def _transaction(self, connection: Any) -> AsyncGenerator[None, None]:
        """Commit what the block does. Only an error of the server is rolled back: it may not answer any more."""
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield
        except self._asyncpg.PostgresError:
            await transaction.rollback()
            raise
        except BaseException:
            connection.terminate()  # also where it is cancelled: that may be because nothing answers
            raise
        await transaction.commit()

    async def _require_tables(self, connection: Any) -> None:
        async with self._transaction(connection):
            await connection.execute(_LOCK)  # for two that begin at once
            for table in (self._events, self._checkpoints):
                present = dict(await connection.fetch(_FIND_COLUMNS, table.quoted))
                if not present:
                    await connection.execute(table.sql)
                elif fault := table.fault(present):
                    raise SinkError(f"{fault}; name another table, or change this one")
            try:
                # Its planner looks for the key.
                await connection.execute(f"EXPLAIN {self._merge.format(f'{self._events.quoted} WHERE false')}")
            except self._asyncpg.InvalidColumnReferenceError:
                raise SinkError(f"the table {self._events.name} has no unique key ({_KEY}): add it") from None

    def _translated(self, error: Exception) -> SinkError:
        lost = self._asyncpg.InterfaceError, self._asyncpg.InternalClientError
        while isinstance(error, lost) and isinstance(error.__context__, self._foreign_errors):
            error = error.__context__  # a transaction that cannot be closed hides why the connection is lost
        if isinstance(error, TimeoutError) and not error.errno:
            return SinkError(f"{self._name} did not answer within {self._timeout_s:g} s", is_temporary=True)
        state = getattr(hide_in(error), "sqlstate", None) or ""
        reason = connection_fault(error).splitlines()[0]
        if isinstance(error, self._asyncpg.InternalClientError):
            reason = "the connection was closed in the middle of a batch"
        is_network = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        text = f"{self._name}{' cannot be reached' if is_network else ''}: {reason}"
        if state.startswith("28"):
            return SinkError(f"{text}; the credentials are refused: check PGPASSWORD, ~/.pgpass or token=")
        if "rejected SSL" in text:
            return SinkError(f"{text}: insecure=True goes without TLS")
        is_foreign = isinstance(error, ssl.SSLError | ValueError)
        is_temporary = state.startswith(_TRANSIENT_STATES) if state else not is_foreign
        return SinkError(text, is_temporary=is_temporary)

    async def __aenter__(self) -> Self:
        """Connect, and make the tables that are missing."""
        with outages_logged():
            async with self._session():
                pass
        return self

    async def __aexit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()  # nothing is under way, and a close may wait for a server that is gone

    def __repr__(self) -> str:
        return f"<PostgreSQL table={self._events.name!r}>"


@asynccontextmanager
async def _ending_with(connection: Any, timeout_s: float) -> AsyncGenerator[None, None]:
    """End what is awaited when the connection ends, or after so many seconds.

    A copy alone would wait for ever where a server has taken no more for a while, and then ends or does not go on.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s) as limit:

            def end_soon(_: object) -> None:
                with suppress(RuntimeError):  # what is awaited ended in the same moment
                    limit.reschedule(loop.time() + _REASON_S)

            connection.add_termination_listener(end_soon)
            try:
                yield
            finally:
                connection.remove_termination_listener(end_soon)
    except TimeoutError:
        if connection.is_closed():
            raise ConnectionResetError("the connection was closed in the middle of a batch") from None
        raise


def _following(checkpoint: FollowCheckpoint) -> str:
    """Return the key of what is followed: other connectors or kinds have a checkpoint of their own."""
    return hashlib.sha256(json.dumps([checkpoint.connector_ids, checkpoint.kind]).encode()).hexdigest()[:32]


def postgres_sink(address: SinkAddress) -> PostgreSQL:
    """Return the sink at an address; raise ValueError for one that holds a secret, or would leave TLS away."""
    try:
        parts = urlsplit(address.text)
    except ValueError:
        raise ValueError("url is no URL: write postgresql://HOST:PORT/DATABASE?table=NAME") from None
    pairs = parse_qsl(parts.query)
    query = dict(pairs)
    user, _, host = parts.netloc.rpartition("@")
    has_password = ":" in unquote(user) or not query.keys().isdisjoint({"password", "sslpassword"})
    table, mode = query.pop("table", ""), query.get("sslmode") or os.environ.get("PGSSLMODE")
    hosts = host or query.get("host") or os.environ.get("PGHOST", "")
    names = hosts.split(",")
    is_local = all(not name or name.startswith("/") or is_loopback(_without_port(name)) for name in names)
    if not (is_local or address.insecure):
        query.setdefault("sslmode", mode or "require")
    dsn = parts._replace(scheme="postgresql", query=urlencode(query)).geturl()
    needs_tls = not (is_local or address.insecure)
    fault = _address_fault(host, [name for name, _ in pairs], table, mode if needs_tls else None)
    # A traceback shows variables, and they may hold a password.
    del parts, pairs, query, user
    if has_password:
        dsn, fault = "", "holds a password: leave it out, and set PGPASSWORD, write ~/.pgpass or give token="
    if fault:
        raise ValueError(f"url {fault}")
    return PostgreSQL(dsn, hosts, table, address.token, address.timeout_s)


def _address_fault(host: str, names: Sequence[str], table: str, mode: str | None) -> str:
    """Return what is wrong with an address, or with its mode of TLS, which is None where it does not matter."""
    ports = [name.rpartition("]")[2].partition(":")[2] or "5432" for name in host.split(",")]
    has_fault = {
        "has a parameter twice: leave one out": len({*names}) < len(names),
        "has a port that is no number below 65536": not all(port.isdecimal() and int(port) < 65_536 for port in ports),
        "names no table: write postgresql://HOST/DATABASE?table=NAME": not table,
        f"names a table of more than {_MAX_TABLE_BYTES} bytes, the most that PostgreSQL tells apart": (
            len(table.rpartition(".")[2].encode()) > _MAX_TABLE_BYTES
        ),
        f"has sslmode={mode}, which may go without TLS: use require, or give insecure=True": (
            mode is not None and mode not in _TLS_MODES
        ),
    }
    return next((fault for fault, is_so in has_fault.items() if is_so), "")


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]

"""Events as rows of an archive's tables: read, stored, removed. Each function does its work on a connection.

What is stored and removed is in the tables of the newest version. What is read is in ``events``, which is a table in
version 1, and a view with the same columns afterwards.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.checkpoint import EventKey
from cfevents._model.results import EventDetail, FollowedEvent
from cfevents._protocol.converter import structure, unstructure
from cfevents._protocol.fast_path import OWN_TEXT
from cfevents.errors import ArchiveError, CfEventsError
from cfevents.events import Event

Value: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = tuple[Value, ...]

LISTED = ("kind", "recorded_ts", "sequence", "collected_ts", "extra")
"""The columns of an event as it is listed."""

PAYLOAD = ("version", "event", "recorded_extra")
"""The columns of its payload; ``event`` is null where there is none."""

_EVENT = "connector_key = ? AND recorded_ts = ? AND sequence = ?"
_INSERT = (
    "INSERT INTO listed_events (connector_key, recorded_ts, sequence, kind_key, collected_ts, extra) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_FILL_IN = f"UPDATE listed_events SET payload_key = ? WHERE {_EVENT} AND payload_key IS NULL"  # noqa: S608 - no text of others
_INSERT_PAYLOAD = (
    "INSERT INTO payloads (version, event, recorded_extra, payload_key) SELECT ?, ?, ?, ? "  # noqa: S608
    f"WHERE EXISTS (SELECT 1 FROM listed_events WHERE {_EVENT} AND payload_key = ?)"
)
_EARLIEST = "FROM listed_events WHERE connector_key = ? AND recorded_ts < ? ORDER BY recorded_ts, sequence LIMIT ?"
_PRUNE_PAYLOADS = f"DELETE FROM payloads WHERE payload_key IN (SELECT payload_key {_EARLIEST})"  # noqa: S608
_PRUNE = (
    "DELETE FROM listed_events WHERE connector_key = ? "  # noqa: S608
    f"AND (recorded_ts, sequence) IN (SELECT recorded_ts, sequence {_EARLIEST})"
)


def sql_text(text: str) -> str | bytes:
    """Return text as SQLite takes it: as bytes where it has half of a surrogate pair, which JSON allows."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def from_sql(value: Any) -> Any:
    """Return the text that `sql_text` converted, or another value as it is."""
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value


def own_kind(value: Any) -> Any:
    """Return the text of a kind; of one in the catalogue the catalogue's own."""
    if value is None:  # the table of kinds lacks it
        raise ValueError("its kind is unknown")
    name = from_sql(value)
    return OWN_TEXT.get(name, name)


def load_extra(extra: str | None) -> dict[str, Any]:
    """Return undocumented fields."""
    return {} if extra is None else json.loads(extra)


def _dump_extra(extra: dict[str, Any]) -> str | None:
    return _dump(extra) if extra else None


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


class ArchivedWindow(NamedTuple):
    """Events of one connector: in a window of time, after an event, of some kinds, at most so many."""

    connector_id: str
    since: float
    until: float
    kinds: str  # the condition on them, each part after an AND
    kind_values: Row
    limit: int
    after: EventKey | None = None

    @property
    def times(self) -> str:
        """The condition on the time."""
        bound = "recorded_ts >= ?" if self.after is None else "(recorded_ts, sequence) > (?, ?)"
        return f"{bound} AND recorded_ts <= ?"

    @property
    def values(self) -> Row:
        """The values from the connector on."""
        return self.connector_id, *(self.after or (self.since,)), self.until, *self.kind_values, self.limit

    @property
    def rest(self) -> str:
        """The rest of the statement after the connector."""
        return f"AND {self.times}{self.kinds} ORDER BY recorded_ts, sequence LIMIT ?"


def read_details(connection: sqlite3.Connection, account_id: str | None, window: ArchivedWindow) -> list[EventDetail]:
    """Return selected events with their payloads. Without an account the archive must have one alone."""
    return select_events(connection, account_id, LISTED + PAYLOAD, window.rest, window.values)


def select_events(
    connection: sqlite3.Connection, account_id: str | None, columns: tuple[str, ...], rest: str, values: Row
) -> list[EventDetail]:
    """Return events of a connector, by the rest of the statement after the connector, and all values from it on.

    The columns are `LISTED`, with `PAYLOAD` or without. Without an account the archive must have one alone.
    """
    rows = select_rows(connection, sole_account(connection, account_id), columns, rest, values)
    with damage_named(values[0]):
        return list(map(_detail, rows))


def select_rows(
    connection: sqlite3.Connection, account: str | None, columns: tuple[str, ...], rest: str, values: Row
) -> list[tuple[Any, ...]]:
    """Return the rows of `select_events`."""
    statement = f"SELECT {', '.join(columns)} FROM events WHERE account_id = ? AND connector_id = ? {rest}"  # noqa: S608
    return connection.execute(statement, (account, *values)).fetchall()


@contextmanager
def damage_named(connector_id: Value) -> Iterator[None]:
    """Raise the errors of events that cannot be read as one that says so."""
    try:
        yield
    except (CfEventsError, TypeError, ValueError, RecursionError) as error:
        raise ArchiveError(f"it has an event of {connector_id!r} that is damaged: {error}") from error


def sole_account(connection: sqlite3.Connection, account_id: str | None) -> str | None:
    """Return the given account, or the one that the archive has; None where it is empty."""
    if account_id is not None:
        return account_id
    # Those that have events, or were asked with success: an id that was mistyped once was not.
    rows = connection.execute(
        "SELECT account_id FROM (SELECT DISTINCT account_id FROM checkpoints) AS known "
        "WHERE EXISTS (SELECT 1 FROM events WHERE account_id = known.account_id) "
        "UNION SELECT DISTINCT account_id FROM extents"
    )
    accounts = [name for (name,) in rows]
    if len(accounts) > 1:
        raise ArchiveError(f"it has several accounts: give one as account_id=, of {', '.join(accounts)}")
    return accounts[0] if accounts else None


def _detail(row: tuple[Any, ...]) -> EventDetail:
    """Convert the values of `LISTED`, and of `PAYLOAD` where they follow, to the event."""
    kind, recorded_ts, sequence, collected_ts, extra, *payload = row
    listed = EventMetadata(own_kind(kind), recorded_ts, sequence, collected_ts, extra=load_extra(extra))
    version, event, recorded_extra = payload or (None, None, None)
    if event is None:
        return EventDetail(listed, None)
    extra = load_extra(recorded_extra)
    recorded = structure(json.loads(event), Event)
    return EventDetail(listed, RecordedEvent(recorded, recorded_ts, sequence, from_sql(version), extra=extra))


def as_listed(items: Iterable[FollowedEvent[Any]]) -> list[EventMetadata]:
    """Return followed events as they were listed."""
    return [item.event.metadata if isinstance(item.event, EventDetail) else item.event for item in items]


def store_events(connection: sqlite3.Connection, account_id: str, items: Sequence[FollowedEvent[Any]]) -> int:
    """Store events and return how many are new. Those that are there stay; payloads that they lacked are filled in."""
    events = as_listed(items)
    connectors = _connector_keys(connection, account_id, {item.connector_id for item in items})
    kinds = _kind_keys(connection, {event.kind for event in events})
    before = connection.total_changes
    connection.executemany(
        _INSERT,
        [
            (
                connectors[item.connector_id],
                event.recorded_ts,
                event.sequence,
                kinds[event.kind],
                event.collected_ts,
                _dump(extra) if (extra := getattr(event, "_extra", None)) else None,
            )
            for item, event in zip(items, events, strict=True)
        ],
    )
    new = connection.total_changes - before
    _fill_in(connection, connectors, items)
    return new


def _connector_keys(connection: sqlite3.Connection, account_id: str, names: Iterable[str]) -> dict[str, int]:
    rows = [(account_id, name) for name in names]
    connection.executemany(
        "INSERT INTO connectors (account_id, connector_id) VALUES (?, ?) ON CONFLICT DO NOTHING", rows
    )
    select = "SELECT connector_key FROM connectors WHERE account_id = ? AND connector_id = ?"
    return {row[1]: connection.execute(select, row).fetchone()[0] for row in rows}


def _kind_keys(connection: sqlite3.Connection, kinds: Iterable[str]) -> dict[str, int]:
    values = {kind: (sql_text(kind),) for kind in kinds}
    connection.executemany("INSERT INTO kinds (kind) VALUES (?) ON CONFLICT DO NOTHING", values.values())
    select = "SELECT kind_key FROM kinds WHERE kind = ?"
    return {kind: connection.execute(select, row).fetchone()[0] for kind, row in values.items()}


def _fill_in(connection: sqlite3.Connection, connectors: dict[str, int], items: Iterable[FollowedEvent[Any]]) -> None:
    # The key is the listed event's: nothing says that the API repeats it beside the payload.
    details = [
        (connectors[item.connector_id], item.event.metadata, item.event.recorded)
        for item in items
        if isinstance(item.event, EventDetail) and item.event.recorded is not None
    ]
    if not details:
        return
    (last,) = connection.execute("SELECT coalesce(max(payload_key), 0) FROM payloads").fetchone()
    keys = [
        (last + number, connector, listed.recorded_ts, listed.sequence)
        for number, (connector, listed, _) in enumerate(details, start=1)
    ]
    connection.executemany(_FILL_IN, keys)
    rows = [(*_payload_row(recorded), *key, key[0]) for key, (_, _, recorded) in zip(keys, details, strict=True)]
    connection.executemany(_INSERT_PAYLOAD, rows)


def _payload_row(recorded: RecordedEvent) -> Row:
    version = None if recorded.version is None else sql_text(recorded.version)
    return version, _dump(unstructure(recorded.event)), _dump_extra(recorded.extra)


def prune_some(connection: sqlite3.Connection, connector_key: int, before: int, limit: int) -> int:
    """Remove at most so many events of a connector that were recorded before a time; return how many."""
    earliest = connector_key, before, limit
    connection.execute(_PRUNE_PAYLOADS, earliest)
    return connection.execute(_PRUNE, (connector_key, *earliest)).rowcount

"""The tables of an archive, version by version, and the steps between them.

A step is one transaction, so a process that is killed leaves the archive as it was.
"""

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from cfevents.errors import ArchiveError

APPLICATION_ID = 0x63664576
"""The mark of an archive among SQLite files: ``cfEv``."""

RECOVERY = "save what can be saved with the command sqlite3 and its .recover"

Report: TypeAlias = Callable[[float], None]
"""A function that is called with the part of a step that is done, from 0 to 1."""

Step: TypeAlias = Sequence[str] | Callable[[sqlite3.Connection, Report], None]
"""The statements of a step, or a function that takes it in the open transaction."""

_PART_EVENTS = 20_000

# NUMERIC keeps whole numbers whole and fractional ones fractional, and SQLite finds them by their text too. Datasette
# has only the text of a URL: it ends a table early where a number of its key has no type. Early archives have none.
_EXTENTS = """
    CREATE {} TABLE IF NOT EXISTS extents (
        account_id TEXT NOT NULL,
        connector_id TEXT NOT NULL,
        kind TEXT NOT NULL,  -- JSON: null, a kind, or a list of them
        since_ts NUMERIC NOT NULL,  -- seconds since the Unix epoch: events recorded earlier were not requested
        until_ts NUMERIC NOT NULL,  -- likewise: what was collected by then is stored
        pruned_ts NUMERIC NOT NULL,  -- likewise: events recorded earlier were removed; 0 for none
        PRIMARY KEY (account_id, connector_id, kind)
    ) WITHOUT ROWID
"""

_VERSION_1 = (
    """
    CREATE TABLE events (
        account_id TEXT NOT NULL,
        connector_id TEXT NOT NULL,
        recorded_ts NOT NULL,  -- seconds since the Unix epoch
        sequence NOT NULL,
        kind NOT NULL,
        collected_ts NOT NULL,  -- seconds since the Unix epoch
        extra TEXT,  -- JSON: fields of the listed event that are not documented; null for none
        version,  -- null where there is no payload, or where it has none
        event TEXT,  -- JSON: the payload; null where it was not requested, or the API had none
        recorded_extra TEXT,  -- JSON: fields beside the payload that are not documented; null for none
        PRIMARY KEY (account_id, connector_id, recorded_ts, sequence)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE checkpoints (
        account_id TEXT NOT NULL,
        connector_id TEXT NOT NULL,  -- empty for all of the account
        kind TEXT NOT NULL,  -- JSON: null, a kind, or a list of them
        details INTEGER NOT NULL,  -- 1 where events were stored with their payloads, 0 elsewhere
        checkpoint TEXT NOT NULL,  -- JSON: a FollowCheckpoint of this connector alone
        PRIMARY KEY (account_id, connector_id, kind, details)
    ) WITHOUT ROWID
    """,
    _EXTENTS.format(""),
)

_VERSION_2 = (
    # Early archives of version 1 have none.
    _EXTENTS.format(""),
    """
    CREATE TABLE connectors (
        connector_key INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL,
        connector_id TEXT NOT NULL,
        serial_number TEXT,  -- as the account listed it last; null for none
        notes TEXT,  -- likewise
        UNIQUE (account_id, connector_id)
    )
    """,
    "CREATE TABLE kinds (kind_key INTEGER PRIMARY KEY, kind NOT NULL UNIQUE)",
    # Rows near a kilobyte take three times the room and the time in a table WITHOUT ROWID.
    """
    CREATE TABLE payloads (
        payload_key INTEGER PRIMARY KEY,
        version,  -- null where it has none
        event TEXT NOT NULL,  -- JSON: the payload
        recorded_extra TEXT  -- JSON: fields beside the payload that are not documented; null for none
    )
    """,
    """
    CREATE TABLE listed_events (
        connector_key INTEGER NOT NULL,
        recorded_ts NUMERIC NOT NULL,  -- seconds since the Unix epoch
        sequence NUMERIC NOT NULL,
        kind_key INTEGER NOT NULL,
        collected_ts NUMERIC NOT NULL,  -- seconds since the Unix epoch
        extra TEXT,  -- JSON: fields of the listed event that are not documented; null for none
        payload_key INTEGER,  -- null where the payload was not requested, or the API had none
        PRIMARY KEY (connector_key, recorded_ts, sequence)
    ) WITHOUT ROWID
    """,
)
# In place of the table of version 1, with its columns.
_VIEW = """
    CREATE VIEW events AS
    SELECT account_id, connector_id, recorded_ts, sequence, kind, collected_ts, extra, version, event, recorded_extra
    FROM connectors
    JOIN listed_events USING (connector_key)
    LEFT JOIN kinds USING (kind_key)
    LEFT JOIN payloads USING (payload_key)
"""
_NEXT_CONNECTOR = (
    "SELECT account_id, connector_id FROM events WHERE (account_id, connector_id) > (?, ?) "
    "ORDER BY account_id, connector_id LIMIT 1"
)
_PART = """
    FROM (SELECT * FROM events WHERE account_id = ? AND connector_id = ? AND (recorded_ts, sequence) > (?, ?)
    ORDER BY recorded_ts, sequence LIMIT ?) AS part
"""
_COPY_KINDS = f"INSERT INTO kinds (kind) SELECT DISTINCT kind {_PART} WHERE true ON CONFLICT DO NOTHING"
_COPY_PAYLOADS = (
    f"INSERT INTO payloads (version, event, recorded_extra) SELECT version, event, recorded_extra {_PART} "
    "WHERE event IS NOT NULL ORDER BY recorded_ts, sequence"
)
# The keys of the payloads follow the greatest before them, in the order of the events.
_COPY_EVENTS = f"""
    INSERT INTO listed_events
    SELECT ?, recorded_ts, sequence, (SELECT kind_key FROM kinds WHERE kinds.kind = part.kind), collected_ts, extra,
        CASE WHEN event IS NOT NULL THEN ? + count(event) OVER (ORDER BY recorded_ts, sequence) END
    {_PART} ORDER BY recorded_ts, sequence
"""  # noqa: S608
_LAST_COPIED = (
    "SELECT recorded_ts, sequence FROM listed_events WHERE connector_key = ? "
    "ORDER BY recorded_ts DESC, sequence DESC LIMIT 1"
)


def _to_version_2(connection: sqlite3.Connection, report: Report) -> None:
    """Let numbers stand for connectors and kinds, and move the payloads to a table of their own.

    The events are copied in the order of their key, in parts. Cost: some 5 s of processor time for a million, with
    the `VACUUM` after it.
    """
    for statement in _VERSION_2:
        connection.execute(statement)
    connectors = list[tuple[str, str]]()
    while row := connection.execute(_NEXT_CONNECTOR, connectors[-1] if connectors else ("", "")).fetchone():
        connectors.append(row)
    copied = 0
    for number, connector in enumerate(connectors):
        report(number / len(connectors))
        for events in _copy_connector(connection, connector):
            copied += events
            report(number / len(connectors))
    (old,) = connection.execute("SELECT count(*) FROM events").fetchone()
    if copied != old:
        raise ArchiveError(f"it is damaged: of {old:,} events, {copied:,} could be read; {RECOVERY}")
    connection.execute("DROP TABLE events")
    connection.execute(_VIEW)


def _copy_connector(connection: sqlite3.Connection, connector: tuple[str, str]) -> Iterator[int]:
    """Copy the events of a connector in parts, and yield the number of each part's."""
    insert = "INSERT INTO connectors (account_id, connector_id) VALUES (?, ?)"
    key = connection.execute(insert, connector).lastrowid
    last: tuple[float, int] = -math.inf, 0
    while True:
        part = *connector, *last, _PART_EVENTS
        (payloads,) = connection.execute("SELECT coalesce(max(payload_key), 0) FROM payloads").fetchone()
        connection.execute(_COPY_KINDS, part)
        connection.execute(_COPY_PAYLOADS, part)
        events = connection.execute(_COPY_EVENTS, (key, payloads, *part)).rowcount
        yield events
        if events < _PART_EVENTS:
            return
        last = connection.execute(_LAST_COPIED, (key,)).fetchone()


MIGRATIONS: Sequence[Step] = (_VERSION_1, _to_version_2)
"""The steps from each version to the next. One that was released is never changed: another is added."""

_NAMES = {
    1: {"events", "checkpoints"},
    2: {"events", "checkpoints", "extents", "connectors", "kinds", "listed_events", "payloads"},
}


def check_tables(connection: sqlite3.Connection, version: int) -> None:
    """Raise an error if a table of a version is missing."""
    known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if missing := _NAMES.get(version, set()) - known:
        raise ArchiveError(
            f"it lacks the table {' and '.join(sorted(missing))}: a file was copied while it was written; copy the "
            "original again, with VACUUM INTO"
        )


def is_version_1(connection: sqlite3.Connection) -> bool:
    """Return whether the tables are those of version 1, which may change while an archive is open."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(version == 1)


def add_missing_tables(connection: sqlite3.Connection) -> bool:
    """Let an early archive of version 1 be read as if it had every table, and return whether it lacked one.

    Nothing is written to it. The tables that are added hide those of the same name, so they may not outlive version 1.
    """
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'extents'").fetchone():
        return False
    connection.execute(_EXTENTS.format("TEMP"))
    return True

"""The archive's tables, version by version."""

import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x63664576
"""What tells an archive from other SQLite files: ``cfEv``."""

# Numbers have no type, so that whole ones stay whole and fractional ones fractional.
_FIRST = (
    """
    CREATE TABLE events (
        account_id TEXT NOT NULL,
        connector_id TEXT NOT NULL,
        recorded_ts NOT NULL,  -- seconds since the Unix epoch
        sequence NOT NULL,
        kind NOT NULL,
        collected_ts NOT NULL,  -- seconds since the Unix epoch
        extra TEXT,  -- JSON: fields of the listed event that are not documented; null for none
        version,  -- null where there is no payload, or where it tells none
        event TEXT,  -- JSON: the payload; null where it was not asked for, or was not to be had
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
)

LADDER: Sequence[Sequence[str]] = (_FIRST,)
"""What makes each version from the one before it. A step that was released is never changed: another is added."""


def migrate(connection: sqlite3.Connection, ladder: Sequence[Sequence[str]] = LADDER) -> None:
    """Bring the tables to the newest version, inside the transaction that is open.

    Raises:
        sqlite3.Error: They could not be made.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version >= len(ladder):  # another process was quicker
        return
    for step in ladder[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(ladder)}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

"""Archives as version 1 of their tables had them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from cfevents.storage.schema import APPLICATION_ID, MIGRATIONS

_TABLES = ("events", "checkpoints", "extents")


def rows(path: Path) -> list[Any]:
    """Return all that is in an archive of any version, with the columns of version 1."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4").fetchall() for table in _TABLES]


def version(path: Path) -> int:
    """Return the version of an archive's tables."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def to_version_1(path: Path) -> None:
    """Replace an archive that is not open with one of version 1, which has the same events."""
    new = path.with_name("new.db")
    path.rename(new)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        step = MIGRATIONS[0]
        assert not callable(step)
        for statement in step:
            connection.execute(statement)
        connection.execute("ATTACH ? AS new", [str(new)])
        for table in _TABLES:
            connection.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
        connection.execute("DETACH new")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    new.unlink()

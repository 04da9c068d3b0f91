"""A SQLite database on a thread of its own."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from cfevents.errors import ArchiveError

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

MIGRATIONS: Sequence[Sequence[str]] = (_FIRST,)
"""What makes each version from the one before it. A step that was released is never changed: another is added."""


def migrate(connection: sqlite3.Connection, ladder: Sequence[Sequence[str]] = MIGRATIONS) -> None:
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


T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

# SQLite itself waits for a lock so long, in seconds; in between it is seen whether anybody still waits for us.
_GLANCE = 0.1
_NOT_OPEN = "it is not open; write 'async with Archive(...) as archive'"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_WHY = {
    sqlite3.SQLITE_BUSY: "another process has locked it; try again when that one is done, or give a longer timeout=",
    sqlite3.SQLITE_LOCKED: "another connection has locked it; try again when that one is done",
    sqlite3.SQLITE_FULL: "there is no room for it; make room on the disk, and try again",
    sqlite3.SQLITE_READONLY: "it is read-only; make the file and its directory writable",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; make sure that its directory is there, and writable",
    sqlite3.SQLITE_PERM: "access is denied; make the file and its directory writable",
    sqlite3.SQLITE_IOERR: "the disk reported an error; see to the disk, and try again",
    sqlite3.SQLITE_CORRUPT: "it is damaged; save what can be saved with the command sqlite3 and its .recover",
    sqlite3.SQLITE_NOTADB: "it is damaged, or no SQLite database; move it away, or give another path",
}


class Database:
    """One connection, and the thread on which all of its work is done, in order."""

    def __init__(self, path: Path, timeout: float, *, writes: bool) -> None:
        """Take where it is, how long to wait for other processes in seconds, and whether it is written."""
        self._path, self._timeout, self._writes = path, timeout, writes
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "cfevents-archive")
        self._closed = False

    async def open(self) -> None:
        """Open it, and make its tables where they are missing.

        Raises:
            ArchiveError: It cannot be opened, or it is no archive.
        """
        await self._run(self._open)

    async def do(self, work: Work[T]) -> T:
        """Do something on the thread, a statement being a transaction.

        Raises:
            ArchiveError: It could not be done.
        """
        return await self._run(lambda deadline: deadline.patiently(lambda: work(self._opened)))

    async def write(self, work: Work[T]) -> T:
        """Write on the thread, in one transaction: all of it or nothing.

        Where the caller is cancelled, it is all or nothing too, and nothing where it had to wait.

        Raises:
            ArchiveError: It could not be written.
        """
        return await self._run(lambda deadline: self._transact(work, deadline))

    async def close(self) -> None:
        """Wait for what is under way, and close it."""
        if not self._closed:
            self._closed = True
            closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)
            await asyncio.shield(closing)

    async def _run(self, work: "Callable[[_Deadline], T]") -> T:
        if self._closed:
            raise self._error(_NOT_OPEN)
        deadline = _Deadline(self._timeout)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work, deadline)
        except asyncio.CancelledError:
            deadline.is_given_up.set()
            raise

    def _guarded(self, work: "Callable[[_Deadline], T]", deadline: "_Deadline") -> T:
        try:
            return work(deadline)
        except sqlite3.Error as error:
            raise self._error(_why(error)) from error
        except ArchiveError as error:  # raised where it is not known which archive it is
            raise self._error(str(error)) from error.__cause__

    def _transact(self, work: Work[T], deadline: "_Deadline") -> T:
        connection = self._opened
        deadline.patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
        with _transaction(connection):
            return work(connection)

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise ArchiveError(_NOT_OPEN)
        return self._connection

    def _error(self, text: str) -> ArchiveError:
        return ArchiveError(f"the archive {self._path}: {text}")

    def _open(self, deadline: "_Deadline") -> None:
        connection = sqlite3.connect(self._path, timeout=_GLANCE, isolation_level=None, check_same_thread=False)
        self._connection = connection
        try:
            deadline.patiently(lambda: self._prepare(connection))
        except BaseException:
            self._close()
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection, "BEGIN"):  # another may be making it
            version = _version(connection)
        if self._writes:
            if version == 0:
                # Has to be said before there is anything in the file.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            with _transaction(connection, "BEGIN IMMEDIATE"):
                migrate(connection)
        if not self._writes:
            connection.execute("PRAGMA query_only = TRUE")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str | None = None) -> Iterator[None]:
    """Commit what is done within, or take it back; it is begun before, or here."""
    if begin is not None:
        connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    """Find of which version the tables are; 0 where there is nothing yet."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise ArchiveError("it is a SQLite database of something else; give another path")
    if version > len(MIGRATIONS):
        raise ArchiveError(
            f"it is of version {version}, and this version of cfevents knows {len(MIGRATIONS)}; install a newer one"
        )
    return int(version)


class _Deadline:
    """How long other processes are waited for."""

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout
        self.is_given_up = threading.Event()

    def patiently(self, work: Callable[[], T]) -> T:
        """Do something again and again while another process is in the way, until it is time or nobody waits."""
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or self.is_given_up.is_set() or time.monotonic() > self._until:
                    raise
                # SQLite does not wait where that could last for ever.
                self.is_given_up.wait(_GLANCE / 10)


def _code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _why(error: sqlite3.Error) -> str:
    why = _WHY.get(_code(error) or 0, "it could not be read or written")
    return f"{why} ({error})" + ("" if _code(error) in _DAMAGED else "; nothing is lost")

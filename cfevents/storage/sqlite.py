"""A SQLite database on a thread of its own: its tables, its transactions, its errors."""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

from cfevents._cancellation import finish
from cfevents._validation import require_process
from cfevents.errors import ArchiveError
from cfevents.storage.schema import (
    APPLICATION_ID,
    MIGRATIONS,
    RECOVERY,
    Step,
    add_missing_tables,
    check_tables,
    is_version_1,
)

_log = logging.getLogger("cfevents")

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

# SQLite waits for a lock so long at a time; in between is checked whether the caller still waits.
_BUSY_POLL_S = 0.1
# A few milliseconds of work.
_MIGRATION_POLL_OPCODES = 100_000
_NOT_OPEN = "it is not open; write 'async with Archive(...) as archive'"
_GONE = "it was removed or renamed while it was open; put it back, or open the archive again"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ERROR_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process has locked it; try again when that one is done, or give a longer timeout=",
    sqlite3.SQLITE_LOCKED: "another connection has locked it; try again when that one is done",
    sqlite3.SQLITE_FULL: "there is no room for it; make room on the disk, and try again",
    sqlite3.SQLITE_READONLY: "it is read-only; make the file and its directory writable",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; make sure that its directory is there, writable, and has room",
    sqlite3.SQLITE_PERM: "access is denied; make the file and its directory writable",
    sqlite3.SQLITE_IOERR: "the disk reported an error; see to the disk, and try again",
    sqlite3.SQLITE_CORRUPT: f"it is damaged; {RECOVERY}",
    sqlite3.SQLITE_NOTADB: "it is damaged, or not a SQLite database; move it away, or give another path",
}


class Database:
    """A connection, and the thread that does all of its work in order.

    SQLite cannot read a file with a write-ahead log without writing beside it. So what this process may not write, and
    nobody has open, is read as a file that does not change, and opened and read again if it did. The tables of an older
    version are read as they are, until `migrate` is called.
    """

    def __init__(self, path: Path, timeout: float, *, writes: bool, migrations: Sequence[Step] = MIGRATIONS) -> None:
        """Set the file, and how long to wait for other processes, in seconds; nothing is opened yet."""
        self._path, self._timeout, self._writes, self._migrations = path, timeout, writes, migrations
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, "cfevents-archive")
        self._closed = False
        self._pid = os.getpid()
        self._is_frozen = False
        self._is_old = False
        self._has_added_tables = False
        self.migrated = 0.0
        self._opened_state: tuple[int, ...] = ()

    async def open(self) -> None:
        """Connect, and create or migrate the tables where that is needed."""
        await self.connect()
        await self.migrate()

    async def connect(self) -> None:
        """Connect, and create the tables in a new file; those of an older version stay as they are."""
        await self._on_thread(self._connect)

    async def migrate(self) -> None:
        """Bring the tables of an older version up to date, in one transaction, and let the file shrink.

        `migrated` is the part that is done, from 0 to 1. Where it is cancelled, they stay as they were.
        """
        if self._is_old:
            await self._on_thread(self._migrate)

    async def run(self, work: Work[T]) -> T:
        """Do work on the thread; each statement is a transaction."""
        return await self._on_thread(lambda deadline: deadline.retry_while_busy(lambda: self._run(work, deadline)))

    async def write(self, work: Work[T]) -> T:
        """Do work on the thread in one transaction: all of it or nothing.

        Where the caller is cancelled, it is all or nothing too, and nothing where it had to wait.
        """

        def transact(deadline: "_Deadline") -> T:
            connection = self._connected()
            deadline.retry_while_busy(lambda: connection.execute("BEGIN IMMEDIATE"))
            with _transaction(connection):
                return work(self._connected())  # it may have waited

        return await self._on_thread(transact)

    async def close(self) -> None:
        """Wait for the work that was begun, and disconnect."""
        if not self._closed and os.getpid() == self._pid:
            self._closed = True
            closing = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
            self._thread.shutdown(wait=False)
            await finish(closing)

    async def _on_thread(self, work: "Callable[[_Deadline], T]") -> T:
        if self._closed:
            raise self._error(_NOT_OPEN)
        require_process(self._pid, f"the archive {self._path}", ArchiveError)
        deadline = _Deadline(self._timeout)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, deadline)
        except asyncio.CancelledError:
            deadline.is_given_up.set()
            raise
        except sqlite3.Error as error:
            advice = _ERROR_ADVICE.get(_code(error) or 0, "it could not be read or written")
            promise = "" if _code(error) in _DAMAGED else "; nothing is lost"
            raise self._error(f"{advice} ({error}){promise}") from error
        except OSError as error:
            raise self._error(f"{_ERROR_ADVICE[sqlite3.SQLITE_CANTOPEN]} ({error.strerror or error})") from error
        except ArchiveError as error:  # from where the path is not known
            raise self._error(str(error)) from error.__cause__

    def _migrate(self, deadline: "_Deadline") -> None:
        connection = self._connected()
        connection.set_progress_handler(deadline.is_given_up.is_set, _MIGRATION_POLL_OPCODES)
        try:
            deadline.retry_while_busy(lambda: connection.execute("BEGIN IMMEDIATE"))
            _log.info("%s: migrating its tables to version %d", self._path, len(self._migrations))
            with _transaction(connection):
                steps = self._upgrade(connection)
            self._is_old = False
            if steps:
                with suppress(sqlite3.Error):  # there may be no room; prune makes the file smaller too
                    connection.execute("VACUUM")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.set_progress_handler(None, 0)

    def _report(self, part: float) -> None:
        self.migrated = part

    def _error(self, text: str) -> ArchiveError:
        return ArchiveError(f"the archive {self._path}: {text}")

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise ArchiveError(_NOT_OPEN)
        if self._state()[:2] != self._opened_state[:2]:
            raise ArchiveError(_GONE)
        return self._connection

    def _run(self, work: Work[T], deadline: "_Deadline") -> T:
        if self._has_added_tables and not is_version_1(self._connected()):
            self._disconnect()
            self._connect(deadline)
        while True:
            try:
                result = work(self._connected())
            except sqlite3.Error:
                if not self._was_changed():
                    raise
            else:
                if not self._was_changed():
                    return result
            self._disconnect()
            self._connect(deadline)

    def _was_changed(self) -> bool:
        """Return whether somebody wrote the file that is read as one that does not change."""
        return self._is_frozen and self._state() != self._opened_state

    def _state(self) -> tuple[int, ...]:
        """Return which file is at the path, and what tells whether it was written."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, self._is_in_use()

    def _is_in_use(self) -> bool:
        # SQLite follows a symbolic link, and has the log beside its target.
        return os.path.exists(f"{os.path.realpath(self._path)}-wal")  # noqa: PTH110 - it is called often

    def _is_writable(self) -> bool:
        path = Path(os.path.realpath(self._path))
        effective = os.access in os.supports_effective_ids
        return all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.parent))

    def _connect(self, deadline: "_Deadline") -> None:
        if self._path.exists() and not self._path.is_file():
            raise ArchiveError("it is no plain file; give another path")
        self._is_frozen = self._path.is_file() and not self._is_in_use() and not self._is_writable()
        self._opened_state = self._state()
        name = f"{self._path.as_uri()}?immutable=1" if self._is_frozen else self._path
        self._connection = connection = sqlite3.connect(
            name, timeout=_BUSY_POLL_S, isolation_level=None, check_same_thread=False, uri=self._is_frozen
        )
        try:
            deadline.retry_while_busy(lambda: self._prepare(connection))
            self._opened_state = self._opened_state or self._state()  # it was created
        except BaseException:
            self._disconnect()
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection, "BEGIN"):  # another process may be creating the tables
            version = self._checked_version(connection)
        if self._writes and not self._is_frozen:
            if version == 0:
                # Only possible before there is anything in the file.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            with _transaction(connection, "BEGIN IMMEDIATE"):
                self._upgrade(connection)
        self._is_old = 0 < version < len(self._migrations)
        if not self._writes:
            self._has_added_tables = add_missing_tables(connection)
            connection.execute("PRAGMA query_only = TRUE")

    def _upgrade(self, connection: sqlite3.Connection) -> int:
        """Upgrade the tables to the newest version; return the number of steps, 0 where another process was quicker."""
        steps = self._migrations[self._checked_version(connection) :]
        for step in steps:
            if callable(step):
                step(connection, self._report)
            else:
                for statement in step:
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(self._migrations)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        return len(steps)

    def _checked_version(self, connection: sqlite3.Connection) -> int:
        """Return the version of the tables, 0 where there are none; raise an error where it is no archive of ours."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (application or version or tables):
            raise ArchiveError("it is a SQLite database of something else; give another path")
        if version > (newest := len(self._migrations)):
            ours = f"this version of cfevents knows {newest}; install a newer one"
            raise ArchiveError(f"it is of version {version}, and {ours}")
        check_tables(connection, version)
        return int(version)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str | None = None) -> Iterator[None]:
    """Commit at the end, or roll back; without a statement to begin with, the transaction was begun before."""
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


class _Deadline:
    """The end of waiting for other processes: at a time, or when the caller is gone."""

    def __init__(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout
        self.is_given_up = threading.Event()

    def retry_while_busy(self, work: Callable[[], T]) -> T:
        """Repeat work while another process has the database locked, until the deadline."""
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or self.is_given_up.is_set() or time.monotonic() > self._until:
                    raise
                # SQLite fails at once where waiting could last for ever.
                self.is_given_up.wait(_BUSY_POLL_S / 10)


def _code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF

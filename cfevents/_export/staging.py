"""The folder beside an export's target that holds its data and its progress until it is complete. Blocking.

The progress, which has the committed length of the data, is written after the data. So after a crash the data may be
longer, and is cut back.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

from attrs import asdict, frozen

from cfevents._files import (
    BINARY,
    NOFOLLOW,
    FileLock,
    atomic_write,
    follow_link,
    may_be_prepared,
    move_into_place,
    sync_directory,
    write_errors,
)
from cfevents._model.checkpoint import read_state
from cfevents.errors import ArchiveError

_PROGRESS_VERSION = 1
_DATA_FLAGS = os.O_RDWR | os.O_CREAT | BINARY | NOFOLLOW
# The folder's files in the order in which they are removed: as long as there is progress, it is known to be complete.
_DATA, _PROGRESS, _LOCK = "data", "progress.json", "lock"
_FILES = (_DATA, "whole.parquet", "whole.parquet.new", _PROGRESS, f"{_PROGRESS}.new")


@frozen
class ExportProgress:
    """The window of an export, and how much of it is gathered."""

    asked: Mapping[str, Any]  # the caller's options, as it names them
    connectors: tuple[str, ...]
    since: int  # seconds since the Unix epoch, as `until`
    until: int
    done: int = 0  # number of connectors that are complete
    after: str | None = None  # position in the next one, after which it goes on; None for its beginning
    events: int = 0  # number of events that are gathered
    length: int = 0  # bytes of the data that are committed

    @property
    def is_complete(self) -> bool:
        return self.done == len(self.connectors)


class Staging:
    """The data of an export and its progress, locked against other processes. A context manager."""

    progress: ExportProgress | None = None
    """The progress; None if no event is gathered."""

    def __init__(self, target: Path) -> None:
        """Set the file that is exported to; nothing is opened. An ArchiveError refuses what cannot be replaced."""
        with write_errors(target):
            if target.exists() and not target.is_file():
                raise ArchiveError(f"{target} is no plain file: name one, or - for stdout")
            self._target = follow_link(target.absolute())
        self.folder = self._target.with_name(f"{self._target.name}.export")
        self.data = self.folder / _DATA
        self._progress_file = self.folder / _PROGRESS
        busy = f"another process exports to {self._target}: wait for it, or end it"
        self._lock = FileLock(self.folder / _LOCK, busy=busy)
        self._file: BinaryIO | None = None
        self._is_empty = False

    def __enter__(self) -> Self:
        """Create and lock the folder."""
        with write_errors(self.data):
            is_new = self._make_folder()
            self._lock.acquire()
            self._is_empty = is_new
        return self

    def _make_folder(self) -> bool:
        """Create the folder, for this user alone, and return whether it is new."""
        try:
            self.folder.mkdir(mode=0o700)
        except FileExistsError:
            # Whoever put a link there chose the file that is written.
            has_links = self.folder.is_symlink() or any(path.is_symlink() for path in self.folder.iterdir())
            if has_links or may_be_prepared(self.folder):
                reason = "it was not made by an export, or is another user's; remove it, or name another file"
                raise ArchiveError(f"{self.folder} cannot be used: {reason}") from None
            return False
        return True

    def read(self) -> ExportProgress | None:
        """Read how far an earlier export came; None where no event is gathered."""
        try:
            text = self._progress_file.read_text(encoding="utf-8")
            progress = read_state(text, _PROGRESS_VERSION, ExportProgress)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise self._damaged(f"{self._progress_file.name}: {error}") from error
        self._set_progress(progress)
        return self.progress

    def is_published(self) -> bool:
        """Return whether the target is in its place already, and only the folder was not removed."""
        progress = self.progress
        return bool(progress and progress.is_complete and not self.data.exists() and self._target.exists())

    def begin(self, progress: ExportProgress) -> None:
        """Open the data, and cut off what is not committed."""
        with write_errors(self.data):
            self._file = os.fdopen(os.open(self.data, _DATA_FLAGS, 0o666), "r+b", 0)
            if os.fstat(self._file.fileno()).st_size < progress.length:
                raise self._damaged(f"{self.data.name} is shorter than what was written")
            self._file.truncate(progress.length)
            self._file.seek(progress.length)
            sync_directory(self.folder.parent)
        self.progress = progress

    def add(self, data: bytes, progress: ExportProgress) -> None:
        """Append data, and then store the progress. When it returns, both are on the disk."""
        assert self._file is not None  # noqa: S101 - it has begun
        with write_errors(self.data):
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            if data:
                os.fsync(self._file.fileno())
            text = json.dumps({"version": _PROGRESS_VERSION, **asdict(progress)})
            atomic_write(self._progress_file, text.encode())
        self._set_progress(progress)

    def publish(self, path: Path | None) -> None:
        """Put a file of the folder, if any, in the target's place, and remove the folder."""
        self._close_data()
        with write_errors(self.data):
            if path is not None:
                move_into_place(path, self._target)
            self._remove()

    def discard(self) -> None:
        """Forget what was gathered."""
        self._is_empty = True
        with write_errors(self.data):
            self._progress_file.unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        try:
            self._close_data()
            if self._is_empty:
                with write_errors(self.data):
                    self._remove()
        finally:
            self._lock.release()

    def _set_progress(self, progress: ExportProgress) -> None:
        # Without an event nothing is lost by a new beginning.
        self._is_empty = not progress.events
        self.progress = None if self._is_empty else progress

    def _remove(self) -> None:
        self._is_empty = False
        for name in _FILES:
            (self.folder / name).unlink(missing_ok=True)
        self._lock.remove()
        with suppress(OSError):  # it has files of somebody else
            self.folder.rmdir()

    def _close_data(self) -> None:
        if self._file is not None:
            self._file.close()

    def _damaged(self, reason: str) -> ArchiveError:
        return ArchiveError(f"{self.folder} is damaged ({reason}): --restart throws it away")

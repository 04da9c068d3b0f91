"""A file that only grows, and beside it a small one that tells how much of it counts. All of it blocks.

The small one is written after the data, so after a crash the data may be longer than it says, and is cut back.
"""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from cfevents.errors import ArchiveError
from cfevents.storage.files import replace_durably, require_plain, sync_directory

_VERSION = 1
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
# By its last bytes a file is known again: the number of one that was removed is soon another's.
_TAIL = 4096
_CLOSED = -1


class _SidecarState(NamedTuple):
    """What the small file tells of the data."""

    device: int
    inode: int
    length: int
    tail: int
    """Checksum of the last bytes of it."""

    checkpoint: str | None

    def names(self, status: os.stat_result) -> bool:
        return (self.device, self.inode) == (status.st_dev, status.st_ino)


class AppendLog:
    """The data and what of it counts, opened when it is first needed."""

    checkpoint: str | None = None
    """What came with the data that was written last."""

    def __init__(self, path: Path, beside: Path, begins: bytes = b"") -> None:
        """Take where the data is, where it is written how much of it counts, and with what all of it begins."""
        self._path, self._beside, self._begins = path, beside, begins
        self._descriptor = _CLOSED
        self._length = 0

    def open(self) -> None:
        """Open the data, and cut off what does not count.

        Raises:
            ArchiveError: The data is shorter than what was written, or it is no plain file.
            OSError: It cannot be opened.
        """
        named = self._read()
        self._descriptor = os.open(self._path, _OPEN, 0o666)
        try:
            self._take_up(named)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the data."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)

    def append(self, data: bytes, checkpoint: str) -> None:
        """Append data, all of it or nothing, with what is to be known after it; nothing where that is known already.

        Raises:
            ArchiveError: As `open` does.
            OSError: It cannot be written; what was written of it is cut off the next time.
        """
        try:
            if self._descriptor == _CLOSED or not self._is_where_it_was():
                self.close()
                self.open()
            # What failed, or was cancelled, may have come to the disk all the same.
            if checkpoint != self.checkpoint or not self._ends_with(data):
                self._append(data, checkpoint)
        except BaseException:
            # What is on the disk is not known any more: it is read again.
            self.close()
            with suppress(ArchiveError, OSError):
                named = self._read()
                self.checkpoint = None if named is None else named.checkpoint
            raise

    def _append(self, data: bytes, checkpoint: str) -> None:
        self._cut_back()
        rest = memoryview(self._end_of_line() + data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)
        # Asked for, since another program may have emptied it meanwhile.
        self._write(self._status().st_size, checkpoint)

    def _take_up(self, named: _SidecarState | None) -> None:
        status = self._status()
        if not stat.S_ISREG(status.st_mode):
            raise ArchiveError(f"{self._path} is no plain file: events can be kept in a plain file only")
        self.checkpoint = None if named is None else named.checkpoint
        shorter = named is not None and status.st_size < named.length
        if named is not None and named.names(status) and (shorter or _is_ours(self._descriptor, named, self._begins)):
            self._length = named.length
            self._cut_back()
            return
        if named is not None:
            self._cut_back_where_it_went(named)
        elif status.st_size:
            raise ArchiveError(
                f"{self._path} has data, and {self._beside}, which tells how much of it counts, is not there: put that "
                "back; or move the data away, to begin afresh"
            )
        # Named before anything is in it, or after a crash that would be taken for another's.
        sync_directory(self._path.parent)
        self._write(status.st_size, self.checkpoint)

    def _cut_back(self) -> None:
        size = self._status().st_size
        if size > self._length:
            os.ftruncate(self._descriptor, self._length)
        elif size == 0 < self._length:  # emptied: copied away and truncated, as log rotation may do
            self._write(0, self.checkpoint)
        elif size < self._length:
            raise ArchiveError(
                f"{self._path} has {size} bytes, but {self._length} were written: events were taken out of it. Put it "
                "back as it was; or move it away, and a new one goes on after the last event that was written; or "
                f"move {self._beside} away too, to begin afresh"
            )

    def _cut_back_where_it_went(self, named: _SidecarState) -> None:
        """Cut off what a killed process left in a file that was renamed since: it is written again, to the new one."""
        for entry in os.scandir(self._path.resolve().parent):
            if entry.inode() == named.inode:
                with suppress(FileNotFoundError):  # compressed or removed meanwhile
                    _cut_off(entry.path, named, self._begins)

    def _is_where_it_was(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), self._status())
        except FileNotFoundError:
            return False

    def _ends_with(self, data: bytes) -> bool:
        if not 0 < len(data) <= self._length:
            return False
        os.lseek(self._descriptor, self._length - len(data), os.SEEK_SET)
        return os.read(self._descriptor, len(data)) == data

    def _end_of_line(self) -> bytes:
        """Say what ends the last line, where another program left it without an end."""
        if self._length == 0:
            return b""
        os.lseek(self._descriptor, self._length - 1, os.SEEK_SET)
        # Where there is nothing any more, it was emptied in this moment.
        return b"" if os.read(self._descriptor, 1) in {b"\n", b""} else b"\n"

    def _status(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def _write(self, length: int, checkpoint: str | None) -> None:
        status = self._status()
        named = _SidecarState(status.st_dev, status.st_ino, length, _tail(self._descriptor, length), checkpoint)
        text = json.dumps({"version": _VERSION, **named._asdict()}) + "\n"
        replace_durably(self._beside, text.encode())
        self._length, self.checkpoint = length, checkpoint

    def _read(self) -> _SidecarState | None:
        try:
            require_plain(self._beside)
            text = self._beside.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise self._damaged(error) from error
        try:
            return _named(json.loads(text))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ArchiveError:
        return ArchiveError(
            f"{self._beside} does not tell what was written to {self._path}: it is damaged, or of a newer version, or "
            f"something else ({error}). Move both away to begin afresh"
        )


def _named(told: dict[str, Any]) -> _SidecarState:
    if told.pop("version") != _VERSION:
        raise ValueError("another version")
    named = _SidecarState(**told)
    if not all(type(number) is int and number >= 0 for number in named[:4]):
        raise TypeError("whole numbers were expected")
    if not isinstance(named.checkpoint, str | None):
        raise TypeError("text was expected")
    return named


def _cut_off(path: str, named: _SidecarState, begins: bytes) -> None:
    """Cut off what does not count, if it is the file that is named."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        ours = named.names(status) and stat.S_ISREG(status.st_mode)
        if ours and status.st_size > named.length and _is_ours(descriptor, named, begins):
            os.ftruncate(descriptor, named.length)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_ours(descriptor: int, named: _SidecarState, begins: bytes) -> bool:
    """Whether a file with that number has what was written to the one that had it."""
    if named.length:
        return _tail(descriptor, named.length) == named.tail
    # There was nothing yet by which it is known again; what a killed process may have left begins as all does.
    os.lseek(descriptor, 0, os.SEEK_SET)
    found = os.read(descriptor, len(begins))
    return found == begins[: len(found)]


def _tail(descriptor: int, length: int) -> int:
    """Make the checksum of the last bytes before a place in a file."""
    start = max(0, length - _TAIL)
    os.lseek(descriptor, start, os.SEEK_SET)
    return crc32(os.read(descriptor, length - start))

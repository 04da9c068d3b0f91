"""Files that a crash leaves whole, and a lock between processes. All of it blocks."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cfevents._extras import require_extra
from cfevents.errors import ArchiveError

BINARY = getattr(os, "O_BINARY", 0)
"""The flag of `os.open` that keeps Windows from changing line ends; 0 elsewhere."""

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | BINARY | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def write_errors(path: Path, note: str = "") -> Iterator[None]:
    """Raise an OSError as an ArchiveError that names the file, or the path where it names none, with a note."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = "the disk is full; make room, and try again" if is_full else error.strerror or error
        raise ArchiveError(f"{error.filename or path} cannot be written: {reason}{note}") from error


def require_regular(path: Path) -> None:
    """Raise an ArchiveError unless a path is free or has a regular file, which can be replaced."""
    if path.exists() and not path.is_file():
        raise ArchiveError(f"{path} is no plain file: a checkpoint can be kept in a plain file only")


def sync_directory(path: Path) -> None:
    """Make sure that the names in a directory survive a crash; Windows offers no way, and needs none."""
    if sys.platform != "win32":
        _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def atomic_write(path: Path, data: bytes) -> None:
    """Replace a file's content: whatever happens, the file has the old content or the new, whole."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    move_into_place(new, path)


def move_into_place(path: Path, target: Path) -> None:
    """Rename a file so that a crash leaves the old target or the new one, whole."""
    _sync(path, os.O_RDWR)
    path.replace(target)
    sync_directory(target.parent)


class AtomicFile:
    """A new file, written under its name and ``.part``, that takes its name when it is complete.

    Two that write to one name do not mix: the later one gets a file of its own, and `commit` of the earlier one fails.
    """

    def __init__(self, target: Path) -> None:
        """Set the name that the file takes in the end."""
        self._target, self._part = target, target.parent / f"{target.name}.part"
        self._file: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Create the file."""
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        self._part.unlink(missing_ok=True)
        self._file = self._part.open("xb")
        self._status = os.fstat(self._file.fileno())
        return self._file

    def commit(self) -> None:
        """Put the file, once it is on the disk, in its target's place, unless another writer has begun since."""
        assert self._file is not None  # noqa: S101 - it is open
        self._file.close()
        if not self._is_ours():
            raise OSError("another has begun to write it")
        move_into_place(self._part, self._target)
        self._file = None

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            if self._is_ours():
                with suppress(OSError):
                    self._part.unlink()

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(self._status, self._part.stat())
        except OSError:
            return False


class FileLock:
    """A lock between processes, and between objects of one process: a file of its own that is locked while it is open.

    The operating system releases it when the process ends, however it ends; the file stays. A child that was forked
    shares it: the lock is free when both have closed the file. The file's content, its owner, outlives its holders.
    """

    def __init__(self, path: Path, *, busy: str, owner: Path | None = None) -> None:
        """Set the lock's file, and the error's message where another has the lock; nothing is opened.

        The owner is a file: as long as it exists, the lock is refused to any other owner.
        """
        require_extra("storage", "filelock")
        self._path, self._busy, self._owner = path, busy, owner
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Lock the file, or fail at once with an ArchiveError. A symbolic link is an OSError."""
        descriptor = os.open(self._path, _LOCK_FLAGS, 0o666)
        try:
            # A file without a name was removed by its last holder, in this moment: it keeps nobody else out.
            if not self._is_locked(descriptor) or not os.fstat(descriptor).st_nlink:
                raise ArchiveError(self._busy)
            if self._owner is not None:
                self._claim(descriptor, os.fsencode(self._owner))
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _is_locked(self, descriptor: int) -> bool:
        from filelock import lock_descriptor  # noqa: PLC0415 - an extra

        try:
            return lock_descriptor(descriptor, blocking=False)
        except OSError as error:
            advice = "use a directory whose file system has locks"
            raise ArchiveError(f"{self._path} cannot be locked: {error.strerror or error}; {advice}") from error

    def _claim(self, descriptor: int, owner: bytes) -> None:
        before = os.read(descriptor, os.fstat(descriptor).st_size)
        if before == owner:
            return
        if before and Path(os.fsdecode(before)).exists():
            raise ArchiveError(
                f"{self._path} says that {os.fsdecode(before)} is the checkpoint of its file, not {self._owner}: "
                "give that one"
            )
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, owner)

    def release(self) -> None:
        """Release the lock, if it is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the lock's file, and release the lock."""
        # As long as it is held, so that nobody locks a file that has no name any more. Windows removes no open file.
        if os.name == "nt":
            self.release()
        with suppress(PermissionError):
            self._path.unlink(missing_ok=True)
        self.release()

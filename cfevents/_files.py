"""Files that a crash leaves whole, and a lock between processes. All of it blocks."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cfevents._extras import require_extra
from cfevents.errors import ArchiveError

BINARY = getattr(os, "O_BINARY", 0)
"""The flag of `os.open` that keeps Windows from changing line ends; 0 elsewhere."""

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""The flag of `os.open` that refuses a symbolic link; 0 where there is none."""

_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | BINARY | NOFOLLOW
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY | NOFOLLOW
# Here Linux has links to the files that a process has open; /dev/stdout leads there.
_OPEN_FILES = "/proc"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
# Errors of file systems that cannot sync a directory, and of a directory that may be written but not read.
_NO_DIRECTORY_SYNC = {
    *(errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
}


@contextmanager
def write_errors(path: Path, note: str = "") -> Iterator[None]:
    """Raise an OSError as an ArchiveError that names the file, or the path where it names none, with a note."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = "the disk is full; make room, and try again" if is_full else error.strerror or error
        name = error.filename or path
        if isinstance(error, FileNotFoundError) and (missing := missing_directory(path)):
            name, reason = path, missing
        raise ArchiveError(f"{name} cannot be written: {reason}{note}") from error


def is_same_file(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Return whether two paths lead to one file, which may not exist yet."""
    return os.path.realpath(path) == os.path.realpath(other)


def missing_directory(path: str | os.PathLike[str]) -> str | None:
    """Return that the directory of a file, or of what a link leads to, does not exist; None if it does."""
    folder = Path(os.path.realpath(path)).parent
    return None if folder.is_dir() else f"the directory {folder} does not exist: make it first"


def require_regular(path: Path, what: str = "a checkpoint") -> None:
    """Raise an ArchiveError unless a path is free or has a regular file, which can be replaced."""
    if path.exists() and not path.is_file():
        raise ArchiveError(f"{path} is no plain file: {what} can be kept in a plain file only")


def follow_link(path: Path) -> Path:
    """Return the file that a symbolic link leads to, which need not exist; any other path as it is.

    Raises:
        OSError: The link cannot be followed, or must not be: another user may have put it there, or it is one such as
            ``/dev/stdout``.
    """
    if not path.is_symlink():
        return path
    if may_be_prepared(path):
        raise PermissionError(errno.EPERM, "it is a link of another user, who may have prepared it", str(path))
    with suppress(FileNotFoundError):
        path.stat()  # fails where links make a circle, and where the system protects from links of others
    link = path
    while link.is_symlink():
        if link.parent.resolve().is_relative_to(_OPEN_FILES):
            raise OSError(errno.EINVAL, "it stands for an open file, which would be replaced: name one", str(path))
        link = link.parent / link.readlink()
    return Path(os.path.realpath(path))


def may_be_prepared(path: Path) -> bool:
    """Return whether a path is another user's, in a directory where others may write."""
    if sys.platform == "win32":
        return False
    folder = path.parent.stat()
    trusted = {0, os.geteuid(), folder.st_uid}
    return bool(folder.st_mode & _WRITABLE_BY_OTHERS) and path.lstat().st_uid not in trusted


def sync_directory(path: Path) -> None:
    """Make sure that the names in a directory survive a crash, where the file system has a way to."""
    if sys.platform != "win32":
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise


def move_into_place(path: Path, target: Path) -> None:
    """Rename a file so that a crash leaves the old target or the new one, whole; the target keeps mode and owner."""
    descriptor = os.open(path, os.O_RDWR | BINARY | NOFOLLOW)
    try:
        _copy_access(target, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        path.replace(target)
    except OSError as error:
        is_mount = error.errno == errno.EBUSY
        reason = "it is a mount of its own, which cannot be replaced: mount its directory instead"
        raise OSError(error.errno, reason if is_mount else error.strerror, str(target)) from error
    sync_directory(target.parent)


def _copy_access(path: Path, descriptor: int) -> None:
    """Set the mode and owner of an open file as those of another, if that exists, as far as the process may."""
    if sys.platform != "win32" and path.exists():
        status = path.stat()
        with suppress(PermissionError):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        with suppress(PermissionError):
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def atomic_write(path: Path, data: bytes) -> None:
    """Replace a file's content: whatever happens, the file has the old content or the new, whole."""
    file = AtomicFile(path)
    try:
        file.open().write(data)
        file.commit()
    finally:
        file.discard()


class AtomicFile:
    """A new file, written under its name and ``.new``, that takes its name when it is complete.

    Where the name is a symbolic link, the file that it leads to is replaced. A file that is replaced keeps its mode and
    owner. Two that write to one name do not mix: the later one gets a file of its own, and `commit` of the earlier one
    fails.
    """

    def __init__(self, target: Path) -> None:
        """Set the name that the file takes in the end."""
        self._target = target
        self._file: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Create the file."""
        self._target = follow_link(self._target)
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        self._new = self._target.with_name(f"{self._target.name}.new")
        self._new.unlink(missing_ok=True)
        # What replaces a file may be as secret as that one is.
        descriptor = os.open(self._new, _NEW_FLAGS, 0o600 if self._target.exists() else 0o666)
        self._file = os.fdopen(descriptor, "wb")
        self._status = os.fstat(descriptor)
        return self._file

    def commit(self) -> None:
        """Put the file, once it is on the disk, in its target's place, unless another writer has begun since."""
        assert self._file is not None  # noqa: S101 - it is open
        self._file.close()
        if not self._is_ours():
            raise OSError("another has begun to write it")
        move_into_place(self._new, self._target)
        self._file = None

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            if self._is_ours():
                with suppress(OSError):
                    self._new.unlink()

    def _is_ours(self) -> bool:
        try:
            return os.path.samestat(self._status, self._new.stat())
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
            self._require_own(os.fstat(descriptor))
            # A file without a name was removed by its last holder, in this moment: it keeps nobody else out.
            if not self._is_locked(descriptor) or not os.fstat(descriptor).st_nlink:
                raise ArchiveError(self._busy)
            if self._owner is not None:
                self._claim(descriptor, os.fsencode(self._owner))
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _require_own(self, status: os.stat_result) -> None:
        # One with a second name may be a file of value: what is in it would be replaced.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise ArchiveError(f"{self._path} is no plain file of its own, so it cannot be the lock: remove it")

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

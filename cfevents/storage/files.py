"""Files that are there after a crash, and locks between processes."""

import os
import sys
from pathlib import Path

from cfevents.errors import ArchiveError

if sys.platform != "win32":
    import fcntl


def require_plain(path: Path) -> None:
    """Check that what is there, if anything, has an end and may be replaced, as no device and no pipe has.

    Raises:
        ArchiveError: It is something else.
    """
    if path.exists() and not path.is_file():
        raise ArchiveError(f"{path} is no plain file: a checkpoint can be kept in a plain file only")


def replace_durably(path: Path, data: bytes) -> None:
    """Put data in a file's place: whatever happens, there is the old content or the new, whole.

    Raises:
        OSError: It cannot be written.
    """
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make sure that the names in a directory are there after a crash; Windows offers no way, and none is needed.

    Raises:
        OSError: It cannot be done.
    """
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(path: Path, owner: Path) -> int:
    """Lock a file of its own against other processes; it is free again when its descriptor is closed, or on a kill.

    Windows has no such lock: there only the owner counts.

    Args:
        path: The file; it is made where it is missing.
        owner: What may have the lock. It is written into the file.

    Raises:
        ArchiveError: It belongs to another owner, which is still there.
        BlockingIOError: Another process has it.
        OSError: The file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _own(descriptor, path, owner)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _own(descriptor: int, path: Path, owner: Path) -> None:
    before, ours = os.read(descriptor, os.fstat(descriptor).st_size), os.fsencode(owner)
    if before and before != ours and Path(os.fsdecode(before)).exists():
        raise ArchiveError(f"{path} says that {os.fsdecode(before)} tells how far its file was written, not {owner}")
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, ours)

"""Files that are there after a crash, and locks between processes."""

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


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


def lock(path: Path) -> int:
    """Lock a file of its own against other processes; it is free again when its descriptor is closed, or on a kill.

    Windows has no such lock: there it does nothing.

    Raises:
        BlockingIOError: Another one has it.
        OSError: The file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor

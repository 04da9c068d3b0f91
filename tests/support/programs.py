"""Folders for servers of tests that must not run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_and_user(prefix: str) -> Iterator[tuple[Path, str | None]]:
    """Yield a folder, and where this is root, the name of another user, whose it is."""
    folder, user = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp")), None
    if os.geteuid() == 0:
        import pwd  # noqa: PLC0415 - not on Windows

        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
        shutil.chown(folder, user)
    folder.chmod(0o755)
    try:
        yield folder, user
    finally:
        shutil.rmtree(folder)

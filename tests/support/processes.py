"""Other processes and other users, without a new interpreter."""

import asyncio
import os
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NOBODY = 65534


def error_in_fork(work: Callable[[], Coroutine[Any, Any, object]]) -> str:
    """Return the error that work raises in a forked child, with its class."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork of a process with threads
        child = os.fork()
    if child == 0:
        try:
            asyncio.run(asyncio.wait_for(work(), 5))
            text = "nothing"
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        text = pipe.read()
    os.waitpid(child, 0)
    return text


@contextmanager
def readable_folder() -> Iterator[Path]:
    """Make a folder that every user may enter, below none that only the owner may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            folder.chmod(0o755)


@contextmanager
def may_not_write(*paths: Path) -> Iterator[None]:
    """Let this process write neither paths nor what is in them, also where it runs as root."""
    modes = {path: path.stat().st_mode for folder in paths for path in (folder, *folder.glob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & 0o555 | 0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in modes.items():
            if path.exists():
                path.chmod(mode)

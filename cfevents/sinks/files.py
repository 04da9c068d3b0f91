"""The files of a delivery: its checkpoint, the events that the receiver refused, and a file of lines as a sink."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from cfevents._files import BINARY, NOFOLLOW, FileLock, atomic_write, require_regular, sync_directory, write_errors
from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.watch import WatchCheckpoint
from cfevents._protocol.records import followed_line
from cfevents._time import format_iso, now, to_datetime
from cfevents.sinks.sink import RefusedEvent
from cfevents.sinks.urls import SinkAddress
from cfevents.storage import NDJSONFile

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | BINARY | NOFOLLOW


class CheckpointFile:
    """A checkpoint in a file, which one process at a time uses: two would undo what the other stores."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Set the path; nothing is opened."""
        self._path = Path(path).absolute()
        self._lock: FileLock | None = None

    def __enter__(self) -> Self:
        busy = f"another process uses the checkpoint {self._path}: end it first, or give this one its own"
        lock = FileLock(Path(f"{os.path.realpath(self._path)}.lock"), busy=busy)
        # A directory that is missing fails here, before anything is delivered.
        with write_errors(self._path):
            require_regular(self._path)
            lock.acquire()
        self._lock = lock
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    def read(self) -> str | None:
        """Return the text of the checkpoint; None where there is none yet."""
        with write_errors(self._path), suppress(FileNotFoundError):
            # A file that is not text becomes an invalid checkpoint. An empty one was made beforehand, for its mode.
            return self._path.read_text(encoding="utf-8", errors="replace") or None
        return None

    def store(self, checkpoint: FollowCheckpoint | WatchCheckpoint) -> None:
        """Replace the checkpoint; a crash leaves the old one or the new one."""
        with write_errors(self._path, note="; nothing is lost"):
            atomic_write(self._path, checkpoint.to_json().encode())


class DeadLetters:
    """A file of the events that a receiver refused, a JSON object a line, each with the reason. Its mode is 0600."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Set the path; the file is made with the first event."""
        self.path = Path(path).absolute()
        with write_errors(self.path):
            require_regular(self.path, "events")

    def append(self, refused: Iterable[RefusedEvent]) -> None:
        """Append events. When it returns they are on the disk; if it fails, none is in the file."""
        at = format_iso(to_datetime(now()))
        lines = [{"refused_at": at, "reason": reason, **followed_line(item)} for item, reason in refused]
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        with write_errors(self.path, note="; nothing is lost"):
            descriptor = os.open(self.path, _APPEND, 0o600)
            try:
                _append_whole(descriptor, data)
            finally:
                os.close(descriptor)
            sync_directory(self.path.parent)


def _append_whole(descriptor: int, data: bytes) -> None:
    before = os.fstat(descriptor).st_size
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def file_sink(address: SinkAddress) -> NDJSONFile:
    """Return the file at ``file:events.ndjson``, ``file:/var/events.ndjson`` or ``file:///var/events.ndjson``."""
    text = str(address.text)[len("file:") :]
    path = unquote(text.removeprefix("//")) if text.startswith("///") else text
    if not path or path.startswith("//") or path.endswith("/"):
        raise ValueError("url names no file of this machine: write file:PATH")
    return NDJSONFile(path)

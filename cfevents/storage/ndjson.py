"""Events in a file, a JSON object a line."""

import asyncio
import errno
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._protocol.records import followed_line
from cfevents._validation import validate_type
from cfevents.errors import ArchiveError
from cfevents.storage.append_log import AppendLog
from cfevents.storage.files import lock

# Each line, and so the file.
_BEGINS = b'{"connector_id": '


class NDJSONFile:
    """A file of events, a JSON object a line, each event once, whatever happens to the process.

    A context manager, plain or async::

        async with NDJSONFile("events.ndjson") as file:
            follower = client.follow_events(connector_ids, checkpoint=file.checkpoint)
            await file.begin(follower.checkpoint)
            async for batch in follower.batches():
                await file.write(batch)

    Beside it is a checkpoint, which tells how much of the file counts and how far the connectors were followed, and a
    lock against other processes. A file that was moved away, as log rotation does, is followed by a new one.
    """

    __module__ = "cfevents.storage"

    def __init__(self, path: str | os.PathLike[str], *, checkpoint: str | os.PathLike[str] | None = None) -> None:
        """Take where it is; nothing is opened.

        Args:
            path: The file.
            checkpoint: The file for the checkpoint: the path and ``.checkpoint`` where it is left out.

        Raises:
            ValueError: Both are one file.
        """
        # Absolute, since a program may go to another directory.
        self._path = Path(path).absolute()
        self._beside = Path(f"{self._path}.checkpoint" if checkpoint is None else checkpoint).absolute()
        if self._beside.resolve() == self._path.resolve():
            raise ValueError(f"checkpoint={str(checkpoint)!r} is the file of the events: give it one of its own")
        self._appended = AppendLog(self._path, self._beside, _BEGINS)
        self._lock: int | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._reopen = False

    @property
    def checkpoint(self) -> str | None:
        """How far the connectors were followed, for ``Client.follow_events``; None before the first batch.

        Raises:
            ArchiveError: The file is not open: how far is not known yet.
        """
        self._require_open()
        return self._appended.checkpoint

    def open(self) -> Self:
        """Open it, and cut off what a killed process had only begun to write; once more is no harm.

        Raises:
            ArchiveError: Another process writes it, it cannot be opened, or it is shorter than what was written.
        """
        if self._thread is None:
            self._guarded(self._take)
            # One thread, so that batches are written in the order in which they were given.
            self._thread = ThreadPoolExecutor(1, "cfevents-ndjson")
        return self

    def close(self) -> None:
        """Wait until what was given is written, and close it."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown()
            self._free()

    def reopen(self) -> None:
        """Open the path anew before the next batch is written. It is noticed without it that a file was moved away."""
        self._reopen = True

    async def write(self, batch: Batch[Any]) -> None:
        """Append a batch, a line for each event, and then store its checkpoint. When it returns, both are on the disk.

        Raises:
            ArchiveError: It could not be written. The same batch can be written again: each event is there once.
            TypeError: It is no batch.
        """
        validate_type("batch", batch, Batch)
        thread = self._require_open()
        await asyncio.get_running_loop().run_in_executor(thread, self._guarded, self._write, batch)

    def _require_open(self) -> ThreadPoolExecutor:
        if self._thread is None:
            raise ArchiveError(f"{self._path} is not open: write 'async with NDJSONFile(...) as file'")
        return self._thread

    async def begin(self, checkpoint: FollowCheckpoint) -> None:
        """Store where following begins, before the first batch; where there is a checkpoint already it does nothing.

        So a process that ends before there was an event does not make the next one begin later.

        Args:
            checkpoint: ``follower.checkpoint``.

        Raises:
            ArchiveError: It could not be written.
            TypeError: It is no checkpoint of a follower.
        """
        text = validate_type("checkpoint", checkpoint, FollowCheckpoint).to_json()
        if self.checkpoint is None:
            thread = self._require_open()
            await asyncio.get_running_loop().run_in_executor(thread, self._guarded, self._appended.append, b"", text)

    def _write(self, batch: Batch[Any]) -> None:
        if self._reopen:
            self._reopen = False
            self._appended.close()
        lines = (json.dumps(followed_line(item)) + "\n" for item in batch.items)
        self._appended.append("".join(lines).encode(), batch.checkpoint.to_json())

    def _take(self) -> None:
        try:
            self._lock = lock(Path(f"{self._path.resolve()}.lock"), owner=self._beside.resolve())
        except BlockingIOError as error:
            raise ArchiveError(f"another process writes {self._path}: end it first, or write another file") from error
        try:
            self._appended.open()
        except BaseException:
            self._free()
            raise

    def _free(self) -> None:
        self._appended.close()
        descriptor, self._lock = self._lock, None
        if descriptor is not None:
            os.close(descriptor)

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except OSError as error:
            path = error.filename or self._path
            raise ArchiveError(f"{path} cannot be written: {_why(error)}; nothing is lost") from error

    async def __aenter__(self) -> Self:
        opening = asyncio.ensure_future(asyncio.to_thread(self.open))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on: what it opens would stay open, and locked.
            await asyncio.wait([opening])
            self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<NDJSONFile {str(self._path)!r}, {'not open' if self._thread is None else 'open'}>"


def _why(error: OSError) -> str:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return "the disk is full; make room, and write it again" if full else f"{error.strerror or error} ({error.errno})"

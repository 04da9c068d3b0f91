"""Events in a file, a JSON object a line."""

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from attrs import evolve

from cfevents._cancellation import finish
from cfevents._files import FileLock, follow_link, require_regular, write_errors
from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._protocol.records import followed_line
from cfevents._public import set_module
from cfevents._validation import require_process, validate_type
from cfevents.errors import ArchiveError
from cfevents.storage.append_log import AppendLog

# Each line begins so, and with it the file.
_PREFIX = b'{"connector_id": '


@set_module("cfevents.storage")
class NDJSONFile:
    """A file of events, a JSON object a line, each event once, whatever happens to the process.

    A context manager, plain or async::

        async with NDJSONFile("events.ndjson") as file:
            follower = client.follow_events(connector_ids, checkpoint=file.checkpoint)
            await file.begin(follower.checkpoint)
            async for batch in follower.batches():
                await file.write(batch)

    Beside the file are a checkpoint, with the length of what is committed and how far the connectors were followed, and
    a lock against other processes, which needs the extra ``storage``. A file that was moved away, as log rotation does,
    is followed by a new one.
    """

    def __init__(self, path: str | os.PathLike[str], *, checkpoint: str | os.PathLike[str] | None = None) -> None:
        """Set the paths; nothing is opened.

        Args:
            path: The file.
            checkpoint: The file for the checkpoint: the path and ``.checkpoint`` where it is left out.

        Raises:
            ValueError: Both are one file.
        """
        # Absolute, since a program may change its directory.
        self._path = Path(path).absolute()
        self._sidecar = Path(f"{self._path}.checkpoint" if checkpoint is None else checkpoint).absolute()
        if os.path.realpath(self._sidecar) == os.path.realpath(self._path):
            raise ValueError(f"checkpoint={str(checkpoint)!r} is the file of the events: give it one of its own")
        self._log = AppendLog(self._path, self._sidecar, _PREFIX)
        self._shares_sidecar = checkpoint is not None  # others may be given the same
        self._locks = list[FileLock]()
        self._thread: ThreadPoolExecutor | None = None
        self._reopen = False
        self._committed: FollowCheckpoint | None = None  # with the last batch

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint for ``Client.follow_events``; None before the first batch.

        Raises:
            ArchiveError: The file is not open: its checkpoint is not known yet.
        """
        self._require_open()
        return self._log.checkpoint

    def open(self) -> Self:
        """Open the file, and truncate what a killed process had only begun to write. Opening it again has no effect.

        Raises:
            ArchiveError: Another process writes it or uses its checkpoint, it cannot be opened, or it is shorter than
                what was written.
            ConfigurationError: The extra ``storage`` is not installed.
        """
        if self._thread is None:
            self._blocking(self._lock_and_open)
            # One thread, so that batches are written in the order in which they were given.
            self._thread, self._pid = ThreadPoolExecutor(1, "cfevents-ndjson"), os.getpid()
        return self

    def close(self) -> None:
        """Wait until everything given is written, and close the file."""
        if (closing := self._begin_closing()) is not None:
            closing.result()

    def reopen(self) -> None:
        """Open the path again before the next batch. A file that was moved away is noticed without it."""
        self._reopen = True

    async def write(self, batch: Batch[Any]) -> None:
        """Append a batch, a line for each event, and then store its checkpoint. When it returns, both are on the disk.

        Raises:
            ArchiveError: It could not be written. The same batch can be written again: each event is there once. Or its
                follower did not begin with the checkpoint of the file: events would be missing, or there twice.
            TypeError: It is no batch.
        """
        validate_type("batch", batch, Batch)
        await self._on_thread(self._append, batch)

    async def begin(self, checkpoint: FollowCheckpoint) -> None:
        """Store the checkpoint that following begins with, unless there is one already.

        So a process that ends before there was an event does not make the next one begin later.

        Args:
            checkpoint: ``follower.checkpoint``.

        Raises:
            ArchiveError: It could not be written.
            TypeError: It is no checkpoint of a follower.
        """
        text = validate_type("checkpoint", checkpoint, FollowCheckpoint).to_json()
        if self.checkpoint is None:
            await self._on_thread(self._log.append, b"", text)

    async def resume(self, start: FollowCheckpoint) -> str | None:
        """Return the checkpoint to go on after; None where there is none yet, and ``start`` is stored now.

        Args:
            start: ``follower.checkpoint``.

        Raises:
            ArchiveError: It could not be written.
            TypeError: It is no checkpoint of a follower.
        """
        known = self.checkpoint
        await self.begin(start)
        return known

    def _append(self, batch: Batch[Any]) -> None:
        if self._reopen:
            self._reopen = False
            self._log.close()
        self._require_continuation(batch)
        lines = (json.dumps(followed_line(item)) + "\n" for item in batch.items)
        self._log.append("".join(lines).encode(), batch.checkpoint.to_json())
        self._committed = batch.checkpoint

    def _require_continuation(self, batch: Batch[Any]) -> None:
        """Raise an ArchiveError unless the batch goes on where the file ends, or is its last one once more."""
        before, after, text = batch.before, batch.checkpoint, self._log.checkpoint
        if text is None or before is None or before is self._committed or after.to_json() == text:
            return
        known = FollowCheckpoint.from_json(text)
        is_same = evolve(before, connectors={}).to_json() == evolve(known, connectors={}).to_json()
        if not (is_same and all(before.of(name).covers(mark) for name, mark in known.connectors.items())):
            raise ArchiveError(
                f"{self._path} goes on after another checkpoint than the batch: give checkpoint=file.checkpoint to "
                "follow_events, or write another file"
            )

    def _lock_and_open(self) -> None:
        require_regular(self._path, "events")  # before there is a lock beside a device
        self._locks = self._make_locks()
        try:
            for lock in self._locks:
                lock.acquire()
            self._log.open()
            self._log.check_sidecar()
        except BaseException:
            self._close()
            raise

    def _make_locks(self) -> list[FileLock]:
        busy = f"another process writes {self._path}: end it first, or write another file"
        path, owner = os.path.realpath(follow_link(self._path)), os.path.realpath(self._sidecar)
        locks = [FileLock(Path(f"{path}.lock"), busy=busy, owner=Path(owner))]
        if self._shares_sidecar:
            busy = f"another process uses the checkpoint {self._sidecar}: end it first, or give this one its own"
            locks.append(FileLock(Path(f"{owner}.lock"), busy=busy))
        return locks

    def _begin_closing(self) -> "Future[None] | None":
        """Close the file, once everything given is written, on its thread; None if it is not open."""
        thread, self._thread = self._thread, None
        if thread is None:
            return None
        if os.getpid() != self._pid:  # the thread, and what it has open, are the parent's
            return None
        closing = thread.submit(self._close)
        thread.shutdown(wait=False)
        return closing

    def _close(self) -> None:
        try:
            self._log.close()
        finally:
            for lock in self._locks:
                lock.release()

    def _require_open(self) -> ThreadPoolExecutor:
        if self._thread is None:
            raise ArchiveError(f"{self._path} is not open: write 'async with NDJSONFile(...) as file'")
        require_process(self._pid, str(self._path), ArchiveError)
        return self._thread

    async def _on_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = self._require_open()
        await asyncio.get_running_loop().run_in_executor(thread, self._blocking, work, *arguments)

    def _blocking(self, work: Callable[..., None], *arguments: Any) -> None:
        with write_errors(self._path, note="; nothing is lost"):
            work(*arguments)

    async def __aenter__(self) -> Self:
        # A thread of its own: those that the program shares may be busy.
        thread = ThreadPoolExecutor(1, "cfevents-ndjson-open")
        try:
            return await finish(asyncio.get_running_loop().run_in_executor(thread, self.open))
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            thread.shutdown(wait=False)

    async def __aexit__(self, *_: object) -> None:
        if (closing := self._begin_closing()) is not None:
            await finish(asyncio.wrap_future(closing))

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<NDJSONFile {str(self._path)!r}, {'not open' if self._thread is None else 'open'}>"

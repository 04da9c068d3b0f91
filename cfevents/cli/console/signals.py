"""Signals that end a command which would go on for ever."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import cast

import click

from cfevents.cli.console.errors import INTERRUPTED, print_line

_CLOSE_TIMEOUT_S = 5.0


class Ending:
    """The end of a task on request: what waits is cancelled, what is `under_way` is finished first."""

    def __init__(self, task: "asyncio.Task[object]") -> None:
        """Prepare to end a task."""
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._is_under_way = self._was_signalled = False
        self._finish: Callable[[], Awaitable[object]] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self.is_requested = False
        self.status = 0  # as a shell reports a process that the signal ended

    def exit_if_requested(self, message: str) -> None:
        """Print a message and exit with the status of the signal, if there was one."""
        if self.is_requested:
            print_line(message)
            raise click.exceptions.Exit(self.status)

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """Request the end. A second Ctrl-C ends the process at once: what is under way takes too long."""
        if self._was_signalled and number == signal.SIGINT:
            # An exception would wait until everything is closed. What is stored survives this.
            os._exit(INTERRUPTED)
        self._loop.call_soon_threadsafe(self._request)
        self._was_signalled, self.status = True, 128 + number

    def _request(self) -> None:
        if not self.is_requested:
            self.is_requested = True
            if self._finish is not None:
                self._finishing = self._loop.create_task(self._finish_or_cancel(self._finish))
            elif not self._is_under_way:
                self._task.cancel()

    async def _finish_or_cancel(self, finish: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await finish()
        except TimeoutError:
            self._task.cancel()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Finish the block before the task ends: what was written is then recorded as well."""
        self._is_under_way = True
        try:
            yield
        finally:
            self._is_under_way = False
        if self.is_requested:
            self._task.cancel()

    @contextmanager
    def by_calling(self, finish: Callable[[], Awaitable[object]]) -> Iterator[None]:
        """End the block by a call instead of a cancellation; if that takes too long, cancel the task after all."""
        self._finish = finish
        try:
            yield
        finally:
            self._finish = None

    @contextmanager
    def when_reader_leaves(self) -> Iterator[None]:
        """End the block also if stdout is a pipe that loses its reader, which a write would notice only later."""
        pipe = _stdout_pipe()
        if pipe is not None:
            self._loop.add_reader(pipe, self._request)
        try:
            yield
        finally:
            if pipe is not None:
                self._loop.remove_reader(pipe)


def _stdout_pipe() -> int | None:
    """Return the descriptor of stdout if it is a pipe that reports the loss of its reader, else None."""
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415 - not on Windows

    with suppress(AttributeError, OSError):  # closed, or no file
        descriptor = sys.stdout.fileno()
        # One that is also open for reading never loses its reader, and would report its data instead.
        writes_only = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        return descriptor if writes_only and stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    return None


@contextmanager
def end_on_signal() -> Iterator[Ending]:
    """End the block on SIGINT or SIGTERM, which is no failure; a second SIGINT ends the process at once."""
    ending = Ending(task := cast("asyncio.Task[object]", asyncio.current_task()))
    # Not the event loop's handlers: they wait until the loop is free, and it may block in a write without a reader.
    with _handlers({signal.SIGINT: ending.on_signal, signal.SIGTERM: ending.on_signal}):
        try:
            yield ending
        except asyncio.CancelledError:
            if not ending.is_requested:
                raise
            task.uncancel()
    if ending.is_requested:
        # Another signal while the rest is closed must not become a failure.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def call_on_hangup(reopen: Callable[[], None]) -> Iterator[None]:
    """Call a function on SIGHUP, where the platform has it."""
    number = getattr(signal, "SIGHUP", None)
    with _handlers({} if number is None else {number: lambda *_: reopen()}):
        yield


@contextmanager
def _handlers(handlers: "dict[signal.Signals, Callable[[int, FrameType | None], None]]") -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""How commands that go on for ever are asked to end."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import cast

from cfevents.cli.console.errors import INTERRUPTED

_ASKING = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 5.0  # seconds


class Ending:
    """That a command is to end: what waits is interrupted, what is `under_way` is finished first."""

    def __init__(self, task: "asyncio.Task[object]") -> None:
        """End a task when it is asked to."""
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._under_way = self._signalled = False
        self._finish: Callable[[], Awaitable[object]] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self.asked = False

    def take(self, number: int, _: FrameType | None) -> None:
        """Take a signal. Ctrl-C that is not the first means that what is under way takes too long."""
        if self._signalled and number == signal.SIGINT:
            # An exception would wait for whatever has to be closed. What is stored can bear worse.
            os._exit(INTERRUPTED)
        self._loop.call_soon_threadsafe(self._ask)
        self._signalled = True

    def _ask(self) -> None:
        if not self.asked:
            self.asked = True
            if self._finish is not None:
                self._finishing = self._loop.create_task(self._end_by(self._finish))
            elif not self._under_way:
                self._task.cancel()

    async def _end_by(self, finish: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await finish()
        except TimeoutError:
            self._task.cancel()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Do something that is to be finished: what is written is then stored, too."""
        self._under_way = True
        try:
            yield
        finally:
            self._under_way = False
        if self.asked:
            self._task.cancel()

    @contextmanager
    def by(self, finish: Callable[[], Awaitable[object]]) -> Iterator[None]:
        """Do something that ends when a function is called; where that takes too long, it is interrupted after all."""
        self._finish = finish
        try:
            yield
        finally:
            self._finish = None

    @contextmanager
    def when_nobody_reads(self) -> Iterator[None]:
        """End, too, when a pipe that stdout goes to has lost its reader, which a write would tell only later."""
        pipe = _stdout_pipe()
        if pipe is not None:
            self._loop.add_reader(pipe, self._ask)
        try:
            yield
        finally:
            if pipe is not None:
                self._loop.remove_reader(pipe)


def _stdout_pipe() -> int | None:
    """Find the descriptor of stdout, if that is a pipe which tells of itself that its reader is gone."""
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415 - not on Windows

    with suppress(AttributeError, OSError):  # closed, or no file
        descriptor = sys.stdout.fileno()
        # One that can be read as well has always a reader, and would tell of what is in it.
        writes_only = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        return descriptor if writes_only and stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    return None


@contextmanager
def ends_when_asked() -> Iterator[Ending]:
    """Let SIGINT and SIGTERM end what is done within, which is no failure; a second SIGINT ends the process at once."""
    ending = Ending(task := cast("asyncio.Task[object]", asyncio.current_task()))
    # Not the event loop's own handlers: those wait until it is free, and it may be writing to one who does not read.
    with _handled(dict.fromkeys(_ASKING, ending.take)):
        try:
            yield ending
        except asyncio.CancelledError:
            if not ending.asked:
                raise
            task.uncancel()
    if ending.asked:
        # Whoever asks once more, while the rest is closed, is not to make a failure of it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def hangup_calls(reopen: Callable[[], None]) -> Iterator[None]:
    """Let SIGHUP, where there is one, call a function."""
    number = getattr(signal, "SIGHUP", None)
    with _handled({} if number is None else {number: lambda *_: reopen()}):
        yield


@contextmanager
def _handled(handlers: "dict[signal.Signals, Callable[[int, FrameType | None], None]]") -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

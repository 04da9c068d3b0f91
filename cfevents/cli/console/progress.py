"""The line that stands on a terminal's stderr while a command goes on: how far it came, and what it waits for."""

import asyncio
import math
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_TICK = 0.25  # seconds
_BAR = 30  # characters
_NOTABLE = 1.0  # seconds


class Progress(NamedTuple):
    """How far a command came."""

    part: float
    """Which part of the whole is done, from 0 to 1."""

    told: str
    """What was done, in words."""


class _Line:
    """The line, drawn now and then. A timer does it: rich has a thread for it, which would draw into what we print."""

    def __init__(self, wait: Callable[[], float]) -> None:
        self.progress: Callable[[], Progress] | None = None
        self._wait, self._is_drawn = wait, False
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    @cached_property
    def _console(self) -> "Console":
        from rich.console import Console  # noqa: PLC0415 - rich is loaded to draw alone

        return Console(stderr=True, highlight=False)

    def _tick(self) -> None:
        self.draw()
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def draw(self) -> None:
        """Draw what there is to tell by now."""
        line = self._told()
        if line is None:
            self.hide()
            return
        line.truncate(self._console.width - 1, overflow="ellipsis")
        self._put(line)
        self._is_drawn = True

    def hide(self) -> None:
        """Make room for what is printed."""
        if self._is_drawn:
            self._put("")
            self._is_drawn = False

    def _put(self, line: "Text | str") -> None:
        from rich.control import Control  # noqa: PLC0415 - rich is loaded to draw alone
        from rich.segment import ControlType  # noqa: PLC0415 - rich is loaded to draw alone

        with suppress(OSError), self._console:  # which writes all of it at once
            self._console.control(Control(ControlType.CARRIAGE_RETURN))
            self._console.print(line, end="")
            self._console.control(Control((ControlType.ERASE_IN_LINE, 0)), Control(ControlType.CARRIAGE_RETURN))

    def end(self) -> None:
        """Draw no more."""
        self._timer.cancel()
        self.hide()

    def _told(self) -> "Text | None":
        wait = self._wait()
        waits = f"waiting {math.ceil(wait)} s for the quota" if wait >= _NOTABLE else ""
        if self.progress is not None:
            return self._bar(self.progress(), waits)
        # A pager's or a filter's screen may be the same terminal.
        return self._text(waits) if waits and not _stdout_is(stat.S_ISFIFO) else None

    def _bar(self, progress: Progress, waits: str) -> "Text":
        from cfevents.cli.console.styles import NAME, QUIET  # noqa: PLC0415 - not needed for --help

        done, rest = "#-" if self._console.options.ascii_only else "━─"
        full = int(_BAR * progress.part)
        told = "".join(f", {each}" for each in (waits, progress.told) if each)
        return self._text((done * full, NAME), (rest * (_BAR - full), QUIET), f" {int(100 * progress.part):3}%{told}")

    def _text(self, *parts: str | tuple[str, str]) -> "Text":
        from rich.text import Text  # noqa: PLC0415 - rich is loaded to draw alone

        return Text.assemble(*parts, no_wrap=True)


_line: _Line | None = None


def clear_status_line() -> None:
    """Clear the line, if there is one: something is to be printed on the same terminal."""
    if _line is not None:
        _line.hide()


@contextmanager
def show_waits(wait: Callable[[], float]) -> Iterator[None]:
    """Show, where stderr is a terminal, for how many seconds the request budget makes everything wait."""
    global _line  # noqa: PLW0603 - there is one stderr
    if not (sys.stderr and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb":
        yield
        return
    before, _line = _line, (line := _Line(wait))
    try:
        yield
    finally:
        line.end()
        _line = before


@contextmanager
def show_progress(progress: Callable[[], Progress], *, prints: bool = True) -> Iterator[None]:
    """Show how far a command came, within `show_waits`.

    Args:
        progress: Tells it.
        prints: Whether it prints meanwhile: then it is shown only where that goes into a file.
    """
    line = _line
    if line is not None and (not prints or _stdout_is(stat.S_ISREG)):
        line.progress = progress
    try:
        yield
    finally:
        if line is not None:
            line.progress = None
            line.hide()


def _stdout_is(sort: Callable[[int], bool]) -> bool:
    try:
        return sort(os.fstat(sys.stdout.fileno()).st_mode)
    except (AttributeError, OSError):  # closed, or no file
        return False

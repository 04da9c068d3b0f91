"""The status line on a terminal's stderr: how far a command is, and for what it waits."""

import math
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from cfevents._html import counted

if TYPE_CHECKING:
    from cfevents._progress import Progress

QUIET = "cfevents.quiet"
"""The key of ``--quiet`` in the meta of a command's context."""

_REDRAW_S = 0.25
_MIN_WAIT_S = 1.0
_BAR_CHARS = 30
# Blue and grey of the 256 colours, readable on black and on white.
_DONE_COLOUR, _REST_COLOUR = 31, 243


class _StatusLine:
    """The status line, redrawn by a timer. A thread, as rich has for it, would draw into what the command prints."""

    def __init__(self, wait: Callable[[], float], sent: Callable[[], int]) -> None:
        self.progress: Callable[[], Progress] | None = None
        self.stays = True  # after the first row
        self._wait, self._sent, self._is_drawn = wait, sent, False
        from asyncio import get_running_loop  # noqa: PLC0415 - not needed for --help and --version

        self._loop = get_running_loop()
        self._timer = self._loop.call_later(_REDRAW_S, self._tick)

    def clear(self) -> None:
        if self._is_drawn:
            self._draw("")
            self._is_drawn = False

    def close(self) -> None:
        self._timer.cancel()
        self.clear()

    def _tick(self) -> None:
        if line := self._line():
            self._draw(line)
            self._is_drawn = True
        else:
            self.clear()
        self._timer = self._loop.call_later(_REDRAW_S, self._tick)

    def _line(self) -> str:
        progress = None if self.progress is None else self.progress()
        wait_s = max(self._wait(), 0.0 if progress is None else progress.wait)
        wait = f"waiting {math.ceil(wait_s)} s for the quota" if wait_s >= _MIN_WAIT_S else ""
        if progress is not None:
            if progress.fraction is None:
                return _truncate(", ".join(filter(None, (wait, progress.text))))
            sent = self._sent()
            words = wait, progress.text, counted(sent, "request") if sent else ""
            return _bar(progress.fraction, "".join(f", {word}" for word in words if word))
        # In a pipe, the reader may draw on the same terminal, as a pager does.
        return _truncate(wait) if not _stdout_is(stat.S_ISFIFO) else ""

    def _draw(self, line: str) -> None:
        with suppress(OSError):
            # Without colour too: click would remove what clears the rest of the line, for one.
            click.echo(f"\r{line}\x1b[0K\r", err=True, nl=False, color=True)


def _bar(part: float, text: str) -> str:
    done, rest = "━─" if "utf" in (sys.stderr.encoding or "").lower() else "#-"
    full = int(_BAR_CHARS * part)
    line = _truncate(f"{done * full}{rest * (_BAR_CHARS - full)} {int(100 * part):3}%{text}")
    context = click.get_current_context(silent=True)
    choice = None if context is None else context.color
    if choice is False or (choice is None and os.environ.get("NO_COLOR")):
        return line
    colours = click.style(line[:full], fg=_DONE_COLOUR), click.style(line[full:_BAR_CHARS], fg=_REST_COLOUR)
    return "".join((*colours, line[_BAR_CHARS:]))


def _truncate(line: str) -> str:
    columns = 0
    with suppress(OSError, ValueError):
        columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(sys.stderr.fileno()).columns
    width = (columns or 80) - 1
    return line if len(line) <= width else line[: width - 1] + "…"


_status_line: _StatusLine | None = None


def clear_status_line(*, for_rows: bool = False) -> None:
    """Clear the status line, if there is one, before something else is printed on the terminal."""
    if _status_line is not None:
        _status_line.clear()
        if for_rows and not _status_line.stays:
            _status_line.progress = None


def is_quiet() -> bool:
    """Return whether the command has ``--quiet``."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(QUIET))


@contextmanager
def show_waits(wait: Callable[[], float], sent: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Show the seconds that `wait` returns in a status line, if stderr is a terminal, and beside a bar the requests."""
    global _status_line  # noqa: PLW0603 - there is one stderr
    if not can_show():
        yield
        return
    before, _status_line = _status_line, (line := _StatusLine(wait, sent))
    try:
        yield
    finally:
        line.close()
        _status_line = before


@contextmanager
def show_progress(progress: "Callable[[], Progress]", *, prints: bool = True, stays: bool = False) -> Iterator[None]:
    """Show a command's progress, a bar or a sentence, in the status line of `show_waits`.

    Of a command that `prints`, it is shown while stdout is a file, and on a terminal until the first row, unless it
    `stays`; never beside a pipe, whose reader may draw on the same terminal.
    """
    line = _status_line
    if line is not None and not (prints and _stdout_is(stat.S_ISFIFO)):
        line.progress, line.stays = progress, stays or not prints or _stdout_is(stat.S_ISREG)
    try:
        yield
    finally:
        if line is not None:
            line.progress = None
            line.clear()


def can_show() -> bool:
    """Return whether stderr is a terminal that shows a status line."""
    return not is_quiet() and bool(sys.stderr and sys.stderr.isatty()) and os.environ.get("TERM") != "dumb"


def _stdout_is(is_type: Callable[[int], bool]) -> bool:
    try:
        return is_type(os.fstat(sys.stdout.fileno()).st_mode)
    except (AttributeError, OSError):  # closed, or no file
        return False

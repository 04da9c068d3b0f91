"""Data on stdout: tables for people, NDJSON for programs."""

import io
import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import click

T = TypeVar("T")
Row: TypeAlias = tuple[str, ...]
Write: TypeAlias = Callable[[Sequence[T]], None]

FORMATS = ("table", "ndjson")
"""What ``--format`` takes."""

_GAP = "  "
_NARROWEST = 20


class View(NamedTuple, Generic[T]):
    """How one sort of things is shown."""

    record: Callable[[T], dict[str, Any]]
    """The JSON object of one thing."""

    titles: Row
    """A table's header."""

    rows: Callable[[T], Sequence[Row]]
    """The lines of one thing in a table, cell by cell."""

    widths: tuple[int, ...] = ()
    """The columns' least widths but for the last one; where they are missing, the first things written decide."""


def writer(view: View[T], format_: str | None) -> Write[T]:
    """Make the function that prints things on stdout, each time it is called some more.

    Args:
        view: How they are shown.
        format_: One of `FORMATS`; None for a table on a terminal, and NDJSON elsewhere.
    """
    if (format_ or ("table" if _on_terminal() else "ndjson")) == "table":
        return _Table(view).write
    return lambda items: _print("".join(json.dumps(view.record(item)) + "\n" for item in items))


def printable(text: str) -> str:
    """Make text fit to be printed in a line: what could move a terminal's cursor becomes a replacement character."""
    if text.isprintable():
        return text
    return "".join(_printable(character) for character in text)


def _print(text: str) -> None:
    """Print text, all of it."""
    stream = getattr(sys.stdout, "buffer", None)
    if not isinstance(stream, io.RawIOBase):
        click.echo(text, nl=False)
        return
    # With PYTHONUNBUFFERED, Python drops the rest of what a signal interrupts.
    rest = memoryview(text.encode(sys.stdout.encoding, sys.stdout.errors or "strict"))
    while rest:
        rest = rest[stream.write(rest) or 0 :]


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


class _Table(Generic[T]):
    """Columns side by side; the last one is as wide as the terminal lets it be, and wrapped there."""

    def __init__(self, view: View[T]) -> None:
        self._view = view
        self._widths = view.widths
        self._headed = False

    def write(self, items: Sequence[T]) -> None:
        rows = [_cleaned(row) for item in items for row in self._view.rows(item)]
        if not self._headed:
            rows = [self._view.titles, *rows]
            self._widths = self._widths or _measured(rows)
            self._headed = True
        _print("".join(f"{line}\n" for row in rows for line in self._lines(row)))

    def _lines(self, row: Row) -> Iterable[str]:
        *cells, last = row
        start = "".join(cell.ljust(width) + _GAP for cell, width in zip(cells, self._widths, strict=True))
        room = terminal_width() - len(start)
        # Where a long cell left no room, the terminal's own wrapping serves better.
        lines = textwrap.wrap(last, room) if room >= _NARROWEST else [last]
        return (line.rstrip() for line in _indented(start, lines or [""]))


def _indented(start: str, lines: list[str]) -> Iterable[str]:
    yield start + lines[0]
    yield from (" " * len(start) + line for line in lines[1:])


def _measured(rows: Sequence[Row]) -> tuple[int, ...]:
    return tuple(max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1])


def _cleaned(row: Row) -> Row:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return tuple(printable(cell).encode(encoding, "replace").decode(encoding) for cell in row)


def _on_terminal() -> bool:
    # A process that was started with stdout closed has none.
    return sys.stdout is not None and sys.stdout.isatty()


def terminal_width() -> int:
    """Tell how many characters fit a line; where the output is no terminal, any number."""
    return shutil.get_terminal_size().columns if _on_terminal() else sys.maxsize

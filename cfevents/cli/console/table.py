"""Tables on stdout, drawn row by row: there may be any number, and the first is to be seen at once."""

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Generic, TypeVar

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style
from rich.text import Text

from cfevents.cli.console.output import Row, View, is_terminal, printable, terminal_width, write_stdout

T = TypeVar("T")

_GAP = "  "
_NARROWEST = 20


class Table(Generic[T]):
    """Columns side by side; the last one is as wide as the terminal lets it be, and wrapped there.

    What rich has for tables takes three hundred times as long for a row, and wants to know all rows before the first.
    """

    def __init__(self, view: View[T]) -> None:
        """Take how things are shown."""
        self._view = view
        self._widths: tuple[int, ...] | None = None
        self._colours = _colours()

    def write(self, items: Sequence[T]) -> None:
        """Print some more things."""
        rows = [_cleaned(row) for item in items for row in self._view.rows(item)]
        drawn = [(row, self._styles(row)) for row in rows]
        if self._widths is None:
            self._widths = self._view.widths or _measured([self._view.titles, *rows])
            drawn = [(self._view.titles, ["bold"] * len(self._view.titles)), *drawn]
        write_stdout("".join(f"{line}\n" for row, styles in drawn for line in self._lines(row, styles)))

    def _styles(self, row: Row) -> list[str]:
        styles = self._view.styles or ("",) * len(row)
        return [style if isinstance(style, str) else style(cell) for style, cell in zip(styles, row, strict=True)]

    def _lines(self, row: Row, styles: Sequence[str]) -> Iterator[str]:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, self._widths or (), strict=False)]
        indent = sum(map(cell_len, padded)) + len(_GAP) * len(padded)
        start = "".join(self._drawn(cell, style) + _GAP for cell, style in zip(padded, styles, strict=False))
        first, *more = _wrapped(row[-1], terminal_width() - indent)
        yield start + self._drawn(first, styles[-1]) if first else start.rstrip()
        yield from (" " * indent + self._drawn(line, styles[-1]) for line in more)

    def _drawn(self, text: str, style: str) -> str:
        return _parsed(style).render(text, color_system=self._colours) if style and self._colours else text


_parsed = cache(Style.parse)


def _colours() -> ColorSystem | None:
    """Find which colours stdout shows; none where NO_COLOR asks for none, nor in a pipe, whatever FORCE_COLOR asks."""
    console = Console(file=sys.stdout, force_terminal=is_terminal(sys.stdout))
    name = console.color_system
    return None if name is None or console.no_color else COLOR_SYSTEMS[name]


def _wrapped(text: str, room: int) -> list[str]:
    # Where a long cell left no room, the terminal's own wrapping serves better.
    if room < _NARROWEST or cell_len(text) <= room:
        return [text]
    return [line.plain for line in Text(text).wrap(_plain_console(), room)]


_plain_console = cache(Console)


def _measured(rows: Sequence[Row]) -> tuple[int, ...]:
    return tuple(max(map(cell_len, column)) for column in list(zip(*rows, strict=True))[:-1])


def _cleaned(row: Row) -> Row:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return tuple(printable(cell).encode(encoding, "replace").decode(encoding) for cell in row)

"""Tables on stdout, drawn row by row: they have no end, and the first row must appear at once."""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import zip_longest
from typing import Generic

import click
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.style import Style
from rich.text import Text

from cfevents._validation import printable
from cfevents.cli.console.output import Row, T, View, is_terminal, terminal_width, write_stdout

_GAP = "  "
_MIN_WRAP_CHARS = 12


class Table(Generic[T]):
    """Columns side by side; the last one fills the terminal, and wraps there.

    A table of rich takes three hundred times as long for a row, and needs all rows before it prints the first.
    """

    def __init__(self, view: View[T], *, has_header: bool = True) -> None:
        """Start a table; its header is printed with the first items."""
        self._view, self._has_header = view, has_header
        self._widths: tuple[int, ...] | None = None
        self._color_system = _color_system()

    def write(self, items: Sequence[T]) -> None:
        """Print items."""
        rows = [_safe(row) for item in items for row in self._view.rows(item)]
        styled = [(row, self._styles(row)) for row in rows]
        if self._widths is None:
            titles = self._view.titles
            widths = tuple(max(map(cell_len, column)) for column in zip(titles, *rows, strict=True))[:-1]
            self._widths = tuple(fixed or width for fixed, width in zip_longest(self._view.widths, widths))
            styled = [(titles, ["bold"] * len(titles)), *styled] if self._has_header else styled
        write_stdout("".join(f"{line}\n" for row, styles in styled for line in self._lines(row, styles)))

    def _styles(self, row: Row) -> list[str]:
        colours = zip(self._view.colours, row, strict=True)
        return [colour if isinstance(colour, str) else colour(cell) for colour, cell in colours]

    def _lines(self, row: Row, styles: Sequence[str]) -> Iterator[str]:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, self._widths or (), strict=False)]
        indent = sum(map(cell_len, padded)) + len(_GAP) * len(padded)
        start = "".join(self._render(cell, style) + _GAP for cell, style in zip(padded, styles, strict=False))
        first, *more = _wrap(row[-1], terminal_width() - indent)
        yield start + self._render(first, styles[-1]) if first else start.rstrip()
        # A longer word, such as an id, begins further left.
        indents = [max(min(indent, terminal_width() - cell_len(line)), 0) for line in more]
        yield from (" " * left + self._render(line, styles[-1]) for left, line in zip(indents, more, strict=True))

    def _render(self, text: str, style: str) -> str:
        return _style(style).render(text, color_system=self._color_system) if style and self._color_system else text


_style = cache(Style.parse)
_console = cache(Console)


def _color_system() -> ColorSystem | None:
    """Return the colours that stdout shows: none in a pipe, whatever FORCE_COLOR says, nor with NO_COLOR.

    ``--color`` overrides both.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return ColorSystem.EIGHT_BIT if context.color else None
    console = Console(file=sys.stdout, force_terminal=is_terminal(sys.stdout))
    name = console.color_system
    return None if name is None or console.no_color else COLOR_SYSTEMS[name]


def _wrap(text: str, width: int) -> list[str]:
    # Beside a very long cell the terminal's own wrapping is better.
    if width < _MIN_WRAP_CHARS or cell_len(text) <= width:
        return [text]
    words = re.findall(r"\s*\S+\s*", text)
    if max(cell_len(word.strip()) for word in words) > terminal_width():
        return [line.plain for line in Text(text).wrap(_console(), width)]
    lines = [""]
    for word in words:
        if cell_len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def _safe(row: Row) -> Row:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return tuple(printable(cell).encode(encoding, "replace").decode(encoding) for cell in row)

"""Data on stdout: tables for people, NDJSON for programs."""

import io
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TextIO, TypeAlias, TypeVar

import click

from cfevents.cli.console import progress

T = TypeVar("T")
Row: TypeAlias = tuple[str, ...]

FORMATS = ("table", "ndjson")
"""What ``--format`` takes."""


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

    styles: tuple[str | Callable[[str], str], ...] = ()
    """How the columns look on a terminal: a style of rich, such as those in `colours`, or what finds it by the cell."""


def printable(text: str) -> str:
    """Make text fit to be printed in a line: what could move a terminal's cursor becomes a replacement character."""
    if text.isprintable():
        return text
    return "".join(_printable(character) for character in text)


def write_stdout(text: str) -> None:
    """Print text on stdout, all of it."""
    progress.clear_status_line()
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


def is_terminal(stream: TextIO | None) -> bool:
    """Whether it is a terminal that text is printed on."""
    # A process that was started with stdout closed has none.
    return stream is not None and stream.isatty()


def terminal_width() -> int:
    """Tell how many characters fit a line; where the output is no terminal, any number."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else sys.maxsize

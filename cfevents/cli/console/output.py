"""Data on stdout, tables for people, NDJSON and CSV for programs."""

import datetime as dt
import io
import json
import os
import re
import select
import shutil
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, NamedTuple, TextIO, TypeAlias, TypeVar

import click

from cfevents._time import WallTime
from cfevents.cli.console import progress
from cfevents.cli.console.errors import WrongUsage

T = TypeVar("T")
V = TypeVar("V")
Row: TypeAlias = tuple[str, ...]

# A column has one name in tables, and may have another in CSV and JSON: each is taken for the other.
_SAME_COLUMNS = (
    ("event", "payload"),
    ("kind", "event"),
    ("connector_id", "connector"),
    ("recorded_at", "recorded"),
    ("serial_number", "serial"),
    ("last_seen_version", "version"),
    ("activated", "state"),
    ("first_at", "first_event", "first"),
    ("last_at", "last_event"),
    ("message", "finding"),
    ("event_ids", "id"),
)
FORMATS = ("table", "ndjson", "json", "csv")
"""The values of ``--format``; json means ndjson."""


class Style(NamedTuple):
    """The form in which items are printed."""

    format: str | None = None
    """One of `FORMATS`; None is a table on a terminal, and NDJSON elsewhere."""

    columns: Row = ()
    """The titles of the columns to print, in their order; none for all."""

    headers: bool = True

    @property
    def is_table(self) -> bool:
        """True if items are printed as a table."""
        return (self.format or ("table" if is_terminal(sys.stdout) else "ndjson")) == "table"


class Colour(StrEnum):
    """A colour of a cell, as a style of rich; each is readable on black and on white."""

    NONE = ""
    GOOD = "color(28)"  # green: ended well
    BAD = "color(160)"  # red: failed, or an alarm
    NOTABLE = "color(166)"  # orange: worth attention
    UNKNOWN = "color(133)"  # purple: not documented
    NAME = "color(31)"  # blue: an owner, or the subject of a line
    QUIET = "color(243)"  # grey: of little interest


class View(NamedTuple, Generic[T]):
    """The two forms of a kind of items: a JSON object, and rows of a table."""

    record: Callable[[T], dict[str, Any]]
    titles: Row
    rows: Callable[[T], Sequence[Row]]
    colours: tuple[Colour | Callable[[str], Colour], ...]  # of the columns: a constant, or a function of the cell
    widths: tuple[int, ...] = ()
    """The least widths of all columns but the last; if empty, the first items written decide."""

    fields: Row = ()
    """The names of the columns of CSV."""

    cells: Callable[[T], Sequence[Any]] | None = None
    """The values of these columns; None for those of the JSON object."""

    hidden: Row = ()
    """The titles of columns for which a table has no room, unless they are chosen."""


class Zone(NamedTuple):
    """A time zone, in which tables show times."""

    name: str = "UTC"
    tz: dt.tzinfo | None = dt.UTC
    """None is the zone of this machine."""

    @classmethod
    def named(cls, name: str) -> "Zone":
        """Return a zone by its IANA name, ``UTC``, or ``local``; raise KeyError, OSError or ValueError for others."""
        if name.lower() == "local":
            return cls("local", _machine_zone(os.environ.get("TZ", "").removeprefix(":")))
        return cls() if name.upper() == "UTC" else cls(name, _named_zone(name))

    @property
    def width(self) -> int:
        """The usual width of a time, in characters."""
        return 19 if self.name == "UTC" else 22

    def titled(self, title: str) -> str:
        """Return the title of a column of times."""
        return f"{title} ({self.name.rpartition('/')[2]})"

    def format(self, time: dt.datetime, default: str) -> str:
        """Return an aware time as text, outside UTC with its offset: an hour that comes twice in autumn needs it.

        The result is the default if the time would be outside the years 1 to 9999 in this zone.
        """
        try:
            local = time.astimezone(self.tz)
        except (OverflowError, OSError, ValueError):
            return default
        if self.name == "UTC":
            return local.replace(tzinfo=None).isoformat(" ")
        text = local.isoformat(" ")
        # +02:00 becomes +02, +05:30 stays.
        return text.removesuffix(":00") if text[-6] in "+-" else text

    def named_time(self, time: dt.datetime) -> str:
        """Return an aware time for a sentence, in whole seconds and with its zone."""
        text = self.format(time.replace(microsecond=0), time.isoformat())
        return f"{text} UTC" if self.name == "UTC" else text

    def bound(self, wall: WallTime, *, is_end: bool) -> dt.datetime:
        """Convert a wall clock time of this zone to UTC: of a day its first moment, or its end.

        A time that comes twice or never has two meanings; the result is the earlier one, or at the end the later.
        """
        time = wall.time + dt.timedelta(days=wall.is_day and is_end)
        # In the first meaning a midnight that clocks skip is the moment at which they do.
        meanings = [time.replace(tzinfo=self.tz, fold=fold).astimezone(dt.UTC) for fold in (0, not wall.is_day)]
        return max(meanings) if is_end else min(meanings)


def _machine_zone(name: str) -> dt.tzinfo | None:
    """Return the zone that the value of TZ names; None where the C library has it by itself.

    That is a file, a rule such as CET-1CEST, or none. It would take any other name for UTC without a word.
    """
    if os.name == "nt" or not name or Path("/", name).is_file() or re.match(r"(<[^>]+>|[A-Za-z]{3,})[+-]?\d", name):
        return None
    return _named_zone(name)


def _named_zone(name: str) -> dt.tzinfo:
    if name.upper() == "UTC":
        return dt.UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most commands run in UTC

    return ZoneInfo(name)


def csv_writer(view: View[T], style: Style) -> Callable[[Sequence[T]], None]:
    """Return a function that prints items as CSV, the first time with a header; raises `WrongUsage`."""
    from cfevents._export.formats import csv_lines  # noqa: PLC0415 - not needed for tables

    chosen = _column_numbers(view.fields, style.columns) or range(len(view.fields))
    header = [[view.fields[number] for number in chosen]] if style.headers else []

    def cells(item: T) -> Sequence[Any]:
        if view.cells is not None:
            return view.cells(item)
        record = view.record(item)
        values = (record.get(name) for name in view.fields)
        return list(map(csv_cell, values))

    def write(items: Sequence[T]) -> None:
        rows = [[row[number] for number in chosen] for row in map(cells, items)]
        write_stdout(csv_lines([*header, *rows]))
        header.clear()

    return write


def csv_cell(value: Any) -> Any:
    """Return a value of JSON for a cell of CSV: objects, lists and truth values as JSON."""
    return json.dumps(value) if isinstance(value, (dict, list, bool)) else value


def select_columns(view: View[T], names: Row) -> View[T]:
    """Return a view of the columns with these names; without any, of those for which a table has room."""
    shown = [number for number, title in enumerate(view.titles) if title not in view.hidden]
    numbers = _column_numbers(column_names(view, "table"), names) or shown

    def select(cells: Sequence[V]) -> tuple[V, ...]:
        return tuple(cells[number] for number in numbers)

    # The first rows decide on the widths: the last column of the view has none of its own.
    return view._replace(
        titles=select(view.titles),
        rows=lambda item: [select(row) for row in view.rows(item)],
        colours=select(view.colours),
        widths=select((*view.widths, 0))[:-1] if view.widths else (),
    )


def column_names(view: View[Any], format_: str | None) -> list[str]:
    """Return the names of the columns of a view in a format, for ``--columns``; in a table those of CSV, if it can."""
    if format_ == "csv":
        return [*view.fields]
    titles = [_column_name(title.partition(" (")[0]) for title in view.titles]
    return [next((name for name in _synonyms(title) if name in view.fields), title) for title in titles]


def _column_name(title: str) -> str:
    return title.strip().lower().replace(" ", "_")


def _synonyms(name: str) -> list[str]:
    return [name, *(other for group in _SAME_COLUMNS if name in group for other in group)]


def _column_numbers(known: Sequence[str], names: Row) -> list[int]:
    """Return the places of the columns with these names."""
    wanted = {name: [word for word in _synonyms(_column_name(name)) if word in known] for name in names}
    if unknown := [_column_name(name) for name, words in wanted.items() if not words]:
        raise WrongUsage(f"--columns has no {', '.join(unknown)}: write {','.join(known)}, or some of them")
    return [known.index(wanted[name][0]) for name in names]


def write_summary(text: str) -> None:
    """Print a line about what the command did on stdout, unless it has ``--quiet``."""
    if not progress.is_quiet():
        write_stdout(f"{text}\n")


def write_stdout(data: str | bytes) -> None:
    """Print text or bytes on stdout, all of it; text that stdout cannot encode is escaped."""
    progress.clear_status_line(for_rows=True)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if isinstance(data, str):
        data = _encodable(data, encoding, getattr(sys.stdout, "errors", None) or "strict")
    if (stream := _unbuffered_stdout()) is None:
        click.echo(data, nl=False)
        return
    sys.stdout.flush()
    rest = memoryview(data.encode(encoding, sys.stdout.errors or "strict") if isinstance(data, str) else data)
    while rest:
        # Python's own buffer drops the rest where the pipe does not block, or a signal interrupts the write.
        if (count := stream.write(rest)) is None:
            select.select([], [stream], [])
        rest = rest[count or 0 :]


def _unbuffered_stdout() -> io.RawIOBase | None:
    """Return the file below stdout; None for anything else, and on Windows, where line ends are converted above it."""
    buffer = None if os.name == "nt" else getattr(sys.stdout, "buffer", None)
    raw = buffer.raw if isinstance(buffer, io.BufferedWriter) else buffer
    return raw if isinstance(raw, io.RawIOBase) else None


def _encodable(text: str, encoding: str, errors: str) -> str:
    try:
        text.encode(encoding, errors)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def is_terminal(stream: TextIO | None) -> bool:
    """Return True if the stream is a terminal."""
    # A process that was started with stdout closed has none.
    return stream is not None and stream.isatty()


def terminal_width() -> int:
    """Return the number of characters in a line of stdout; without a terminal there is no limit."""
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else sys.maxsize

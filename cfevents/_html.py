"""What a notebook shows of a value: small tables in HTML, readable on light and on dark paper.

Whatever text an API may send stands there as text: every cell is escaped here, and nowhere else.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from attrs import fields

# The most characters of a cell, and the most rows of a table.
_LONGEST = 300
_MOST = 10
# The most characters of a name where there is little room.
_LONGEST_NAME = 18

# No colour of its own, but for lines that stand out a little from either paper.
_LINE = "1px solid rgba(128, 128, 128, 0.4)"
_TABLE = "border-collapse: collapse; color: inherit; background: transparent; font-variant-numeric: tabular-nums"
_CELL = f"text-align: left; vertical-align: top; padding: 0.15em 0.9em 0.15em 0; border-bottom: {_LINE}"


def rows_of(caption: object, head: Sequence[object], rows: Iterable[Sequence[object]], *, most: int = _MOST) -> str:
    """Make a table of rows, of which the first few are shown.

    Args:
        caption: What it is, in a line.
        head: The names of its columns.
        rows: A value for each column. None is an empty cell, a mapping or a list is shown as JSON, all else as text.
        most: How many rows are shown.
    """
    every = list(rows)
    caption = f"{_text(caption)} (the first {most} of {len(every):,})" if len(every) > most else caption
    return _table(caption, [_line("th", head), *(_line("td", row) for row in every[:most])])


def fields_of(caption: object, fields: Mapping[str, object]) -> str:
    """Make a table of one value's fields, by name; those that are None are left out."""
    told = ((name, value) for name, value in fields.items() if value is not None)
    return _table(caption, [f"<tr>{_cell('th', name)}{_cell('td', value)}</tr>" for name, value in told])


def date_of(seconds: float) -> str:
    """Write seconds since the Unix epoch as a date, or as they are where there is none."""
    try:
        return _text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    except OverflowError:
        return f"{seconds} s"


def counted(number: int, what: str) -> str:
    """Say how many there are of something, ``1,253 events``."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """Leave the middle of a long name out, such as that of a connector's id."""
    return name if len(name) <= longest else f"{name[: longest // 2]}…{name[-(longest // 2) + 1 :]}"


def _table(caption: object, lines: Iterable[str]) -> str:
    shown = f'<caption style="text-align: left; color: inherit">{_shown(caption)}</caption>'
    return f'<table style="{_TABLE}">{shown}{"".join(lines)}</table>'


def _line(tag: str, values: Iterable[object]) -> str:
    return f"<tr>{''.join(_cell(tag, value) for value in values)}</tr>"


def _cell(tag: str, value: object) -> str:
    return f'<{tag} style="{_CELL}">{_shown(value)}</{tag}>'


def _shown(value: object) -> str:
    text = _text(value)
    return escape(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{f'.{value.microsecond:06}' if value.microsecond else ''} UTC"
    text = json.dumps(value, default=str) if isinstance(value, Mapping | list | tuple) else str(value)
    # Half of a surrogate pair, which JSON can have and a notebook's page cannot.
    return text.encode(errors="backslashreplace").decode()


# A result may rest on thousands of events.
_MAX_SHOWN_ITEMS = 12


class HtmlRepr:
    """A result that a notebook shows as a small table of its fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        told = {each.name: getattr(self, each.name) for each in fields(type(self)) if each.repr}  # type: ignore[arg-type]
        return fields_of(type(self).__name__, {name: _shown_value(value) for name, value in told.items()})


def _shown_value(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, tuple):
        return value
    more = len(value) - _MAX_SHOWN_ITEMS
    return ", ".join(map(str, value[:_MAX_SHOWN_ITEMS])) + (f", and {more:,} more" if more > 0 else "")

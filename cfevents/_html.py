"""Small HTML tables for notebooks, readable in light and in dark themes.

Every cell is escaped here, and nowhere else, so that any text of the API is shown as text.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from attrs import fields

from cfevents._secrets import MASK, Secret
from cfevents._time import EPOCH
from cfevents._validation import escape_surrogates

_MAX_CELL_LENGTH = 300
# A result may rest on thousands of events.
_MAX_SHOWN_ITEMS = 12

# No colours of its own but for lines, which show on a light and on a dark background.
_LINE = "1px solid rgba(128, 128, 128, 0.4)"
_TABLE = "border-collapse: collapse; color: inherit; background: transparent; font-variant-numeric: tabular-nums"
_CELL = f"text-align: left; vertical-align: top; padding: 0.15em 0.9em 0.15em 0; border-bottom: {_LINE}"


def rows_of(caption: object, head: Sequence[object], rows: Iterable[Sequence[object]], *, most: int = 10) -> str:
    """Return a table of the first rows. None is an empty cell, a mapping or a list is JSON, all else text."""
    every = list(rows)
    caption = f"{_text(caption)} (the first {most} of {len(every):,})" if len(every) > most else caption
    lines = [("th", head), *(("td", row) for row in every[:most])]
    return _table(caption, ["".join(_cell(tag, value) for value in values) for tag, values in lines])


def fields_of(caption: object, fields: Mapping[str, object]) -> str:
    """Return a table of names and values, without those that are None."""
    shown = {name: value for name, value in fields.items() if value is not None}
    return _table(caption, [_cell("th", name) + _cell("td", value) for name, value in shown.items()])


def format_date(seconds: float) -> str:
    """Return seconds since the Unix epoch as a date, or as a number outside the years 1 to 9999."""
    try:
        return _text(EPOCH + timedelta(seconds=seconds))
    except OverflowError:
        return f"{seconds} s"


def counted(number: int, what: str) -> str:
    """Return a number and its noun, such as ``1,253 events``."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def shortened(name: str, longest: int = 18) -> str:
    """Return a name without its middle where it is long, such as a connector's id."""
    return name if len(name) <= longest else f"{name[: longest // 2]}…{name[-(longest // 2) + 1 :]}"


def _table(caption: object, rows: Iterable[str]) -> str:
    shown = f'<caption style="text-align: left; color: inherit">{_escaped(caption)}</caption>'
    return f'<table style="{_TABLE}">{shown}{"".join(f"<tr>{cells}</tr>" for cells in rows)}</table>'


def _cell(tag: str, value: object) -> str:
    return f'<{tag} style="{_CELL}">{_escaped(value)}</{tag}>'


def _escaped(value: object) -> str:
    text = _text(value)
    return escape(text if len(text) <= _MAX_CELL_LENGTH else f"{text[:_MAX_CELL_LENGTH]}…")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{f'.{value.microsecond:06}' if value.microsecond else ''} UTC"
    if isinstance(value, Secret):  # it is the text that it hides
        return MASK
    text = json.dumps(value, default=str) if isinstance(value, Mapping | list | tuple) else str(value)
    return escape_surrogates(text)


class HtmlRepr:
    """A result that a notebook shows as a small table of its fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        attributes = [field.name for field in fields(type(self)) if field.repr]  # type: ignore[arg-type]
        return fields_of(type(self).__name__, {name: _shown_value(getattr(self, name)) for name in attributes})


def _shown_value(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, tuple):
        return value
    more = len(value) - _MAX_SHOWN_ITEMS
    return ", ".join(map(str, value[:_MAX_SHOWN_ITEMS])) + (f", and {more:,} more" if more > 0 else "")

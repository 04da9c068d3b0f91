"""Figures as Markdown, and their place in a page."""

import math
import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("cfevents", "aiohttp", "attrs", "cattrs", "msgspec", "cloudflare", "httpx", "pydantic")
_BEGIN, _END = "<!-- {} begin: written by the benchmarks -->", "<!-- {} end -->"


def heading() -> str:
    """Return a line with the date, the machine, and the versions."""
    system = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} processors"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    libraries = ", ".join(f"{name} {installed}" for name in _LIBRARIES if (installed := _version(name)))
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}: {python}, {system}; {libraries}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, the first column aligned left; an empty column is left out."""
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    names, *lines = zip(*columns, strict=True)
    return "\n".join(_line(cells, widths) for cells in (names, rules, *lines))


def figure(value: float) -> str:
    """Return a number with three significant digits."""
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{round(value, places):,.{max(0, places)}f}"


def times(value: float) -> str:
    """Return a ratio, such as `2.50x`."""
    return f"{figure(value)}x"


def write(page: Path, report: str, name: str = "tables") -> None:
    """Replace the report between the markers of a page that have a name.

    Raises:
        ValueError: The page has no markers.
    """
    first, last = _BEGIN.format(name), _END.format(name)
    before, begin, rest = page.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"{page} lacks the lines {first} and {last}")
    page.write_text(f"{before}{first}\n\n{report}\n\n{last}{after}", encoding="utf-8")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return " | ".join([f"| {first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)]) + " |"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

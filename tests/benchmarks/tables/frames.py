"""The speed of making tables from a listing, and their memory beyond the table itself."""

from collections.abc import Mapping
from typing import TypeAlias

from benchmarks.contestants import FAST, OURS
from benchmarks.extent import Extent
from benchmarks.processes import in_turn, serving
from benchmarks.report import figure, table, times
from benchmarks.targets import target
from benchmarks.task import Figures, Task

_PAGE_SIZES = (100, 1000)
# So few events that what their table takes counts for nothing beside the libraries that are loaded.
_FEW = 100
_PLAIN = "`async for`"
_CALLS = {_PLAIN: "list_events", **{f"`stream.{name}()`": name for name in ("to_arrow", "to_pandas", "to_polars")}}
_HEAD = ("cfevents", "page", "read by", "events/s", "to `async for`", "peak beyond the start, MB", "target")
_NOTE = """The peak is that of the whole process, less that of one that does the same with 100 events: its libraries are
loaded by then. The table itself has 52 bytes an event; with a connector's id of 32 characters it would be 80."""

_Key: TypeAlias = tuple[str, int, str]


def measured(extent: Extent) -> str:
    """Read listings of some pages in each way."""
    with serving(extent.frames) as place, serving(_FEW) as few:
        keys = [(name, size, row) for name in (FAST, OURS) for size in _PAGE_SIZES for row in _CALLS]
        many = {key: Task(key[0], page_size=key[1], call=_CALLS[key[2]], **place) for key in keys}
        start = {key: Task(key[0], page_size=key[1], call=_CALLS[key[2]], **few) for key in keys}
        figures, begun = in_turn(many, extent.runs), in_turn(start, 1)
    about = f"{extent.frames:,} events, no delay:"
    return "\n\n".join(("### Tables", about, _table(extent.frames, figures, begun), _NOTE))


def _table(events: int, figures: Mapping[_Key, Figures], begun: Mapping[_Key, Figures]) -> str:
    rows = [
        (
            name,
            f"{size:,}",
            row,
            figure(events / run.seconds),
            times(figures[name, size, _PLAIN].seconds / run.seconds),
            f"{run.peak_mb - begun[name, size, row].peak_mb:z.1f}",
            target("frames", row),
        )
        for (name, size, row), run in figures.items()
    ]
    return table(_HEAD, rows)

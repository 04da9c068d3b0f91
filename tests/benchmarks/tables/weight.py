"""The weight of a library before it does anything: the time to import it, and its size on disk."""

from importlib.metadata import PackageNotFoundError
from statistics import median

from benchmarks.contestants import FAST, OURS, SDK, SDK_AIOHTTP, has_speed
from benchmarks.extent import Extent
from benchmarks.import_time import CODE, milliseconds
from benchmarks.installed_size import alone_mb, needed, together_mb
from benchmarks.report import figure, table, times
from benchmarks.targets import target

_NOTHING, _GIVEN = tuple(CODE)[:2]
_IMPORT_HEAD = ("imported", "process, ms", "to the three", "beyond nothing, ms", "beyond the three, ms", "target")


def measured(extent: Extent) -> str:
    """Import in new processes, and look up what is installed."""
    about = f"*The three* are {_GIVEN}, which are given:"
    return "\n\n".join(("### Import time", about, _import_times(extent.imports), "### Installed size", _sizes()))


def _import_times(runs: int) -> str:
    rounds = milliseconds(runs)

    def beyond(name: str, other: str) -> str:
        return figure(median(run[name] - run[other] for run in rounds))

    rows = [
        (
            name,
            figure(median(run[name] for run in rounds)),
            times(median(run[name] / run[_GIVEN] for run in rounds)),
            beyond(name, _NOTHING) if name != _NOTHING else "",
            beyond(name, _GIVEN) if name.startswith(OURS) else "",
            target("import", name),
        )
        for name in CODE
    ]
    return table(_IMPORT_HEAD, rows)


def _sizes() -> str:
    rows = [row for name in ("aiohttp", OURS, FAST, SDK, SDK_AIOHTTP) if (row := _size(name))]
    return table(("installed", "alone, MB", "with all it needs, MB", "distributions", "target"), rows)


def _size(name: str) -> tuple[str, ...] | None:
    if name == FAST and not has_speed():
        return None
    try:
        alone, together, count = alone_mb(name.partition("[")[0]), together_mb(name), len(needed(name))
    except PackageNotFoundError:
        return None
    return name, figure(alone), figure(together), str(count), target("size", name)

"""The tables: a module for each, with a function that measures and returns its part of the report as Markdown."""

from collections.abc import Callable, Mapping

from benchmarks.extent import Extent
from benchmarks.tables import backfill, costs, details, frames, memory, sinks, throughput, weight

TABLES: Mapping[str, Callable[[Extent], str]] = {
    "throughput": throughput.measured,
    "costs": costs.measured,
    "backfill": backfill.measured,
    "memory": memory.measured,
    "weight": weight.measured,
    "details": details.measured,
    "frames": frames.measured,
    "sinks": sinks.measured,
}
"""In the order of the report, by the names that the command line takes."""

"""The targets of the library. The tables print a target beside its figure, and judge nothing."""

from collections.abc import Mapping

_TARGETS: Mapping[tuple[str, str], str] = {
    ("import", "cfevents"): "at most 45 ms beyond",
    ("throughput 100", "cfevents"): "at least 10x the SDK's, at most 1.4x the floor's CPU",
    ("throughput 100", "cfevents[speed]"): "at most 1.3x the floor's CPU",
    ("throughput 1000", "cfevents"): "at least 15x the SDK's, at most 1.6x the floor's CPU",
    ("throughput 1000", "cfevents[speed]"): "at most 1.1x the floor's CPU",
    ("backfill 8", "cfevents"): "at least 5.5x",
    ("backfill 32", "cfevents"): "at least 14x",
    ("frames", "`stream.to_arrow()`"): "at least 0.85x, at most 2x the table and 50 MB",
    ("frames", "`stream.to_pandas()`"): "at least 0.85x",
    ("frames", "`stream.to_polars()`"): "at least 0.85x",
    ("sinks", "forward"): "flat memory",
    ("sinks", "write"): "at least 50%",
    ("memory 1", "cfevents"): "at most 15 MB above that for 10 thousand",
    ("memory 8", "cfevents"): "at most 15 MB above that for 10 thousand",
}


def target(table: str, row: str) -> str:
    """Return the target of a row of a table; empty if there is none."""
    return _TARGETS.get((table, row), "")

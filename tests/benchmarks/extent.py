"""The extent of a run: how many events, pages and repetitions."""

from typing import NamedTuple


class Extent(NamedTuple):
    """The sizes of the tables' runs."""

    runs: int = 5
    """Timed runs of each contestant; a figure is their median."""

    events: int = 1_000_000
    """Events that are iterated over for their rate."""

    sdk_events: int = 100_000
    """The same for the SDK, which takes its time; the figures are per event."""

    backfill_pages: int = 200
    memory_events: tuple[int, ...] = (10_000, 100_000, 1_000_000)

    details: int = 1000
    """Events that are got with their payloads; at most a page."""

    imports: int = 15
    """Runs of an import, each with a process of its own."""

    frames: int = 100_000
    """Events that become a table."""


FULL = Extent()
QUICK = Extent(1, 20_000, 5_000, 20, (1_000, 10_000), 100, 3, 10_000)

"""How much of a listing's window was covered, shown while it is printed into a file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cfevents.cli.console.progress import Progress, progress_shown
from cfevents.cli.listings import event_of

if TYPE_CHECKING:
    from cfevents import FleetEvent
    from cfevents.frames.covered import Covered


class _Coverage:
    def __init__(self, covered: "Covered", whole: float) -> None:
        self._covered, self._whole = covered, whole
        self._events = 0

    def see(self, items: "Sequence[FleetEvent[Any]]") -> None:
        """Take in what was printed next."""
        self._events += len(items)
        self._covered.see([event_of(item) for item in items])

    def told(self) -> Progress:
        return Progress(self._covered.seconds / self._whole, f"{self._events:,} events")


@contextmanager
def covered_shown(since: float, until: float) -> Iterator[_Coverage]:
    """Show which part of a window, in seconds since the Unix epoch, was covered by what is seen within."""
    from cfevents.frames.covered import Covered  # noqa: PLC0415 - not needed for --help

    # A window of one moment has a whole too.
    coverage = _Coverage(Covered(since, until), max(1, until - since))
    with progress_shown(coverage.told):
        yield coverage

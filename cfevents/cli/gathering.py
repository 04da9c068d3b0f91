"""How far an export came, shown while it goes on."""

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from cfevents.cli.console import progress as console
from cfevents.frames.covered import Covered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from cfevents._export.sources import Portion, Source
    from cfevents._export.staging import Progress


class _Watched:
    """A source whose portions are seen."""

    def __init__(self, source: "Source", progress: "Progress") -> None:
        self._source, self._progress = source, progress
        self._covered = Covered(progress.since, progress.until)
        self._events = progress.events

    async def portions(self, connector_id: str, progress: "Progress") -> "AsyncGenerator[Portion, None]":
        """Give the same."""
        self._progress, self._covered = progress, Covered(progress.since, progress.until)
        async with aclosing(self._source.portions(connector_id, progress)) as portions:
            async for portion in portions:
                self._covered.see(portion.block.events)
                self._events += len(portion.block.events)
                yield portion

    def told(self) -> console.Progress:
        """Tell it: which part of the window, connector after connector."""
        now = self._progress
        # A window of one moment has a whole too.
        part = self._covered.seconds / max(1, now.until - now.since)
        return console.Progress((now.done + part) / max(1, len(now.connectors)), f"{self._events:,} events")


@contextmanager
def gathering_shown(source: "Source", progress: "Progress", *, prints: bool) -> "Iterator[Source]":
    """Show how far an export came, by what its source gives.

    Args:
        source: Where events come from; the one to use instead is given.
        progress: How far it came before.
        prints: Whether stdout is where it goes.
    """
    watched = _Watched(source, progress)
    with console.progress_shown(watched.told, prints=prints):
        yield watched

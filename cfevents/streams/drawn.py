"""What every stream and its details can show: how far they were read, while they are.

`cfevents.frames` draws it. It is imported inside the methods, since it needs what only an extra brings.
"""

from collections.abc import AsyncGenerator, Callable
from copy import copy
from typing import Self, TypeVar

from cfevents._extras import needed
from cfevents._progress import Seen, Tally
from cfevents.streams.window import Windowed

T = TypeVar("T")


class Drawn(Windowed):
    """What can be read with a progress bar."""

    _draws = False
    _unit = "page"

    def progress(self) -> Self:
        """Give the same, but drawn while it is read: the part of the window that was covered, events and pages.

        The API does not tell how many events there are, so what is left is told by the window. Where nothing tells in
        which order events come, the bar stays where it is until the end. While the request budget makes everything
        wait, it says for how long. Nothing is drawn where the standard error is neither a terminal nor a notebook's.
        Needs the extra ``notebook``.

        Raises:
            ConfigurationError: tqdm is not installed.
        """
        needed("notebook", "tqdm")
        drawn = copy(self)
        drawn._draws = True
        return drawn

    def _drawn(
        self, items: AsyncGenerator[T, None], seen: Callable[[T], Seen], tally: Tally | None = None
    ) -> AsyncGenerator[T, None]:
        """Draw items while they are read, if that is wanted. Each is a page where there is no tally of the pages."""
        if not self._draws:
            return items
        from cfevents import _progress  # noqa: PLC0415 - an extra

        about = _progress.About(self._label, self.since, self.until, self._unit, self._wait)
        return _progress.drawn(items, seen, about, tally)

    def _wait(self) -> float:
        """Say for how many seconds the request budget makes everything wait."""
        return 0.0

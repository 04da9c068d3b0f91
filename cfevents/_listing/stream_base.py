"""What every stream and its details can become: a table of Arrow, pandas or polars, or a Parquet file.

`cfevents.frames` makes them. It is imported inside the methods, since it needs what only the extras bring.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from cfevents._extras import require_extra
from cfevents._listing.query import ListQuery
from cfevents._model.results import EventBatch
from cfevents._progress import PageCounter, ProgressUpdate

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


class Windowed:
    """A listing over a window. Nothing is sent before it is read."""

    def __init__(self, query: ListQuery) -> None:
        """Take what to ask for."""
        self._query = query

    @property
    def since(self) -> int:
        """The window's lower bound, in whole seconds since the Unix epoch."""
        return self._query.start.since

    @property
    def until(self) -> int:
        """The window's upper bound, in whole seconds since the Unix epoch."""
        return self._query.start.until

    @property
    def _label(self) -> str:
        """Whose events they are, in a word."""
        return self._query.start.connector_id

    def _repr_html_(self) -> str:
        from cfevents._html import date_of, fields_of  # noqa: PLC0415 - only a notebook asks for it

        query = self._query
        asked = {
            "connector": self._label,
            "since": date_of(self.since),
            "until": date_of(self.until),
            "kind": ", ".join(query.kinds) or "every kind",
            "page size": query.page_size,
            "slices at a time": query.concurrency if query.concurrency > 1 else None,
            "goes on at": query.start.cursor or (query.start.reached and date_of(query.start.reached)),
            "timeout": query.timeout and f"{query.timeout:g} s",
        }
        return fields_of(f"{type(self).__name__}: what it asks for when it is read", asked)


def blocks_of(stream: "Framed") -> AsyncGenerator[EventBatch, None]:
    """Read a stream in blocks, each as soon as it is there."""
    return stream._blocks()


class Framed(Windowed, ABC):
    """What can become a table, whose columns are always the same.

    ``connector_id``, ``id`` (text), ``recorded_at`` and ``collected_at`` (timestamps in UTC, of microseconds; null
    outside the years 1 to 9999), ``sequence`` (64 bits), ``kind`` (dictionary, or categorical). Of details also
    ``version``, each documented payload field, and ``extra``: the rest of the payload as JSON text, null where there is
    no payload.
    """

    _has_payloads: ClassVar[bool] = False

    @abstractmethod
    def _blocks(self) -> AsyncGenerator[EventBatch, None]:
        """Read events in blocks, such as a page."""

    async def to_arrow(self) -> "pyarrow.Table":
        """Read everything into an Arrow table, page by page. Needs the extra ``arrow``.

        Raises:
            ConfigurationError: pyarrow is not installed; nothing was sent.
            CfEventsError: As reading it event by event does; what had been read by then is lost to the caller.
        """
        require_extra("arrow", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_arrow(self._blocks(), payloads=self._has_payloads)

    async def to_pandas(self) -> "pandas.DataFrame":
        """Read everything into a data frame of pandas. Needs the extra ``pandas``.

        Raises:
            ConfigurationError: pandas or pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow` does.
        """
        require_extra("pandas", "pandas", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_pandas(self._blocks(), payloads=self._has_payloads)

    async def to_polars(self) -> "polars.DataFrame":
        """Read everything into a data frame of polars. Needs the extra ``polars``.

        Raises:
            ConfigurationError: polars or pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow` does.
        """
        require_extra("polars", "polars", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_polars(self._blocks(), payloads=self._has_payloads)

    async def to_parquet(self, path: str | os.PathLike[str]) -> int:
        """Write everything to a Parquet file, a row group after the other. Needs the extra ``arrow``.

        While it is written its name ends in ``.part``; only a file that is whole takes the place of another.

        Args:
            path: The file.

        Returns:
            How many events it has.

        Raises:
            ArchiveError: It cannot be written. What was there before stays.
            ConfigurationError: pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow` does. What was there before stays.
        """
        require_extra("arrow", "pyarrow")
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        return await parquet.write(self._blocks(), path, payloads=self._has_payloads)


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
        require_extra("notebook", "tqdm")
        drawn = copy(self)
        drawn._draws = True
        return drawn

    def _drawn(
        self, items: AsyncGenerator[T, None], seen: Callable[[T], ProgressUpdate], tally: PageCounter | None = None
    ) -> AsyncGenerator[T, None]:
        """Draw items while they are read, if that is wanted. Each is a page where there is no tally of the pages."""
        if not self._draws:
            return items
        from cfevents import _progress  # noqa: PLC0415 - an extra

        about = _progress.ProgressLabels(self._label, self.since, self.until, self._unit, self._wait)
        return _progress.drawn(items, seen, about, tally)

    def _wait(self) -> float:
        """Say for how many seconds the request budget makes everything wait."""
        return 0.0

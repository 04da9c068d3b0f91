"""The base of every stream: its window, its tables, its progress bar."""

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from copy import copy
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from attrs import evolve

from cfevents._extras import require_extra
from cfevents._listing.query import ListQuery
from cfevents._model.results import EventBatch, EventColumns, PageCounter

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from cfevents._progress import Update

T = TypeVar("T")


class AsyncOnly:
    """The advice for what a type checker refuses: a plain loop over something that `async for` reads, or an await."""

    _advice: ClassVar[str]

    if not TYPE_CHECKING:
        # A loop without __iter__ asks for the first item. With it, isinstance would call this an Iterable.
        def __getitem__(self, _):
            raise TypeError(f"{type(self).__name__} cannot be read by a plain loop, list() or an index: {self._advice}")

        def __next__(self):
            raise TypeError(f"{type(self).__name__} has no next(): {self._advice}")

        # An await has no other way: isinstance calls this an Awaitable. It is what people try first.
        def __await__(self):
            raise TypeError(f"{type(self).__name__} cannot be awaited: {self._advice}")


class BaseStream(AsyncOnly, ABC):
    """Events of a window of time, which can become a table. Nothing is sent before it is read.

    The columns of a table are always the same: ``connector_id``, ``id`` (text), ``recorded_at`` and ``collected_at``
    (timestamps in UTC, of microseconds; null outside the years 1 to 9999), ``sequence`` (64 bits), ``kind``
    (dictionary, or categorical). Details have also ``version``, each documented payload field, and ``extra``: the rest
    of the payload as JSON text, null where there is no payload.
    """

    _advice = "use 'async for event in stream', or 'await stream.collect()' for a list"
    _has_payloads: ClassVar[bool] = False
    _unit = "page"
    _shows_progress = False

    def __init__(self, query: ListQuery, label: str | None = None, get_wait: Callable[[], float] = lambda: 0.0) -> None:
        """Set the listing, its name in a progress bar, and for how many seconds the request budget makes it wait."""
        self._query, self._label, self._get_wait = query, label or query.start.connector_id, get_wait

    @property
    def since(self) -> int:
        """The window's lower bound, in whole seconds since the Unix epoch."""
        return self._query.start.since

    @property
    def until(self) -> int:
        """The window's upper bound, in whole seconds since the Unix epoch."""
        return self._query.start.until

    @abstractmethod
    def _batches(self) -> AsyncGenerator[EventBatch, None]: ...

    def _columns(self) -> AsyncGenerator[EventColumns, None]:
        stream = copy(self)
        stream._query = evolve(self._query, as_rows=True)
        return columns_of(stream._batches())

    async def to_arrow(self) -> "pyarrow.Table":
        """Read everything into an Arrow table, page by page. Needs the extra ``arrow``.

        Raises:
            ConfigurationError: pyarrow is not installed; nothing was sent.
            CfEventsError: A page or a payload could not be read; the events read before are lost to the caller.
        """
        require_extra("arrow", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_arrow(self._columns(), payloads=self._has_payloads)

    async def to_pandas(self) -> "pandas.DataFrame":
        """Read everything into a pandas data frame, as `to_arrow` does. Needs the extra ``pandas``."""
        require_extra("pandas", "pandas", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_pandas(self._columns(), payloads=self._has_payloads)

    async def to_polars(self) -> "polars.DataFrame":
        """Read everything into a polars data frame, as `to_arrow` does. Needs the extra ``polars``."""
        require_extra("polars", "polars", "pyarrow")
        from cfevents.frames import tables  # noqa: PLC0415 - an extra

        return await tables.to_polars(self._columns(), payloads=self._has_payloads)

    async def to_parquet(self, path: str | os.PathLike[str]) -> int:
        """Write everything to a Parquet file, row group by row group. Needs the extra ``arrow``.

        While it is written its name ends in ``.new``. Only a complete file replaces another.

        Args:
            path: The file.

        Returns:
            The number of events in it.

        Raises:
            ArchiveError: The file cannot be written. What was there before stays.
            ConfigurationError: pyarrow is not installed; nothing was sent.
            CfEventsError: As `to_arrow`. What was there before stays.
        """
        require_extra("arrow", "pyarrow")
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        return await parquet.write(self._columns(), path, payloads=self._has_payloads)

    def progress(self) -> Self:
        """Return the same stream, which draws a bar while it is read: the covered part of the window, events, pages.

        The API sends no total, so the rest is estimated by the window. If events come in no order, the bar stays where
        it is until the end. While everything waits for the request budget, the bar shows for how long. Nothing is drawn
        unless standard error is a terminal or a notebook's. Needs the extra ``notebook``.

        Raises:
            ConfigurationError: tqdm is not installed.
        """
        require_extra("notebook", "tqdm")
        stream = copy(self)
        stream._shows_progress = True
        return stream

    def _with_progress(
        self, items: AsyncGenerator[T, None], update: "Callable[[T], Update]", counter: PageCounter | None = None
    ) -> AsyncGenerator[T, None]:
        """Return the items, with a bar if that is wanted and seen. Without a counter each item counts as a page."""
        if not self._shows_progress:
            return items
        from cfevents._progress import Coverage, ProgressBar, is_visible  # noqa: PLC0415 - only where a bar is wanted

        if not is_visible():
            return items
        coverage = Coverage(self.since, self.until)
        return ProgressBar(self._label, coverage, self._unit, self._get_wait, counter).show(items, update)

    def _repr_html_(self) -> str:
        from cfevents._html import fields_of, format_date  # noqa: PLC0415 - only a notebook asks for it

        query = self._query
        arguments = {
            "connector": self._label,
            "since": format_date(self.since),
            "until": format_date(self.until),
            "kind": ", ".join(query.kinds) or "every kind",
            "page size": query.page_size,
            "slices at a time": query.concurrency if query.concurrency > 1 else None,
            "continues at": query.start.cursor or (query.start.reached and format_date(query.start.reached)),
            "timeout": query.timeout and f"{query.timeout:g} s",
        }
        return fields_of(f"{type(self).__name__}: sent when it is read", arguments)


async def columns_of(batches: AsyncGenerator[EventBatch, None]) -> AsyncGenerator[EventColumns, None]:
    async with aclosing(batches):
        async for batch in batches:
            yield batch.columns()

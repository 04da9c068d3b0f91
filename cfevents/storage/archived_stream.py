"""Events of an archive, read as a listing is."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from cfevents._listing.query import ListQuery
from cfevents._listing.stream import ConnectorStream
from cfevents._model.api import event_key
from cfevents._model.checkpoint import EventKey
from cfevents._model.kinds import glob_of, is_pattern, kind_test, split_kinds
from cfevents._model.results import EventBatch, EventColumns, EventDetail, Page, PageCounter
from cfevents._public import set_module
from cfevents.storage.columns import ArchivedColumns, read_columns
from cfevents.storage.rows import ArchivedWindow, read_details, sql_text

T = TypeVar("T")


class ReadArchive(Protocol):
    """A function that calls another with a connection, the archive's account, and the values that it is given."""

    async def __call__(self, query: Callable[..., T], **values: Any) -> T:
        """Return what the other function returns."""
        raise NotImplementedError


@set_module("cfevents.storage")
class ArchivedStream(ConnectorStream):
    """The events of one connector in a window of time as they are in an archive, ascending.

    Made by `Archive.list_events`. Nothing is read before it is iterated; every ``async for`` starts again at the
    beginning, over the same window, with what the archive has by then. Both bounds belong to the window; what counts is
    when an event was recorded. A page has 1,000 events at most, and there is at least one page; nothing stays open in
    between. For `details` the concurrency has no effect.

    Reading raises `ArchiveError` if the archive cannot be read, or has events of several accounts and none was given.
    """

    def __init__(self, query: ListQuery, read: ReadArchive, page_events: int | None = None) -> None:
        """Set the query, the function that reads from the archive, and how many events it reads at once."""
        super().__init__(query)
        self._read, self._page_events, self._columns_events = read, page_events or 1000, page_events or 10_000

    async def _read_pages(self) -> AsyncGenerator[Page, None]:
        async with aclosing(self._read_columns(self._page_events)) as pages:
            async for columns in pages:
                events = columns.events()
                yield Page(events, count=len(events))

    async def _read_details(
        self, concurrency: int, kinds: tuple[str, ...], counter: PageCounter
    ) -> AsyncGenerator[EventDetail, None]:
        is_wanted = kind_test(kinds)
        async with aclosing(self._select(read_details, _details_extent, self._page_events)) as pages:
            async for details in pages:
                counter.pages += 1
                for detail in details:
                    yield detail if is_wanted(detail.metadata.kind) else EventDetail(detail.metadata, None)

    def _read_columns(self, page_events: int = 10_000) -> AsyncGenerator[ArchivedColumns, None]:
        """Yield the events as columns, so many events at most at a time, at least one page.

        This is the fast way to read an archive, for what needs no objects. Nothing stays open in between.
        """
        return self._select(read_columns, _columns_extent, page_events)

    async def _columns(
        self, after: EventKey | None = None, *, payloads: bool = False
    ) -> AsyncGenerator[EventColumns, None]:
        """Yield the events after one as columns, with their undocumented fields, and with their payloads or without."""
        connector_id = self._query.start.connector_id
        if payloads:
            async with aclosing(self._select(read_details, _details_extent, self._page_events, after)) as pages:
                async for details in pages:
                    events, recorded = [detail.metadata for detail in details], [detail.recorded for detail in details]
                    yield EventBatch(connector_id, events, recorded).columns(extra=True)
            return
        async with aclosing(self._select(read_columns, _columns_extent, self._columns_events, after)) as pages:
            async for columns in pages:
                names = [*map(columns.kind_names.__getitem__, columns.kinds)]
                numbers = columns.recorded_ts, columns.sequence, columns.collected_ts
                yield EventColumns(connector_id, names, *numbers, extra=columns.extra)

    async def _select(
        self,
        read: Callable[..., T],
        extent_of: Callable[[T], tuple[int, EventKey | None]],
        page_events: int,
        after: EventKey | None = None,
    ) -> AsyncGenerator[T, None]:
        condition, values = _kinds_condition(self._query.kinds)
        window = ArchivedWindow(
            self._query.start.connector_id, self.since, self.until, condition, tuple(values), page_events, after
        )
        while True:
            page = await self._read(read, window=window)
            count, last = extent_of(page)
            if count or window.after is None:
                yield page
            if count < page_events:
                return
            window = window._replace(after=last)


def _columns_extent(columns: ArchivedColumns) -> tuple[int, EventKey | None]:
    """Return the number of events, and the key of the last."""
    count = len(columns.kinds)
    return count, (columns.recorded_ts[-1], columns.sequence[-1]) if count else None


def _details_extent(details: Sequence[EventDetail]) -> tuple[int, EventKey | None]:
    return len(details), event_key(details[-1].metadata) if details else None


def _kinds_condition(names: tuple[str, ...]) -> tuple[str, list[str | bytes]]:
    """Return the SQL of what `kind_test` tests, and its values."""
    condition, values = "", list[str | bytes]()
    for negation, kinds in zip(("", "NOT "), split_kinds(names), strict=True):
        tests = ["lower(kind) GLOB ?" if is_pattern(name) else "kind = ?" for name in kinds]
        condition += f" AND {negation}({' OR '.join(tests)})" if tests else ""
        values += [sql_text(glob_of(name) if is_pattern(name) else name) for name in kinds]
    return condition, values

"""Events of an archive, read as a listing is."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias

from cfevents._listing.query import ListQuery
from cfevents._listing.stream import ConnectorStream
from cfevents._model.kinds import glob_of, is_pattern, kind_test, split_kinds
from cfevents._model.results import EventDetail, Page, PageCounter
from cfevents._public import set_module
from cfevents.storage.queries import LISTED, PAYLOAD, Row, sql_text

# Reads columns of a connector's events, given the rest of the statement and the values from the connector on.
_Select: TypeAlias = Callable[[tuple[str, ...], str, Row], Awaitable[list[EventDetail]]]


@set_module("cfevents.storage")
class ArchivedStream(ConnectorStream):
    """The events of one connector in a window of time as they are in an archive, ascending.

    Made by `Archive.list_events`. Nothing is read before it is iterated; every ``async for`` starts again at the
    beginning, over the same window, with what the archive has by then. Both bounds belong to the window; what counts is
    when an event was recorded. A page has 1,000 events at most, and there is at least one page; nothing stays open in
    between. For `details` the concurrency has no effect.

    Reading raises `ArchiveError` if the archive cannot be read, or has events of several accounts and none was given.
    """

    def __init__(self, query: ListQuery, select: _Select, page_events: int = 1000) -> None:
        """Set the query, the function that reads from the archive, and how many events it reads at once."""
        super().__init__(query)
        self._select, self._page_events = select, page_events

    async def _read_pages(self) -> AsyncGenerator[Page, None]:
        async with aclosing(self._read_batches(LISTED)) as pages:
            async for details in pages:
                yield Page(tuple(detail.metadata for detail in details), count=len(details))

    async def _read_details(
        self, concurrency: int, kinds: tuple[str, ...], counter: PageCounter
    ) -> AsyncGenerator[EventDetail, None]:
        is_wanted = kind_test(kinds)
        async with aclosing(self._read_batches(LISTED + PAYLOAD)) as pages:
            async for details in pages:
                counter.pages += 1
                for detail in details:
                    yield detail if is_wanted(detail.metadata.kind) else EventDetail(detail.metadata, None)

    async def _read_batches(self, columns: tuple[str, ...]) -> AsyncGenerator[list[EventDetail], None]:
        details = await self._read_page(columns, "recorded_ts >= ?", (self.since,))
        yield details
        while len(details) == self._page_events:
            last = details[-1].metadata
            key = last.recorded_ts, last.sequence
            if details := await self._read_page(columns, "(recorded_ts, sequence) > (?, ?)", key):
                yield details

    async def _read_page(self, columns: tuple[str, ...], condition: str, key: Row) -> list[EventDetail]:
        of_kinds, kinds = _kinds_condition(self._query.kinds)
        rest = f"AND {condition} AND recorded_ts <= ?{of_kinds} ORDER BY recorded_ts, sequence LIMIT ?"
        values = self._query.start.connector_id, *key, self.until, *kinds, self._page_events
        return await self._select(columns, rest, values)


def _kinds_condition(names: tuple[str, ...]) -> tuple[str, list[str | bytes]]:
    """Return the SQL of what `kind_test` tests, and its values."""
    condition, values = "", list[str | bytes]()
    for negation, kinds in zip(("", "NOT "), split_kinds(names), strict=True):
        tests = ["lower(kind) GLOB ?" if is_pattern(name) else "kind = ?" for name in kinds]
        condition += f" AND {negation}({' OR '.join(tests)})" if tests else ""
        values += [sql_text(glob_of(name) if is_pattern(name) else name) for name in kinds]
    return condition, values

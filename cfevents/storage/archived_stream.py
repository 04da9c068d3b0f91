"""Events of an archive, read as a listing is."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias

from cfevents._listing.details import Details, wanted_kinds
from cfevents._listing.query import ListQuery
from cfevents._listing.stream import Stream, seen_of
from cfevents._model.results import EventDetail, Page
from cfevents._progress import PageCounter
from cfevents._validation import validate_int
from cfevents.events import KindFilter
from cfevents.storage.queries import LISTED, PAYLOAD, Row, sql_text

# How many events are read at once.
_PAGE = 1000

Select: TypeAlias = Callable[[tuple[str, ...], str, Row], Awaitable[list[EventDetail]]]
"""Reads columns of a connector's events; how the statement goes on after the connector, and its values from it on."""


class ArchivedStream(Stream):
    """The events of one connector in a window of time as they are in an archive, ascending.

    Made by `Archive.list_events`. Nothing is read before it is asked for; every ``async for`` starts again at the
    beginning, over the same window, and finds what is there by then. Both bounds belong to the window; what counts is
    when an event was recorded.
    """

    __module__ = "cfevents.storage"

    def __init__(self, query: ListQuery, select: Select) -> None:
        """Take what to read, and what reads it."""
        super().__init__(query)
        self._select = select

    def pages(self) -> AsyncGenerator[Page, None]:
        """Read page by page, of 1,000 events at most. Nothing stays open in between.

        Yields:
            Pages, at least one.

        Raises:
            ArchiveError: The archive cannot be read, or has events of several accounts and was not told which.
        """
        return self._drawn(self._pages(), seen_of)

    async def _pages(self) -> AsyncGenerator[Page, None]:
        async with aclosing(self._selected(LISTED)) as selected:
            async for details in selected:
                yield Page(tuple(each.metadata for each in details), count=len(details))

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> Details[EventDetail]:
        """Read event by event with the payloads.

        Args:
            concurrency: Of no effect here.
            kinds: Give only the payloads of these kinds: a name, a class in `cfevents.events`, or a collection of
                them. Events of other kinds come without.

        Yields:
            ``EventDetail``; its ``recorded`` is None where the archive has no payload.

        Raises:
            ArchiveError: As `pages` does.
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning.
        """
        validate_int("concurrency", concurrency)
        return Details(self, self._details(wanted_kinds(kinds), tally := PageCounter()), tally)

    async def _details(self, kinds: tuple[str, ...], tally: PageCounter) -> AsyncGenerator[EventDetail, None]:
        async with aclosing(self._selected(LISTED + PAYLOAD)) as selected:
            async for details in selected:
                tally.pages += 1
                for each in details:
                    unwanted = kinds and each.metadata.kind not in kinds
                    yield EventDetail(each.metadata, None) if unwanted else each

    async def _selected(self, columns: tuple[str, ...]) -> AsyncGenerator[list[EventDetail], None]:
        details = await self._read(columns, "recorded_ts >= ?", (self.since,))
        yield details
        while len(details) == _PAGE:
            last = details[-1].metadata
            details = await self._read(columns, "(recorded_ts, sequence) > (?, ?)", (last.recorded_ts, last.sequence))
            if details:
                yield details

    async def _read(self, columns: tuple[str, ...], after: str, key: Row) -> list[EventDetail]:
        kinds = tuple(map(sql_text, self._query.kinds))
        of_kinds = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        rest = f"AND {after} AND recorded_ts <= ?{of_kinds} ORDER BY recorded_ts, sequence LIMIT {_PAGE}"
        return await self._select(columns, rest, (self._query.start.connector_id, *key, self.until, *kinds))

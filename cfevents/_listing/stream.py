"""A listing that can be read as often as one likes."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cfevents._http.connection import GetConnection
from cfevents._listing.details import Details, ListedEvent, get_details, wanted_kinds
from cfevents._listing.pages import iter_pages, tell_how_to_go_on
from cfevents._listing.query import ListQuery
from cfevents._listing.slices import list_slices
from cfevents._listing.stream_base import Drawn, Framed
from cfevents._model.api import EventMetadata
from cfevents._model.results import EventBatch, EventDetail, Page
from cfevents._progress import PageCounter, ProgressUpdate
from cfevents._validation import validate_int
from cfevents.errors import CfEventsError
from cfevents.events import KindFilter

# Payloads of a page that are asked for at a time.
_PAYLOADS = 8


class Stream(Framed, Drawn, ABC):
    """The events of one connector in a window of time, wherever they are read from."""

    @abstractmethod
    def pages(self) -> AsyncGenerator[Page, None]:
        """Read page by page.

        Raises:
            CfEventsError: A page could not be had. What was yielded before stays valid.
        """

    @abstractmethod
    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> Details[EventDetail]:
        """Read event by event with the payloads.

        Args:
            concurrency: How many payloads are asked for at a time.
            kinds: Give only the payloads of these kinds.

        Raises:
            CfEventsError: A page or a payload could not be had.
        """

    async def collect(self) -> list[EventMetadata]:
        """Read everything into a list.

        Raises:
            CfEventsError: As `pages` does; what had been read by then is lost to the caller, so read page by page
                what must not be.
        """
        return [event async for event in self]

    def __aiter__(self) -> AsyncGenerator[EventMetadata, None]:
        """Read event by event; raises as `pages` does."""
        return self._events()

    async def _events(self) -> AsyncGenerator[EventMetadata, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for event in page.items:
                    yield event

    async def _blocks(self) -> AsyncGenerator[EventBatch, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                yield EventBatch(self._query.start.connector_id, page.items)

    def __repr__(self) -> str:
        query = self._query
        kinds = f" kind={','.join(query.kinds)}" if query.kinds else ""
        return f"<{type(self).__name__} of {query.start.connector_id!r} since={self.since} until={self.until}{kinds}>"


def seen_of(page: Page) -> ProgressUpdate:
    """Say what a page tells of how far its listing was read: slices side by side are ascending without a gap."""
    return ProgressUpdate(page.items, None if page.checkpoint is None else page.checkpoint.reached)


class EventStream(Stream):
    """The events of one connector in a window of time, in the API's order, its cursor followed.

    Where slices of the window are listed side by side, the order is ascending. Made by `Client.list_events`. Nothing is
    sent before it is read; every ``async for`` starts again at the beginning, over the same window.
    """

    __module__ = "cfevents"

    def __init__(self, query: ListQuery, get_connection: GetConnection) -> None:
        """Take what to ask for, and what to read with."""
        super().__init__(query)
        self._get_connection = get_connection

    def pages(self) -> AsyncGenerator[Page, None]:
        """Read page by page, empty pages included; with a concurrency above 1, slice by slice.

        Yields:
            Pages; ``page.checkpoint``, given to `Client.list_events` with the stream's ``since`` and ``until``, goes
            on after it.

        Raises:
            PaginationError: The API sent a cursor for the second time.
            CfEventsError: A page could not be had; the error's ``checkpoint``, ``since``, ``until`` and ``kind`` go on
                from it. What was yielded before stays valid.
        """
        return self._drawn(self._pages(), seen_of)

    def _pages(self) -> AsyncGenerator[Page, None]:
        # Where a cursor says how to go on, one can but follow it.
        sliced = self._query.concurrency > 1 and self._query.start.cursor is None
        return (list_slices if sliced else iter_pages)(self._get_connection, self._query)

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> Details[EventDetail]:
        """Read event by event with the payloads, in the listing's order; each costs a request.

        Args:
            concurrency: How many payloads are asked for at a time.
            kinds: Ask only for the payloads of these kinds: a name, a class in `cfevents.events`, or a collection of
                them. Events of other kinds come without.

        Yields:
            `EventDetail`; its ``recorded`` is None where the API has the event no longer (404), and where its time is
            fractional, which the API's paths cannot spell.

        Raises:
            CfEventsError: A page or a payload could not be had; the error's ``checkpoint`` goes on at the page of the
                event.
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning.
        """
        listed = self._listed(tally := PageCounter())
        return Details(
            self, self._details(listed, validate_int("concurrency", concurrency), wanted_kinds(kinds)), tally
        )

    async def _details(
        self, listed: AsyncGenerator[ListedEvent, None], concurrency: int, kinds: tuple[str, ...]
    ) -> AsyncGenerator[EventDetail, None]:
        async with aclosing(get_details(self._get_connection, listed, concurrency, kinds)) as details:
            async for each, detail in details:
                if isinstance(detail, CfEventsError):
                    raise tell_how_to_go_on(detail, each.reached)
                yield detail

    async def _listed(self, tally: PageCounter) -> AsyncGenerator[ListedEvent, None]:
        reached = self._query.start
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                tally.pages += 1
                for event in page.items:
                    yield ListedEvent(reached, event)
                reached = page.checkpoint or reached

    def _wait(self) -> float:
        return self._get_connection().wait


async def details_of(stream: EventStream, page: Page) -> list[EventDetail]:
    """Get the payloads of a page that a stream gave; raises as `EventStream.details` does."""

    async def listed() -> AsyncGenerator[ListedEvent, None]:
        for event in page.items:
            yield ListedEvent(stream._query.start, event)

    found = list[EventDetail]()
    async with aclosing(get_details(stream._get_connection, listed(), _PAYLOADS, ())) as details:
        async for _, detail in details:
            if isinstance(detail, CfEventsError):
                raise detail
            found.append(detail)
    return found

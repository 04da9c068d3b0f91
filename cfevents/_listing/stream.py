"""The events of one connector, as a stream that can be read as often as one likes."""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from cfevents._http.connection import GetConnection
from cfevents._listing.details import Details, ListedEvent, detail_or_raise, get_details
from cfevents._listing.ordered import as_async
from cfevents._listing.pages import iter_pages
from cfevents._listing.query import ListQuery
from cfevents._listing.stream_base import BaseStream
from cfevents._model.api import EventMetadata
from cfevents._model.results import EventBatch, EventDetail, Page, PageCounter
from cfevents._public import set_module
from cfevents.events import KindFilter

if TYPE_CHECKING:
    from cfevents._progress import Update


class ConnectorStream(BaseStream):
    """The events of one connector in a window of time, from the API or an archive."""

    def pages(self) -> AsyncGenerator[Page, None]:
        """Yield the events page by page, empty pages included.

        Raises:
            PaginationError: The API sent a cursor for the second time.
            CfEventsError: A page could not be read. What was yielded before stays valid; the error's ``checkpoint``,
                ``since``, ``until`` and ``kind`` continue from that page.
        """
        return self._with_progress(self._read_pages(), _page_progress)

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> Details[EventDetail]:
        """Return the events with their payloads, in the listing's order. From the API each costs a request.

        The ``recorded`` of an `EventDetail` is None where the API or the archive does not have the payload (any more),
        and where the event's time is fractional, which the API's paths cannot express.

        Args:
            concurrency: How many payloads are requested at a time.
            kinds: Read only the payloads of these kinds: a name, a class in `cfevents.events`, or a collection of them.
                Events of other kinds come without.

        Raises:
            CfEventsError: While it is read: a page or a payload could not be read. The error's ``checkpoint`` continues
                at the page of the event.
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid.
        """
        return Details(self, self._read_details, concurrency, kinds)

    async def collect(self) -> list[EventMetadata]:
        """Read everything into a list.

        Raises:
            CfEventsError: As `pages`; the events read before are lost to the caller, who can read page by page instead.
        """
        return [event async for event in self]

    async def __aiter__(self) -> AsyncGenerator[EventMetadata, None]:
        """Yield event by event; raises as `pages` does."""
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for event in page.items:
                    yield event

    @abstractmethod
    def _read_pages(self) -> AsyncGenerator[Page, None]: ...

    @abstractmethod
    def _read_details(
        self, concurrency: int, kinds: tuple[str, ...], counter: PageCounter
    ) -> AsyncGenerator[EventDetail, None]: ...

    async def _batches(self) -> AsyncGenerator[EventBatch, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                yield EventBatch(self._query.start.connector_id, page.items)

    def __repr__(self) -> str:
        query = self._query
        kinds = f" kind={','.join(query.kinds)}" if query.kinds else ""
        return f"<{type(self).__name__} of {query.start.connector_id!r} since={self.since} until={self.until}{kinds}>"


def _page_progress(page: Page) -> "Update":
    # Slices are ascending: everything before their checkpoint was read.
    return page.items, None if page.checkpoint is None else page.checkpoint.reached


@set_module("cfevents")
class EventStream(ConnectorStream):
    """The events of one connector in a window of time, in the API's order, its cursor followed.

    Where slices of the window are listed concurrently, the order is ascending, and a page is a slice. Made by
    `Client.list_events`, to which a page's ``checkpoint`` can be given to continue after that page. Nothing is sent
    before it is read; every ``async for`` starts again at the beginning, over the same window.
    """

    def __init__(self, query: ListQuery, get_connection: GetConnection) -> None:
        # First, so that pickle meets the client, which says why it cannot be copied.
        self._get_connection = get_connection
        super().__init__(query, get_wait=lambda: get_connection().wait)

    def _read_pages(self) -> AsyncGenerator[Page, None]:
        # From a cursor on a listing can only be followed page by page.
        in_slices = self._query.concurrency > 1 and self._query.start.cursor is None
        if not in_slices:
            return iter_pages(self._get_connection, self._query)
        from cfevents._listing.slices import iter_slices  # noqa: PLC0415 - most listings are not sliced

        return iter_slices(self._get_connection, self._query)

    async def _read_details(
        self, concurrency: int, kinds: tuple[str, ...], counter: PageCounter
    ) -> AsyncGenerator[EventDetail, None]:
        async with aclosing(get_details(self._get_connection, self._listed(counter), concurrency, kinds)) as details:
            async for listed, detail in details:
                yield detail_or_raise(listed, detail)

    async def _listed(self, counter: PageCounter) -> AsyncGenerator[ListedEvent, None]:
        checkpoint = self._query.start
        async with aclosing(self._read_pages()) as pages:
            async for page in pages:
                counter.pages += 1
                for event in page.items:
                    yield ListedEvent(checkpoint, event)
                checkpoint = page.checkpoint or checkpoint

    async def _page_details(self, page: Page) -> list[EventDetail]:
        """Return the events of one of its pages with their payloads."""
        events = as_async(ListedEvent(self._query.start, event) for event in page.items)
        async with aclosing(get_details(self._get_connection, events, concurrency=8, kinds=())) as details:
            return [detail_or_raise(listed, detail) async for listed, detail in details]

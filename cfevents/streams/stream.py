"""A listing that can be read as often as one likes."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cfevents.models import EventMetadata, Page
from cfevents.query import Query


class EventStream:
    """The events of one connector in a window of time, in the API's order, its cursor followed.

    Made by `Client.list_events`. Nothing is sent before it is read; every ``async for`` starts again at the
    beginning, over the same window.
    """

    def __init__(self, query: Query, pages: Callable[[Query], AsyncGenerator[Page, None]]) -> None:
        """Take what to ask for, and how its pages are had."""
        self._query = query
        self._pages = pages

    @property
    def since(self) -> int:
        """The window's lower bound, in whole seconds since the Unix epoch."""
        return self._query.start.since

    @property
    def until(self) -> int:
        """The window's upper bound, in whole seconds since the Unix epoch."""
        return self._query.start.until

    def pages(self) -> AsyncGenerator[Page, None]:
        """Read page by page, empty pages included.

        Yields:
            Pages; ``page.cursor``, given to `Client.list_events` with the stream's ``since`` and ``until``, goes on
            after it.

        Raises:
            PaginationError: The API sent a cursor for the second time.
            CfEventsError: A page could not be had; the error's ``cursor``, ``since``, ``until`` and ``kind`` go on
                from it. What was yielded before stays valid.
        """
        return self._pages(self._query)

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

    def __repr__(self) -> str:
        query = self._query
        kinds = f" kind={','.join(query.kinds)}" if query.kinds else ""
        return f"<EventStream of {query.start.connector_id!r} since={self.since} until={self.until}{kinds}>"

"""The generator of pages: the cursor followed to its end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from hashlib import blake2b
from typing import TypeAlias

from attrs import frozen

from cfevents.checks import check_patience, check_segment, check_text, check_whole, shown
from cfevents.errors import APIResponseError, PaginationError
from cfevents.events import KindFilter, kind_names, tell_of_unknown
from cfevents.models import EventMetadata, Listing, Page
from cfevents.protocol import API, Request
from cfevents.session import Session, told_of
from cfevents.timespan import Moment, Timespan

_Key: TypeAlias = tuple[int | float, int]


@frozen(eq=False, repr=False)
class Query:
    """What a listing asks for."""

    connector_id: str
    timespan: Timespan
    kinds: tuple[str, ...] = ()
    page_size: int | None = None
    cursor: str | None = None
    timeout: float | None = None
    """Patience for the API over the whole listing, in seconds; the time that the caller takes does not count."""

    @classmethod
    def of(
        cls,
        connector_id: str,
        *,
        since: Moment,
        until: Moment | None,
        kind: KindFilter | None,
        page_size: int | None,
        cursor: str | None,
        timeout: float | None,
    ) -> "Query":
        """Check what the caller wants, before anything is sent.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning; the message says what to write instead.
        """
        return cls(
            check_segment("connector_id", connector_id),
            Timespan.of(since, until, absolute=cursor is not None),
            _checked_kinds(kind),
            None if page_size is None else check_whole("page_size", page_size),
            None if cursor is None else check_text("cursor", cursor),
            check_patience(timeout),
        )

    def request(self, api: API, cursor: str | None) -> Request[Listing]:
        """Ask for the page at a cursor."""
        return api.list_events(self.connector_id, self.timespan, kinds=self.kinds, limit=self.page_size, cursor=cursor)


def _checked_kinds(kind: KindFilter | None) -> tuple[str, ...]:
    names = tuple(check_text("kind", name) for name in kind_names(kind))
    for name in names:
        tell_of_unknown(name)
    return names


async def follow_cursor(opened: Callable[[], Session], api: API, query: Query) -> AsyncGenerator[Page, None]:
    """Yield a listing's pages, empty ones included, until one brings no cursor.

    Nothing is open at a ``yield``: the page has been read whole. The session is asked for anew at each page, since
    the client may have been closed meanwhile.

    Raises:
        PaginationError: The API sent a cursor for the second time.
        APIError: A page could not be had; the error tells how to go on from it.
    """
    clock = asyncio.get_running_loop().time
    cursor, patience = query.cursor, query.timeout
    seen: set[bytes] = set()
    before: frozenset[_Key] = frozenset()
    while True:
        request, began = query.request(api, cursor), clock()
        with told_of(request):
            session = opened()
        answer = await session.ask(request, patience)
        patience = None if patience is None else patience - (clock() - began)
        listing = answer.result
        yield Page(
            items=_chosen(listing.items, query.kinds, before),
            cursor=listing.cursor or None,
            count=listing.count,
            messages=answer.messages,
            errors=answer.errors,
            extra=listing.extra,
        )
        if not listing.cursor:
            return
        with told_of(request):
            cursor = _next(listing.cursor, cursor, seen, answer.ray_id)
        before = frozenset(map(_key, listing.items))


def _key(event: EventMetadata) -> _Key:
    return event.recorded_ts, event.sequence


def _chosen(
    items: tuple[EventMetadata, ...], kinds: tuple[str, ...], before: frozenset[_Key]
) -> tuple[EventMetadata, ...]:
    """Leave out what the page before had, and kinds not asked for: the API's own filter came later than the rest."""
    if kinds:
        items = tuple(event for event in items if event.kind in kinds)
    if before.isdisjoint(map(_key, items)):
        return items
    return tuple(event for event in items if _key(event) not in before)


def _next(cursor: str, current: str | None, seen: set[bytes], ray_id: str | None) -> str:
    """Check that the listing goes on with a cursor: it can be sent, and was not sent before."""
    try:
        check_text("cursor", cursor)
    except ValueError as error:
        raise APIResponseError(f"result.cursor: {error}", place="result.cursor", ray_id=ray_id) from None
    if current is not None:
        seen.add(_digest(current))
    if _digest(cursor) in seen:
        ray = f" (CF-Ray {ray_id})" if ray_id else ""
        raise PaginationError(f"the API sent the cursor {shown(cursor)} again; the listing would never end{ray}")
    return cursor


def _digest(cursor: str) -> bytes:
    return blake2b(cursor.encode(), digest_size=16).digest()

"""A listing page by page: the cursor followed, the next pages prefetched, repeated events dropped."""

import asyncio
from collections.abc import AsyncGenerator, Set
from contextlib import AbstractContextManager
from hashlib import blake2b

from attrs import evolve

from cfevents._http.connection import GetConnection, cancel_all
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventMetadata, Listing, event_key
from cfevents._model.checkpoint import Checkpoint, EventKey
from cfevents._model.kinds import kind_test
from cfevents._model.results import Page
from cfevents._protocol.requests import Request, request_context
from cfevents._protocol.responses import RawResult, Result
from cfevents._secrets import Secret, hide
from cfevents._validation import short_repr, validate_text
from cfevents.errors import APIResponseError, CfEventsError, PaginationError


async def iter_pages(get_connection: GetConnection, query: ListQuery) -> AsyncGenerator[Page, None]:
    """Yield a listing's pages, empty ones included, until one has no cursor; an error has its page's checkpoint."""
    start = checkpoint = query.start
    if start.finished:
        return
    with resume_context(start):
        fetcher, deduplicator = _PageFetcher(get_connection, query), _Deduplicator(start)
    listing_args = start.connector_id, start.since, start.until, start.kind
    try:
        while not checkpoint.finished:
            with resume_context(checkpoint):
                result = await fetcher.next()
            listing = result.result
            items = filter_kinds(deduplicator.without_repeats(listing.items), query.kinds)
            cursor, delivered = listing.cursor or None, deduplicator.delivered
            # A cursor that repeats a credential is followed, and never stored: a new start has to begin again.
            stored = None if isinstance(cursor, Secret) else cursor
            # Not by evolve, which takes as long as a dozen events.
            checkpoint = Checkpoint(*listing_args, stored, start.reached, delivered, cursor is None, start.account_id)
            yield Page(items, cursor, listing.count, result.messages, result.errors, checkpoint, extra=listing.extra)
    finally:
        await cancel_all([fetcher.task])


class _Deduplicator:
    """Drops the events that the previous page had, and those that the checkpoint to start from names as delivered.

    Algorithm: keys are compared only for events of a second that is also on the previous page or in the checkpoint;
    hardly a page shares more than one. Invariant: what is dropped was delivered before; a repeat from an earlier page
    is passed on. Bound: it holds one page and the checkpoint's keys. Cost: one set of times for each page.
    """

    def __init__(self, start: Checkpoint) -> None:
        self._start = start
        self._delivered = frozenset(start.delivered)
        self._delivered_times = frozenset(recorded_ts for recorded_ts, _ in start.delivered)
        self._previous: tuple[EventMetadata, ...] = ()
        self._previous_times: Set[int | float] = frozenset()
        self._pages_overlap = False

    def without_repeats(self, items: tuple[EventMetadata, ...]) -> tuple[EventMetadata, ...]:
        """Return the events of the next page that are new."""
        previous, previous_times = self._previous, self._previous_times
        self._previous, self._previous_times = items, {event.recorded_ts for event in items}
        if not (shared := self._previous_times & (previous_times | self._delivered_times)):
            return items
        repeated = self._delivered.union([event_key(event) for event in previous if event.recorded_ts in shared])
        if repeated.isdisjoint([event_key(event) for event in items if event.recorded_ts in shared]):
            return items
        self._pages_overlap = True
        return tuple(event for event in items if event_key(event) not in repeated)

    @property
    def delivered(self) -> tuple[EventKey, ...]:
        """The events that a listing that continues after this page has to leave out."""
        # A checkpoint stays small: a page's events are listed in it only if this server was seen to repeat one.
        previous = map(event_key, self._previous) if self._pages_overlap else ()
        return tuple(sorted({*previous, *(self._start.delivered if self._start.reached is not None else ())}))


class _PageFetcher:
    """Requests a listing's pages in a background task, up to ``query.prefetch`` ahead of the caller.

    Each request needs the cursor of the page before, so they run one after the other. The semaphore counts the pages
    that the task may still request: the prefetched ones, and one more for each call of `next`.
    """

    def __init__(self, get_connection: GetConnection, query: ListQuery) -> None:
        self._get_connection, self._query = get_connection, query
        self._may_request = asyncio.Semaphore(query.prefetch)
        self._pages: asyncio.Queue[RawResult[Listing] | None] = asyncio.Queue()
        self._connection = get_connection()
        self.task = self._connection.create_task(self._request_pages())
        # Not in the task itself: one that is cancelled before it began runs no `finally`.
        self.task.add_done_callback(lambda _: self._pages.put_nowait(None))

    async def next(self) -> Result[Listing]:
        self._get_connection()  # raises if the client was closed meanwhile
        self._may_request.release()
        was_waiting = self._pages.empty()
        if (page := await self._pages.get()) is None:
            await self._connection.result_of(self.task)
            raise AssertionError("the task ends with the last page, or with an error")  # pragma: no cover
        if not was_waiting:
            # Structuring blocks the loop: let the next request leave before it.
            await asyncio.sleep(0)
        return page.read()

    async def _request_pages(self) -> None:
        query, cursor, time_left = self._query, self._query.start.cursor, self._query.timeout
        first = query.request(self._get_connection().endpoints, query.window, None)
        guard = CursorGuard()
        if cursor is not None:
            guard.check(first, cursor, None)
        while True:
            await self._may_request.acquire()
            request = first if cursor is None else first.at(cursor)
            connection = self._get_connection()
            began = connection.loop.time()
            page = await connection.fetch(request, time_left)
            if time_left is not None:
                time_left -= connection.loop.time() - began
            self._pages.put_nowait(page)
            if not page.cursor:
                return
            cursor = guard.check(request, page.cursor, page.ray_id)
            del page  # only the caller keeps it, for as long as it needs it


class CursorGuard(set[bytes]):
    """Digests of the cursors of a listing, to raise when one is repeated, and the listing would never end."""

    def check(self, request: Request[Listing], cursor: str, ray_id: str | None) -> str:
        """Return the cursor that a request's response has, or raise if it cannot be sent or was seen before."""
        with request_context(request):
            try:
                validate_text("cursor", cursor)
            except ValueError as error:
                raise APIResponseError(f"result.cursor: {error}", place="result.cursor", ray_id=ray_id) from None
            digest = blake2b(cursor.encode(), digest_size=16).digest()
            if digest in self:
                ray = f" (CF-Ray {ray_id})" if ray_id else ""
                message = f"the API sent the cursor {short_repr(cursor)} again; the listing would never end{ray}"
                raise PaginationError(message)
            self.add(digest)
        return cursor


def filter_kinds(items: tuple[EventMetadata, ...], kinds: tuple[str, ...]) -> tuple[EventMetadata, ...]:
    """Return the events of some kinds, or all if none are given. The API can filter by one name only."""
    if not kinds:
        return items
    is_wanted = kind_test(kinds)
    return tuple(event for event in items if is_wanted(event.kind))


class resume_context(AbstractContextManager[object]):  # noqa: N801 - as `request_context`
    """Attach to every `CfEventsError` the position from which the listing can be resumed."""

    __slots__ = ("_checkpoint",)

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, CfEventsError):
            checkpoint = self._checkpoint
            error.since, error.until, error.kind = checkpoint.since, checkpoint.until, checkpoint.kind
            error.cursor = checkpoint.cursor
            error.checkpoint = evolve(checkpoint, connector_id=hide(checkpoint.connector_id))

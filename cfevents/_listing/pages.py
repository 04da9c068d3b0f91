"""The generator of pages: the cursor followed to its end."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Set
from contextlib import contextmanager
from hashlib import blake2b

from cfevents._http.connection import Connection, GetConnection, cancel_all
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventMetadata, Listing, event_key
from cfevents._model.checkpoint import Checkpoint, EventKey
from cfevents._model.results import Page
from cfevents._protocol.requests import Request, request_context
from cfevents._protocol.responses import RawResult, Result
from cfevents._validation import short_repr, validate_text
from cfevents.errors import APIResponseError, CfEventsError, PaginationError


async def iter_pages(get_connection: GetConnection, query: ListQuery) -> AsyncGenerator[Page, None]:
    """Yield a listing's pages, empty ones included, until one brings no cursor.

    Pages are asked for ahead, as many as the query says: while the caller works on one, the next is on its way. The
    session is asked for anew at each page, since the client may have been closed meanwhile.

    Raises:
        PaginationError: The API sent a cursor for the second time.
        CfEventsError: A page could not be had; the error tells how to go on from it.
    """
    chain = _PageFetcher(get_connection, query)
    reached, repeated = query.start, _Deduplicator(query.start)
    try:
        while not reached.finished:
            try:
                answer = await chain.next()
            except CfEventsError as error:
                tell_how_to_go_on(error, reached)
                raise
            listing = answer.result
            items = filter_kinds(repeated.dropped(listing.items), query.kinds)
            reached = _after(reached, listing.cursor or None, repeated.delivered)
            yield _page(answer, items, reached)
    finally:
        await chain.close()


class _Deduplicator:
    """The events that are not to be yielded again: those of the page before, and what had been delivered earlier."""

    def __init__(self, start: Checkpoint) -> None:
        self._start = start
        self._delivered = frozenset(start.delivered)
        self._delivered_times = frozenset(recorded_ts for recorded_ts, _ in start.delivered)
        self._before: tuple[EventMetadata, ...] = ()
        self._times: Set[int | float] = frozenset()
        self._overlapped = False

    def dropped(self, items: tuple[EventMetadata, ...]) -> tuple[EventMetadata, ...]:
        """Leave them out of the next page."""
        before, times = self._before, self._times
        self._before, self._times = items, {event.recorded_ts for event in items}
        # Hardly a page shares more than a second with the one before: no key need be made for any other event.
        if not (shared := self._times & (times | self._delivered_times)):
            return items
        again = self._delivered.union([event_key(event) for event in before if event.recorded_ts in shared])
        if again.isdisjoint([event_key(event) for event in items if event.recorded_ts in shared]):
            return items
        self._overlapped = True
        return tuple(event for event in items if event_key(event) not in again)

    @property
    def delivered(self) -> tuple[EventKey, ...]:
        """What another listing that goes on from here has to leave out."""
        # Of a page only where this server was seen to repeat one: a checkpoint is to stay small.
        before = map(event_key, self._before) if self._overlapped else ()
        return tuple(sorted({*before, *(self._start.delivered if self._start.reached is not None else ())}))


class _PageFetcher:
    """The requests of one listing, sent by a task of its own: each needs the cursor that the one before it brought."""

    def __init__(self, get_connection: GetConnection, query: ListQuery) -> None:
        self._get_connection, self._query = get_connection, query
        self._patience = query.timeout
        # As many pages are asked for as the caller has asked for, and those ahead.
        self._allowed = asyncio.Semaphore(query.prefetch)
        self._arrived: asyncio.Queue[RawResult[Listing] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    async def next(self) -> Result[Listing]:
        """Wait for the next page, with those after it on their way."""
        connection = self._get_connection()
        if self._task is None or self._connection is None:
            self._connection, self._task = connection, connection.create_task(self._ask())
            # Not by the task itself: one that is cancelled before it began does nothing.
            self._task.add_done_callback(lambda _: self._arrived.put_nowait(None))
        self._allowed.release()
        waited = self._arrived.empty()
        if (answer := await self._arrived.get()) is None:
            await self._connection.result_of(self._task)
            raise AssertionError("a chain ends with its last page, or with an error")  # pragma: no cover
        if not waited:
            # Structuring holds the loop: let the next request leave before it.
            await asyncio.sleep(0)
        return answer.read()

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            await cancel_all([self._task])

    async def _ask(self) -> None:
        """Ask for one page after the other."""
        cursor = self._query.start.cursor
        endpoints = self._get_connection().endpoints
        first, trail = self._query.request(endpoints, self._query.window, None), CursorGuard(cursor)
        while True:
            await self._allowed.acquire()
            request = first if cursor is None else first.at(cursor)
            answer = await self._send(request)
            self._arrived.put_nowait(answer)
            if not answer.cursor:
                return
            cursor = trail.after(request, answer.cursor, answer.ray_id)
            del answer  # whoever asked for it keeps the page, as long as it is needed

    async def _send(self, request: Request[Listing]) -> RawResult[Listing]:
        connection = self._get_connection()
        began = connection.loop.time()
        answer = await connection.fetch(request, self._patience)
        if self._patience is not None:
            self._patience -= connection.loop.time() - began
        return answer


class CursorGuard:
    """The cursors that a chain of pages came by, 16 bytes of each: a server may send one again."""

    def __init__(self, start: str | None = None) -> None:
        """Begin at a cursor, or without one."""
        self._seen = set() if start is None else {_digest(start)}

    def after(self, request: Request[Listing], cursor: str, ray_id: str | None) -> str:
        """Check that a chain goes on with a cursor: it can be sent, and was not sent before.

        Args:
            request: What brought it.
            cursor: The cursor.
            ray_id: The ``CF-Ray`` of the answer.

        Raises:
            APIResponseError: It cannot be sent.
            PaginationError: It was seen before.
        """
        with request_context(request):
            try:
                validate_text("cursor", cursor)
            except ValueError as error:
                raise APIResponseError(f"result.cursor: {error}", place="result.cursor", ray_id=ray_id) from None
            if (digest := _digest(cursor)) in self._seen:
                ray = f" (CF-Ray {ray_id})" if ray_id else ""
                raise PaginationError(
                    f"the API sent the cursor {short_repr(cursor)} again; the listing would never end{ray}"
                )
            self._seen.add(digest)
        return cursor


def _digest(cursor: str) -> bytes:
    return blake2b(cursor.encode(), digest_size=16).digest()


def filter_kinds(items: tuple[EventMetadata, ...], kinds: tuple[str, ...]) -> tuple[EventMetadata, ...]:
    """Leave out kinds not asked for: the API's own filter takes one kind, and came later than the rest."""
    return tuple(event for event in items if event.kind in kinds) if kinds else items


def _after(reached: Checkpoint, cursor: str | None, delivered: tuple[EventKey, ...]) -> Checkpoint:
    # Not by evolve, which takes as long as a dozen events.
    start = reached.connector_id, reached.since, reached.until, reached.kind
    return Checkpoint(*start, cursor, reached.reached, delivered, cursor is None, reached.account_id)


def _page(answer: Result[Listing], items: tuple[EventMetadata, ...], reached: Checkpoint) -> Page:
    return Page(
        items=items,
        cursor=reached.cursor,
        count=answer.result.count,
        messages=answer.messages,
        errors=answer.errors,
        checkpoint=reached,
        extra=answer.result.extra,
    )


@contextmanager
def told_how_to_go_on(reached: Checkpoint) -> Iterator[None]:
    """Let every error of ours tell what the listing had delivered, so that one can go on from there."""
    try:
        yield
    except CfEventsError as error:
        tell_how_to_go_on(error, reached)
        raise


def tell_how_to_go_on(error: CfEventsError, reached: Checkpoint) -> CfEventsError:
    """Write on an error what the listing had delivered."""
    vars(error).update(
        since=reached.since, until=reached.until, kind=reached.kind, cursor=reached.cursor, checkpoint=reached
    )
    return error

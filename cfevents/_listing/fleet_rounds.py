"""A fleet's listing in rounds: one slice of time of every connector, then the next slice.

Algorithm: the first page of each connector estimates its events. A round ends where all connectors together have about
a page each; they are listed up to there, and their events sorted. Invariant: the rounds are ascending, and slices
overlap by a second, of which nothing is yielded twice. Bound: no cursor waits for the consumer, and about a page for
each connector is held. Cost: one request per connector and round; none for one whose whole window fits its first page.

A connector that is silent makes room for others after two seconds, and is set aside when its first request times out:
it is listed at the end, with those like it, so that the others begin in time.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any

from attrs import define, evolve, field

from cfevents._http.connection import GetConnection
from cfevents._listing.details import ListedEvent
from cfevents._listing.ordered import as_async, ordered_map
from cfevents._listing.pages import iter_pages, resume_context
from cfevents._listing.query import ListQuery
from cfevents._listing.rates import RateEstimate
from cfevents._listing.slices import resume_keys
from cfevents._model.api import EventMetadata, event_key
from cfevents._model.checkpoint import Checkpoint, EventKey
from cfevents.errors import APITimeoutError, BadRequestError, CfEventsError, ConfigurationError

# The shortest round: the seconds at its edges are listed by the next one too.
_MIN_ROUND_S = 8
# How many pages each connector should have in a round.
_TARGET_PAGES = 0.85

_log = logging.getLogger("cfevents")


@define(eq=False)
class _ConnectorListing:
    """One connector's listing."""

    query: ListQuery
    checkpoint: Checkpoint
    answered_at: float = -math.inf  # when its newest page came, on the event loop's clock
    rate: RateEstimate = field(factory=RateEstimate)
    fits_one_page: bool = False  # the whole window: the page is buffered, and not listed again
    had_no_events: bool = False  # in the last round, so it has no say in where the next one ends
    buffered: list[ListedEvent] = field(factory=list)

    @property
    def fraction(self) -> float:
        """The part of the window that was listed."""
        since, until = self.query.window
        return 1.0 if self.fits_one_page else ((self.checkpoint.reached or since) - since) / max(1, until - since)

    def on_page(self) -> None:
        self.answered_at = asyncio.get_running_loop().time()


class Rounds:
    """The listings of several connectors over one window."""

    def __init__(
        self,
        get_connection: GetConnection,
        queries: list[ListQuery],
        concurrency: int,
        errors: dict[str, CfEventsError],
    ) -> None:
        self._get_connection, self._concurrency, self.errors = get_connection, concurrency, errors
        self._connectors = {query.start.connector_id: _ConnectorListing(query, query.start) for query in queries}
        self._page_size, self._count = 1, len(queries)
        self._silent: dict[str, _ConnectorListing] | None = {}  # set aside; None where they are waited for

    @property
    def fraction(self) -> float:
        """The part of the window that was listed, averaged over the connectors; one that failed has none to list."""
        ended = self._count - len(self._connectors) - len(self._silent or ())
        return (ended + sum(connector.fraction for connector in self._connectors.values())) / max(1, self._count)

    async def read(self) -> AsyncGenerator[list[ListedEvent], None]:
        """Yield the events of each round, ascending; those of connectors that were silent come after all others."""
        async with aclosing(self._read_rounds()) as rounds:
            async for events in rounds:
                yield events
        if self._silent:
            text = "no answer from %d connectors: they are listed again now, after the others: %s"
            _log.warning(text, len(self._silent), ", ".join(self._silent))
            self._connectors, self._silent = self._silent, None
            async with aclosing(self._read_rounds()) as rounds:
                async for events in rounds:
                    yield events

    async def _read_rounds(self) -> AsyncGenerator[list[ListedEvent], None]:
        if not self._connectors:
            return
        end, until = next(iter(self._connectors.values())).query.window  # the same for all
        await self._for_each(self._read_first_page, [*self._connectors.values()])
        while True:
            begin, end = end, self._round_end(end, until)
            await self._for_each(partial(self._read_slice, begin, end), self._unfinished())
            yield self._pop_round(math.inf if end == until else end)
            if end == until:
                return

    def fail(self, connector_id: str, error: CfEventsError) -> None:
        self.errors[connector_id] = error
        self._connectors.pop(connector_id, None)

    async def _for_each(
        self, read: Callable[[_ConnectorListing], Coroutine[Any, Any, None]], connectors: list[_ConnectorListing]
    ) -> None:
        """Read something of each connector; those for which it failed are dropped."""
        # All events of a round are held anyway, so nothing waits for a slow connector.
        outcomes = ordered_map(
            self._get_connection,
            as_async(connectors),
            read,
            self._concurrency,
            max_buffered=math.inf,
            max_stalled=self._get_connection().spare(self._concurrency),
            answered_at=lambda connector: connector.answered_at,
        )
        async with aclosing(outcomes):
            async for connector, error in outcomes:
                if isinstance(error, ConfigurationError):  # of the client, not of a connector
                    raise error
                connector_id = connector.checkpoint.connector_id
                never_answered = connector.answered_at == -math.inf
                if isinstance(error, APITimeoutError) and self._silent is not None and never_answered:
                    self._silent[connector_id] = self._connectors.pop(connector_id)
                elif error is not None:
                    self.fail(connector_id, error)

    async def _read_first_page(self, connector: _ConnectorListing) -> None:
        """Estimate from the first page of the whole window that has events, or the last one."""
        query, is_last = evolve(connector.query, prefetch=0), self._silent is None
        get_connection = self._get_connection if is_last else lambda: self._get_connection().impatient()
        with resume_context(connector.checkpoint):
            async with aclosing(iter_pages(get_connection, query)) as pages:
                page = await anext(pages)
                connector.on_page()
                # Without a single event there is nothing to estimate from.
                while not page.items and page.cursor is not None:
                    page = await anext(pages)
                    connector.on_page()
        self._page_size = max(self._page_size, len(page.items))
        connector.rate = RateEstimate(event.recorded_ts for event in page.items)
        connector.fits_one_page = page.cursor is None
        if connector.fits_one_page:
            connector.buffered = [ListedEvent(connector.checkpoint, event) for event in page.items]

    def _unfinished(self) -> list[_ConnectorListing]:
        return [connector for connector in self._connectors.values() if not connector.fits_one_page]

    def _round_end(self, begin: int, until: int) -> int:
        """Return where the connectors together have about a page each."""
        rates = [connector.rate for connector in self._unfinished() if not connector.had_no_events]
        if not rates:
            return until
        target = _TARGET_PAGES * self._page_size
        ends = sorted(rate.end(begin, target) for rate in rates)
        fitting = [end for end in ends if sum(rate.estimate(begin, end) for rate in rates) <= target * len(rates)]
        end = max(begin + _MIN_ROUND_S, math.ceil(fitting[-1] if fitting else ends[0]))
        return until if until - end < max(_MIN_ROUND_S, 0.25 * (end - begin)) else end

    async def _read_slice(self, begin: int, end: int, connector: _ConnectorListing) -> None:
        checkpoint, since = connector.checkpoint, connector.query.window.since
        start = evolve(connector.query.start, since=begin - (begin > since), until=end, reached=None, delivered=())
        query = evolve(connector.query, start=start)
        with resume_context(checkpoint):
            try:
                events = await self._list(query, connector)
            except BadRequestError as error:
                if error.cursor is None:
                    raise
                # The cursor may have expired, and a slice is small enough to list again.
                events = await self._list(query, connector)
        delivered = set(checkpoint.delivered)
        connector.rate.correct(begin, end, len(events))
        connector.had_no_events = not events
        connector.buffered += [ListedEvent(checkpoint, event) for key, event in events.items() if key not in delivered]
        connector.checkpoint = evolve(checkpoint, reached=end, delivered=resume_keys(events, end))

    async def _list(self, query: ListQuery, connector: _ConnectorListing) -> dict[EventKey, EventMetadata]:
        events = dict[EventKey, EventMetadata]()
        async with aclosing(iter_pages(self._get_connection, query)) as pages:
            async for page in pages:
                connector.on_page()
                self._page_size = max(self._page_size, len(page.items))
                events |= {event_key(event): event for event in page.items}
        return events

    def _pop_round(self, end: float) -> list[ListedEvent]:
        """Return what was listed of each slice, and what lies before ``end`` of those that fit one page."""
        events: list[ListedEvent] = []
        for connector in self._connectors.values():
            limit = end if connector.fits_one_page else math.inf
            events += [listed for listed in connector.buffered if listed.event.recorded_ts < limit]
            connector.buffered = [listed for listed in connector.buffered if listed.event.recorded_ts >= limit]
        return sorted(events, key=lambda listed: event_key(listed.event))

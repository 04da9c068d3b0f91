"""A fleet's listing in rounds: a slice of time of every connector, and then the next.

So no cursor waits for the consumer, no connector needs a chain of its own, and all of it is one ascending stream.
"""

import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from attrs import define, evolve, field

from cfevents._http.connection import GetConnection
from cfevents._listing.details import ListedEvent
from cfevents._listing.ordered import ordered_map
from cfevents._listing.pages import iter_pages, told_how_to_go_on
from cfevents._listing.planner import RateEstimate
from cfevents._listing.query import ListQuery
from cfevents._listing.slices import resume_keys
from cfevents._model.api import EventMetadata, event_key
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import Page
from cfevents.errors import BadRequestError, CfEventsError, ConfigurationError

T = TypeVar("T")

# The narrowest slice, in seconds: those at its edges are listed by the next one too.
_NARROWEST = 8
# How full a round is to be, in pages for each connector that is asked.
_FILL = 0.85


@define(eq=False)
class _Connector:
    """How far a connector's listing has come."""

    query: ListQuery
    reached: Checkpoint
    density: RateEstimate = field(factory=RateEstimate)
    whole: bool = False
    """Whether its window fits a page, which is held then, so that it need not be asked again."""

    silent: bool = False
    """Whether it had nothing in the last round: then it says nothing of where the next is to end."""

    held: list[ListedEvent] = field(factory=list)


class Rounds:
    """The listings of several connectors over one window."""

    def __init__(
        self,
        get_connection: GetConnection,
        queries: Iterable[ListQuery],
        concurrency: int,
        errors: dict[str, CfEventsError],
    ) -> None:
        """Begin with nothing listed; what goes wrong is put into ``errors``, by connector id."""
        self._get_connection, self._concurrency, self.errors = get_connection, concurrency, errors
        self._connectors = {query.start.connector_id: _Connector(query, query.start) for query in queries}
        self._page_size = 1

    async def read(self) -> AsyncGenerator[list[ListedEvent], None]:
        """Yield the events of each round, ascending."""
        if not self._connectors:
            return
        end, until = next(iter(self._connectors.values())).query.window  # of all; some may be left out soon
        for connector, page in (await self._each(self._first_page, list(self._connectors.values()))).items():
            self._look_at(connector, page)
        while True:
            begin, end = end, self._end(end, until)
            for connector, events in (await self._each(partial(self._slice, begin, end), self._asked())).items():
                self._take(connector, events, begin, end)
            yield self._round(math.inf if end == until else end)
            if end == until:
                return

    def fail(self, connector_id: str, error: CfEventsError) -> None:
        """Leave a connector out from here on, and remember why."""
        self.errors[connector_id] = error
        self._connectors.pop(connector_id, None)

    async def _each(
        self, work: Callable[[_Connector], Coroutine[Any, Any, T]], connectors: list[_Connector]
    ) -> dict[_Connector, T]:
        """Do something for each connector; those that fail are left out."""

        async def things() -> AsyncGenerator[_Connector, None]:
            for connector in connectors:
                yield connector

        found: dict[_Connector, T] = {}
        async with aclosing(ordered_map(self._get_connection, things(), work, self._concurrency)) as outcomes:
            async for connector, outcome in outcomes:
                if isinstance(outcome, ConfigurationError):  # of the client, not of a connector
                    raise outcome
                if isinstance(outcome, CfEventsError):
                    self.fail(connector.reached.connector_id, outcome)
                else:
                    found[connector] = outcome
        return found

    async def _first_page(self, connector: _Connector) -> Page:
        """Ask for the whole window's first page that has events."""
        query = evolve(connector.query, prefetch=0)
        with told_how_to_go_on(connector.reached):
            async with aclosing(iter_pages(self._get_connection, query)) as pages:
                page = await anext(pages)
                # Without a single event there is nothing to plan by.
                while not page.items and page.cursor is not None:
                    page = await anext(pages)
                return page

    def _look_at(self, connector: _Connector, page: Page) -> None:
        self._page_size = max(self._page_size, len(page.items))
        connector.density = RateEstimate(event.recorded_ts for event in page.items)
        connector.whole = page.cursor is None
        if connector.whole:
            connector.held = [ListedEvent(connector.reached, event) for event in page.items]

    def _asked(self) -> list[_Connector]:
        return [each for each in self._connectors.values() if not each.whole]

    def _end(self, begin: int, until: int) -> int:
        """Find where a round ends: where all connectors together have about a page each."""
        asked, target = [each for each in self._asked() if not each.silent], _FILL * self._page_size
        ends = sorted(each.density.end(begin, target) for each in asked)
        within = [
            end for end in ends if sum(each.density.estimate(begin, end) for each in asked) <= target * len(asked)
        ]
        if not ends:
            return until
        end = max(begin + _NARROWEST, math.ceil(within[-1] if within else ends[0]))
        return until if until - end < max(_NARROWEST, 0.25 * (end - begin)) else end

    async def _slice(self, begin: int, end: int, connector: _Connector) -> list[EventMetadata]:
        since = connector.query.window.since
        start = evolve(connector.query.start, since=begin - (begin > since), until=end, reached=None, delivered=())
        query = evolve(connector.query, start=start)
        with told_how_to_go_on(connector.reached):
            try:
                return await self._collected(query)
            except BadRequestError as error:
                if error.cursor is None:
                    raise
                # A cursor may have expired, and a slice is soon listed again.
                return await self._collected(query)

    async def _collected(self, query: ListQuery) -> list[EventMetadata]:
        events: list[EventMetadata] = []
        async with aclosing(iter_pages(self._get_connection, query)) as pages:
            async for page in pages:
                self._page_size = max(self._page_size, len(page.items))
                events += page.items
        return events

    def _take(self, connector: _Connector, events: list[EventMetadata], begin: int, end: int) -> None:
        delivered, before = set(connector.reached.delivered), connector.reached
        found = {event_key(event): event for event in events}
        connector.density.learn(begin, end, len(found))
        connector.silent = not found
        connector.held += [ListedEvent(before, event) for key, event in found.items() if key not in delivered]
        connector.reached = evolve(before, reached=end, delivered=resume_keys(found, end))

    def _round(self, end: float) -> list[ListedEvent]:
        """Take what lies before the end; of a connector that is asked in rounds, all that was listed."""
        taken: list[ListedEvent] = []
        for connector in self._connectors.values():
            later = [each for each in connector.held if connector.whole and each.event.recorded_ts >= end]
            taken += [each for each in connector.held if not connector.whole or each.event.recorded_ts < end]
            connector.held = later
        return sorted(taken, key=lambda listed: event_key(listed.event))

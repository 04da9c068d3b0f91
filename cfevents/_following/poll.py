"""What a connector has that was not delivered yet."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from cfevents._following.watermark import Watermark
from cfevents._http.connection import Reader
from cfevents._listing.details import ListedEvent, get_details
from cfevents._listing.pages import filter_kinds
from cfevents._listing.planner import LENIENT
from cfevents._listing.query import ListQuery
from cfevents._listing.slices import list_slices
from cfevents._model.api import EventMetadata, event_key
from cfevents._model.results import FollowedEvent
from cfevents._time import now
from cfevents.errors import CfEventsError

# How many events are delivered together at most; each of those with a payload takes a request to get.
_MOST = 10_000
_MOST_WITH_PAYLOADS = 200
# For how many seconds what was listed may wait for more of the same round.
_PATIENCE = 30.0


class Payloads(NamedTuple):
    """That events are delivered with their payloads."""

    concurrency: int
    kinds: tuple[str, ...]


class PollResult(NamedTuple):
    """What a round of a connector brought, or a part of it, and how far it is followed after it."""

    connector_id: str
    events: Sequence[EventMetadata]
    items: tuple[FollowedEvent[Any], ...]
    """The same events as they are delivered."""

    after: Watermark


class Poll:
    """What one listing of a connector has that was not delivered yet."""

    def __init__(
        self, reader: Reader, query: ListQuery, mark: Watermark, *, payloads: Payloads | None, lookback: float | None
    ) -> None:
        """Take what to list, and what is not wanted of it.

        Args:
            reader: What to read with.
            query: What to list.
            mark: What was delivered.
            payloads: How events are delivered with their payloads, if they are.
            lookback: How late events may come, in seconds, where all of them are looked for; None elsewhere.
        """
        self.mark = mark
        """What was delivered with what this one has found."""

        self.pages = 0
        """How many pages were listed."""

        self._reader, self._query, self._payloads, self._lookback = reader, query, payloads, lookback
        self._began = now()
        self._listed_count = self._fresh_count = 0
        self._newest: float | None = None

    @property
    def is_behind(self) -> bool:
        """Whether there may be more by now: what was listed was more than a page, and most of it new."""
        return self.pages > 1 and 2 * self._fresh_count > self._listed_count

    async def found(self) -> AsyncGenerator[PollResult, None]:
        """Yield what was not delivered, ascending, in one piece where it is not very much.

        Raises:
            CfEventsError: There may be more; what came before has been yielded.
        """
        connector_id = self._query.start.connector_id
        async with aclosing(self._listed()) as pieces:
            async for events in pieces:
                got, failure = await self._as_delivered(events)
                before, delivered = self.mark, events[: len(got)]
                items = tuple(
                    FollowedEvent(connector_id, each, before.is_late(event))
                    for each, event in zip(got, delivered, strict=True)
                )
                self.mark = self._after(before, delivered)
                if items:
                    yield PollResult(connector_id, delivered, items, self.mark)
                if failure is not None:
                    raise failure
        self.mark = self.mark.listed(self._newest)
        if self.mark.reached is not None:
            self.mark = self._looked_through(self.mark, self.mark.reached)

    async def _listed(self) -> AsyncGenerator[list[EventMetadata], None]:
        piece, gathering = list[EventMetadata](), _Gathering(_MOST if self._payloads is None else _MOST_WITH_PAYLOADS)
        mark, failure = self.mark, None
        # Of the future, which is asked for too, not every appliance has something.
        slices = list_slices(self._reader, self._query, allowance=LENIENT, quiet_from=self._began, every_kind=True)
        async with aclosing(slices) as pages:
            try:
                async for page in pages:
                    piece += (fresh := mark.missing(filter_kinds(page.items, self._query.kinds)))
                    mark = self._after(mark, fresh)
                    self._note(page.items, len(fresh))
                    while gathering.is_enough(piece):
                        yield gathering.taken(piece)
            except CfEventsError as error:
                failure = error
        while piece:
            yield gathering.taken(piece)
        if failure is not None:
            raise failure

    async def _as_delivered(self, events: Sequence[EventMetadata]) -> tuple[Sequence[object], CfEventsError | None]:
        """Get the payloads, if they are wanted, as far as they can be had; and what kept it from the rest."""
        if self._payloads is None:
            return events, None
        got: list[object] = []
        async with aclosing(get_details(self._reader, self._each(events), *self._payloads)) as details:
            async for _, detail in details:
                if isinstance(detail, CfEventsError):
                    return got, detail
                got.append(detail)
        return got, None

    async def _each(self, events: Sequence[EventMetadata]) -> AsyncGenerator[ListedEvent, None]:
        for event in events:
            yield ListedEvent(self._query.start, event)

    def _note(self, items: Sequence[EventMetadata], fresh: int) -> None:
        self.pages += 1
        self._listed_count += len(items)
        self._fresh_count += fresh
        if items:
            newest = max(event.recorded_ts for event in items)
            self._newest = newest if self._newest is None else max(self._newest, newest)

    def _after(self, mark: Watermark, events: Sequence[EventMetadata]) -> Watermark:
        if not events:
            return mark
        # All before was listed: by whichever of its times the API's bounds mean.
        until = min(events[-1].recorded_ts, max(event.collected_ts for event in events))
        return self._looked_through(mark.after(events), until)

    def _looked_through(self, mark: Watermark, until: float) -> Watermark:
        # What is collected from when this listing began is for the next one.
        return mark if self._lookback is None else mark.looked_through(min(until, self._began), self._lookback)


class _Gathering:
    """Events of several pages become one piece."""

    def __init__(self, most: int) -> None:
        self._most, self._loop = most, asyncio.get_running_loop()
        self._taken_at = self._loop.time()

    def is_enough(self, piece: list[EventMetadata]) -> bool:
        """Whether so many are there that they are delivered, or they have waited for long enough."""
        return len(piece) >= self._most or (bool(piece) and self._loop.time() - self._taken_at > _PATIENCE)

    def taken(self, piece: list[EventMetadata]) -> list[EventMetadata]:
        """Take the first of them, ascending."""
        # Where the API's bounds mean when events were collected, slices are not in the order of the recording.
        piece.sort(key=event_key)
        first = piece[: self._most]
        del piece[: self._most]
        self._taken_at = self._loop.time()
        return first

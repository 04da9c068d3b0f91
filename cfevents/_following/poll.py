"""One poll: list a connector's window by the clocks, keep what was not delivered before, and note the state."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from random import random
from typing import Any, NamedTuple

from attrs import define, evolve, field

from cfevents._following.checkpoint import FollowCheckpoint, Watermark
from cfevents._following.schedule import DueConnector, Intervals
from cfevents._http.connection import WARN_CLOCK_S, GetConnection
from cfevents._listing.details import ListedEvent, get_details
from cfevents._listing.ordered import as_async
from cfevents._listing.pages import filter_kinds
from cfevents._listing.planner import LENIENT
from cfevents._listing.query import ListQuery
from cfevents._listing.slices import iter_slices
from cfevents._model.api import EventMetadata, event_key
from cfevents._model.checkpoint import EventKey
from cfevents._model.results import FollowedEvent, Page
from cfevents._public import set_module
from cfevents._time import TimeWindow, format_iso, now, to_datetime, to_timedelta
from cfevents.errors import CfEventsError

MAX_BATCH_EVENTS = 10_000
MAX_BATCH_DETAILS = 200  # each payload takes a request
MAX_BATCH_WAIT_S = 30.0  # that a listed event waits for more of the same poll
_WARN_LAG_FRACTION = 0.5  # of the lookback; a lag above it is logged, before anything is lost

_log = logging.getLogger("cfevents")


class Moment(NamedTuple):
    """A moment on two clocks, in seconds."""

    on_loop: float  # the event loop's
    ours: float  # this machine's, since the Unix epoch


class Bounds(NamedTuple):
    """Two times that a moment lies between, in seconds since the Unix epoch."""

    earliest: float
    latest: float


@define(eq=False)
class FollowClock:
    """Bounds of the present, by three witnesses: this machine's clock, the API's, and the times of collection.

    Algorithm: the present is not later than the API's `Date`, and not later than this machine's clock or the newest
    collection time, whichever is later. Invariant: where one of the three is wrong, `earliest` is after the present by
    less than a minute, and `latest` before it by no more. So what is kept by the former and listed up to the latter
    loses nothing.
    """

    _get_connection: GetConnection
    _began: float  # when following began, on the event loop's clock
    collected: float = -math.inf  # the newest collection time

    def bounds(self, moment: Moment | None = None) -> Bounds:
        """Return the bounds of a moment, or of the present, by what is known now."""
        on_loop, ours = moment or (asyncio.get_running_loop().time(), now())
        of_api = self._get_connection().clock.at(on_loop)
        if of_api is None:
            return Bounds(max(ours, self.collected), ours)
        is_ours_right = abs(ours - of_api) < WARN_CLOCK_S  # a Date is in whole seconds
        return Bounds(ours if is_ours_right else min(of_api, max(ours, self.collected)), max(ours, of_api))

    def corrected(self, start: FollowCheckpoint, age: float) -> FollowCheckpoint:
        """Return the same start, or an earlier one where it lies ahead of what the API's clock showed in the beginning.

        It should be ``age`` seconds before that. The start of a checkpoint has none.
        """
        if (began := self._get_connection().clock.at(self._began)) is None:
            return start
        begins, latest = [start.since, *(mark.since for mark in start.connectors.values())], began - age
        right = {since: math.floor(latest) for since in begins if since > latest + WARN_CLOCK_S}
        if not right:
            return start
        wrong, corrected = (format_iso(to_datetime(time)) for time in next(iter(right.items())))
        _log.warning("following was to begin at %s, by a clock that was wrong: it begins at %s", wrong, corrected)
        marks = {name: evolve(mark, since=right.get(mark.since, mark.since)) for name, mark in start.connectors.items()}
        return evolve(start, since=right.get(start.since, start.since), connectors=marks)


@define(eq=False)
class PollProgress:
    """The part of a connector's window that its present poll has read, from 0 to 1, and the events so far."""

    fraction: float = 0.0
    events: int = 0  # that were not delivered before; with payloads, those whose payload came

    def add(self, events: int, recorded_ts: float, window: TimeWindow) -> None:
        """Add events of a window that was read up to a time. The fraction never shrinks: a poll may begin again."""
        self.events += events
        covered = (recorded_ts - window.since) / max(1.0, window.until - window.since)
        self.fraction = max(self.fraction, min(1.0, covered))


@set_module("cfevents")
@define(eq=False)
class ConnectorStatus:
    """The state of a connector that is followed."""

    last_good_at: datetime | None = None
    """The time of the last successful poll."""

    lag: timedelta = timedelta(0)
    """The longest time that was seen between an event's recording and its collection."""

    backlog: timedelta = timedelta(0)
    """The age of the event that was found last, while more are on their way; zero once all were listed."""

    error: CfEventsError | None = None
    """The error of the last poll; None where it succeeded."""

    clock_ahead: timedelta = timedelta(0)
    """How far this machine's clock is ahead of the API's, negative where it is behind; zero below a minute."""

    recent_lag: timedelta = timedelta(0)
    """The longest time between recording and collection among the events that were found last."""

    delivered: int = 0
    """The events that were delivered so far: the caller has asked for what comes after them."""

    late: int = 0
    """Those among them that were late."""

    errors: dict[str, int] = field(factory=dict)
    """How many polls failed so far, by the name of the error's class."""

    def on_events(self, connector_id: str, events: Sequence[EventMetadata], lookback: float, present: float) -> None:
        """Note how late events, ascending, were collected; warn once before some exceed the lookback, in seconds."""
        lag = to_timedelta(max(event.collected_ts - event.recorded_ts for event in events))
        if self.lag < timedelta(seconds=_WARN_LAG_FRACTION * lookback) <= lag:
            _log.warning(
                "connector %s: an event was collected %s after it was recorded; events later than the lookback of %s "
                "are lost: follow with a longer lookback",
                connector_id,
                lag,
                timedelta(seconds=lookback),
            )
        self.lag, self.recent_lag = max(self.lag, lag), lag
        self.backlog = to_timedelta(max(0.0, present - events[-1].recorded_ts))


class FollowOptions(NamedTuple):
    """The options of following. Durations are in seconds."""

    query: ListQuery  # the listing of each connector, but for its id and window
    intervals: Intervals
    overlap: float  # the part before the watermark that each poll lists again
    lookback: float  # how late an event may be collected
    payloads: tuple[int, tuple[str, ...]] | None = None  # how many to get at a time, and the kinds that have one
    once: bool = False  # whether following ends after one poll of each connector
    has_since: bool = False  # whether it was said where following begins
    age: float = 0.0  # how long before the present following begins, where that was all that was said
    has_poll_ends: bool = False  # whether the end of a poll is a result too
    random: Callable[[], float] = random


class PollResult(NamedTuple):
    """Events of a poll that were not delivered before, ascending, and the watermark once they are delivered."""

    connector_id: str
    events: Sequence[EventMetadata]
    items: tuple[FollowedEvent[Any], ...]  # the same events as they are delivered
    after: Watermark
    ended: float | None = None
    """Where the result stands for the end of its poll, without events: when the poll began. What was collected by then
    has been delivered."""


class Poll:
    """One listing of a connector's window, without the events that were delivered before.

    The window is listed in slices, whose events come about in the order of their recording. They are gathered into
    batches, which bounds both the memory and the time that a listed event waits. `mark` covers what was yielded, and
    nothing more, so a poll that fails in the middle loses nothing. A deep poll lists everything that may still be
    delivered, so it prunes the watermark as it advances.
    """

    def __init__(
        self,
        get_connection: GetConnection,
        options: FollowOptions,
        mark: Watermark,
        due: DueConnector,
        clock: FollowClock,
        *,
        part: PollProgress,
    ) -> None:
        self.mark = mark  # the watermark once the events that were yielded are delivered
        self.pages = 0  # that were listed
        self.progress = 0  # pages and payloads that came
        self.is_behind = False  # whether there may be more events: more than a page was listed, and most of it was new
        self.began, self._clock = Moment(asyncio.get_running_loop().time(), now()), clock
        earliest, latest = clock.bounds(self.began)
        since, until = mark.window(math.inf if due.deep else options.overlap, earliest, latest)
        start = evolve(options.query.start, connector_id=due.connector_id, since=since, until=until)
        self._query = evolve(options.query, start=start)
        self._get_connection, self._payloads = get_connection, options.payloads
        self._part, self._past = part, TimeWindow(since, max(since, math.floor(earliest)))
        # A little more than the lookback: the collection times are those of another clock.
        self._keep_s = options.lookback + options.overlap if due.deep else None
        self._listed_count = self._fresh_count = 0
        self._reached = -math.inf

    async def results(self) -> AsyncGenerator[PollResult, None]:
        """Yield the events that were not delivered, ascending, in one result unless there are many.

        Raises:
            CfEventsError: The listing is incomplete; what came before the failure has been yielded.
        """
        connector_id = self._query.start.connector_id
        async with aclosing(self._list_batches()) as batches:
            async for batch in batches:
                values, failure = (
                    (batch, None) if self._payloads is None else await self._with_payloads(batch, self._payloads)
                )
                before, events = self.mark, batch[: len(values)]
                items = tuple(
                    FollowedEvent(connector_id, value, before.is_late(event))
                    for value, event in zip(values, events, strict=True)
                )
                if items:
                    # Everything before was listed, by whichever of its times the API's bounds mean.
                    until = min(events[-1].recorded_ts, max(event.collected_ts for event in events))
                    self.mark = self._prune(before.after(events), until)
                    yield PollResult(connector_id, events, items, self.mark)
                if failure is not None:
                    raise failure
        self.is_behind = self.pages > 1 and 2 * self._fresh_count > self._listed_count
        if self._reached > -math.inf:
            self.mark = self.mark.with_reached(self._reached)
        if self.mark.reached is not None:
            self.mark = self._prune(self.mark, self.mark.reached)

    async def _list_batches(self) -> AsyncGenerator[list[EventMetadata], None]:
        loop, pending = asyncio.get_running_loop(), dict[EventKey, EventMetadata]()
        max_events, yielded_at = MAX_BATCH_EVENTS if self._payloads is None else MAX_BATCH_DETAILS, loop.time()
        ended: StopAsyncIteration | CfEventsError | None = None
        # The future is listed too, where few appliances have events.
        present = self._clock.bounds(self.began).earliest
        slices = iter_slices(self._get_connection, self._query, limit=LENIENT, quiet_from=present, every_kind=True)
        async with aclosing(slices) as pages:
            while ended is None:
                try:
                    self._note_page(await anext(pages), pending, present)
                except (StopAsyncIteration, CfEventsError) as error:
                    ended = error
                while pending and (ended or len(pending) >= max_events or loop.time() - yielded_at > MAX_BATCH_WAIT_S):
                    yielded_at = loop.time()
                    # If the API's bounds mean collection times, the slices are not in the order of the recording.
                    yield [pending.pop(key) for key in sorted(pending)[:max_events]]
        if isinstance(ended, CfEventsError):
            raise ended

    def _note_page(self, page: Page, pending: dict[EventKey, EventMetadata], present: float) -> None:
        """Add the events of a page to those that are to be delivered."""
        count, events = len(pending), page.items
        for event in self.mark.undelivered(filter_kinds(events, self._query.kinds)):
            pending[event_key(event)] = event
        fresh = len(pending) - count
        if self._payloads is None:
            reached = None if page.checkpoint is None else page.checkpoint.reached
            self._part.add(fresh, present if reached is None else reached, self._past)
        self.pages += 1
        self.progress += 1
        self._listed_count += len(events)
        self._fresh_count += fresh
        self._reached = max([self._reached, *(event.recorded_ts for event in events)])
        self._clock.collected = max([self._clock.collected, *(event.collected_ts for event in events)])

    async def _with_payloads(
        self, events: Sequence[EventMetadata], payloads: tuple[int, tuple[str, ...]]
    ) -> tuple[Sequence[object], CfEventsError | None]:
        """Return the events with their payloads, up to the first failure; and that failure."""
        complete: list[object] = []
        listed = as_async(ListedEvent(self._query.start, event) for event in events)
        async with aclosing(get_details(self._get_connection, listed, *payloads)) as details:
            async for _, detail in details:
                if isinstance(detail, CfEventsError):
                    return complete, detail
                self._part.add(1, events[len(complete)].recorded_ts, self._past)
                complete.append(detail)
                self.progress += 1
        return complete, None

    def _prune(self, mark: Watermark, until: float) -> Watermark:
        # What is collected from the beginning of this poll on is left to the next one.
        if self._keep_s is None:
            return mark
        return mark.prune_before(min(until, self._clock.bounds(self.began).earliest) - self._keep_s)

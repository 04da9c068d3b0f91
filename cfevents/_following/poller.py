"""The tasks that poll connectors when they are due, several at a time, through failures and outages of the API."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial

from cfevents import errors
from cfevents._following.checkpoint import FollowCheckpoint, Watermark
from cfevents._following.poll import ConnectorStatus, FollowClock, FollowOptions, Poll, PollProgress, PollResult
from cfevents._following.schedule import BUDGET_SHARE, RETRY_S, DueConnector, Pace, PollRequests, Schedule
from cfevents._html import counted
from cfevents._http.connection import Connection, cancel_all
from cfevents._listing.fleet import FleetMembers
from cfevents._listing.ordered import STALL_S
from cfevents._progress import Progress
from cfevents._protocol.responses import refuses_credentials
from cfevents._time import format_duration, now, to_datetime, to_timedelta

_MIN_DISCOVERY_S = 60.0  # between two listings of the account's connectors
_ENOUGH_REFUSALS = 3  # of connectors, before any answer: the permission is missing for all

_log = logging.getLogger("cfevents")


class Poller:
    """Tasks that poll connectors, and a queue of their results.

    Each worker takes the connector that is due first, polls it and puts it back into the schedule. As many workers
    again take those that gave no answer before; and a poll that waits long for its first answer leaves its worker to
    others. So connectors that are silent, however many, keep none of the others waiting. The queue holds one result:
    while the caller works on it, the workers wait.
    """

    def __init__(self, members: FleetMembers, options: FollowOptions, start: FollowCheckpoint) -> None:
        self.status: dict[str, ConnectorStatus] = {}
        self.parts: dict[str, PollProgress] = {}
        # Of the connectors that could not be read, if each is polled once.
        self.errors: dict[str, errors.CfEventsError] = {}
        self._members, self._options, self._start = members, options, start
        self._clock, self._start_checked = FollowClock(members.get_connection, asyncio.get_running_loop().time()), False
        self._marks = dict[str, Watermark]()
        self._schedule = Schedule(options.intervals, options.random)
        self._results: asyncio.Queue[PollResult | FollowCheckpoint | BaseException | None] = asyncio.Queue(1)
        self._changed = asyncio.Event()
        self.connection: Connection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stalled: set[asyncio.Task[None]] = set()
        self._max_stalled = 0
        self._pace = Pace(members.get_connection)
        self._requests = dict[str, int]()  # of the last poll of each connector
        self.gone = set[str]()  # connectors that left the account longer ago than events may be late
        self._was_answered = self._is_discovered = self._discovery_fails = False
        self._refused = set[str]()  # connectors that were refused before any answer

    async def next(self) -> PollResult | FollowCheckpoint | None:
        """Return the next result, None after the last; or raise why nothing can be polled any more.

        The first may be where following begins, if that was corrected.
        """
        connection = self._members.get_connection()
        if self.connection is None:
            self.connection = connection
            named, workers = self._members.named, self._members.concurrency
            if not self._options.once:
                # Until the account's connectors are known, those of the checkpoint are followed.
                self._set_connectors(named or self._start.connectors)
            workers = min(workers, len(named)) if named else workers
            # Each poll sends a few requests at a time.
            self._max_stalled = connection.spare(2 * workers * self._options.query.concurrency)
            for healthy in (True, False) * workers:
                self._start_task(connection, partial(self._work, healthy=healthy))
            self._start_task(connection, self._discover)
        elif connection is not self.connection:
            raise errors.ConfigurationError("the client was closed while it was reading")
        result = await connection.result_of(connection.create_task(self._results.get()))
        if isinstance(result, BaseException):
            raise result
        return result

    def progress(self) -> Progress:
        """Return the part of the first polls of all connectors that is done, the events so far, and the wait."""
        done = sum(1.0 if name in self.errors else part.fraction for name, part in self.parts.items())
        events = sum(part.events for part in self.parts.values())
        words = counted(len(self.parts), "connector"), counted(events, "event")
        return Progress(done / max(1, len(self.parts)), ", ".join(words), self._pace.wait)

    def next_poll_s(self) -> float | None:
        """Return the seconds until a connector is due; None if that depends on the end of a poll."""
        return self._schedule.wait(asyncio.get_running_loop().time())

    async def close(self, error: errors.CfEventsError | None = None) -> None:
        """Cancel all polls, and wait until they have ended. Who waits for a result gets None, or the error."""
        with suppress(asyncio.QueueFull):
            self._results.put_nowait(error)
        await cancel_all(self._tasks)

    def _start_task(
        self, connection: Connection, run: Callable[[], Coroutine[None, None, None]]
    ) -> "asyncio.Task[None]":
        task = connection.create_task(self._forward_errors(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _forward_errors(self, run: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await run()
        except Exception as error:  # raised to the caller of next
            await self._results.put(error)

    def _set_connectors(self, connector_ids: Iterable[str]) -> None:
        """Follow these connectors, and no others."""
        ids = dict.fromkeys(connector_ids)
        for connector_id in self.status.keys() - ids.keys():
            self._schedule.drop(connector_id)
            del self.status[connector_id]
            del self.parts[connector_id]
            self._requests.pop(connector_id, None)
        for connector_id in ids:
            self._marks.setdefault(connector_id, self._start.of(connector_id))
            self.status.setdefault(connector_id, ConnectorStatus())
            self.parts.setdefault(connector_id, PollProgress())
        self._schedule.add(ids, asyncio.get_running_loop().time())
        self._changed.set()

    async def _discover(self) -> None:
        """Find the connectors, those of a whole account again and again."""
        repeat = self._members.named is None and not self._options.once
        while True:
            # During an outage the probes of known connectors find out when it is over.
            if not (self._schedule.is_down and self.status):
                try:
                    connect = partial(self._get_connection, PollRequests(), once=self._discovery_fails)
                    ids, self.errors = await self._members.resolve(connect)
                except errors.CfEventsError as error:
                    self._on_discovery_failed(error)
                else:
                    self._was_answered = self._was_answered or self._members.named is None
                    self._is_discovered, self._discovery_fails = True, False
                    self._set_connectors(ids)
                    if self._members.named is None:
                        self._forget_gone({*ids, *self.errors})
            if self._is_discovered and not repeat:
                return
            interval = self._options.intervals.deep_interval if self._is_discovered else 0.0
            await asyncio.sleep(max(_MIN_DISCOVERY_S, interval))

    def _forget_gone(self, present: set[str]) -> None:
        """Note the connectors that left the account so long ago that nothing of theirs can be late any more."""
        keep = self._options.lookback + self._options.overlap
        limit = self._clock.bounds().earliest - keep
        marks = {**self._start.connectors, **self._marks}
        self.gone = {
            connector_id
            for connector_id, mark in marks.items()
            if connector_id not in present and max(mark.complete_from, mark.reached or 0) <= limit
        }
        for connector_id in self.gone:
            self._marks[connector_id] = Watermark(marks[connector_id].complete_from)

    def _on_discovery_failed(self, error: errors.CfEventsError) -> None:
        ends = self._options.once and not isinstance(error, errors.RateLimitError)
        if _is_final(error) or ends or self._is_first_refusal(error):
            raise error
        if not self._discovery_fails:
            _log.warning("cannot list the connectors of the account, retrying every minute: %s", error)
        self._discovery_fails = True

    def _is_first_refusal(self, error: errors.CfEventsError, connector_id: str | None = None) -> bool:
        """Return whether the API refuses these credentials, and never accepted them: it will not begin to."""
        if self._was_answered or not isinstance(error, errors.APIStatusError):
            return False
        if refuses_credentials(error):
            return True
        if error.status != 403 or error.from_edge or self._options.once:
            return False
        # Without a code for the credentials, it may be the one connector that is refused.
        self._refused |= {connector_id} if connector_id else set()
        return connector_id is None or len(self._refused) >= min(_ENOUGH_REFUSALS, len(self.status))

    async def _work(self, *, healthy: bool) -> None:
        while (due := await self._next_due(healthy=healthy)) is not None:
            requests = PollRequests()
            connect = partial(self._get_connection, requests, once=due.suspect)
            mark, part = self._marks[due.connector_id], self.parts[due.connector_id]
            poll = Poll(connect, self._options, mark, due, self._clock, part=part)
            status, connection = self.status[due.connector_id], self._members.get_connection()
            task = self._start_task(connection, partial(self._poll, due, poll, status, requests))
            await self._wait_unless_stalled(task, poll, requests)
        await self._results.put(None)

    async def _next_due(self, *, healthy: bool) -> DueConnector | None:
        """Return the connector that is due, waiting for it; None once each was polled, if that is all."""
        loop = asyncio.get_running_loop()
        while (due := self._schedule.next(loop.time(), healthy=healthy)) is None:
            if self._options.once and self._is_discovered and not self._schedule.entries:
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._schedule.wait(loop.time(), healthy=healthy)):
                    await self._changed.wait()
        return due

    async def _wait_unless_stalled(self, task: "asyncio.Task[None]", poll: Poll, requests: PollRequests) -> None:
        """Return when a poll has ended, or when it waits for the API alone and gets no answer."""
        while not task.done():
            progress = poll.progress
            await asyncio.wait([task], timeout=STALL_S)
            waits_here = self._results.full() or requests.waiting
            if poll.progress == progress and not waits_here and len(self._stalled) < self._max_stalled:
                self._stalled.add(task)
                task.add_done_callback(self._stalled.discard)
                return

    def _get_connection(self, requests: PollRequests, *, once: bool) -> Connection:
        """Return the connection for requests that pass a gate, and are perhaps sent once."""
        connection = self._members.get_connection().with_gate(partial(self._pace.gate, requests))
        return connection.without_retries() if once else connection

    async def _poll(self, due: DueConnector, poll: Poll, status: ConnectorStatus, requests: PollRequests) -> None:
        loop, was_down, is_done = asyncio.get_running_loop(), self._schedule.is_down, True
        try:
            is_done = await self._deliver(poll, due.connector_id, status)
        except errors.CfEventsError as error:
            if _is_final(error):
                raise
            self._on_poll_failed(due, status, error, requests.sent_at, answered=poll.pages > 0)
        else:
            status.error, status.backlog = None, timedelta(0)
            status.last_good_at = to_datetime(now())
            if is_done and (part := self.parts.get(due.connector_id)):
                part.fraction = 1.0
            self._was_answered = True
            again, least = poll.is_behind or not is_done, self._least_interval(due.connector_id, requests.count)
            self._schedule.done(due, poll.began.on_loop, loop.time(), again=again, least=least)
        status.clock_ahead = timedelta(seconds=self._members.get_connection().clock.ahead)
        if self._options.once and is_done and not isinstance(status.error, errors.RateLimitError):
            self._schedule.drop(due.connector_id)
        if was_down and not self._schedule.is_down:
            _log.warning("API reachable again")
        self._changed.set()

    def _least_interval(self, connector_id: str, requests: int) -> float:
        """Return how long one poll of each connector takes by the pace, in seconds; one took so many requests now."""
        self._requests[connector_id] = requests
        others = len(self.status) - len(self._requests)
        total = sum(self._requests.values()) + max(0, others)
        return self._members.get_connection().budget.seconds_for(total / BUDGET_SHARE)

    async def _deliver(self, poll: Poll, connector_id: str, status: ConnectorStatus) -> bool:
        """Put a poll's results into the queue; return False where it did not list all from a corrected start on."""
        start = self._start
        async with aclosing(poll.results()) as results:
            async for result in results:
                if await self._checked_start() is not start:
                    return False
                present = self._clock.bounds().earliest
                status.on_events(connector_id, result.events, self._options.lookback, present)
                await self._results.put(result)
                self._marks[connector_id] = result.after
        if await self._checked_start() is not start:
            return False
        self._marks[connector_id] = poll.mark
        if self._options.has_poll_ends:
            ended = self._clock.bounds(poll.began).earliest
            await self._results.put(PollResult(connector_id, (), (), poll.mark, ended))
        return True

    async def _checked_start(self) -> FollowCheckpoint:
        """Return where following begins: corrected, before anything is delivered, if the API's clock shows it wrong."""
        if not self._start_checked:
            self._start_checked = True
            corrected = self._clock.corrected(self._start, self._options.age)
            if corrected is not self._start:
                self._start = corrected
                self._marks = {connector_id: corrected.of(connector_id) for connector_id in self._marks}
                await self._results.put(corrected)
        return self._start

    def _on_poll_failed(
        self, due: DueConnector, status: ConnectorStatus, error: errors.CfEventsError, sent_at: float, *, answered: bool
    ) -> None:
        status.errors[type(error).__name__] = status.errors.get(type(error).__name__, 0) + 1
        self._was_answered = self._was_answered or answered
        if self._is_first_refusal(error, due.connector_id):
            # The window of the poll says nothing to the user.
            error.since = error.until = error.checkpoint = None
            raise error
        present, is_new, was_down = asyncio.get_running_loop().time(), status.error is None, self._schedule.is_down
        status.error = error
        is_last = self._options.once and not isinstance(error, errors.RateLimitError)
        if is_last:
            self.errors[due.connector_id] = error
        least = self._least_interval(due.connector_id, 1)  # its attempts were far apart
        if _is_refusal(error):
            self._schedule.refused(due, present, least=least)
        else:
            least, answered = max(least, _asked_wait(error)), answered or _is_answer(error)
            self._schedule.failed(due, present, answered=answered, least=least, sent_at=sent_at)
        if self._schedule.is_down and not was_down:
            _log.warning("%s: %s", _describe_outage(error, self._options.intervals.refused), error)
        elif is_new and not was_down and not is_last:
            pause_s = self._options.intervals.refused if _is_refusal(error) else max(RETRY_S, _asked_wait(error))
            how_often = format_duration(to_timedelta(pause_s))
            _log.warning("cannot read connector %s, retrying every %s: %s", due.connector_id, how_often, error)


def _is_final(error: errors.CfEventsError) -> bool:
    return isinstance(error, errors.ConfigurationError) and not error.is_temporary


def _is_refusal(error: errors.CfEventsError) -> bool:
    """Return whether the API itself refuses the request, and not for a while only."""
    for_a_while = isinstance(error, errors.InternalServerError | errors.RateLimitError)
    return isinstance(error, errors.APIStatusError) and not for_a_while and not error.from_edge


def _describe_outage(error: errors.CfEventsError, longest: float) -> str:
    if isinstance(error, errors.RateLimitError) and error.resume_after:
        return f"waiting {format_duration(to_timedelta(error.resume_after))} until a request may be sent"
    wait = min(_asked_wait(error), longest)
    how_often = "once a minute" if wait <= RETRY_S else f"every {format_duration(to_timedelta(wait))}"
    return f"API unreachable; retrying {how_often}"


def _asked_wait(error: errors.CfEventsError) -> float:
    return (isinstance(error, errors.APIStatusError) and error.retry_after) or 0.0


def _is_answer(error: errors.CfEventsError) -> bool:
    if isinstance(error, errors.APIResponseError):
        return error.place != "body"  # else it may be of a server in front of the API
    return isinstance(error, errors.PaginationError)

"""The tasks that poll connectors when they are due, several at a time, through failures and outages of the API."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing, suppress

from cfevents import errors
from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.poll import FollowOptions, Poll, PollResult
from cfevents._following.schedule import DueConnector, Schedule
from cfevents._following.status import ConnectorStatus
from cfevents._following.watermark import Watermark
from cfevents._http.connection import Connection, GetConnection, cancel_all
from cfevents._listing.fleet import FleetMembers
from cfevents._protocol.responses import refuses_credentials
from cfevents._time import format_duration, to_timedelta

_BUDGET_SHARE = 0.8  # part of the request budget that following may use
_MIN_DISCOVERY_S = 60.0  # between two listings of the account's connectors
_ENOUGH_REFUSALS = 3  # of connectors, before any answer: the permission is missing for all

_log = logging.getLogger("cfevents")


class Poller:
    """Tasks that poll connectors, and a queue of their results.

    Each worker takes the connector that is due first, polls it and puts it back into the schedule. The queue holds one
    result: while the caller works on it, the workers wait.
    """

    def __init__(self, members: FleetMembers, options: FollowOptions, start: FollowCheckpoint) -> None:
        self.status: dict[str, ConnectorStatus] = {}
        # Of the connectors that could not be read, if each is polled once.
        self.errors: dict[str, errors.CfEventsError] = {}
        self._members, self._options, self._start = members, options, start
        self._marks = dict[str, Watermark]()
        self._schedule = Schedule(options.intervals, options.random)
        self._results: asyncio.Queue[PollResult | BaseException | None] = asyncio.Queue(1)
        self._changed = asyncio.Event()
        self._connection: Connection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._was_answered = self._is_discovered = self._discovery_fails = False
        self._refused = set[str]()  # connectors that were refused before any answer

    async def next(self) -> PollResult | None:
        """Return the next result, None after the last; or raise why nothing can be polled any more."""
        connection = self._members.get_connection()
        if self._connection is None:
            self._connection = connection
            self._start_tasks(connection)
        elif connection is not self._connection:
            raise errors.ConfigurationError("the client was closed while it was reading")
        result = await connection.result_of(connection.create_task(self._results.get()))
        if isinstance(result, BaseException):
            raise result
        return result

    def end(self, error: errors.CfEventsError | None = None) -> None:
        """Cancel all polls. A caller that waits for a result gets None, or the error."""
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.QueueFull):
            self._results.put_nowait(error)

    async def close(self) -> None:
        """Cancel all polls, and wait until they have ended."""
        await cancel_all(self._tasks)

    def _start_tasks(self, connection: Connection) -> None:
        named, workers = self._members.named, self._members.concurrency
        if not self._options.once:
            # Until the account's connectors are known, those of the checkpoint are followed.
            self._set_connectors(named or self._start.connectors)
        coroutines = [self._work] * (min(workers, len(named)) if named else workers)
        self._tasks = [connection.create_task(self._forward_errors(run)) for run in (*coroutines, self._discover)]

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
        for connector_id in ids:
            self._marks.setdefault(connector_id, self._start.of(connector_id))
            self.status.setdefault(connector_id, ConnectorStatus())
        self._schedule.add(ids, asyncio.get_running_loop().time())
        self._changed.set()

    async def _discover(self) -> None:
        """Find the connectors, those of a whole account again and again."""
        repeat, get_connection = self._members.named is None and not self._options.once, self._members.get_connection
        while True:
            # During an outage the probes of known connectors find out when it is over.
            if not (self._schedule.is_down and self.status):
                try:
                    ids, self.errors = await self._members.resolve(
                        _without_retries(get_connection) if self._discovery_fails else get_connection
                    )
                except errors.CfEventsError as error:
                    self._on_discovery_failed(error)
                else:
                    self._was_answered = self._was_answered or self._members.named is None
                    self._is_discovered, self._discovery_fails = True, False
                    self._set_connectors(ids)
            if self._is_discovered and not repeat:
                return
            interval = self._options.intervals.deep_interval if self._is_discovered else 0.0
            await asyncio.sleep(max(_MIN_DISCOVERY_S, interval))

    def _on_discovery_failed(self, error: errors.CfEventsError) -> None:
        ends = self._options.once and not isinstance(error, errors.RateLimitError)
        if _is_final(error) or ends or self._is_first_refusal(error):
            raise error
        if not self._discovery_fails:
            _log.warning("cannot list the connectors of the account, will retry: %s", error)
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

    async def _work(self) -> None:
        while (due := await self._next_due()) is not None:
            await self._poll(due)
            self._changed.set()
        await self._results.put(None)

    async def _next_due(self) -> DueConnector | None:
        """Return the connector that is due, waiting for it; None once each was polled, if that is all."""
        loop = asyncio.get_running_loop()
        while (due := self._schedule.next(loop.time())) is None:
            if self._options.once and self._is_discovered and not len(self._schedule):
                return None
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._schedule.wait(loop.time())):
                    await self._changed.wait()
        return due

    async def _poll(self, due: DueConnector) -> None:
        loop, status, was_down = asyncio.get_running_loop(), self.status[due.connector_id], self._schedule.is_down
        get_connection, began = self._members.get_connection, loop.time()
        connect = _without_retries(get_connection) if due.suspect else get_connection
        poll = Poll(connect, self._options, self._marks[due.connector_id], due)
        try:
            await self._deliver(poll, due.connector_id, status)
        except errors.CfEventsError as error:
            if _is_final(error):
                raise
            self._on_poll_failed(due, status, error, answered=poll.pages > 0)
        else:
            status.on_success()
            self._was_answered = True
            least = get_connection().seconds_for(len(self.status) / _BUDGET_SHARE)
            self._schedule.done(due, began, loop.time(), again=poll.is_behind, least=least)
        if self._options.once and not isinstance(status.error, errors.RateLimitError):
            self._schedule.drop(due.connector_id)
        if was_down and not self._schedule.is_down:
            _log.warning("API reachable again")

    async def _deliver(self, poll: Poll, connector_id: str, status: ConnectorStatus) -> None:
        async with aclosing(poll.results()) as results:
            async for result in results:
                status.on_events(connector_id, result.events, self._options.lookback)
                await self._results.put(result)
                self._marks[connector_id] = result.after
        self._marks[connector_id] = poll.mark
        if self._options.has_poll_ends:
            await self._results.put(PollResult(connector_id, (), (), poll.mark, poll.began))

    def _on_poll_failed(
        self, due: DueConnector, status: ConnectorStatus, error: errors.CfEventsError, *, answered: bool
    ) -> None:
        self._was_answered = self._was_answered or answered
        if self._is_first_refusal(error, due.connector_id):
            # The window of the poll says nothing to the user.
            error.since = error.until = error.checkpoint = None
            raise error
        now, is_new, was_down = asyncio.get_running_loop().time(), status.error is None, self._schedule.is_down
        status.error = error
        if self._options.once and not isinstance(error, errors.RateLimitError):
            self.errors[due.connector_id] = error
        if _is_refusal(error):
            self._schedule.refused(due, now)
        else:
            least = (isinstance(error, errors.APIStatusError) and error.retry_after) or 0.0
            self._schedule.failed(due, now, answered=answered or _is_answer(error), least=least)
        if self._schedule.is_down and not was_down:
            _log.warning("%s: %s", _describe_outage(error), error)
        elif is_new and not was_down and not self._options.once:
            _log.warning("cannot read connector %s, will retry: %s", due.connector_id, error)


def _without_retries(get_connection: GetConnection) -> GetConnection:
    return lambda: get_connection().without_retries()


def _is_final(error: errors.CfEventsError) -> bool:
    return isinstance(error, errors.ConfigurationError) and not error.is_temporary


def _is_refusal(error: errors.CfEventsError) -> bool:
    """Return whether the API itself refuses the request, and not for a while only."""
    for_a_while = isinstance(error, errors.InternalServerError | errors.RateLimitError)
    return isinstance(error, errors.APIStatusError) and not for_a_while and not error.from_edge


def _describe_outage(error: errors.CfEventsError) -> str:
    if isinstance(error, errors.RateLimitError) and error.resume_after:
        return f"waiting {format_duration(to_timedelta(error.resume_after))} until a request may be sent"
    return "API unreachable; retrying once a minute"


def _is_answer(error: errors.CfEventsError) -> bool:
    if isinstance(error, errors.APIResponseError):
        return error.place != "body"  # else it may be of a server in front of the API
    return isinstance(error, errors.PaginationError)

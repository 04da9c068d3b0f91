"""An open client's connection to the API: requests within the budget, repeated while that may help."""

import asyncio
import logging
import math
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from copy import copy
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

from attrs import define, evolve, field

from cfevents._cancellation import finish
from cfevents._http.budget import LOG_WAIT_S, BlockedError, Budget
from cfevents._http.retry import Retry, is_transient
from cfevents._http.transport import Transport
from cfevents._protocol.requests import Endpoints, Request, request_context
from cfevents._protocol.responses import (
    LARGE_BODY_BYTES,
    RawResult,
    Response,
    Result,
    parse_at_once,
    parse_envelope,
    refuses_credentials,
)
from cfevents._public import set_module
from cfevents._time import format_duration, now, parse_http_date
from cfevents.errors import APIStatusError, APITimeoutError, CfEventsError, ConfigurationError, RateLimitError

T = TypeVar("T")
R = TypeVar("R")

Gate: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]
"""What a request enters to wait for its slot, and leaves when it has one."""

WARN_CLOCK_S = 60.0
"""The difference of two clocks, in seconds, from which one of them is wrong."""

_UNLIMITED = nullcontext()
_MAX_SPARE = 256  # requests that wait for silent connectors

_log = logging.getLogger("cfevents")


@set_module("cfevents")
class Usage(NamedTuple):
    """Requests and waits of a client so far, and what its budget still allows."""

    sent: int
    """Requests sent, the repeated ones among them."""

    repeated: int
    """Requests sent again: after a failure that may pass, or after a block."""

    waited: float
    """Seconds that requests waited for their turn, added up."""

    left: int
    """Requests that the budget lets leave at this moment."""

    blocks: int = 0
    """How often the API has refused all requests for a while, so far."""

    @classmethod
    def of(cls, counters: "Counters", budget: Budget) -> Self:
        """Return the usage at this moment."""
        return cls(counters.sent, counters.repeated, counters.waited, budget.left, budget.blocks)


class Counters:
    """The running totals of a client, which outlive a connection, and the requests that wait now."""

    sent = 0
    repeated = 0
    waited = 0.0
    waiting = 0


class APIClock:
    """The API's time, by the `Date` of its last response; from then on it goes with the event loop's clock.

    So it does not depend on this machine's clock, which it is compared with: a difference is logged once.
    """

    ahead = 0.0  # seconds that this machine's clock is ahead of the API's; 0 for less than a minute
    _offset: float | None = None  # from the event loop's clock, in seconds

    def update(self, date: str | None, sent_at: float) -> None:
        """Read the time from a response to a request that was sent at a time of this machine's clock.

        That clock goes on while the machine sleeps, which that of the event loop does not.
        """
        if (seconds := parse_http_date(date)) is None:
            return
        before, self._offset = self.ahead, seconds - asyncio.get_running_loop().time()
        # A Date is in whole seconds, and was written between sending and receiving.
        lowest, highest = sent_at - seconds - 1, now() - seconds
        ahead = max(lowest, min(0.0, highest))
        self.ahead = ahead if abs(ahead) >= WARN_CLOCK_S else 0.0
        if self.ahead and not before:
            difference = format_duration(timedelta(seconds=abs(self.ahead)))
            _log.warning(
                "this machine's clock is %s %s the API's: set it, by NTP; 'now' and '24h' ago are read from it",
                difference,
                "ahead of" if self.ahead > 0 else "behind",
            )

    def at(self, moment: float) -> float | None:
        """Return the API's time at a moment of the event loop's clock; None before the first response."""
        return None if self._offset is None else moment + self._offset


@define(eq=False)
class _CallState:
    """The deadline of one call on the event loop's clock, its attempts so far, and its waits for ``Retry-After``."""

    deadline: float
    sent: int = 0
    asked_wait: float = 0.0  # in seconds
    token_replaced: bool = False  # and sent again because of that
    failures: list[CfEventsError] = field(factory=list)


class Connection:
    """A client that is open on one event loop. Its tasks end when it is closed."""

    def __init__(
        self, transport: Transport, endpoints: Endpoints, budget: Budget, retry: Retry, counters: Counters
    ) -> None:
        self.loop, self.pid = asyncio.get_running_loop(), os.getpid()
        self.transport = transport
        self.endpoints = endpoints
        self.clock = APIClock()
        self._gate: Gate = nullcontext
        self._repeats_timeouts = True
        self._send: Callable[[Request[Any]], Awaitable[Response]] = transport.send
        self.budget = budget
        self._retry = retry
        self.counters = counters
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def close(self) -> None:
        """Cancel all tasks and close the transport."""
        self._closed = True
        try:
            await cancel_all(self._tasks)
        finally:
            await finish(asyncio.ensure_future(self.transport.close()))

    def spare(self, used: int) -> int:
        """Return how many requests may wait for silent connectors where so many are used for others."""
        limit = self.transport.max_connections
        return _MAX_SPARE if not limit else max(0, min(_MAX_SPARE, limit - used))

    @property
    def wait(self) -> float:
        """Seconds until the budget lets the next request leave; 0 while no request of this client waits."""
        return self.budget.wait if self.counters.waiting else 0.0

    def stats(self) -> tuple[int, int]:
        """Return the number of tasks that have not ended, and of requests that wait for the budget."""
        return sum(not task.done() for task in self._tasks), self.counters.waiting

    def without_retries(self) -> "Connection":
        """Return the same connection, except that each request is sent once."""
        connection = copy(self)
        connection._retry = evolve(self._retry, attempts=1)
        return connection

    def impatient(self) -> "Connection":
        """Return the same connection, except that a request that timed out is not repeated."""
        connection = copy(self)
        connection._repeats_timeouts = False
        return connection

    def with_sender(self, send: Callable[[Request[Any]], Awaitable[Response]]) -> "Connection":
        """Return the same connection with another way to send, without retries and without waiting for a block."""
        connection = copy(self)
        connection._send = send
        connection._retry = evolve(self._retry, attempts=1, max_block_wait=1e-3)  # shorter than any block
        return connection

    def with_gate(self, gate: Gate) -> "Connection":
        """Return the same connection, except that each request passes a gate before it is sent."""
        connection = copy(self)
        connection._gate = gate
        return connection

    def create_task(self, coroutine: Coroutine[Any, Any, R]) -> "asyncio.Task[R]":
        """Return a task that is cancelled when the connection is closed."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._discard)
        return task

    def _discard(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        # Retrieve the exception, or asyncio logs that nobody did.
        _ = task.cancelled() or task.exception()

    async def result_of(self, task: "asyncio.Task[R]") -> R:
        """Return the result of a task of `create_task`, or raise a ConfigurationError once the client is closed."""
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            # The caller's own cancellation arrives here too, and the caller may have survived an earlier one.
            if task.cancelled() and (self._closed or (caller is not None and not caller.cancelling())):
                raise ConfigurationError("the client was closed while it was reading") from None
            raise

    async def request(self, request: Request[T], timeout: float | None = None) -> Result[T]:
        """Send a request as `fetch` does, and structure its result."""
        return (await self.fetch(request, timeout)).read()

    async def fetch(self, request: Request[T], timeout: float | None = None) -> RawResult[T]:
        """Send a request until it succeeds or may not be repeated. Errors name its method and path.

        The timeout is for the whole call, waits included; 0 or less fails at once.
        """
        call = _CallState(math.inf if timeout is None else self.loop.time() + timeout)
        with request_context(request):
            try:
                # A timeout that never ends takes as long as a dozen events.
                async with _UNLIMITED if timeout is None else asyncio.timeout_at(call.deadline):
                    return await self._with_retries(request, call)
            except TimeoutError as error:
                last = f"; last attempt: {call.failures[-1]}" if call.failures else ""
                raise APITimeoutError(f"no answer within the call's timeout{last}") from error

    async def _with_retries(self, request: Request[T], call: _CallState) -> RawResult[T]:
        # The first attempt is made without stamina, whose setup takes as long as reading a small page.
        try:
            return await self._wait_out_blocks(request, call)
        except CfEventsError as error:
            first_failure: CfEventsError | None = error
        import stamina  # noqa: PLC0415 - most programs repeat no request

        backoff = partial(self._backoff, request, call)
        attempts = stamina.retry_context(on=backoff, attempts=self._retry.attempts, timeout=None)
        async for attempt in attempts:
            if not self._retry.report_to_stamina:
                # Its hooks are the process's, and where structlog is installed they print on stdout by default.
                attempts._t_a_retrying.before_sleep = None
            with attempt:
                if attempt.num == 1 and first_failure:
                    raise first_failure
                first_failure = None
                return await self._wait_out_blocks(request, call)
        raise AssertionError("stamina raises the last error")  # pragma: no cover

    def _backoff(self, request: Request[T], call: _CallState, error: Exception) -> bool | float:
        """Return the seconds until the next attempt, or False to give up."""
        if not isinstance(error, CfEventsError):  # stamina passes cancellations too
            return False
        call.failures.append(error)
        is_repeated = is_transient(error) and (self._repeats_timeouts or not isinstance(error, APITimeoutError))
        if len(call.failures) >= self._retry.attempts or not is_repeated:
            return False
        wait = self._retry.wait(len(call.failures))
        if isinstance(error, APIStatusError) and error.retry_after:
            wait = max(wait, error.retry_after)
            call.asked_wait += wait
            if call.asked_wait > self._retry.max_block_wait or self.loop.time() + wait > call.deadline:
                return False
        level = logging.WARNING if wait > LOG_WAIT_S else logging.INFO
        # An answer that was refused names its request already.
        place = "" if error.path else request.path.rpartition("/magic/")[2] + ": "
        text, attempt = "%s%s; retrying in %.1f s (attempt %d of %d)", len(call.failures) + 1
        _log.log(level, text, place, error, wait, attempt, self._retry.attempts)
        return wait

    async def _wait_out_blocks(self, request: Request[T], call: _CallState) -> RawResult[T]:
        """Make one attempt. A refusal by the quota is waited out, and does not count as one.

        Nor does that of a token which was replaced while the request was under way.
        """
        give_up_at, refusal, replacements = math.inf, None, self.transport.credentials.replacements
        while True:
            max_wait = min(self._retry.max_block_wait, give_up_at - self.loop.time())
            try:
                return await self._attempt(request, max_wait, call)
            except BlockedError as error:
                # Rounded first: (now + 300) - now may be a little more than 300.
                resume_after = math.ceil(round(error.seconds, 6))
                message = f"{error}: the next may be sent in {resume_after} s, and this call does not wait that long"
                refusal = refusal or RateLimitError(message, status=429)
                refusal.resume_after = resume_after
                raise refusal from None
            except RateLimitError as error:
                refusal = error
                give_up_at = min(give_up_at, self.loop.time() + self._retry.max_block_wait)
            except APIStatusError as error:
                may_help = refuses_credentials(error) and not call.token_replaced
                if not may_help or not await self.transport.has_new_token(replacements):
                    raise
                call.token_replaced = True

    async def _attempt(self, request: Request[T], max_block_wait: float, call: _CallState) -> RawResult[T]:
        counters, began = self.counters, self.loop.time()
        counters.waiting += 1
        try:
            async with self._gate():
                number = await self.budget.acquire(max_block_wait, call.deadline)
        finally:
            counters.waiting -= 1
        sent_at = now()
        counters.waited += self.loop.time() - began
        counters.sent += 1
        counters.repeated += 1 if call.sent else 0
        call.sent += 1
        try:
            response = await self._send(request)
            try:
                result = await _parse(request, response)
                self.clock.update(response.date, sent_at)
                return result
            except RateLimitError as error:
                self.budget.block_for(error.retry_after or response.limits.resets_in)
                raise
            finally:
                self.budget.update_from_headers(response.limits, number, settled=response.status < 500)
        finally:
            self.budget.release(number)


async def _parse(request: Request[T], response: Response) -> RawResult[T]:
    """Parse a response, a large body on a thread: it would hold the loop for a second."""
    if len(response.body) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(parse_at_once, request, response)
    return parse_envelope(request, response)


GetConnection: TypeAlias = Callable[[], Connection]
"""Returns the open connection of a client. Called for every request, since the client may have been closed meanwhile:
it then raises a ConfigurationError."""


async def cancel_all(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancel tasks and wait until they have ended, also if the caller is cancelled; a caller among them goes on."""
    if tasks := {task for task in tasks if not task.done() and task is not asyncio.current_task()}:
        for task in tasks:
            task.cancel()
        await finish(asyncio.ensure_future(asyncio.wait(tasks)))

"""One request, sent when the budget lets it, and repeated until it succeeds or may not be."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Iterable
from copy import copy
from typing import Any, NamedTuple, TypeVar

import stamina
from attrs import evolve

from cfevents._http.budget import LOG_WAIT_S, BlockedError, Budget
from cfevents._http.retry import Retry, may_pass
from cfevents._http.transport import Exchange
from cfevents._protocol.requests import Endpoints, Request
from cfevents._protocol.responses import RawResult, Response, Result, parse_envelope
from cfevents.errors import APITimeoutError, CfEventsError, ConfigurationError, RateLimitError

T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E", bound=CfEventsError)

# Seconds: shorter than any block.
_NO_WAIT = 1e-3

_log = logging.getLogger("cfevents")


class Counters:
    """What a client has done so far: requests sent, repeated, and seconds waited for a turn; and how many wait now."""

    sent = 0
    repeated = 0
    waited = 0.0
    waiting = 0


class _CallState:
    """One call's patience, and how it went so far."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.failures: list[Exception] = []
        self.sent = 0


class Usage(NamedTuple):
    """What a client has done, and may do."""

    sent: int
    """Requests sent, the repeated ones among them."""

    repeated: int
    """Requests sent again: after a failure that may pass, or after a block."""

    waited: float
    """Seconds that requests waited for their turn, added up."""

    left: int
    """Requests that the budget lets leave at this moment."""


Usage.__module__ = "cfevents"


class Connection:
    """An open client on one event loop: its exchange, its budget, its patience."""

    def __init__(self, exchange: Exchange, budget: Budget, retry: Retry, counts: Counters) -> None:
        """Take what it works with, on the event loop that runs."""
        self._loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._budget = budget
        self._retry = retry
        self._counts = counts
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it was opened on, and works on alone."""
        return self._loop

    async def close(self) -> None:
        """End what is under way, and close its connections, unless they are the caller's."""
        self._closed = True
        await cancel_all(self._tasks)
        await self._exchange.transport.close()

    @property
    def rate(self) -> float:
        """How many requests the budget lets leave in a second, in the long run."""
        return self._budget.rate

    @property
    def wait(self) -> float:
        """Seconds until the budget lets the next request leave; 0 where none of this client's waits for its turn."""
        return self._budget.wait if self._counts.waiting else 0.0

    def once(self) -> "Connection":
        """Give the same session, but one that sends each request once, also where it may be repeated."""
        session = copy(self)
        session._retry = evolve(self._retry, attempts=1)
        return session

    @property
    def exchange(self) -> Exchange:
        """What it sends by."""
        return self._exchange

    def through(self, exchange: Exchange) -> "Connection":
        """Give the same session, but one that sends by another exchange, each request once, and waits for no block."""
        session = self.once()
        session._exchange, session._retry = exchange, evolve(session._retry, max_block_wait=_NO_WAIT)
        return session

    def start(self, work: Coroutine[Any, Any, R]) -> "asyncio.Task[R]":
        """Let something go on by itself, until the session is closed at the latest."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        # Looked at, so that asyncio does not complain of an error that nobody waited for.
        _ = task.cancelled() or task.exception()

    async def outcome(self, task: "asyncio.Task[R]") -> R:
        """Wait for what was started.

        Raises:
            ConfigurationError: The client was closed meanwhile.
        """
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            # The caller's own cancellation comes here too, and it may have got over one before.
            if task.cancelled() and (self._closed or (caller is not None and not caller.cancelling())):
                raise ConfigurationError("the client was closed while it was reading") from None
            raise

    async def ask(self, request: Request[T], timeout: float | None = None) -> Result[T]:
        """Send a request until it is answered, as `send` does, and structure its result."""
        return (await self.send(request, timeout)).read()

    async def send(self, request: Request[T], timeout: float | None = None) -> RawResult[T]:
        """Send a request, and again while it may be, until it is answered.

        Args:
            request: What to ask.
            timeout: Patience for the whole of it, waits included, in seconds, or what a listing has left of it, which
                may be nothing; None for no bound.

        Raises:
            CfEventsError: It did not succeed. The error tells what was asked.
        """
        call = _CallState(math.inf if timeout is None else self._loop.time() + timeout)
        try:
            if timeout is None:
                return await self._repeat(request, call)
            return await self._repeat_until(request, call)
        except CfEventsError as error:
            add_request(error, request)
            raise

    async def _repeat_until(self, request: Request[T], call: "_CallState") -> RawResult[T]:
        try:
            async with asyncio.timeout_at(call.deadline):
                return await self._repeat(request, call)
        except TimeoutError as error:
            last = f"; the last attempt: {call.failures[-1]}" if call.failures else ""
            raise APITimeoutError(f"no answer before the call's timeout ran out{last}") from error

    async def _repeat(self, request: Request[T], call: "_CallState") -> RawResult[T]:
        try:
            return await self._past_blocks(request, call)
        except CfEventsError as error:
            failure: CfEventsError | None = error
        # Only now, since what repeats takes as long to set up as a small page to read.
        async for attempt in stamina.retry_context(
            on=self._rule(call.failures), attempts=self._retry.attempts, timeout=None
        ):
            with attempt:
                if failure is not None:
                    first, failure = failure, None
                    raise first
                return await self._past_blocks(request, call)
        raise AssertionError("stamina raises the last error")  # pragma: no cover

    def _rule(self, failures: list[Exception]) -> Callable[[Exception], bool | float]:
        """Make the rule: after how many seconds a failed attempt is followed by another, if at all."""

        def rule(error: Exception) -> bool | float:
            if not isinstance(error, CfEventsError):  # stamina shows cancellations too
                return False
            failures.append(error)
            if len(failures) >= self._retry.attempts or not may_pass(error):
                return False
            wait = self._retry.wait(len(failures))
            _log.log(logging.WARNING if wait > LOG_WAIT_S else logging.INFO, "%s; asking again in %.1f s", error, wait)
            return wait

        return rule

    async def _past_blocks(self, request: Request[T], call: "_CallState") -> RawResult[T]:
        """Make one attempt that counts: the answer that the quota is used up is waited out, and does not."""
        give_up, refusal = math.inf, None
        while True:
            patience = min(self._retry.max_block_wait, give_up - self._loop.time())
            try:
                return await self._attempt(request, patience, call)
            except BlockedError as error:
                refusal = refusal or RateLimitError(
                    "the request quota is used up, for longer than this call waits", status=429
                )
                # Rounded first: (now + 300) - now may be a little more than 300.
                refusal.retry_after = math.ceil(round(error.seconds, 6))
                raise refusal from None
            except RateLimitError as error:
                refusal = error
                give_up = min(give_up, self._loop.time() + self._retry.max_block_wait)

    async def _attempt(self, request: Request[T], patience: float, call: "_CallState") -> RawResult[T]:
        began = self._loop.time()
        self._counts.waiting += 1
        try:
            number = await self._budget.turn(patience, call.deadline)
        finally:
            self._counts.waiting -= 1
        self._counts.waited += self._loop.time() - began
        self._counts.sent += 1
        self._counts.repeated += call.sent > 0
        call.sent += 1
        try:
            return self._opened(request, await self._exchange.send(request), number)
        finally:
            self._budget.answered(number)

    def _opened(self, request: Request[T], response: Response, number: int) -> RawResult[T]:
        """Open the answer to a request, and let the budget learn from it."""
        try:
            return parse_envelope(request, response)
        except RateLimitError as error:
            self._budget.block(error.retry_after or response.limits.resets_in)
            raise
        finally:
            self._budget.learn(response.limits, number, settled=response.status < 500)


class Reader(NamedTuple):
    """What streams read with."""

    opened: Callable[[], Connection]
    """Gives the session, each time anew: the client may have been closed meanwhile."""

    api: Endpoints


async def cancel_all(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancel tasks, and wait until they have ended."""
    if tasks := {task for task in tasks if not task.done()}:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def add_request(error: E, request: Request[Any]) -> E:
    """Write on an error what was asked, so that one can go on from there."""
    if not isinstance(error, ConfigurationError):  # which arises before anything is sent
        vars(error).update(method=request.method, path=request.path)
    return error

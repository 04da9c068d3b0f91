"""How many requests may leave, and when. No I/O.

The API counts requests as they arrive, over everything that uses a token, in windows that may be fixed or may slide.
A request that is counted here from its sending until ``period`` after its answer is inside every window in which the
API may count it, so what keeps to the budget here keeps to it there.
"""

import asyncio
import logging
import math
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, frozen

from cfevents.checks import check_seconds, check_whole
from cfevents.protocol import RateLimits

# Blocks of which the API does not say how long they last: the first, doubled with each, and the longest.
_FIRST_BLOCK = 1.0
_LONGEST_BLOCK = 300.0

NOTABLE_WAIT = 5.0
"""Waits that are longer, in seconds, are told in the log, each once."""

_log = logging.getLogger("cfevents")


class BlockedError(Exception):
    """The API refuses requests for longer than the caller is ready to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:g} s")
        self.seconds = seconds


@define
class _Window:
    """A quota of requests in a period, and what others have taken of it."""

    quota: int
    allowed: int
    period: float
    named_until: float = math.inf
    """When it is forgotten, unless the headers name it again."""

    foreign: int = 0
    foreign_until: float = 0.0

    def used(self, now: float, answered: list[float]) -> int:
        """Count our own requests that were answered in the last period."""
        return len(answered) - bisect_right(answered, now - self.period)

    def left(self, now: float, in_flight: int, answered: list[float]) -> int:
        """Count the requests that may leave now."""
        foreign = self.foreign if now < self.foreign_until else 0
        return self.allowed - in_flight - self.used(now, answered) - foreign

    def free_at(self, now: float, in_flight: int, answered: list[float]) -> float:
        """Find when one more request may leave; inf where that depends on an answer."""
        missing = 1 - self.left(now, in_flight, answered)
        if missing <= 0:
            return now
        first = bisect_right(answered, now - self.period)
        freed = [at + self.period for at in answered[first : first + missing]]
        if now < self.foreign_until:
            freed = sorted(freed + [self.foreign_until] * min(self.foreign, missing))
        return freed[missing - 1] if missing <= len(freed) else math.inf

    def learn(self, remaining: int, until: float, now: float, answered: list[float]) -> None:
        """Take the API's word for what is left: what we did not use ourselves, others did."""
        self.foreign = max(0, self.quota - self.used(now, answered) - remaining)
        self.foreign_until = until


@frozen(eq=False)
class _Waiter:
    """A request that waits for its turn, and how long it would wait for a block to end."""

    turn: "asyncio.Future[None]"
    patience: float
    deadline: float

    def outlasts(self, block: float, now: float) -> bool:
        return block <= self.patience and now + block <= self.deadline


class Budget:
    """The requests that may be sent, to the API and by one token.

    Never more than ``share * requests`` leave in any window of ``period``, and less where the answers' headers say that
    less is left. Several clients of one process and event loop can share one. Whoever waits longest goes first.
    """

    def __init__(self, requests: int = 1200, period: float = 300.0, share: float = 0.9) -> None:
        """Take the quota.

        Args:
            requests: How many requests the API allows in a period (the API's documentation: 1,200).
            period: Its length in seconds (the API's documentation: five minutes).
            share: The part of it to use, above 0 and at most 1; the rest is for the dashboard and other programs.

        Raises:
            TypeError: An argument is not a number.
            ValueError: An argument has no meaning.
        """
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise TypeError(f"share={share!r} is not a number")
        if not 0 < share <= 1:
            raise ValueError(f"share={share!r} must be above 0 and at most 1")
        self._share = share
        requests = check_whole("requests", requests)
        self._quota = _Window(requests, self._allowed(requests), check_seconds("period", period))
        self._policies: dict[str, _Window] = {}
        self._in_flight = 0
        self._answered: list[float] = []
        self._waiters: deque[_Waiter] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_until = -math.inf
        self._blocked_until = -math.inf
        self._unnamed_block = 0.0
        # Until the API's own count is known one request goes at a time: programs that start one after the other, each
        # with a budget of its own, would otherwise add up to a block.
        self._alone = True

    @asynccontextmanager
    async def slot(self, patience: float = math.inf, deadline: float = math.inf) -> AsyncIterator[None]:
        """Wait for a request's turn, and count it from then on.

        Args:
            patience: The longest block to wait for, in seconds.
            deadline: When the wait has to be over at the latest, on the event loop's clock.

        Raises:
            BlockedError: The API refuses requests for longer than that.
        """
        await self._turn(patience, deadline)
        try:
            yield
        finally:
            loop = asyncio.get_running_loop()
            self._in_flight -= 1
            self._answered.append(loop.time())
            self._serve(loop)

    def learn(self, limits: RateLimits) -> None:
        """Take what an answer tells of the limits: it was no refusal."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for name, policy in limits.policies.items():
            window = self._policies.setdefault(name, _Window(0, 0, policy.period))
            window.quota, window.allowed = policy.requests, self._allowed(policy.requests)
            window.period, window.named_until = policy.period, now + policy.period
        for name, remainder in limits.remainders.items():
            window = self._policies.get(name, self._quota)
            # This answer's own request is counted there, and not yet here.
            window.learn(remainder.requests + 1, now + min(remainder.resets_in, window.period), now, self._answered)
        if now >= self._blocked_until:
            self._alone, self._unnamed_block = False, 0.0

    def block(self, seconds: float | None) -> None:
        """Send nothing for a while, since the API refuses everything.

        Args:
            seconds: How long; None or 0 where the API did not say: twice as long as the time before.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not seconds:
            seconds = self._unnamed_block = min(max(_FIRST_BLOCK, 2 * self._unnamed_block), _LONGEST_BLOCK)
        self._blocked_until = max(self._blocked_until, now + seconds)
        self._alone = True
        for waiter in self._waiters:
            if not waiter.turn.done() and not waiter.outlasts(self._blocked_until - now, now):
                waiter.turn.set_exception(BlockedError(self._blocked_until - now))
        self._serve(loop)

    @property
    def left(self) -> int:
        """How many requests may leave at this moment, by what is known."""
        if self._loop is None:
            return self._quota.allowed
        now = self._loop.time()
        if now < self._blocked_until:
            return 0
        return max(0, min(each.left(now, self._in_flight, self._answered) for each in self._windows(now)))

    def _allowed(self, requests: int) -> int:
        # Rounded first: 0.29 * 100 is 28.999999999999996.
        return max(1, math.floor(round(self._share * requests, 6)))

    def _windows(self, now: float) -> list[_Window]:
        self._policies = {name: each for name, each in self._policies.items() if now < each.named_until}
        return [self._quota, *self._policies.values()]

    async def _turn(self, patience: float, deadline: float) -> None:
        self._loop = loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), patience, deadline)
        now = loop.time()
        if now < self._blocked_until and not waiter.outlasts(self._blocked_until - now, now):
            raise BlockedError(self._blocked_until - now)
        self._waiters.append(waiter)
        self._serve(loop)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._in_flight -= 1  # its turn had come, and nothing was sent
            self._serve(loop)
            raise

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go whoever may, first come first served, and set the timer for the next."""
        now = loop.time()
        self._forget(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            if self._waiters[0].turn.done():
                self._waiters.popleft()
            elif (at := self._free_at(now)) <= now:
                self._in_flight += 1
                self._waiters.popleft().turn.set_result(None)
            else:
                if at < math.inf:
                    self._timer = loop.call_at(at, self._serve, loop)
                    self._tell_of(at, now)
                return

    def _tell_of(self, at: float, now: float) -> None:
        if at > self._told_until and at - now > NOTABLE_WAIT:
            self._told_until = at
            why = "the API refuses requests" if at == self._blocked_until else "the request quota is used up"
            _log.warning("%s: waiting %.0f s", why, at - now)

    def _free_at(self, now: float) -> float:
        if self._alone and self._in_flight:
            return math.inf
        return max(
            self._blocked_until, *(each.free_at(now, self._in_flight, self._answered) for each in self._windows(now))
        )

    def _forget(self, now: float) -> None:
        longest = max(each.period for each in self._windows(now))
        del self._answered[: bisect_right(self._answered, now - longest)]

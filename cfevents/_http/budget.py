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
from itertools import count
from typing import NamedTuple

from attrs import define

from cfevents._protocol.rate_limits import RateLimits
from cfevents._validation import validate_int, validate_seconds

# Blocks of which the API does not say how long they last: the first, doubled with each, and the longest.
_FIRST = 1.0
_LONGEST = 300.0
# How much longer than it was told a block is waited out, as a part of it, and at most in seconds.
_LONGER = 0.1
_MOST = 1800.0


class _Block:
    """Until when nothing is sent, on the event loop's clock: as long as the API said, and a little longer.

    Requests sent into a block seem to make it anew. So others who met it a little later made it longer than we were
    told, and who asks then does the same to them. Each time that was too early, it is twice as much longer, until that
    is more than what lies between the first who met it and the last.
    """

    def __init__(self, least: float = 0.0) -> None:
        """Begin without a block.

        Args:
            least: How much longer than it was told a block is waited out at least, in seconds.
        """
        self._least = least
        self._longer = 0.0
        self._unnamed = 0.0
        self.until = -math.inf

    def met(self, seconds: float | None, now: float) -> None:
        """Note that the API refused a request.

        Args:
            seconds: For how long; None or 0 where it did not say: twice as long as the time before.
            now: The time.
        """
        if now >= self.until:
            self._longer *= 2
        if not seconds:
            seconds = self._unnamed = min(max(_FIRST, 2 * self._unnamed), _LONGEST)
        self._longer = max(self._least, min(max(self._longer, _LONGER * seconds), _MOST))
        self.until = max(self.until, now + seconds + self._longer)

    def passed(self) -> None:
        """Note that the API answers again."""
        self._unnamed = self._longer = 0.0


# The part of a quota that is left free where others spend too.
_HEADROOM = 10

LOG_WAIT_S = 5.0
"""Waits that are longer, in seconds, are told in the log, each once."""

_log = logging.getLogger("cfevents")


class BlockedError(Exception):
    """The API refuses requests for longer than the caller is ready to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:g} s")
        self.seconds = seconds


@define(eq=False, repr=False)
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
        taken = self._taken if now < self.foreign_until else 0
        return self.allowed - taken - in_flight - self.used(now, answered)

    @property
    def _taken(self) -> int:
        """Count what others took of our part. First they take theirs, but for a tenth of the quota, which stays free.

        Others' requests that are under way are in nobody's headers yet: programs that all went to the last one that the
        headers show would go beyond it together.
        """
        theirs = self.quota - self.allowed
        free = min(theirs, max(1, self.quota // _HEADROOM))
        return max(0, self.foreign - theirs + free) if self.foreign else 0

    def free_at(self, now: float, in_flight: int, answered: list[float]) -> float:
        """Find when one more request may leave; inf where that depends on an answer."""
        missing = 1 - self.left(now, in_flight, answered)
        if missing <= 0:
            return now
        first = bisect_right(answered, now - self.period)
        freed = [at + self.period for at in answered[first : first + missing]]
        if now < self.foreign_until:
            freed = sorted(freed + [self.foreign_until] * min(self._taken, missing))
        return freed[missing - 1] if missing <= len(freed) else math.inf

    def learn(self, unused: int, until: float, now: float, answered: list[float]) -> None:
        """Take the API's word for what is left, with our own that is under way: what we did not use, others did."""
        # In a fixed window the API counts from its beginning only; it told the end, rounded up to a second.
        began = max(now - self.period, until - self.period - 1)
        ours = len(answered) - bisect_right(answered, began)
        self.foreign = max(0, self.quota - ours - unused)
        self.foreign_until = until


class _Waiter(NamedTuple):
    """A request that waits for its turn, and how long it would wait for a block to end."""

    turn: "asyncio.Future[int]"
    patience: float
    deadline: float

    def outlasts(self, block: float, now: float) -> bool:
        # Rounded first: (now + 330) - now may be a little more than 330.
        return round(block, 6) <= self.patience and now + block <= self.deadline


class BudgetStats(NamedTuple):
    """The state of a budget at one moment."""

    in_flight: int
    """Requests that were sent and not answered yet."""

    waiting: int
    """Requests that wait for their turn."""


class Budget:
    """The requests that may be sent, to the API and by one token.

    Never more than ``share * requests`` leave in any window of ``period``, and less where the answers' headers say that
    less is left. Several clients of one process and event loop can share one. Whoever waits longest goes first.
    """

    __module__ = "cfevents"

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
        requests = validate_int("requests", requests)
        self._quota = _Window(requests, self._allowed(requests), validate_seconds("period", period))
        self._policies: dict[str, _Window] = {}
        self._known: list[_Window] = []
        self._look_again_at = -math.inf
        self._in_flight: set[int] = set()
        self._numbers = count(1)
        self._learnt_from = 0
        self._answered: list[float] = []
        self._waiters: deque[_Waiter] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_until = -math.inf
        self._blocked = _Block()
        # Until the API's own count is known one request goes at a time: programs that start one after the other, each
        # with a budget of its own, would otherwise add up to a block.
        self._alone = True

    async def acquire(self, patience: float = math.inf, deadline: float = math.inf) -> int:
        """Wait for a request's turn, and count it from then on. Whoever had one calls `release` after it.

        Args:
            patience: The longest block to wait for, in seconds.
            deadline: When the wait has to be over at the latest, on the event loop's clock.

        Returns:
            The request's number, in the order of sending.

        Raises:
            BlockedError: The API refuses requests for longer than that.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._begin_on(loop)
        now = loop.time()
        if not self._waiters and self._free_at(now) <= now:
            return self._leave()
        waiter = _Waiter(loop.create_future(), patience, deadline)
        if now < self._blocked.until and not waiter.outlasts(self._blocked.until - now, now):
            raise BlockedError(self._blocked.until - now)
        self._waiters.append(waiter)
        self._serve(loop)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._in_flight.discard(waiter.turn.result())  # its turn had come, and nothing was sent
            self._serve(loop)
            raise

    def release(self, number: int) -> None:
        """Note that a request was answered, or that no answer will come."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._in_flight.discard(number)
        self._forget(now)
        self._answered.append(now)
        if self._waiters:
            self._serve(loop)

    def update_from_headers(self, limits: RateLimits, number: int, *, settled: bool = True) -> None:
        """Take what an answer tells of the limits.

        Args:
            limits: What its headers tell.
            number: The number of its request.
            settled: Whether it is an answer of the API itself, and not of something that failed in front of it.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        for name, policy in limits.policies.items():
            window = self._policies.get(name) or self._policies.setdefault(name, _Window(0, 0, 0))
            if (window.quota, window.period) != policy:
                window.quota, window.allowed = policy.requests, self._allowed(policy.requests)
                window.period, self._look_again_at = policy.period, -math.inf
            window.named_until = now + policy.period
        # An answer to an earlier request tells of an earlier moment.
        if limits.remainders and number > self._learnt_from:
            self._learnt_from = number
            self._learn_remainders(limits, number, now)
        if now >= self._blocked.until and (settled or limits.remainders):
            self._alone = False
            self._blocked.passed()

    def _learn_remainders(self, limits: RateLimits, number: int, now: float) -> None:
        # This request and those sent before it are counted there, and not yet here.
        under_way = len([each for each in self._in_flight if each <= number])
        for name, remainder in limits.remainders.items():
            window = self._policies.get(name, self._quota)
            until = now + min(remainder.resets_in, window.period)
            window.learn(remainder.requests + under_way, until, now, self._answered)

    def block_for(self, seconds: float | None) -> None:
        """Send nothing for a while, since the API refuses everything.

        Args:
            seconds: How long; None or 0 where the API did not say: twice as long as the time before.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._blocked.met(seconds, now)
        self._alone = True
        for waiter in self._waiters:
            if not waiter.turn.done() and not waiter.outlasts(self._blocked.until - now, now):
                waiter.turn.set_exception(BlockedError(self._blocked.until - now))
        self._serve(loop)

    def stats(self) -> BudgetStats:
        """Return the number of requests in flight and waiting."""
        return BudgetStats(len(self._in_flight), len(self._waiters))

    @property
    def rate(self) -> float:
        """How many requests may leave in a second, in the long run."""
        windows = [self._quota, *self._policies.values()]
        return min(each.allowed / each.period for each in windows)

    @property
    def wait(self) -> float:
        """Seconds until one of those who wait may go; 0 where nobody waits, or where that depends on an answer."""
        if self._loop is None or not self._waiters:
            return 0.0
        now = self._loop.time()
        wait = self._free_at(now) - now
        return wait if 0 < wait < math.inf else 0.0

    @property
    def left(self) -> int:
        """How many requests may leave at this moment, by what is known."""
        if self._loop is None:
            return self._quota.allowed
        now = self._loop.time()
        if now < self._blocked.until:
            return 0
        return max(0, min(each.left(now, len(self._in_flight), self._answered) for each in self._windows(now)))

    def _allowed(self, requests: int) -> int:
        # Rounded first: 0.29 * 100 is 28.999999999999996.
        return max(1, math.floor(round(self._share * requests, 6)))

    def _windows(self, now: float) -> list[_Window]:
        """Give the quota and the policies that the headers named of late."""
        if now >= self._look_again_at:
            self._policies = {name: each for name, each in self._policies.items() if now < each.named_until}
            self._known = [self._quota, *self._policies.values()]
            self._look_again_at = min(each.named_until for each in self._known)
        return self._known

    def _begin_on(self, loop: asyncio.AbstractEventLoop) -> None:
        # Whoever waited or was under way on an earlier loop went with it.
        self._loop, self._timer = loop, None
        self._waiters.clear()
        self._in_flight.clear()

    def _leave(self) -> int:
        self._in_flight.add(number := next(self._numbers))
        return number

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go whoever may, first come first served, and set the timer for the next."""
        now = loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            if self._waiters[0].turn.done():
                self._waiters.popleft()
            elif (at := self._free_at(now)) <= now:
                self._waiters.popleft().turn.set_result(self._leave())
            else:
                if at < math.inf:
                    self._timer = loop.call_at(at, self._serve, loop)
                    self._tell_of(at, now)
                return

    def _tell_of(self, at: float, now: float) -> None:
        if at > self._told_until + LOG_WAIT_S and at - now > LOG_WAIT_S:
            self._told_until = at
            why = "the API refuses requests" if at == self._blocked.until else "the request quota is used up"
            _log.warning("%s: waiting %.0f s", why, at - now)

    def _free_at(self, now: float) -> float:
        if self._alone and self._in_flight:
            return math.inf
        return max(
            self._blocked.until,
            *(each.free_at(now, len(self._in_flight), self._answered) for each in self._windows(now)),
        )

    def _forget(self, now: float) -> None:
        longest = max(each.period for each in self._windows(now))
        del self._answered[: bisect_right(self._answered, now - longest)]

"""The request budget: sliding windows of the known quotas, and blocks. No I/O.

A sliding-window log for each known quota: the documented one, and those that ``Ratelimit-Policy`` names. The API counts
requests as they arrive, over everything that uses a token, in windows that may be fixed or may slide. A request counts
here from its sending until a period after its response, so it is inside every window in which the API may count it.
Invariant: requests in flight, those answered within the last period and those that others used are together at most the
allowed part of each quota, so what keeps to the budget keeps to the quota, however the API counts. Waiting requests
leave first come, first served, by one timer for the first of them.

Bound: one float in memory for each request of the longest known period (1,080 by default). Cost: a bisection of that
log for each quota, when a slot is acquired and when it is released.
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
from cfevents._public import set_module
from cfevents._validation import validate_int, validate_seconds

# A block whose duration the API does not say: the first, doubled with each further one, and the longest.
_FIRST_BLOCK_S = 1.0
_LONGEST_BLOCK_S = 300.0
# What is waited beyond the duration of a block.
_MARGIN_FRACTION = 0.1
_LONGEST_MARGIN_S = 1800.0

LOG_WAIT_S = 5.0
"""Waits that are longer, in seconds, are logged once each."""

_log = logging.getLogger("cfevents")


class _Block:
    """When requests may be sent again, in seconds on the event loop's clock.

    A request during a block seems to restart it, so clients that were blocked at different times can keep each other
    blocked. We therefore wait ``Retry-After`` plus a margin of 10 %, and double the margin each time we are still
    blocked afterwards, until it exceeds what lies between the first client that was blocked and the last.
    """

    def __init__(self, min_margin: float = 0.0) -> None:
        self.min_margin = min_margin  # in seconds
        self._margin = 0.0
        self._default_duration = 0.0
        self.until = -math.inf

    def extend(self, seconds: float | None, now: float) -> None:
        """Record a refusal at a time, for the duration that the API named; without one, twice the previous one."""
        if now >= self.until:
            self._margin *= 2
        if not seconds:
            seconds = min(max(_FIRST_BLOCK_S, 2 * self._default_duration), _LONGEST_BLOCK_S)
            self._default_duration = seconds
        self._margin = max(self.min_margin, min(max(self._margin, _MARGIN_FRACTION * seconds), _LONGEST_MARGIN_S))
        self.until = max(self.until, now + seconds + self._margin)

    def clear(self) -> None:
        """Forget margin and duration, once the API answers again."""
        self._default_duration = self._margin = 0.0


class BlockedError(Exception):
    """The API refuses requests for longer than the caller is ready to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:g} s")
        self.seconds = seconds


@define(eq=False, repr=False)
class _Window:
    """A quota of requests per period, and how many of them other programs used.

    The period is in seconds. Moments are seconds on the event loop's clock.
    """

    quota: int
    allowed: int  # our part of the quota
    period: float
    expires_at: float = math.inf  # when it is forgotten, unless the headers name it again
    others_used: int = 0
    others_expire_at: float = 0.0

    def left(self, now: float, in_flight: int, answered: list[float]) -> int:
        """Return how many requests may leave now. ``answered`` are the times of our own responses, ascending."""
        used = len(answered) - bisect_right(answered, now - self.period)
        others = self._others_share if now < self.others_expire_at else 0
        return self.allowed - others - in_flight - used

    @property
    def _others_share(self) -> int:
        """The part of our share that other programs have used.

        Their usage is charged first to the part of the quota that is not ours, minus a headroom of one tenth. Requests
        of theirs that are in flight are in nobody's headers yet: programs that all went to the last request that the
        headers show would exceed the quota together.
        """
        if not self.others_used:
            return 0
        not_ours = self.quota - self.allowed
        headroom = min(not_ours, max(1, self.quota // 10))
        return max(0, self.others_used - not_ours + headroom)

    def free_at(self, now: float, in_flight: int, answered: list[float]) -> float:
        """Return when one more request may leave; inf where that depends on a response."""
        missing = 1 - self.left(now, in_flight, answered)
        if missing <= 0:
            return now
        first = bisect_right(answered, now - self.period)
        freed = [time + self.period for time in answered[first : first + missing]]
        if now < self.others_expire_at:
            freed = sorted(freed + [self.others_expire_at] * min(self._others_share, missing))
        return freed[missing - 1] if missing <= len(freed) else math.inf

    def update(self, unused: int, until: float, now: float, answered: list[float]) -> None:
        """Compute what others used: what the API counts as used, less our own requests that it counts."""
        # A fixed window began a period before its end, which the API names rounded up to a second.
        began = max(now - self.period, until - self.period - 1)
        ours = len(answered) - bisect_right(answered, began)
        self.others_used = max(0, self.quota - ours - unused)
        self.others_expire_at = until


class _Waiter(NamedTuple):
    """A request that waits for its slot, and the longest block that it waits for."""

    slot: "asyncio.Future[int]"
    max_block: float
    deadline: float

    def can_wait(self, block: float, now: float) -> bool:
        # Rounded first: (now + 330) - now may be a little more than 330.
        return round(block, 6) <= self.max_block and now + block <= self.deadline


@set_module("cfevents")
class Budget:
    """The requests that may be sent to the API with one token.

    Never more than ``share * requests`` leave in any window of ``period``, and fewer where the headers of responses say
    that fewer are left. The clients of one process and event loop can share a budget. First come, first served.
    """

    def __init__(self, requests: int = 1200, period: float = 300.0, share: float = 0.9) -> None:
        """Set the quota.

        Args:
            requests: How many requests the API allows in a period (the API's documentation: 1,200).
            period: Its length in seconds (the API's documentation: five minutes).
            share: The part of it to use, above 0 and at most 1; the rest is for the dashboard and other programs.

        Raises:
            TypeError: An argument is not a number.
            ValueError: An argument is invalid.
        """
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise TypeError(f"share={share!r} is not a number")
        if not 0 < share <= 1:
            raise ValueError(f"share={share!r} must be above 0 and at most 1")
        self._share = share
        requests = validate_int("requests", requests)
        self._quota = _Window(requests, self._allowed(requests), validate_seconds("period", period))
        self._policies: dict[str, _Window] = {}
        self._windows: list[_Window] = [self._quota]
        self._windows_expire_at = math.inf
        self._in_flight: set[int] = set()
        self._numbers = count(1)
        self._newest_update = 0
        self._answered: list[float] = []
        self._waiters: deque[_Waiter] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._logged_until = -math.inf
        self._block = _Block()
        # One request at a time until the API's own count is known: programs that start one after the other, each with
        # a budget of its own, would otherwise add up to a block.
        self._single_flight = True

    async def acquire(self, max_block: float = math.inf, deadline: float = math.inf) -> int:
        """Wait for a slot, which the caller must `release`, and return the request's number in the order of sending.

        Raise a BlockedError where the API refuses requests for more than ``max_block`` seconds, or beyond the deadline
        on the event loop's clock.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Requests that waited or were in flight on an earlier loop went with it.
            self._loop, self._timer = loop, None
            self._waiters.clear()
            self._in_flight.clear()
        now = loop.time()
        if not self._waiters and self._free_at(now) <= now:
            return self._take_slot()
        waiter = _Waiter(loop.create_future(), max_block, deadline)
        if now < self._block.until and not waiter.can_wait(self._block.until - now, now):
            raise BlockedError(self._block.until - now)
        self._waiters.append(waiter)
        self._serve_waiters(loop)
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            if waiter.slot.done() and not waiter.slot.cancelled() and waiter.slot.exception() is None:
                self._in_flight.discard(waiter.slot.result())  # it had a slot, and nothing was sent
            self._serve_waiters(loop)
            raise

    def release(self, number: int) -> None:
        """Record that a request was answered, or that no response will come."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._in_flight.discard(number)
        longest = max(window.period for window in self._known_windows(now))
        del self._answered[: bisect_right(self._answered, now - longest)]
        self._answered.append(now)
        if self._waiters:
            self._serve_waiters(loop)

    def update_from_headers(self, limits: RateLimits, number: int, *, settled: bool = True) -> None:
        """Update the quotas from the headers of a response to the request of a number.

        A response that is not ``settled`` came from a server in front of the API that failed.
        """
        now = asyncio.get_running_loop().time()
        for name, policy in limits.policies.items():
            window = self._policies.get(name) or self._policies.setdefault(name, _Window(0, 0, 0))
            if (window.quota, window.period) != policy:
                window.quota, window.allowed = policy.requests, self._allowed(policy.requests)
                window.period, self._windows_expire_at = policy.period, -math.inf
            window.expires_at = now + policy.period
        # The response to an earlier request is about an earlier moment.
        if limits.remainders and number > self._newest_update:
            self._newest_update = number
            # This request and those sent before it are counted there, and not yet here.
            in_flight = len([sent for sent in self._in_flight if sent <= number])
            for name, remainder in limits.remainders.items():
                window = self._policies.get(name, self._quota)
                until = now + min(remainder.resets_in, window.period)
                window.update(remainder.requests + in_flight, until, now, self._answered)
        if now >= self._block.until and (settled or limits.remainders):
            self._single_flight = False
            self._block.clear()

    def block_for(self, seconds: float | None) -> None:
        """Send nothing for a while, since the API refuses everything: twice the previous time without seconds."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._block.extend(seconds, now)
        self._single_flight = True
        for waiter in self._waiters:
            if not waiter.slot.done() and not waiter.can_wait(self._block.until - now, now):
                waiter.slot.set_exception(BlockedError(self._block.until - now))
        self._serve_waiters(loop)

    def stats(self) -> tuple[int, int]:
        """Return the number of requests in flight, and of those that wait for their turn."""
        return len(self._in_flight), len(self._waiters)

    @property
    def rate(self) -> float:
        """Requests per second that may leave in the long run."""
        return min(window.allowed / window.period for window in (self._quota, *self._policies.values()))

    @property
    def wait(self) -> float:
        """Seconds until the next waiting request may leave; 0 where none waits, or where it waits for a response."""
        if self._loop is None or not self._waiters:
            return 0.0
        now = self._loop.time()
        wait = self._free_at(now) - now
        return wait if 0 < wait < math.inf else 0.0

    @property
    def left(self) -> int:
        """Requests that may leave at this moment, by what is known."""
        if self._loop is None:
            return self._quota.allowed
        now = self._loop.time()
        if now < self._block.until:
            return 0
        windows = self._known_windows(now)
        return max(0, min(window.left(now, len(self._in_flight), self._answered) for window in windows))

    def _allowed(self, requests: int) -> int:
        # Rounded first: 0.29 * 100 is 28.999999999999996.
        return max(1, math.floor(round(self._share * requests, 6)))

    def _known_windows(self, now: float) -> list[_Window]:
        """Return the quota and the policies that the headers named lately."""
        if now >= self._windows_expire_at:
            self._policies = {name: window for name, window in self._policies.items() if now < window.expires_at}
            self._windows = [self._quota, *self._policies.values()]
            self._windows_expire_at = min(window.expires_at for window in self._windows)
        return self._windows

    def _take_slot(self) -> int:
        self._in_flight.add(number := next(self._numbers))
        return number

    def _serve_waiters(self, loop: asyncio.AbstractEventLoop) -> None:
        """Assign slots to the waiting requests that may leave, in order, and set the timer for the next one."""
        now = loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            if self._waiters[0].slot.done():
                self._waiters.popleft()
            elif (free_at := self._free_at(now)) <= now:
                self._waiters.popleft().slot.set_result(self._take_slot())
            else:
                if free_at < math.inf:
                    self._timer = loop.call_at(free_at, self._serve_waiters, loop)
                if self._logged_until + LOG_WAIT_S < free_at < math.inf and free_at - now > LOG_WAIT_S:
                    self._logged_until = free_at
                    why = "the API refuses requests" if free_at == self._block.until else "the request quota is used up"
                    _log.warning("%s: waiting %.0f s", why, free_at - now)
                return

    def _free_at(self, now: float) -> float:
        if self._single_flight and self._in_flight:
            return math.inf
        in_flight, answered = len(self._in_flight), self._answered
        windows = self._known_windows(now)
        return max(self._block.until, *(window.free_at(now, in_flight, answered) for window in windows))

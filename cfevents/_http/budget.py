"""The request budget: sliding windows of the known quotas, and blocks. No I/O.

Each known quota, the documented one and those that ``Ratelimit-Policy`` names, has two accounts. A request leaves where
both of every quota have room. Waiting requests leave first come, first served, by one timer for the first of them.

*Our own log.* A request counts from its sending until a period after its response, so it is inside every window, fixed
or sliding, in which the API may count it. Invariant: requests in flight, and those answered within the last period, are
at most the allowed part of the quota.

*The API's count.* A response says how many requests are left to everything that uses the token. As many may leave after
it, less a tenth of the quota, and less those in flight, which it may not have counted. Only a response to a request
that was sent after the last such response came may raise that number, because requests overtake each other. Once it is
used up, one request probes: when the window resets by the header, or when a request of our own leaves the window, since
then something is free, whatever the API's ``t`` means. A probe that shows nothing free doubles the wait for the next.

Bound: in memory one float for each request of the longest known period (1,080 by default), 10,000 beyond our own quota.
Cost: two bisections of that log for each quota, of which there are at most 17, when a slot is acquired or released.
"""

import asyncio
import logging
import math
import os
import threading
from bisect import bisect_right
from collections import deque
from typing import NamedTuple

from attrs import define

from cfevents._protocol.rate_limits import RateLimits, Remainder
from cfevents._public import set_module
from cfevents._time import format_duration, to_timedelta
from cfevents._validation import require_process, validate_int, validate_seconds
from cfevents.errors import ConfigurationError

# A block whose duration the API does not say: the first, doubled with each further one, and the longest.
_FIRST_BLOCK_S = 1.0
_LONGEST_BLOCK_S = 300.0
# What is waited beyond the duration of a block.
_MARGIN_FRACTION = 0.1
_LONGEST_MARGIN_S = 1800.0
# Without a response for so long, one request asks whether what the headers said still holds.
_LONGEST_SILENCE_S = 3600.0
# After so long without its answer, a request that is alone in flight has another beside it.
_SINGLE_FLIGHT_S = 1.5
_FIRST_PROBE_WAIT_S = 1.0  # doubled with each probe that finds nothing free
_MAX_POLICIES = 16
_MAX_LOG_REQUESTS = 10_000

LOG_WAIT_S = 5.0
"""Waits that are longer, in seconds, are logged once each."""

_log = logging.getLogger("cfevents")


class _Block:
    """When requests may be sent again, in seconds on the event loop's clock.

    A request during a block seems to restart it, so clients that were blocked at different times can keep each other
    blocked. We therefore wait ``Retry-After`` plus a margin of 10 %, and double the margin each time we are still
    blocked afterwards, until it exceeds what lies between the first client that was blocked and the last.
    """

    until = -math.inf
    _margin = _default_duration = 0.0

    def __init__(self, min_margin: float = 0.0) -> None:
        self.min_margin = min_margin  # in seconds

    def extend(self, seconds: float | None, now: float) -> None:
        """Record a refusal at a time, for the duration that the API named; without one, twice the previous one."""
        if now >= self.until:
            self._margin *= 2
        if not seconds:
            seconds = min(max(_FIRST_BLOCK_S, 2 * self._default_duration), _LONGEST_BLOCK_S)
            self._default_duration = seconds
        self._margin = max(self.min_margin, min(max(self._margin, _MARGIN_FRACTION * seconds), _LONGEST_MARGIN_S))
        self.until = max(self.until, now + seconds + self._margin)


class BlockedError(Exception):
    """No request may leave for longer than the caller is ready to wait. The message says why."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


@define(eq=False, repr=False)
class _Window:
    """A quota of requests per period in seconds, and the API's count of it.

    Moments are seconds on the event loop's clock. ``sent`` is the number of the newest request, and ``answered`` are
    the times of our own responses, ascending. The *headroom* is what we leave of the API's count, as far as the quota
    is not ours: requests of other programs that are in flight are in nobody's headers yet, and programs that all went
    to the last request that the headers show would exceed the quota together.
    """

    quota: int
    allowed: int  # our part of the quota
    period: float
    largest_remainder: int = 0
    named_at: float = -math.inf  # when the headers named the policy last
    remainder: int = 0  # what the API said is left
    ceiling: float = math.inf  # number of the last request that may leave by that count
    counted: int = 0  # number of the newest request when it came
    outdated_at: float = -math.inf  # when that count is a period old
    probe_at: float = -math.inf  # when one request may leave although the API's count is used up
    probe_wait: float = 0.0

    def left(self, now: float, sent: int, in_flight: int, answered: list[float]) -> float:
        """Return how many requests may leave now."""
        ours = self.allowed - in_flight - len(answered) + bisect_right(answered, now - self.period)
        return ours if now >= self.outdated_at else min(ours, self.credit(now, sent) or int(now >= self.probe_at))

    def free_at(self, now: float, sent: int, in_flight: int, answered: list[float]) -> float:
        """Return when one more request may leave; inf where that depends on a response."""
        first = bisect_right(answered, now - self.period)
        missing = 1 - self.allowed + in_flight + len(answered) - first
        if missing > len(answered) - first:
            return math.inf
        free_at = answered[first + missing - 1] + self.period if missing > 0 else now
        return free_at if self.credit(now, sent) else max(free_at, self.probe_at)

    def on_probe(self, now: float) -> None:
        """Note that a request leaves although the API's count is used up."""
        self.probe_wait = min(max(_FIRST_PROBE_WAIT_S, 2 * self.probe_wait), self.period)
        self.probe_at = now + self.probe_wait

    def on_count(self, left: Remainder, response: "_CountedResponse", answered: list[float]) -> None:
        """Note what the API says is left."""
        now, sent = response.now, response.sent
        self.largest_remainder = max(self.largest_remainder, left.requests)
        if response.number <= self.counted and left.requests >= self.remainder:
            self.ceiling += 1  # that count has this request too, or something is free since
            return
        # A remainder without a policy may be of a much smaller quota than ours.
        quota = self.quota if 2 * self.largest_remainder >= self.quota else self.largest_remainder
        headroom = min(self.quota - self.allowed, max(1, quota // 10))
        ceiling = sent - response.in_flight + left.requests - headroom
        if ceiling > self.ceiling:
            self.probe_wait = 0.0
        self.remainder, self.ceiling, self.counted, self.outdated_at = left.requests, ceiling, sent, now + self.period
        resets_in = self.period if left.resets_in is None else min(max(1, left.resets_in), self.period)
        # Since when the API counts: `t` is rounded up to a second, and says nothing where it is as long as the period.
        began = response.sent_at - self.period + (resets_in - 1 if resets_in <= self.period - 1 else 0)
        oldest = bisect_right(answered, began)
        freed_at = answered[oldest] + self.period if oldest < len(answered) else math.inf
        if left.requests > headroom:  # what is in flight may have used it up, and its responses will show that
            freed_at = max(freed_at, now + _FIRST_PROBE_WAIT_S)
        elif headroom and not left.requests:  # others used even the headroom: only the reset is sure
            freed_at = math.inf
        self.probe_at = max(min(now + resets_in, freed_at), now + self.probe_wait)

    def credit(self, now: float, sent: int) -> float:
        """Return how many requests may leave by the API's count; none where that is outdated."""
        if self.ceiling == math.inf:
            return math.inf
        return 0 if now >= self.outdated_at else max(0, self.ceiling - sent)


class _CountedResponse(NamedTuple):
    """A response in which the API's count came."""

    now: float
    number: int  # of its request
    sent_at: float  # when that left
    sent: int  # number of the newest request
    in_flight: int  # requests without a response, besides this one


class _Waiter(NamedTuple):
    """A request that waits for its slot, and the longest time without any request leaving that it waits for."""

    slot: "asyncio.Future[int]"
    max_block: float
    deadline: float

    def can_wait(self, seconds: float, now: float) -> bool:
        # Rounded first: (now + 330) - now may be a little more than 330.
        return seconds <= 0 or (round(seconds, 6) <= self.max_block and now + seconds <= self.deadline)


@set_module("cfevents")
class Budget:
    """The requests that may be sent to the API with one token.

    Never more than ``share * requests`` leave in any window of ``period``, and fewer where the headers of responses say
    that fewer are left. The clients of one event loop can share a budget. First come, first served.
    """

    _loop: asyncio.AbstractEventLoop | None = None
    _pid = 0  # of the process that uses it
    _timer: asyncio.TimerHandle | None = None

    blocks = 0
    """How often the API has refused all requests for a while."""

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
        requests, period = validate_int("requests", requests), validate_seconds("period", period)
        self.allowance = self._allowed(requests), period
        """The requests that leave in a period at most, whatever the headers say, and its length in seconds."""
        self._quota = _Window(requests, *self.allowance)
        self._policies: dict[str, _Window] = {}  # by name, the one that was named last at the end
        self._windows = [self._quota]  # and those of the policies
        self._in_flight: dict[int, float] = {}  # when each left, by its number
        self._sent = 0  # number of the newest request
        self._answered: list[float] = []
        self._waiters: deque[_Waiter] = deque()
        self._least_patience = self._first_deadline = math.inf  # of those that wait
        self._loop_lock = threading.Lock()
        self._logged_until = -math.inf
        self._block = _Block()
        self._blocked_after = 0  # number of the newest request when the block was met
        self._silent_since = -math.inf  # when the last request left, or the last response came
        # One request at a time until the API's own count is known: programs that start one after the other, each with
        # a budget of its own, would otherwise add up to a block.
        self._single_flight = True

    async def acquire(self, max_block: float = math.inf, deadline: float = math.inf) -> int:
        """Wait for a slot, which the caller must `release`, and return the request's number in the order of sending.

        Raises:
            BlockedError: No request at all may leave for more than ``max_block`` seconds, or until the deadline on the
                event loop's clock.
            ConfigurationError: The budget is in use on another event loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        now = loop.time()
        if not self._waiters and self._free_at(now) <= now:
            return self._take_slot(now)
        waiter = _Waiter(loop.create_future(), max_block, deadline)
        if not waiter.can_wait(wait := self._least_wait(now), now):
            raise BlockedError(self._why(now), wait)
        self._waiters.append(waiter)
        self._least_patience = min(self._least_patience, max_block)
        self._first_deadline = min(self._first_deadline, deadline)
        self._serve_waiters(loop)
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            if waiter.slot.done() and not waiter.slot.cancelled() and waiter.slot.exception() is None:
                self._in_flight.pop(waiter.slot.result(), None)  # it had a slot, and nothing was sent
            self._serve_waiters(loop)
            raise

    def release(self, number: int) -> None:
        """Record that a request was answered, or that no response will come."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._in_flight.pop(number, None)
        longest = max([window.period for window in self._windows])
        excess = len(self._answered) - self._quota.allowed - _MAX_LOG_REQUESTS
        del self._answered[: max(bisect_right(self._answered, now - longest), excess)]
        self._answered.append(now)
        self._silent_since = now
        if self._waiters:
            self._serve_waiters(loop)

    def update_from_headers(self, limits: RateLimits, number: int, *, settled: bool = True) -> None:
        """Update the quotas from the headers of a response to the request of a number.

        A response that is not ``settled`` came from a server in front of the API that failed.
        """
        now = asyncio.get_running_loop().time()
        for name, policy in limits.policies.items():
            window = self._policies.pop(name) if name in self._policies else _Window(0, 0, 0)
            if window.quota != policy.requests:
                window.quota, window.allowed = policy.requests, self._allowed(policy.requests)
            window.largest_remainder, window.period, window.named_at = policy.requests, policy.period, now
            self._policies[name] = window
        while len(self._policies) > _MAX_POLICIES:
            del self._policies[next(iter(self._policies))]
        self._windows = [self._quota, *self._policies.values()]
        counts = [(self._policies.get(name, self._quota), left) for name, left in limits.remainders.items()]
        others = len(self._in_flight) - (number in self._in_flight)
        response = _CountedResponse(now, number, self._in_flight.get(number, now), self._sent, others)
        for window, left in counts:
            window.on_count(left, response, self._answered)
        if settled:
            self._drop_outdated(now, [window for window, _ in counts])
        if number > self._blocked_after and (settled or counts):
            self._single_flight = False
            if self._block.until > -math.inf:
                self._block = _Block(self._block.min_margin)

    def block_for(self, seconds: float | None) -> None:
        """Send nothing for a while, since the API refuses everything: twice the previous time without seconds."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.blocks += now >= self._block.until
        self._block.extend(seconds, now)
        self._blocked_after, self._silent_since = self._sent, now
        self._single_flight = True
        if (block := self._block.until - now) > _LONGEST_SILENCE_S:
            duration = format_duration(to_timedelta(block))
            _log.warning("the API refuses requests for %s, longer than it documents: asking again in an hour", duration)
        self._serve_waiters(loop)

    def stats(self) -> tuple[int, int]:
        """Return the number of requests in flight, and of those that wait for their turn."""
        return len(self._in_flight), len(self._waiters)

    def seconds_for(self, requests: float) -> float:
        """Return in how many seconds so many requests may leave in the long run; an hour at most by the headers."""
        ours, *theirs = (requests * window.period / window.allowed for window in self._windows)
        return max(ours, min(max(theirs, default=0.0), _LONGEST_SILENCE_S))

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
        if now < self._blocked_until():
            return 0
        in_flight, answered = len(self._in_flight), self._answered
        return max(0, int(min(window.left(now, self._sent, in_flight, answered) for window in self._windows)))

    def _allowed(self, requests: int) -> int:
        # Rounded first: 0.29 * 100 is 28.999999999999996.
        return max(1, math.floor(round(self._share * requests, 6)))

    def _drop_outdated(self, now: float, counted: list[_Window]) -> None:
        """Forget what the headers no longer say; only a response of the API can show that."""
        for window in self._windows:
            if window not in counted and now >= window.outdated_at:
                window.ceiling, window.probe_wait = math.inf, 0.0
        # Two periods: then no request that a policy concerned counts any more.
        for name, window in tuple(self._policies.items()):
            if now - window.named_at >= min(2 * window.period, _LONGEST_SILENCE_S):
                del self._policies[name]
                self._windows.remove(window)

    def _take_slot(self, now: float) -> int:
        for window in self._windows:
            if not window.credit(now, self._sent):
                window.on_probe(now)
        self._sent += 1
        self._in_flight[self._sent] = self._silent_since = now
        return self._sent

    def _serve_waiters(self, loop: asyncio.AbstractEventLoop) -> None:
        """Assign slots to the waiting requests that may leave, in order, and set the timer for the next one."""
        now = loop.time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._refuse_impatient(now)
        while self._waiters:
            if self._waiters[0].slot.done():
                self._waiters.popleft()
            elif (free_at := self._free_at(now)) <= now:
                self._waiters.popleft().slot.set_result(self._take_slot(now))
            else:
                if free_at < math.inf:
                    self._timer = loop.call_at(free_at, self._serve_waiters, loop)
                if self._logged_until + LOG_WAIT_S < free_at < math.inf and free_at - now > LOG_WAIT_S:
                    self._logged_until = free_at
                    _log.warning("%s: waiting %.0f s", self._why(now), free_at - now)
                return

    def _refuse_impatient(self, now: float) -> None:
        """Raise to those that wait less long than it takes until the next request leaves."""
        wait = self._least_wait(now)
        if not wait or (round(wait, 6) <= self._least_patience and now + wait <= self._first_deadline):
            return
        for waiter in self._waiters:
            if not waiter.slot.done() and not waiter.can_wait(wait, now):
                waiter.slot.set_exception(BlockedError(self._why(now), wait))
        self._waiters = deque(waiter for waiter in self._waiters if not waiter.slot.done())
        self._least_patience = min((waiter.max_block for waiter in self._waiters), default=math.inf)
        self._first_deadline = min((waiter.deadline for waiter in self._waiters), default=math.inf)

    def _why(self, now: float) -> str:
        return "the API refuses requests" if now < self._block.until else "the request quota is used up"

    def _least_wait(self, now: float) -> float:
        """Return for how many seconds no request can leave, whatever responses come."""
        free_at = self._free_at(now)
        return max(0.0, (free_at if free_at < math.inf else self._blocked_until()) - now)

    def _blocked_until(self) -> float:
        return min(self._block.until, self._silent_since + _LONGEST_SILENCE_S)

    def _free_at(self, now: float) -> float:
        """Return when the next request may leave; inf where that depends on a response."""
        earliest = now
        if self._single_flight and self._in_flight:
            # Before there was a block, one that gets no answer keeps no other waiting until it times out.
            patience = _SINGLE_FLIGHT_S if self._block.until == -math.inf else math.inf
            earliest = max(self._in_flight.values()) + patience
        in_flight, answered = len(self._in_flight), self._answered
        ours, *theirs = [window.free_at(now, self._sent, in_flight, answered) for window in self._windows]
        imposed = max([self._block.until, *theirs])
        imposed = imposed if imposed == math.inf else min(imposed, self._silent_since + _LONGEST_SILENCE_S)
        return max(earliest, ours, imposed)

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin on an event loop. Requests that waited or were in flight on an earlier one end there."""
        with self._loop_lock:
            earlier = self._loop
            if earlier is not None:
                require_process(self._pid, "the budget", ConfigurationError)
            if earlier is not None and earlier.is_running():
                raise ConfigurationError(
                    "the budget is in use on another event loop, and clients on two loops cannot share one: make a "
                    "Budget for each, with a part of the share"
                )
            self._loop, self._pid = loop, os.getpid()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._answered += [loop.time()] * len(self._in_flight)  # the API may count them
        self._in_flight.clear()
        for waiter in self._waiters:
            if earlier is not None and not earlier.is_closed() and not waiter.slot.done():
                waiter.slot.set_exception(ConfigurationError("the budget went on to another event loop"))
        self._waiters.clear()

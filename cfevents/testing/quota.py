"""The rate limit: sent in the headers, and enforced where the settings have a quota."""

import math
from collections import deque

from cfevents.testing.backend import Refusal
from cfevents.testing.settings import SimulatorSettings

# The documented limit: 1,200 requests in five minutes.
_DOCUMENTED_QUOTA_REQUESTS = 1200
_DOCUMENTED_PERIOD_S = 300.0


class Quota:
    """A count of the requests that arrived, against the settings' quota as it is at the time of each request.

    Times are seconds on any steady clock. `refused` is the number of requests that were refused.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        # Oldest first: with fixed windows all since the window began, else those of the last period.
        self._request_times: deque[float] = deque()
        self._blocked_until = -math.inf
        self.refused = 0

    def count_request(self, now: float) -> None:
        """Count a request. Raises `Refusal` if it is one too many, or comes during a block."""
        if not self.is_blocking(now):
            times, (quota, period) = self._request_times, self._policy()
            while times and now - times[0] >= period:
                if self._settings.counting == "fixed":
                    times.clear()
                else:
                    times.popleft()
            times.append(now)
            if self._settings.quota is not None and len(times) > quota:
                self._blocked_until = now + self._settings.block
                times.clear()  # after the block the count starts again
        if self.is_blocking(now):
            self.refused += 1
            raise Refusal(429, 10100, "Rate limit reached. Please wait and consider throttling your request speed")

    def is_blocking(self, now: float) -> bool:
        """Return whether every request is refused."""
        return now < self._blocked_until

    def headers(self, now: float) -> dict[str, str]:
        """Return the headers as the API's documentation spells them; seconds are whole, rounded up."""
        quota, period = self._policy()
        policy = {"Ratelimit-Policy": f'"default";q={quota};w={max(1, math.ceil(period))}'}
        if self.is_blocking(now):
            # Rounded first: (now + 300) - now may be a little more than 300.
            wait = max(1, math.ceil(round(self._blocked_until - now, 6)))
            return policy | {"Ratelimit": f'"default";r=0;t={wait}', "Retry-After": str(wait)}
        left = max(0, quota - len(self._request_times))
        elapsed = now - self._request_times[0] if self._request_times else 0.0
        return policy | {"Ratelimit": f'"default";r={left};t={max(0, math.ceil(period - elapsed))}'}

    def _policy(self) -> tuple[int, float]:
        if self._settings.quota is None:
            return _DOCUMENTED_QUOTA_REQUESTS, _DOCUMENTED_PERIOD_S
        return self._settings.quota, self._settings.period

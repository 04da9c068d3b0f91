"""The rate limit: told in the headers, and enforced where a quota is set."""

import math
from collections import deque

from cfevents.testing.envelope import Refusal
from cfevents.testing.settings import SimulatorSettings

__all__ = ["Quota"]

# What the API's documentation gives: 1,200 requests in five minutes.
_DOCUMENTED_QUOTA = 1200
_DOCUMENTED_PERIOD_S = 300.0


class Quota:
    """Every request that arrived, held against the settings' quota.

    Times are seconds on any steady clock.

    Attributes:
        refused: How many requests were refused.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        """Hold requests against the settings' quota, whatever it is at that time."""
        self._settings = settings
        # What counts at present, oldest first: with fixed windows, everything since the window began.
        self._request_times: deque[float] = deque()
        self._blocked_until: float | None = None
        self.refused = 0

    def count_request(self, now: float) -> None:
        """Count a request.

        Raises:
            Refusal: It is one too many, or comes while everything is blocked.
        """
        if not self.is_blocking(now):
            self._drop_expired(now)
            self._request_times.append(now)
            if self._settings.quota is not None and len(self._request_times) > self._settings.quota:
                self._blocked_until = now + self._settings.block
        if self.is_blocking(now):
            self.refused += 1
            raise Refusal(429, 10100, "Rate limit reached. Please wait and consider throttling your request speed")

    def is_blocking(self, now: float) -> bool:
        """Tell whether everything is refused."""
        return self._blocked_until is not None and now < self._blocked_until

    def headers(self, now: float) -> dict[str, str]:
        """Spell the headers as the API's documentation does; seconds are whole, rounded up."""
        quota, period = self._policy()
        headers_sent = {"Ratelimit-Policy": f'"default";q={quota};w={max(1, math.ceil(period))}'}
        if self._blocked_until is not None and self.is_blocking(now):
            # Rounded first: (now + 300) - now may be a little more than 300.
            wait = max(1, math.ceil(round(self._blocked_until - now, 6)))
            return headers_sent | {"Ratelimit": f'"default";r=0;t={wait}', "Retry-After": str(wait)}
        left = max(0, quota - len(self._request_times))
        elapsed = now - self._request_times[0] if self._request_times else 0.0
        return headers_sent | {"Ratelimit": f'"default";r={left};t={max(0, math.ceil(period - elapsed))}'}

    def _policy(self) -> tuple[int, float]:
        if self._settings.quota is None:
            return _DOCUMENTED_QUOTA, _DOCUMENTED_PERIOD_S
        return self._settings.quota, self._settings.period

    def _drop_expired(self, now: float) -> None:
        """Drop what counts no longer; after a block the count begins anew."""
        if self._blocked_until is not None:
            self._blocked_until = None
            self._request_times.clear()
        _, period = self._policy()
        if self._settings.counting == "fixed":
            if self._request_times and now - self._request_times[0] >= period:
                self._request_times.clear()
        else:
            while self._request_times and now - self._request_times[0] >= period:
                self._request_times.popleft()

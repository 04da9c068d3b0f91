"""The rate limit: told in the headers, and enforced where a quota is set."""

import math
from collections import deque

from cfevents.testing.envelope import Refusal
from cfevents.testing.settings import Settings

__all__ = ["Quota"]

# What the API's documentation gives: 1,200 requests in five minutes.
_DOCUMENTED = 1200
_DOCUMENTED_PERIOD = 300.0


class Quota:
    """Every request that arrived, held against the settings' quota.

    Times are seconds on any steady clock.

    Attributes:
        refused: How many requests were refused.
    """

    def __init__(self, settings: Settings) -> None:
        """Hold requests against the settings' quota, whatever it is at that time."""
        self._settings = settings
        # What counts at present, oldest first: with fixed windows, everything since the window began.
        self._counted: deque[float] = deque()
        self._blocked_until: float | None = None
        self.refused = 0

    def take(self, now: float) -> None:
        """Count a request.

        Raises:
            Refusal: It is one too many, or comes while everything is blocked.
        """
        if not self.blocks(now):
            self._forget(now)
            self._counted.append(now)
            if self._settings.quota is not None and len(self._counted) > self._settings.quota:
                self._blocked_until = now + self._settings.block
        if self.blocks(now):
            self.refused += 1
            raise Refusal(429, 10100, "Rate limit reached. Please wait and consider throttling your request speed")

    def blocks(self, now: float) -> bool:
        """Tell whether everything is refused."""
        return self._blocked_until is not None and now < self._blocked_until

    def headers(self, now: float) -> dict[str, str]:
        """Spell the headers as the API's documentation does; seconds are whole, rounded up."""
        quota, period = self._limit()
        told = {"Ratelimit-Policy": f'"default";q={quota};w={max(1, math.ceil(period))}'}
        if self._blocked_until is not None and self.blocks(now):
            # Rounded first: (now + 300) - now may be a little more than 300.
            wait = max(1, math.ceil(round(self._blocked_until - now, 6)))
            return told | {"Ratelimit": f'"default";r=0;t={wait}', "Retry-After": str(wait)}
        left = max(0, quota - len(self._counted))
        elapsed = now - self._counted[0] if self._counted else 0.0
        return told | {"Ratelimit": f'"default";r={left};t={max(0, math.ceil(period - elapsed))}'}

    def _limit(self) -> tuple[int, float]:
        if self._settings.quota is None:
            return _DOCUMENTED, _DOCUMENTED_PERIOD
        return self._settings.quota, self._settings.period

    def _forget(self, now: float) -> None:
        """Drop what counts no longer; after a block the count begins anew."""
        if self._blocked_until is not None:
            self._blocked_until = None
            self._counted.clear()
        _, period = self._limit()
        if self._settings.counting == "fixed":
            if self._counted and now - self._counted[0] >= period:
                self._counted.clear()
        else:
            while self._counted and now - self._counted[0] >= period:
                self._counted.popleft()

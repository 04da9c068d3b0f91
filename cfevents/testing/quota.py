"""The rate limit that is told in the headers."""

import math

__all__ = ["Quota"]


class Quota:
    """A count of requests in windows of fixed length.

    The API's documentation gives 1,200 requests in five minutes. Nothing is refused here; the count is told.
    """

    def __init__(self, requests: int = 1200, window: float = 300.0) -> None:
        """Allow so many requests in each window, which has a length in seconds."""
        self._requests = requests
        self._window = window
        self._current = -1
        self._used = 0

    def count(self, now: float) -> None:
        """Count one request at a time, in seconds on any steady clock."""
        current = int(now // self._window)
        if current != self._current:
            self._current, self._used = current, 0
        self._used += 1

    def headers(self, now: float) -> dict[str, str]:
        """Spell the two headers as the API's documentation does."""
        left = max(0, self._requests - self._used)
        resets_in = math.ceil(self._window - now % self._window)
        return {
            "Ratelimit": f'"default";r={left};t={resets_in}',
            "Ratelimit-Policy": f'"default";q={self._requests};w={self._window:g}',
        }

"""A block: the API refuses everything that uses a token, for a while. No I/O."""

import math

# Blocks of which the API does not say how long they last: the first, doubled with each, and the longest.
_FIRST = 1.0
_LONGEST = 300.0
# How much longer than it was told a block is waited out, as a part of it, and at most in seconds.
_LONGER = 0.1
_MOST = 1800.0


class Blocked:
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

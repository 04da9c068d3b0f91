"""A block: the API refuses everything that uses a token, for a while. No I/O."""

import math

# Blocks of which the API does not say how long they last: the first, doubled with each, and the longest.
_FIRST = 1.0
_LONGEST = 300.0
# How much longer than it was told a block is waited out, as a part of it, and how often that is doubled at most.
_LONGER = 0.1
_DOUBLED = 4


class Blocked:
    """How long a block lasts by the API's word, and how long it is waited out, on the event loop's clock.

    Requests sent into a block seem to make it anew. So others who met it a little later made it longer than we were told,
    and who asks then does the same to them. Where a wait was too short for that, the next is longer.
    """

    def __init__(self, least: float = 0.0) -> None:
        """Begin without a block.

        Args:
            least: How much longer than it was told a block is waited out at least, in seconds.
        """
        self._least = least
        self._in_a_row = 0
        self._unnamed = 0.0
        self.until = -math.inf
        self.over_at = -math.inf
        """When it was waited out."""

    def met(self, seconds: float | None, now: float) -> None:
        """Note that the API refused a request.

        Args:
            seconds: For how long; None or 0 where it did not say: twice as long as the time before.
            now: The time.
        """
        if now >= self.over_at:
            self._in_a_row += 1
        if seconds:
            longer = max(self._least, _LONGER * seconds * 2.0 ** min(self._in_a_row - 1, _DOUBLED))
        else:
            seconds, longer = min(max(_FIRST, 2 * self._unnamed), _LONGEST), 0.0
            self._unnamed = seconds
        self.until = max(self.until, now + seconds)
        self.over_at = max(self.over_at, now + seconds + longer)

    def passed(self) -> None:
        """Note that the API answers again."""
        self._unnamed, self._in_a_row = 0.0, 0

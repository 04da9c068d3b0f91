"""The API's clock, by the `Date` of its responses."""

import asyncio
import logging
from datetime import timedelta

from cfevents._time import format_duration, now, parse_http_date

WARN_CLOCK_S = 60.0
"""The difference of two clocks, in seconds, from which one of them is wrong."""

_log = logging.getLogger("cfevents")


class APIClock:
    """The API's time, by the `Date` of its last response; from then on it goes with the event loop's clock.

    So it does not depend on this machine's clock, which it is compared with: a difference is logged once.
    """

    def __init__(self) -> None:
        self.ahead = 0.0  # seconds that this machine's clock is ahead of the API's; 0 for less than a minute
        self._offset: float | None = None  # from the event loop's clock, in seconds

    def update(self, date: str | None, sent_at: float) -> None:
        """Read the time from a response to a request that was sent at a time of this machine's clock.

        That clock goes on while the machine sleeps, which that of the event loop does not.
        """
        if (seconds := parse_http_date(date)) is None:
            return
        before, self._offset = self.ahead, seconds - asyncio.get_running_loop().time()
        # A Date is in whole seconds, and was written between sending and receiving.
        lowest, highest = sent_at - seconds - 1, now() - seconds
        ahead = max(lowest, min(0.0, highest))
        self.ahead = ahead if abs(ahead) >= WARN_CLOCK_S else 0.0
        if self.ahead and not before:
            difference = format_duration(timedelta(seconds=abs(self.ahead)))
            _log.warning(
                "this machine's clock is %s %s the API's: set it, by NTP; 'now' and '24h' ago are read from it",
                difference,
                "ahead of" if self.ahead > 0 else "behind",
            )

    def at(self, moment: float) -> float | None:
        """Return the API's time at a moment of the event loop's clock; None before the first response."""
        return None if self._offset is None else moment + self._offset

"""The part of the request budget that following uses, so that others keep theirs."""

import asyncio
import math
from collections import deque

from cfevents._http.connection import GetConnection

_SHARE = 0.8
_LOOK_AGAIN_S = 1.0  # until a request that waits for the budget itself is looked at again


class Pace:
    """A gate for requests: at most four fifths of the budget pass it in any of its periods, first come, first served.

    Algorithm: a log of the requests of the last period, as the budget itself has one. A request passes the gate, and
    then waits for the budget. Bound: one float for each request of a period.
    """

    def __init__(self, get_connection: GetConnection) -> None:
        """Set what returns the connection, whose budget it is."""
        self._get_connection = get_connection
        self._sent = deque[float]()
        self._waiting_for_budget = 0
        self._turn = asyncio.Lock()

    def seconds_for(self, requests: int) -> float:
        """Return how long so many requests take in the long run."""
        return self._get_connection().seconds_for(requests / _SHARE)

    async def __aenter__(self) -> None:
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110 - time alone ends it
                await asyncio.sleep(wait)
            self._waiting_for_budget += 1

    async def __aexit__(self, *_: object) -> None:
        self._waiting_for_budget -= 1
        self._sent.append(asyncio.get_running_loop().time())

    def _wait(self) -> float:
        (allowed, period), now = self._get_connection().allowance, asyncio.get_running_loop().time()
        while self._sent and self._sent[0] <= now - period:
            self._sent.popleft()
        if len(self._sent) + self._waiting_for_budget < max(1, int(_SHARE * allowed)):
            return 0.0
        return self._sent[0] + period - now if self._sent else _LOOK_AGAIN_S


class PollRequests:
    """The same gate for one poll: how many requests it sent, how many wait, and when the last one left."""

    def __init__(self, pace: Pace) -> None:
        self.count, self.waiting, self.sent_at = 0, 0, -math.inf
        self._pace = pace

    async def __aenter__(self) -> None:
        self.count += 1
        self.waiting += 1
        try:
            await self._pace.__aenter__()
        except BaseException:
            self.waiting -= 1
            raise

    async def __aexit__(self, *error: object) -> None:
        self.waiting -= 1
        await self._pace.__aexit__(*error)
        self.sent_at = asyncio.get_running_loop().time()

"""When each of the connectors that are followed is asked again. No I/O."""

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from typing import NamedTuple

# Seconds until a connector is asked again that gave no answer; while the API is down one of all is asked as often, and
# only once, so at most one request a minute is sent.
_PATIENCE = 60.0
# Connectors that give no answer one after the other, until it is taken to be the API that gives none.
_OUTAGE = 3
# The part of an interval by which it is longer or shorter, so that many who follow do not ask in the same moment.
_JITTER = 0.1


class Intervals(NamedTuple):
    """How often connectors are asked, in seconds."""

    interval: float
    deep_interval: float
    """How often events are looked for that come late."""

    rare: float = 900.0
    """How often a connector is asked that the API refuses."""


class DueConnector(NamedTuple):
    """A connector that is to be asked now."""

    connector_id: str
    deep: bool
    """Whether events are looked for that come late."""

    probe: bool
    """Whether it is asked to see whether an API that was down is back."""

    doubted: bool
    """Whether it, or the API, gave no answer before: it is not to be asked repeatedly."""


class Schedule:
    """The connectors in the order in which they are due. Times are those of the event loop's clock."""

    def __init__(self, pace: Intervals, random: Callable[[], float]) -> None:
        """Begin without a connector.

        Args:
            pace: How often they are asked.
            random: Gives a number from 0 to 1.
        """
        self._pace, self._random = pace, random
        self._due: list[tuple[float, int, str]] = []
        self._numbers = count()
        self._number_of: dict[str, int] = {}
        self._deep_at: dict[str, float] = {}
        self._bad: set[str] = set()
        self._suspicious: set[str] = set()
        self._probe_at: float | None = None
        self._probing = False

    @property
    def is_down(self) -> bool:
        """Whether the API gave no answer when it was asked last."""
        return self._probe_at is not None

    @property
    def is_empty(self) -> bool:
        """Whether no connector is left."""
        return not self._deep_at

    def add(self, connector_ids: Iterable[str], now: float) -> None:
        """Add connectors that are new; each is due at once, and as far back as late events may lie."""
        for connector_id in connector_ids:
            if connector_id not in self._deep_at:
                self._deep_at[connector_id] = now
                self._put(connector_id, now)

    def drop(self, connector_id: str) -> None:
        """Leave out a connector, also while it is its turn."""
        del self._deep_at[connector_id]
        self._number_of.pop(connector_id, None)
        self._bad.discard(connector_id)
        self._suspicious.discard(connector_id)

    def next(self, now: float) -> DueConnector | None:
        """Take the connector that is due first, if one is; `done`, `failed`, `refused` or `drop` ends its turn."""
        if self.wait(now) != 0:
            return None
        _, _, connector_id = heapq.heappop(self._due)
        self._probing = self.is_down
        doubted = bool(self._suspicious) or connector_id in self._bad
        return DueConnector(connector_id, self._deep_at[connector_id] <= now, self._probing, doubted)

    def wait(self, now: float) -> float | None:
        """Say in how many seconds a connector is due; None where that depends on an answer."""
        while self._due and self._number_of.get(self._due[0][2]) != self._due[0][1]:
            heapq.heappop(self._due)  # left out, or put back since
        if self._probing or not self._due:
            return None
        return max(0.0, (self._due[0][0] if self._probe_at is None else self._probe_at) - now)

    def done(self, turn: DueConnector, began: float, now: float, *, again: bool = False, least: float = 0.0) -> None:
        """Put back a connector that has answered.

        Args:
            turn: Its turn.
            began: When it began.
            now: The time.
            again: Whether it is due as soon as may be, since there may be more.
            least: The least interval that the request budget has room for, in seconds.
        """
        self._answered(now)
        self._bad.discard(turn.connector_id)
        if turn.deep:
            self._look_deep(turn, began + self._pace.deep_interval)
        pause = least if again else self._jittered(max(self._pace.interval, least))
        self._put(turn.connector_id, max(now, began + pause) if again else began + pause)

    def failed(self, turn: DueConnector, now: float, *, answered: bool = False) -> None:
        """Put back a connector that was asked in vain. Where others were too, only one asks whether the API is back.

        Args:
            turn: Its turn.
            now: The time.
            answered: Whether the API gave an answer all the same.
        """
        if answered:
            self._answered(now)
        elif turn.connector_id not in self._bad or self._good == 0:
            self._suspicious.add(turn.connector_id)
        self._bad.add(turn.connector_id)
        # It may have been left out meanwhile.
        self._suspicious &= self._deep_at.keys()
        self._bad &= self._deep_at.keys()
        if not answered and (turn.probe if self.is_down else self._is_outage()):
            self._probe_at, self._probing = now + self._later(_PATIENCE), False
        self._look_deep(turn, now)
        self._put(turn.connector_id, now + self._later(_PATIENCE))

    def refused(self, turn: DueConnector, now: float) -> None:
        """Put back a connector that the API answers for with a refusal, to be asked rarely."""
        self._answered(now)
        self._look_deep(turn, now)
        self._put(turn.connector_id, now + self._jittered(self._pace.rare))

    @property
    def _good(self) -> int:
        """How many connectors had an answer when they were asked last, the suspicious ones among them."""
        return len(self._deep_at) - len(self._bad - self._suspicious)

    def _is_outage(self) -> bool:
        # Those that never answer prove nothing.
        return 0 < min(_OUTAGE, self._good) <= len(self._suspicious)

    def _answered(self, now: float) -> None:
        self._suspicious.clear()
        if self.is_down:
            # What was collected while nobody could ask may have been recorded long before.
            self._deep_at = dict.fromkeys(self._deep_at, now)
            self._probe_at, self._probing = None, False

    def _look_deep(self, turn: DueConnector, at: float) -> None:
        if turn.connector_id in self._deep_at:
            self._deep_at[turn.connector_id] = at

    def _put(self, connector_id: str, due: float) -> None:
        if connector_id in self._deep_at:
            self._number_of[connector_id] = number = next(self._numbers)
            heapq.heappush(self._due, (due, number, connector_id))

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + _JITTER * (2 * self._random() - 1))

    def _later(self, seconds: float) -> float:
        return seconds * (1 + _JITTER * self._random())

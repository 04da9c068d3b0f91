"""The present, for all that following keeps: no single clock decides it. No I/O."""

import asyncio
import logging
import math
from collections.abc import Iterable
from typing import NamedTuple

from attrs import evolve

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._http.clock import WARN_CLOCK_S
from cfevents._http.connection import GetConnection
from cfevents._model.api import EventMetadata
from cfevents._time import format_iso, now, to_datetime

_log = logging.getLogger("cfevents")


class Moment(NamedTuple):
    """A moment on two clocks, in seconds."""

    on_loop: float  # the event loop's
    ours: float  # this machine's, since the Unix epoch


class FollowClock:
    """Bounds of the present, by three witnesses: this machine's clock, the API's, and the times of collection.

    Algorithm: the present is not later than the API's `Date`, and not later than this machine's clock or the newest
    collection time, whichever is later. Invariant: where one of the three is wrong, `earliest` is after the present by
    less than a minute, and `latest` before it by no more. So what is kept by the former and listed up to the latter
    loses nothing.
    """

    def __init__(self, get_connection: GetConnection) -> None:
        self._get_connection = get_connection
        self._began = asyncio.get_running_loop().time()
        self._collected = -math.inf

    @property
    def ahead(self) -> float:
        """Seconds that this machine's clock is ahead of the API's; 0 for less than a minute."""
        return self._get_connection().clock.ahead

    def on_collected(self, events: Iterable[EventMetadata]) -> None:
        """Note when events were collected."""
        self._collected = max([self._collected, *(event.collected_ts for event in events)])

    def moment(self) -> Moment:
        """Return the present moment."""
        return Moment(asyncio.get_running_loop().time(), now())

    def earliest(self, moment: Moment) -> float:
        """Return a time, in seconds since the Unix epoch, that is not later than a moment was."""
        ours, of_api = moment.ours, self._of_api(moment.on_loop, math.inf)
        # A Date is in whole seconds.
        return ours if abs(ours - of_api) < WARN_CLOCK_S else min(of_api, max(ours, self._collected))

    def latest(self, moment: Moment) -> float:
        """Return a time, in seconds since the Unix epoch, that is not earlier than a moment was."""
        return max(self._of_api(moment.on_loop, -math.inf), moment.ours)

    def corrected(self, start: FollowCheckpoint, age: float) -> FollowCheckpoint:
        """Return the same start, or an earlier one where it lies ahead of what the API's clock showed in the beginning.

        It should be ``age`` seconds before that.
        """
        since = self._not_ahead(start.since, age)
        marks = {name: evolve(mark, since=self._not_ahead(mark.since)) for name, mark in start.connectors.items()}
        changes = [(start.since, since), *((start.of(name).since, mark.since) for name, mark in marks.items())]
        changed = [(wrong, right) for wrong, right in changes if wrong != right]
        if not changed:
            return start
        wrong, right = (format_iso(to_datetime(time)) for time in changed[0])
        _log.warning("following was to begin at %s, by a clock that was wrong: it begins at %s", wrong, right)
        return evolve(start, since=since, connectors=marks)

    def _not_ahead(self, since: int, age: float = 0.0) -> int:
        latest = self._of_api(self._began, math.inf) - age
        return since if since <= latest + WARN_CLOCK_S else math.floor(latest)

    def _of_api(self, on_loop: float, unknown: float) -> float:
        time = self._get_connection().clock.at(on_loop)
        return unknown if time is None else time

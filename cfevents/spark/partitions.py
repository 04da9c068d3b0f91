"""The parts of a window that Spark's tasks read, and the offsets of a stream. No I/O.

A window is cut before anything of it is known, since planning is not the place for hundreds of requests. What the cuts
cost is bounded instead: at most two more partitions for each slot, over all connectors, each of a day or more, and so
at most two more requests for each slot.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from attrs import frozen

from cfevents._http.connection import WARN_CLOCK_S
from cfevents._model.checkpoint import structure_state
from cfevents._time import TimeWindow, parse_time
from cfevents.spark.options import Options

_MIN_PARTITION_S = 86_400  # a day has a page of events, or a few
_EXTRA_PARTITIONS_PER_SLOT = 2

AHEAD_S = 86_400
"""How much later than its end a batch of a stream lists: an appliance's clock may be ahead."""

Offset: TypeAlias = dict[str, int]
"""The stream's beginning (``since``) and the present of its last batch (``until``), in seconds since the Unix epoch."""

FIRST_OFFSET: Offset = {}
"""The offset of a stream that begins; the offset after it holds its ``since``."""


@frozen
class EventPartition:
    """The part of a connector's window that one task reads."""

    connector_id: str
    window: TimeWindow
    seam: TimeWindow | None = None  # the window that the partition before lists too; None for the first
    collected_until: int | None = None
    """Events that were collected later belong to a later batch of the stream; None in a batch read."""


def partition_window(
    connector_ids: Sequence[str], window: TimeWindow, slots: int, ahead: int = 0
) -> list[EventPartition]:
    """Return the partitions of a window for so many slots; `ahead` seconds after its end are listed as well."""
    if not connector_ids:
        return []
    max_parts = max(1, (window.until - window.since) // _MIN_PARTITION_S)
    extra, more = divmod(_EXTRA_PARTITIONS_PER_SLOT * slots, len(connector_ids))
    partitions = []
    for number, connector_id in enumerate(connector_ids):
        parts = min(max_parts, 1 + extra + (number < more))
        ends = [window.since + (window.until - window.since) * part // parts for part in range(parts + 1)]
        ends[-1] += ahead
        partitions.append(EventPartition(connector_id, TimeWindow(window.since, ends[1])))
        # A second early: whether bounds are inclusive is not known.
        partitions += [
            EventPartition(connector_id, TimeWindow(begin - 1, end), TimeWindow(begin - 1, begin))
            for begin, end in pairwise(ends[1:])
        ]
    return partitions


class QueryOffsets:
    """The offsets of a running query: each batch ends in the present of the API, which is asked once a batch.

    Until the next one is due, time is counted from there by a steady clock. So this machine's date plays no part.
    """

    def __init__(
        self, options: Options, ask: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._ask = ask  # returns the API's time, in seconds since the Unix epoch
        self._steady = steady
        self._lead: float | None = None  # from the steady clock to the API's, in seconds; None before it was asked
        self._end: float | None = None  # the present of a query that reads what is available and ends

    def end_now(self) -> None:
        """Let no batch end later than now, and none wait for an interval."""
        self._end = self._ask()

    def latest(self, start: Offset) -> Offset:
        """Return the offset of the batch that is due, or the same one."""
        if self._end is not None:
            return next_offset(start, self._options, self._end)
        lead = self._lead
        present = self._asked() if lead is None else self._steady() + lead
        if not is_due(start, self._options, present):
            return start
        return next_offset(start, self._options, present if lead is None else self._asked())

    def _asked(self) -> float:
        present = self._ask()
        self._lead = present - self._steady()
        return present


def next_offset(start: Offset, options: Options, present: float) -> Offset:
    """Return the offset of the batch that is read now, by the API's time.

    It goes back only where the start lies in the future, by a clock that was wrong.
    """
    now = math.floor(present)
    if not start:
        since = now if options.since is None else parse_time("since", options.since, present)
        return {"since": since, "until": max(since, now)}
    since, until = _own(start)["since"], start["until"]
    if until - present > WARN_CLOCK_S:
        since, until = (now if since - present > WARN_CLOCK_S else since), now
    return {"since": since, "until": max(since, until, now)}


def is_due(start: Offset, options: Options, present: float) -> bool:
    """Return whether the next batch is due: an interval after the last, or at once where that ended in the future."""
    return not start or not -WARN_CLOCK_S <= present - _own(start)["until"] < options.interval


def batch_window(start: Offset, end: Offset, options: Options) -> TimeWindow:
    """Return the window of a batch: from the lookback before its predecessor's end, and nothing before the stream.

    A predecessor that ended in the future, by a clock that was ahead, counts as read at this batch's end.
    """
    _own(end)
    if not start:
        return TimeWindow(end["since"], end["until"])
    read_until = min(_own(start)["until"], end["until"])
    # A second early: whether bounds are inclusive is not known.
    return TimeWindow(max(end["since"], math.floor(read_until - options.lookback) - 1), end["until"])


@frozen
class _OffsetState:
    since: int
    until: int


def _own(offset: Offset) -> Offset:
    try:
        structure_state(offset, _OffsetState)
    except ValueError as error:
        raise ValueError(
            f"the checkpoint's offset {offset} is not of the format 'cfevents': {error}; use another checkpoint folder"
        ) from None
    return offset

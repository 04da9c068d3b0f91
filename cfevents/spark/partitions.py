"""The parts of a window that Spark's tasks read, and the offsets of a stream. No I/O.

A window is cut before anything of it is known, since planning is not the place for hundreds of requests. What the cuts
cost is bounded instead: at most two more partitions for each slot, over all connectors, each of a day or more, and so
at most two more requests for each slot.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from attrs import frozen

from cfevents._model.checkpoint import structure_state
from cfevents._time import TimeWindow
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


def next_offset(start: Offset, options: Options, now: float) -> Offset:
    """Return the offset of the batch that is read now; it never goes back, also where the clock was set back."""
    if start:
        since = _own(start)["since"]
    else:
        since = math.floor(now) if options.since is None else TimeWindow.of(options.since, None).since
    return {"since": since, "until": max(since, math.floor(now))}


def is_due(start: Offset, options: Options, now: float) -> bool:
    """Return whether the next batch is due: an interval after the last, or at once where the clock was set back."""
    return not start or not 0 <= now - _own(start)["until"] < options.interval


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

"""What one task reads: a connector, and a part of the window. No I/O.

Nothing is asked before the window is cut: planning is not the place for hundreds of requests. So no cut is known to be
a good one, and what all of them may cost is bounded instead, as it is for a listing in slices: two requests for each of
those that run at a time.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from attrs import frozen

from cfevents._model.checkpoint import structure_state
from cfevents._time import TimeWindow
from cfevents.spark.options import Options

# The shortest part of a window that is cut, in seconds: a day has a page or a few.
_SHORTEST = 86_400
# Parts beyond one for each connector, for each slot.
_BEYOND = 2


@frozen
class Part:
    """What a task reads of a connector."""

    connector_id: str
    window: TimeWindow
    """What is asked for."""

    seam: TimeWindow | None = None
    """Where the part before it asks too; None for the first."""

    collected_until: int | None = None
    """What was collected later belongs to a later batch of a stream; None where there is none."""


def cut(connector_ids: Sequence[str], window: TimeWindow, slots: int, ahead: int = 0) -> list[Part]:
    """Cut the window of some connectors into the parts that tasks read.

    Args:
        connector_ids: The connectors.
        window: The window.
        slots: How many tasks run at a time.
        ahead: How much later than the window's end is asked for too, in seconds: little is expected there.
    """
    if not connector_ids:
        return []
    most = max(1, (window.until - window.since) // _SHORTEST)
    beyond, more = divmod(_BEYOND * slots, len(connector_ids))
    return [
        part
        for number, connector_id in enumerate(connector_ids)
        for part in _parts(connector_id, window, min(most, 1 + beyond + (number < more)), ahead)
    ]


def _parts(connector_id: str, window: TimeWindow, count: int, ahead: int) -> list[Part]:
    since, until = window
    ends = [since + (until - since) * number // count for number in range(count + 1)]
    ends[-1] += ahead
    parts = [Part(connector_id, TimeWindow(since, ends[1]))]
    for begin, end in pairwise(ends[1:]):
        # A second early: whether bounds are inclusive is not known.
        parts.append(Part(connector_id, TimeWindow(begin - 1, end), TimeWindow(begin - 1, begin)))
    return parts


Offset: TypeAlias = dict[str, int]

AHEAD = 86_400
"""How much later than its end a batch asks for, in seconds: the clocks of appliances may be ahead."""

BEGINNING: Offset = {}
"""Where a stream begins: what that means says the offset after it."""


def after(start: Offset, options: Options, now: float) -> Offset:
    """Say up to when the next batch reads: its present, also where the clock was set back.

    Raises:
        ValueError: The offset is of something else.
    """
    if start:
        since = _checked(start)["since"]
    else:
        since = math.floor(now) if options.since is None else TimeWindow.of(options.since, None).since
    return {"since": since, "until": max(since, math.floor(now))}


def is_due(start: Offset, options: Options, now: float) -> bool:
    """Whether it is time for the next batch: an interval after the last, or at once where the clock was set back."""
    return not start or not 0 <= now - _checked(start)["until"] < options.interval


def window_between(start: Offset, end: Offset, options: Options) -> TimeWindow:
    """Say what a batch asks for: from the lookback before its predecessor's end on, and nothing before the stream.

    A predecessor that ended in the future, by a clock that was ahead, was read now at the latest.
    """
    _checked(end)
    if not start:
        return TimeWindow(end["since"], end["until"])
    read = min(_checked(start)["until"], end["until"])
    # A second early: whether bounds are inclusive is not known.
    return TimeWindow(max(end["since"], math.floor(read - options.lookback) - 1), end["until"])


@frozen
class _OffsetState:
    since: int
    until: int


def _checked(offset: Offset) -> Offset:
    """Check an offset that Spark kept: the checkpoint may be that of another format."""
    try:
        structure_state(offset, _OffsetState)
    except ValueError as error:
        raise ValueError(
            f"the checkpoint's offset {offset} is not of the format 'cfevents': {error}; use another checkpoint folder"
        ) from None
    return offset

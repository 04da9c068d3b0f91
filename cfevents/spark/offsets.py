"""How far a stream has read. No I/O.

An offset says all that is needed to ask for a batch again: when the stream began, and the time up to which a batch has
read. Spark keeps it, in the checkpoint, before the batch is read. Nothing is kept here: before its first batch is
committed, a query that is started again makes its first offset anew, so that one says nothing.
"""

import math
from typing import TypeAlias

from cfevents._time import Timespan
from cfevents.spark.options import Options

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
        since = math.floor(now) if options.since is None else Timespan.of(options.since, None).since
    return {"since": since, "until": max(since, math.floor(now))}


def is_due(start: Offset, options: Options, now: float) -> bool:
    """Whether it is time for the next batch: an interval after the last, or at once where the clock was set back."""
    return not start or not 0 <= now - _checked(start)["until"] < options.interval


def window_between(start: Offset, end: Offset, options: Options) -> Timespan:
    """Say what a batch asks for: from the lookback before its predecessor's end on, and nothing before the stream.

    A predecessor that ended in the future, by a clock that was ahead, was read now at the latest.
    """
    _checked(end)
    if not start:
        return Timespan(end["since"], end["until"])
    read = min(_checked(start)["until"], end["until"])
    # A second early: whether bounds are inclusive is not known.
    return Timespan(max(end["since"], math.floor(read - options.lookback) - 1), end["until"])


def _checked(offset: Offset) -> Offset:
    """Check an offset that Spark kept: the checkpoint may be that of another format."""
    named = isinstance(offset, dict) and offset.keys() == {"since", "until"}
    if not named or not all(type(seconds) is int for seconds in offset.values()):
        raise ValueError(
            f"the checkpoint's offset {offset} is not of the format 'cfevents': take another checkpoint folder"
        )
    return offset

"""How far a stream has read. No I/O.

An offset says all that is needed to ask for a batch again: when the stream began, and the time up to which a batch has
read. Spark keeps it, in the checkpoint, before the batch is read. Nothing is kept here: before its first batch is
committed, a query that is started again makes its first offset anew, so that one says nothing.
"""

import math
from datetime import UTC, datetime
from typing import TypeAlias

from cfevents.spark.options import Options
from cfevents.timespan import Timespan

Offset: TypeAlias = dict[str, int]

AHEAD = 86_400
"""How much later than its end a batch asks for, in seconds: the clocks of appliances may be ahead."""

BEGINNING: Offset = {}
"""Where a stream begins: what that means says the offset after it."""


def after(start: Offset, options: Options, now: float) -> Offset:
    """Say up to when the next batch reads, which is no earlier than its predecessor did, whatever the clock says.

    Raises:
        ValueError: The offset is of something else, or so late that what comes until then would never be read.
    """
    if not start:
        since = math.floor(now) if options.since is None else Timespan.of(options.since, None).since
        return {"since": since, "until": max(since, math.floor(now))}
    if _checked(start)["until"] - options.lookback - 1 > now:
        told = datetime.fromtimestamp(start["until"], UTC).isoformat()
        raise ValueError(
            f"the checkpoint says that all was read up to {told}, which is later than now by more than the lookback, "
            "so events would be lost: set this machine's clock, or take another checkpoint folder, and since"
        )
    return {"since": start["since"], "until": max(start["until"], math.floor(now))}


def is_due(start: Offset, options: Options, now: float) -> bool:
    """Whether it is time for the next batch, or for the error that there can be none."""
    if not start:
        return True
    past = now - _checked(start)["until"]
    return past >= options.interval or past < -options.lookback - 1


def window_between(start: Offset, end: Offset, options: Options) -> Timespan:
    """Say what a batch asks for: from the lookback before its predecessor's end on, and nothing before the stream."""
    _checked(end)
    if not start:
        return Timespan(end["since"], end["until"])
    # A second early: whether bounds are inclusive is not known.
    since = max(end["since"], math.floor(_checked(start)["until"] - options.lookback) - 1)
    return Timespan(since, end["until"])


def _checked(offset: Offset) -> Offset:
    """Check an offset that Spark kept: the checkpoint may be that of another format."""
    if not isinstance(offset, dict) or offset.keys() != {"since", "until"}:
        raise ValueError(
            f"the checkpoint's offset {offset} is not of the format 'cfevents': take another checkpoint folder"
        )
    return offset

"""A connector's past as JSON bytes, rendered whole before anything is timed: a page is a slice of them."""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal, TypeAlias

from cfevents.testing import History

Shape: TypeAlias = Literal["even", "clustered", "crowded", "bursts", "growing", "late"]
Order: TypeAlias = Literal["ascending", "descending"]

_UNTIL = 1_760_000_000
# A generated connector has about 308 events a day.
_EVENTS_PER_DAY = 300
# Half of a clustered past lies in this part of its time.
_CLUSTER = 0.01
# Where some seconds are crowded, this part of all events lies in each of them: 4 of 200 pages.
_CROWD = 0.02
_CENTERS = {"crowded": [0.5], "bursts": [0.05 + tenth / 10 for tenth in range(10)]}
_DOUBLINGS = 10  # of a growing past's rate
_SILENCE_S = 3650 * 86_400  # before a late past
# No benchmark gets more events with their payloads than this.
_RECORDED = 1000

_PAGE = b'{"result":{"count":%d,"items":[%b]%b},"success":true,"errors":[],"messages":[]}'
_EVENT = b'{"result":%b,"success":true,"errors":[],"messages":[]}'


class Past:
    """The events of one connector, in the order in which they are listed."""

    def __init__(self, events: int, order: Order = "ascending", shape: Shape = "even") -> None:
        """Make the events, and render every item."""
        raw = _reshaped(_generated(events), shape)
        self._times: list[int] = [event["t"] for event in raw]
        self._silence_s = _SILENCE_S if shape == "late" else 0
        self._backwards = order == "descending"
        items = [_item(event) for event in (reversed(raw) if self._backwards else raw)]
        self._items = b",".join(items) + b","
        self._starts = list(accumulate((len(item) + 1 for item in items), initial=0))
        self._recorded = {b"%d.%d" % (event["t"], event["n"]): _recorded(event) for event in raw[:_RECORDED]}

    @property
    def since(self) -> int:
        """When the window begins: with the first event, or long before it."""
        return self._times[0] - self._silence_s

    @property
    def until(self) -> int:
        """When the last event was recorded."""
        return self._times[-1]

    def page(self, since: int, until: int, limit: int, cursor: int | None) -> bytes:
        """Return the answer of *List Events*: both bounds are included, and a cursor is a place in the order."""
        first, end = bisect_left(self._times, since), bisect_right(self._times, until)
        if self._backwards:
            first, end = len(self._times) - end, len(self._times) - first
        begin = first if cursor is None else cursor
        stop = max(begin, min(end, begin + limit))
        more = b',"cursor":"%d"' % stop if stop < end else b""
        return _PAGE % (stop - begin, self._items[self._starts[begin] : max(0, self._starts[stop] - 1)], more)

    def event(self, event_id: bytes) -> bytes:
        """Return the answer of *Get Event*."""
        return self._recorded[event_id]


def _generated(events: int) -> Sequence[dict[str, Any]]:
    history = History(seed=1, connectors=["site"], days=events // _EVENTS_PER_DAY + 2, until=_UNTIL, incidents=())
    return history.events["site"][:events]


def _reshaped(raw: Sequence[dict[str, Any]], shape: Shape) -> Sequence[dict[str, Any]]:
    """Move events to other times; those that then fall on one second are numbered."""
    if shape in {"even", "late"}:
        return raw
    begin, span = raw[0]["t"], raw[-1]["t"] - raw[0]["t"]
    times = [begin + round(span * part) for part in _parts(len(raw), shape)]
    return [
        event | {"t": t, "n": index - bisect_left(times, t), "a": t + 60}
        for index, (event, t) in enumerate(zip(raw, times, strict=True))
    ]


def _parts(count: int, shape: Shape) -> list[float]:
    """Return the parts of the time after which the events come, ascending."""
    centers = _CENTERS.get(shape, [])
    crowds = [center for center in centers for _ in range(round(count * _CROWD))]
    even = [index / (count - len(crowds) - 1) for index in range(count - len(crowds))]
    if shape == "clustered":
        return [_pushed(part) for part in even]
    if shape == "growing":
        return [math.log2(1 + part * (2**_DOUBLINGS - 1)) / _DOUBLINGS for part in even]
    return sorted(even + crowds)


def _pushed(part: float) -> float:
    """Return the fraction of the time after which that fraction of the events is over."""
    edge = (1 - _CLUSTER) / 2
    if part < 0.25:
        return part * 4 * edge
    if part < 0.75:
        return edge + (part - 0.25) * 2 * _CLUSTER
    return 1 - (1 - part) * 4 * edge


def _item(event: dict[str, Any]) -> bytes:
    return _json({"a": event["a"], "k": event["e"]["k"], "n": event["n"], "t": event["t"]})


def _recorded(event: dict[str, Any]) -> bytes:
    return _EVENT % _json({name: event[name] for name in ("e", "n", "t", "v")})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()

"""Orders: the restarts, reboots and shutdowns that somebody ordered, and the starts and silences that they explain."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from attrs import frozen

from cfevents._model.api import EventId, Interrupt, InterruptOperation
from cfevents._time import parse_moment, to_datetime
from cfevents._validation import short_repr
from cfevents.operations.limits import Limits
from cfevents.operations.measures import lags_of
from cfevents.operations.runs import Run
from cfevents.operations.series import EventSeries


class Order(NamedTuple):
    """An order that the connector has executed."""

    operation: InterruptOperation
    triggered_at: datetime
    executed_at: datetime  # the same by the connector's own clock
    interrupt: Interrupt

    def __str__(self) -> str:
        """Return what was ordered, and when."""
        ordered = _ordered(parse_moment(self.interrupt.submitted_at))
        return f"{self.operation} {ordered}, executed {self.triggered_at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def details(self) -> dict[str, Any]:
        """The details of a finding that it explains; times as the API sends them."""
        options = getattr(self.interrupt, self.operation)
        times = {"submitted_at": self.interrupt.submitted_at, "triggered_at": self.interrupt.triggered_at}
        return {"operation": self.operation, **times, "purge": options.purge}


class _UnclearOrder(NamedTuple):
    """An order that was not executed as far as is known, or whose operation is not known."""

    at: datetime  # when it was executed, or ordered if it is pending, by the connector's own clock
    is_pending: bool
    cause: str


class _Start(NamedTuple):
    """The end of a run, and the start that followed it."""

    last_at: datetime
    started_at: datetime
    id: EventId

    def is_explained_by(self, order: Order, slack: timedelta) -> bool:
        if order.executed_at <= self.started_at:
            return self.last_at - order.executed_at <= slack
        # Clocks differ: the start may seem to lie before its order. Nobody is quick to turn on what was shut down.
        return order.operation != "shutdown" and order.executed_at - self.started_at <= slack


@frozen
class Orders:
    """The orders that a connector has executed, ascending, and the starts that they explain by their events' ids.

    An order explains the start that follows it, if no event shows that the process ran on in between; no start is
    explained twice. O(log n) for each order.
    """

    executed: tuple[Order, ...]
    by_start: Mapping[EventId, Order]
    unclear: tuple[_UnclearOrder, ...]
    limits: Limits

    @classmethod
    def of(cls, interrupts: Iterable[Interrupt], runs: Sequence[Run], lead: timedelta, limits: Limits) -> "Orders":
        """Match the orders among some interrupts with the runs of a connector, whose clock has a lead."""
        orders = [_parse_order(interrupt, lead) for interrupt in interrupts]
        executed = sorted((order for order in orders if isinstance(order, Order)), key=attrgetter("triggered_at"))
        starts = [
            _Start(run.last_at, following.started_at, following.event_ids[0])
            for run, following in pairwise(runs)
            if following.started_at is not None
        ]
        moments, by_start = [start.started_at for start in starts], dict[EventId, Order]()
        for order in executed:
            place = bisect_left(moments, order.executed_at)
            around = [start for start in starts[max(0, place - 1) : place + 1] if start.id not in by_start]
            if explained := [start for start in around if start.is_explained_by(order, limits.restart)]:
                by_start[min(explained, key=lambda start: abs(start.started_at - order.executed_at)).id] = order
        return cls(
            tuple(executed), by_start, tuple(order for order in orders if isinstance(order, _UnclearOrder)), limits
        )

    def causes_of_unclean(self, last_at: datetime, started_at: datetime) -> str:
        """Return what an unclean restart may be, by its last event and its start. No executed order explains it."""
        for order in self.unclear:
            is_early = order.at - started_at <= self.limits.restart
            if is_early and (order.is_pending or last_at - order.at <= self.limits.restart):
                return f"a crash, a power cut or {order.cause}"
        return "a crash or a power cut, not ordered"

    def shutdown_before(self, until: datetime) -> Order | None:
        """Return the shutdown that was the last order before a time, unless a start has followed it."""
        last = next((order for order in reversed(self.executed) if order.triggered_at <= until), None)
        is_over = last is None or last.operation != "shutdown" or last in self.by_start.values()
        return None if is_over else last


def clock_lead(series: EventSeries, limits: Limits) -> timedelta:
    """Return how far a connector's clock is ahead, below zero if it is behind, and zero if the limits allow it.

    It is ahead if half of its events seem to be collected before they are recorded, and behind if nearly all seem to be
    collected late: an outage delays many, but not all.
    """
    if (measured := lags_of(series, (1, 50))) is None:
        return timedelta()
    least, usual = measured.percentiles.values()
    lead = -(max(least, timedelta()) + min(usual, timedelta()))
    return lead if abs(lead) > limits.restart else timedelta()


def _ordered(submitted_at: datetime | None) -> str:
    return "ordered" if submitted_at is None else f"ordered {submitted_at:%Y-%m-%d %H:%M:%S} UTC"


def _parse_order(interrupt: Interrupt, lead: timedelta) -> Order | _UnclearOrder | None:
    if not isinstance(interrupt, Interrupt):
        raise TypeError(f"{short_repr(interrupt)} is no interrupt: pass what list_interrupts returned")
    submitted_at, triggered_at = parse_moment(interrupt.submitted_at), parse_moment(interrupt.triggered_at)
    moment, operation = triggered_at or submitted_at, interrupt.operation
    if moment is None:
        return None
    at = to_datetime(moment.timestamp() + lead.total_seconds())
    if triggered_at is None:
        return _UnclearOrder(at, True, f"a pending {operation or 'order'} {_ordered(submitted_at)}")
    if operation is None:
        return _UnclearOrder(at, False, "an order that this version does not know")
    return Order(operation, triggered_at, at, interrupt)

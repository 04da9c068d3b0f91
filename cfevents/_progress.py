"""The part of a window that was read, and a tqdm bar that shows it: on a terminal or in a notebook."""

import asyncio
import io
import math
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar

from attrs import define

from cfevents._html import counted, shortened
from cfevents._model.api import EventMetadata
from cfevents._model.results import PageCounter
from cfevents.errors import CfEventsError


class Progress(NamedTuple):
    """The part of something that is done, from 0 to 1, and as text, such as ``1,234 events``."""

    fraction: float | None  # None where it has no end
    text: str
    wait: float = 0.0  # seconds until a request may leave, in addition to the budget's own wait


class Coverage:
    """The part of a window that the events read so far cover.

    Algorithm: the API documents no order, so four are possible: by either time of an event, ascending or descending. An
    event out of an order rules that one out. Invariant: the fraction never shrinks, and it grows only as far as every
    order that is left allows; if none is left, it stays where it is. Cost: each event is compared in up to four orders.
    """

    def __init__(self, since: float, until: float) -> None:
        """Start with nothing of the window, whose bounds are in seconds since the Unix epoch."""
        self.fraction = 0.0
        self.events = 0  # that were read
        self._since, self._until = since, until
        self._orders = [
            _CandidateOrder(attrgetter(time), sign, start)
            for time in ("recorded_ts", "collected_ts")
            for sign, start in ((1, since), (-1, -until))
        ]

    @property
    def progress(self) -> Progress:
        return Progress(self.fraction, counted(self.events, "event"))

    def add(self, events: Sequence[EventMetadata], reached: float | None = None) -> float:
        """Add the events that were read next, and return the fraction of the window that is covered now.

        Everything before ``reached`` was read, in seconds since the Unix epoch, where that is known.
        """
        self.events += len(events)
        covered = 0.0 if reached is None else reached - self._since
        if events:
            self._orders = [order for order in self._orders if order.continues(events)]
            covered = max(covered, min((order.last - order.start for order in self._orders), default=0.0))
        width = self._until - self._since
        # A window of one moment has a whole too.
        self.fraction = max(self.fraction, min(covered, width) / max(1, width))
        return self.fraction


@define(eq=False)
class _CandidateOrder:
    """An order in which the API may list: by one of an event's times, ascending (sign 1) or descending (-1)."""

    time: Callable[[EventMetadata], float]
    sign: int
    start: float  # the bound of the window where the order begins; this and ``last`` are multiplied by the sign
    last: float = -math.inf

    def continues(self, events: Sequence[EventMetadata]) -> bool:
        times = [self.sign * self.time(event) for event in events]
        in_order = self.last <= times[0] and times == sorted(times)
        self.last = times[-1]
        return in_order


T = TypeVar("T")

Update: TypeAlias = tuple[Sequence[EventMetadata], float | None]
"""The arguments of `Coverage.add` that an item of a stream stands for."""

# Seconds between two updates of the wait for the quota.
_TICK_S = 0.5
_TQDM_OPTIONS: dict[str, Any] = {
    "total": 1.0,
    "bar_format": "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
    "mininterval": 0.1,  # seconds between two drawings
    "miniters": 0,
}


class ProgressBar:
    """A bar that shows the covered part of a window, the events and pages that were read, and a wait for the quota."""

    def __init__(
        self, label: str, coverage: Coverage, unit: str, wait: Callable[[], float], counter: PageCounter | None = None
    ) -> None:
        """Draw nothing yet. Without a counter each item that is read is a unit, such as a page."""
        self._label, self._coverage, self._unit, self._wait = label, coverage, unit, wait
        self._counter, self._counts_items = counter or PageCounter(), counter is None

    async def show(self, items: AsyncGenerator[T, None], update: Callable[[T], Update]) -> AsyncGenerator[T, None]:
        self._bar = _make_bar(desc=shortened(self._label), **_TQDM_OPTIONS)
        try:
            async with aclosing(items):
                while True:
                    self._start_timer()
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        self._move_to(1.0)
                        return
                    finally:
                        self._timer.cancel()
                    if self._counts_items:
                        self._counter.pages += 1
                    self._move_to(self._coverage.add(*update(item)))
                    yield item
        finally:
            self._set_text()
            self._bar.close()

    def _move_to(self, fraction: float) -> None:
        self._set_text()
        self._bar.update(fraction - self._bar.n)

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._show_wait)

    def _show_wait(self) -> None:
        wait = 0.0
        with suppress(CfEventsError):  # the client may have been closed meanwhile
            wait = self._wait()
        self._set_text(f", waiting {math.ceil(wait)} s" if wait >= 1 else "")
        self._bar.refresh()
        self._start_timer()

    def _set_text(self, suffix: str = "") -> None:
        text = f"{self._coverage.progress.text}, {counted(self._counter.pages, self._unit)}{suffix}"
        self._bar.set_postfix_str(text, refresh=False)


def is_visible() -> bool:
    """Return whether anybody sees a bar: standard error is a terminal, or this is a notebook."""
    return _in_notebook() or bool(sys.stderr and sys.stderr.isatty())


def _in_notebook() -> bool:
    # A notebook's code runs in a kernel, which has loaded this module.
    shell = sys.modules.get("ipykernel.zmqshell")
    return shell is not None and bool(shell.ZMQInteractiveShell.initialized())


def _make_bar(**options: Any) -> Any:
    from tqdm import tqdm  # noqa: PLC0415 - an extra

    # Without tqdm's own thread, which would redraw what stands still: the timer does that.
    members: dict[str, Any] = {"monitor_interval": 0}
    if not _in_notebook():
        return type("ProgressBar", (tqdm,), members)(file=sys.stderr, **options)
    members["display"] = _show_in_cell
    return type("ProgressBar", (tqdm,), members)(file=io.StringIO(), ascii=False, **options)


def _show_in_cell(bar: Any, msg: str | None = None, pos: int | None = None) -> None:
    """Replace the bar's text in the output of its cell, which a saved notebook keeps. A widget would be gone."""
    display: Any = sys.modules["IPython.display"].display
    text = {"text/plain": str(bar) if msg is None else msg}
    known = getattr(bar, "display_id", None)
    handle = display(text, raw=True, display_id=known or True, update=known is not None)
    bar.display_id = known or handle.display_id

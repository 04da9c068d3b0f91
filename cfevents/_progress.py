"""The part of a window that was read, and a tqdm bar that shows it: on a terminal or in a notebook."""

import asyncio
import math
import sys
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from operator import attrgetter, ge, le
from typing import Any, NamedTuple, TypeVar

from cfevents._html import counted, shortened
from cfevents._model.api import EventMetadata
from cfevents.errors import CfEventsError

_EVENT_TIMES: tuple[Callable[[EventMetadata], float], ...] = (attrgetter("recorded_ts"), attrgetter("collected_ts"))


class Progress(NamedTuple):
    """The part of something that is done, as a number and as text."""

    fraction: float
    """The part that is done, from 0 to 1."""

    text: str
    """What was done, such as ``1,234 events``."""


class Coverage:
    """The part of a window that the events read so far cover.

    Algorithm: the API documents no order, so four are possible: by either time of an event, ascending or descending. An
    event out of an order rules that one out. Invariant: the fraction never shrinks, and it grows only as far as every
    order that is left allows; if none is left, it stays where it is. Cost: each event is compared in up to four orders.
    """

    def __init__(self, since: float, until: float) -> None:
        """Start with nothing of the window, whose bounds are in seconds since the Unix epoch."""
        self.fraction = 0.0
        self.events = 0
        """Events that were read."""

        self._since, self._until = since, until
        self._orders = [
            _CandidateOrder(time, ascending=ascending) for time in _EVENT_TIMES for ascending in (True, False)
        ]

    @property
    def progress(self) -> Progress:
        """The covered part and the number of events."""
        return Progress(self.fraction, counted(self.events, "event"))

    def add(self, events: Sequence[EventMetadata], reached: float | None = None) -> float:
        """Add the events that were read next.

        Args:
            events: The events.
            reached: Until when everything was read, where that is known.

        Returns:
            The fraction of the window that is covered now.
        """
        self.events += len(events)
        if reached is not None:
            self._extend(reached - self._since)
        if events:
            self._orders = [order for order in self._orders if order.continues(events)]
            self._extend(min(map(self._covered_by, self._orders), default=0.0))
        return self.fraction

    def _covered_by(self, order: "_CandidateOrder") -> float:
        return order.last - self._since if order.ascending else self._until - order.last

    def _extend(self, seconds: float) -> None:
        # A window of one moment has a whole too.
        width = max(1, self._until - self._since)
        self.fraction = max(self.fraction, min(seconds, self._until - self._since) / width)


class _CandidateOrder:
    """An order in which the API may list."""

    def __init__(self, time: Callable[[EventMetadata], float], *, ascending: bool) -> None:
        self.ascending = ascending
        self.last = -math.inf if ascending else math.inf
        self._time, self._follows = time, ge if ascending else le

    def continues(self, events: Sequence[EventMetadata]) -> bool:
        """Return whether these events, which come next, are in this order."""
        times = [self._time(event) for event in events]
        in_order = self._follows(times[0], self.last) and times == sorted(times, reverse=not self.ascending)
        self.last = times[-1]
        return in_order


class ProgressUpdate(NamedTuple):
    """The contribution of one item of a stream to its progress."""

    events: Sequence[EventMetadata]
    reached: float | None = None
    """Until when everything was read, in seconds since the Unix epoch, where that is known."""


class PageCounter:
    """The pages that a listing had so far."""

    pages = 0


T = TypeVar("T")

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
        """Draw nothing yet.

        Args:
            label: The name of what is read.
            coverage: How much of it was read.
            unit: The name of a part of the listing, such as a page.
            wait: Returns for how many seconds the request budget makes everything wait.
            counter: Counts those parts; without it each item that is read is one.
        """
        self._label, self._coverage, self._unit, self._wait = label, coverage, unit, wait
        self._counter, self._counts_items = counter or PageCounter(), counter is None
        self._bar: Any = None

    async def show(
        self, items: AsyncGenerator[T, None], update: Callable[[T], ProgressUpdate]
    ) -> AsyncGenerator[T, None]:
        """Yield the items, and show what each of them adds."""
        self._bar = _tqdm()(desc=shortened(self._label), file=sys.stderr, **_TQDM_OPTIONS)
        try:
            async with aclosing(items):
                while True:
                    timer = _Timer(self._show_wait)
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        self._move_to(1.0)
                        return
                    finally:
                        timer.cancel()
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

    def _show_wait(self) -> None:
        wait = 0.0
        with suppress(CfEventsError):  # the client may have been closed meanwhile
            wait = self._wait()
        self._set_text(f", waiting {math.ceil(wait)} s" if wait >= 1 else "")
        self._bar.refresh()

    def _set_text(self, suffix: str = "") -> None:
        text = f"{self._coverage.progress.text}, {counted(self._counter.pages, self._unit)}{suffix}"
        self._bar.set_postfix_str(text, refresh=False)


def is_visible() -> bool:
    """Return whether anybody sees a bar: standard error is a terminal, or this is a notebook."""
    # A notebook's code runs in a kernel, which has loaded this module.
    shell = sys.modules.get("ipykernel.zmqshell")
    in_notebook = shell is not None and shell.ZMQInteractiveShell.initialized()
    return in_notebook or bool(sys.stderr and sys.stderr.isatty())


class _Timer:
    """Calls a function now and then, while an item is waited for. It is cancelled before anything is yielded."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call, self._loop = call, asyncio.get_running_loop()
        self._next = self._loop.call_later(_TICK_S, self._tick)

    def cancel(self) -> None:
        self._next.cancel()

    def _tick(self) -> None:
        self._call()
        self._next = self._loop.call_later(_TICK_S, self._tick)


def _tqdm() -> type[Any]:
    with warnings.catch_warnings():
        # It warns that it draws with text in a notebook without ipywidgets, and that its widgets are experimental.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm  # noqa: PLC0415 - which class it is depends on where it runs

    # Without tqdm's own thread, which would redraw what stands still: the timer does that.
    return type("ProgressBar", (tqdm,), {"monitor_interval": 0})

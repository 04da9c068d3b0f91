"""How far a stream was read, drawn while it is: by tqdm, on a terminal or in a notebook."""

import asyncio
import math
import sys
import warnings
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from operator import attrgetter, ge, le
from typing import Any, NamedTuple, TextIO, TypeVar

from cfevents._html import counted, shortened
from cfevents._model.api import EventMetadata
from cfevents.errors import CfEventsError

_TIMES: tuple[Callable[[EventMetadata], float], ...] = (attrgetter("recorded_ts"), attrgetter("collected_ts"))


class _Order:
    """An order in which the API may list, by one of an event's times; until an event is out of it."""

    def __init__(self, time: Callable[[EventMetadata], float], *, ascending: bool) -> None:
        self.ascending = ascending
        self.last: float | None = None
        self._time, self._follows = time, ge if ascending else le

    def goes_on(self, events: Sequence[EventMetadata]) -> bool:
        """Whether some events come next in it."""
        times = [self._time(event) for event in events]
        before = times[0] if self.last is None else self.last
        self.last = times[-1]
        return self._follows(times[0], before) and times == sorted(times, reverse=not self.ascending)


class CoverageEstimator:
    """The seconds of a window that were covered: never more than the order of the events lets one say.

    Nothing is documented of that order. As long as several are possible it is the least that one of them means; where
    none is left, it stays as it is.
    """

    def __init__(self, since: float, until: float) -> None:
        """Begin with nothing of the window, whose bounds are in seconds since the Unix epoch."""
        self.seconds = 0.0
        self._since, self._until = since, until
        self._orders = [_Order(time, ascending=ascending) for time in _TIMES for ascending in (True, False)]

    def see(self, events: Sequence[EventMetadata], reached: float | None = None) -> float:
        """Take in the events that came next.

        Args:
            events: The events.
            reached: Up to when everything was read, where that is known.

        Returns:
            The seconds that are covered by now.
        """
        if reached is not None:
            self._to(reached - self._since)
        if events:
            self._orders = [order for order in self._orders if order.goes_on(events)]
            self._to(min(map(self._by, self._orders), default=0.0))
        return self.seconds

    def _by(self, order: _Order) -> float:
        last = order.last or 0.0
        return last - self._since if order.ascending else self._until - last

    def _to(self, seconds: float) -> None:
        self.seconds = max(self.seconds, min(seconds, self._until - self._since))


T = TypeVar("T")

# Seconds between two looks at whether everything waits.
_TICK = 0.5
# Seconds between two pictures at least.
_PAUSE = 0.1
_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class ProgressLabels(NamedTuple):
    """What is read."""

    label: str
    since: float
    until: float
    unit: str
    """What one part of the listing is, such as a page."""

    wait: Callable[[], float]
    """Tells for how many seconds the request budget makes everything wait."""


def drawn(
    items: AsyncGenerator[T, None],
    seen: "Callable[[T], ProgressUpdate]",
    about: ProgressLabels,
    tally: "PageCounter | None",
) -> AsyncGenerator[T, None]:
    """Give the same items, and draw how far they were read; nothing is drawn where nobody would see it."""
    return _drawn(items, seen, _Bar(about, tally)) if _is_seen() else items


async def _drawn(
    items: AsyncGenerator[T, None], seen: "Callable[[T], ProgressUpdate]", bar: "_Bar"
) -> AsyncGenerator[T, None]:
    bar.open()
    try:
        async with aclosing(items):
            while True:
                ticking = _Ticking(bar)
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    bar.complete()
                    return
                finally:
                    ticking.stop()
                bar.see(seen(item))
                yield item
    finally:
        bar.close()


def _is_seen() -> bool:
    stderr = _stderr()
    return _in_a_notebook() or bool(stderr and stderr.isatty())


def _stderr() -> TextIO | None:
    return sys.stderr


def _in_a_notebook() -> bool:
    # A notebook's code runs in a kernel, which has loaded this.
    shell = sys.modules.get("ipykernel.zmqshell")
    return shell is not None and shell.ZMQInteractiveShell.initialized()


class _Ticking:
    """Looks, while an item is waited for, at what it waits for. A timer, and gone before anything is yielded."""

    def __init__(self, bar: "_Bar") -> None:
        self._bar, self._loop = bar, asyncio.get_running_loop()
        self._next = self._loop.call_later(_TICK, self._tick)

    def stop(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _tick(self) -> None:
        self._bar.tick()
        self._next = self._loop.call_later(_TICK, self._tick)


class _Bar:
    """A bar whose whole is the window's length in seconds."""

    def __init__(self, about: ProgressLabels, tally: "PageCounter | None") -> None:
        self._about, self._tally = about, tally
        self._covered = CoverageEstimator(about.since, about.until)
        self._events = self._items = 0
        self._bar: Any = None

    def open(self) -> None:
        """Draw it, with nothing read."""
        # A window of one moment has a whole too.
        total = max(1, self._about.until - self._about.since)
        how = {"bar_format": _FORMAT, "mininterval": _PAUSE, "miniters": 0, "file": _stderr()}
        self._bar = _tqdm()(total=total, desc=shortened(self._about.label), **how)

    def see(self, seen: "ProgressUpdate") -> None:
        """Take in an item, and draw it where that is due."""
        self._items += 1
        self._events += len(seen.events)
        self._move_to(self._covered.see(seen.events, seen.reached))

    def complete(self) -> None:
        """Draw that everything was read."""
        self._move_to(self._bar.total)

    def tick(self) -> None:
        """Draw what is waited for."""
        wait = 0.0
        with suppress(CfEventsError):  # the client may have been closed meanwhile
            wait = self._about.wait()
        self._tell(f", waiting {math.ceil(wait)} s" if wait >= 1 else "")
        self._bar.refresh()

    def close(self) -> None:
        """Leave it as it is."""
        self._tell()
        self._bar.close()

    def _move_to(self, seconds: float) -> None:
        self._tell()
        self._bar.update(seconds - self._bar.n)

    def _tell(self, more: str = "") -> None:
        pages = self._items if self._tally is None else self._tally.pages
        told = f"{counted(self._events, 'event')}, {counted(pages, self._about.unit)}{more}"
        self._bar.set_postfix_str(told, refresh=False)


def _tqdm() -> type[Any]:
    with warnings.catch_warnings():
        # That it draws with text in a notebook without ipywidgets, and that its widgets are an experiment.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm  # noqa: PLC0415 - what it is depends on where it runs

    # Without its thread, which would draw where nothing moves: that is done here, while something is awaited.
    return type("Bar", (tqdm,), {"monitor_interval": 0})


class ProgressUpdate(NamedTuple):
    """What an item tells of how far its listing was read."""

    events: Sequence[EventMetadata]
    reached: float | None = None
    """Up to when everything is known to have been read, in seconds since the Unix epoch."""


class PageCounter:
    """The pages that a listing had so far."""

    pages = 0

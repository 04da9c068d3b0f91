"""Notifications to systemd, which starts a command as a service of ``Type=notify``."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_PERIOD_S = 10.0
_STUCK_S = 7200  # a receiver may ask for a wait of an hour


@contextmanager
def notify_systemd(status: Callable[[], str], signs: Callable[[], object]) -> Iterator[None]:
    """Notify systemd that the command has begun, of its status, and that it is alive; elsewhere do nothing.

    The watchdog is fed while the event loop turns, and `signs`, which change with each poll and each attempt to
    deliver, have changed within two hours. While the API or the receiver is down, the command is well.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        yield
        return
    loop = asyncio.get_running_loop()
    period_s = min(_PERIOD_S, int(os.environ.get("WATCHDOG_USEC") or 0) / 2e6 or _PERIOD_S)
    last, changed_at, timer = signs(), loop.time(), loop.call_soon(lambda: feed("READY=1"))

    def feed(state: str = "WATCHDOG=1") -> None:
        nonlocal last, changed_at, timer
        if (current := signs()) != last:
            last, changed_at = current, loop.time()
        if loop.time() - changed_at < _STUCK_S:
            _notify(f"{state}\nSTATUS={status()}")
        timer = loop.call_later(period_s, feed)

    try:
        yield
    finally:
        timer.cancel()
        _notify("STOPPING=1")


def _notify(state: str) -> None:
    address = os.environ["NOTIFY_SOCKET"]
    # One in the abstract namespace is written with an at sign.
    address = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:  # it may be busy, or gone
        manager.setblocking(False)
        manager.sendto(state.encode(), address)

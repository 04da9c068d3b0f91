"""What goes wrong with a connection."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Literal, TypeAlias

from cfevents.testing.faults.exchange import Exchange, Fault

__all__ = ["close", "hang_up", "head", "reset", "send", "stall", "trickle"]

Moment: TypeAlias = Literal["before headers", "in headers", "after headers", "in body"]

_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


def reset(when: Moment = "before headers") -> Fault:
    """Reset the connection (RST), at some moment of the answer.

    Args:
        when: How far the answer has come.

    Raises:
        ValueError: There is no such moment.
    """
    part = _part_until(when)

    def strike(exchange: Exchange) -> None:
        send(exchange, part(exchange))
        transport = exchange.request.transport
        if transport is not None:
            # Closing a socket that must not linger is what sends a reset.
            peer = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()

    return Fault(f"reset({when!r})", strike)


def hang_up() -> Fault:
    """Answer in full as if the connection stayed open, then close it."""

    def strike(exchange: Exchange) -> None:
        send(exchange, head(exchange) + exchange.body)
        close(exchange)

    return Fault("hang_up()", strike)


def stall(when: Moment = "before headers", seconds: float | None = None) -> Fault:
    """Fall silent at some moment of the answer, with the connection open.

    Args:
        when: How far the answer has come.
        seconds: How long, before the answer goes on; None for good.

    Raises:
        ValueError: There is no such moment.
    """
    part = _part_until(when)

    async def strike(exchange: Exchange) -> None:
        first = part(exchange)
        send(exchange, first)
        # For good ends when the client goes away or the simulator stops: either cancels this.
        await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))
        send(exchange, (head(exchange) + exchange.body)[len(first) :])
        close(exchange)

    return Fault(f"stall({when!r})" if seconds is None else f"stall({when!r}, {seconds!r})", strike)


def trickle(seconds: float = 1.0) -> Fault:
    """Send the headers, then the body byte by byte.

    Args:
        seconds: The time between two bytes.
    """

    async def strike(exchange: Exchange) -> None:
        send(exchange, head(exchange))
        for number in exchange.body:
            send(exchange, bytes([number]))
            await asyncio.sleep(seconds)
        close(exchange)

    return Fault("trickle()" if seconds == 1.0 else f"trickle({seconds!r})", strike)


def head(exchange: Exchange, **changes: str | None) -> bytes:
    """Spell the status line and the headers.

    Args:
        exchange: The exchange.
        **changes: Other headers, with `_` for `-`; None leaves one out.
    """
    headers = {"Content-Length": str(len(exchange.body)), **exchange.headers}
    headers |= {name.replace("_", "-"): value for name, value in changes.items() if value is not None}
    left_out = {name.replace("_", "-") for name, value in changes.items() if value is None}
    lines = [f"{name}: {value}" for name, value in headers.items() if name not in left_out]
    status_line = f"HTTP/1.1 {exchange.status} {exchange.response().reason}"
    return "\r\n".join([status_line, *lines, "", ""]).encode()


def send(exchange: Exchange, data: bytes) -> None:
    """Send bytes as they are, unless the client is gone."""
    transport = exchange.request.transport
    if data and transport is not None:
        transport.write(data)


def close(exchange: Exchange) -> None:
    """Close the connection when everything is sent; what aiohttp would send itself comes to nothing."""
    transport = exchange.request.transport
    if transport is not None:
        transport.close()


def _part_until(when: Moment) -> Callable[[Exchange], bytes]:
    parts: dict[str, Callable[[Exchange], bytes]] = {
        "before headers": lambda _: b"",
        "in headers": lambda exchange: head(exchange)[: len(head(exchange)) // 2],
        "after headers": head,
        "in body": lambda exchange: head(exchange) + exchange.body[: len(exchange.body) // 2],
    }
    if when not in parts:
        raise ValueError(f"when must be one of {', '.join(map(repr, parts))}, not {when!r}")
    return parts[when]

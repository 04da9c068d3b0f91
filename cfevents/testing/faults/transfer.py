"""Faults of the transfer: the connection, the body's length, and its encoding."""

import asyncio
import gzip
import os
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Literal, TypeAlias

from cfevents.testing.faults.rules import Exchange, Fault, fault

Moment: TypeAlias = Literal["before headers", "in headers", "after headers", "in body"]

_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_BLANKS = b" " * 1_000_000


def reset(when: Moment = "before headers") -> Fault:
    """Reset the connection (RST), at some moment of the answer. Raises ValueError if there is no such moment."""
    sent = _sent_until(when)

    def strike(exchange: Exchange) -> None:
        _send(exchange, sent(exchange))
        transport = exchange.request.transport
        if transport is not None:
            # Closing a socket that must not linger sends a reset.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            transport.abort()

    return Fault(f"reset({when!r})", strike)


@fault
def hang_up(exchange: Exchange) -> None:
    """Answer in full as if the connection stayed open, then close it."""
    _send(exchange, _head(exchange) + exchange.body, close=True)


def stall(when: Moment = "before headers", seconds: float | None = None) -> Fault:
    """Fall silent at some moment of the answer, with the connection open; for good, or for some seconds.

    Raises:
        ValueError: There is no such moment.
    """
    sent = _sent_until(when)

    async def strike(exchange: Exchange) -> None:
        first = sent(exchange)
        _send(exchange, first)
        # The endless wait is cancelled when the client goes away or the simulator stops.
        await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))
        _send(exchange, (_head(exchange) + exchange.body)[len(first) :], close=True)

    return Fault(f"stall({when!r})" if seconds is None else f"stall({when!r}, {seconds!r})", strike)


@fault
async def trickle(exchange: Exchange, seconds: float = 1.0) -> None:
    """Send the headers, then the body byte by byte, with some seconds between two of them."""
    _send(exchange, _head(exchange))
    for number in exchange.body:
        _send(exchange, bytes([number]))
        await asyncio.sleep(seconds)
    _send(exchange, b"", close=True)


@fault
def body(exchange: Exchange, content: bytes, content_type: str = "application/json") -> None:
    """Send another body, declared to be of a content type."""
    exchange.body = content
    exchange.headers["Content-Type"] = content_type


@fault
def empty_body(exchange: Exchange) -> None:
    """Send no body, with the true status and type."""
    exchange.body = b""


@fault
def short_body(exchange: Exchange) -> None:
    """Close the connection after half of the bytes that `Content-Length` promises."""
    _send(exchange, _head(exchange) + exchange.body[: len(exchange.body) // 2], close=True)


@fault
def chunks_cut(exchange: Exchange) -> None:
    """Send the body chunked, and close the connection within a chunk."""
    first, second = exchange.body[: len(exchange.body) // 2], exchange.body[len(exchange.body) // 2 :]
    exchange.headers["Transfer-Encoding"] = "chunked"
    _send(exchange, _head(exchange))
    _send(exchange, b"%x\r\n%b\r\n" % (len(first), first))
    _send(exchange, b"%x\r\n%b" % (len(second), second[: len(second) // 2]), close=True)


@fault
def gzip_cut(exchange: Exchange) -> None:
    """Send the first half of a compressed body, with the length that it then has."""
    packed = gzip.compress(exchange.body)
    _set_gzip_body(exchange, packed[: len(packed) // 2])


@fault
def gzip_corrupt(exchange: Exchange) -> None:
    """Send a compressed body that cannot be read."""
    packed = bytearray(gzip.compress(exchange.body))
    # The first block's type becomes the one that does not exist.
    packed[10] |= 0b110
    _set_gzip_body(exchange, bytes(packed))


@fault
def gzip_bomb(exchange: Exchange, size: int = 100_000_000) -> None:
    """Send the true answer behind `size` blanks, compressed: it grows a thousandfold."""
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(_BLANKS) for _ in range(size // len(_BLANKS))]
    parts += [packer.compress(_BLANKS[: size % len(_BLANKS)]), packer.compress(exchange.body), packer.flush()]
    _set_gzip_body(exchange, b"".join(parts))


@fault
def wrong_charset(exchange: Exchange, declared: str = "utf-16") -> None:
    """Declare another encoding in `Content-Type` than UTF-8, which the body has."""
    exchange.headers["Content-Type"] = f"application/json; charset={declared}"


@fault
def byte_order_mark(exchange: Exchange) -> None:
    """Begin the body with a byte order mark."""
    exchange.body = b"\xef\xbb\xbf" + exchange.body


def _set_gzip_body(exchange: Exchange, packed: bytes) -> None:
    exchange.body = packed
    exchange.headers["Content-Encoding"] = "gzip"


def _head(exchange: Exchange) -> bytes:
    """Return the status line and the headers."""
    length = {} if "Transfer-Encoding" in exchange.headers else {"Content-Length": str(len(exchange.body))}
    lines = [f"{name}: {value}" for name, value in {**length, **exchange.headers}.items()]
    status_line = f"HTTP/1.1 {exchange.status} {exchange.response().reason}"
    return "\r\n".join([status_line, *lines, "", ""]).encode()


def _send(exchange: Exchange, data: bytes, *, close: bool = False) -> None:
    """Write bytes to the connection as they are, unless the client is gone; once closed, aiohttp sends no answer."""
    transport = exchange.request.transport
    if transport is not None:
        transport.write(data)
        if close:
            transport.close()


def _sent_until(when: Moment) -> Callable[[Exchange], bytes]:
    """Return the function that returns the bytes sent by then."""
    parts: dict[str, Callable[[Exchange], bytes]] = {
        "before headers": lambda _: b"",
        "in headers": lambda exchange: _head(exchange)[: len(_head(exchange)) // 2],
        "after headers": _head,
        "in body": lambda exchange: _head(exchange) + exchange.body[: len(exchange.body) // 2],
    }
    if when not in parts:
        raise ValueError(f"when must be one of {', '.join(map(repr, parts))}, not {when!r}")
    return parts[when]

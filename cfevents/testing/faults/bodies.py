"""What goes wrong with a body's length and encoding."""

import gzip
import zlib

from cfevents.testing.faults.connections import close, head, send
from cfevents.testing.faults.exchange import Exchange, Fault

__all__ = [
    "body", "byte_order_mark", "chunks_cut", "empty_body", "gzip_bomb", "gzip_corrupt", "gzip_cut", "short_body",
    "wrong_charset",
]  # fmt: skip

_BLANK_BYTES = b" " * 1_000_000


def body(content: bytes, content_type: str = "application/json") -> Fault:
    """Send another body.

    Args:
        content: The body.
        content_type: What it is said to be.
    """

    def strike(exchange: Exchange) -> None:
        exchange.body = content
        exchange.headers["Content-Type"] = content_type

    return Fault(f"body({content if len(content) <= 20 else content[:20] + b'...'!r})", strike)


def empty_body() -> Fault:
    """Send no body, with the true status and type."""

    def strike(exchange: Exchange) -> None:
        exchange.body = b""

    return Fault("empty_body()", strike)


def short_body() -> Fault:
    """Close the connection after half of the bytes that `Content-Length` promises."""

    def strike(exchange: Exchange) -> None:
        send(exchange, head(exchange) + exchange.body[: len(exchange.body) // 2])
        close(exchange)

    return Fault("short_body()", strike)


def chunks_cut() -> Fault:
    """Send the body chunked, and close the connection within a chunk."""

    def strike(exchange: Exchange) -> None:
        half = len(exchange.body) // 2
        first, second = exchange.body[:half], exchange.body[half:]
        send(exchange, head(exchange, Transfer_Encoding="chunked", Content_Length=None))
        send(exchange, b"%x\r\n%b\r\n" % (len(first), first))
        send(exchange, b"%x\r\n%b" % (len(second), second[: len(second) // 2]))
        close(exchange)

    return Fault("chunks_cut()", strike)


def gzip_cut() -> Fault:
    """Send the first half of a compressed body, with the length that it then has."""

    def strike(exchange: Exchange) -> None:
        packed = gzip.compress(exchange.body)
        _send_packed(exchange, packed[: len(packed) // 2])

    return Fault("gzip_cut()", strike)


def gzip_corrupt() -> Fault:
    """Send a compressed body that cannot be read."""

    def strike(exchange: Exchange) -> None:
        packed = bytearray(gzip.compress(exchange.body))
        # The first block's type becomes the one that does not exist.
        packed[10] |= 0b110
        _send_packed(exchange, bytes(packed))

    return Fault("gzip_corrupt()", strike)


def gzip_bomb(size: int = 100_000_000) -> Fault:
    """Send the true answer behind a great many blanks, compressed: it grows a thousandfold.

    Args:
        size: How many bytes it has in the end, about.
    """

    def strike(exchange: Exchange) -> None:
        packer = zlib.compressobj(wbits=31)
        parts = [packer.compress(_BLANK_BYTES) for _ in range(size // len(_BLANK_BYTES))]
        parts += [
            packer.compress(_BLANK_BYTES[: size % len(_BLANK_BYTES)]),
            packer.compress(exchange.body),
            packer.flush(),
        ]
        _send_packed(exchange, b"".join(parts))

    return Fault(f"gzip_bomb({size})", strike)


def wrong_charset(declared: str = "utf-16") -> Fault:
    """Say that the body has another encoding than UTF-8, which it has.

    Args:
        declared: The encoding that is said.
    """

    def strike(exchange: Exchange) -> None:
        exchange.headers["Content-Type"] = f"application/json; charset={declared}"

    return Fault(f"wrong_charset({declared!r})", strike)


def byte_order_mark() -> Fault:
    """Begin the body with a byte order mark."""

    def strike(exchange: Exchange) -> None:
        exchange.body = b"\xef\xbb\xbf" + exchange.body

    return Fault("byte_order_mark()", strike)


def _send_packed(exchange: Exchange, packed: bytes) -> None:
    exchange.body = packed
    exchange.headers["Content-Encoding"] = "gzip"

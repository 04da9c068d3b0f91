"""The server of the benchmarks, in a process of its own: ready bytes after a delay, and nothing else.

It speaks just enough HTTP for a client that sends correct requests, so that its own part of a figure stays small; the
contestant *socket* shows how small.
"""

import argparse
import asyncio
import json
import re
import sys
from functools import partial
from urllib.parse import unquote_to_bytes

from benchmarks.past import Past

_PARAMETER = re.compile(rb"[?&](from|to|limit|cursor)=([^&]*)")
_LARGEST_PAGE = 1000
# What the API sends beside a body: clients that read it are measured reading it.
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCF-Ray: 0123456789abcdef-AMS\r\n"
    b'Ratelimit-Policy: "default";q=999999999;w=1\r\nRatelimit: "default";r=999999999;t=1\r\n\r\n'
)


def answer(past: Past, target: bytes) -> bytes:
    """Return the answer to a request for a page of the listing, or for an event with its payload."""
    path, _, query = target.partition(b"?")
    if not query:
        body = past.event(path.rpartition(b"/")[2])
    else:
        parameters = {name: int(unquote_to_bytes(value)) for name, value in _PARAMETER.findall(b"?" + query)}
        limit = min(parameters.get(b"limit", 100), _LARGEST_PAGE)
        body = past.page(parameters[b"from"], parameters[b"to"], limit, parameters.get(b"cursor"))
    return _HEAD % len(body) + body


class _Connection(asyncio.Protocol):
    """One client's connection; every request is answered after the same delay."""

    _transport: asyncio.Transport

    def __init__(self, past: Past, delay: float) -> None:
        self._past = past
        self._delay = delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            ready = answer(self._past, head.split(b" ", 2)[1])
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._send, ready)
            else:
                self._send(ready)

    def _send(self, ready: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(ready)


async def serve(past: Past, delay: float) -> None:
    """Serve until the process is ended; the first line on stdout has the URL and the window."""
    server = await asyncio.get_running_loop().create_server(partial(_Connection, past, delay), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = {"base_url": f"http://127.0.0.1:{port}/client/v4", "since": past.since, "until": past.until}
    print(json.dumps(place), flush=True)
    # The parent process keeps stdin open until the server shall end.
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--delay", type=float, default=0.0, help="before each answer, in seconds")
    parser.add_argument("--order", default="ascending")
    parser.add_argument("--shape", default="even")
    options = parser.parse_args()
    asyncio.run(serve(Past(options.events, options.order, options.shape), options.delay))


if __name__ == "__main__":
    main()

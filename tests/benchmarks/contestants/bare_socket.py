"""The server's own part: a blocking socket that reads every answer, and parses nothing but the cursor."""

import re
import socket
from urllib.parse import urlsplit

from benchmarks.task import Task

_LENGTH = re.compile(rb"Content-Length: ([0-9]+)")
_COUNT = re.compile(rb'"count":([0-9]+)')
_CURSOR = re.compile(rb'"cursor":"([0-9]+)"')


async def list_events(task: Task) -> int:
    """Request page after page; the time is the server's and the kernel's."""
    place = urlsplit(task.path)
    query = f"{place.path}?from={task.since}&to={task.until}&limit={task.page_size}"
    count, target = 0, query
    with socket.create_connection((place.hostname, place.port)) as connection:
        while True:
            connection.sendall(f"GET {target} HTTP/1.1\r\n\r\n".encode())
            body = _body(connection)
            count += _number(_COUNT, body[:50])
            if not (cursor := _CURSOR.search(body[-100:])):
                return count
            target = f"{query}&cursor={cursor[1].decode()}"


def _body(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(2**17)
    head, _, rest = received.partition(b"\r\n\r\n")
    chunks, missing = [rest], _number(_LENGTH, head) - len(rest)
    while missing > 0:
        chunks.append(connection.recv(missing))
        missing -= len(chunks[-1])
    return b"".join(chunks)


def _number(pattern: re.Pattern[bytes], text: bytes) -> int:
    match = pattern.search(text)
    assert match
    return int(match[1])

"""Syslog: messages of RFC 5424 over TLS (RFC 5425), TCP with octet counting (RFC 6587), or UDP (RFC 5426)."""

import asyncio
import json
import os
import re
import socket
import ssl
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

from cfevents._following.follower import Batch
from cfevents._validation import escape_surrogates
from cfevents.errors import SinkError
from cfevents.sinks.formats import FormattedEvent, format_event
from cfevents.sinks.reasons import connection_error
from cfevents.sinks.sink import RefusedEvent, outages_logged
from cfevents.sinks.urls import SinkAddress

_PORTS = {"tls": 6514, "tcp": 601, "udp": 514}
_SEVERITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6}
_FACILITIES = {"user": 1, "daemon": 3, **{f"local{number}": 16 + number for number in range(8)}}
_SD_ID = r"(?=.{1,32}$)[!#-<>?A-\\^-~]+@[0-9.]+"
_DOCUMENTATION_SD_ID = "cfevents@32473"  # RFC 5612: this project has no number of its own
_END_OF_TIMESTAMPS = "2100"  # rsyslog takes the whole header of a message with a later year for text
_MAX_DATAGRAM_BYTES, _MAX_FRAME_BYTES = 65_507, 1_000_000
_BURST_DATAGRAMS, _BURST_PAUSE_S = 50, 0.01
_CHUNK_MESSAGES = 500
_CALM_S = 0.05


def syslog_message(event: FormattedEvent, *, facility: int, sd_id: str) -> bytes:
    """Return an event as a message. Its JSON is ASCII, so it needs no byte order mark, which parsers of JSON refuse."""
    line = event.line | {"account_id": event.account_id}
    names = "account_id", "connector_id", "id", "kind", "version"
    data = " ".join(f'{name}="{_escaped(line[name])}"' for name in names if line.get(name) is not None)
    priority = facility * 8 + _SEVERITIES[event.severity]
    host, kind = _printable(line["connector_id"], 255), _printable(line["kind"], 32)
    time = line["recorded_at"]
    timestamp = time if time is not None and time < _END_OF_TIMESTAMPS else "-"
    header = f"<{priority}>1 {timestamp} {host} cfevents - {kind} [{sd_id} {data}]"
    return f"{header} {json.dumps(event.fields)}".encode()


def _printable(text: str, max_chars: int) -> str:
    return re.sub(r"[^!-~]", "?", text)[:max_chars] or "-"


def _escaped(text: str) -> str:
    return re.sub(r'["\\\]]', r"\\\g<0>", escape_surrogates(text))


class Syslog:
    """A syslog server. Made by `connect`.

    Syslog has no acknowledgement. So each batch has a connection of its own, which is closed for writing once the
    server's system has acknowledged all bytes and the server is still there. When the server closes too, it has read
    everything. Any other end is a failure, and the batch is sent again.
    """

    _name = "without an address"  # while that is checked: a traceback may show it

    def __init__(self, address: SinkAddress) -> None:
        """Set the server of such as ``syslog+tls://HOST:6514?facility=local0&sd-id=NAME@NUMBER``; nothing is opened."""
        url = address.url(parameters=("facility", "sd-id"))
        facility, sd_id = url.query.get("facility", "local0"), url.query.get("sd-id", _DOCUMENTATION_SD_ID)
        if url.path != "/":
            raise ValueError("url has a path, which syslog has not: write syslog+tls://HOST:PORT")
        if facility not in _FACILITIES:
            raise ValueError(f"url has a facility that is none of {', '.join(_FACILITIES)}")
        if not re.fullmatch(_SD_ID, sd_id):
            raise ValueError("url has an sd-id that is not NAME@NUMBER, of at most 32 characters")
        self._message = partial(syslog_message, facility=_FACILITIES[facility], sd_id=sd_id)
        self._format, self._timeout_s = address.format, address.timeout_s
        self._host, self._port, self._is_udp = url.host, url.port or _PORTS[url.scheme], url.scheme == "udp"
        self._max_bytes = address.max_bytes or (_MAX_DATAGRAM_BYTES if self._is_udp else _MAX_FRAME_BYTES)
        self._tls = ssl.create_default_context() if url.scheme == "tls" else None
        self._name = f"syslog+{url.scheme}://{url.host_subcomponent}:{self._port}"

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent]:
        """Send the events of a batch; one that is too large for a message is refused."""
        account, most = batch.checkpoint.account_id, self._max_bytes
        pairs = [(item, self._message(format_event(item, account, self._format))) for item in batch.items]
        await self._transmit([message for _, message in pairs if len(message) <= most])
        reason = f"{self._name}: the message has {{:,}} bytes, more than {most:,}"
        return [RefusedEvent(item, reason.format(len(message))) for item, message in pairs if len(message) > most]

    async def _transmit(self, messages: Sequence[bytes]) -> None:
        try:
            await (self._send_datagrams(messages) if self._is_udp else self._send_frames(messages))
        except TimeoutError:
            raise SinkError(f"{self._name} takes nothing for {self._timeout_s:g} s", is_temporary=True) from None
        except OSError as error:
            raise connection_error(self._name, error) from None

    async def _send_frames(self, messages: Sequence[bytes]) -> None:
        async with asyncio.timeout(self._timeout_s):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            for begin in range(0, len(messages), _CHUNK_MESSAGES):
                chunk = messages[begin : begin + _CHUNK_MESSAGES]
                writer.write(b"".join(b"%d %b" % (len(message), message) for message in chunk))
                async with asyncio.timeout(self._timeout_s):
                    await writer.drain()
            async with asyncio.timeout(self._timeout_s):
                await _settle(reader, writer)
            await self._wait_for_end(reader, writer)
        finally:
            writer.transport.abort()

    async def _wait_for_end(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                if writer.can_write_eof():  # over TLS, closing is enough: it waits for the other side
                    writer.write_eof()
                    while await reader.read(65_536):
                        pass
                writer.close()
                await writer.wait_closed()
        except TimeoutError:
            text = "does not close the connection when it has read everything, so it is not known whether it has"
            raise SinkError(f"{self._name} {text}", is_temporary=True) from None

    async def _send_datagrams(self, messages: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        places = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        with socket.socket(*places[0][:3]) as sock:
            sock.setblocking(False)
            sock.connect(places[0][4])
            for number, message in enumerate(messages, 1):
                await loop.sock_sendall(sock, message)
                await asyncio.sleep(0 if number % _BURST_DATAGRAMS else _BURST_PAUSE_S)
            await asyncio.sleep(_CALM_S)
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))

    async def __aenter__(self) -> Self:
        """Connect without events, which shows whether the certificate is trusted."""
        with outages_logged():
            await self._transmit(())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open between two batches."""

    def __repr__(self) -> str:
        return f"<Syslog {self._name}>"


async def _settle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when all bytes are acknowledged and the server stays for a moment; raise where it closes."""
    calm, sock = 0, writer.get_extra_info("socket")
    while calm < 2:
        try:
            async with asyncio.timeout(_CALM_S):
                if not await reader.read(65_536):
                    raise ConnectionResetError("it closes the connection early")
        except TimeoutError:
            calm = 0 if _unacknowledged_bytes(sock) else calm + 1


def _unacknowledged_bytes(sock: socket.socket) -> int:
    """Return the number of bytes that the other system has not acknowledged; 0 where this one does not say."""
    if sys.platform != "linux":
        return 0
    from fcntl import ioctl  # noqa: PLC0415 - not on Windows
    from termios import TIOCOUTQ  # noqa: PLC0415

    return int.from_bytes(ioctl(sock.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)

"""A syslog server that takes what the sink sends, and a parser of RFC 5424 that refuses what is not exactly that."""

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Self

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PARAMETER = re.compile(r'([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_MESSAGE = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<at>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) (?P<host>[!-~]{1,255}) "
    r"(?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<kind>[!-~]{1,32}) "
    r'\[(?P<sd_id>[!#-<>-\\^-~]{1,32})(?P<data>(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)\] (?P<text>.*)',
    re.DOTALL,
)


@frozen
class Message:
    """A message, its escapes taken away."""

    facility: int
    severity: int
    at: str
    host: str
    app: str
    process: str
    kind: str
    sd_id: str
    data: dict[str, str]
    text: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        match = _MESSAGE.fullmatch(raw.decode())
        assert match, raw
        fields = match.groupdict()
        facility, severity = divmod(int(fields.pop("priority")), 8)
        data = {name: re.sub(r"\\(.)", r"\1", value) for name, value in _PARAMETER.findall(fields.pop("data"))}
        return cls(facility, severity, data=data, **fields)


def unframed(received: bytes) -> list[bytes]:
    """Return the messages of a stream with octet counting; a rest that is no whole message is a mistake."""
    messages, begin = [], 0
    while begin < len(received):
        space = received.index(b" ", begin)
        length = received[begin:space]
        assert re.fullmatch(rb"[1-9]\d*", length), received[begin : begin + 50]
        begin = space + 1 + int(length)
        assert begin <= len(received)
        messages.append(received[space + 1 : begin])
    return messages


class SyslogServer:
    """Takes connections; ``handle`` decides how one of them goes. By default it reads all, and then closes."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.connections: list[bytearray] = []
        self.handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] = self.read_all
        self._context = context

    @property
    def url(self) -> str:
        return f"syslog+{'tls' if self._context else 'tcp'}://127.0.0.1:{self.port}"

    @property
    def messages(self) -> list[Message]:
        """The messages of all connections whose data is whole."""
        return [Message.parse(raw) for data in self.connections for raw in unframed(bytes(data))]

    async def read_all(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            self.connections[-1] += chunk

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(bytearray())
        try:
            await self.handle(reader, writer)
        finally:
            writer.close()

"""A network between a sink and its receiver, whose connections can be cut."""

import asyncio
from typing import Self


class Proxy:
    """Forwards bytes in both directions, and the ends of both, until a connection is cut."""

    def __init__(self, port: int) -> None:
        self._behind, self._bytes_left, self._open = port, -1, set[asyncio.StreamWriter]()
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._reset()

    def cut(self, after_bytes: int) -> None:
        """Reset all connections after so many more bytes; what is on the way is lost."""
        self._bytes_left = after_bytes

    def _reset(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._behind)
            writers.append(behind)
            self._open.update(writers)
            async with asyncio.TaskGroup() as group:
                there = group.create_task(self._pump(reader, behind))
                await self._pump(behind_reader, writer, there)
        except (OSError, ExceptionGroup):
            writer.transport.abort()
        finally:
            self._open.difference_update(writers)
            for end in writers:
                end.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: "asyncio.Task[None] | None" = None,
    ) -> None:
        while chunk := await reader.read(4096):
            if 0 <= self._bytes_left < len(chunk):
                writer.write(chunk[: self._bytes_left])
                self._bytes_left, self.cuts = -1, self.cuts + 1
                self._reset()
                raise ConnectionResetError
            self._bytes_left -= len(chunk) if self._bytes_left >= 0 else 0
            writer.write(chunk)
            await writer.drain()
        if there is not None and not there.done():
            raise ConnectionResetError  # a server that is gone resets a connection on which more arrives
        writer.write_eof()

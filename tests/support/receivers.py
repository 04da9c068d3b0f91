"""A server that takes what sinks send, and answers as it is told."""

import asyncio
import gzip
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aiohttp import web
from attrs import define

from cfevents.testing import EventReceiver

if TYPE_CHECKING:
    from collections.abc import Callable

SinkAnswer = web.Response | int
R = TypeVar("R", "Hook", EventReceiver)


@define
class Received:
    """A request as it arrived, its body decompressed."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of lines or of an array."""
        if self.headers.get("content-type") == "application/json":
            return list(json.loads(self.body))
        return [json.loads(line) for line in self.body.splitlines()]


class Hook:
    """Takes POSTs; ``answers`` decides on each by the request."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.answers: Callable[[Received], SinkAnswer] = lambda _: 200
        self._context = context

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[str]:
        """The ids of the events of all requests that succeeded."""
        return [event["id"] for request in self.requests if request.status == 200 for event in request.events]

    async def __aenter__(self, port: int = 0) -> Self:
        app = web.Application(client_max_size=10**9)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self._context).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        if body[:2] == b"\x1f\x8b":  # aiohttp has decompressed what names its encoding
            body = gzip.decompress(body)
        received = Received(request.path_qs, headers, body)
        self.requests.append(received)
        answer = self.answers(received)
        response = web.Response(status=answer) if isinstance(answer, int) else answer
        received.status = response.status
        return response


@contextmanager
def on_thread(server: R) -> Iterator[R]:
    """Run a server on a thread, for a command that has this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""A real HTTP server that answers by a script, for what no simulator of the API would ever send."""

import json
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from attrs import field, frozen

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "scripted-token-5f1c2a"

Step = Callable[[web.Request], Awaitable[web.StreamResponse]]


@frozen
class Reply:
    """One answer; a body that is not text or bytes is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)

    async def __call__(self, _: web.Request) -> web.StreamResponse:
        body = self.body if isinstance(self.body, bytes | str) else json.dumps(self.body)
        data = body if isinstance(body, bytes) else body.encode()
        return web.Response(status=self.status, body=data, headers=dict(self.headers))


def success(result: Any, **more: Any) -> Reply:
    """An envelope that brings a result."""
    return Reply({"result": result, "success": True, "errors": [], "messages": []} | more)


def page(*items: Any, cursor: Any = None) -> Reply:
    """A page of a listing."""
    return success({"count": len(items), "items": list(items), "cursor": cursor})


def item(t: Any, n: Any = 0, k: Any = "Init", a: Any = None) -> dict[str, Any]:
    """An item of a listing."""
    return {"a": t if a is None else a, "k": k, "n": n, "t": t}


def failure(status: int, code: int = 1000, message: str = "no", headers: Mapping[str, str] | None = None) -> Reply:
    """An envelope that refuses."""
    body = {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}
    return Reply(body, status, headers or {})


class ScriptedAPI:
    """Answers each request with the next step of its script, the last one for ever."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[web.Request] = []
        self._runner: web.AppRunner | None = None
        self.base_url = ""
        self.remembers = True
        """Whether each request is kept in ``requests``."""

        self.keepalive = 75.0
        """Seconds until an idle connection is closed."""

    @property
    def client_options(self) -> dict[str, Any]:
        return {"base_url": self.base_url, "account_id": ACCOUNT, "api_token": TOKEN}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, max_line_size=2**17, keepalive_timeout=self.keepalive
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/client/v4"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        step = self.steps[min(len(self.requests), len(self.steps)) - 1]
        if not self.remembers:
            self.requests.clear()
        return await step(request)

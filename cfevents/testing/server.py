"""The HTTP side: routes, checks that come before every call, headers that go with every answer."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from cfevents.testing.backend import Backend
from cfevents.testing.envelope import Refusal, check_credentials, failure, malformed, not_found, success
from cfevents.testing.faults.exchange import Exchange, Fault
from cfevents.testing.faults.rules import Faults
from cfevents.testing.quota import Quota
from cfevents.testing.received import AskedRequest
from cfevents.testing.settings import SimulatorSettings

__all__ = ["BASE_PATH", "Server"]

BASE_PATH = "/client/v4"

_CONNECTORS = BASE_PATH + "/accounts/{account_id}/magic/connectors"
_EVENTS = _CONNECTORS + "/{connector_id}/telemetry/events"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The web application in front of a backend."""

    def __init__(
        self, settings: SimulatorSettings, backend: Backend, requests: list[AskedRequest], quota: Quota, faults: Faults
    ) -> None:
        """Serve a backend; every request that arrives is added to `requests`, and counted against the quota."""
        self._settings = settings
        self._backend = backend
        self._requests = requests
        self._quota = quota
        self._faults = faults
        self._aliases: dict[str, str] = {}
        self._fault_tasks: set[asyncio.Task[Any]] = set()
        self._rays = itertools.count(1)

    def application(self) -> web.Application:
        """Make the application that aiohttp runs."""
        application = web.Application(middlewares=[self._handle_request])
        calls: dict[str, Callable[[web.Request], Any]] = {
            _CONNECTORS: self._list_connectors,
            _EVENTS: self._list_events,
            _EVENTS + "/latest": self._latest_events,
            _EVENTS + "/{event_id}": self._get_event,
        }
        for path, call in calls.items():
            application.router.add_get(path, _handler(call), allow_head=False)
        application.on_shutdown.append(self._cancel_faults)
        return application

    @web.middleware
    async def _handle_request(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Count and remember a request, and answer it, unless a fault comes between."""
        now = asyncio.get_running_loop().time()
        self._requests.append(AskedRequest(request.method, request.path, dict(request.query.items())))
        response = await self._real_answer(request, handler, now)
        response.headers["CF-Ray"] = f"{next(self._rays):016x}-SIM"
        response.headers.update(self._quota.headers(now))
        fault = None if self._quota.is_blocking(now) else self._faults.due(request.path, now)
        return response if fault is None else await self._apply_fault(fault, request, response)

    async def _real_answer(self, request: web.Request, handler: _Handler, now: float) -> web.Response:
        """Answer a request, a refusal too in the envelope."""
        try:
            self._quota.count_request(now)
            self._check_request(request)
            self._backend.collect_new_events()
            response = cast("web.Response", await handler(request))
        except Refusal as refusal:
            response = _json(failure(refusal), refusal.status)
        except web.HTTPNotFound:
            response = _json(failure(Refusal(404, 7003, f"Could not route to {request.path}")), 404)
        except web.HTTPMethodNotAllowed as refused:
            response = _json(failure(Refusal(405, 10405, "Method not allowed for this endpoint")), 405)
            response.headers["Allow"] = refused.headers["Allow"]
        return response

    async def _apply_fault(self, fault: Fault, request: web.Request, response: web.Response) -> web.StreamResponse:
        """Let a fault change the true answer."""
        exchange = Exchange(
            request=request,
            status=response.status,
            headers=response.headers.copy(),
            body=(response.text or "").encode(),
            follow=lambda cursor: self._list_page(request, cursor),
            aliases=self._aliases,
        )
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._fault_tasks.add(task)
        try:
            outcome = fault.strike(exchange)
            if outcome is not None:
                await outcome
        finally:
            self._fault_tasks.discard(task)
        return exchange.response()

    async def _cancel_faults(self, _: web.Application) -> None:
        for task in tuple(self._fault_tasks):
            task.cancel()

    def _check_request(self, request: web.Request) -> None:
        if request.match_info.http_exception is not None:
            return
        check_credentials(request.headers, self._settings)
        if request.match_info["account_id"] != self._settings.account_id:
            raise not_found("account")
        for name, times in Counter(name for name, _ in request.query.items()).items():
            if times > 1:
                raise malformed(f"{name}: given more than once")

    def _list_connectors(self, request: web.Request) -> object:
        return self._backend.list_connectors()

    def _list_events(self, request: web.Request) -> object:
        return self._list_page(request, request.query.get("cursor"))

    def _list_page(self, request: web.Request, cursor: str | None) -> dict[str, Any]:
        query = dict(request.query)
        if cursor is not None:
            query["cursor"] = self._aliases.get(cursor, cursor)
        return self._backend.list_events(request.match_info["connector_id"], query)

    def _latest_events(self, request: web.Request) -> object:
        return self._backend.latest_events(request.match_info["connector_id"])

    def _get_event(self, request: web.Request) -> object:
        return self._backend.get_event(request.match_info["connector_id"], request.match_info["event_id"])


def _handler(call: Callable[[web.Request], object]) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return _json(success(call(request)), 200)

    return handle


def _json(document: object, status: int) -> web.Response:
    return web.Response(text=json.dumps(document), status=status, content_type="application/json")

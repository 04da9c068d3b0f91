"""The HTTP side: routes, checks that come before every call, headers that go with every answer."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from cfevents.testing.asked import AskedRequest
from cfevents.testing.backend import Backend
from cfevents.testing.credentials import check_credentials
from cfevents.testing.envelope import Refusal, failure, malformed, not_found, success
from cfevents.testing.quota import Quota
from cfevents.testing.settings import Settings

__all__ = ["BASE_PATH", "Server"]

BASE_PATH = "/client/v4"

_CONNECTORS = BASE_PATH + "/accounts/{account_id}/magic/connectors"
_EVENTS = _CONNECTORS + "/{connector_id}/telemetry/events"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The web application in front of a backend."""

    def __init__(self, settings: Settings, backend: Backend, requests: list[AskedRequest]) -> None:
        """Serve a backend; every request that arrives is added to `requests`."""
        self._settings = settings
        self._backend = backend
        self._requests = requests
        self._quota = Quota()
        self._rays = itertools.count(1)

    def application(self) -> web.Application:
        """Make the application that aiohttp runs."""
        application = web.Application(middlewares=[self._answer])
        calls: dict[str, Callable[[web.Request], Any]] = {
            _CONNECTORS: self._list_connectors,
            _EVENTS: self._list_events,
            _EVENTS + "/latest": self._latest_events,
            _EVENTS + "/{event_id}": self._get_event,
        }
        for path, call in calls.items():
            application.router.add_get(path, _handler(call), allow_head=False)
        return application

    @web.middleware
    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Count and remember a request, and answer it, a refusal too in the envelope."""
        now = asyncio.get_running_loop().time()
        query = dict(request.query.items())
        self._quota.count(now)
        self._requests.append(AskedRequest(request.method, request.path, query))
        try:
            self._check(request)
            response = await handler(request)
        except Refusal as refusal:
            response = _json(failure(refusal), refusal.status)
        except web.HTTPNotFound:
            response = _json(failure(Refusal(404, 7003, f"Could not route to {request.path}")), 404)
        except web.HTTPMethodNotAllowed as refused:
            response = _json(failure(Refusal(405, 10405, "Method not allowed for this endpoint")), 405)
            response.headers["Allow"] = refused.headers["Allow"]
        response.headers["CF-Ray"] = f"{next(self._rays):016x}-SIM"
        response.headers.update(self._quota.headers(now))
        return response

    def _check(self, request: web.Request) -> None:
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
        return self._backend.list_events(request.match_info["connector_id"], request.query)

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

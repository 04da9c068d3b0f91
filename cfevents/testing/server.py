"""The HTTP side: routes, the rate limit, the checks before every call, and the headers of every answer."""

import asyncio
import functools
import hmac
import itertools
import json
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from aiohttp import web
from attrs import define, field, frozen

from cfevents._public import set_module
from cfevents.testing.backend import Backend, Refusal, malformed, not_found
from cfevents.testing.faults.rules import Exchange, Fault, Faults
from cfevents.testing.store import SimulatorSettings

BASE_PATH = "/client/v4"

_CONNECTORS = BASE_PATH + "/accounts/{account_id}/magic/connectors"
_EVENTS = _CONNECTORS + "/{connector_id}/telemetry/events"

_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


# The documented limit: 1,200 requests in five minutes.
_DOCUMENTED_QUOTA_REQUESTS = 1200
_DOCUMENTED_PERIOD_S = 300.0


class Quota:
    """A count of the requests that arrived, against the settings' quota as it is at the time of each request.

    Times are seconds on any steady clock. `refused` is the number of requests that were refused.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        # Oldest first: with fixed windows all since the window began, else those of the last period.
        self._request_times: deque[float] = deque()
        self._blocked_until = -math.inf
        self.refused = 0

    def count_request(self, now: float) -> None:
        """Count a request. Raises `Refusal` if it is one too many, or comes during a block."""
        if not self.is_blocking(now):
            times, (quota, period) = self._request_times, self._policy()
            while times and now - times[0] >= period:
                if self._settings.counting == "fixed":
                    times.clear()
                else:
                    times.popleft()
            times.append(now)
            if self._settings.quota is not None and len(times) > quota:
                self._blocked_until = now + self._settings.block
                times.clear()  # after the block the count starts again
        if self.is_blocking(now):
            self.refused += 1
            raise Refusal(429, 10100, "Rate limit reached. Please wait and consider throttling your request speed")

    def is_blocking(self, now: float) -> bool:
        """Return whether every request is refused."""
        return now < self._blocked_until

    def headers(self, now: float) -> dict[str, str]:
        """Return the headers as the API's documentation spells them; seconds are whole, rounded up."""
        quota, period = self._policy()
        policy = {"Ratelimit-Policy": f'"default";q={quota};w={max(1, math.ceil(period))}'}
        if self.is_blocking(now):
            # Rounded first: (now + 300) - now may be a little more than 300.
            wait = max(1, math.ceil(round(self._blocked_until - now, 6)))
            return policy | {"Ratelimit": f'"default";r=0;t={wait}', "Retry-After": str(wait)}
        left = max(0, quota - len(self._request_times))
        elapsed = now - self._request_times[0] if self._request_times else 0.0
        return policy | {"Ratelimit": f'"default";r={left};t={max(0, math.ceil(period - elapsed))}'}

    def _policy(self) -> tuple[int, float]:
        if self._settings.quota is None:
            return _DOCUMENTED_QUOTA_REQUESTS, _DOCUMENTED_PERIOD_S
        return self._settings.quota, self._settings.period


@set_module("cfevents.testing")
@frozen
class AskedRequest:
    """One request as it arrived, without its headers, so without secrets.

    Attributes:
        method: The HTTP method, such as `"GET"`.
        path: The whole path, decoded, such as `"/client/v4/accounts/…"`.
        query: The decoded query; of a parameter given twice, the last value.
    """

    method: str
    path: str
    query: dict[str, str]


@define(eq=False)
class Server:
    """The web application in front of a backend. Every request that arrives is added to a list."""

    _settings: SimulatorSettings
    _backend: Backend
    _requests: list[AskedRequest]
    _quota: Quota
    _faults: Faults
    _cursor_aliases: dict[str, str] = field(factory=dict, init=False)
    _fault_tasks: set[asyncio.Task[Any]] = field(factory=set, init=False)
    _rays: Iterator[int] = field(factory=lambda: itertools.count(1), init=False)

    def application(self) -> web.Application:
        """Return the application that aiohttp runs."""
        application = web.Application(middlewares=[self._respond])
        backend = self._backend
        calls: dict[str, Callable[[web.Request], object]] = {
            _CONNECTORS: lambda _: backend.list_connectors(),
            _CONNECTORS + "/{connector_id}/interrupts": lambda request: backend.list_interrupts(
                request.match_info["connector_id"]
            ),
            _EVENTS: lambda request: self._list_events(request, request.query.get("cursor")),
            _EVENTS + "/latest": lambda request: backend.latest_events(request.match_info["connector_id"]),
            _EVENTS + "/{event_id}": lambda request: backend.get_event(
                request.match_info["connector_id"], request.match_info["event_id"]
            ),
        }
        for path, call in calls.items():
            application.router.add_get(path, functools.partial(_answer, call), allow_head=False)
        application.on_shutdown.append(self._cancel_faults)
        return application

    @web.middleware
    async def _respond(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Remember and count a request, and answer it, with a fault if one is due."""
        now = asyncio.get_running_loop().time()
        self._requests.append(AskedRequest(request.method, request.path, dict(request.query.items())))
        response = await self._real_answer(request, handler, now)
        response.headers["CF-Ray"] = f"{next(self._rays):016x}-SIM"
        response.headers.update(self._quota.headers(now))
        fault = None if self._quota.is_blocking(now) else self._faults.due(request.path, now)
        return response if fault is None else await self._apply_fault(fault, request, response)

    async def _real_answer(self, request: web.Request, handler: _Handler, now: float) -> web.Response:
        """Return the answer of the backend, or a refusal in the same envelope."""
        try:
            self._quota.count_request(now)
            if request.match_info.http_exception is None:
                self._check_request(request)
            self._backend.collect_new_events()
            return cast("web.Response", await handler(request))
        except Refusal as error:
            return _json_response(error.envelope(), error.status)
        except web.HTTPNotFound:
            return _json_response(Refusal(404, 7003, f"Could not route to {request.path}").envelope(), 404)
        except web.HTTPMethodNotAllowed as error:
            refusal = Refusal(405, 10405, "Method not allowed for this endpoint")
            return _json_response(refusal.envelope(), 405, Allow=error.headers["Allow"])

    async def _apply_fault(self, fault: Fault, request: web.Request, response: web.Response) -> web.StreamResponse:
        headers, body = response.headers.copy(), (response.text or "").encode()
        follow = functools.partial(self._list_events, request)
        exchange = Exchange(request, response.status, headers, body, follow, self._cursor_aliases)
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
        self._check_credentials(request.headers)
        if request.match_info["account_id"] != self._settings.account_id:
            raise not_found("account")
        for name in request.query:
            if len(request.query.getall(name)) > 1:
                raise malformed(f"{name}: given more than once")

    def _check_credentials(self, headers: Mapping[str, str]) -> None:
        """Raise 401 without credentials or with a wrong token, 403 with a wrong e-mail address or key."""
        if "Authorization" not in headers and ("X-Auth-Email" in headers or "X-Auth-Key" in headers):
            is_email = _equal(headers.get("X-Auth-Email", ""), self._settings.api_email)
            is_key = _equal(headers.get("X-Auth-Key", ""), self._settings.api_key)
            if not (is_email and is_key):
                raise Refusal(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
        elif not _equal(headers.get("Authorization", ""), f"Bearer {self._settings.api_token}"):
            raise Refusal(401, 10000, "Authentication error")

    def _list_events(self, request: web.Request, cursor: str | None) -> dict[str, Any]:
        query = dict(request.query)
        if cursor is not None:
            query["cursor"] = self._cursor_aliases.get(cursor, cursor)
        return self._backend.list_events(request.match_info["connector_id"], query)


async def _answer(call: Callable[[web.Request], object], request: web.Request) -> web.StreamResponse:
    return _json_response({"result": call(request), "success": True, "errors": [], "messages": []})


def _json_response(document: object, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=json.dumps(document), status=status, headers=headers, content_type="application/json")


def _equal(received: str, expected: str) -> bool:
    return hmac.compare_digest(received.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))

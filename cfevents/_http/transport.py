"""The aiohttp session that is sent with: the client's own or the caller's, made safe for credentials."""

import asyncio
import base64
import logging
import netrc
import os
import warnings
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NoReturn
from urllib.request import getproxies, proxy_bypass

import aiohttp
from attrs import field, frozen
from yarl import URL

from cfevents._http.config import Credentials
from cfevents._protocol.rate_limits import RateLimits, whole_seconds
from cfevents._protocol.requests import Request, is_loopback
from cfevents._protocol.responses import Response
from cfevents._secrets import NonText, Secret, mask
from cfevents._validation import validate_int, validate_seconds
from cfevents._version import __version__
from cfevents.errors import (
    APIConnectionError,
    APITimeoutError,
    CfEventsError,
    ConfigurationError,
    ResponseTooLargeError,
)

_HEADERS = {"user-agent": f"cfevents/{__version__}", "accept": "application/json"}
_OURS = {"authorization", "x-auth-email", "x-auth-key"}


def _client_timeout(timeout: float | aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    if isinstance(timeout, aiohttp.ClientTimeout):
        return timeout
    return aiohttp.ClientTimeout(total=validate_seconds("timeout", timeout))


def _body_size(size: int) -> int:
    return validate_int("max_body_size", size)


def _session(http: aiohttp.ClientSession | None) -> aiohttp.ClientSession | None:
    if http is not None and not isinstance(http, aiohttp.ClientSession):
        raise TypeError(f"session must be an aiohttp.ClientSession, not {type(http).__name__}")
    return http


def _extra_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Spell the caller's headers in lower case, so that they replace ours."""
    if isinstance(headers, NonText):
        raise TypeError(f"extra_headers must be a mapping, not {headers.type_name}")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"extra_headers: name and value of {name!r} must be text")
        if name.lower() in _OURS:
            raise ValueError(f"extra_headers: {name} is a credential; pass api_token=, or api_email= and api_key=")
        if not (name.isascii() and name.isprintable() and name and value.isprintable()):
            raise ValueError(f"extra_headers: name or value of {name!r} has a character that no header can hold")
        checked[name.lower()] = value
    return checked


@frozen(eq=False, repr=False)
class Settings:
    """How requests are sent."""

    http: aiohttp.ClientSession | None = field(converter=_session)
    """The caller's session; None for one of our own."""

    timeout: aiohttp.ClientTimeout = field(converter=_client_timeout)
    """Patience for one attempt."""

    max_body_size: int = field(converter=_body_size)
    """The largest answer that is read, in bytes after decompression."""

    headers: dict[str, str] = field(converter=_extra_headers)
    """The caller's own headers for each request."""


class Transport:
    """An open aiohttp session on one event loop, with what each request through it has in common."""

    def __init__(self, base_url: URL, settings: Settings) -> None:
        """Open it, on the event loop that runs. A session that the caller brings stays the caller's.

        Raises:
            ConfigurationError: The caller's session is closed, on another loop, or has credentials of its own; or the
                proxy that the environment names is not a URL.
        """
        self._settings = settings
        theirs = settings.http
        self._proxy = _proxy_for(base_url) if theirs is None else {}
        common = _HEADERS | settings.headers
        # What our own session sends by itself, each request through theirs has to bring.
        self._headers = {} if theirs is None else common
        self._http = _new_session(common) if theirs is None else _checked(theirs, base_url)

    async def close(self) -> None:
        """Close its connections, unless they are the caller's."""
        if self.is_ours:
            await self._http.close()

    @property
    def is_ours(self) -> bool:
        """Whether it is to be closed here."""
        return self._settings.http is None

    @property
    def is_proxied(self) -> bool:
        """Whether it sends through the proxy that the environment names."""
        return bool(self._proxy)

    def abandon(self) -> None:
        """Close its connections where nobody is left to wait for that. aiohttp has nothing more to complain of."""
        connector, loop = self._http.connector, self._http._loop
        self._http.detach()
        # Its public close() wants to be awaited. tests/http/test_unclosed.py keeps it true that this is its name.
        close = getattr(connector, "_close", None) or getattr(connector, "_close_immediately", None)
        if close is not None:
            # A loop that runs may do so on another thread than the one that collects what was forgotten.
            (loop.call_soon_threadsafe if loop.is_running() else _call)(close)

    def get(self, url: URL, credentials: dict[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Ask for a URL, once."""
        return self._http.get(
            url,
            headers=self._headers | credentials,
            # A redirect would take the X-Auth-* headers to whichever host it names.
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=True,
            timeout=self._settings.timeout,
            **self._proxy,
        )


def _call(function: Callable[[], object]) -> None:
    function()


def _new_session(headers: dict[str, str]) -> aiohttp.ClientSession:
    # Not trust_env: with it, aiohttp reads .netrc too. No cookies: a request says all that it has to say.
    session = aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar())
    # aiohttp would send a request again by itself where a kept-alive connection turns out dead, and the API may have
    # counted it: tests/http/test_budget.py keeps every request in the budget.
    session._retry_connection = False
    return session


def _proxy_for(url: URL) -> dict[str, Any]:
    """Find the proxy that the environment names for a URL, as arguments of a request."""
    host = url.host or ""
    # A proxy elsewhere cannot reach this machine's own addresses, where a local API listens.
    bypassed = is_loopback(host) or proxy_bypass(f"{host}:{url.port}")
    named = None if bypassed else mask(getproxies().get(url.scheme))
    if not named:
        return {}
    if (arguments := _proxy_arguments(named)) is None:
        raise ConfigurationError(f"the proxy that the environment names in {url.scheme}_proxy is not a URL")
    return arguments


def _proxy_arguments(named: Secret) -> dict[str, Any] | None:
    try:
        # Without a scheme, as curl takes it too.
        proxy = URL(named if "://" in named else f"http://{named}")
        plain, password = proxy.with_user(None), proxy.password or ""
    except ValueError:
        return None
    if proxy.user is None:
        return {"proxy": plain}
    # In a header of its own: aiohttp's errors show the proxy's URL.
    pair = base64.b64encode(f"{proxy.user}:{password}".encode()).decode()
    return {"proxy": plain, "proxy_headers": {"Proxy-Authorization": Secret(f"Basic {pair}")}}


def _checked(http: aiohttp.ClientSession, base_url: URL) -> aiohttp.ClientSession:
    if http.closed:
        raise ConfigurationError("the session that was passed is closed")
    if http._loop is not asyncio.get_running_loop():
        raise ConfigurationError("the session that was passed belongs to another event loop")
    if http.auth is not None or any(name in http.headers for name in _OURS):
        raise ConfigurationError(
            "the session that was passed has credentials of its own, in auth= or headers=: make one without"
        )
    if http.trust_env and _netrc_has(base_url.host or ""):
        raise ConfigurationError(
            f"the session that was passed would send what .netrc has for {base_url.host}: make it with proxy= instead "
            "of trust_env=True, or without a session= let the client find the proxy"
        )
    return http


def _netrc_has(host: str) -> bool:
    with suppress(OSError, netrc.NetrcParseError):
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False


_CHUNK = 64 * 1024

_request_log = logging.getLogger("cfevents.requests")


@frozen(eq=False, repr=False)
class Exchange:
    """Sends requests with credentials over a transport; what goes wrong there becomes an error of the family."""

    transport: Transport
    credentials: Credentials
    settings: Settings

    async def send(self, request: Request[Any]) -> Response:
        """Send it once, and read the answer whole."""
        began = asyncio.get_running_loop().time()
        try:
            if self.credentials.asked_for:
                # The token's source may take its time too; the transport's own limits are for the request alone.
                async with asyncio.timeout(self.settings.timeout.total):
                    response = await self._sent(request)
            else:
                response = await self._sent(request)
        except BaseException as error:
            _tell_of(request, began, type(error).__name__)
            _raise_as_ours(error)
        _tell_of(request, began, "%d, %d bytes, CF-Ray %s", response.status, len(response.body), _ray(response))
        return response

    async def _sent(self, request: Request[Any]) -> Response:
        credentials = await self.credentials.headers()
        async with self.transport.get(request.url, credentials) as response:
            headers = response.headers
            return Response(
                status=response.status,
                body=await self._read(response),
                ray_id=headers.get("CF-Ray"),
                retry_after=whole_seconds(headers.get("Retry-After")),
                limits=RateLimits.of(headers.get("Ratelimit-Policy"), headers.get("Ratelimit")),
                request_secrets=(*credentials.values(), *self.settings.headers.values()),
                date=headers.get("Date"),
            )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size, limit = [], 0, self.settings.max_body_size
        async for chunk in response.content.iter_chunked(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise ResponseTooLargeError(
                    f"the answer is larger than max_body_size, {limit} bytes: ask for smaller pages",
                    place="body size",
                    ray_id=response.headers.get("CF-Ray"),
                )
        return b"".join(chunks)


def _tell_of(request: Request[Any], began: float, how: str, *values: object) -> None:
    """Tell those who look for what goes wrong how it went. What an error says is told where it arrives."""
    if _request_log.isEnabledFor(logging.DEBUG):
        took = asyncio.get_running_loop().time() - began
        # A cursor is the server's text: it might repeat a credential.
        url = request.url.without_query_params("cursor")
        _request_log.debug(f"%s %s: {how}, %.3f s", request.method, url.raw_path_qs, *values, took)


def _ray(response: Response) -> str | None:
    ray_id = response.ray_id
    return "(masked)" if ray_id and any(secret in ray_id for secret in response.secrets if secret) else ray_id


def _raise_as_ours(error: BaseException) -> NoReturn:
    """Raise what went wrong there as an error of the family; what is neither is passed on."""
    if isinstance(error, CfEventsError):
        raise error
    _forget_frames(error)
    match error:
        case TimeoutError():
            raise APITimeoutError("no whole answer in the time for one attempt, the client's timeout") from error
        case aiohttp.ClientPayloadError():
            raise APIConnectionError(f"the answer was cut short: {error}") from error
        case aiohttp.ClientError() | OSError():
            raise APIConnectionError(f"the connection failed: {_described(error)}") from error
        case RuntimeError() | ValueError():
            raise ConfigurationError(
                f"the request could not be sent: {error}; was the client or its session closed?"
            ) from error
    raise error


def _forget_frames(error: BaseException | None) -> None:
    """Drop the frames of a foreign error and of what it came from: their variables hold the request as sent."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _described(error: BaseException) -> str:
    # Not the repr: that of a ClientResponseError shows the request's headers.
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


_log = logging.getLogger("cfevents")


def warn_if_unclosed(client: object, account_id: str, transport: Transport) -> "weakref.finalize[..., object]":
    """Tell when a client is gone that was not closed, and close its connections. Call `detach` where it was closed.

    A session of the caller's is the caller's to close, and nothing is told of it.
    """
    return weakref.finalize(client, _tell, account_id, transport)


def _tell(account_id: str, transport: Transport) -> None:
    if not transport.is_ours:
        return
    transport.abandon()
    text = (
        f"a client of account {account_id} was forgotten open: write 'async with Client() as client', or "
        "await client.close() when it is no longer needed"
    )
    # Python shows a ResourceWarning to those who test, and to nobody in a notebook.
    _log.warning("%s", text)
    warnings.warn(text, ResourceWarning, stacklevel=2)

"""One HTTP exchange by aiohttp: session, proxy, size limit, errors, and the warning of an unclosed client."""

import asyncio
import base64
import logging
import netrc
import os
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any, NoReturn, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from attrs import frozen
from yarl import URL

from cfevents._http.config import Credentials
from cfevents._protocol.rate_limits import RateLimits, parse_retry_after
from cfevents._protocol.requests import Request, is_loopback
from cfevents._protocol.responses import Response
from cfevents._secrets import Secret, hide, hide_in, mask, remember, remembered, validate_headers
from cfevents._validation import validate_int, validate_seconds, validate_type
from cfevents._version import __version__
from cfevents.errors import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    CfEventsError,
    ConfigurationError,
    ResponseTooLargeError,
)

_HEADERS = {"user-agent": f"cfevents/{__version__}", "accept": "application/json"}
# How many lines of each count: those of a list mean the same as one line.
_USED_HEADERS = {"Age": 1, "CF-Ray": 1, "Date": 1, "Ratelimit": 8, "Ratelimit-Policy": 8, "Retry-After": 1}
_PUBLIC_HEADERS = {"accept", "accept-encoding", "accept-language", "connection", "content-type", "host", "user-agent"}
_CREDENTIAL_HEADERS = {"authorization", "x-auth-email", "x-auth-key"}
_UNLIMITED = nullcontext()
_MAX_HEADER_BYTES = 65_536  # of one header of a response; aiohttp's own limit is 8,190

_log = logging.getLogger("cfevents")
_request_log = logging.getLogger("cfevents.requests")


@frozen(eq=False, repr=False)
class TransportOptions:
    """The arguments of a client that concern sending."""

    session: aiohttp.ClientSession | None  # the caller's, or None for our own
    timeout: aiohttp.ClientTimeout  # of one attempt
    max_body_size: int  # in bytes after decompression
    headers: Mapping[str, str]  # the caller's

    @classmethod
    def of(
        cls,
        session: aiohttp.ClientSession | None,
        timeout: float | aiohttp.ClientTimeout,
        max_body_size: int,
        headers: Mapping[str, str],
    ) -> Self:
        """Validate the arguments."""
        if session is not None:
            validate_type("session", session, aiohttp.ClientSession)
        if not isinstance(timeout, aiohttp.ClientTimeout):
            timeout = aiohttp.ClientTimeout(total=validate_seconds("timeout", timeout))
        valid = validate_headers("extra_headers", headers)  # in lower case, so that they replace ours
        if credentials := valid.keys() & _CREDENTIAL_HEADERS:
            name = min(credentials)
            raise ValueError(f"extra_headers: {name} is a credential; pass api_token=, or api_email= and api_key=")
        return cls(session, timeout, validate_int("max_body_size", max_body_size), valid)


class Transport:
    """An aiohttp session on one event loop, which sends each request once, with credentials."""

    def __init__(self, base_url: URL, credentials: Credentials, options: TransportOptions) -> None:
        """Open a session on the running event loop, unless the caller brought one. It must be open here too."""
        self.credentials = credentials
        self._options = options
        self._is_ours = options.session is None
        headers = {**_HEADERS, **options.headers}
        if options.session is None:
            self._proxy, self._headers = proxy_arguments(base_url), dict[str, str]()
            # Not trust_env: with it, aiohttp reads .netrc too. No cookies: a request is complete by itself.
            # No limit of connections: the budget limits requests, and silent connectors should delay no other.
            connector, cookies = aiohttp.TCPConnector(limit=0), aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, headers=headers, cookie_jar=cookies)
            # aiohttp would repeat a request by itself when a kept-alive connection turns out dead, and the API may
            # have counted it: tests/http/test_budget.py keeps every request in the budget.
            self._session._retry_connection = False
            self._session_secrets = tuple(self._proxy.get("proxy_headers", {}).values())
        else:
            # Our own session sends the headers by itself; with the caller's each request has to bring them.
            self._proxy, self._headers = {}, headers
            self._session = _validate_open_session(options.session, base_url)
            self._session_secrets = tuple(_secrets_of_session(options.session))
        self.max_connections = self._session.connector.limit if self._session.connector else 0
        """The most connections that are open at a time; 0 where there is no limit."""

    async def close(self) -> None:
        """Close the session, unless it is the caller's."""
        if self._is_ours:
            await self._session.close()

    @property
    def is_proxied(self) -> bool:
        """True where requests go through the proxy that the environment names."""
        return bool(self._proxy)

    async def has_new_token(self, replacements: int) -> bool:
        """Return whether the token was replaced since there were so many replacements."""
        with suppress(ConfigurationError, TimeoutError):
            async with asyncio.timeout(self._options.timeout.total):
                await self.credentials.headers()
        return self.credentials.replacements > replacements

    async def send(self, request: Request[Any]) -> Response:
        """Send a request once, and read the response whole. Nothing of aiohttp's is raised."""
        began = asyncio.get_running_loop().time()
        try:
            # The caller's function may take long; aiohttp's timeout is for the request alone.
            is_limited = self.credentials.source is not None
            async with asyncio.timeout(self._options.timeout.total) if is_limited else _UNLIMITED:
                response = await self._send(request)
        except CfEventsError as error:
            _log_request(request, began, error)
            # Its frames hold the response, whose repr shows all headers.
            raise error.with_traceback(None) from error.__cause__
        except BaseException as error:
            _log_request(request, began, error)
            _raise_translated(error)
        _log_request(request, began, response)
        return response

    async def _send(self, request: Request[Any]) -> Response:
        credentials = await self.credentials.headers()
        sent = *self._session_secrets, *self._options.headers.values(), *credentials.values()
        with remembered(sent):
            async with self._session.get(
                request.url,
                headers=self._headers | credentials,
                # A redirect would carry the X-Auth-* headers to whichever host it names.
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=True,
                timeout=self._options.timeout,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
                **self._proxy,
            ) as answer:
                response = _without_body(answer)
                try:
                    response.body = await _read_body(answer, self._options.max_body_size)
                except Exception as error:
                    _raise_translated(error, response.ray_id)
                return response

    def warn_if_unclosed(self, client: object, account_id: str) -> "weakref.finalize[..., object]":
        """Warn, and close a session of our own, when a client is garbage-collected before ``detach`` is called."""
        return weakref.finalize(client, _warn_unclosed, account_id, self._session if self._is_ours else None)


def _without_body(answer: aiohttp.ClientResponse) -> Response:
    received = answer.headers
    headers = {
        name: ", ".join(received.getall(name)[:count]) for name, count in _USED_HEADERS.items() if name in received
    }
    # All at once first: hardly any response repeats a secret.
    if hide(text := "\n".join(headers.values())) != text:
        headers = {name: hide(value) for name, value in headers.items()}
    # A cache repeats the Date of an earlier time.
    date = headers.get("Date") if headers.get("Age", "0") == "0" else None
    return Response(
        status=answer.status,
        body=b"",
        ray_id=headers.get("CF-Ray"),
        retry_after=parse_retry_after(headers.get("Retry-After"), date),
        limits=RateLimits.of(headers.get("Ratelimit-Policy"), headers.get("Ratelimit")),
        date=date,
    )


async def _read_body(answer: aiohttp.ClientResponse, max_size: int) -> bytes:
    chunks, size = [], 0
    if answer.content.at_eof():
        # A middleware of the caller's session has read it, and aiohttp kept it; or there is no body.
        chunks.append(body := await answer.read())
        size = len(body)
    async for chunk in answer.content.iter_chunked(64 * 1024):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_size:
            break
    if size > max_size:
        message = f"the response is larger than max_body_size, {max_size} bytes: ask for smaller pages"
        raise ResponseTooLargeError(message, place="body size")
    return b"".join(chunks)


def _validate_open_session(session: aiohttp.ClientSession, base_url: URL) -> aiohttp.ClientSession:
    if session.closed:
        raise ConfigurationError("the session that was passed is closed")
    if session._loop is not asyncio.get_running_loop():
        raise ConfigurationError("the session that was passed belongs to another event loop")
    if session.auth is not None or any(name in session.headers for name in _CREDENTIAL_HEADERS):
        raise ConfigurationError(
            "the session that was passed has credentials of its own, in auth= or headers=: make one without"
        )
    if session.trust_env and _netrc_has(base_url.host or ""):
        raise ConfigurationError(
            f"the session that was passed would send what .netrc has for {base_url.host}: make it with proxy= instead "
            "of trust_env=True, or leave session= out and let the client find the proxy"
        )
    return session


def _secrets_of_session(session: aiohttp.ClientSession) -> Iterator[str]:
    """Yield what a caller's session sends with each request, as far as it may be secret."""
    yield from _secrets_in(session.headers)
    proxy, auth = URL(session._default_proxy or ""), session._default_proxy_auth
    if proxy.user is not None:
        yield _basic(proxy.user, proxy.password or "")
    if auth is not None:
        yield _basic(auth.login, auth.password)


def _secrets_in(headers: Mapping[str, str]) -> Iterator[str]:
    return (Secret(value) for name, value in headers.items() if name.lower() not in _PUBLIC_HEADERS)


def _basic(user: str, password: str) -> Secret:
    return Secret(f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")


def _netrc_has(host: str) -> bool:
    with suppress(OSError, netrc.NetrcParseError):
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    return False


def proxy_arguments(base_url: URL) -> dict[str, Any]:
    """Return the proxy that the environment names for a URL, as arguments of an aiohttp request."""
    host = base_url.host or ""
    # A proxy elsewhere cannot reach this machine's own addresses, where a local API listens.
    if is_loopback(host) or proxy_bypass(f"{host}:{base_url.port}"):
        return {}
    proxies = getproxies()
    name = base_url.scheme if base_url.scheme in proxies else "all"
    if not (proxy := mask(proxies.get(name))):
        return {}
    # A traceback shows variables, and a proxy's URL may hold a password.
    del proxies
    if (arguments := _split_proxy(proxy)) is None:
        raise ConfigurationError(f"the proxy that the environment names in {name}_proxy is not a URL")
    if (scheme := arguments["proxy"].scheme) not in {"http", "https"}:
        raise ConfigurationError(
            f"the proxy that the environment names in {name}_proxy is a {scheme} proxy, and only http and https work: "
            f"unset {name.upper()}_PROXY, or name one of those; from Python, install aiohttp-socks, and pass a session="
            " with its ProxyConnector"
        )
    return arguments


def _split_proxy(text: Secret) -> dict[str, Any] | None:
    try:
        # curl accepts one without a scheme too.
        proxy = URL(text if "://" in text else f"http://{text}")
        plain, password = proxy.with_user(None), proxy.password or ""
    except ValueError:
        return None
    if proxy.user is None:
        return {"proxy": plain}
    # In a header of its own: aiohttp's errors show the proxy's URL.
    return {"proxy": plain, "proxy_headers": {"Proxy-Authorization": _basic(proxy.user, password)}}


def _log_request(request: Request[Any], began: float, outcome: Response | BaseException) -> None:
    """Log a request at DEBUG. Errors are not logged here; the caller gets them."""
    if not _request_log.isEnabledFor(logging.DEBUG):
        return
    seconds = asyncio.get_running_loop().time() - began
    url = request.url.without_query_params("cursor")
    if isinstance(outcome, Response):
        what = f"{outcome.status}, {len(outcome.body)} bytes, CF-Ray {outcome.ray_id}"
    else:
        what = type(outcome).__name__
    _request_log.debug("%s %s: %s, %.3f s", request.method, url.raw_path_qs, what, seconds)


def _raise_translated(error: BaseException, ray_id: str | None = None) -> NoReturn:
    """Raise aiohttp's errors as ours, with the CF-Ray of a response that began; raise anything else as it is."""
    if isinstance(error, aiohttp.ClientResponseError):
        _forget_request(error)
        if _is_caused_by(error, LineTooLong):
            _raise_too_long(error)
    # Not the repr: that of a ClientResponseError shows the request's headers.
    text = str(hide_in(error))
    match error:
        case APIError():
            error.ray_id = ray_id
        case TimeoutError():
            message = "no whole response within the client's timeout for one attempt"
            raise APITimeoutError(message, ray_id=ray_id) from error
        case aiohttp.ClientPayloadError():
            raise APIConnectionError(f"the response was cut short: {text}", ray_id=ray_id) from error
        case aiohttp.ClientResponseError():
            # Not its own text, which has the URL, and so the cursor.
            message = f"the connection failed: {type(error).__name__}: {error.status}, {error.message}"
            raise APIConnectionError(message, ray_id=ray_id) from error
        case aiohttp.ClientError() | OSError():
            message = f"the connection failed: {type(error).__name__}{text and ': '}{text}"
            raise APIConnectionError(message, ray_id=ray_id) from error
        case RuntimeError() | ValueError():
            message = f"the request could not be sent: {text}; was the client or its session closed?"
            raise ConfigurationError(message) from error
    raise error


def _raise_too_long(error: aiohttp.ClientResponseError) -> NoReturn:
    # Its texts have the beginning of the header, and a part of a secret is one too.
    error.message = ""
    error.__cause__ = error.__context__ = None
    hide_in(error)
    message = f"a header or the first line of the response is longer than {_MAX_HEADER_BYTES:,} bytes"
    raise APIResponseError(message, place="headers") from None


def _is_caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    return error is not None and (isinstance(error, kind) or _is_caused_by(error.__cause__, kind))


def _forget_request(error: aiohttp.ClientResponseError) -> None:
    """Drop the request's headers from an error, and the password of a proxy's URL."""
    info = error.request_info
    remember(_secrets_in(info.headers))
    headers = info.headers.copy()
    headers.clear()
    urls = URL(hide(str(info.url))), URL(hide(str(info.real_url)))
    error.request_info = aiohttp.RequestInfo(urls[0], info.method, type(info.headers)(headers), urls[1])
    error.args = (error.request_info, error.history)


def _warn_unclosed(account_id: str, session: aiohttp.ClientSession | None) -> None:
    if session is None:
        return
    connector, loop = session.connector, session._loop
    session.detach()  # aiohttp then does not warn
    # Its public close() must be awaited. tests/http/test_unclosed.py keeps it true that this is its name.
    close = getattr(connector, "_close", None) or getattr(connector, "_close_immediately", None)
    if close and loop.is_running():  # possibly on another thread than the one that collects the client
        loop.call_soon_threadsafe(close)
    elif close:
        close()
    text = (
        f"a client of account {account_id} was forgotten open: write 'async with Client() as client', or "
        "await client.close() when it is no longer needed"
    )
    # Python shows a ResourceWarning to those who test, and to nobody in a notebook.
    _log.warning("%s", text)
    warnings.warn(text, ResourceWarning, stacklevel=2)

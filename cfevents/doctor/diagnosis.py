"""Diagnoses of failed requests: what is wrong, by category, and what to do next."""

from typing import Literal, TypeAlias

import aiohttp
from attrs import frozen

from cfevents.errors import (
    APIConnectionError,
    APIError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    CfEventsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

Category: TypeAlias = Literal[
    "name", "proxy", "tls", "connection", "timeout", "page", "redirect", "server", "answer", "credentials",
    "permission", "not found", "blocked", "refused",
]  # fmt: skip
"""What the trouble is with. ``page``: a web page, or nothing at all, came in place of the API's JSON."""

_BY_ERROR: tuple[tuple[type[CfEventsError], Category], ...] = (
    (APITimeoutError, "timeout"),
    (APIConnectionError, "connection"),
    (RateLimitError, "blocked"),
    (AuthenticationError, "credentials"),
    (PermissionDeniedError, "permission"),
    (NotFoundError, "not found"),
    (APIStatusError, "refused"),
)
_TEXTS: dict[Category, tuple[str, str]] = {
    "name": ("the name of the API's host is not resolved", "check the DNS of this machine, and CLOUDFLARE_BASE_URL"),
    "proxy": (
        "the proxy refuses the request",
        "check the proxy that HTTPS_PROXY names, its user and password too; NO_PROXY names hosts to reach without it",
    ),
    "tls": (
        "TLS fails, so nothing was sent",
        "where a proxy inspects TLS, let SSL_CERT_FILE name a file with its CA; check this machine's clock, too",
    ),
    "connection": ("no connection", "check the network, a firewall, and CLOUDFLARE_BASE_URL if it is set"),
    "timeout": (
        "no response in time",
        "check the network; where it needs a proxy, name it in HTTPS_PROXY",
    ),
    "page": (
        "what answered is not the API",
        "a proxy or a login page stands in between, or CLOUDFLARE_BASE_URL is wrong: open the URL in a browser",
    ),
    "redirect": (
        "the response is a redirect, which is not followed",
        "a login page stands in between, or CLOUDFLARE_BASE_URL is wrong",
    ),
    "server": ("the API, or what stands in front of it, failed", "try again in some minutes; www.cloudflarestatus.com"),
    "answer": ("the response is not of the documented shape", "report it, with the output of --json"),
    "credentials": ("the credentials are not accepted", "make a new API token, and set CLOUDFLARE_API_TOKEN"),
    "permission": (
        "the permission is missing, or the credentials are not accepted",
        "give the token the permission 'Magic WAN Read' on the account; check email and key where they are used",
    ),
    "not found": (
        "the account, the connector or the event does not exist",
        "check CLOUDFLARE_ACCOUNT_ID, and the connector's id",
    ),
    "blocked": (
        "the request quota is used up, and the API refuses every request for a while",
        "wait, and find out what else uses these credentials",
    ),
    "refused": ("the API refuses the request", "check CLOUDFLARE_ACCOUNT_ID; report it, with the output of --json"),
}  # fmt: skip


@frozen
class Diagnosis:
    """Why a request failed."""

    category: Category
    summary: str
    advice: str


def diagnose(error: CfEventsError, body: bytes | None = None, *, proxied: bool = False) -> Diagnosis:
    """Return why a request failed, and what to do.

    Args:
        error: The error that was raised.
        body: The response's body, if one came.
        proxied: The request went through a proxy.
    """
    category = _category(error, body)
    if category == "name" and proxied:
        # The proxy resolves the API's name.
        category = "proxy"
    summary, advice = _TEXTS[category]
    if isinstance(error, RateLimitError) and error.retry_after:
        summary, advice = f"{summary}, for {error.retry_after} s from now", f"{advice}; then run it again"
    ray = f" (CF-Ray {error.ray_id})" if isinstance(error, APIError) and error.ray_id else ""
    # The bare message: the error's text has the path, and with it the account.
    message = str(error.args[0]).removeprefix("the connection failed: ")
    return Diagnosis(category, f"{summary}: {message}{ray}", advice)


def _category(error: CfEventsError, body: bytes | None) -> Category:
    if isinstance(error, APIStatusError) and 300 <= error.status < 400:
        return "redirect"
    if isinstance(error, APIStatusError | APIResponseError) and _is_web_page(error, body):
        return "page"
    if isinstance(error, APIStatusError) and error.status >= 500:
        return "server"
    if isinstance(error, APIResponseError):
        return "answer"
    for cls, category in _BY_ERROR:
        if isinstance(error, cls):
            return _connection_category(error) if category == "connection" else category
    return "refused"


def _is_web_page(error: APIStatusError | APIResponseError, body: bytes | None) -> bool:
    """Return True where HTML came, or nothing, with a status with which the API itself sends JSON."""
    is_html = body is not None and body.lstrip()[:1] in {b"<", b""}
    sends_json = isinstance(error, APIResponseError) or error.status < 500
    return sends_json and is_html and not isinstance(error, RateLimitError)


def _connection_category(error: BaseException) -> Category:
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case aiohttp.ClientConnectorDNSError():
                return "name"
            case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
                return "proxy"
            case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
                return "tls"
        cause = cause.__cause__
    return "connection"

"""What was the matter with a request that failed, by its name, and what to do next."""

from collections.abc import Iterator
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

Sort: TypeAlias = Literal[
    "name", "proxy", "tls", "connection", "timeout", "page", "redirect", "server", "answer", "credentials",
    "permission", "not found", "blocked", "refused",
]  # fmt: skip
"""What the trouble is with; ``page`` is a web page, or nothing at all, where the API's JSON should have been."""

_BY_ERROR: tuple[tuple[type[CfEventsError], Sort], ...] = (
    (APITimeoutError, "timeout"),
    (APIConnectionError, "connection"),
    (RateLimitError, "blocked"),
    (AuthenticationError, "credentials"),
    (PermissionDeniedError, "permission"),
    (NotFoundError, "not found"),
    (APIStatusError, "refused"),
)
_NAMED: dict[Sort, tuple[str, str]] = {
    "name": ("the name of the API's host is not resolved", "check the DNS of this machine, and CLOUDFLARE_BASE_URL"),
    "proxy": (
        "the proxy does not let it through",
        "check the proxy that HTTPS_PROXY names, its user and password too; NO_PROXY names hosts to reach without it",
    ),
    "tls": (
        "TLS fails, so nothing was sent",
        "where a proxy inspects TLS, let SSL_CERT_FILE name a file with its CA; check this machine's clock, too",
    ),
    "connection": ("no connection", "check the network, a firewall, and CLOUDFLARE_BASE_URL if it is set"),
    "timeout": (
        "no answer in time",
        "check the network; where it needs a proxy, name it in HTTPS_PROXY",
    ),
    "page": (
        "what answered is not the API",
        "a proxy or a login page stands in between, or CLOUDFLARE_BASE_URL is wrong: open the URL in a browser",
    ),
    "redirect": (
        "the answer sends elsewhere, which is not followed",
        "a login page stands in between, or CLOUDFLARE_BASE_URL is wrong",
    ),
    "server": ("the API, or what stands in front of it, failed", "try again in some minutes; www.cloudflarestatus.com"),
    "answer": ("the answer is not of the documented shape", "report it, with the output of --json"),
    "credentials": ("the credentials are not accepted", "make a new API token, and set CLOUDFLARE_API_TOKEN"),
    "permission": (
        "the permission is missing, or the credentials are not accepted",
        "give the token the permission 'Magic WAN Read' on the account; check email and key where they are used",
    ),
    "not found": ("there is no such thing", "check CLOUDFLARE_ACCOUNT_ID, and the connector's id"),
    "blocked": (
        "the API refuses every request for a while, since its quota is used up",
        "wait, and find out what else uses these credentials",
    ),
    "refused": ("the API refuses the request", "check CLOUDFLARE_ACCOUNT_ID; report it, with the output of --json"),
}  # fmt: skip


@frozen
class Diagnosis:
    """Why a request failed."""

    sort: Sort
    found: str
    advice: str


def diagnose(error: CfEventsError, body: bytes | None = None, *, proxied: bool = False) -> Diagnosis:
    """Name the trouble behind an error.

    Args:
        error: What was raised.
        body: The answer that it is about, if one came.
        proxied: Whether a proxy was asked to pass it on.
    """
    sort = _sort(error, body)
    if sort == "name" and proxied:
        # The API's name is for the proxy to resolve.
        sort = "proxy"
    found, advice = _NAMED[sort]
    if isinstance(error, RateLimitError) and error.retry_after:
        found, advice = f"{found}, for {error.retry_after} s from now", f"{advice}; then run it again"
    ray = f" (CF-Ray {error.ray_id})" if isinstance(error, APIError) and error.ray_id else ""
    # Without the path, which has the account in it.
    told = str(error.args[0]).removeprefix("the connection failed: ")
    return Diagnosis(sort, f"{found}: {told}{ray}", advice)


def _sort(error: CfEventsError, body: bytes | None) -> Sort:
    if isinstance(error, APIStatusError) and 300 <= error.status < 400:
        return "redirect"
    if isinstance(error, APIStatusError | APIResponseError) and _is_a_page(error, body):
        return "page"
    if isinstance(error, APIStatusError) and error.status >= 500:
        return "server"
    if isinstance(error, APIResponseError):
        return "answer"
    for cls, sort in _BY_ERROR:
        if isinstance(error, cls):
            return _sort_of_connection(error) if sort == "connection" else sort
    return "refused"


def _is_a_page(error: APIStatusError | APIResponseError, body: bytes | None) -> bool:
    """Whether HTML came, or nothing, with a status by which the API itself would have sent JSON."""
    told = isinstance(error, APIResponseError) or error.status < 500
    is_html = body is not None and body.lstrip()[:1] in {b"<", b""}
    return told and is_html and not isinstance(error, RateLimitError)


def _sort_of_connection(error: BaseException) -> Sort:
    for cause in _causes(error):
        match cause:
            case aiohttp.ClientConnectorDNSError():
                return "name"
            case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
                return "proxy"
            case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
                return "tls"
    return "connection"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

"""Diagnoses of failed requests: what is wrong, by category, and what to do next."""

from typing import Literal, TypeAlias

import aiohttp

from cfevents import errors
from cfevents._protocol.responses import refuses_credentials
from cfevents.doctor.findings import Answer

Category: TypeAlias = Literal[
    "name", "proxy", "tls", "connection", "timeout", "page", "redirect", "server", "edge", "path", "answer",
    "credentials", "permission", "not found", "blocked", "refused",
]  # fmt: skip
"""What the trouble is with.

``page``: a web page, or nothing at all, came in place of the API's JSON. ``edge``: the edge in front of the API
refuses, with a code of its own. ``path``: the API knows no such path.
"""

_UNKNOWN_PATH_CODE = 7003

# By the error's class, or by that of a cause; any other error is trouble with the connection.
_BY_ERROR: tuple[tuple[type[BaseException], Category], ...] = (
    (errors.APITimeoutError, "timeout"),
    (errors.RateLimitError, "blocked"),
    (errors.InternalServerError, "server"),
    (errors.AuthenticationError, "credentials"),
    (errors.PermissionDeniedError, "permission"),
    (errors.NotFoundError, "not found"),
    (errors.APIStatusError, "refused"),
    (errors.APIResponseError, "answer"),
    (aiohttp.ClientConnectorDNSError, "name"),
    (aiohttp.ClientHttpProxyError, "proxy"),
    (aiohttp.ClientProxyConnectionError, "proxy"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ServerFingerprintMismatch, "tls"),
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
    "timeout": ("no response in time", "check the network; where it needs a proxy, name it in HTTPS_PROXY"),
    "page": (
        "what answered is not the API",
        "a proxy or a login page stands in between, or CLOUDFLARE_BASE_URL is wrong: open the URL in a browser",
    ),
    "redirect": (
        "the response is a redirect, which is not followed",
        "a login page stands in between, or CLOUDFLARE_BASE_URL is wrong",
    ),
    "server": ("the API, or what stands in front of it, failed", "try again in some minutes; www.cloudflarestatus.com"),
    "edge": (
        "the edge in front of the API refuses the request, before the API sees it",
        "it is no lack of permission: try from another network, and give the CF-Ray to the vendor's support",
    ),
    "path": (
        "the API knows no such path",
        "check CLOUDFLARE_BASE_URL, which ends with /client/v4 if it is set, and then CLOUDFLARE_ACCOUNT_ID",
    ),
    "answer": ("the response is not of the documented shape", "report it, with the output of --json"),
    "credentials": (
        "the credentials are not accepted",
        "make a new API token, and set CLOUDFLARE_API_TOKEN; or check email and key",
    ),
    "permission": (
        "the permission is missing, or the credentials are not accepted",
        "check that the token exists, and has the permission 'Magic WAN Read' on the account; or check email and key",
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


def diagnose(error: errors.CfEventsError, body: bytes | None, *, proxied: bool) -> Answer:
    """Return why a request failed, and what to do; `body` is that of the last response, if one came."""
    category = _category(error, body)
    if category == "name" and proxied:
        # The proxy resolves the API's name.
        category = "proxy"
    summary, advice = _TEXTS[category]
    if isinstance(error, errors.RateLimitError) and error.resume_after:
        summary, advice = f"{summary}, for {error.resume_after} s from now", f"{advice}; then run it again"
    ray = f" (CF-Ray {error.ray_id})" if isinstance(error, errors.APIError) and error.ray_id else ""
    # The bare message: the error's text has the path, and with it the account.
    message = str(error.args[0]).removeprefix("the connection failed: ")
    return Answer("failed", f"{summary}: {message}{ray}", advice, trouble=category)


def _category(error: errors.CfEventsError, body: bytes | None) -> Category:
    if isinstance(error, errors.APIStatusError) and (category := _refusal_category(error)) is not None:
        return category
    # What stands in front of the API responds with pages of its own, which need no name.
    if isinstance(error, errors.APIResponseError) and body is not None and body.lstrip()[:1] in {b"<", b""}:
        return "page"
    cause: BaseException | None = error
    while cause is not None:
        for cls, category in _BY_ERROR:
            if isinstance(cause, cls):
                return category
        cause = cause.__cause__
    return "connection"


def _refusal_category(error: errors.APIStatusError) -> Category | None:
    """Return the category of a refusal that its class does not tell."""
    codes = {message.code for message in error.errors}
    if 300 <= error.status < 400:
        return "redirect"
    if isinstance(error, errors.RateLimitError | errors.InternalServerError):
        return None
    if error.from_edge:
        return "edge" if codes else "page"
    if _UNKNOWN_PATH_CODE in codes:
        return "path"
    return "credentials" if error.status == 400 and refuses_credentials(error) else None

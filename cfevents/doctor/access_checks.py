"""The checks of the way to the API, from the settings to the budget, and the diagnoses of requests that fail on it."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Literal, TypeAlias

import aiohttp

from cfevents import errors
from cfevents._protocol.rate_limits import RateLimits
from cfevents._protocol.responses import refuses_credentials
from cfevents._secrets import environment
from cfevents._time import parse_http_date
from cfevents.doctor.findings import Answer, Check, CheckSpec, DoctorReport, Findings, TimedResponse, Verdict

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


_TOKEN, _EMAIL, _KEY = "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"
_VARIABLES = (_TOKEN, f"{_TOKEN}_FILE", _EMAIL, _KEY, "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_BASE_URL")
# Beyond that, a window that ends now ends noticeably elsewhere.
_WARN_CLOCK_S = 5
# The least part of a quota that is left without a warning.
_WARN_QUOTA_FRACTION = 0.1

FIRST_CHECKS: Mapping[Category, str] = {
    "credentials": "credentials",
    "permission": "permission",
    "not found": "account",
    "refused": "account",
    "blocked": "budget",
}
"""The check at which the first request failed. Every other category is trouble with the connection."""


def misconfigured(error: errors.ConfigurationError) -> DoctorReport:
    """Return the report for settings that no client can be made of."""
    values = _variables_set()
    advice = "set what is missing or wrong, and run it again; to try it without an account, add --simulate"
    account_id = environment("CLOUDFLARE_ACCOUNT_ID")
    check = Check("variables", "failed", f"{error}; {_names_set(values)}", advice, values)
    return DoctorReport((check,), hidden={account_id: "<account>"} if account_id else {})


def _check_variables(findings: Findings) -> Answer:
    if findings.settings is not None:
        return Answer("ok", f"not used: {findings.settings}")
    values = _variables_set()
    given = "" if any(values.values()) else "; the client has its settings from its arguments"
    both = values[_TOKEN] and values[_EMAIL] and values[_KEY]
    unused = f"; {_TOKEN} is used, and not {_KEY}" if both else ""
    return Answer("ok", _names_set(values) + given + unused, **values)


def _variables_set() -> dict[str, bool]:
    return {name: environment(name) is not None for name in _VARIABLES}


def _names_set(values: dict[str, bool]) -> str:
    names = [name for name, is_set in values.items() if is_set]
    return f"the environment has {', '.join(names)}" if names else "none is set"


def _check_connection(findings: Findings) -> Answer | None:
    if not findings.responses:
        return None
    proxied = ", through the proxy that the environment names" if findings.proxied else ""
    return Answer("ok", f"{findings.host} answers{proxied}, after {findings.responses[0].seconds * 1000:,.0f} ms")


def _check_first_request(passed: str, findings: Findings) -> Answer | None:
    return None if findings.connectors is None else Answer("ok", passed)


def _check_connectors(findings: Findings) -> Answer | None:
    if findings.connectors is None:
        return None
    ids, examined = [connector.id for connector in findings.connectors], findings.connector_id
    if examined and examined not in ids:
        verdict: Verdict = "failed" if "listing" in findings.failures else "warning"
        found = f"{examined} is none of the {len(ids)} of the account"
        return Answer(verdict, found, "'cfevents connectors' lists those of the account", seen=len(ids))
    if not ids:
        advice = "check that CLOUDFLARE_ACCOUNT_ID is the account with the connectors"
        return Answer("warning", "the account has none: nothing else can be checked", advice, seen=0)
    return Answer("ok", f"{len(ids)} seen" + (f"; {examined} was examined" if examined else ""), seen=len(ids))


def clock_offset(responses: Iterable[TimedResponse]) -> float | None:
    """Return how far this machine's clock is ahead of the server's, at least, in seconds; None without a Date.

    A Date is in whole seconds, and was written between sending and receiving. So each response bounds the offset from
    both sides. The result is the offset nearest to 0 that is within the bounds of all responses.
    """
    lowest, highest = float("-inf"), float("inf")
    for timed in responses:
        date = parse_http_date(timed.response.date)
        if date is not None:
            lowest, highest = max(lowest, timed.sent_at - date - 1), min(highest, timed.received_at - date)
    return None if lowest == float("-inf") else max(min(0.0, highest), lowest)


def check_clock(findings: Findings) -> Answer:
    """Compare this machine's clock with the server's."""
    offset = clock_offset(findings.responses)
    if offset is None:
        return Answer("unknown", "no response has a Date header that can be read")
    if abs(offset) < _WARN_CLOCK_S:
        return Answer("ok", f"within {_WARN_CLOCK_S} s of the server's", ahead_seconds=round(offset, 1))
    found = f"{abs(offset):,.0f} s {'ahead of' if offset > 0 else 'behind'} the server's"
    advice = "set this machine's clock, by NTP: 'now' and '24h' ago are read from it"
    return Answer("warning", found, advice, ahead_seconds=round(offset, 1))


def _check_listing(findings: Findings) -> Answer | None:
    if (wide := findings.wide) is None:
        return None
    pages = "page" if len(wide.pages) == 1 else f"{len(wide.pages)} pages"
    return Answer("ok", f"{len(wide.items):,} events on the first {pages} of 30 days")


def _check_event(findings: Findings) -> Answer | None:
    wanted, got = findings.wanted, findings.got
    if wanted is None or got is None:
        return None
    if (got.id, got.kind) != (wanted.id, wanted.kind):
        found = f"requested {wanted.id}, {wanted.kind}, and received {got.id}, {got.kind}"
        return Answer("failed", found, "report it, with the output of --json", trouble="answer")
    return Answer("ok", "a listed event is found by its id, with its payload")


def _check_latest(findings: Findings) -> Answer | None:
    return None if findings.latest is None else Answer("ok", f"{len(findings.latest)} events")


def _check_budget(findings: Findings) -> Answer:
    """Compare what is left of the quota with what the client would send."""
    for failure in findings.failures.values():
        if failure.values["trouble"] == "blocked":
            return Answer("failed", failure.found, failure.advice, left=0, policies={}, remainders={})
    if not findings.responses or findings.usage is None:
        return Answer("unknown", "no response came", policies={}, remainders={})
    limits, left = findings.responses[-1].response.limits, findings.usage.left
    values = {
        "left": left,
        "policies": {name: policy._asdict() for name, policy in limits.policies.items()},
        "remainders": {name: remainder._asdict() for name, remainder in limits.remainders.items()},
    }
    if not limits.remainders:
        found = f"no Ratelimit header says what is left; cfevents would send {left:,} now"
        return Answer("warning", found, "leave room for what else uses these credentials: Budget(share=...)", **values)
    found = f"{', '.join(_remainder(limits, name) for name in limits.remainders)}; cfevents would send {left:,} now"
    if left < max(1, _WARN_QUOTA_FRACTION * min((policy.requests for policy in limits.policies.values()), default=0)):
        advice = "find out what else uses these credentials, or wait until the window ends"
        return Answer("warning", found, advice, **values)
    return Answer("ok", found, **values)


def _remainder(limits: RateLimits, name: str) -> str:
    remainder, policy = limits.remainders[name], limits.policies.get(name)
    quota = f" of {policy.requests:,} in {policy.period} s" if policy else ""
    reset = "" if remainder.resets_in is None else f", reset in {remainder.resets_in} s"
    return f"{remainder.requests:,} requests{quota} are left{reset}"


ACCESS_CHECKS = (
    CheckSpec("variables", _check_variables),
    CheckSpec("connection", _check_connection, step="connection"),
    CheckSpec("credentials", partial(_check_first_request, "accepted"), step="credentials"),
    CheckSpec("permission", partial(_check_first_request, "the account's connectors can be read"), step="permission"),
    CheckSpec("account", partial(_check_first_request, "the account exists"), step="account"),
    CheckSpec("connectors", _check_connectors, ("seen",)),
    CheckSpec("clock", check_clock, ("ahead_seconds",)),
    CheckSpec("listing", _check_listing, step="listing"),
    CheckSpec("event", _check_event, step="event"),
    CheckSpec("latest", _check_latest, step="latest"),
    *(CheckSpec("measuring", None, step=step) for step in ("windows", "pages", "default")),
    CheckSpec("budget", _check_budget, ("left", "policies", "remainders")),
)

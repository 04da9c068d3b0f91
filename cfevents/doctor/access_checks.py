"""The checks of the way to the API: settings, connection, permissions, calls, clock and budget."""

from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial

from cfevents._protocol.rate_limits import RateLimits
from cfevents._secrets import environment
from cfevents.doctor.diagnosis import Category, diagnose
from cfevents.doctor.findings import Answer, Check, CheckSpec, DoctorReport, Findings, TimedResponse, Verdict
from cfevents.errors import ConfigurationError, RateLimitError

_VARIABLES = (
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_ACCOUNT_ID",
    "CLOUDFLARE_BASE_URL",
)
_TOKEN, _EMAIL, _KEY = _VARIABLES[:3]
# The stage at which a request was stopped; every other category is trouble with the connection.
_STAGES: Mapping[Category, str] = {
    "credentials": "credentials",
    "permission": "permission",
    "not found": "account",
    "refused": "account",
    "blocked": "budget",
}
# Beyond that, a window that ends now ends noticeably elsewhere.
_WARN_CLOCK_S = 5
# The least part of a quota that is left without a warning.
_WARN_QUOTA_FRACTION = 0.1


def misconfigured(error: ConfigurationError) -> DoctorReport:
    """Return the report for an account without a client."""
    values = _variables_set()
    advice = "set what is missing or wrong, and run it again; to try it without an account, add --simulate"
    return DoctorReport((Check("variables", "failed", f"{error}; {_names_set(values)}", advice, values),))


def check_variables(findings: Findings) -> Answer:
    """Name the variables of the environment that are set."""
    if not findings.from_environment:
        return Answer("ok", "not used: the account is made up")
    values = _variables_set()
    given = "" if any(values.values()) else "; the client was given what it needs"
    both = values[_TOKEN] and values[_EMAIL] and values[_KEY]
    unused = f"; {_TOKEN} is used, and not {_KEY}" if both else ""
    return Answer("ok", _names_set(values) + given + unused, values=values)


def _variables_set() -> dict[str, bool]:
    return {name: environment(name) is not None for name in _VARIABLES}


def _names_set(values: dict[str, bool]) -> str:
    names = [name for name, is_set in values.items() if is_set]
    return f"set: {', '.join(names)}" if names else "none is set"


def check_connection(findings: Findings) -> Answer | None:
    """Check that the API responds at all."""
    if not findings.responses:
        return _check_stage("connection", "", findings)
    proxied = ", through the proxy that the environment names" if findings.proxied else ""
    milliseconds = findings.responses[0].seconds * 1000
    return _check_stage("connection", f"{findings.host} answers{proxied}, after {milliseconds:,.0f} ms", findings)


def _check_stage(stage: str, passed: str, findings: Findings) -> Answer | None:
    """Check one stage on the way to the list of connectors."""
    diagnosis = findings.diagnosis("connectors")
    if diagnosis is not None and _STAGES.get(diagnosis.category, "connection") == stage:
        return Answer.failed(diagnosis)
    if findings.connectors is not None or (stage == "connection" and findings.responses):
        return Answer("ok", passed)
    return None


def check_connectors(findings: Findings) -> Answer | None:
    """Check that the account has connectors, the one that is examined among them."""
    if findings.connectors is None:
        return None
    ids, examined = [connector.id for connector in findings.connectors], findings.connector_id
    values = {"seen": len(ids)}
    if examined is not None and examined not in ids:
        advice = "'cfevents connectors' lists those of the account"
        verdict: Verdict = "failed" if "listing" in findings.failures else "warning"
        return Answer(verdict, f"{examined} is none of the {len(ids)} of the account", advice, values)
    if not ids:
        advice = "check that CLOUDFLARE_ACCOUNT_ID is the account with the connectors"
        return Answer("warning", "the account has none, so that nothing more can be asked", advice, values)
    return Answer("ok", f"{len(ids)} seen" + (f"; {examined} was asked about" if examined else ""), values=values)


def clock_offset(responses: Iterable[TimedResponse]) -> float | None:
    """Return how far this machine's clock is ahead of the server's, at least, in seconds; None without a Date.

    A Date is in whole seconds, and was written between sending and receiving. So each response bounds the offset from
    both sides. The result is the offset nearest to 0 that is within the bounds of all responses.
    """
    lowest, highest = float("-inf"), float("inf")
    for timed in responses:
        date = _parse_date(timed.response.date)
        if date is not None:
            lowest, highest = max(lowest, timed.sent_at - date - 1), min(highest, timed.received_at - date)
    return None if lowest == float("-inf") else max(min(0.0, highest), lowest)


def _parse_date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError):
        return None


def check_clock(findings: Findings) -> Answer:
    """Compare this machine's clock with the server's."""
    offset = clock_offset(findings.responses)
    if offset is None:
        return Answer("unknown", "no answer had a Date header that can be read")
    values = {"ahead_seconds": round(offset, 1)}
    if abs(offset) < _WARN_CLOCK_S:
        return Answer("ok", f"within {_WARN_CLOCK_S} s of the server's", values=values)
    found = f"{abs(offset):,.0f} s {'ahead of' if offset > 0 else 'behind'} the server's"
    return Answer("warning", found, "set this machine's clock, by NTP: 'now' and '24h' ago are read from it", values)


def check_listing(findings: Findings) -> Answer | None:
    """Check that a listing works."""
    wide = findings.wide
    if wide is None:
        return _check_call("listing", None, findings)
    pages = "page" if len(wide.pages) == 1 else f"{len(wide.pages)} pages"
    return _check_call("listing", f"{len(wide.items):,} events on the first {pages} of 30 days", findings)


def check_event(findings: Findings) -> Answer | None:
    """Check that a listed event is found by its id."""
    wanted, got = findings.wanted, findings.got
    if wanted is None or got is None:
        return _check_call("event", None, findings)
    if (got.id, got.kind) != (wanted.id, wanted.kind):
        found = f"asked for {wanted.id}, {wanted.kind}, and got {got.id}, {got.kind}"
        return Answer("failed", found, "report it, with the output of --json", {"trouble": "answer"})
    return _check_call("event", "a listed event is found by its id, with its payload", findings)


def check_latest(findings: Findings) -> Answer | None:
    """Check that the latest events can be read."""
    latest = findings.latest
    return _check_call("latest", None if latest is None else f"{len(latest)} events", findings)


def _check_call(step: str, found: str | None, findings: Findings) -> Answer | None:
    diagnosis = findings.diagnosis(step)
    if diagnosis is not None:
        return Answer.failed(diagnosis)
    return None if found is None else Answer("ok", found)


def check_budget(findings: Findings) -> Answer:
    """Compare what is left of the quota with what the client would send."""
    for error, body in findings.failures.values():
        if isinstance(error, RateLimitError):
            blocked = diagnose(error, body)
            return Answer("failed", blocked.summary, blocked.advice, {"left": 0, "policies": {}, "remainders": {}})
    if not findings.responses or findings.usage is None:
        return Answer("unknown", "no answer came", values={"policies": {}, "remainders": {}})
    limits, left = findings.responses[-1].response.limits, findings.usage.left
    values = {
        "left": left,
        "policies": {name: policy._asdict() for name, policy in limits.policies.items()},
        "remainders": {name: remainder._asdict() for name, remainder in limits.remainders.items()},
    }
    if not limits.remainders:
        found = f"the answers do not tell in a Ratelimit header what is left; cfevents would send {left:,} now"
        return Answer("warning", found, "count in what else uses these credentials: Budget(share=...)", values)
    found = f"{', '.join(_remainder(limits, name) for name in limits.remainders)}; cfevents would send {left:,} now"
    quota = min((policy.requests for policy in limits.policies.values()), default=0)
    if left < max(1, _WARN_QUOTA_FRACTION * quota):
        advice = "find out what else uses these credentials, or wait until the window ends"
        return Answer("warning", found, advice, values)
    return Answer("ok", found, values=values)


def _remainder(limits: RateLimits, name: str) -> str:
    remainder, policy = limits.remainders[name], limits.policies.get(name)
    whole = f" of {policy.requests:,} in {policy.period} s" if policy else ""
    return f"{remainder.requests:,} requests{whole} are left, anew in {remainder.resets_in} s"


ACCESS_CHECKS = (
    CheckSpec("variables", (), check_variables),
    CheckSpec("connection", ("trouble",), check_connection),
    CheckSpec("credentials", ("trouble",), partial(_check_stage, "credentials", "accepted")),
    CheckSpec("permission", ("trouble",), partial(_check_stage, "permission", "the account's connectors can be read")),
    CheckSpec("account", ("trouble",), partial(_check_stage, "account", "there is the account that is asked for")),
    CheckSpec("connectors", ("seen",), check_connectors),
    CheckSpec("clock", ("ahead_seconds",), check_clock),
    CheckSpec("listing", ("trouble",), check_listing),
    CheckSpec("event", ("trouble",), check_event),
    CheckSpec("latest", ("trouble",), check_latest),
    *(
        CheckSpec("measuring", ("trouble",), partial(_check_call, step, None), optional=True)
        for step in ("windows", "pages", "default")
    ),
    CheckSpec("budget", ("left", "policies", "remainders"), check_budget),
)

"""Whether the API is reached and lets one in, and which of its calls work."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime

from cfevents._http.connection import Usage
from cfevents._protocol.rate_limits import RateLimits
from cfevents._secrets import environment
from cfevents.doctor.diagnosis import Sort, diagnose
from cfevents.doctor.findings import Findings
from cfevents.doctor.probe import Answered, Asking
from cfevents.doctor.report import Check, Report, Verdict
from cfevents.errors import ConfigurationError, RateLimitError

# Where on the way in a request was stopped; everything else is trouble with the connection.
_STOPPED_AT: Mapping[Sort, str] = {
    "credentials": "credentials",
    "permission": "permission",
    "not found": "account",
    "refused": "account",
    "blocked": "budget",
}


def reaching_checks(findings: Findings, asking: Asking) -> Iterator[Check]:
    """Tell how far one comes: to the API, past its credentials and permissions, to the account and its connectors."""
    trouble = findings.trouble("connectors")
    stopped_at = None if trouble is None else _STOPPED_AT.get(trouble.sort, "connection")
    ways = {
        "connection": _connection(findings, asking),
        "credentials": "accepted",
        "permission": "the account's connectors can be read",
        "account": "there is the account that is asked for",
    }
    for name, found in ways.items():
        if trouble is not None and name == stopped_at:
            yield Check(name, "failed", trouble.found, trouble.advice, {"trouble": trouble.sort})
        elif findings.connectors is not None or (name == "connection" and asking.recorder.answers):
            yield Check(name, "ok", found, values={"trouble": None})
        else:
            yield Check(name, "unknown", findings.why_not, values={"trouble": None})
    yield _connectors(findings)


def _connection(findings: Findings, asking: Asking) -> str:
    proxied = ", through the proxy that the environment names" if findings.proxied else ""
    seconds = asking.recorder.answers[0].seconds if asking.recorder.answers else 0
    return f"{asking.api.base_url.host} answers{proxied}, after {seconds * 1000:,.0f} ms"


def _connectors(findings: Findings) -> Check:
    if findings.connectors is None:
        return Check("connectors", "unknown", findings.why_not, values={"seen": None})
    ids, asked = [connector.id for connector in findings.connectors], findings.connector_id
    values = {"seen": len(ids)}
    if asked is not None and asked not in ids:
        advice = "'cfevents connectors' lists those of the account"
        verdict: Verdict = "failed" if "listing" in findings.failures else "warning"
        return Check("connectors", verdict, f"{asked} is none of the {len(ids)} of the account", advice, values)
    if not ids:
        advice = "check that CLOUDFLARE_ACCOUNT_ID is the account with the connectors"
        return Check("connectors", "warning", "the account has none, so that nothing more can be asked", advice, values)
    told = f"; {asked} was asked about" if asked else ""
    return Check("connectors", "ok", f"{len(ids)} seen{told}", values=values)


def call_checks(findings: Findings) -> Iterator[Check]:
    """Tell whether the calls for events work."""
    wide, latest = findings.wide, findings.latest
    listed = None if wide is None else f"{len(wide.items):,} events on the first {_pages(len(wide.pages))} of 30 days"
    yield _call(findings, "listing", listed)
    yield _event(findings)
    yield _call(findings, "latest", None if latest is None else f"{len(latest)} events")
    for step in ("windows", "pages", "default"):
        if (trouble := findings.trouble(step)) is not None:
            yield Check("measuring", "failed", trouble.found, trouble.advice, {"trouble": trouble.sort})


def _event(findings: Findings) -> Check:
    wanted, got = findings.wanted, findings.got
    if wanted is not None and got is not None and (got.id, got.kind) != (wanted.id, wanted.kind):
        found = f"asked for {wanted.id}, {wanted.kind}, and got {got.id}, {got.kind}"
        return Check("event", "failed", found, "report it, with the output of --json", {"trouble": "answer"})
    return _call(findings, "event", None if got is None else "a listed event is found by its id, with its payload")


def _call(findings: Findings, name: str, found: str | None) -> Check:
    trouble = findings.trouble(name)
    if trouble is not None:
        return Check(name, "failed", trouble.found, trouble.advice, {"trouble": trouble.sort})
    if found is None:
        return Check(name, "unknown", findings.why_not, values={"trouble": None})
    return Check(name, "ok", found, values={"trouble": None})


def _pages(count: int) -> str:
    return "page" if count == 1 else f"{count} pages"


_VARIABLES = (
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_ACCOUNT_ID",
    "CLOUDFLARE_BASE_URL",
)
_TOKEN, _EMAIL, _KEY = _VARIABLES[:3]


def variables_check(*, used: bool = True) -> Check:
    """Tell which variables are set."""
    if not used:
        return Check("variables", "ok", "not used: the account is made up")
    values = {name: environment(name) is not None for name in _VARIABLES}
    given = "" if any(values.values()) else "; the client was given what it needs"
    return Check("variables", "ok", _told(values) + given + _which_wins(values), values=values)


def misconfigured(error: ConfigurationError) -> Report:
    """Report why there can be no client."""
    values = {name: environment(name) is not None for name in _VARIABLES}
    advice = "set what is missing or wrong, and run it again; to try it without an account, add --simulate"
    return Report((Check("variables", "failed", f"{error}; {_told(values)}", advice, values),))


def _told(values: dict[str, bool]) -> str:
    names = [name for name, is_set in values.items() if is_set]
    return f"set: {', '.join(names)}" if names else "none is set"


def _which_wins(values: dict[str, bool]) -> str:
    return f"; {_TOKEN} is used, and not {_KEY}" if values[_TOKEN] and values[_EMAIL] and values[_KEY] else ""


# Seconds: beyond that, a window that ends now ends noticeably elsewhere.
_NOTABLE = 5


def clock_check(answers: Iterable[Answered]) -> Check:
    """Tell how far this machine's clock is from the server's."""
    offset = clock_offset(answers)
    values = {"ahead_seconds": None if offset is None else round(offset, 1)}
    if offset is None:
        return Check("clock", "unknown", "no answer had a Date header that can be read", values=values)
    if abs(offset) < _NOTABLE:
        return Check("clock", "ok", f"within {_NOTABLE} s of the server's", values=values)
    found = f"{abs(offset):,.0f} s {'ahead of' if offset > 0 else 'behind'} the server's"
    advice = "set this machine's clock, by NTP: 'now' and '24h' ago are read from it"
    return Check("clock", "warning", found, advice, values)


def clock_offset(answers: Iterable[Answered]) -> float | None:
    """Find how far this machine's clock is ahead of the server's, at least; None where no answer tells.

    A Date is whole seconds, and was written at some moment between sending and receiving: each answer leaves room, and
    all of them together leave less.
    """
    least, most = float("-inf"), float("inf")
    for answered in answers:
        date = _date(answered.response.date)
        if date is not None:
            least, most = max(least, answered.sent_at - date - 1), min(most, answered.received_at - date)
    if least == float("-inf"):
        return None
    return max(min(0.0, most), least)


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError):
        return None


# The part of a quota that is little.
_LITTLE = 0.1


def budget_check(findings: Findings, answers: Sequence[Answered], usage: Usage) -> Check:
    """Tell what the API says is left, and how much of it the client would take."""
    blocked = next(
        (diagnose(*each) for each in findings.failures.values() if isinstance(each[0], RateLimitError)), None
    )
    if blocked is not None:
        return Check("budget", "failed", blocked.found, blocked.advice, {"left": 0, "policies": {}, "remainders": {}})
    limits = answers[-1].response.limits if answers else RateLimits({}, {})
    values = {
        "left": usage.left if answers else None,
        "policies": {name: each._asdict() for name, each in limits.policies.items()},
        "remainders": {name: each._asdict() for name, each in limits.remainders.items()},
    }
    if not answers:
        return Check("budget", "unknown", "no answer came", values=values)
    ours = f"cfevents would send {usage.left:,} now"
    if not limits.remainders:
        found = f"the answers do not tell in a Ratelimit header what is left; {ours}"
        return Check("budget", "warning", found, "count in what else uses these credentials: Budget(share=...)", values)
    told = ", ".join(f"{_remainder(limits, name)}" for name in limits.remainders)
    if _is_little(limits, usage):
        advice = "find out what else uses these credentials, or wait until the window ends"
        return Check("budget", "warning", f"{told}; {ours}", advice, values)
    return Check("budget", "ok", f"{told}; {ours}", values=values)


def _remainder(limits: RateLimits, name: str) -> str:
    left, policy = limits.remainders[name], limits.policies.get(name)
    whole = f" of {policy.requests:,} in {policy.period} s" if policy else ""
    return f"{left.requests:,} requests{whole} are left, anew in {left.resets_in} s"


def _is_little(limits: RateLimits, usage: Usage) -> bool:
    least = min((each.requests for each in limits.policies.values()), default=0)
    return usage.left < max(1, _LITTLE * least)

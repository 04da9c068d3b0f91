"""What is left of the request budget."""

from collections.abc import Sequence

from cfevents._http.connection import Usage
from cfevents._protocol.rate_limits import RateLimits
from cfevents.doctor.diagnosis import named
from cfevents.doctor.findings import Findings
from cfevents.doctor.probe import Answered
from cfevents.doctor.report import Check
from cfevents.errors import RateLimitError

# The part of a quota that is little.
_LITTLE = 0.1


def budget_check(findings: Findings, answers: Sequence[Answered], usage: Usage) -> Check:
    """Tell what the API says is left, and how much of it the client would take."""
    blocked = next((named(*each) for each in findings.failures.values() if isinstance(each[0], RateLimitError)), None)
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

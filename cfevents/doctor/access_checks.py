"""Whether the API is reached and lets one in, and which of its calls work."""

from collections.abc import Iterator, Mapping

from cfevents.doctor.diagnosis import Sort
from cfevents.doctor.findings import Findings
from cfevents.doctor.probe import Asking
from cfevents.doctor.report import Check, Verdict

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

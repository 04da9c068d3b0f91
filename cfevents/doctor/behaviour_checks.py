"""What the API does where its documentation leaves it open: a line for each question."""

from collections.abc import Iterator, Mapping
from typing import Any

from cfevents.doctor.findings import Findings
from cfevents.doctor.orders import Order, enough_for_order, possible_orders
from cfevents.doctor.paged import page_checks
from cfevents.doctor.report import Check

# Seconds: how late an event may come by default, where connectors are followed.
_LOOKBACK = 86_400
_CLOCKS = {"t": "recorded", "a": "collected"}


def measured_checks(findings: Findings) -> Iterator[Check]:
    """Answer each question as far as what came allows it."""
    yield _order(findings)
    yield from _rule(findings)
    yield from page_checks(findings)
    yield _lag(findings)
    yield _numbers(findings)


def _unknown(name: str, why: str, **values: Any) -> Check:
    return Check(name, "unknown", why, values=values)


def _order(findings: Findings) -> Check:
    runs = [listed.items for listed in findings.listings]
    if not findings.known:
        return _unknown("order", findings.why_not, direction=None, by=None)
    orders = possible_orders(runs)
    if not orders:
        values = {"direction": "none", "by": None}
        return Check("order", "ok", "none: neither ascending nor descending, by t, by a or by kind", values=values)
    directions, keys = {order.direction for order in orders}, {order.key for order in orders}
    if not enough_for_order(runs) or len(directions) > 1:
        return _unknown("order", f"{len(findings.known)} events are too few to tell", direction=None, by=None)
    if "kind" in keys and len(keys) > 1:
        why = "those seen are in order by time, and by kind as well: their kinds do not alternate"
        return _unknown("order", why, direction=None, by=None)
    return _ordered(orders)


def _ordered(orders: tuple[Order, ...]) -> Check:
    direction, keys = orders[0].direction, [order.key for order in orders]
    by = keys[0] if len(keys) == 1 else None
    if by is None:
        found = f"{direction}, by {' or by '.join(keys)}: those seen have the same order by both"
    else:
        found = f"by kind, then {direction} by t and n" if by == "kind" else f"{direction} by {by}"
    return Check("order", "ok", found, values={"direction": direction, "by": by})


def _rule(findings: Findings) -> Iterator[Check]:
    """Tell what the bounds of a window are compared with, and whether each is inclusive."""
    rules = findings.rules
    clocks = {rule.clock for rule in rules}
    yield _answered(
        findings, "window", {clock: f"compared with {clock}, the time {_CLOCKS[clock]}" for clock in clocks}
    )
    for name, answers in (("from", {rule.lower for rule in rules}), ("to", {rule.upper for rule in rules})):
        kinds = {"inclusive" if is_inclusive else "exclusive" for is_inclusive in answers}
        yield _answered(findings, name, {kind: f"the bound is {kind}" for kind in kinds})


def _answered(findings: Findings, name: str, answers: Mapping[str, str]) -> Check:
    """Answer a question, where one answer is left."""
    if not findings.known or len(answers) > 1:
        return _unknown(name, _why_no_rule(findings, name), **{"is": None})
    for value, found in answers.items():
        return Check(name, "ok", found, values={"is": value})
    found = "by no rule that is known: an event is missing that another window had, or one is listed beyond the bounds"
    advice = "run it again; if it stays so, list without concurrency, and report it with the output of --json"
    return Check(name, "failed", found, advice, {"is": None})


def _why_no_rule(findings: Findings, name: str) -> str:
    if not findings.known:
        return findings.why_not
    if findings.stopped is not None or "windows" in findings.failures:
        return findings.why_not
    if name == "window" and all(event.recorded_ts == event.collected_ts for event in findings.known):
        return "t and a are the same in each event seen"
    return "no window tells, of those that could be tried"


def _lag(findings: Findings) -> Check:
    if not findings.known:
        return _unknown("lateness", findings.why_not, longest_seconds=None)
    latest = max(event.collected_ts - event.recorded_ts for event in findings.known)
    found = f"up to {latest:,.0f} s from t to a, among {len(findings.known):,} events"
    values = {"longest_seconds": latest}
    if latest >= _LOOKBACK:
        return Check("lateness", "warning", found, "follow with a longer --lookback than 24h", values)
    return Check("lateness", "ok", found, values=values)


def _numbers(findings: Findings) -> Check:
    if not findings.known:
        return _unknown("times", findings.why_not, whole=None)
    fractional = sum(not isinstance(event.recorded_ts, int) for event in findings.known)
    values = {"whole": not fractional}
    if fractional:
        found = f"t is fractional in {fractional:,} of {len(findings.known):,} events"
        return Check("times", "warning", found, "these are listed, and cannot be got one by one: report it", values)
    return Check("times", "ok", f"whole seconds, in all of {len(findings.known):,} events", values=values)

"""What the API does where its documentation leaves it open: a line for each question."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cfevents._model.api import EventMetadata, event_key
from cfevents.doctor.findings import Findings
from cfevents.doctor.probe import CursorSpelled, ProbedListing
from cfevents.doctor.report import Check

if TYPE_CHECKING:
    from cfevents._model.checkpoint import EventKey

Direction: TypeAlias = Literal["ascending", "descending"]
SortKey: TypeAlias = Literal["t and n", "t", "a", "kind"]

# Events at random look ordered once in so many times, where no fewer are looked at.
_CHANCE = 10_000

_KEYS: Mapping[SortKey, Callable[[EventMetadata], Any]] = {
    "t and n": event_key,
    "t": lambda event: event.recorded_ts,
    "a": lambda event: event.collected_ts,
    "kind": lambda event: (event.kind, *event_key(event)),
}


class Order(NamedTuple):
    """An order in which events could come."""

    direction: Direction
    key: SortKey
    """What they are sorted by; ``kind`` is by kind first, then by ``t`` and ``n``."""


def possible_orders(runs: Iterable[Sequence[EventMetadata]]) -> tuple[Order, ...]:
    """Find the orders that nothing contradicts; none for events in any order.

    Args:
        runs: Events as they came, listing by listing.
    """
    # What comes again, as neighbouring pages may have it, came before.
    runs = [list({event_key(event): event for event in run}.values()) for run in runs]
    orders = [
        Order(direction, key)
        for key, value in _KEYS.items()
        for direction in ("ascending", "descending")
        if all(_is_sorted([value(event) for event in run], direction) for run in runs)
    ]
    # What holds for t and n together says as much of t.
    return tuple(order for order in orders if order.key != "t" or order._replace(key="t and n") not in orders)


def enough_for_order(runs: Iterable[Sequence[EventMetadata]]) -> bool:
    """Whether so many events came that they do not look ordered by chance."""
    improbable = sum(math.lgamma(len({event_key(event) for event in run}) + 1) for run in runs)
    return improbable > math.log(_CHANCE)


def _is_sorted(values: Sequence[Any], direction: Direction) -> bool:
    if direction == "descending":
        values = values[::-1]
    return all(first <= second for first, second in pairwise(values))


# Seconds: a third of the client's patience with an attempt.
_SLOW = 10
_ENDINGS: dict[CursorSpelled, str] = {
    "absent": "without a cursor",
    "null": "with a cursor that is null",
    "empty": 'with a cursor that is ""',
}


def page_checks(findings: Findings) -> Iterator[Check]:
    """Answer the questions about pages."""
    yield _cap(findings)
    yield _default(findings)
    yield _ending(findings)
    yield _empties(findings)
    yield _time(findings)


def _largest(listed: ProbedListing) -> int | None:
    """Give the size of the largest page after which there was more; None where there was none."""
    return max((len(page.items) for page in listed.pages if page.items and page.cursor), default=None)


def _cap(findings: Findings) -> Check:
    beyond = [each for each in findings.listings if each.limit and any(len(p.items) > each.limit for p in each.pages)]
    if beyond:
        found = f"more events came than the limit of {beyond[0].limit} that was asked for"
        return Check("page size", "warning", found, "--page-size has no effect", {"largest": None, "kept": False})
    wide = findings.wide
    values = {"largest": None, "kept": True}
    if wide is None or not wide.items:
        return Check("page size", "unknown", findings.why_not, values={"largest": None, "kept": None})
    largest = _largest(wide)
    if findings.refused_limit is not None and largest is not None:
        found = f"{largest:,}, where no limit is asked for; one of {findings.refused_limit:,} is refused"
        return Check("page size", "ok", found, values=values)
    if largest is None:
        found = f"the largest was not reached: all {len(wide.items):,} events fit on a page"
        return Check("page size", "unknown", found, values=values)
    if largest == wide.limit:
        return Check("page size", "ok", f"{largest:,}, as asked for; the largest may be more", values=values)
    found = f"at most {largest:,}, where {wide.limit:,} were asked for and there was more"
    return Check("page size", "ok", found, values=values | {"largest": largest})


def _default(findings: Findings) -> Check:
    listed = findings.wide if findings.refused_limit else findings.unlimited
    size = None if listed is None else _largest(listed)
    if size is not None:
        return Check("default size", "ok", f"{size:,} events, where no limit is asked for", values={"default": size})
    if listed is None:
        return Check("default size", "unknown", findings.why_not, values={"default": None})
    found = f"not seen: all {len(listed.items):,} events came at once"
    return Check("default size", "unknown", found, values={"default": None})


def _ending(findings: Findings) -> Check:
    ends = [listed.pages for listed in findings.listings if listed.complete]
    if not ends:
        why = "not seen: no listing was read to its end" if findings.wide else findings.why_not
        return Check("ending", "unknown", why, values={"spelled": None, "empty": None})
    spelled = sorted({pages[-1].spelled for pages in ends})
    told = " or ".join(text for each, text in _ENDINGS.items() if each in spelled)
    bare = _bare_end(findings)
    after = {True: ", and empty, after the page with the last events", False: "", None: "; after a full one, not seen"}
    several = "" if any(len(pages) > 1 for pages in ends) else "; seen in listings of one page"
    values = {"spelled": spelled[0] if len(spelled) == 1 else spelled, "empty": bare}
    return Check("ending", "ok", f"the last page is {told}{after[bare]}{several}", values=values)


def _bare_end(findings: Findings) -> bool | None:
    """Whether an empty page comes after the last events, where these fill a page; None where none of these was full."""
    seen = None
    for listed in findings.listings:
        filled = [page for page in listed.pages if page.items]
        if listed.complete and filled:
            if filled[-1] is not listed.pages[-1]:
                return True
            seen = False if len(filled[-1].items) == listed.limit else seen
    return seen


def _empties(findings: Findings) -> Check:
    """Tell of pages without events that bring a cursor, after which there is more."""
    if findings.wide is None:
        return Check("empty pages", "unknown", findings.why_not, values={"in_a_row": None})
    most = max(_empty_in_a_row(listed) for listed in findings.listings)
    values = {"in_a_row": most}
    if most:
        found = f"{most} in a row were seen, each with a cursor: a listing takes as many requests more"
        return Check("empty pages", "warning", found, "ask for as many events at once as it lets you", values)
    return Check("empty pages", "ok", "none that brought a cursor", values=values)


def _empty_in_a_row(listed: ProbedListing) -> int:
    bare = [not page.items and page.cursor is not None for page in listed.pages]
    return max((len(list(run)) for is_bare, run in groupby(bare) if is_bare), default=0)


def _time(findings: Findings) -> Check:
    pages = [page for listed in findings.listings for page in listed.pages]
    if not pages:
        return Check("page time", "unknown", findings.why_not, values={"longest_seconds": None})
    slowest = max(pages, key=lambda page: page.seconds)
    typical = median(page.seconds for page in pages)
    found = f"{_ms(typical)} as a rule, at most {_ms(slowest.seconds)}, for {len(slowest.items):,} events"
    values = {"median_seconds": round(typical, 3), "longest_seconds": round(slowest.seconds, 3)}
    if slowest.seconds > _SLOW:
        return Check(
            "page time", "warning", found, "ask for smaller pages, or give the client a longer timeout", values
        )
    return Check("page time", "ok", found, values=values)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


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


class _Assumption(NamedTuple):
    """What is taken for granted, and whether it holds; None where that was not seen."""

    text: str
    holds: bool | None


def assumptions_check(findings: Findings) -> Check:
    """Give the verdict."""
    held = {
        "ids": _Assumption("t and n are unique", _ids_differ(findings)),
        "paths": _Assumption("a listed id finds its event", _is_found(findings)),
        "cursors": _Assumption("no cursor comes twice", _cursors_go_on(findings)),
        "ends": _Assumption("without a cursor a listing is over", _ends_are_ends(findings)),
        "windows": _Assumption("a window has what a longer one has in it", _windows_agree(findings)),
    }
    values = {name: each.holds for name, each in held.items()}
    broken = [each.text for each in held.values() if each.holds is False]
    unseen = [each.text for each in held.values() if each.holds is None]
    if broken:
        advice = "events may be lost: report it, with the output of --json"
        return Check("assumptions", "failed", f"does not hold: {'; '.join(broken)}", advice, values)
    if unseen:
        found = f"the others hold; not seen: {'; '.join(unseen)}" if len(unseen) < len(held) else findings.why_not
        return Check("assumptions", "unknown", found, values=values)
    return Check("assumptions", "ok", f"all hold: {'; '.join(each.text for each in held.values())}", values=values)


def _ids_differ(findings: Findings) -> bool | None:
    met: dict[EventKey, set[EventMetadata]] = defaultdict(set)
    for listed in findings.listings:
        for event in listed.items:
            met[event_key(event)].add(event)
    return all(len(same) == 1 for same in met.values()) if met else None


def _is_found(findings: Findings) -> bool | None:
    wanted, got = findings.wanted, findings.got
    return None if wanted is None or got is None else (wanted.id, wanted.kind) == (got.id, got.kind)


def _cursors_go_on(findings: Findings) -> bool | None:
    if any(listed.circular for listed in findings.listings):
        return False
    return True if any(len(listed.pages) > 1 for listed in findings.listings) else None


def _ends_are_ends(findings: Findings) -> bool | None:
    """Whether a listing in several pages had every event that is known, by a rule that explains all of them."""
    several = [listed for listed in findings.listings if listed.complete and len(listed.pages) > 1]
    if not several:
        return None
    return True if findings.rules else None


def _windows_agree(findings: Findings) -> bool | None:
    ended = [listed for listed in findings.narrow if listed.complete]
    if not findings.rules:
        return False
    return True if ended and findings.known else None

"""The checks of what the API does where its documentation leaves it open."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from cfevents._model.api import EventMetadata, event_key
from cfevents.doctor.findings import Answer, CheckSpec, CursorForm, Findings, ProbedListing
from cfevents.doctor.inference import enough_for_order, possible_orders, window_rules

if TYPE_CHECKING:
    from cfevents._model.checkpoint import EventKey

# A third of the client's timeout for an attempt.
_WARN_PAGE_S = 10
# How late an event may come by default, where connectors are followed.
_WARN_LATENESS_S = 86_400

_CURSOR_TEXTS: dict[CursorForm, str] = {
    "absent": "without a cursor",
    "null": "with a cursor that is null",
    "empty": 'with a cursor that is ""',
}
_CLOCK_TEXTS = {"t": "compared with t, the time recorded", "a": "compared with a, the time collected"}
_BOUND_TEXTS = {"inclusive": "the bound is inclusive", "exclusive": "the bound is exclusive"}


def check_order(findings: Findings) -> Answer | None:
    """Find the order in which events are listed."""
    if not findings.known:
        return None
    runs = [listing.items for listing in findings.listings]
    orders = possible_orders(runs)
    if not orders:
        found = "none: neither ascending nor descending, by t, by a or by kind"
        return Answer("ok", found, values={"direction": "none"})
    if not enough_for_order(runs) or len({order.direction for order in orders}) > 1:
        return Answer("unknown", f"{len(findings.known)} events are too few to tell")
    return _one_order(orders[0].direction, [order.key for order in orders])


def _one_order(direction: str, keys: Sequence[str]) -> Answer:
    """Return the answer for an order with one direction, by one of the keys."""
    if len(keys) == 1:
        found = f"by kind, then {direction} by t and n" if keys[0] == "kind" else f"{direction} by {keys[0]}"
        return Answer("ok", found, values={"direction": direction, "by": keys[0]})
    if "kind" in keys:
        return Answer("unknown", "those seen are in order by time, and by kind as well: their kinds do not alternate")
    found = f"{direction}, by {' or by '.join(keys)}: those seen have the same order by both"
    return Answer("ok", found, values={"direction": direction})


def check_window(findings: Findings) -> Answer | None:
    """Find the time that a window's bounds are compared with."""
    clocks = {rule.clock for rule in window_rules(findings)}
    same = all(event.recorded_ts == event.collected_ts for event in findings.known)
    why_open = "t and a are the same in each event seen" if same else None
    return _only_answer({clock: _CLOCK_TEXTS[clock] for clock in clocks}, findings, why_open)


def check_from(findings: Findings) -> Answer | None:
    """Find out whether the lower bound is inclusive."""
    return _check_bound({rule.lower for rule in window_rules(findings)}, findings)


def check_to(findings: Findings) -> Answer | None:
    """Find out whether the upper bound is inclusive."""
    return _check_bound({rule.upper for rule in window_rules(findings)}, findings)


def _check_bound(possible: set[bool], findings: Findings) -> Answer | None:
    names = ["inclusive" if is_inclusive else "exclusive" for is_inclusive in possible]
    return _only_answer({name: _BOUND_TEXTS[name] for name in names}, findings)


def _only_answer(possible: Mapping[str, str], findings: Findings, why_open: str | None = None) -> Answer | None:
    """Return the answer that is left; None where requests were missing to find it."""
    if not findings.known:
        return None
    if len(possible) > 1:
        if findings.stopped is not None or "windows" in findings.failures:
            return None
        return Answer("unknown", why_open or "no window tells, of those that could be tried")
    for value, found in possible.items():
        return Answer("ok", found, values={"is": value})
    found = "by no rule that is known: an event is missing that another window had, or one is listed beyond the bounds"
    advice = "run it again; if it stays so, list without concurrency, and report it with the output of --json"
    return Answer("failed", found, advice)


def check_page_size(findings: Findings) -> Answer | None:
    """Find the largest page, and check that a limit is kept."""
    for listing in findings.listings:
        if listing.limit and any(len(page.items) > listing.limit for page in listing.pages):
            found = f"more events came than the limit of {listing.limit} that was asked for"
            return Answer("warning", found, "--page-size has no effect", {"kept": False})
    wide, refused = findings.wide, findings.refused_limit
    if wide is None or not wide.items:
        return None
    largest, values = wide.largest_page, {"kept": True}
    if largest is None:
        found = f"the largest was not reached: all {len(wide.items):,} events fit on a page"
        return Answer("unknown", found, values=values)
    if refused is not None:
        found = f"{largest:,}, where no limit is asked for; one of {refused:,} is refused"
        return Answer("ok", found, values=values)
    if largest == wide.limit:
        return Answer("ok", f"{largest:,}, as asked for; the largest may be more", values=values)
    found = f"at most {largest:,}, where {wide.limit:,} were asked for and there was more"
    return Answer("ok", found, values={"largest": largest, "kept": True})


def check_default_size(findings: Findings) -> Answer | None:
    """Find the size of a page without a limit."""
    listing = findings.wide if findings.refused_limit else findings.unlimited
    if listing is None:
        return None
    if (size := listing.largest_page) is None:
        return Answer("unknown", f"not seen: all {len(listing.items):,} events came at once")
    return Answer("ok", f"{size:,} events, where no limit is asked for", values={"default": size})


def check_ending(findings: Findings) -> Answer | None:
    """Find out how the last page of a listing ends."""
    ended = [listing.pages for listing in findings.listings if listing.complete]
    if not ended:
        return Answer("unknown", "not seen: no listing was read to its end") if findings.wide else None
    forms = sorted({pages[-1].cursor_form for pages in ended})
    texts = " or ".join(text for form, text in _CURSOR_TEXTS.items() if form in forms)
    empty = _ends_in_empty_page(findings)
    after = {True: ", and empty, after the page with the last events", False: "", None: "; after a full one, not seen"}
    one_page = "" if any(len(pages) > 1 for pages in ended) else "; seen in listings of one page"
    values = {"spelled": forms[0] if len(forms) == 1 else forms, "empty": empty}
    return Answer("ok", f"the last page is {texts}{after[empty]}{one_page}", values=values)


def _ends_in_empty_page(findings: Findings) -> bool | None:
    """Return True where an empty page came after the last events; None where these never filled a page."""
    seen = None
    for listing in findings.listings:
        filled = [page for page in listing.pages if page.items]
        if listing.complete and filled:
            if filled[-1] is not listing.pages[-1]:
                return True
            if len(filled[-1].items) == listing.limit:
                seen = False
    return seen


def check_empty_pages(findings: Findings) -> Answer | None:
    """Look for empty pages that have a cursor, so that there is more."""
    if findings.wide is None:
        return None
    longest = max(_empty_in_a_row(listing) for listing in findings.listings)
    values = {"in_a_row": longest}
    if longest:
        found = f"{longest} in a row were seen, each with a cursor: a listing takes as many requests more"
        return Answer("warning", found, "ask for as many events at once as it lets you", values)
    return Answer("ok", "none that brought a cursor", values=values)


def _empty_in_a_row(listing: ProbedListing) -> int:
    empty = [not page.items and page.cursor is not None for page in listing.pages]
    return max((len(list(run)) for is_empty, run in groupby(empty) if is_empty), default=0)


def check_page_time(findings: Findings) -> Answer | None:
    """Measure how long a page takes."""
    pages = [page for listing in findings.listings for page in listing.pages]
    if not pages:
        return None
    slowest, typical = max(pages, key=lambda page: page.seconds), median(page.seconds for page in pages)
    times = f"{typical * 1000:,.0f} ms as a rule, at most {slowest.seconds * 1000:,.0f} ms"
    found = f"{times}, for {len(slowest.items):,} events"
    values = {"median_seconds": round(typical, 3), "longest_seconds": round(slowest.seconds, 3)}
    if slowest.seconds > _WARN_PAGE_S:
        return Answer("warning", found, "ask for smaller pages, or give the client a longer timeout", values)
    return Answer("ok", found, values=values)


def check_lateness(findings: Findings) -> Answer | None:
    """Measure how late events are collected."""
    if not findings.known:
        return None
    latest = max(event.collected_ts - event.recorded_ts for event in findings.known)
    found = f"up to {latest:,.0f} s from t to a, among {len(findings.known):,} events"
    if latest >= _WARN_LATENESS_S:
        return Answer("warning", found, "follow with a longer --lookback than 24h", {"longest_seconds": latest})
    return Answer("ok", found, values={"longest_seconds": latest})


def check_times(findings: Findings) -> Answer | None:
    """Look for fractional times, which the API lists and cannot look up."""
    if not findings.known:
        return None
    fractional = sum(not isinstance(event.recorded_ts, int) for event in findings.known)
    if fractional:
        found = f"t is fractional in {fractional:,} of {len(findings.known):,} events"
        return Answer("warning", found, "these are listed, and cannot be got one by one: report it", {"whole": False})
    return Answer("ok", f"whole seconds, in all of {len(findings.known):,} events", values={"whole": True})


_ASSUMPTIONS = {
    "ids": "t and n are unique",
    "paths": "a listed id finds its event",
    "cursors": "no cursor comes twice",
    "ends": "without a cursor a listing is over",
    "windows": "a window has what a longer one has in it",
}


def check_assumptions(findings: Findings) -> Answer | None:
    """Check what the client relies on, as far as the findings show it."""
    values = {
        "ids": _ids_are_unique(findings),
        "paths": _id_finds_event(findings),
        "cursors": _cursors_differ(findings),
        "ends": _ends_are_ends(findings),
        "windows": _windows_agree(findings),
    }
    broken = [text for name, text in _ASSUMPTIONS.items() if values[name] is False]
    unseen = [text for name, text in _ASSUMPTIONS.items() if values[name] is None]
    if broken:
        advice = "events may be lost: report it, with the output of --json"
        return Answer("failed", f"does not hold: {'; '.join(broken)}", advice, values)
    if not unseen:
        return Answer("ok", f"all hold: {'; '.join(_ASSUMPTIONS.values())}", values=values)
    if len(unseen) == len(values):
        return None
    return Answer("unknown", f"the others hold; not seen: {'; '.join(unseen)}", values=values)


def _ids_are_unique(findings: Findings) -> bool | None:
    seen: dict[EventKey, set[EventMetadata]] = defaultdict(set)
    for listing in findings.listings:
        for event in listing.items:
            seen[event_key(event)].add(event)
    return all(len(events) == 1 for events in seen.values()) if seen else None


def _id_finds_event(findings: Findings) -> bool | None:
    wanted, got = findings.wanted, findings.got
    return None if wanted is None or got is None else (wanted.id, wanted.kind) == (got.id, got.kind)


def _cursors_differ(findings: Findings) -> bool | None:
    if any(listing.circular for listing in findings.listings):
        return False
    return True if any(len(listing.pages) > 1 for listing in findings.listings) else None


def _ends_are_ends(findings: Findings) -> bool | None:
    """Return True where a listing of several pages had each known event, by a rule that explains all listings."""
    several = any(listing.complete and len(listing.pages) > 1 for listing in findings.listings)
    return True if several and window_rules(findings) else None


def _windows_agree(findings: Findings) -> bool | None:
    if not window_rules(findings):
        return False
    return True if findings.known and any(listing.complete for listing in findings.narrow) else None


BEHAVIOUR_CHECKS = (
    CheckSpec("order", ("direction", "by"), check_order),
    CheckSpec("window", ("is",), check_window),
    CheckSpec("from", ("is",), check_from),
    CheckSpec("to", ("is",), check_to),
    CheckSpec("page size", ("largest", "kept"), check_page_size),
    CheckSpec("default size", ("default",), check_default_size),
    CheckSpec("ending", ("spelled", "empty"), check_ending),
    CheckSpec("empty pages", ("in_a_row",), check_empty_pages),
    CheckSpec("page time", ("longest_seconds",), check_page_time),
    CheckSpec("lateness", ("longest_seconds",), check_lateness),
    CheckSpec("times", ("whole",), check_times),
    CheckSpec("assumptions", tuple(_ASSUMPTIONS), check_assumptions),
)

"""The checks of what the API does where its documentation leaves it open."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from operator import attrgetter
from statistics import median
from typing import Any

from cfevents.doctor.findings import Answer, CheckSpec, CursorForm, Findings
from cfevents.doctor.inference import WindowRule, enough_for_order, possible_orders, window_rules

# A third of the client's timeout for an attempt.
_WARN_PAGE_S = 10
# How late an event may come by default, where connectors are followed.
_WARN_LATENESS_S = 86_400

_CURSOR_TEXTS: dict[CursorForm, str] = {
    "absent": "without a cursor",
    "null": "with a cursor that is null",
    "empty": 'with a cursor that is ""',
}
# For each term of a window's rule its value in the report, and the line.
_CLOCKS = {
    "t": ("t", "compared with t, the time recorded"),
    "a": ("a", "compared with a, the time collected"),
}
_BOUNDS = {True: ("inclusive", "the bound is inclusive"), False: ("exclusive", "the bound is exclusive")}


def _check_order(findings: Findings) -> Answer | None:
    if not findings.known:
        return None
    runs = [listing.items for listing in findings.listings]
    orders = possible_orders(runs)
    if not orders:
        return Answer("ok", "none: neither ascending nor descending, by t, by a or by kind", direction="none")
    if not enough_for_order(runs) or len({order.direction for order in orders}) > 1:
        return Answer("unknown", f"{len(findings.known)} events are too few to tell")
    direction, keys = orders[0].direction, [order.key for order in orders]
    if len(keys) == 1:
        found = f"by kind, then {direction} by t and n" if keys == ["kind"] else f"{direction} by {keys[0]}"
        return Answer("ok", found, direction=direction, by=keys[0])
    if "kind" in keys:
        found = "the events seen are in order by time, and by kind as well: their kinds do not alternate"
        return Answer("unknown", found)
    found = f"{direction}, by {' or by '.join(keys)}: the events seen are in order by both"
    return Answer("ok", found, direction=direction)


def _check_rule(
    term: Callable[[WindowRule], Any], texts: Mapping[Any, tuple[str, str]], findings: Findings
) -> Answer | None:
    """Find one term of the rule by which a window takes events."""
    possible = {term(rule) for rule in window_rules(findings)}
    if not findings.known:
        return None
    if len(possible) > 1:
        if findings.stopped is not None or "windows" in findings.failures:
            return None
        if possible == _CLOCKS.keys() and all(event.recorded_ts == event.collected_ts for event in findings.known):
            return Answer("unknown", "t and a are the same in each event seen")
        return Answer("unknown", "no window that could be tried shows it")
    if possible:
        value, found = texts[possible.pop()]
        return Answer("ok", found, **{"is": value})
    found = "by no known rule: an event is missing that another window had, or one is listed beyond the bounds"
    advice = "run it again; if it stays so, list without concurrency, and report it with the output of --json"
    return Answer("failed", found, advice)


def _check_page_size(findings: Findings) -> Answer | None:
    for listing in findings.listings:
        if listing.limit and any(len(page.items) > listing.limit for page in listing.pages):
            found = f"a page had more events than its limit of {listing.limit}"
            return Answer("warning", found, "--page-size has no effect", kept=False)
    wide, refused = findings.wide, findings.refused_limit
    if wide is None or not wide.items:
        return None
    if (largest := wide.largest_page) is None:
        found = f"the largest was not reached: all {len(wide.items):,} events fit on a page"
        return Answer("unknown", found, kept=True)
    if refused is not None:
        return Answer("ok", f"{largest:,} without a limit; a limit of {refused:,} is refused", kept=True)
    if largest == wide.limit:
        return Answer("ok", f"{largest:,}, as requested; larger pages may be possible", kept=True)
    found = f"at most {largest:,}: {wide.limit:,} were requested, and more exist"
    return Answer("ok", found, largest=largest, kept=True)


def _check_default_size(findings: Findings) -> Answer | None:
    listing = findings.wide if findings.refused_limit else findings.unlimited
    if listing is None:
        return None
    if (size := listing.largest_page) is None:
        return Answer("unknown", f"not seen: all {len(listing.items):,} events came at once")
    return Answer("ok", f"{size:,} events without a limit", default=size)


def _check_ending(findings: Findings) -> Answer | None:
    """Find out how the last page of a listing ends."""
    ended = [listing.pages for listing in findings.listings if listing.complete]
    if not ended:
        return Answer("unknown", "not seen: no listing was read to its end") if findings.wide else None
    forms = sorted({pages[-1].cursor_form for pages in ended})
    texts = " or ".join(text for form, text in _CURSOR_TEXTS.items() if form in forms)
    empty = _ends_in_empty_page(findings)
    after = {True: ", and empty, after the page with the last events", False: "", None: "; after a full one, not seen"}
    one_page = "" if any(len(pages) > 1 for pages in ended) else "; seen in listings of one page"
    found = f"the last page is {texts}{after[empty]}{one_page}"
    return Answer("ok", found, spelled=forms[0] if len(forms) == 1 else forms, empty=empty)


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


def _check_empty_pages(findings: Findings) -> Answer | None:
    """Look for empty pages that have a cursor, so that there is more."""
    if findings.wide is None:
        return None
    empty = [[not page.items and page.cursor is not None for page in listing.pages] for listing in findings.listings]
    longest = max((len(list(run)) for pages in empty for is_empty, run in groupby(pages) if is_empty), default=0)
    if not longest:
        return Answer("ok", "none with a cursor", in_a_row=0)
    found = f"{longest} in a row, each with a cursor: a listing takes as many more requests"
    return Answer("warning", found, "list with the largest pages that the API allows", in_a_row=longest)


def _check_page_time(findings: Findings) -> Answer | None:
    pages = [page for listing in findings.listings for page in listing.pages]
    if not pages:
        return None
    slowest, typical = max(pages, key=attrgetter("seconds")), median(page.seconds for page in pages)
    times = f"{typical * 1000:,.0f} ms typically, at most {slowest.seconds * 1000:,.0f} ms"
    found = f"{times}, for {len(slowest.items):,} events"
    values = {"median_seconds": round(typical, 3), "longest_seconds": round(slowest.seconds, 3)}
    if slowest.seconds > _WARN_PAGE_S:
        return Answer("warning", found, "list with smaller pages, or give the client a longer timeout", **values)
    return Answer("ok", found, **values)


def _check_lateness(findings: Findings) -> Answer | None:
    if not findings.known:
        return None
    latest = max(event.collected_ts - event.recorded_ts for event in findings.known)
    found = f"up to {latest:,.0f} s from t to a, among {len(findings.known):,} events"
    if latest >= _WARN_LATENESS_S:
        return Answer("warning", found, "follow with a longer --lookback than 24h", longest_seconds=latest)
    return Answer("ok", found, longest_seconds=latest)


def _check_times(findings: Findings) -> Answer | None:
    """Look for fractional times; an event with one is listed, but has no id to get it by."""
    if not findings.known:
        return None
    fractional = sum(not isinstance(event.recorded_ts, int) for event in findings.known)
    if not fractional:
        return Answer("ok", f"whole seconds, in all of {len(findings.known):,} events", whole=True)
    found = f"t is fractional in {fractional:,} of {len(findings.known):,} events"
    return Answer("warning", found, "these events are listed, but cannot be read one by one: report it", whole=False)


def _ids_are_unique(findings: Findings) -> bool | None:
    events = {event for listing in findings.listings for event in listing.items}
    return len(events) == len(findings.known) if events else None


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


_ASSUMPTIONS: dict[str, tuple[str, Callable[[Findings], bool | None]]] = {
    "ids": ("t and n are unique", _ids_are_unique),
    "paths": ("a listed id finds its event", _id_finds_event),
    "cursors": ("no cursor comes twice", _cursors_differ),
    "ends": ("without a cursor a listing is over", _ends_are_ends),
    "windows": ("a short window lists the same events as a longer one", _windows_agree),
}


def _check_assumptions(findings: Findings) -> Answer | None:
    """Check what the client relies on, as far as the findings show it."""
    values = {name: holds(findings) for name, (_, holds) in _ASSUMPTIONS.items()}
    texts = {name: text for name, (text, _) in _ASSUMPTIONS.items()}
    broken = [text for name, text in texts.items() if values[name] is False]
    unseen = [text for name, text in texts.items() if values[name] is None]
    if broken:
        advice = "events may be lost: report it, with the output of --json"
        return Answer("failed", f"does not hold: {'; '.join(broken)}", advice, **values)
    if not unseen:
        return Answer("ok", f"all hold: {'; '.join(texts.values())}", **values)
    if len(unseen) == len(values):
        return None
    return Answer("unknown", f"the others hold; not seen: {'; '.join(unseen)}", **values)


BEHAVIOUR_CHECKS = (
    CheckSpec("order", _check_order, ("direction", "by")),
    CheckSpec("window", partial(_check_rule, attrgetter("clock"), _CLOCKS), ("is",)),
    CheckSpec("from", partial(_check_rule, attrgetter("lower"), _BOUNDS), ("is",)),
    CheckSpec("to", partial(_check_rule, attrgetter("upper"), _BOUNDS), ("is",)),
    CheckSpec("page size", _check_page_size, ("largest", "kept")),
    CheckSpec("default size", _check_default_size, ("default",)),
    CheckSpec("ending", _check_ending, ("spelled", "empty")),
    CheckSpec("empty pages", _check_empty_pages, ("in_a_row",)),
    CheckSpec("page time", _check_page_time, ("longest_seconds",)),
    CheckSpec("lateness", _check_lateness, ("longest_seconds",)),
    CheckSpec("times", _check_times, ("whole",)),
    CheckSpec("assumptions", _check_assumptions, tuple(_ASSUMPTIONS)),
)

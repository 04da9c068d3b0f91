"""How a listing is cut into pages, and how it ends."""

from collections.abc import Iterator
from itertools import groupby
from statistics import median

from cfevents.doctor.findings import Findings
from cfevents.doctor.listed import CursorSpelled, Listed
from cfevents.doctor.report import Check

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


def _largest(listed: Listed) -> int | None:
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


def _empty_in_a_row(listed: Listed) -> int:
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

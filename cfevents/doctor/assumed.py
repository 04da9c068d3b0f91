"""Whether what cfevents takes for granted holds."""

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from cfevents._model.api import key_of
from cfevents.doctor.findings import Findings
from cfevents.doctor.report import Check

if TYPE_CHECKING:
    from cfevents._model.api import EventMetadata
    from cfevents._model.checkpoint import Key


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
    met: dict[Key, set[EventMetadata]] = defaultdict(set)
    for listed in findings.listings:
        for event in listed.items:
            met[key_of(event)].add(event)
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

"""Which results are worth a look, and how bad they are. One function for each kind of result."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeVar

from cfevents._model.api import EventId
from cfevents._time import format_duration, to_datetime
from cfevents.events import KINDS
from cfevents.operations.boot_slots import Slot
from cfevents.operations.findings import Finding, Severity
from cfevents.operations.gaps import Gap, GapCause
from cfevents.operations.ha import HaActivity
from cfevents.operations.limits import Limits
from cfevents.operations.rekeys import Rekey
from cfevents.operations.runs import Run, loops
from cfevents.operations.spans import Operation, Span
from cfevents.operations.unknowns import Unknown

T = TypeVar("T")


class Attempt(NamedTuple, Generic[T]):
    """Something that was begun."""

    result: T
    started_at: datetime
    answered_at: datetime | None
    """When it was brought to an end, a good one or a bad one."""
    dropped_at: datetime | None = None
    """When it no longer mattered, if it was not."""


def find_overdue(
    attempts: Iterable[Attempt[T]], limit: timedelta, until: datetime, *, repeated: bool = True
) -> Iterator[tuple[list[T], datetime]]:
    """Find what waited for an answer longer than a limit.

    Args:
        attempts: What was begun, ascending, one thing at a time.
        limit: How long an answer may take.
        until: When the events end.
        repeated: Whether what is begun again within the limit goes on waiting for the same answer. Otherwise what is
            begun again is never answered, however soon that is.

    Yields:
        The unanswered attempts that belong together, and until when they had waited.
    """
    waiting: list[Attempt[T]] = []
    given = [*attempts]
    for attempt, following in zip(given, [*given, None][1:], strict=True):
        if attempt.answered_at is None:
            waiting.append(attempt)
            if repeated and _again(attempt, following, limit):
                continue
        end, left = _end(attempt, following, until), not repeated and following is not None
        if waiting and (left or end - waiting[0].started_at > limit):
            yield [each.result for each in waiting], end
        waiting = []


def _again(attempt: Attempt[T], following: Attempt[T] | None, limit: timedelta) -> bool:
    if attempt.dropped_at is not None or following is None:
        return False
    return following.started_at - attempt.started_at <= limit


def _end(attempt: Attempt[T], following: Attempt[T] | None, until: datetime) -> datetime:
    return attempt.answered_at or attempt.dropped_at or (until if following is None else following.started_at)


# As findings are called, and as people say.
_NAMES: dict[Operation, tuple[str, str]] = {
    "Attestation": ("attestation", "attestation"),
    "RotateCryptKey": ("crypt_key_rotation", "crypt key rotation"),
    "RotatePki": ("pki_rotation", "PKI rotation"),
    "Upgrade": ("upgrade", "upgrade"),
}


def judge_spans(spans: Sequence[Span], limits: Limits, until: datetime, since: datetime) -> Iterator[Finding]:
    """Find what failed, what did not end, and what ended without having begun.

    Args:
        spans: A connector's spans.
        limits: How long each may take.
        until: When the events end.
        since: When the connector's events begin.
    """
    for operation, (name, words) in _NAMES.items():
        its, limit = [span for span in spans if span.operation == operation], _limit(operation, limits)
        for span in its:
            if span.answer == "failure":
                after = "" if span.duration is None else f" after {format_duration(span.duration)}"
                yield _of_spans(f"failed_{name}", "error", [span], f"{words} failed{after}")
            # One that ended soon after the events begin was begun before them.
            elif span.outcome == "orphan" and span.finished_at and span.finished_at - since > limit:
                yield _of_spans(f"orphaned_{name}", "info", [span], f"{words} ended, and no start of it is there")
        # A new attestation takes the place of one that came to nothing. An upgrade is not begun twice in a few minutes.
        is_upgrade = operation == "Upgrade"
        for unanswered, end in find_overdue(_attempts(its), limit, until, repeated=not is_upgrade):
            severity: Severity = "error" if is_upgrade else "warning"
            begun = unanswered[0].started_at or end
            message = f"{words} started, and had not ended {format_duration(end - begun)} later"
            yield _of_spans(f"unfinished_{name}", severity, unanswered, message)


def _attempts(spans: Iterable[Span]) -> Iterator[Attempt[Span]]:
    return (Attempt(span, span.started_at, span.finished_at) for span in spans if span.started_at is not None)


def _limit(operation: Operation, limits: Limits) -> timedelta:
    return {"Upgrade": limits.upgrade, "Attestation": limits.attestation}.get(operation, limits.rotation)


def _of_spans(kind: str, severity: Severity, spans: Sequence[Span], message: str) -> Finding:
    moments = [moment for span in spans for moment in (span.started_at, span.finished_at) if moment is not None]
    ids = [event_id for span in spans for event_id in span.event_ids]
    last = spans[-1]
    return _finding(
        kind, severity, last.connector_id, message, moments=moments, ids=ids, url=last.url, version=last.version
    )


def judge_rekeys(rekeys: Sequence[Rekey], limits: Limits, until: datetime) -> Iterator[Finding]:
    """Find tunnels that lost their keys, and rekeys that are stuck."""
    for rekey in rekeys:
        if rekey.state == "reset":
            yield _of_rekeys("rekey_reset", "critical", [rekey], "all keys deleted after receiving an unexpected key")
    by_tunnel: dict[str | int, list[Rekey]] = {}
    for place, rekey in enumerate(rekeys):
        # Where it is not known whose it is, none is another attempt of the one before.
        by_tunnel.setdefault(place if rekey.tunnel_id is None else rekey.tunnel_id, []).append(rekey)
    for its in by_tunnel.values():
        for stuck, end in find_overdue(map(_attempt, its), limits.rekey, until):
            times = sum(each.restarts for each in stuck)
            restarts = f", restarts: {times}" if times else ""
            message = f"rekey stuck in {stuck[-1].state} for {format_duration(end - stuck[0].started_at)}{restarts}"
            yield _of_rekeys("stuck_rekey", "error", stuck, message, state=stuck[-1].state, restarts=times)


def _attempt(rekey: Rekey) -> Attempt[Rekey]:
    if rekey.state == "reset":
        return Attempt(rekey, rekey.started_at, rekey.started_at)
    if rekey.state == "complete":
        return Attempt(rekey, rekey.started_at, rekey.ended_at)
    return Attempt(rekey, rekey.started_at, None, None if rekey.ended_by == "RekeyStart" else rekey.ended_at)


def _of_rekeys(kind: str, severity: Severity, rekeys: Sequence[Rekey], message: str, **details: Any) -> Finding:
    moments = [moment for rekey in rekeys for moment in (rekey.started_at, rekey.last_at)]
    ids = [event_id for rekey in rekeys for event_id in rekey.event_ids]
    details |= {"tunnel_id": rekeys[-1].tunnel_id}
    return _finding(kind, severity, rekeys[-1].connector_id, message, moments=moments, ids=ids, **details)


def judge_runs(runs: Sequence[Run], limits: Limits) -> Iterator[Finding]:
    """Find crashes and restart loops. The crashes of a loop are part of it."""
    for loop in loops(runs, limits):
        moments = [run.started_at for run in loop if run.started_at is not None]
        ids, name = [run.event_ids[0] for run in loop], loop[0].connector_id
        message = f"started {len(loop)} times within {format_duration(moments[-1] - moments[0])}"
        yield _finding("restart_loop", "critical", name, message, moments=moments, ids=ids, starts=len(loop))
    for run, following in pairwise(runs):
        if run.outcome == "crashed" and not following.in_loop and run.next_at and run.downtime is not None:
            name, moments = run.connector_id, [run.last_at, run.next_at]
            message = f"started again without having stopped, down for at most {format_duration(run.downtime)}"
            details = {"version": run.version, "downtime": run.downtime}
            yield _finding("crash", "error", name, message, moments=moments, ids=run.event_ids[-2:], **details)


def judge_ha(activity: HaActivity) -> Iterator[Finding]:
    """Find flapping, and errors apart from it."""
    name = activity.connector_id
    for each in activity.flapping:
        moments, number = [each.first_at, each.last_at], each.transitions
        message = f"{number} HA transitions within {format_duration(each.last_at - each.first_at)}"
        yield _finding("ha_flapping", "error", name, message, moments=moments, ids=each.event_ids, transitions=number)
    shown = {event_id for each in activity.flapping for event_id in each.event_ids}
    for event_id in activity.error_ids:
        if event_id not in shown:
            moments = [to_datetime(event_id.recorded_ts)]
            yield _finding("ha_error", "warning", name, "unexpected HA error", moments=moments, ids=[event_id])


def judge_slots(slots: Sequence[Slot], limits: Limits, until: datetime) -> Iterator[Finding]:
    """Find slots that are not blessed: the connector rolls back at its next boot."""
    for slot in slots:
        waited = (slot.replaced_at or until) - slot.first_at
        if slot.outcome == "failed":
            how = "could not be blessed"
        elif waited > limits.blessing and (slot.outcome == "pending" or (slot.outcome == "unknown" and slot.expected)):
            how = f"was not blessed {format_duration(waited)} later"
        else:
            continue
        message, moments = (
            f"boot slot {how}; the next boot rolls back",
            [slot.first_at, slot.decided_at or slot.first_at],
        )
        details = {"version": slot.version, "outcome": slot.outcome}
        name, ids = slot.connector_id, slot.event_ids
        yield _finding("unblessed_slot", "error", name, message, moments=moments, ids=ids, **details)


_GAPS: dict[GapCause, tuple[str, Severity, str]] = {
    "device": ("device_gap", "error", "nothing recorded for {}"),
    "collection": ("collection_gap", "warning", "cut off for {}: what was recorded meanwhile was collected afterwards"),
    "unknown": ("silence", "error", "nothing heard for {}, and still nothing"),
}
_STOPPED: tuple[str, Severity, str] = ("downtime", "error", "process stopped, and not started for {}")


def judge_gaps(gaps: Sequence[Gap], runs: Sequence[Run], crashes: Iterable[Finding]) -> Iterator[Finding]:
    """Find gaps; those before a start after a crash are told with the crash."""
    told = {finding.event_ids for finding in crashes}
    stops = {run.event_ids[-1] for run in runs if run.outcome == "stopped"}
    for gap in gaps:
        if gap.event_ids in told:
            continue
        stopped = gap.cause != "collection" and gap.event_ids[0] in stops
        kind, severity, text = _STOPPED if stopped else _GAPS[gap.cause]
        message, moments = text.format(format_duration(gap.duration)), [gap.started_at, gap.ended_at or gap.started_at]
        details = {"duration": gap.duration, "usual": gap.usual}
        yield _finding(kind, severity, gap.connector_id, message, moments=moments, ids=gap.event_ids, **details)


def judge_unknowns(unknowns: Sequence[Unknown]) -> Iterator[Finding]:
    """Tell what this version does not know. A kind that it does not know is told with its fields."""
    fields: dict[str, list[str]] = {}
    for each in unknowns:
        fields.setdefault(each.kind, []).extend([] if each.field is None else [each.field])
    for each in unknowns:
        moments = [each.first_at, each.last_at]
        details: dict[str, Any] = {"event_kind": each.kind, "count": each.count}
        if each.field is None:
            kind, what = "unknown_kind", f"kind {each.kind!r}"
            details["fields"] = tuple(fields[each.kind])
        elif each.kind in KINDS:
            kind, what = "unknown_field", f"field {each.field!r} of {each.kind!r}"
            details["field"] = each.field
        else:
            continue
        message = f"{what} is not known to this version; events: {each.count}"
        yield _finding(kind, "info", each.connector_id, message, moments=moments, ids=each.event_ids, **details)


def _finding(
    kind: str,
    severity: Severity,
    connector_id: str | None,
    message: str,
    *,
    moments: Sequence[datetime],
    ids: Iterable[EventId],
    **details: Any,
) -> Finding:
    known = {name: value for name, value in details.items() if value is not None}
    return Finding(kind, severity, connector_id, min(moments), max(moments), message, tuple(sorted(set(ids))), known)

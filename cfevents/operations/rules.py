"""The rules by which results become findings, and how bad those are. One function for each kind of result."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar, get_args

from attrs import evolve, field, frozen

from cfevents._html import HtmlRepr, counted
from cfevents._model.api import EventId
from cfevents._time import format_duration, format_iso, to_datetime, to_timedelta
from cfevents.events import KINDS
from cfevents.operations.gaps import Gap, GapCause, Heartbeats, Silence
from cfevents.operations.ha import HaActivity
from cfevents.operations.journal import split
from cfevents.operations.limits import Limits
from cfevents.operations.measures import Unknown
from cfevents.operations.orders import Order, Orders
from cfevents.operations.rekeys import Rekey
from cfevents.operations.runs import Run, restart_loops
from cfevents.operations.spans import Operation, Slot, Span
from cfevents.operations.surroundings import Surroundings

T = TypeVar("T")

Severity: TypeAlias = Literal["info", "warning", "error", "critical"]
"""The severity of a finding, ascending."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The severities, ascending."""

MAX_EVENT_KINDS = 12
severity_rank = SEVERITIES.index


@frozen
class Finding(HtmlRepr):
    """Something that is worth attention."""

    kind: str
    """The kind of finding, such as ``"failed_upgrade"``."""

    severity: Severity
    """The severity: ``"info"``, ``"warning"``, ``"error"`` or ``"critical"``."""

    connector_id: str | None
    """The connector; None if the events do not name it."""

    first_at: datetime
    """When it began."""

    last_at: datetime
    """When it was over, or when the last event that shows it was recorded."""

    message: str
    """What happened, in a sentence."""

    event_ids: tuple[EventId, ...]
    """The events that show it, ascending."""

    details: Mapping[str, Any] = field(factory=dict, hash=False)
    """Further values, such as ``url``, ``version`` or ``tunnel_id``; unknown ones are left out."""

    notes: str | None = None
    """The connector's notes by its owner, if `report` was given the connectors as the account lists them."""

    event_kinds: tuple[str, ...] = field(default=(), repr=False, eq=False)
    """The kinds of the first twelve of the events that show it."""

    @property
    def where(self) -> str:
        """The connector with its notes, in one line; empty if the events do not name it."""
        notes = " ".join((self.notes or "").split())
        return (self.connector_id or "") + (f" ({notes})" if notes else "")

    @property
    def text(self) -> str:
        """The message; of a gap or a silence, with what the events around it show of its cause."""
        return "; ".join(filter(None, (self.message, self.details.get("reading"))))

    def _facts(self, format_time: Callable[[datetime], str]) -> dict[str, str]:
        """Return what is known beside the text: from payloads, the events around it, and the last heartbeat."""
        facts = {name: str(self.details[name]) for name in ("tunnel_id", "url", "version") if name in self.details}
        for name in ("last", "next"):
            if kind := self.details.get(f"{name}_kind"):
                facts[name] = f"{kind} {format_time(self.details[f'{name}_at'])}"
        if heartbeat := self.details.get("last_heartbeat"):
            facts["last_heartbeat"] = format_time(heartbeat)
        return facts

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON has it: times are ISO 8601, and lengths are seconds."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "connector_id": self.connector_id,
            "notes": self.notes,
            "first_at": format_iso(self.first_at),
            "last_at": format_iso(self.last_at),
            "message": self.message,
            "event_ids": [str(event_id) for event_id in self.event_ids],
            "details": {name: _json_value(value) for name, value in self.details.items()},
        }

    def __str__(self) -> str:
        """Return the finding in one line."""
        where = f"  {self.where}" if self.where else ""
        return f"{self.severity:<8}  {self.first_at:%Y-%m-%d %H:%M:%S}{where}  {self.kind}: {self.text}"


def is_silence(finding: Finding) -> bool:
    """Return whether a silence goes on: it rests on the event before it alone."""
    return finding.kind in {"silence", "downtime"} and len(finding.event_ids) <= 1


def goes_on(finding: Finding) -> bool:
    """Return whether a finding goes on after the last event that shows it."""
    is_open = finding.kind.startswith(("unfinished_", "stuck_", "unblessed_"))
    return is_silence(finding) or (is_open and finding.details.get("outcome") != "failed")


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_iso(value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def _finding(
    kind: str,
    severity: Severity,
    results: Sequence[Span | Rekey | Run | HaActivity | Slot | Gap | Silence | Unknown],
    message: str,
    *,
    ids: Iterable[EventId] | None = None,
    moments: Sequence[datetime] | None = None,
    **details: Any,
) -> Finding:
    """Create a finding that rests on all events of its results, or on some ids of them, and covers their time."""
    evidence = sorted({event_id for result in results for event_id in result.event_ids} if ids is None else set(ids))
    moments = moments or [to_datetime(event_id.recorded_ts) for event_id in (evidence[0], evidence[-1])]
    known = {name: value for name, value in details.items() if value is not None}
    connector_id = results[-1].connector_id
    return Finding(kind, severity, connector_id, min(moments), max(moments), message, tuple(evidence), known)


class _Attempt(NamedTuple, Generic[T]):
    """A result that waits for an answer from its start."""

    result: T
    started_at: datetime
    ended_at: datetime | None  # when it was answered, well or badly, or no longer mattered; None if it is still open
    is_answered: bool


def _overdue(
    attempts: Iterable[_Attempt[T]], limit: timedelta, until: datetime, *, retries: bool = True
) -> Iterator[tuple[list[T], datetime]]:
    """Yield results that waited together for an answer longer than a limit, and the end of their waiting.

    An attempt and its retries wait together: from the start of the first to the end of the last, or if that is still
    open, to the start of the next attempt that is no retry, or to the end of the events. An attempt within the limit
    after another one is its retry. Without `retries` the earlier one is never answered, however soon the next begins.
    """

    def begins(earlier: list[_Attempt[T]], attempt: _Attempt[T]) -> bool:
        last = earlier[-1]
        return last.ended_at is not None or not retries or attempt.started_at - last.started_at > limit

    for waiting, following in pairwise([*split(attempts, begins), []]):
        unanswered = [attempt.result for attempt in waiting if not attempt.is_answered]
        end = waiting[-1].ended_at or (following[0].started_at if following else until)
        if unanswered and (end - waiting[0].started_at > limit or (following and not retries)):
            yield unanswered, end


# In the names of findings, and in sentences.
_NAMES: dict[Operation, tuple[str, str]] = {
    "Attestation": ("attestation", "attestation"),
    "RotateCryptKey": ("crypt_key_rotation", "crypt key rotation"),
    "RotatePki": ("pki_rotation", "PKI rotation"),
    "Upgrade": ("upgrade", "upgrade"),
}


class JudgedTime(NamedTuple):
    """The time that the events of a connector are of."""

    since: datetime  # the first event
    until: datetime  # the end of what is judged
    known_until: datetime  # the beginning of a silence that goes on until then, or the same

    def later(self, begin: datetime, end: datetime, limit: timedelta) -> str:
        """Return how long after its beginning something was still missing, as far as that is known."""
        known = max(timedelta(), min(end, self.known_until) - begin)
        text = f"{format_duration(known)} later"
        # Within the limit it was not too late yet.
        return text if known > limit or end <= self.known_until else f"when the connector went silent {text}"


def judge_spans(spans: Sequence[Span], limits: Limits, time: JudgedTime) -> Iterator[Finding]:
    """Find operations that failed, that did not end, and that ended without a start."""
    for operation, (name, words) in _NAMES.items():
        limit = {"Upgrade": limits.upgrade, "Attestation": limits.attestation}.get(operation, limits.rotation)
        of_operation = [span for span in spans if span.operation == operation]
        for span in of_operation:
            if span.answer == "failure":
                after = "" if span.duration is None else f" after {format_duration(span.duration)}"
                message = f"{words} failed{after}"
                yield _finding(f"failed_{name}", "error", [span], message, url=span.url, version=span.version)
            # An operation that ended soon after the events begin was started before them.
            elif span.outcome == "orphan" and span.finished_at and span.finished_at - time.since > limit:
                message = f"{words} succeeded, but its start is not among the events"
                yield _finding(f"orphaned_{name}", "info", [span], message, url=span.url, version=span.version)
        # An attestation that came to nothing is tried again. An upgrade is not started twice in a few minutes.
        is_upgrade = operation == "Upgrade"
        started = (_Attempt(s, s.started_at, s.finished_at, s.answer is not None) for s in of_operation if s.started_at)
        for unanswered, end in _overdue(started, limit, time.until, retries=not is_upgrade):
            last, later = unanswered[-1], time.later(unanswered[0].started_at or end, end, limit)
            severity: Severity = "error" if is_upgrade else "warning"
            message = f"{words} started, but not finished {later}"
            yield _finding(f"unfinished_{name}", severity, unanswered, message, url=last.url, version=last.version)


def judge_rekeys(rekeys: Sequence[Rekey], limits: Limits, time: JudgedTime) -> Iterator[Finding]:
    """Find tunnels that lost their keys, and rekeys that are stuck."""
    by_tunnel: dict[str | int, list[Rekey]] = {}
    for place, rekey in enumerate(rekeys):
        if rekey.state == "reset":
            message = "all keys deleted after receiving an unexpected key"
            yield _finding("rekey_reset", "critical", [rekey], message, tunnel_id=rekey.tunnel_id)
        # Rekeys of unknown tunnels are not taken for attempts of one another.
        by_tunnel.setdefault(place if rekey.tunnel_id is None else rekey.tunnel_id, []).append(rekey)
    for of_tunnel in by_tunnel.values():
        if all(rekey.state == "complete" for rekey in of_tunnel):
            continue  # nearly all
        for stuck, end in _overdue(map(_rekey_attempt, of_tunnel), limits.rekey, time.until):
            state, restarts = stuck[-1].state, sum(rekey.restarts for rekey in stuck)
            message = _stuck_message(stuck, end, time) + (f", restarts: {restarts}" if restarts else "")
            details: dict[str, Any] = {"state": state, "restarts": restarts, "tunnel_id": stuck[-1].tunnel_id}
            yield _finding("stuck_rekey", "error", stuck, message, **details)


def _stuck_message(stuck: Sequence[Rekey], end: datetime, time: JudgedTime) -> str:
    state, begin = stuck[-1].state, stuck[0].started_at
    if not all(rekey.is_certain for rekey in stuck):
        longest = format_duration(time.until - begin)
        return f"rekey may be stuck in {state}, for at most {longest}: only payloads tell"
    at_most = "at most " if end > time.known_until else ""
    return f"rekey stuck in {state} for {at_most}{format_duration(end - begin)}"


def _rekey_attempt(rekey: Rekey) -> _Attempt[Rekey]:
    # The start of another rekey answers nothing: it is the next attempt.
    end = None if rekey.ended_by == "RekeyStart" else rekey.ended_at
    end = rekey.started_at if rekey.state == "reset" else end
    return _Attempt(rekey, rekey.started_at, end, is_answered=rekey.state in {"complete", "reset"})


def judge_runs(runs: Sequence[Run], gaps: Sequence[Gap], limits: Limits, orders: Orders | None) -> Iterator[Finding]:
    """Find restarts: ordered, of upgrades, unclean, and in loops. A gap before an unclean one is its downtime."""
    by_start = orders.by_start if orders else {}
    loops = restart_loops((run for run in runs if run.event_ids[0] not in by_start), limits)
    in_loops = {run.event_ids[0] for loop in loops for run in loop}
    for loop in loops:
        starts = [run.event_ids[0] for run in loop]
        length = to_timedelta(starts[-1].recorded_ts - starts[0].recorded_ts)
        message = f"started {len(loop)} times within {format_duration(length)}"
        yield _finding("restart_loop", "critical", loop, message, ids=starts, starts=len(loop))
    unclean: list[tuple[Run, Run]] = []
    for run, following in pairwise(runs):
        start = following.event_ids[0]
        if order := by_start.get(start):
            yield _judge_order(order, run, start, limits)
        elif start not in in_loops and run.upgraded_at is not None:
            message = f"started again without a stop, {format_duration(_at(start) - run.upgraded_at)} after an upgrade"
            yield _finding("upgrade_restart", "info", [run], message, ids=run.event_ids[-2:], version=following.version)
        elif start not in in_loops and run.outcome == "unclean":
            unclean.append((run, following))
    long = {gap.event_ids for gap in gaps if gap.cause == "device"}
    yield from _judge_unclean(unclean, long, limits, orders)


def _judge_order(order: Order, run: Run, start: EventId, limits: Limits) -> Finding:
    severity: Severity = "info"
    message, delay = f"{order}, {_down(run)}", _at(start) - order.executed_at
    # What was shut down stays so until somebody turns it on.
    if order.operation != "shutdown" and delay > limits.restart:
        severity, message = "warning", f"{message}, started {format_duration(delay)} after the order"
    # Without a stop, the start is among the events of the run that it ended.
    ids = [*[event_id for event_id in run.event_ids if event_id != start][-1:], start]
    details = {"downtime": run.downtime, **order.details}
    return _finding(f"ordered_{order.operation}", severity, [run], message, ids=ids, **details)


def _judge_unclean(
    unclean: Iterable[tuple[Run, Run]], long: Set[tuple[EventId, ...]], limits: Limits, orders: Orders | None
) -> Iterator[Finding]:
    def begins(earlier: list[tuple[Run, Run]], restart: tuple[Run, Run]) -> bool:
        run, following = restart
        return earlier[-1][1] is not run or _at(following.event_ids[0]) - _at(run.event_ids[0]) > limits.restart_series

    for series in split(unclean, begins):
        in_a_row = "" if len(series) == 1 else f", one of {len(series)} in a row"
        for run, following in series:
            causes = "a crash, a power cut or an ordered restart"
            if orders is not None:
                causes = orders.causes_of_unclean(run.last_at, _at(following.event_ids[0]))
            message, ids = f"started again without a stop{in_a_row}, {_down(run)}: {causes}", run.event_ids[-2:]
            severity: Severity = "error" if in_a_row or ids in long else "warning"
            details: dict[str, Any] = {"version": run.version, "downtime": run.downtime}
            yield _finding("unclean_restart", severity, [run], message, ids=ids, **details)


def _at(event_id: EventId) -> datetime:
    return to_datetime(event_id.recorded_ts)


def _down(run: Run) -> str:
    at_most = "" if run.outcome == "stopped" else "at most "
    return f"down for {at_most}{format_duration(run.downtime or timedelta())}"


def judge_ha(activity: HaActivity) -> Iterator[Finding]:
    """Find flapping, and errors apart from it."""
    flapping_ids = set[EventId]()
    for flapping in activity.flapping:
        flapping_ids.update(flapping.event_ids)
        moments, count = [flapping.first_at, flapping.last_at], flapping.transitions
        message = f"{count} HA transitions within {format_duration(moments[1] - moments[0])}"
        ids = flapping.event_ids
        yield _finding("ha_flapping", "error", [activity], message, ids=ids, moments=moments, transitions=count)
    for event_id in activity.error_ids:
        if event_id not in flapping_ids:
            yield _finding("ha_error", "warning", [activity], "unexpected HA error", ids=[event_id])


def judge_slots(slots: Sequence[Slot], limits: Limits, time: JudgedTime) -> Iterator[Finding]:
    """Find slots that are not blessed: the connector rolls back at its next boot."""
    for slot in slots:
        waited = (slot.replaced_at or time.until) - slot.first_at
        if slot.outcome == "failed":
            problem = "could not be blessed"
        elif waited > limits.blessing and (slot.outcome == "pending" or (slot.outcome == "unknown" and slot.expected)):
            problem = f"was not blessed {time.later(slot.first_at, slot.replaced_at or time.until, limits.blessing)}"
        else:
            continue
        message = f"boot slot {problem}; the next boot rolls back"
        moments = [slot.first_at, slot.decided_at or slot.first_at]
        version, outcome = slot.version, slot.outcome
        yield _finding("unblessed_slot", "error", [slot], message, moments=moments, version=version, outcome=outcome)


_GAPS: dict[GapCause, tuple[str, Severity, str]] = {
    "device": ("device_gap", "error", "nothing recorded for {}"),
    "collection": (
        "collection_gap",
        "warning",
        "silent for at most {}: events of that time were collected afterwards",
    ),
    "unknown": ("silence", "error", "silent for {}, and still silent"),
}
_GAPS_AFTER_STOP: dict[GapCause, tuple[str, Severity, str]] = {
    **_GAPS,
    "device": ("downtime", "error", "process stopped, and not started again for {}"),
    "unknown": ("downtime", "error", "process stopped, and nothing received for {} since"),
}


_BEGAN_EARLIER = "silent since before {1}, for at least {0}: events of that time were collected afterwards"


def _around(around: Gap | Surroundings) -> dict[str, Any]:
    """Return the details of the events around a gap."""
    events = {"last": around.before, "next": around.after}
    known = {name: event for name, event in events.items() if event is not None}
    kinds = {f"{name}_kind": event.kind for name, event in known.items()}
    return {**kinds, **{f"{name}_at": event.recorded_at for name, event in known.items()}, "reading": around.reading}


def judge_gaps(gaps: Sequence[Gap], of_runs: Iterable[Finding], last_heartbeat: datetime | None) -> Iterator[Finding]:
    """Find gaps. One before an unclean restart is its downtime."""
    in_restarts = {finding.event_ids for finding in of_runs if finding.kind == "unclean_restart"}
    for gap in gaps:
        if gap.event_ids not in in_restarts:
            after_stop = gap.before is not None and gap.before.kind == "Leave"
            kind, severity, text = (_GAPS_AFTER_STOP if after_stop else _GAPS)[gap.cause]
            moments = [gap.started_at, gap.ended_at or gap.started_at]
            message = (_BEGAN_EARLIER if gap.began_earlier else text).format(
                format_duration(gap.duration), f"{gap.started_at:%Y-%m-%d %H:%M:%S} UTC"
            )
            heartbeat = last_heartbeat if gap.cause == "unknown" else None
            details: dict[str, Any] = {"duration": gap.duration, "usual": gap.usual, "last_heartbeat": heartbeat}
            details |= _around(gap)
            yield _finding(kind, severity, [gap], message, moments=moments, **details)


_HEARTBEATS: dict[Heartbeats, str] = {
    "going on": ", though its heartbeats go on",
    "stopped": ", and no heartbeat for {}",
    "later": "; its heartbeats are of a later time",
    "none": ", and no heartbeat so far",
    "unknown": "",
}


def judge_silence(silence: Silence, limits: Limits) -> Iterator[Finding]:
    """Find connectors that sent nothing, and those that have stopped after a few events."""
    since, until, heartbeats = silence.known_since or silence.since, silence.until, silence.heartbeats
    has_stopped, is_short = heartbeats == "stopped", since is not None and until - since <= limits.gap_least
    severity: Severity = "warning" if heartbeats == "going on" or (is_short and not has_stopped) else "error"
    message, length = f"silent: no event in the window{_HEARTBEATS[heartbeats]}", silence.duration
    # Where the usual pause is known, it is the measure, unless the heartbeats have stopped too.
    limit = limits.gap_least if has_stopped else timedelta.max if silence.has_usual_pause else limits.silence
    if silence.event_ids and length <= limit:
        return
    if not silence.event_ids and _is_too_short(silence, limits) and heartbeats not in ("stopped", "none"):
        return
    if silence.event_ids:
        message = _GAPS["unknown"][2]
    elif silence.since is not None and until < silence.since:
        severity, length = "error", silence.since - until
        message = "last asked {} before the window begins: nothing is known of it"
    elif silence.known_since is not None:
        message = f"nothing is known of it before {silence.known_since:%Y-%m-%d %H:%M:%S} UTC"
        if silence.known_since <= until:
            message += f", and silent since{_HEARTBEATS[heartbeats]}"
        else:
            severity = "error"
    message = message.format(format_duration(length))
    details: dict[str, Any] = {"duration": silence.duration, "last_heartbeat": silence.last_heartbeat}
    details |= _around(silence.around)
    yield _finding("silence", severity, [silence], message, moments=[silence.started_at], **details)


def _is_too_short(silence: Silence, limits: Limits) -> bool:
    """Return whether what is known of the window is no longer than what is never a gap."""
    since, begin = silence.since, silence.known_since or silence.since
    return since is not None and begin is not None and begin <= silence.until <= since + limits.gap_least


def weigh_silence(finding: Finding, silence: Silence) -> Finding:
    """Return the finding of a silence as the account's list of connectors weighs it, and any other as it is."""
    if finding.kind != "silence":
        return finding
    if silence.event_ids and silence.heartbeats == "going on":
        message = finding.message.replace(", and still silent", _HEARTBEATS["going on"])
        finding = evolve(finding, severity="warning", message=message)
    if not silence.is_in_service:
        finding = evolve(finding, severity="info", message=f"not in service: {finding.message}")
    return finding


_EXPLAINABLE = {"unclean_restart", "restart_loop", "downtime", "silence"}
_SILENCES = {"silence", "device_gap", "downtime"}


def explainable_connectors(findings: Iterable[Finding]) -> list[str]:
    """Return the connectors with findings that an order may explain, each once."""
    names = (finding.connector_id for finding in findings if finding.kind in _EXPLAINABLE)
    return list(dict.fromkeys(name for name in names if name is not None))


def explain_silences(findings: Iterable[Finding], orders: Orders, until: datetime) -> Iterator[Finding]:
    """Replace the silences that an ordered shutdown explains. One that is over is part of its restart."""
    for finding in findings:
        is_over = len(finding.event_ids) > 1
        order = orders.by_start.get(finding.event_ids[-1]) if is_over else orders.shutdown_before(until)
        if order is None or finding.kind not in _SILENCES or not _is_explained(finding, order, orders.limits):
            yield finding
        elif not is_over:
            message, details = f"{order}, and nothing since", {**finding.details, **order.details}
            del details["reading"]
            yield evolve(finding, kind="ordered_shutdown", severity="info", message=message, details=details)


def _is_explained(silence: Finding, order: Order, limits: Limits) -> bool:
    """Return whether a shutdown came before a silence was too long, and nothing came after it."""
    usual: timedelta = silence.details.get("usual", timedelta())
    usual_s = max(limits.gap_least.total_seconds(), limits.gap_factor * usual.total_seconds())
    heartbeat: datetime | None = silence.details.get("last_heartbeat")
    later = [_at(event_id) - order.executed_at for event_id in silence.event_ids[:1]]
    later += [] if heartbeat is None else [heartbeat - order.triggered_at]
    went_on = any(time > limits.restart for time in later)
    begin = order.executed_at if len(silence.event_ids) > 1 else order.triggered_at
    is_early = (begin - silence.first_at).total_seconds() <= usual_s
    return order.operation == "shutdown" and is_early and not went_on


def judge_unknowns(unknowns: Sequence[Unknown]) -> Iterator[Finding]:
    """Find what this version does not know. The fields of an unknown kind are part of the kind's finding."""
    for item in unknowns:
        details: dict[str, Any] = {"event_kind": item.kind, "count": item.count}
        if item.field is None:
            kind, what = "unknown_kind", f"kind {item.kind!r}"
            details["fields"] = tuple(other.field for other in unknowns if other.kind == item.kind and other.field)
        elif item.kind in KINDS:
            kind, what = "unknown_field", f"field {item.field!r} of {item.kind!r}"
            details["field"] = item.field
        else:
            continue
        message = f"{what} is not known to this version; seen in {counted(item.count, 'event')}"
        yield _finding(kind, "info", [item], message, **details)

"""Everything that the events of a connector or a fleet mean, and what of it is worth a look."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from attrs import evolve, field, frozen

from cfevents._html import HtmlRepr, counted, rows_of
from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.events import KINDS
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.boot_slots import Slot, slots_of
from cfevents.operations.findings import SEVERITIES, Finding, Severity
from cfevents.operations.gaps import Gap, end_of, gaps_of
from cfevents.operations.ha import HaActivity, ha_of
from cfevents.operations.journal import Journal, Record
from cfevents.operations.lags import Lags, lags_of
from cfevents.operations.limits import Limits, limits_of
from cfevents.operations.rekeys import Rekey, rekeys_of
from cfevents.operations.rules import (
    judge_gaps,
    judge_ha,
    judge_rekeys,
    judge_runs,
    judge_slots,
    judge_spans,
    judge_unknowns,
)
from cfevents.operations.runs import Run, runs_of
from cfevents.operations.spans import Span, spans_of
from cfevents.operations.unknowns import Unknown, unknowns_of

# Findings in a notebook: a bad week of a fleet.
_MOST = 50


@frozen
class ConnectorReport(HtmlRepr):
    """What the events of one connector mean."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose they are; None where they do not say."""

    events: int
    """How many there are."""

    first_at: datetime
    """When the first was recorded."""

    last_at: datetime
    """When the last was recorded."""

    spans: tuple[Span, ...] = field(repr=False)
    """Operations that were started and answered."""

    rekeys: tuple[Rekey, ...] = field(repr=False)
    """Changes of its tunnels' keys."""

    runs: tuple[Run, ...] = field(repr=False)
    """Runs of its process."""

    ha: HaActivity | None = field(repr=False)
    """What its HA subsystem did; None if nothing."""

    slots: tuple[Slot, ...] = field(repr=False)
    """Its boot slots after upgrades."""

    gaps: tuple[Gap, ...] = field(repr=False)
    """Times without events."""

    lags: Lags | None = field(repr=False)
    """How long its events took to be collected; None where none of them tells."""

    unknowns: tuple[Unknown, ...] = field(repr=False)
    """What this version does not know."""

    findings: tuple[Finding, ...] = field(repr=False)
    """What of it is worth a look, the worst first."""


@frozen
class Report:
    """What the events of a connector or a fleet mean. ``str()`` is a text of one line for each finding."""

    __module__ = "cfevents.operations"

    until: datetime
    """When the events end."""

    connectors: tuple[ConnectorReport, ...]
    """What the events of each connector mean."""

    findings: tuple[Finding, ...]
    """What of it is worth a look: the worst first, and of one severity the earliest."""

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(connector.events for connector in self.connectors)

    @property
    def worst(self) -> Severity | None:
        """The worst severity of a finding; None where there is none."""
        return self.findings[0].severity if self.findings else None

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Give the findings of a severity, and of the worse ones.

        Raises:
            ValueError: There is no such severity.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"severity={severity!r} is none of {', '.join(SEVERITIES)}")
        wanted = SEVERITIES[SEVERITIES.index(severity) :]
        return tuple(finding for finding in self.findings if finding.severity in wanted)

    def _repr_html_(self) -> str:
        head = "severity", "first", "connector", "finding", "what happened"
        rows = ((each.severity, each.first_at, each.connector_id, each.kind, each.message) for each in self.findings)
        return rows_of(str(self).partition("\n")[0], head, rows, most=_MOST)

    def __str__(self) -> str:
        """Say it in a line for each finding."""
        events, connectors = counted(self.events, "event"), counted(len(self.connectors), "connector")
        if not self.connectors:
            return "no events"
        since = min(connector.first_at for connector in self.connectors)
        begin, end = (f"{moment:%Y-%m-%d %H:%M}" for moment in (since, self.until))
        found = counted(len(self.findings), "finding") if self.findings else "no findings"
        return "\n".join([f"{events} of {connectors}, {begin} to {end} UTC: {found}", *map(str, self.findings)])


@accepts_any_events
def report(events: Journal, *, until: datetime | float | None = None, limits: Limits | None = None) -> Report:
    """Put together what events mean, and find what is worth a look.

    The events should be of all kinds, those of a whole window of time. What the window cuts off is not held against
    anyone: not an answer whose start lies before it, not a start whose answer may come after it. With payloads it is
    also known which tunnel, which bundle and which version a finding is about; nothing else depends on them.

    Args:
        events: Events of one connector or several, in any order.
        until: When the events end, an aware datetime or seconds since the Unix epoch; the time the last event of
            all was collected where it is left out. What has not ended by then is open, and has been for that long.
        limits: From when on something counts as wrong.

    Returns:
        The report, which is the same whatever the order of the events, and whether they come once or twice.

    Raises:
        TypeError: `until` is no moment.
        ValueError: `until` has no time zone, or is not finite.
    """
    end, chosen = end_of(events, until), limits_of(limits)
    connectors = tuple(_connector(connector_id, records, end, chosen) for connector_id, records in events.connectors())
    findings = (finding for connector in connectors for finding in connector.findings)
    return Report(to_datetime(end), connectors, tuple(sorted(findings, key=_rank)))


def _connector(connector_id: str | None, records: list[Record], end: float, limits: Limits) -> ConnectorReport:
    results = ConnectorReport(
        connector_id=connector_id,
        events=len(records),
        first_at=records[0].recorded_at,
        last_at=records[-1].recorded_at,
        spans=tuple(span for _, span in spans_of(connector_id, records)),
        rekeys=tuple(rekeys_of(connector_id, records)),
        runs=tuple(runs_of(connector_id, records, limits)),
        ha=ha_of(connector_id, records, limits),
        slots=tuple(slots_of(connector_id, records)),
        gaps=tuple(gaps_of(connector_id, records, end, limits)),
        lags=lags_of(connector_id, records),
        unknowns=tuple(unknowns_of(connector_id, records)),
        findings=(),
    )
    return evolve(results, findings=tuple(sorted(_judged(results, to_datetime(end), limits), key=_rank)))


def _judged(results: ConnectorReport, until: datetime, limits: Limits) -> Iterator[Finding]:
    yield from judge_spans(results.spans, limits, until, results.first_at)
    yield from judge_rekeys(results.rekeys, limits, until)
    yield from (of_runs := [*judge_runs(results.runs, limits)])
    yield from () if results.ha is None else judge_ha(results.ha)
    yield from judge_slots(results.slots, limits, until)
    crashes = [finding for finding in of_runs if finding.kind == "crash"]
    yield from judge_gaps(results.gaps, results.runs, crashes)
    yield from judge_unknowns(results.unknowns)


def _rank(finding: Finding) -> tuple[int, datetime, str, str, tuple[EventId, ...]]:
    worst_first = -SEVERITIES.index(finding.severity)
    return worst_first, finding.first_at, finding.connector_id or "", finding.kind, finding.event_ids


# By finding, what the kinds have in their names whose payload has its tunnel, its bundle or its version. Of a rekey
# that are all steps: one without a payload may be taken for another tunnel's.
_TOLD_BY = {
    "crash": "Init",
    "failed_upgrade": "Upgrade",
    "orphaned_upgrade": "Upgrade",
    "rekey_reset": "Rekey",
    "stuck_rekey": "Rekey",
    "unblessed_slot": "BlessSlot",
    "unfinished_upgrade": "Upgrade",
}


def telling_kinds(findings: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """Find the kinds whose payloads tell more of some findings, by connector, where there are any."""
    kinds: dict[str, set[str]] = {}
    for finding in findings:
        if finding.connector_id is not None and (part := _TOLD_BY.get(finding.kind)):
            kinds.setdefault(finding.connector_id, set()).update(kind for kind in KINDS if part in kind)
    return {connector_id: tuple(sorted(its)) for connector_id, its in kinds.items()}

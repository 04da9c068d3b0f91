"""The report: all results of the events of a connector or a fleet, and the findings among them."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from attrs import evolve, field, frozen

from cfevents._html import counted, rows_of
from cfevents._model.api import EventId
from cfevents._time import to_datetime
from cfevents.events import KINDS
from cfevents.operations import rules
from cfevents.operations.boot_slots import Slot, slots
from cfevents.operations.gaps import Gap, end_ts, gaps_of
from cfevents.operations.ha import HaActivity, ha
from cfevents.operations.journal import ConnectorResult, Journal, Record, accepts_any_events
from cfevents.operations.lags import Lags, lags
from cfevents.operations.limits import Limits, limits_or_default
from cfevents.operations.rekeys import Rekey, rekeys
from cfevents.operations.rules import SEVERITIES, Finding, Severity
from cfevents.operations.runs import Run, runs
from cfevents.operations.spans import Span, spans
from cfevents.operations.unknowns import Unknown, unknowns


@frozen
class ConnectorReport(ConnectorResult):
    """The results of one connector's events."""

    events: int
    """Number of events."""

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
    """Activity of its HA subsystem; None without any."""

    slots: tuple[Slot, ...] = field(repr=False)
    """Its boot slots after upgrades."""

    gaps: tuple[Gap, ...] = field(repr=False)
    """Times without events."""

    lags: Lags | None = field(repr=False)
    """How long its events took to be collected; None if no event has metadata."""

    unknowns: tuple[Unknown, ...] = field(repr=False)
    """Kinds and fields that this version does not know."""

    findings: tuple[Finding, ...] = field(repr=False)
    """Its findings, the worst first."""


@frozen
class Report:
    """The results of the events of a connector or a fleet. ``str()`` is a text of one line for each finding."""

    until: datetime
    """When the events end."""

    connectors: tuple[ConnectorReport, ...]
    """The results of each connector."""

    findings: tuple[Finding, ...]
    """The findings of all connectors: the worst first, and of one severity the earliest."""

    @property
    def events(self) -> int:
        """Number of events."""
        return sum(connector.events for connector in self.connectors)

    @property
    def worst(self) -> Severity | None:
        """The worst severity of a finding; None without findings."""
        return self.findings[0].severity if self.findings else None

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of a severity and of worse ones.

        Raises:
            ValueError: There is no such severity.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"severity={severity!r} is none of {', '.join(SEVERITIES)}")
        accepted = SEVERITIES[SEVERITIES.index(severity) :]
        return tuple(finding for finding in self.findings if finding.severity in accepted)

    def _repr_html_(self) -> str:
        head = "severity", "first", "connector", "finding", "what happened"
        rows = ((item.severity, item.first_at, item.connector_id, item.kind, item.message) for item in self.findings)
        return rows_of(str(self).partition("\n")[0], head, rows, most=50)  # enough for a bad week of a fleet

    def __str__(self) -> str:
        """Return a summary, and a line for each finding."""
        if not self.connectors:
            return "no events"
        events, connectors = counted(self.events, "event"), counted(len(self.connectors), "connector")
        since = min(connector.first_at for connector in self.connectors)
        window = f"{since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"
        findings = counted(len(self.findings), "finding") if self.findings else "no findings"
        return "\n".join([f"{events} of {connectors}, {window}: {findings}", *map(str, self.findings)])


@accepts_any_events
def report(events: Journal, *, until: datetime | float | None = None, limits: Limits | None = None) -> Report:
    """Compute all results of events, and find what is worth attention.

    The events should be of all kinds, those of a whole window. Whatever the window cuts off is not reported: neither an
    answer whose start lies before it, nor a start whose answer may come after it. Payloads add which tunnel, which
    bundle and which version a finding is about; nothing else depends on them.

    Args:
        events: Events of one connector or several, in any order.
        until: When the events end, an aware datetime or seconds since the Unix epoch; by default when the last event of
            all was collected. Anything that has not ended by then has been open for that long.
        limits: The limits from which something is wrong.

    Returns:
        The report. It is the same in any order of the events, and however often each comes.

    Raises:
        TypeError: `until` is neither a datetime nor a number.
        ValueError: `until` has no time zone, or is not finite.
    """
    end, limits = end_ts(events, until), limits_or_default(limits)
    connectors = tuple(_connector(*connector, end, limits) for connector in events.connectors())
    findings = (finding for connector in connectors for finding in connector.findings)
    return Report(to_datetime(end), connectors, tuple(sorted(findings, key=_worst_first)))


def _connector(connector_id: str | None, records: list[Record], end: float, limits: Limits) -> ConnectorReport:
    events = Journal._of_connector(connector_id, records)
    results = ConnectorReport(
        connector_id=connector_id,
        events=len(records),
        first_at=records[0].recorded_at,
        last_at=records[-1].recorded_at,
        spans=tuple(spans(events)),
        rekeys=tuple(rekeys(events)),
        runs=tuple(runs(events, limits=limits)),
        ha=next(iter(ha(events, limits=limits)), None),
        slots=tuple(slots(events)),
        gaps=tuple(gaps_of(connector_id, records, end, limits)),
        lags=next(iter(lags(events)), None),
        unknowns=tuple(unknowns(events)),
        findings=(),
    )
    return evolve(results, findings=tuple(sorted(_findings(results, to_datetime(end), limits), key=_worst_first)))


def _findings(results: ConnectorReport, until: datetime, limits: Limits) -> Iterator[Finding]:
    yield from rules.judge_spans(results.spans, limits, until, results.first_at)
    yield from rules.judge_rekeys(results.rekeys, limits, until)
    yield from (of_runs := [*rules.judge_runs(results.runs, limits)])
    yield from () if results.ha is None else rules.judge_ha(results.ha)
    yield from rules.judge_slots(results.slots, limits, until)
    yield from rules.judge_gaps(results.gaps, results.runs, of_runs)
    yield from rules.judge_unknowns(results.unknowns)


def _worst_first(finding: Finding) -> tuple[int, datetime, str, str, tuple[EventId, ...]]:
    badness = SEVERITIES.index(finding.severity)
    return -badness, finding.first_at, finding.connector_id or "", finding.kind, finding.event_ids


# By a word of the finding, a part of the names of the kinds whose payloads have its tunnel, its bundle or its version.
# For a rekey these are all steps: one without a payload may be taken for another tunnel's.
_KINDS_WITH_DETAILS = {"crash": "Init", "upgrade": "Upgrade", "rekey": "Rekey", "slot": "BlessSlot"}


def kinds_with_details(findings: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """Return, for each connector with such findings, the kinds whose payloads add details to them."""
    kinds: dict[str, set[str]] = {}
    for finding in findings:
        for word, part in _KINDS_WITH_DETAILS.items():
            if finding.connector_id is not None and word in finding.kind:
                kinds.setdefault(finding.connector_id, set()).update(kind for kind in KINDS if part in kind)
    return {connector_id: tuple(sorted(names)) for connector_id, names in kinds.items()}

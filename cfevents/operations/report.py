"""The report: all results of the events of a connector or a fleet, and the findings among them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias

from attrs import evolve, field, frozen

from cfevents._html import counted, rows_of
from cfevents._model.api import Connector, EventId, Interrupt
from cfevents._time import in_zone, to_datetime
from cfevents._validation import short_repr
from cfevents.events import KINDS
from cfevents.operations import rules
from cfevents.operations.gaps import Gap, Silence, gaps_of, silence_of
from cfevents.operations.ha import HaActivity, ha_of
from cfevents.operations.journal import ConnectorResult, Journal, accepts_any_events
from cfevents.operations.limits import (
    AskedConnector,
    JudgedWindow,
    KnownUntil,
    Limits,
    limits_or_default,
    parse_connectors,
)
from cfevents.operations.measures import Lags, Unknown, count_hours, lags_of, unknowns_of
from cfevents.operations.orders import Orders, clock_lead
from cfevents.operations.rekeys import Rekey, rekeys_of
from cfevents.operations.rules import MAX_EVENT_KINDS, SEVERITIES, Finding, JudgedTime, Severity
from cfevents.operations.runs import Run, runs_of
from cfevents.operations.series import EventSeries
from cfevents.operations.spans import Slot, Span, is_drawn, slots_of, spans_of

InterruptsByConnector: TypeAlias = (
    Mapping[str, Iterable[Interrupt]] | Mapping[None, Iterable[Interrupt]] | Mapping[str | None, Iterable[Interrupt]]
)
"""What somebody ordered, by connector id; the id is None for events that do not name their connector."""


@frozen
class ConnectorReport(ConnectorResult):
    """The results of one connector's events."""

    notes: str | None
    """Its notes by its owner, if `report` was given the connectors as the account lists them."""

    events: int
    """Number of events."""

    first_at: datetime | None
    """When the first was recorded; None without events."""

    last_at: datetime | None
    """When the last was recorded; None without events."""

    until: datetime
    """When the part of the window ends that is judged: the window's own end, or earlier, if it is not known so far."""

    last_heartbeat: datetime | None
    """When its last heartbeat came, if `report` was given the connectors as the account lists them."""

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

    def _without_results(self, *, for_page: bool = False) -> "ConnectorReport":
        """Return the findings alone, or what a page shows: the results of a year take as much memory as its events."""
        spans = tuple(filter(is_drawn, self.spans)) if for_page and self.findings else ()
        lags = self.lags if for_page else None
        return evolve(self, spans=spans, rekeys=(), runs=(), ha=None, slots=(), gaps=(), lags=lags, unknowns=())


@frozen
class Report:
    """The results of the events of a connector or a fleet. ``str()`` is a text of one line for each finding."""

    since: datetime | None
    """When the window begins; None if it was not given."""

    until: datetime
    """When the part of the window ends that is judged."""

    connectors: tuple[ConnectorReport, ...]
    """The results of each connector."""

    findings: tuple[Finding, ...]
    """The findings of all connectors: the worst first, and of one severity the earliest."""

    hourly: Mapping[tuple[str, int], int] = field(factory=dict, repr=False, hash=False)
    """Number of events by kind and hour of recording, which is counted from the Unix epoch."""

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

    def to_html(
        self, *, tz: tzinfo | None = UTC, about: Mapping[str, object] | None = None, notes: Iterable[str] = ()
    ) -> str:
        """Return a page for somebody who was not there: one HTML file without a script, which needs no network.

        All text of the API is escaped, and the page's own policy forbids scripts and requests.

        Args:
            tz: The time zone of its times; None is that of this machine.
            about: What the page says of itself, beside its window: such as ``{"Source": "events.db"}``.
            notes: Sentences about what is not known.
        """
        from cfevents.operations.page import render  # noqa: PLC0415 - rarely needed

        return render(self, tz, about or {}, notes)

    def _repr_html_(self) -> str:
        head = "severity", "first", "connector", "finding", "what happened"
        rows = ((item.severity, item.first_at, item.where, item.kind, item.text) for item in self.findings)
        return rows_of(self.summary(), head, rows, most=50)  # enough for a bad week of a fleet

    def __repr__(self) -> str:
        return f"<Report: {self.summary()}>"

    def __str__(self) -> str:
        """Return a summary, and a line for each finding."""
        return "\n".join([self.summary(), *map(str, self.findings)])

    def summary(self, tz: tzinfo | None = UTC) -> str:
        """Return the first line of the text: how much was read, of which time, and how many findings there are.

        Args:
            tz: The time zone of its times; None is that of this machine.
        """
        if not self.connectors:
            return "no events"
        events, connectors = counted(self.events, "event"), counted(len(self.connectors), "connector")
        begins = [self.since, *(connector.first_at for connector in self.connectors)]
        first = min(filter(None, begins), default=None)
        # Appliances whose clocks are ahead have events from after the end.
        last = max([self.until, *(connector.last_at for connector in self.connectors if connector.last_at)])
        bounds = [in_zone(moment, tz) for moment in (first, last) if moment is not None]
        # A zone may have another name, and another offset, at the other end.
        names = {moment.tzname() or "" for moment in bounds}
        form = "%Y-%m-%d %H:%M" if len(names) == 1 else "%Y-%m-%d %H:%M %Z"
        window = " to ".join(f"{moment:{form}}" for moment in bounds)
        window += f" {names.pop()}" if len(names) == 1 else ""
        findings = counted(len(self.findings), "finding") if self.findings else "no findings"
        return f"{events} of {connectors}, {window}: {findings}"


@accepts_any_events
def report(
    events: Journal,
    *,
    since: datetime | float | None = None,
    until: datetime | float | None = None,
    connectors: Iterable[str | Connector] = (),
    known_until: KnownUntil | None = None,
    known_since: Mapping[str, datetime | float] | None = None,
    interrupts: InterruptsByConnector | None = None,
    limits: Limits | None = None,
) -> Report:
    """Compute all results of events, and find what is worth attention.

    The events should be of all kinds, those of a whole window. Whatever the window cuts off is not reported: neither an
    answer whose start lies before it, nor a start whose answer may come after it. Payloads add which tunnel, which
    bundle and which version a finding is about, and for how long a rekey was stuck; nothing else depends on them. A
    length that is not known is "at most".

    Args:
        events: Events of one connector or several, in any order.
        since: When the window begins, as `until`.
        until: When the window ends, an aware datetime or seconds since the Unix epoch; by default when the last event
            of all was collected. Anything that has not ended by then has been open for that long.
        connectors: The connectors that were asked for: ids, or what `cfevents.Client.list_connectors` returns, which
            has their heartbeats. Who of them sent nothing is in the report all the same.
        known_until: Until when the events are known, if that is earlier: nothing later is judged. By default it is
            now: the future is not known. For an archive, it is a mapping from each connector to the end of its
            `cfevents.storage.Extent`, or to None for the time of its last event.
        known_since: Since when the events of connectors are known, if that is later than `since`; for an archive, the
            beginnings of their extents. Who sent nothing is silent since then.
        interrupts: What `cfevents.Client.list_interrupts` returned, by the ids of the connectors that were asked. What
            somebody ordered is then no failure.
        limits: The limits from which something is wrong.

    Returns:
        The report. It is the same in any order of the events, and however often each comes.

    Raises:
        TypeError: A time is neither a datetime nor a number, or a connector is neither an id nor a `Connector`.
        ValueError: A time has no time zone, or is not finite; or `connectors` are given, and events do not name theirs.
    """
    window, limits = JudgedWindow.of(events, since, until, known_until, known_since), limits_or_default(limits)
    of_connectors = {series.connector_id: series for series in events._series()}
    if not isinstance(interrupts, Mapping | None):
        raise TypeError(f"interrupts={short_repr(interrupts)}: write a mapping of ids to what list_interrupts returned")
    by_connector = dict[str | None, Iterable[Interrupt]]((interrupts or {}).items())
    hourly = Counter[tuple[str, int]]()
    for series in of_connectors.values():
        hourly.update(count_hours(series))
    reports = [
        report_connector(
            connector,
            of_connectors.get(connector_id, EventSeries(connector_id)),
            window,
            limits,
            by_connector.get(connector_id),
        )
        for connector_id, connector in parse_connectors(connectors, events).items()
    ]
    return combine_reports(reports, window, hourly)


def combine_reports(
    reports: Sequence[ConnectorReport], window: JudgedWindow, hourly: Mapping[tuple[str, int], int]
) -> Report:
    """Return the report of several connectors, and the number of their events by kind and hour."""
    findings = sorted((finding for connector in reports for finding in connector.findings), key=_worst_first)
    end = max((connector.until for connector in reports), default=to_datetime(window.until_ts))
    begin = None if window.since_ts is None else to_datetime(window.since_ts)
    return Report(begin, end, tuple(reports), tuple(findings), hourly)


def report_connector(
    asked: AskedConnector,
    series: EventSeries,
    window: JudgedWindow,
    limits: Limits,
    interrupts: Iterable[Interrupt] | None = None,
    *,
    has_earlier: bool = False,
) -> ConnectorReport:
    """Return the results of one connector's events, and its findings.

    The series may have earlier events than the window: they show what is usual, and when a gap began. Those that were
    collected in the window are judged too, and what was recorded after them.
    """
    whole, end = series, window.end_ts(series)
    if has_earlier and window.since_ts is not None:
        series = whole.since(whole.first_known_ts(window.since_ts, end))
    results = ConnectorReport(
        connector_id=asked.connector_id,
        notes=asked.notes,
        events=len(series),
        first_at=series.first_at,
        last_at=series.last_at,
        until=to_datetime(end),
        last_heartbeat=asked.last_heartbeat,
        spans=tuple(spans_of(series)),
        rekeys=tuple(rekeys_of(series)),
        runs=tuple(runs_of(series, limits)),
        ha=ha_of(series, limits),
        slots=tuple(slots_of(series)),
        gaps=tuple(gaps_of(whole, end, limits, window.since_ts, has_earlier=has_earlier)),
        lags=lags_of(series),
        unknowns=tuple(unknowns_of(series)),
        findings=(),
    )
    orders = None if interrupts is None else Orders.of(interrupts, results.runs, clock_lead(series, limits), limits)
    findings = _judge(results, silence_of(asked, series, whole, window, limits), limits, orders)
    findings = (evolve(finding, notes=asked.notes, event_kinds=_kinds_of(finding, whole)) for finding in findings)
    return evolve(results, findings=tuple(sorted(findings, key=_worst_first)))


def _kinds_of(finding: Finding, series: EventSeries) -> tuple[str, ...]:
    return tuple(map(series.kind_of, finding.event_ids[:MAX_EVENT_KINDS]))


def _judge(
    results: ConnectorReport, silence: Silence | None, limits: Limits, orders: Orders | None
) -> Iterable[Finding]:
    silences = [gap.started_at for gap in results.gaps if gap.cause == "unknown"]
    findings: list[Finding] = []
    # A silence that the usual pause shows is a gap, and found as such.
    if silence is not None and not silences:
        findings += rules.judge_silence(silence, limits)
        silences += [finding.first_at for finding in findings]
    time = JudgedTime(results.first_at or results.until, results.until, min([results.until, *silences]))
    findings += _findings(results, limits, orders, time)
    if silence is not None:
        findings = [rules.weigh_silence(finding, silence) for finding in findings]
    return findings if orders is None else rules.explain_silences(findings, orders, results.until)


def _findings(results: ConnectorReport, limits: Limits, orders: Orders | None, time: JudgedTime) -> Iterator[Finding]:
    yield from rules.judge_spans(results.spans, limits, time)
    yield from rules.judge_rekeys(results.rekeys, limits, time)
    yield from (of_runs := [*rules.judge_runs(results.runs, results.gaps, limits, orders)])
    yield from () if results.ha is None else rules.judge_ha(results.ha)
    yield from rules.judge_slots(results.slots, limits, time)
    yield from rules.judge_gaps(results.gaps, of_runs, results.last_heartbeat)
    yield from rules.judge_unknowns(results.unknowns)


def _worst_first(finding: Finding) -> tuple[int, datetime, str, str, tuple[EventId, ...]]:
    badness = SEVERITIES.index(finding.severity)
    return -badness, finding.first_at, finding.connector_id or "", finding.kind, finding.event_ids


# By a word of the finding, a part of the names of the kinds whose payloads have its tunnel, its bundle or its version.
# For a rekey these are all steps: one without a payload may be taken for another tunnel's.
_KINDS_WITH_DETAILS = {"unclean_restart": "Init", "_upgrade": "Upgrade", "rekey": "Rekey", "slot": "BlessSlot"}


def kinds_with_details(findings: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """Return, for each connector with such findings, the kinds whose payloads add details to them."""
    kinds: dict[str, set[str]] = {}
    for finding in findings:
        for word, part in _KINDS_WITH_DETAILS.items():
            if finding.connector_id is not None and word in finding.kind:
                kinds.setdefault(finding.connector_id, set()).update(kind for kind in KINDS if part in kind)
    return {connector_id: tuple(sorted(names)) for connector_id, names in kinds.items()}

"""The findings of a connector as its events come: which open, change their severity, and are over. No I/O."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Literal
from zlib import crc32

from attrs import define, field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventMetadata
from cfevents._time import format_duration, format_iso, to_datetime
from cfevents.operations.journal import AnyEvent, Journal
from cfevents.operations.limits import AskedConnector, JudgedWindow, Limits
from cfevents.operations.report import report_connector
from cfevents.operations.rules import Finding, Severity, goes_on, is_silence, severity_rank
from cfevents.operations.series import EventSeries

MARGIN_S = 86_400.0  # at the beginning of what is kept: findings there may lack earlier events of theirs
_CONTEXT_EVENTS = 100  # from before it, which show what is usual, and what came before a long silence
_REJUDGE_S = 60.0


@frozen
class FindingUpdate(HtmlRepr):
    """A finding that opened, changed its severity, or is over."""

    state: Literal["opened", "changed", "over"]
    """``"opened"``, ``"changed"`` or ``"over"``: it ended, or later events show otherwise."""

    at: datetime
    """The time at which this was known."""

    finding: Finding
    """The finding as it is now; if it is over, as it was known last."""

    before: Severity | None = None
    """Its severity until then; None if it opened."""

    late = False  # for sinks, as of an event that is not

    @property
    def connector_id(self) -> str | None:
        """The connector."""
        return self.finding.connector_id

    @property
    def event(self) -> EventMetadata:
        """The finding as an event, for sinks that need a time and an id; its JSON is in ``extra``."""
        at = int(self.at.timestamp())
        number = crc32(f"{self.state} {self.finding.kind} {self.finding.event_ids[:1]}".encode())
        return EventMetadata(self.finding.kind, at, number, at, extra={"finding": self.to_dict()})

    @property
    def text(self) -> str:
        """The finding, or the way it ended, in a sentence."""
        if self.state != "over":
            return self.finding.text
        if not goes_on(self.finding):
            return "no longer: later events show otherwise"
        return f"over, at most {format_duration(self.at - self.finding.first_at)} after it began"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: ``state``, ``at`` and ``before``, and the fields of the finding."""
        return {"state": self.state, "at": format_iso(self.at), "before": self.before, **self.finding.to_dict()}

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.state:<7}  {self.finding}"


@define(eq=False)
class ConnectorWatch:
    """The events of one connector that may still matter, and its findings so far.

    Algorithm: at each judgement all rules are applied anew to the events that are kept. Invariant: the findings are
    those of a report of these events, in whatever order they came, without those that are settled, which rest on
    events of the first day of what is kept: no more is said of them. A silence that goes on never settles. Bound: the
    events of the time that is kept, and 200 from before. A judgement of a thousand events takes some milliseconds.
    """

    connector_id: str
    begin: float  # of what is read, in seconds since the Unix epoch
    kept_s: float
    limits: Limits
    open: list[Finding] = field(factory=list)
    known: list[Finding] = field(factory=list)  # that were there already when watching began, and were not reported
    is_new: bool = True  # whether it was never judged
    _journal: Journal = field(factory=Journal)
    _judged_ts: float = -1.0

    @property
    def newest_ts(self) -> float:
        """The time of the latest event, or of the latest that findings of a checkpoint rest on; -1 without any."""
        of_findings = (finding.last_at.timestamp() for finding in (*self.open, *self.known))
        return max([*of_findings, *(record.recorded_ts for record in self._records()[-1:])], default=-1.0)

    def add(self, items: Sequence[AnyEvent]) -> None:
        """Add events, in any order."""
        self._journal.update(items)
        self._judged_ts = -1.0 if items else self._judged_ts

    def judge(self, asked: AskedConnector, until: float, since: float) -> list[FindingUpdate]:
        """Return what is new, with all events known that were collected until a time.

        Without new events nothing is judged for a minute. At the first time, what a report had shown at ``since``
        already is not reported, unless it goes on.
        """
        if until - self._judged_ts < _REJUDGE_S:
            return []
        self._judged_ts = until
        if self.is_new:
            self.known = [finding for finding in self._findings(asked, since) if not goes_on(finding)]
            self.is_new = False
        settled = to_datetime(until - self.kept_s + MARGIN_S)
        before, known, present = (
            [finding for finding in findings if is_silence(finding) or finding.last_at >= settled]
            for findings in (self.open, self.known, self._findings(asked, until))
        )
        updates = list(self._compare(before, known, present, to_datetime(until)))
        self._forget(until - self.kept_s)
        return updates

    def _findings(self, asked: AskedConnector, until: float) -> Sequence[Finding]:
        """Return the findings of a report at a time."""
        records = [record for record in self._records() if record.known_ts <= until]
        series = EventSeries.of_records(self.connector_id, records)
        window = JudgedWindow(self.begin, until, {}, {})
        return report_connector(asked, series, window, self.limits).findings

    def _compare(
        self, before: list[Finding], known: list[Finding], present: Sequence[Finding], at: datetime
    ) -> Iterator[FindingUpdate]:
        self.open, self.known = [], []
        for old, new in _before_and_after([*before, *known], present):
            was_known = old in known
            if new is None:
                if not was_known:
                    yield FindingUpdate("over", at, old, old.severity)
            elif old is None or (was_known and severity_rank(new.severity) > severity_rank(old.severity)):
                self.open.append(new)
                yield FindingUpdate("opened", at, new)
            else:
                (self.known if was_known else self.open).append(new)
                if not was_known and new.severity != old.severity:
                    yield FindingUpdate("changed", at, new, old.severity)

    def _records(self) -> Sequence[Any]:
        return next((records for _, records in self._journal.connectors()), [])

    def _forget(self, moment: float) -> None:
        older = sum(record.recorded_ts < moment for record in self._records())
        if older > 2 * _CONTEXT_EVENTS:
            self._journal.forget(self._records()[older - _CONTEXT_EVENTS].recorded_ts)


def _before_and_after(before: Sequence[Finding], present: Sequence[Finding]) -> Iterator[tuple[Any, Any]]:
    """Yield findings with what has become of them, those that are over first; None where there is no other one.

    It is the same finding if it rests on the same events, or else on some of them. A silence without events goes on,
    and an unknown kind or field is the same whenever it comes.
    """
    old, new, pairs = [*before], [*present], list[tuple[Finding, Finding]]()
    for is_exact in (True, False):
        for finding in [*new]:
            if same := next((other for other in old if _is_same(other, finding, exact=is_exact)), None):
                pairs.append((same, finding))
                old.remove(same)
                new.remove(finding)
    yield from chain(((finding, None) for finding in old), pairs, ((None, finding) for finding in new))


def _is_same(old: Finding, new: Finding, *, exact: bool) -> bool:
    names = [(item.kind, *map(item.details.get, ("event_kind", "field"))) for item in (old, new)]
    if names[0] != names[1]:
        return False
    is_always = not new.event_ids or new.kind.startswith("unknown_")
    return old.event_ids == new.event_ids if exact else is_always or not {*old.event_ids}.isdisjoint(new.event_ids)

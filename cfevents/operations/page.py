"""A report as a page of its own: one HTML file without a script, which needs no network.

The page is well-formed XML, too. All text of others passes `_safe`, and the page's policy allows its own style alone.
"""

import math
import re
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from html import escape
from importlib.resources import files
from itertools import islice
from string import Template
from typing import TYPE_CHECKING

from cfevents._html import counted, shortened
from cfevents._time import format_duration, in_zone, now, to_datetime, to_timedelta
from cfevents._validation import printable
from cfevents._version import __version__
from cfevents.events import KINDS
from cfevents.operations.measures import HOUR_S
from cfevents.operations.rules import SEVERITIES, Finding, goes_on
from cfevents.operations.spans import Span, is_drawn

if TYPE_CHECKING:
    from cfevents.operations.report import ConnectorReport, Report

# Nobody reads more. The page says how many are left out.
_MAX_FINDINGS, _MAX_MARKS, _MAX_KINDS = 2000, 5000, 60
_MAX_TEXT_CHARS = 600
_MAX_HOURLY_S, _DAY_S = 10 * 86_400, 86_400
_TICK_HOURS, _MAX_TICKS = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720), 5
_DOWN_KINDS = ("_restart", "_reboot", "_shutdown", "restart_loop", "downtime", "device_gap", "silence")
_AT_MOST_KINDS = {"unclean_restart", "collection_gap"}  # the longest time alone is known
_LEGEND = {
    '<path d="M0 0H16V16H0z" class="warning"/><path d="M0 0H16V16H0z" fill="url(#hatch)"/>': "this long at most",
    '<use href="#later" y="8" class="arrow"/>': "went on after its last event",
    '<rect y="5" width="16" height="6" class="operation"/>': "upgrade, or an operation without success",
}


def render(report: "Report", tz: tzinfo | None, about: Mapping[str, object], notes: Iterable[str]) -> str:
    """Return the page of a report: the verdict, the worst finding and a picture first."""
    page, made_at = _ReportPage(report, tz), to_datetime(int(now()))
    template = files("cfevents.operations").joinpath("page.html").read_text(encoding="utf-8")
    style = template.partition("<style>")[2].partition("</style>")[0].encode()
    facts = {"Window": page.window(), **about, "Made": f"{page.time(made_at)}, by cfevents {__version__}"}
    parts = {
        "Timeline": page.timeline(),
        "Findings": page.findings(),
        "Connectors": page.connectors(),
        f"Kinds per {page.unit}": page.kinds(),
        "What is not known": _list("plain", map(_safe, [*notes, *page.unknowns()])),
        "About this page": _table("How this page was made", (), [map(_safe, row) for row in facts.items()]),
    }
    shown = {title: title.lower().replace(" ", "-") for title, body in parts.items() if body}
    sections = [
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>\n{parts[title]}</section>\n'
        for title, name in shown.items()
    ]
    return Template(template).substitute(
        style=b64encode(sha256(style).digest()).decode(),
        title=page.verdict(),
        grid="".join(f'<line x1="{place}%" x2="{place}%" y2="100%"/>' for place, _ in page.ticks()),
        lead=page.lead(),
        links="".join(f'<li><a href="#{name}">{title}</a></li>' for title, name in shown.items()),
        sections="".join(sections),
    )


class _ReportPage:
    """A report, and what all parts of its page share. Its times are in seconds since the Unix epoch."""

    def __init__(self, report: "Report", tz: tzinfo | None) -> None:
        first = report.since or min(filter(None, (of.first_at for of in report.connectors)), default=report.until)
        self.report, self.tz, self.begin = report, tz, first.timestamp()
        self.end = max(report.until.timestamp(), self.begin + 1)
        self.lanes = defaultdict[str | None, list[Finding]](list)  # the findings by connector, the worst first
        for finding in report.findings:
            self.lanes[finding.connector_id].append(finding)
        self.marks = max(1, _MAX_MARKS // max(1, len(self.lanes)))  # in a lane
        is_hourly = self.end - self.begin <= _MAX_HOURLY_S
        self.unit, self.unit_s = ("hour", HOUR_S) if is_hourly else ("day", _DAY_S)

    def time(self, moment: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
        """Return a time as text; outside UTC with its offset, since an hour comes twice in autumn."""
        local = in_zone(moment, self.tz)
        return f"{local:{form}}" + ("" if self.tz is UTC else f"{local:%z}".removesuffix("00"))

    def period(self, first: datetime, last: datetime) -> str:
        return self.time(first) + ("" if first == last else f" to {self.later(first, last)}")

    def later(self, first: datetime, last: datetime) -> str:
        """Return a time after another: of the same day without the date."""
        is_same_day = in_zone(first, self.tz).date() == in_zone(last, self.tz).date()
        return self.time(last, "%H:%M:%S") if is_same_day else self.time(last)

    def window(self) -> str:
        zone = "UTC" if self.tz is UTC else str(self.tz or in_zone(self.report.until, None).tzname())
        return f"{self.period(to_datetime(self.begin), to_datetime(self.end))} {zone}"

    def percent(self, moment: float) -> float:
        return round(100 * min(1, max(0, (moment - self.begin) / (self.end - self.begin))), 2)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the places of the axis' labels in percent, and the labels: whole hours or days of the zone."""
        hours = (self.end - self.begin) / HOUR_S
        fitting = (step for step in _TICK_HOURS if hours / step <= _MAX_TICKS)
        step = next(fitting, 24 * math.ceil(hours / 24 / _MAX_TICKS))
        midnight = in_zone(to_datetime(self.begin), self.tz).replace(hour=0, minute=0, second=0, microsecond=0)
        left = datetime.max.replace(tzinfo=midnight.tzinfo) - midnight  # of the calendar
        for number in range(min(int(24 + hours), left // timedelta(hours=1)) // step + 1):
            wall = midnight + timedelta(hours=number * step)
            if self.begin <= wall.timestamp() <= self.end:
                yield self.percent(wall.timestamp()), f"{wall:%m-%d}" if wall.hour == 0 else f"{wall:%H:%M}"

    def axis(self) -> str:
        labels = (f'<text x="{place}%" y="12">{label}</text>' for place, label in self.ticks())
        return f'<svg class="axis" width="100%" height="16" aria-hidden="true">{"".join(labels)}</svg>'

    def verdict(self) -> str:
        connectors = counted(len(self.report.connectors), "connector")
        findings = counted(len(self.report.findings), "finding")
        return f"{findings} on {len(self.lanes)} of {connectors}" if self.lanes else f"No findings on {connectors}"

    def lead(self) -> str:
        findings = self.report.findings
        shown = (
            f"<p>{counted(self.report.events, 'event')}, {_safe(self.window())}</p>{_list('row', _badges(findings))}"
        )
        for worst in findings[:1]:
            where = f" on {label}" if (label := _label(worst)) else ""
            link = f'<a href="#findings">{_title(worst)}</a>'
            shown += f'<p class="worst">The worst: {_mark(worst.severity)} {link}{where}: {_safe(worst.text)}</p>'
        return shown

    def timeline(self) -> str:
        by_id = {connector.connector_id: connector for connector in self.report.connectors}
        lanes = [self.lane(n, by_id[name], findings) for n, (name, findings) in enumerate(self.lanes.items(), 1)]
        signs = [f"{_mark(name)} {name}" for name in reversed(SEVERITIES)]
        for shape, words in _LEGEND.items():
            signs.append(f'<svg width="22" height="16" aria-hidden="true">{shape}</svg> {words}')
        return f"{_list('row', signs)}{self.axis()}{''.join(lanes)}" if lanes else ""

    def lane(self, number: int, connector: "ConnectorReport", findings: Sequence[Finding]) -> str:
        drawn = self.bar(*self.known(connector), 9, 12, 'class="known"') + '<use href="#grid"/>'
        drawn += "".join(map(self.operation, islice(filter(is_drawn, connector.spans), self.marks)))
        drawn += "".join(self.drawn(finding, connector) for finding in reversed(findings[: self.marks]))
        texts = "; ".join(map(self.short, findings[: self.marks]))
        name = _label(connector) or "Events"
        about = f"{counted(len(findings), 'finding')}, {self.availability(connector)} available"
        return (
            f'<figure><figcaption id="name{number}">{name} <span class="muted">{about}</span></figcaption>'
            f'<svg width="100%" height="34" role="img" aria-labelledby="name{number} title{number} text{number}">'
            f'<title id="title{number}">{_safe(self.window())}</title><desc id="text{number}">{_safe(texts)}</desc>'
            f"{drawn}</svg></figure>"
        )

    def bar(self, begin: float, end: float, top: int, height: int, look: str) -> str:
        left, right = self.percent(begin), self.percent(end)
        return f'<rect x="{left}%" y="{top}" width="{right - left:.2f}%" height="{height}" {look}/>'

    def sign(self, name: str, moment: float, middle: int, style: str) -> str:
        return f'<use href="#{name}" x="{self.percent(moment)}%" y="{middle}" class="{style}"/>'

    def drawn(self, finding: Finding, connector: "ConnectorReport") -> str:
        begin, end, is_open = _extent(finding, connector)
        shown = self.bar(begin, end, 9, 12, f'class="{finding.severity}"')
        if finding.kind in _AT_MOST_KINDS:
            shown += self.bar(begin, end, 9, 12, 'fill="url(#hatch)"')
        if is_open:
            shown += self.sign("later", end, 15, "arrow")
        if begin < self.begin or finding.kind.startswith("orphaned_"):
            shown += self.sign("earlier", begin, 15, "arrow")
        shown += self.sign(finding.severity, begin, 15, f"{finding.severity} mark")
        return f"<g><title>{_safe(self.short(finding))}</title>{shown}</g>"

    def short(self, finding: Finding) -> str:
        return f"{finding.severity}: {finding.kind}, {self.period(finding.first_at, finding.last_at)}"

    def operation(self, span: Span) -> str:
        times = [moment for moment in (span.started_at, span.finished_at) if moment is not None]
        begin, end = times[0].timestamp(), times[-1].timestamp()
        shown = self.bar(begin, end, 24, 6, 'class="operation"')
        if len(times) == 1:
            shown += self.sign("earlier" if span.started_at is None else "later", begin, 27, "arrow")
        title = f"{span.operation}: {span.answer or span.outcome}, {self.period(times[0], times[-1])}"
        return f"<g><title>{title}</title>{shown}</g>"

    def findings(self) -> str:
        findings = self.report.findings
        items = "".join(f"<li>{self.finding(finding)}</li>" for finding in findings[:_MAX_FINDINGS])
        left_out = len(findings) - _MAX_FINDINGS
        more = f"<p>{left_out:,} more are left out, none of them worse.</p>" if left_out > 0 else ""
        return f"<ol>{items}</ol>{more}" if findings else ""

    def finding(self, finding: Finding) -> str:
        facts = (
            _safe(f"{name} event:\xa0{text}" if name in {"last", "next"} else f"{name}:\xa0{text}")
            for name, text in finding._facts(self.time).items()
        )
        about = filter(None, [_label(finding), self.period(finding.first_at, finding.last_at), *facts])
        events = [
            f"{_safe(kind)} {self.later(finding.first_at, to_datetime(event_id.recorded_ts))} <code>{event_id}</code>"
            for event_id, kind in zip(finding.event_ids, finding.event_kinds, strict=False)
        ]
        if left_out := len(finding.event_ids) - len(events):
            events.append(f"and {counted(left_out, 'more event')}")
        return (
            f'<div class="finding {finding.severity}"><h3>{_mark(finding.severity)} {_title(finding)}</h3>'
            f'<p>{_safe(finding.text)}</p><p class="muted">{" · ".join(about)}</p>{_list("row", events)}</div>'
        )

    def connectors(self) -> str:
        head = "Connector", "Findings", "Available", "Down at most", "Offline at most", "Events"
        lags = "Lag, half within", "Lag, 99 % within", "Lag, longest"
        rows = []
        for connector in self.report.connectors:
            known = {} if connector.lags is None else connector.lags.percentiles
            down, offline = (self.length(connector, kinds) for kinds in (_DOWN_KINDS, ("collection_gap",)))
            lengths = [to_timedelta(length) if length else None for length in (down, offline)]
            times = ["-" if it is None else format_duration(it) for it in (*lengths, *map(known.get, (50, 99, 100)))]
            badges = "<br/>".join(_badges(connector.findings)) or "none"
            cells = [badges, self.availability(connector), *times[:2], f"{connector.events:,}", *times[2:]]
            rows.append([_label(connector) or "Events", *cells, self.time(connector.until)])
        caption = (
            "Available is the part of the known time without a stop, a gap or a silence. Offline: recorded meanwhile, "
            "and delivered later. The lag is the time from recording to collection."
        )
        table = _table("All connectors", (*head, *lags, "Known until"), rows)
        return f'<p class="muted">{caption}</p>{table}' if rows else ""

    def kinds(self) -> str:
        by_kind = defaultdict[str, Counter[float]](Counter)
        starts = {hour: self.bar_start(hour) for _, hour in self.report.hourly}
        for (kind, hour), count in self.report.hourly.items():
            if self.begin - HOUR_S < hour * HOUR_S < self.end:
                by_kind[kind][starts[hour]] += count
        commonest = sorted(by_kind, key=lambda kind: (-by_kind[kind].total(), kind))
        rows = [[_kind_name(kind), *self.kind_cells(by_kind[kind])] for kind in commonest[:_MAX_KINDS]]
        if others := commonest[_MAX_KINDS:]:
            total = sum((by_kind[kind] for kind in others), Counter[float]())
            rows.append([counted(len(others), "other kind"), *self.kind_cells(total)])
        head = "Kind", f"When{self.axis()}", "Events", f"Most per {self.unit}", "On"
        caption = f"The highest bar of a row is its busiest {self.unit}."
        return f'<p class="muted">{caption}</p>{_table("Events of each kind", head, rows)}' if rows else ""

    def bar_start(self, hour: int) -> float:
        """Return when a bar begins that has an hour: then, or at midnight in the zone of the page."""
        local = in_zone(to_datetime(hour * HOUR_S), self.tz)
        return hour * HOUR_S if self.unit == "hour" else local.replace(hour=0, minute=0).timestamp()

    def kind_cells(self, counts: Counter[float]) -> list[str]:
        start, most = max(counts.items(), key=lambda item: (item[1], -item[0]))
        scale = 1000 / (self.end - self.begin)
        bars = "".join(
            f"M{(begin - self.begin) * scale:.1f} 24v-{max(1, 24 * count / most):.0f}h{self.unit_s * scale:.1f}V24z"
            for begin, count in sorted(counts.items())
        )
        busiest = self.time(to_datetime(start), "%Y-%m-%d %H:%M" if self.unit == "hour" else "%Y-%m-%d")
        strip = '<svg class="strip" viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true">'
        return [f'{strip}<path d="{bars}"/></svg>', f"{counts.total():,}", f"{most:,}", busiest]

    def known(self, connector: "ConnectorReport") -> tuple[float, float]:
        """Return from when to when a connector is known: from its first event on, or from an earlier finding."""
        firsts = [connector.first_at, *(finding.first_at for finding in connector.findings)]
        first, end = min((at.timestamp() for at in firsts if at), default=self.begin), connector.until.timestamp()
        return min(max(self.begin, first), end), end

    def length(self, connector: "ConnectorReport", kinds: tuple[str, ...]) -> float:
        """Return how many seconds lie in findings of some kinds, each once."""
        (begin, until), length = self.known(connector), 0.0
        extents = (_extent(finding, connector) for finding in connector.findings if finding.kind.endswith(kinds))
        for first, last, _ in sorted(extents):
            length += max(0, min(last, until) - max(first, begin))
            begin = max(begin, last)
        return length

    def availability(self, connector: "ConnectorReport") -> str:
        """Return the least part of the known time in which a connector was up, rounded down."""
        (begin, until), down = self.known(connector), self.length(connector, _DOWN_KINDS)
        if not connector.events or until <= begin:
            return "not known to be"
        return f"{'at least ' if down else ''}{math.floor(10_000 * (1 - down / (until - begin))) / 100:g} %"

    def unknowns(self) -> Iterator[str]:
        """Yield sentences about what this page cannot say."""
        if any(finding.kind in _AT_MOST_KINDS for finding in self.report.findings):
            yield "What is hatched took this long at most: no event shows when it began or ended."
        if any(len(findings) > self.marks for findings in self.lanes.values()):
            yield f"The timeline has the worst {self.marks} findings of a connector."
        yield "Where a lane has no bar, nothing is known. A short stop without a finding counts as available."
        yield "An event may be collected hours after it was recorded: what came later is not on this page."


def _safe(value: object) -> str:
    """Return any text for the page: escaped, in one line, not too long, and without control characters."""
    return escape(printable(shortened(str(value), _MAX_TEXT_CHARS)))


def _kind_name(kind: str) -> str:
    """Return the name of a kind, which may break between its words where it is long."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "<wbr/>", _safe(kind)) + ("" if kind in KINDS else " (not known)")


def _title(finding: Finding) -> str:
    return _safe(f"{finding.severity}: {finding.kind}".replace("_", " "))


def _label(of: "ConnectorReport | Finding") -> str:
    """Return a connector as its owner calls it, with its id; empty if the events do not name it."""
    notes, connector_id = " ".join((of.notes or "").split()), of.connector_id or ""
    known = f"<bdi>{_safe(notes)}</bdi> " if notes else ""
    return known + (f"<code>{_safe(shortened(connector_id) if notes else connector_id)}</code>" if connector_id else "")


def _badges(findings: Iterable[Finding]) -> list[str]:
    counts = Counter(finding.severity for finding in findings)
    return [f"{_mark(name)} {name}: {counts[name]}" for name in reversed(SEVERITIES) if counts[name]]


def _mark(severity: str) -> str:
    use = f'<use href="#{severity}" class="{severity}"/>'
    return f'<svg width="14" height="14" viewBox="-8 -8 16 16" aria-hidden="true">{use}</svg>'


def _list(style: str, items: Iterable[str]) -> str:
    return f'<ul class="{style}">{shown}</ul>' if (shown := "".join(f"<li>{item}</li>" for item in items)) else ""


def _table(name: str, head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of escaped cells, which is scrolled where it is too wide."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for first, *cells in rows
    )
    thead = f"<thead><tr>{titles}</tr></thead>" if head else ""
    table = f"<table><caption>{name}</caption>{thead}<tbody>{body}</tbody></table>"
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{name}">{table}</div>'


def _extent(finding: Finding, connector: "ConnectorReport") -> tuple[float, float, bool]:
    """Return when a finding begins and ends, in seconds since the Unix epoch, and whether it goes on from there."""
    begin, end, duration = finding.first_at.timestamp(), finding.last_at.timestamp(), finding.details.get("duration")
    if begin == end and isinstance(duration, timedelta):
        return begin, min(connector.until.timestamp(), begin + duration.total_seconds()), True
    return begin, end, goes_on(finding)

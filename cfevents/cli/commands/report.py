"""The command that reports what events mean."""

import math
import shlex
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import click
from attrs import evolve

from cfevents import (
    CfEventsError,
    Client,
    Connector,
    EventDetail,
    EventMetadata,
    Fleet,
    FleetError,
    FleetEvent,
    Interrupt,
    Page,
)
from cfevents._html import counted
from cfevents._progress import Coverage, Progress
from cfevents._time import TimeWindow, format_iso, now
from cfevents._validation import printable
from cfevents.cli.archive_notes import note_extents
from cfevents.cli.commands.report_page import check_page, write_page
from cfevents.cli.connector_names import NamedConnector
from cfevents.cli.console.errors import Failure, arguments_checked, print_line, window_text
from cfevents.cli.console.output import Colour, Row, View, Zone, is_terminal, terminal_width, write_stdout
from cfevents.cli.console.progress import is_quiet, show_progress
from cfevents.cli.console.views import severity_colour, shorten_id, writer
from cfevents.cli.console.wording import MAX_NAMED_IDS, id_list, in_shell_words, source_words
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.sources import (
    archived_connectors,
    ask_connectors,
    check_options,
    identify,
    listing_progress,
    open_reader,
)
from cfevents.cli.times import read_window
from cfevents.operations import ConnectorReport, Finding, Journal, Limits, Report, report
from cfevents.operations.limits import AskedConnector, JudgedWindow
from cfevents.operations.measures import count_hours
from cfevents.operations.report import InterruptsByConnector, combine_reports, kinds_with_details, report_connector
from cfevents.operations.rules import explainable_connectors
from cfevents.operations.series import EventSeries
from cfevents.storage import Archive
from cfevents.storage.series import read_series

_FAILURE_STATUS, _FINDINGS_STATUS = 1, 3
_BEFORE_ONE_EVENT_S = 3600
# Of an archive, so much before the window shows what is usual, and when an outage began that goes on in it.
_EARLIER_S = 86_400
_PAYLOADS_AT_ONCE = 40
# From these widths on, a table shows the whole ids of connectors, those with notes too.
_MIN_CHARS_FOR_UUIDS = 120
_MIN_CHARS_FOR_NOTES = 160
_MAX_NAME_CHARS = 20
# Findings whose events the commands below a table list.
_MAX_LISTED_FINDINGS = 3
_AS_WORDS: dict[str, Any] = {"break_on_hyphens": False, "break_long_words": False, "subsequent_indent": "    "}
_FIELDS = ("severity", "kind", "connector_id", "notes", "first_at", "last_at", "message", "event_ids", "details")


class _Reported(NamedTuple):
    report: Report
    errors: dict[str, CfEventsError]  # of the connectors that could not be read
    missing: str = ""  # the message about connectors that an archive lacks, or whose interrupts could not be read
    notes: Sequence[str] = ()  # on what else it lacks
    hints: Sequence[str] = ()  # at options that would add to the findings
    lacks_events: bool = False  # an archive, which is then not well
    names: Mapping[str, str] = {}  # what the owner calls the connectors


async def report_events(options: CommandOptions) -> None:
    """Print the findings; with ``--fail-on``, the status is 3 if one is so severe, 1 if an archive may lack some."""
    options = check_page(check_options(options))
    if options.interrupts and options.archive is not None:
        raise usage_error("--interrupts asks the API: leave out --archive.")
    window = read_window(options)  # one for all connectors and for the report
    async with open_reader(options) as reader:
        options = await identify(reader, options)
        if isinstance(reader, Archive):
            result = await _report_archive(reader, options, window)
        else:
            result = await _report_account(reader, options, window)
    # An archive that is no longer filled knows of no findings.
    is_well = not result.lacks_events and not result.report.at_least(options.fail_on or "info")
    is_shown = options.output is not None or not (is_quiet() and is_well)
    if (result.report.connectors or not result.errors) and is_shown:
        _print(result, options)
    if result.missing:
        raise Failure(result.missing)
    if result.errors:
        raise next(iter(result.errors.values())) if len(options.connectors) == 1 else FleetError(result.errors)
    if options.fail_on is not None and result.report.at_least(options.fail_on):
        raise click.exceptions.Exit(_FINDINGS_STATUS)
    if options.fail_on is not None and result.lacks_events:  # nobody knows whether there is a finding
        raise click.exceptions.Exit(_FAILURE_STATUS)


async def _report_archive(archive: Archive, options: CommandOptions, window: TimeWindow) -> _Reported:
    known, missing = await archived_connectors(archive, options)
    notes = await note_extents(archive, known, window, options.zone)
    if notes.failure:
        raise Failure(missing or notes.failure)
    if notes.limited:
        known = [name for name in known if name not in notes.limited]
        needed = f"a report needs events of all kinds: there is none of {id_list(notes.limited)}"
        missing = "; ".join(filter(None, (missing, needed)))
        if not known:
            notes.print()
            raise Failure(missing)
    known_until = {name: None if extent is None else extent.until for name, extent in notes.extents.items()}
    known_since = {name: extent.since for name, extent in notes.extents.items() if extent is not None}
    judged = JudgedWindow.of(Journal(), *window, known_until=known_until, known_since=known_since)
    listed = await archive.named_connectors()
    judging = _judge_archive(archive, known, window, judged, for_page=options.format_ == "html")
    result = _with_notes(await judging, listed)
    return _Reported(result, {}, missing, notes.lines, lacks_events=notes.lacks_events, names=_notes_by_id(listed))


async def _judge_archive(
    archive: Archive, connectors: Sequence[str], window: TimeWindow, judged: JudgedWindow, *, for_page: bool
) -> Report:
    """Report on one connector after the other, and show how far this is. The events of one alone are in memory."""
    reports, since, events, done = list[ConnectorReport](), window.since - _EARLIER_S, 0, 0.0
    hourly = Counter[tuple[str, int]]()
    with show_progress(lambda: Progress(done / len(connectors), counted(events, "event"))):
        for number, connector_id in enumerate(connectors):
            series = EventSeries(connector_id)
            async for series in read_series(archive.list_events(connector_id, since=since, until=window.until)):
                if len(series):
                    done = number + (series.recorded_ts[-1] - since) / (window.until - since)
            result = report_connector(AskedConnector(connector_id), series, judged, Limits(), has_earlier=True)
            reports.append(result._without_results(for_page=for_page))
            if for_page:
                hourly.update(count_hours(series))
            events, done = events + result.events, number + 1
    return combine_reports(reports, judged, hourly)


async def _report_account(client: Client, options: CommandOptions, window: TimeWindow) -> _Reported:
    named = None if options.all_ else options.connectors
    with arguments_checked():
        fleet = client.fleet(named, on_error="collect")
    journal = await _read_journal(fleet, window)
    errors, missing = dict(fleet.errors), ""
    present = _read_clock(client, journal, window)
    listed: Sequence[Connector] = fleet.connectors or options.listed
    asked = [name for name in named or [connector.id for connector in listed] if name not in errors]
    if named is not None and _is_any_quiet(asked, journal, window, present):
        with suppress(CfEventsError):  # a finding has no heartbeat then
            listed = await client.list_connectors()
    connectors = _with_heartbeats(asked, listed, journal, window)
    judge = partial(_report, journal, connectors, present, window)
    result = judge()
    if options.interrupts:
        interrupts, missing = await _read_interrupts(client, result)
        judge = partial(judge, interrupts=interrupts)
        result = judge()
    hints = _hints(result, journal, options)
    if options.details:
        errors |= await _read_payloads(client, journal, window, kinds_with_details(result.findings))
        result = judge()
    result = _with_notes(result, listed)
    notes = _note_unlisted(named and asked, listed, journal)
    return _Reported(result, errors, missing, notes, hints, names=_notes_by_id(listed))


def _read_clock(client: Client, journal: Journal, window: TimeWindow) -> float:
    """Return the present in seconds since the Unix epoch, by the API's clock: this machine's may be wrong."""
    present = max(now() - client.clock_ahead.total_seconds(), journal.latest_collected_ts() or 0)
    if window.since > present:
        raise Failure("by the API's clock, the window has not begun: set this machine's clock, by NTP")
    return present


async def _read_journal(fleet: Fleet, window: TimeWindow) -> Journal:
    journal, stream = Journal(), fleet.list_events(since=window.since, until=window.until)
    coverage = Coverage(*window)
    with show_progress(lambda: listing_progress(coverage, stream)):
        async with aclosing(stream._batches()) as batches:
            async for batch in batches:
                coverage.add(batch.events)
                journal.update(map(FleetEvent, batch.connector_ids, batch.events))
    # The end of a listing that failed would look like silence.
    journal._discard(fleet.errors)
    return journal


def _with_notes(result: Report, listed: Sequence[Connector]) -> Report:
    """Return the report with the notes of the connectors that are known."""
    notes = {connector.id: connector.notes for connector in listed}
    named = (evolve(finding, notes=notes.get(finding.connector_id or "")) for finding in result.findings)
    connectors = (evolve(item, notes=notes.get(item.connector_id or "")) for item in result.connectors)
    return evolve(result, findings=tuple(named), connectors=tuple(connectors))


def _notes_by_id(listed: Sequence[Connector]) -> dict[str, str]:
    return {connector.id: NamedConnector.of(connector).notes or connector.id for connector in listed}


def _hints(result: Report, journal: Journal, options: CommandOptions) -> list[str]:
    """Return what the options that were left out would add to the findings, and how many requests that takes."""
    kinds, hints = kinds_with_details(result.findings), list[str]()
    if payloads := 0 if options.details else _count_payloads(journal, kinds):
        hints.append(f"--details adds which tunnel, bundle or version, and for how long ({payloads} more requests)")
    if connectors := [] if options.interrupts else explainable_connectors(result.findings):
        hints.append(f"--interrupts tells what somebody ordered ({counted(len(connectors), 'more request')})")
    return hints


async def _read_interrupts(client: Client, result: Report) -> tuple[dict[str, list[Interrupt]], str]:
    """Return what was ordered of the connectors where that may explain a finding, and a sentence about failures."""
    connectors = [*explainable_connectors(result.findings)]

    async def read(connector_id: str) -> list[Interrupt]:
        interrupts = await client.list_interrupts(connector_id)
        add(1)
        return interrupts

    with _count_on_status_line(len(connectors), "lists of interrupts") as add:
        interrupts, errors = await ask_connectors(connectors, read)
    first = next(iter(errors.values()), None)
    return interrupts, f"the interrupts of {id_list([*errors])} could not be read: {first}" if errors else ""


async def _read_payloads(
    client: Client, journal: Journal, window: TimeWindow, kinds: Mapping[str, tuple[str, ...]]
) -> dict[str, CfEventsError]:
    """Add the payloads of some kinds of events of connectors, and return the errors of those that have none."""
    records = dict(journal.connectors())

    async def read(connector_id: str) -> None:
        events = [
            EventMetadata(record.kind, record.recorded_ts, record.sequence, record.collected_ts)
            for record in records[connector_id]
            if record.kind in kinds[connector_id] and record.collected_ts is not None
        ]
        stream = client.list_events(connector_id, since=window.since, until=window.until)
        # All payloads or none: a mixture would look like events of several tunnels.
        details = list[EventDetail]()
        for place in range(0, len(events), _PAYLOADS_AT_ONCE):
            page = Page(tuple(events[place : place + _PAYLOADS_AT_ONCE]))
            details.extend(await stream._page_details(page))
            add(len(page.items))
        journal.update(FleetEvent(connector_id, detail) for detail in details)

    with _count_on_status_line(_count_payloads(journal, kinds), "payloads") as add:
        return (await ask_connectors(kinds, read))[1]


@contextmanager
def _count_on_status_line(total: int, name: str) -> Iterator[Callable[[int], None]]:
    """Show how many of something have come; the function counts some more."""
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more

    with show_progress(lambda: Progress(done / max(1, total), f"{done:,} of {total:,} {name}")):
        yield add


def _count_payloads(journal: Journal, kinds: Mapping[str, tuple[str, ...]]) -> int:
    records = ((name, record) for name, records in journal.connectors() for record in records)
    return sum(record.kind in kinds.get(name or "", ()) for name, record in records)


def _is_any_quiet(asked: Sequence[str], journal: Journal, window: TimeWindow, present: float) -> bool:
    """Return whether a heartbeat says more of a connector: without events, or with none at the end of the window."""
    last_ts = {connector_id: records[-1].recorded_ts for connector_id, records in journal.connectors()}
    limit_s = sys.float_info.max if _is_over(window) else Limits().gap_least.total_seconds()
    return any(min(window.until, present) - last_ts.get(name, -math.inf) > limit_s for name in asked)


def _note_unlisted(asked: Sequence[str] | None, listed: Sequence[Connector], journal: Journal) -> list[str]:
    """Return a sentence about connectors without events that the account does not list: they may be mistyped."""
    if asked is None:
        return [] if listed else ["the account has no connectors: check CLOUDFLARE_ACCOUNT_ID"]
    known = {connector.id for connector in listed} | {connector_id for connector_id, _ in journal.connectors()}
    unlisted = [name for name in asked if name not in known] if listed else []
    return [f"the account has no connector {id_list(unlisted)}: 'cfevents connectors' lists them"] if unlisted else []


def _is_over(window: TimeWindow) -> bool:
    return now() - window.until > Limits().gap_least.total_seconds()


def _with_heartbeats(
    asked: Sequence[str], listed: Iterable[Connector], journal: Journal, window: TimeWindow
) -> list[str | Connector]:
    """Return the connectors as they are listed, where their heartbeats say something about the window.

    A heartbeat is of now: in a window that is long over, it stands beside no events at all, but explains no pause.
    """
    by_id = {connector.id: connector for connector in listed}
    with_events = {connector_id for connector_id, _ in journal.connectors()} if _is_over(window) else set()
    return [name if name in with_events else by_id.get(name, name) for name in asked]


def _report(
    journal: Journal,
    connectors: Sequence[str | Connector],
    known_until: float,
    window: TimeWindow,
    interrupts: InterruptsByConnector | None = None,
) -> Report:
    return report(journal, connectors=connectors, known_until=known_until, interrupts=interrupts, **window._asdict())


def _print(result: _Reported, options: CommandOptions) -> None:
    if options.format_ == "html":
        write_page(result.report, result.errors, filter(None, (result.missing, *result.notes, *result.hints)), options)
        return
    zone, shown = options.zone or Zone(), result.report
    if is_quiet() and options.fail_on:
        shown = evolve(shown, findings=shown.at_least(options.fail_on))
    findings, summary = shown.findings, shown.summary(zone.tz)
    if findings:
        writer(findings_view(zone), options.style)(findings)
    if options.style.is_table:
        lines = [summary, *_without_findings(result), *map(in_shell_words, result.notes), *result.hints]
        filled = [textwrap.fill(line, terminal_width(), break_on_hyphens=False) for line in lines]
        write_stdout("".join(f"{line}\n" for line in [*filled, *_list_commands(findings)]))
        return
    if is_terminal(sys.stderr) and not is_quiet():
        click.echo(printable(summary), err=True)
    for note in result.notes:
        print_line(note)


def _without_findings(result: _Reported) -> Iterator[str]:
    """Yield a line that names the connectors of which there is no finding, beside those of others."""
    ids = {finding.connector_id for finding in result.report.findings}
    reported = [connector.connector_id for connector in result.report.connectors]
    names = [result.names.get(name or "", name or "") for name in reported if name not in ids]
    if ids and names and not is_quiet():
        yield f"no findings: {', '.join(names) if len(names) <= MAX_NAMED_IDS else counted(len(names), 'connector')}"


def _list_commands(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the commands that list the events of the worst findings, below what these are."""
    with_events = [finding for finding in findings if finding.event_ids and finding.connector_id is not None]
    for finding in with_events[:_MAX_LISTED_FINDINGS]:
        first, last = (event_id.recorded_ts for event_id in (finding.event_ids[0], finding.event_ids[-1]))
        if first == last:  # such as the last event before a silence: what led to it, and what came next
            first, last = first - _BEFORE_ONE_EVENT_S, max(last, finding.last_at.timestamp())
        # Whether bounds are inclusive is not known.
        window = window_text(math.floor(first) - 1, math.ceil(last) + 1)
        command = f"  cfevents list {shlex.quote(str(finding.connector_id))} {window}{source_words()}"
        # It is to be copied. A quoted part stays whole.
        # An option stays with its time.
        text = command.replace("--since ", "--since\xa0").replace("--until ", "--until\xa0")
        wrapped = textwrap.wrap(text, terminal_width() - 2, **_AS_WORDS)
        lines = [command] if "'" in command else [line.replace("\xa0", " ") for line in wrapped]
        yield f"events of {finding.kind} {finding.event_ids[0]}:"
        yield " \\\n".join(lines)


def findings_view(zone: Zone) -> View[Finding]:
    """Return the view of findings, a row each."""
    narrow = terminal_width() < _MIN_CHARS_FOR_UUIDS

    def rows(finding: Finding) -> list[Row]:
        words = [f"{name}={text}" for name, text in finding._facts(zone.named_time).items()]
        event_id, connector_id = next(map(str, finding.event_ids), ""), finding.connector_id or ""
        if narrow and finding.notes:
            words.append(f"connector={shorten_id(connector_id)}")
        if narrow and event_id:
            words.append(f"id={event_id}")
        moment = zone.format(finding.first_at.replace(microsecond=0), format_iso(finding.first_at))
        text = "  ".join([f"{finding.kind}: {finding.text}", *words])
        return [(finding.severity, moment, event_id, _connector_cell(connector_id, finding.notes), text)]

    titles = ("SEVERITY", zone.titled("FIRST"), "ID", "CONNECTOR", "FINDING")
    view = View(Finding.to_dict, titles, rows, (severity_colour, Colour.NONE, Colour.NONE, Colour.NAME, Colour.NONE))
    return view._replace(fields=_FIELDS, hidden=("ID",) if narrow else ())


def _connector_cell(connector_id: str, notes: str | None) -> str:
    """Return the connector as its owner calls it, and as much of its id as there is room for."""
    narrow, has_room = terminal_width() < _MIN_CHARS_FOR_UUIDS, terminal_width() >= _MIN_CHARS_FOR_NOTES
    if not (name := " ".join((notes or "").split())):
        return shorten_id(connector_id) if narrow else connector_id
    if narrow:
        return shorten_id(name, _MAX_NAME_CHARS)
    return (
        f"{name} ({connector_id})"
        if has_room
        else f"{shorten_id(name, 2 * _MAX_NAME_CHARS)} {shorten_id(connector_id)}"
    )

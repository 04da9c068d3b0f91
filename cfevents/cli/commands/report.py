"""The command that reports what events mean."""

import sys
import textwrap
from collections.abc import Collection
from datetime import timedelta
from typing import Any, NamedTuple

import click
from attrs import evolve

from cfevents import CfEventsError, Client, FleetError, FleetEvent
from cfevents._time import TimeWindow, format_iso
from cfevents.cli.console.errors import Failure, arguments_checked
from cfevents.cli.console.output import Colour, Row, View, Zone, is_terminal, terminal_width, write_stdout
from cfevents.cli.console.views import severity_colour, shorten_id, writer
from cfevents.cli.options import CommandOptions
from cfevents.cli.sources import archived_connectors, check_options, connectors_or_first, open_reader
from cfevents.operations import Finding, Journal, Report, report
from cfevents.operations.report import kinds_with_details
from cfevents.storage import Archive

_FINDINGS_STATUS = 3
# From this width on, a table shows the whole ids of connectors.
_MIN_CHARS_FOR_UUIDS = 120
_PAYLOAD_DETAILS = ("tunnel_id", "url", "version")


class _Reported(NamedTuple):
    report: Report
    errors: dict[str, CfEventsError]  # of the connectors that could not be read
    unread_payloads: int = 0  # those that would add to the findings
    missing: str = ""  # the message about connectors that an archive lacks


async def report_events(options: CommandOptions) -> None:
    """Print the findings; the status is 3 if one is as severe as ``--fail-on``."""
    options = check_options(options)
    with arguments_checked():
        # One window for all connectors and for the report.
        window = TimeWindow.of(options.since, options.until)
    async with open_reader(options) as reader:
        if isinstance(reader, Archive):
            result = await _report_archive(reader, options, window)
        else:
            result = await _report_account(reader, options, window)
    if result.report.connectors or not result.errors:
        _print(result, options.format_, options.zone or Zone())
    if result.missing:
        raise Failure(result.missing)
    if result.errors:
        raise next(iter(result.errors.values())) if len(options.connectors) == 1 else FleetError(result.errors)
    if options.fail_on is not None and result.report.at_least(options.fail_on):
        raise click.exceptions.Exit(_FINDINGS_STATUS)


async def _report_archive(archive: Archive, options: CommandOptions, window: TimeWindow) -> _Reported:
    journal = Journal()
    known, missing = await archived_connectors(archive, options)
    for connector_id in known:
        stream = archive.list_events(connector_id, since=window.since, until=window.until)
        async for detail in stream.details():
            journal.add(FleetEvent(connector_id, detail))
    return _Reported(report(journal, until=window.until), {}, missing=missing)


async def _report_account(client: Client, options: CommandOptions, window: TimeWindow) -> _Reported:
    chosen = await connectors_or_first(client, options)
    with arguments_checked():
        fleet = client.fleet(chosen if isinstance(chosen, list) else None, on_error="collect")
    journal = await Journal.read(fleet.list_events(since=window.since, until=window.until))
    errors = dict(fleet.errors)
    first = _report(journal, window, errors)
    kinds_by_connector = kinds_with_details(first.findings)
    if not options.details:
        records = ((name, record) for name, records in journal.connectors() for record in records)
        unread = sum(record.kind in kinds_by_connector.get(name or "", ()) for name, record in records)
        return _Reported(first, errors, unread)
    payload_errors = {}
    for connector_id, kinds in kinds_by_connector.items():
        stream = client.list_events(connector_id, since=window.since, until=window.until, kind=kinds)
        try:
            # All payloads or none: a mixture would look like events of several tunnels.
            journal.update([FleetEvent(connector_id, detail) async for detail in stream.details()])
        except CfEventsError as error:
            payload_errors[connector_id] = error
    return _Reported(_report(journal, window, errors), errors | payload_errors)


def _report(journal: Journal, window: TimeWindow, unread: Collection[str]) -> Report:
    """Report on the connectors that were read whole: the end of a listing that failed would look like silence."""
    whole = report(journal, until=window.until)
    return evolve(
        whole,
        connectors=tuple(connector for connector in whole.connectors if connector.connector_id not in unread),
        findings=tuple(finding for finding in whole.findings if finding.connector_id not in unread),
    )


def _print(result: _Reported, format_: str | None, zone: Zone) -> None:
    summary = str(result.report).partition("\n")[0]
    if result.report.findings:
        writer(_findings(zone), format_)(result.report.findings)
    if format_ == "table" or (format_ is None and is_terminal(sys.stdout)):
        hint = f"--details adds which tunnel, bundle or version ({result.unread_payloads} more requests)"
        for line in (summary, hint) if result.unread_payloads else (summary,):
            write_stdout(f"{textwrap.fill(line, terminal_width(), break_on_hyphens=False)}\n")
    elif is_terminal(sys.stderr):
        click.echo(summary, err=True)


def _findings(zone: Zone) -> View[Finding]:
    narrow = terminal_width() < _MIN_CHARS_FOR_UUIDS

    def rows(finding: Finding) -> list[Row]:
        connector_id = finding.connector_id or ""
        words = [f"{name}={finding.details[name]}" for name in _PAYLOAD_DETAILS if name in finding.details]
        return [
            (
                finding.severity,
                zone.format(finding.first_at.replace(microsecond=0), format_iso(finding.first_at)),
                shorten_id(connector_id) if narrow else connector_id,
                "  ".join([f"{finding.kind}: {finding.message}", *words]),
            )
        ]

    titles = ("SEVERITY", zone.titled("FIRST"), "CONNECTOR", "FINDING")
    return View(_record, titles, rows, (severity_colour, Colour.NONE, Colour.NAME, Colour.NONE))


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "connector_id": finding.connector_id,
        "first_at": format_iso(finding.first_at),
        "last_at": format_iso(finding.last_at),
        "message": finding.message,
        "event_ids": [str(event_id) for event_id in finding.event_ids],
        "details": {
            name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in finding.details.items()
        },
    }

"""The command that reports what events mean."""

import sys
import textwrap
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import click
from attrs import evolve

from cfevents import CfEventsError, EventStream, FleetError, FleetEvent
from cfevents._time import TimeWindow
from cfevents.cli.console.errors import Failure, arguments_checked
from cfevents.cli.console.output import Colour, Row, View, Zone, is_terminal, terminal_width, write_stdout
from cfevents.cli.console.views import severity_colour, shorten_id, writer
from cfevents.cli.options import require_connectors
from cfevents.cli.sources import archived_connectors, connectors_or_first, open_archive, open_client, resolve_bounds
from cfevents.operations import Finding, Journal, Report, report
from cfevents.operations.report import kinds_with_details

_FINDINGS_STATUS = 3
# From this width on, a table shows the whole ids of connectors.
_MIN_CHARS_FOR_UUIDS = 120
_PAYLOAD_DETAILS = ("tunnel_id", "url", "version")


class _Reported(NamedTuple):
    report: Report
    errors: dict[str, CfEventsError]
    """The connectors that could not be read."""

    unread_payloads: int = 0
    """How many payloads would add to the findings."""

    missing: str = ""
    """The message about connectors that an archive lacks."""


async def report_events(
    *,
    connectors: tuple[str, ...],
    all_: bool,
    since: str,
    until: str | None,
    details: bool,
    archive: str | None,
    fail_on: Any,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
) -> None:
    """Print the findings; the status is 3 if one is as severe as ``fail_on``."""
    require_connectors(connectors, all_, optional=simulate or archive is not None)
    bounds = resolve_bounds(zone, since=since, until=until)
    with arguments_checked():
        # One window for all connectors and for the report.
        window = TimeWindow.of(**bounds)
    if archive is None:
        result = await _report_account(connectors, all_, window, simulate=simulate, details=details)
    else:
        result = await _report_archive(archive, connectors, all_, window)
    if result.report.connectors or not result.errors:
        _print(result, format_, zone or Zone())
    if result.missing:
        raise Failure(result.missing)
    if result.errors:
        raise next(iter(result.errors.values())) if len(connectors) == 1 else FleetError(result.errors)
    if fail_on is not None and result.report.at_least(fail_on):
        raise click.exceptions.Exit(_FINDINGS_STATUS)


async def _report_archive(path: str, connectors: tuple[str, ...], all_: bool, window: TimeWindow) -> _Reported:
    journal = Journal()
    async with open_archive(path) as archive:
        known, missing = await archived_connectors(archive, connectors, all_)
        for connector_id in known:
            stream = archive.list_events(connector_id, since=window.since, until=window.until)
            async for detail in stream.details():
                journal.add(FleetEvent(connector_id, detail))
    return _Reported(report(journal, until=window.until), {}, missing=missing)


async def _report_account(
    connectors: tuple[str, ...], all_: bool, window: TimeWindow, *, simulate: bool, details: bool
) -> _Reported:
    async with open_client(simulate) as client:
        chosen = await connectors_or_first(client, connectors, all_)
        with arguments_checked():
            fleet = client.fleet(chosen if isinstance(chosen, list) else None, on_error="collect")
        journal = await Journal.read(fleet.list_events(since=window.since, until=window.until))
        errors = dict(fleet.errors)
        first = _report(journal, window, errors)
        kinds_by_connector = kinds_with_details(first.findings)
        if not details:
            records = ((name, record) for name, records in journal.connectors() for record in records)
            unread = sum(record.kind in kinds_by_connector.get(name or "", ()) for name, record in records)
            return _Reported(first, errors, unread)
        payload_errors = {}
        for connector_id, kinds in kinds_by_connector.items():
            stream = client.list_events(connector_id, since=window.since, until=window.until, kind=kinds)
            if error := await _read_payloads(connector_id, stream, journal):
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


async def _read_payloads(connector_id: str, stream: EventStream, journal: Journal) -> CfEventsError | None:
    """Add all payloads or none: a mixture would look like events of several tunnels."""
    try:
        journal.update([FleetEvent(connector_id, detail) async for detail in stream.details()])
    except CfEventsError as error:
        return error
    return None


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
                zone.format(finding.first_at.replace(microsecond=0), _iso_utc(finding.first_at)),
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
        "first_at": _iso_utc(finding.first_at),
        "last_at": _iso_utc(finding.last_at),
        "message": finding.message,
        "event_ids": [str(event_id) for event_id in finding.event_ids],
        "details": {
            name: value.total_seconds() if isinstance(value, timedelta) else value
            for name, value in finding.details.items()
        },
    }


def _iso_utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

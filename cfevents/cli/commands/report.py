"""The command that says what events mean."""

import asyncio
import sys
import textwrap
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import cfevents
from cfevents.cli.console import styles
from cfevents.cli.console.errors import Failure, arguments_checked
from cfevents.cli.console.output import Row, View, is_terminal, terminal_width, write_stdout
from cfevents.cli.console.timezones import Zone, moments, tz_option
from cfevents.cli.console.views import shortened
from cfevents.cli.console.writer import writer
from cfevents.cli.options import (
    all_option,
    archive_option,
    connectors_argument,
    example,
    format_option,
    require_connectors,
    simulate_option,
)
from cfevents.cli.sources import archived_connectors, connectors_or_first, open_client, read_archive

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cfevents import CfEventsError, EventStream
    from cfevents._time import TimeLike, TimeWindow
    from cfevents.operations import Finding, Journal, Report

_SHORT_ID = 9
_ROOM_FOR_UUIDS = 120
_TOLD_BY_PAYLOADS = ("tunnel_id", "url", "version")


def findings(zone: Zone) -> "View[Finding]":
    """Show findings, one a line, with times in a zone."""
    narrow = terminal_width() < _ROOM_FOR_UUIDS

    def rows(finding: "Finding") -> list[Row]:
        owner = finding.connector_id or ""
        owner = shortened(owner, _SHORT_ID) if narrow else owner
        return [(finding.severity, _shown(finding.first_at, zone), owner, _told(finding))]

    titles = ("SEVERITY", zone.titled("FIRST"), "CONNECTOR", "FINDING")
    return View(_record, titles, rows, styles=(styles.of_verdict, "", styles.NAME, ""))


def _shown(moment: datetime, zone: Zone) -> str:
    try:
        return zone.shown(moment.replace(microsecond=0))
    except (OverflowError, OSError, ValueError):  # a finding of the year 1 or 9999
        return _iso(moment)


def _told(finding: "Finding") -> str:
    known = [f"{name}={finding.details[name]}" for name in _TOLD_BY_PAYLOADS if name in finding.details]
    return "  ".join([f"{finding.kind}: {finding.message}", *known])


def _record(finding: "Finding") -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "connector_id": finding.connector_id,
        "first_at": _iso(finding.first_at),
        "last_at": _iso(finding.last_at),
        "message": finding.message,
        "event_ids": [str(event_id) for event_id in finding.event_ids],
        "details": {name: _plain(value) for name, value in finding.details.items()},
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


FOUND = 3
"""The exit status where there is a finding as bad as ``--fail-on`` says."""

SEVERITIES = ("info", "warning", "error", "critical")
"""What ``--fail-on`` takes; those of `cfevents.operations`, which is not needed for ``--help``."""


@click.command(
    "report", short_help="Say what the events mean.", epilog=example("cfevents report --all --simulate --since 7d")
)
@connectors_argument
@all_option
@click.option("--since", default="24h", show_default=True, help="Where the window begins, written as for 'list'.")
@click.option("--until", help="Where the window ends, written likewise; now if left out.")
@click.option(
    "--details",
    is_flag=True,
    help="Tell of which tunnel, bundle or version: where there are findings, read the payloads that know; each costs a "
    "request. An archive's are always read.",
)
@archive_option
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help=f"End with status {FOUND} where there is a finding as bad as this, or worse.",
)
@format_option
@tz_option
@simulate_option
def report_events(
    *, all_: bool, archive: str | None, fail_on: Any, format_: str | None, zone: Zone | None, **what: Any
) -> None:
    """Say what the events of connectors mean: what failed, is stuck, crashed or was cut off, the worst first.

    All kinds of the window are read, without payloads unless they are asked for. Connectors that cannot be read do not
    hide what the others have; then the status is 1.
    """
    connectors: tuple[str, ...] = what["connectors"]
    require_connectors(connectors, all_, what["simulate"] or archive is not None)
    what |= moments(zone, since=what["since"], until=what["until"])
    found = asyncio.run(_asked(all_, **what) if archive is None else _archived(archive, all_, **what))
    if found.report.connectors or not found.errors:
        _show(found, format_, zone or Zone())
    if found.missing:
        raise Failure(found.missing)
    if found.errors:
        raise next(iter(found.errors.values())) if len(connectors) == 1 else cfevents.FleetError(found.errors)
    if fail_on is not None and found.report.at_least(fail_on):
        click.get_current_context().exit(FOUND)


class _Found(NamedTuple):
    """What was found, and what went wrong, by connector."""

    report: "Report"
    errors: "dict[str, CfEventsError]"
    unread: int = 0
    """How many payloads would tell more."""
    missing: str = ""
    """What is to be told of connectors that an archive does not have."""


async def _archived(
    path: str, all_: bool, *, connectors: tuple[str, ...], since: "TimeLike", until: "TimeLike | None", **_: Any
) -> _Found:
    from cfevents.operations import Journal  # noqa: PLC0415 - not needed for --help

    window, journal = _window(since, until), Journal()
    async with read_archive(path) as archive:
        there, missing = await archived_connectors(archive, connectors, all_)
        for connector_id in there:
            stream = archive.list_events(connector_id, since=window.since, until=window.until)
            async for detail in stream.details():
                journal.add(cfevents.FleetEvent(connector_id, detail))
    return _Found(_report(journal, window, ()), {}, missing=missing)


async def _asked(
    all_: bool,
    *,
    connectors: tuple[str, ...],
    simulate: bool,
    details: bool,
    since: "TimeLike",
    until: "TimeLike | None",
) -> _Found:
    from cfevents.operations import Journal  # noqa: PLC0415 - not needed for --help
    from cfevents.operations.report import kinds_with_details  # noqa: PLC0415 - not needed for --help

    window = _window(since, until)
    async with open_client(simulate) as client:
        whom = await connectors_or_first(client, connectors, all_)
        with arguments_checked():
            fleet = client.fleet(whom if isinstance(whom, list) else None, on_error="collect")
        journal = await Journal.read(fleet.list_events(since=window.since, until=window.until))
        unread, more = fleet.errors, dict[str, cfevents.CfEventsError]()
        found = _report(journal, window, unread)
        kinds = kinds_with_details(found.findings)
        if not details:
            return _Found(found, unread, _count(journal, kinds))
        for connector_id, its in kinds.items():
            stream = client.list_events(connector_id, since=window.since, until=window.until, kind=its)
            more |= await _read_payloads(connector_id, stream, journal)
    return _Found(_report(journal, window, unread), unread | more)


def _report(journal: "Journal", window: "TimeWindow", unread: "Collection[str]") -> "Report":
    """Report of those that were read whole: where the others were cut off would be taken for silence."""
    from attrs import evolve  # noqa: PLC0415 - not needed for --help

    from cfevents.operations import report  # noqa: PLC0415 - not needed for --help

    found = report(journal, until=window.until)
    connectors = tuple(each for each in found.connectors if each.connector_id not in unread)
    findings = tuple(each for each in found.findings if each.connector_id not in unread)
    return evolve(found, connectors=connectors, findings=findings)


async def _read_payloads(connector_id: str, stream: "EventStream", journal: "Journal") -> "dict[str, CfEventsError]":
    """Add payloads, all or none: events with and without may be taken for those of several tunnels."""
    try:
        journal.update([cfevents.FleetEvent(connector_id, detail) async for detail in stream.details()])
    except cfevents.CfEventsError as error:
        return {connector_id: error}
    return {}


def _count(journal: "Journal", kinds: "Mapping[str, Collection[str]]") -> int:
    return sum(each.kind in kinds.get(name or "", ()) for name, records in journal.connectors() for each in records)


def _window(since: "TimeLike", until: "TimeLike | None") -> "TimeWindow":
    """Fix the window, which is to be one for all connectors and for the report."""
    from cfevents._time import TimeWindow  # noqa: PLC0415 - not needed for --help

    with arguments_checked():
        return TimeWindow.of(since, until)


def _show(found: _Found, format_: str | None, zone: Zone) -> None:
    summary = str(found.report).partition("\n")[0]
    if found.report.findings:
        writer(findings(zone), format_)(found.report.findings)
    if format_ == "table" or (format_ is None and is_terminal(sys.stdout)):
        more = f"With --details: which tunnel, bundle or version ({found.unread} requests more)"
        for told in (summary, more) if found.unread else (summary,):
            write_stdout(f"{textwrap.fill(told, terminal_width(), break_on_hyphens=False)}\n")
    elif is_terminal(sys.stderr):
        click.echo(summary, err=True)

"""The command that says what events mean."""

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

import cfevents
from cfevents.cli.archiving import read_archive
from cfevents.cli.connection import connected, connectors_or_first
from cfevents.cli.failures import arguments_checked
from cfevents.cli.options import (
    all_option,
    archive_option,
    connectors_argument,
    example,
    format_option,
    require_connectors,
    simulate_option,
)
from cfevents.cli.output import Row, View, terminal_width, writer
from cfevents.cli.whose import archived_connectors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cfevents import CfEventsError, EventStream
    from cfevents.operations import Finding, Journal, Report
    from cfevents.timespan import Timespan

FOUND = 3
"""The exit status where there is a finding as bad as ``--fail-on`` says."""

SEVERITIES = ("info", "warning", "error", "critical")
"""What ``--fail-on`` takes; those of `cfevents.operations`, which is not needed for ``--help``."""

_SHORT_ID = 9
_ROOM_FOR_UUIDS = 120
_TOLD_BY_PAYLOADS = ("tunnel_id", "url", "version")


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
@simulate_option
def report_events(all_: bool, archive: str | None, fail_on: Any, format_: str | None, **what: Any) -> None:
    """Say what the events of connectors mean: what failed, is stuck, crashed or was cut off, the worst first.

    All kinds of the window are read, without payloads unless they are asked for. Connectors that cannot be read do not
    hide what the others have; then the status is 1.
    """
    connectors: tuple[str, ...] = what["connectors"]
    require_connectors(connectors, all_, what["simulate"] or archive is not None)
    found = asyncio.run(_asked(all_, **what) if archive is None else _archived(archive, all_, **what))
    if found.report.connectors or not found.errors:
        _show(found, format_)
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


async def _archived(
    path: str, all_: bool, *, connectors: tuple[str, ...], since: str, until: str | None, **_: Any
) -> _Found:
    from cfevents.operations import Journal  # noqa: PLC0415 - not needed for --help

    window, journal = _window(since, until), Journal()
    async with read_archive(path) as archive:
        for connector_id in await archived_connectors(archive, connectors, all_):
            stream = archive.list_events(connector_id, since=window.since, until=window.until)
            async for detail in stream.details():
                journal.add(cfevents.FleetEvent(connector_id, detail))
    return _Found(_report(journal, window, ()), {})


async def _asked(
    all_: bool, *, connectors: tuple[str, ...], simulate: bool, details: bool, since: str, until: str | None
) -> _Found:
    from cfevents.operations import Journal  # noqa: PLC0415 - not needed for --help
    from cfevents.operations.telling import telling_kinds  # noqa: PLC0415 - not needed for --help

    window = _window(since, until)
    async with connected(simulate) as client:
        whom = await connectors_or_first(client, connectors, all_)
        with arguments_checked():
            fleet = client.fleet(whom if isinstance(whom, list) else None, on_error="collect")
        journal = await Journal.read(fleet.list_events(since=window.since, until=window.until))
        unread, more = fleet.errors, dict[str, cfevents.CfEventsError]()
        found = _report(journal, window, unread)
        kinds = telling_kinds(found.findings)
        if not details:
            return _Found(found, unread, _count(journal, kinds))
        for connector_id, its in kinds.items():
            stream = client.list_events(connector_id, since=window.since, until=window.until, kind=its)
            more |= await _read_payloads(connector_id, stream, journal)
    return _Found(_report(journal, window, unread), unread | more)


def _report(journal: "Journal", window: "Timespan", unread: "Collection[str]") -> "Report":
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


def _window(since: str, until: str | None) -> "Timespan":
    """Fix the window, which is to be one for all connectors and for the report."""
    from cfevents.timespan import Timespan  # noqa: PLC0415 - not needed for --help

    with arguments_checked():
        return Timespan.of(since, until)


def _show(found: _Found, format_: str | None) -> None:
    findings, summary = found.report.findings, str(found.report).partition("\n")[0]
    if findings:
        writer(_findings(), format_)(findings)
    if format_ == "table" or (format_ is None and _is_terminal(sys.stdout)):
        click.echo(summary)
        if found.unread:
            click.echo(f"With --details: which tunnel, bundle or version ({found.unread} requests more)")
    elif _is_terminal(sys.stderr):
        click.echo(summary, err=True)


def _is_terminal(stream: TextIO | None) -> bool:
    # A process that was started with it closed has none.
    return stream is not None and stream.isatty()


def _findings() -> "View[Finding]":
    narrow = terminal_width() < _ROOM_FOR_UUIDS

    def rows(finding: "Finding") -> list[Row]:
        owner = finding.connector_id or ""
        owner = owner[: _SHORT_ID - 1] + "\N{HORIZONTAL ELLIPSIS}" if narrow and len(owner) > _SHORT_ID else owner
        return [(finding.severity, f"{finding.first_at:%Y-%m-%d %H:%M:%S}", owner, _told(finding))]

    return View(_record, ("SEVERITY", "FIRST (UTC)", "CONNECTOR", "FINDING"), rows)


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


def _iso(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value

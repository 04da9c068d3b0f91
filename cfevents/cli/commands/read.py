"""The commands that read: from the API, or from an archive."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import click

import cfevents
from cfevents.cli.console import views
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.progress import Progress, show_progress
from cfevents.cli.console.timezones import Zone, moments, tz_option
from cfevents.cli.console.views import event_of
from cfevents.cli.console.writer import Write, writer
from cfevents.cli.options import (
    all_option,
    archive_option,
    connectors_argument,
    details_option,
    example,
    format_option,
    kind_option,
    require_api,
    require_connector,
    require_connectors,
    simulate_option,
)
from cfevents.cli.sources import (
    Listing,
    archived_connectors,
    connector_or_first,
    open_client,
    read_archive,
    reading_from,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cfevents import Client, FleetEvent
    from cfevents._progress import Coverage
    from cfevents.storage import Archive


class _Coverage:
    def __init__(self, coverage: "Coverage") -> None:
        self._coverage = coverage

    def see(self, items: "Sequence[FleetEvent[Any]]") -> None:
        """Take in what was printed next."""
        self._coverage.add([event_of(item) for item in items])

    def told(self) -> Progress:
        return Progress(self._coverage.fraction, f"{self._coverage.events:,} events")


@contextmanager
def covered_shown(since: float, until: float) -> Iterator[_Coverage]:
    """Show which part of a window, in seconds since the Unix epoch, was covered by what is seen within."""
    from cfevents._progress import Coverage  # noqa: PLC0415 - not needed for --help

    coverage = _Coverage(Coverage(since, until))
    with show_progress(coverage.told):
        yield coverage


@click.command("list", epilog=example("cfevents list --simulate --since 24h --kind RekeyStart --kind RekeyComplete"))
@connectors_argument
@all_option
@click.option(
    "--since",
    default="24h",
    show_default=True,
    help="Where the window begins: 24h (that long ago), 2026-03-01T06:00:00Z, or seconds since 1970.",
)
@click.option("--until", help="Where the window ends, written likewise; now if left out.")
@kind_option
@details_option
@click.option("--page-size", type=click.IntRange(min=1), help="Events to ask for at once.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Stop after so many events, in the API's order.")
@archive_option
@format_option
@tz_option
@simulate_option
def list_events(
    *,
    connectors: tuple[str, ...],
    all_: bool,
    details: bool,
    archive: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
    **window: Any,
) -> None:
    """List the events of connectors in a window of time.

    Of one connector they come in the API's order, of several ascending.
    """
    require_connectors(connectors, all_, simulate or archive is not None)
    asked = _asked(zone, **window)
    require_api(asked["page_size"], archive)

    async def run() -> None:
        async with reading_from(archive, simulate, connectors, all_) as source:
            with arguments_checked():
                listing = source.listing(**asked)
            view = views.listed(zone or Zone(), several=source.several, details=details)
            await _write_pieces(listing, writer(view, format_), details=details, limit=asked["limit"])

    asyncio.run(run())


def _asked(zone: Zone | None, *, kinds: tuple[str, ...], since: str, until: str | None, **rest: Any) -> dict[str, Any]:
    return {**rest, **moments(zone, since=since, until=until), "kind": kinds or None}


async def _write_pieces(listing: Listing, write: Write[Any], *, details: bool, limit: int | None) -> None:
    written = 0
    with covered_shown(listing.since, listing.until) as covered:
        async with aclosing(listing.pieces(details=details, limit=limit)) as pieces:
            async for piece in pieces:
                wanted = piece if limit is None else piece[: limit - written]
                write(wanted)
                covered.see(wanted)
                written += len(wanted)
                if written == limit:
                    return


@click.command(
    "get",
    epilog=example(
        "id=$(cfevents list --simulate -n 1 --format table | awk 'END {print $3}')",
        'cfevents get --simulate "$id"',
    ),
)
@click.argument("connector", required=False, metavar="[CONNECTOR]")
@click.argument("event_id", required=False, metavar="T.N")
@archive_option
@format_option
@tz_option
@simulate_option
def get_event(
    *,
    connector: str | None,
    event_id: str | None,
    archive: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
) -> None:
    """Show one event with its payload. T.N is its id, as 'list' shows it."""
    if event_id is None:
        connector, event_id = _told_apart(connector)
    require_connector(connector, simulate or archive is not None)

    async def run() -> None:
        async with _one_of(archive, simulate, connector) as (source, connector_id):
            with arguments_checked():
                recorded = await source.get_event(connector_id, event_id or "")
            writer(views.one(connector_id, zone or Zone()), format_)([recorded])

    asyncio.run(run())


def _told_apart(argument: str | None) -> tuple[None, str]:
    """Take a single argument for the event's id, which is what --simulate and --archive ask for alone."""
    if argument is None or "." not in argument:
        raise click.UsageError("T.N is missing: the event's id, as 'cfevents list' shows it.")
    return None, argument


@asynccontextmanager
async def _one_of(
    archive: str | None, simulate: bool, connector: str | None
) -> "AsyncIterator[tuple[Client | Archive, str]]":
    """Open what is to be asked, and name the connector that is meant."""
    if archive is None:
        async with open_client(simulate) as client:
            yield client, await connector_or_first(client, connector)
    else:
        async with read_archive(archive) as opened:
            named = () if connector is None else (connector,)
            yield opened, (await archived_connectors(opened, named, or_else=""))[0][0]


@click.command("latest", epilog=example("cfevents latest --simulate"))
@connectors_argument
@all_option
@archive_option
@format_option
@tz_option
@simulate_option
def latest_events(
    *,
    connectors: tuple[str, ...],
    all_: bool,
    archive: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
) -> None:
    """Show the latest events of connectors, with their payloads."""
    require_connectors(connectors, all_, simulate or archive is not None)

    async def run() -> None:
        found = 0
        async with reading_from(archive, simulate, connectors, all_) as source:
            write = writer(views.recorded(zone or Zone(), several=source.several), format_)
            async with aclosing(source.latest()) as pieces:
                async for piece in pieces:
                    write(piece)
                    found += len(piece)
            if archive is not None and not found:
                click.echo(f"cfevents: no payloads in {archive}: 'cfevents archive --details' stores them", err=True)

    asyncio.run(run())


@click.command(
    "connectors", short_help="List the connectors of the account.", epilog=example("cfevents connectors --simulate")
)
@archive_option
@format_option
@tz_option
@simulate_option
def list_connectors(archive: str | None, format_: str | None, zone: Zone | None, simulate: bool) -> None:
    """List the connectors of the account, or the ids of those that an archive has."""

    async def run() -> "Sequence[cfevents.Connector]":
        if archive is None:
            async with open_client(simulate) as client:
                return await client.list_connectors()
        async with read_archive(archive) as opened:
            return [cfevents.Connector(each) for each in await opened.list_connectors()]

    writer(views.connectors(zone or Zone()), format_)(asyncio.run(run()))

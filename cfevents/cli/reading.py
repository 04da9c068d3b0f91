"""The commands that ask the API."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

import cfevents
from cfevents.cli import views
from cfevents.cli.archiving import archived_connector, read_archive
from cfevents.cli.connection import connected, connector_or_first
from cfevents.cli.failures import arguments_checked
from cfevents.cli.options import (
    archive_option,
    connector_argument,
    example,
    format_option,
    require_connector,
    simulate_option,
)
from cfevents.cli.output import Write, writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cfevents import Client, EventMetadata, EventStream
    from cfevents.storage import Archive, ArchivedStream


@click.command("list", epilog=example("cfevents list --simulate --since 24h --kind Init --kind Leave"))
@connector_argument
@click.option(
    "--since",
    default="24h",
    show_default=True,
    help="Where the window begins: 24h (that long ago), 2026-03-01T06:00:00Z, or seconds since 1970.",
)
@click.option("--until", help="Where the window ends, written likewise; now if left out.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind of event; may be given several times.")
@click.option("--page-size", type=click.IntRange(min=1), help="Events to ask for at once.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Stop after so many events, in the API's order.")
@archive_option
@format_option
@simulate_option
def list_events(
    connector: str | None, limit: int | None, format_: str | None, archive: str | None, simulate: bool, **window: Any
) -> None:
    """List the events of a connector, without their payloads."""
    require_connector(connector, simulate or archive is not None)

    async def run() -> None:
        async with _source(archive, simulate, connector) as (source, connector_id):
            with arguments_checked():
                stream = _listing(source, connector_id, limit, **window)
            await _write_pages(stream, limit, writer(views.listed(connector_id), format_))

    asyncio.run(run())


def _listing(
    source: "Client | Archive",
    connector_id: str,
    limit: int | None,
    *,
    kinds: tuple[str, ...],
    page_size: int | None,
    **bounds: Any,
) -> "EventStream | ArchivedStream":
    if not isinstance(source, cfevents.Client):
        return source.list_events(connector_id, kind=kinds or None, **bounds)
    # What a limit leaves out need not be asked for.
    ahead = 1 if limit is None else 0
    return source.list_events(connector_id, kind=kinds or None, page_size=page_size, prefetch=ahead, **bounds)


async def _write_pages(
    stream: "EventStream | ArchivedStream", limit: int | None, write: "Write[EventMetadata]"
) -> None:
    written = 0
    async with aclosing(stream.pages()) as pages:
        async for page in pages:
            items = page.items if limit is None else page.items[: limit - written]
            write(items)
            written += len(items)
            if written == limit:
                return


@click.command(
    "get",
    epilog=example(
        "id=$(cfevents list --simulate -n 1 --format table | awk 'END {print $3}')",
        'cfevents get --simulate "$id"',
    ),
)
@click.argument("connector", metavar="[CONNECTOR]")
@click.argument("event_id", required=False, metavar="T.N")
@archive_option
@format_option
@simulate_option
def get_event(
    connector: str | None, event_id: str | None, format_: str | None, archive: str | None, simulate: bool
) -> None:
    """Show one event with its payload. T.N is its id, as 'list' shows it."""
    if event_id is None:
        connector, event_id = _told_apart(connector)
    require_connector(connector, simulate or archive is not None)

    async def run() -> None:
        async with _source(archive, simulate, connector) as (source, connector_id):
            with arguments_checked():
                recorded = await source.get_event(connector_id, event_id or "")
            writer(views.one(connector_id), format_)([recorded])

    asyncio.run(run())


def _told_apart(argument: str | None) -> tuple[None, str]:
    """Take a single argument for the event's id, which is what --simulate and --archive ask for alone."""
    if argument is None or "." not in argument:
        raise click.UsageError("T.N is missing: the event's id, as 'cfevents list' shows it.")
    return None, argument


@click.command("latest", epilog=example("cfevents latest --simulate"))
@connector_argument
@archive_option
@format_option
@simulate_option
def latest_events(connector: str | None, format_: str | None, archive: str | None, simulate: bool) -> None:
    """Show the latest events of a connector, with their payloads."""
    require_connector(connector, simulate or archive is not None)

    async def run() -> None:
        async with _source(archive, simulate, connector) as (source, connector_id):
            with arguments_checked():
                latest = await source.latest_events(connector_id)
            writer(views.recorded(connector_id), format_)(latest)
            if archive is not None and not latest:
                click.echo(f"cfevents: no payloads in {archive}: 'cfevents archive --details' stores them", err=True)

    asyncio.run(run())


@click.command("connectors", epilog=example("cfevents connectors --simulate"))
@format_option
@simulate_option
def list_connectors(format_: str | None, simulate: bool) -> None:
    """List the connectors of the account."""

    async def run() -> None:
        async with connected(simulate) as client:
            writer(views.CONNECTORS, format_)(await client.list_connectors())

    asyncio.run(run())


@asynccontextmanager
async def _source(
    archive: str | None, simulate: bool, connector: str | None
) -> "AsyncIterator[tuple[Client | Archive, str]]":
    """Open what is to be asked, and name the connector that is meant."""
    if archive is None:
        async with connected(simulate) as client:
            yield client, await connector_or_first(client, connector)
    else:
        async with read_archive(archive) as opened:
            yield opened, await archived_connector(opened, connector)

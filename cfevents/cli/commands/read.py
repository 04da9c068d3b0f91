"""The commands that read events or connectors, from the API or an archive."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import click

from cfevents import Client, Connector
from cfevents._progress import Coverage
from cfevents.cli.console import views
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.output import Zone
from cfevents.cli.console.progress import show_progress
from cfevents.cli.options import require_connectors, usage_error
from cfevents.cli.sources import (
    archived_connectors,
    connector_or_first,
    open_archive,
    open_client,
    open_source,
    read_batches,
    resolve_bounds,
)
from cfevents.storage import Archive


async def list_events(
    *,
    connectors: tuple[str, ...],
    all_: bool,
    since: str,
    until: str | None,
    kinds: tuple[str, ...],
    details: bool,
    page_size: int | None,
    limit: int | None,
    archive: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
) -> None:
    """Print the events of a window."""
    require_connectors(connectors, all_, optional=simulate or archive is not None)
    window = resolve_bounds(zone, since=since, until=until)
    if page_size is not None and archive is not None:
        raise usage_error("--page-size is for the API: an archive has no pages.")
    async with open_source(archive, simulate, connectors, all_) as source:
        with arguments_checked():
            streams = source.list_events(limit=limit, page_size=page_size, kind=kinds or None, **window)
        write = views.writer(views.listed(zone or Zone(), several=source.several, details=details), format_)
        stream = next(iter(streams.values()))
        coverage = Coverage(stream.since, stream.until)
        with show_progress(lambda: coverage.progress):
            async with aclosing(read_batches(streams, details=details, limit=limit)) as batches:
                async for batch in batches:
                    wanted = batch if limit is None else batch[: limit - coverage.events]
                    write(wanted)
                    coverage.add([views.metadata_of(item) for item in wanted])
                    if coverage.events == limit:
                        return


async def get_event(
    *,
    connector: str | None,
    event_id: str | None,
    archive: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
) -> None:
    """Print one event; a single argument is its id, which is enough with ``--simulate`` and ``--archive``."""
    if event_id is None:
        if connector is None or "." not in connector:
            raise usage_error("T.N is missing: the event's id, as 'cfevents list' shows it.")
        connector, event_id = None, str(connector)
    if connector is None and archive is None and not simulate:
        raise usage_error("CONNECTOR is missing: 'cfevents connectors' lists them.")
    async with _open_one(archive, simulate, connector) as (source, connector_id):
        with arguments_checked():
            event = await source.get_event(connector_id, event_id)
        views.writer(views.one(connector_id, zone or Zone()), format_)([event])


@asynccontextmanager
async def _open_one(
    archive: str | None, simulate: bool, connector: str | None
) -> AsyncIterator[tuple[Client | Archive, str]]:
    """Open the archive, or else the API, and choose its only or first connector if none is given."""
    if archive is None:
        async with open_client(simulate) as client:
            yield client, await connector_or_first(client, connector)
    else:
        async with open_archive(archive) as opened:
            given = () if connector is None else (connector,)
            yield opened, (await archived_connectors(opened, given, hint=""))[0][0]


async def latest_events(
    *,
    connectors: tuple[str, ...],
    all_: bool,
    archive: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
) -> None:
    """Print the latest events of connectors."""
    require_connectors(connectors, all_, optional=simulate or archive is not None)
    count = 0
    async with open_source(archive, simulate, connectors, all_) as source:
        write = views.writer(views.recorded(zone or Zone(), several=source.several), format_)
        async with aclosing(source.latest_events()) as batches:
            async for batch in batches:
                write(batch)
                count += len(batch)
        if archive is not None and not count:
            click.echo(f"cfevents: no payloads in {archive}: 'cfevents archive --details' stores them", err=True)


async def list_connectors(*, archive: str | None, format_: str | None, zone: Zone | None, simulate: bool) -> None:
    """Print the connectors of the account, or the ids of those in an archive."""
    if archive is None:
        async with open_client(simulate) as client:
            connectors = await client.list_connectors()
    else:
        async with open_archive(archive) as opened:
            connectors = [Connector(connector_id) for connector_id in await opened.list_connectors()]
    views.writer(views.connectors(zone or Zone()), format_)(connectors)

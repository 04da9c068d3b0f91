"""The command that fills an archive, and what reads from one."""

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

import cfevents
from cfevents.cli.connection import connected, connectors_or_first
from cfevents.cli.console.errors import Failure, WrongUsage, arguments_checked
from cfevents.cli.console.output import print_whole, printable
from cfevents.cli.console.progress import waits_shown
from cfevents.cli.console.signals import Ending, ends_when_asked
from cfevents.cli.console.timezones import Zone, moments, tz_option
from cfevents.cli.filling import filling_shown
from cfevents.cli.options import (
    all_option,
    connectors_argument,
    details_option,
    example,
    interval_option,
    lookback_option,
    require_connectors,
    require_simulate,
    simulate_option,
    speed_option,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cfevents import Client, Fleet
    from cfevents.storage import Archive

_FIRST_SINCE = "24h"
_SHOWN = 5  # ids of an archive, in a message


@click.command(
    "archive",
    short_help="Keep events in a SQLite database, each once.",
    epilog=example("cfevents archive events.db --simulate --since 7d", "cfevents list --archive events.db --since 24h"),
)
@click.argument("path", type=click.Path(dir_okay=False))
@connectors_argument
@all_option
@click.option(
    "--since", help=f"What was recorded before is not asked for; {_FIRST_SINCE} ago if left out. Written as for 'list'."
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@interval_option
@lookback_option
@details_option
@tz_option
@simulate_option
@speed_option
def fill_archive(
    *,
    path: str,
    connectors: tuple[str, ...],
    all_: bool,
    since: str | None,
    zone: Zone | None,
    simulate: bool,
    speed: float | None,
    **how: Any,
) -> None:
    """Keep events in PATH, a SQLite database, each once: new ones and late ones are added.

    What is there already is not asked for again, so that it can be done as often as one likes, also by a timer. 'list',
    'get', 'latest', 'report', 'export' and 'connectors' read from it with --archive PATH.
    """
    require_connectors(connectors, all_, simulate)
    require_simulate(speed, simulate)
    how |= moments(zone, since=since)

    async def run() -> None:
        with ends_when_asked() as ending:
            async with connected(simulate, speed) as client:
                whom = await connectors_or_first(client, connectors, all_)
                await _fill(path, client, whom, ending, **how)

    asyncio.run(run())


async def _fill(
    path: str, client: "Client", whom: "list[str] | Fleet", ending: Ending, *, since: Any, **how: Any
) -> None:
    from cfevents._time import moment  # noqa: PLC0415 - not needed for --help
    from cfevents.storage import Archive  # noqa: PLC0415 - not needed for --help

    with arguments_checked():
        # What has no meaning is told before a file is made.
        asked = client.follow_events(whom, since=since, interval=how["interval"], lookback=how["lookback"])
    async with Archive(path, account_id=asked.checkpoint.account_id) as archive, AsyncExitStack() as stack:
        if since is None and (isinstance(whom, list) or not await archive.list_connectors()):
            since = _FIRST_SINCE
        # When asked, it ends after the batch that it is at, and says how many there were.
        stack.enter_context(ending.by(archive.close))
        if not how["follow"]:
            begin = asked.checkpoint.since if since is None else moment("since", since)
            stack.enter_context(filling_shown(archive, client, begin))
        new = await archive.sync(client, whom, since=since, **how)
    print_whole(f"{new} new event{'' if new == 1 else 's'} in {printable(path)}\n")


@asynccontextmanager
async def read_archive(path: str) -> "AsyncIterator[Archive]":
    """Open an archive to read the account of the environment, or, where nothing of that is in it, whichever is.

    Raises:
        ArchiveError: It cannot be opened.
    """
    from cfevents.storage import Archive  # noqa: PLC0415 - not needed for --help

    account = os.environ.get("CLOUDFLARE_ACCOUNT_ID", "").strip() or None
    async with Archive(path, account_id=account) as archive:
        if account is None or await archive.list_connectors():
            with waits_shown(lambda: 0.0):
                yield archive
            return
    async with Archive(path) as archive:
        try:
            await archive.list_connectors()
        except cfevents.ArchiveError as error:
            raise WrongUsage(f"{error}; here CLOUDFLARE_ACCOUNT_ID says which") from error
        with waits_shown(lambda: 0.0):
            yield archive


async def archived_connectors(
    archive: "Archive", connectors: tuple[str, ...], all_: bool = False, or_else: str = "; --all means all of them"
) -> tuple[list[str], str]:
    """Name the connectors that are meant: the given ones, all, or the only one that is there.

    Args:
        archive: Where they are.
        connectors: Those that were given.
        all_: Whether all are meant.
        or_else: What else can be said where none was given.

    Returns:
        Those that are there; and what is to be told of the others, which is empty where there are none.

    Raises:
        Failure: There is nothing of any.
        WrongUsage: There are several, and none was given.
    """
    ids = await archive.list_connectors()
    if not ids:
        raise Failure("the archive is empty: 'cfevents archive PATH' fills it")
    if not connectors and len(ids) > 1 and not all_:
        raise WrongUsage(f"CONNECTOR is missing: the archive has {_some(ids)}{or_else}")
    there = [each for each in dict.fromkeys(connectors or ids) if each in ids]
    missing = [each for each in connectors if each not in ids]
    told = f"the archive has nothing of {', '.join(missing)}; it has {_some(ids)}" if missing else ""
    if not there:
        raise Failure(told)
    return there, told


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (f", and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")

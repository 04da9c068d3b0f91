"""The command that fills an archive, and what reads from one."""

import asyncio
from contextlib import AbstractContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any

import click

from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.output import printable, write_stdout
from cfevents.cli.console.progress import Progress, show_progress
from cfevents.cli.console.signals import Ending, ends_when_asked
from cfevents.cli.console.timezones import Zone, moments, tz_option
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
from cfevents.cli.sources import connectors_or_first, open_client

if TYPE_CHECKING:
    from cfevents import Client, ConnectorStatus, Fleet
    from cfevents.storage import Archive


def filling_shown(archive: "Archive", client: "Client", since: float) -> AbstractContextManager[None]:
    """Show how far an archive is filled: which part of the time since then, on average over its connectors."""
    from cfevents._time import now  # noqa: PLC0415 - not needed for --help
    from cfevents.storage.archive import followers_of  # noqa: PLC0415 - not needed for --help

    window = now() - since

    def told() -> Progress:
        states = [each for follower in followers_of(archive) for each in follower.status.values()]
        sent, count = client.usage.sent, len(states)
        part = sum(_part(each, window) for each in states) / max(1, count)
        return Progress(part, f"{count:,} connector{'s' * (count != 1)}, {sent:,} request{'s' * (sent != 1)}")

    return show_progress(told, prints=False)


def _part(state: "ConnectorStatus", window: float) -> float:
    if state.last_good_at is not None:
        return 1.0
    backlog = state.backlog.total_seconds()
    # Before anything was found, nothing is behind either.
    return max(0.0, 1 - backlog / window) if backlog > 0 and window > 0 else 0.0


_FIRST_SINCE = "24h"


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
            async with open_client(simulate, speed) as client:
                whom = await connectors_or_first(client, connectors, all_)
                await _fill(path, client, whom, ending, **how)

    asyncio.run(run())


async def _fill(
    path: str, client: "Client", whom: "list[str] | Fleet", ending: Ending, *, since: Any, **how: Any
) -> None:
    from cfevents._time import parse_time  # noqa: PLC0415 - not needed for --help
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
            begin = asked.checkpoint.since if since is None else parse_time("since", since)
            stack.enter_context(filling_shown(archive, client, begin))
        new = await archive.sync(client, whom, since=since, **how)
    write_stdout(f"{new} new event{'' if new == 1 else 's'} in {printable(path)}\n")

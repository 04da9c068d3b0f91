"""The command that prints or stores events as they come."""

import asyncio
import os
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from cfevents.cli.connection import connected, connectors_or_first
from cfevents.cli.console import views
from cfevents.cli.console.errors import arguments_checked, checkpoint_of
from cfevents.cli.console.signals import Ending, ends_when_asked, hangup_calls
from cfevents.cli.console.timezones import Zone, moments, tz_option
from cfevents.cli.destinations import Destination, Printed, opened
from cfevents.cli.options import (
    all_option,
    connectors_argument,
    details_option,
    example,
    format_option,
    interval_option,
    kind_option,
    lookback_option,
    require_connectors,
    require_simulate,
    simulate_option,
    speed_option,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from datetime import datetime

    from cfevents import Client, Fleet
    from cfevents._following.follower import Batch

_FILE = click.Path(dir_okay=False)


@click.command("follow", epilog=example("cfevents follow --simulate --speed 600 --interval 1s --since 1h | head -n 20"))
@connectors_argument
@all_option
@click.option("--since", help="Leave out what was recorded before: written as for 'list'; now if left out.")
@interval_option
@lookback_option
@kind_option
@details_option
@click.option("--checkpoint", type=_FILE, help="The file that tells how far it came, to go on from there next time.")
@click.option("--output", type=_FILE, help="Append to this file, as NDJSON, instead of printing.")
@format_option
@tz_option
@simulate_option
@speed_option
def follow_events(
    connectors: tuple[str, ...], all_: bool, simulate: bool, speed: float | None, since: str | None, **how: Any
) -> None:
    """Print events as they come, late ones too, until Ctrl-C.

    With --checkpoint it goes on where it ended, and --since counts the first time alone. What it prints comes at least
    once: the last events before a crash may come again. A file by --output has each event exactly once, also after a
    crash; FILE.checkpoint beside it is its checkpoint unless another is named. SIGHUP opens the file anew.
    """
    require_connectors(connectors, all_, simulate)
    require_simulate(speed, simulate)
    _require_file(how["output"], how["checkpoint"], how["format_"])
    how |= moments(how["zone"], since=since)

    async def run() -> None:
        # A hangup before there is a file that could be opened anew asks for nothing.
        with ends_when_asked() as ending, hangup_calls(lambda: None) if how["output"] else nullcontext():
            async with connected(simulate, speed) as client:
                whom = await connectors_or_first(client, connectors, all_)
                await _follow(client, whom, ending, several=all_ or len(connectors) > 1, **how)

    asyncio.run(run())


async def _follow(
    client: "Client",
    whom: "list[str] | Fleet",
    ending: Ending,
    *,
    kinds: tuple[str, ...],
    details: bool,
    since: "str | datetime | None",
    interval: str,
    lookback: str,
    **where: Any,
) -> None:
    pace: dict[str, Any] = {"interval": interval, "lookback": lookback, "kind": kinds or None}
    with arguments_checked():
        # What has no meaning is told before a file is made.
        client.follow_events(whom, since=since, **pace)
    async with _destination(ending, details, **where) as destination:
        reached = destination.checkpoint
        with checkpoint_of(where["checkpoint"] or where["output"]):
            # With a checkpoint it is there since when: "24h" is another moment each time.
            follower = client.follow_events(whom, since=since if reached is None else None, checkpoint=reached, **pace)
        await destination.begin(follower.checkpoint)
        await _deliver((follower.details() if details else follower).batches(), destination, ending)


async def _deliver(batches: "AsyncGenerator[Batch[Any], None]", destination: Destination, ending: Ending) -> None:
    async with aclosing(batches) as each:
        async for batch in each:
            with ending.under_way():
                await destination.write(batch)


@asynccontextmanager
async def _destination(
    ending: Ending,
    details: bool,
    *,
    output: str | None,
    checkpoint: str | None,
    format_: str | None,
    several: bool,
    zone: Zone | None,
) -> "AsyncIterator[Destination]":
    if output is None:
        with ending.when_nobody_reads():
            view = views.followed(zone or Zone(), several=several, details=details)
            yield Printed(view, format_, checkpoint)
    else:
        async with opened(output, checkpoint) as file:
            yield file


def _require_file(output: str | None, checkpoint: str | None, format_: str | None) -> None:
    """Check that a file is wanted that can be made.

    Raises:
        UsageError: It is not.
    """
    if output is not None and format_ == "table":
        raise click.UsageError("--output takes NDJSON, not a table.", ctx=click.get_current_context())
    if None not in {output, checkpoint} and os.path.realpath(str(output)) == os.path.realpath(str(checkpoint)):
        raise click.UsageError("--output and --checkpoint are one file.", ctx=click.get_current_context())

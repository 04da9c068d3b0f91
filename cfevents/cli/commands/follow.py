"""The command that prints or stores events as they come."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import click

from cfevents.cli.console import views
from cfevents.cli.console.errors import arguments_checked, checkpoint_of, file_named
from cfevents.cli.console.output import View
from cfevents.cli.console.signals import Ending, ends_when_asked, hangup_calls
from cfevents.cli.console.timezones import Zone, moments, tz_option
from cfevents.cli.console.writer import writer
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
from cfevents.cli.sources import connectors_or_first, open_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime

    from cfevents import Client, Fleet
    from cfevents._following.checkpoint import FollowCheckpoint
    from cfevents._following.follower import Batch


class Destination(Protocol):
    """Where events go, and where it is kept how far it came."""

    @property
    def checkpoint(self) -> str | None:
        """How far it came; None at the beginning."""

    async def begin(self, checkpoint: "FollowCheckpoint") -> None:
        """Keep where it begins, if nothing is kept yet: the first event may come long after."""

    async def write(self, batch: "Batch[Any]") -> None:
        """Take a batch, and then keep that it came."""


class Printed:
    """Stdout. A batch may come there once more after a crash: it is kept that it came after it has left."""

    def __init__(self, view: View[Any], format_: str | None, path: str | None) -> None:
        """Take how events are shown, and the file for the checkpoint, if there is to be one.

        Raises:
            ArchiveError: The file is no plain one.
            Failure: It cannot be read, or its directory is not there.
        """
        self._write, self._path = writer(view, format_), path
        self.checkpoint = None if path is None else _read(path)
        # A table's header shows that it began: the first event may take its time.
        self._write(())

    async def begin(self, checkpoint: "FollowCheckpoint") -> None:
        """Store where it begins; raises as `write` does."""
        if self.checkpoint is None:
            self._store(checkpoint)

    async def write(self, batch: "Batch[Any]") -> None:
        """Print a batch, and then store its checkpoint.

        Raises:
            Failure: The checkpoint cannot be stored.
            OSError: The events cannot be printed; their checkpoint is not stored.
        """
        self._write(batch.items)
        self._store(batch.checkpoint)

    def _store(self, checkpoint: "FollowCheckpoint") -> None:
        from pathlib import Path  # noqa: PLC0415 - not needed for --help

        from cfevents._files import atomic_write  # noqa: PLC0415 - not needed for --help

        if self._path is not None:
            with file_named(self._path):
                atomic_write(Path(self._path), checkpoint.to_json().encode())


def _read(path: str) -> str | None:
    from pathlib import Path  # noqa: PLC0415 - not needed for --help

    from cfevents._files import require_regular  # noqa: PLC0415 - not needed for --help

    with file_named(path):
        try:
            require_regular(Path(path))
            # What is no text is found to be no checkpoint.
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            # Told before anything is printed that it cannot be kept how far it came.
            Path(path).parent.stat()
            return None


@asynccontextmanager
async def opened(output: str, checkpoint: str | None) -> AsyncIterator[Destination]:
    """Open a file for events, each of which is there exactly once; SIGHUP opens it anew.

    Raises:
        ArchiveError: It cannot be written, or another process writes it.
    """
    from cfevents.storage import NDJSONFile  # noqa: PLC0415 - not needed for --help

    async with NDJSONFile(output, checkpoint=checkpoint) as file:
        with hangup_calls(file.reopen):
            yield file


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
            async with open_client(simulate, speed) as client:
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

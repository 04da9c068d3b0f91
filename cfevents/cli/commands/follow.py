"""The command that prints or stores events as they arrive."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from cfevents import Batch, Client, Fleet, FollowCheckpoint
from cfevents._files import atomic_write, require_regular
from cfevents.cli.console import views
from cfevents.cli.console.errors import arguments_checked, name_checkpoint, name_file
from cfevents.cli.console.output import View, Zone
from cfevents.cli.console.signals import Ending, call_on_hangup, end_on_signal
from cfevents.cli.options import require_connectors, require_simulate, usage_error
from cfevents.cli.sources import connectors_or_first, open_client, resolve_bounds
from cfevents.storage import NDJSONFile


class _Destination(Protocol):
    """A place for events and for the checkpoint of those that arrived there."""

    @property
    def checkpoint(self) -> str | None:
        """The stored checkpoint; None at the beginning."""

    async def begin(self, checkpoint: FollowCheckpoint) -> None:
        """Store the first checkpoint, unless there is one: the first event may come long after."""

    async def write(self, batch: Batch[Any]) -> None:
        """Write a batch, and then store its checkpoint."""


class _PrintedEvents:
    """Stdout. After a crash a batch may come twice: its checkpoint is stored after it was printed."""

    def __init__(self, view: View[Any], format_: str | None, path: str | None) -> None:
        """Read the checkpoint, and print the header of a table: the first event may come long after.

        Args:
            view: The form of the events.
            format_: As for `writer`.
            path: The file of the checkpoint, if there is to be one.

        Raises:
            ArchiveError: The file is not a plain one.
            Failure: The file cannot be read, or its directory is missing.
        """
        self._write, self._path = views.writer(view, format_), path
        self.checkpoint = None if path is None else _read_checkpoint(path)
        self._write(())

    async def begin(self, checkpoint: FollowCheckpoint) -> None:
        if self.checkpoint is None:
            self._store(checkpoint)

    async def write(self, batch: Batch[Any]) -> None:
        self._write(batch.items)
        self._store(batch.checkpoint)

    def _store(self, checkpoint: FollowCheckpoint) -> None:
        if self._path is not None:
            with name_file(self._path):
                atomic_write(Path(self._path), checkpoint.to_json().encode())


def _read_checkpoint(path: str) -> str | None:
    with name_file(path):
        try:
            require_regular(Path(path))
            # A file that is not text becomes an invalid checkpoint.
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            # A missing directory fails here, before anything is printed.
            Path(path).parent.stat()
            return None


async def follow_events(
    *,
    connectors: tuple[str, ...],
    all_: bool,
    since: str | None,
    output: str | None,
    checkpoint: str | None,
    format_: str | None,
    zone: Zone | None,
    simulate: bool,
    speed: float | None,
    **options: Any,
) -> None:
    """Print or store events until a signal; the other options are those of `_follow`."""
    require_connectors(connectors, all_, optional=simulate)
    require_simulate(speed, simulate)
    _require_file(output, checkpoint, format_)
    options |= resolve_bounds(zone, since=since)
    # A hangup before the file is open needs no reopening.
    with end_on_signal() as ending, call_on_hangup(lambda: None) if output else nullcontext():
        async with open_client(simulate, speed) as client:
            chosen = await connectors_or_first(client, connectors, all_)
            view = views.followed(zone or Zone(), several=all_ or len(connectors) > 1, details=options["details"])
            destination = _open_file(output, checkpoint) if output else _open_stdout(ending, view, format_, checkpoint)
            await _follow(client, chosen, ending, destination, checkpoint or output, **options)


@asynccontextmanager
async def _open_stdout(
    ending: Ending, view: View[Any], format_: str | None, checkpoint: str | None
) -> AsyncIterator[_Destination]:
    with ending.when_reader_leaves():
        yield _PrintedEvents(view, format_, checkpoint)


@asynccontextmanager
async def _open_file(path: str, checkpoint: str | None) -> AsyncIterator[_Destination]:
    async with NDJSONFile(path, checkpoint=checkpoint) as file:
        with call_on_hangup(file.reopen):
            yield file


async def _follow(
    client: Client,
    connectors: list[str] | Fleet,
    ending: Ending,
    opening: AbstractAsyncContextManager[_Destination],
    checkpoint_path: str | None,
    *,
    since: str | datetime | None,
    kinds: tuple[str, ...],
    details: bool,
    **pace: str,
) -> None:
    """Deliver events to a destination until the ending; the pace is ``interval`` and ``lookback``."""
    follow = partial(client.follow_events, connectors, kind=kinds or None, **pace)
    with arguments_checked():
        # Wrong arguments fail here, before a file is created.
        follow(since=since)
    async with opening as destination:
        with name_checkpoint(checkpoint_path):
            # A checkpoint has the beginning: "24h" is another moment in each run.
            checkpoint = destination.checkpoint
            follower = follow(since=since if checkpoint is None else None, checkpoint=checkpoint)
        await destination.begin(follower.checkpoint)
        async with aclosing((follower.details() if details else follower).batches()) as batches:
            async for batch in batches:
                with ending.under_way():
                    await destination.write(batch)


def _require_file(output: str | None, checkpoint: str | None, format_: str | None) -> None:
    """Raise UsageError if ``--output`` cannot be written as asked."""
    if output is not None and format_ == "table":
        raise usage_error("--output is NDJSON, not a table: leave out --format table.")
    if output and checkpoint and os.path.realpath(output) == os.path.realpath(checkpoint):
        raise usage_error("--output and --checkpoint are the same file: give each its own.")

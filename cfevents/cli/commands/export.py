"""The command that writes events to a file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import cfevents
from cfevents._progress import Coverage
from cfevents.cli.console import progress as console
from cfevents.cli.console.errors import Failure, arguments_checked, moment_spelled
from cfevents.cli.console.output import printable, write_stdout
from cfevents.cli.console.progress import clear_status_line
from cfevents.cli.console.timezones import Zone, moments, tz_option
from cfevents.cli.options import (
    all_option,
    archive_option,
    connectors_argument,
    details_option,
    example,
    kind_option,
    require_connectors,
    simulate_option,
)
from cfevents.cli.sources import archived_connectors, connectors_or_first, open_client, read_archive

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cfevents import Client
    from cfevents._export.formats import Format
    from cfevents._export.job import Chunk, ChunkSource
    from cfevents._export.staging import ExportProgress, Staging
    from cfevents._time import TimeLike, TimeWindow
    from cfevents.storage import Archive

_STDOUT = "-"
_FORMATS = ("parquet", "csv", "ndjson")
_BY_SUFFIX = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


class _Job(NamedTuple):
    """What was asked for."""

    connectors: tuple[str, ...]
    all_: bool
    since: "TimeLike"
    until: "TimeLike | None"
    kinds: tuple[str, ...]
    details: bool
    archive: str | None
    simulate: bool
    format_: str

    def told(self, account: str | None) -> dict[str, Any]:
        """Tell it in the user's words, to be known again: of what is JSON."""
        return {
            "CONNECTOR": ["--all"] if self.all_ else [*self.connectors],
            "--since": _worded(self.since),
            "--until": _worded(self.until),
            "--kind": [*self.kinds],
            "--details": self.details,
            "--format": self.format_,
            "--archive": None if self.archive is None else str(Path(self.archive).absolute()),
            "CLOUDFLARE_ACCOUNT_ID": account,
        }


class _Origin(NamedTuple):
    """Where events come from, and whose there are."""

    source: "ChunkSource"
    connectors: Callable[[], Awaitable[list[str]]]
    account: str | None = None


@click.command(
    "export",
    short_help="Write events to a Parquet, CSV or NDJSON file.",
    epilog=example("cfevents export events.csv --all --simulate --since 7d"),
)
@click.argument("path", type=click.Path(dir_okay=False, allow_dash=True))
@connectors_argument
@all_option
@click.option("--since", default="24h", show_default=True, help="Where the window begins, written as for 'list'.")
@click.option("--until", help="Where the window ends, written likewise; now if left out.")
@kind_option
@details_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="What to write; PATH tells it by .parquet, .csv, .ndjson or .jsonl, and - means ndjson.",
)
@click.option("--restart", is_flag=True, help="Throw away what an interrupted export to PATH has gathered.")
@archive_option
@tz_option
@simulate_option
def export_events(
    *, path: str, restart: bool, format_: str | None, kinds: tuple[str, ...], zone: Zone | None, **what: Any
) -> None:
    """Write the events of a window of time to PATH: a Parquet, CSV or NDJSON file, or - for stdout.

    PATH appears, or is replaced, when it is whole. An export that was interrupted goes on with the same command, over
    the same window; what it has gathered is in the folder PATH.export.
    """
    what |= moments(zone, since=what["since"], until=what["until"])
    job = _Job(**what, kinds=tuple(sorted(set(kinds))), format_=format_ or _format_of(path))
    require_connectors(job.connectors, job.all_, job.simulate or job.archive is not None)
    if path == _STDOUT and job.format_ == "parquet":
        raise click.UsageError("Parquet needs a file: name one instead of -.", ctx=click.get_current_context())
    if path == _STDOUT and restart:
        raise click.UsageError("--restart is for a file: on stdout nothing is kept.", ctx=click.get_current_context())
    asyncio.run(_export(path, restart, job))


def _worded(bound: "TimeLike | None") -> Any:
    return bound.isoformat() if isinstance(bound, datetime) else bound


def _format_of(path: str) -> str:
    """Tell by its name what a file is to be.

    Raises:
        UsageError: Nothing in it tells.
    """
    if path == _STDOUT:
        return "ndjson"
    if (name := _BY_SUFFIX.get(Path(path).suffix.lower())) is None:
        raise click.UsageError(
            f"{printable(path)} does not tell its format: let it end in {', '.join(_BY_SUFFIX)}, or write --format.",
            ctx=click.get_current_context(),
        )
    return name


async def _export(path: str, restart: bool, job: _Job) -> None:
    from cfevents._export.formats import format_named  # noqa: PLC0415 - not needed for --help
    from cfevents._export.staging import Staging  # noqa: PLC0415 - not needed for --help

    window, form = _checked(job), format_named(job.format_, details=job.details)
    async with _origin(job) as origin:
        if path == _STDOUT:
            await _print(origin, form, await _begun(origin, job, window))
            return
        with Staging(Path(path)) as gathered:
            if restart:
                gathered.discard()
            number = await _write(gathered, origin, form, job, window)
    write_stdout(f"{number} event{'' if number == 1 else 's'} in {printable(path)}\n")


def _checked(job: _Job) -> "TimeWindow":
    """Fix the window, and tell what has no meaning before a file is made."""
    from cfevents._time import TimeWindow  # noqa: PLC0415 - not needed for --help
    from cfevents.events import kind_names  # noqa: PLC0415 - not needed for --help

    with arguments_checked():
        kind_names(job.kinds or None)
        return TimeWindow.of(job.since, job.until)


@asynccontextmanager
async def _origin(job: _Job) -> AsyncIterator[_Origin]:
    from cfevents._export.job import APISource, ArchiveSource  # noqa: PLC0415 - not needed for --help

    whom = job.connectors, job.all_
    if job.archive is not None:
        async with read_archive(job.archive) as archive:
            yield _Origin(ArchiveSource(archive, job.kinds, job.details), partial(_archived, archive, *whom))
        return
    async with open_client(job.simulate) as client:
        account = client.follow_events(client.fleet()).checkpoint.account_id
        yield _Origin(APISource(client, job.kinds, job.details), partial(_connectors, client, *whom), account)


async def _archived(archive: "Archive", connectors: tuple[str, ...], all_: bool) -> list[str]:
    there, missing = await archived_connectors(archive, connectors, all_)
    if missing:
        raise Failure(missing)
    return there


async def _connectors(client: "Client", connectors: tuple[str, ...], all_: bool) -> list[str]:
    whom = await connectors_or_first(client, connectors, all_)
    ids = whom if isinstance(whom, list) else [each.id for each in await client.list_connectors()]
    with arguments_checked():
        client.fleet(ids or None)
    return [*dict.fromkeys(ids)]


async def _begun(origin: _Origin, job: _Job, window: "TimeWindow") -> "ExportProgress":
    """Begin: which connectors, and when, stays as it is from now on."""
    from cfevents._export.staging import ExportProgress  # noqa: PLC0415 - not needed for --help

    return ExportProgress(job.told(origin.account), tuple(await origin.connectors()), window.since, window.until)


async def _print(origin: _Origin, form: "Format", progress: "ExportProgress") -> None:
    from cfevents._export.job import gather  # noqa: PLC0415 - not needed for --help

    with gathering_shown(origin.source, progress, prints=True) as source:
        await gather(_print_data, progress, source, form)


def _print_data(data: bytes, _: "ExportProgress") -> None:
    clear_status_line()
    click.echo(data, nl=False)


async def _write(gathered: "Staging", origin: _Origin, form: "Format", job: _Job, window: "TimeWindow") -> int:
    from cfevents._export.job import export, require_same  # noqa: PLC0415 - not needed for --help

    if progress := gathered.read():
        require_same(gathered, progress, job.told(origin.account), window)
        click.echo(f"cfevents: going on after {progress.events} events, {_spelled(progress)}", err=True)
    else:
        progress = await _begun(origin, job, window)
    with _kept(gathered), gathering_shown(origin.source, progress, prints=False) as source:
        return await export(gathered, progress, source, form)


def _spelled(progress: "ExportProgress") -> str:
    return f"--since {moment_spelled(progress.since)} --until {moment_spelled(progress.until)}"


@contextmanager
def _kept(gathered: "Staging") -> Iterator[None]:
    """Tell that nothing is lost by what ends it."""
    try:
        yield
    except BaseException as error:
        if gathered.progress is not None and gathered.progress.events:
            told = f"{gathered.progress.events} events are kept in {gathered.folder.name}: the same command goes on"
            if isinstance(error, cfevents.NotFoundError):
                told += ", one with other ids needs --restart"
            click.echo(f"cfevents: {printable(told)}", err=True)
        raise


class _Watched:
    """A source whose chunks are seen."""

    def __init__(self, source: "ChunkSource", progress: "ExportProgress") -> None:
        self._source, self._progress = source, progress
        self._covered = Coverage(progress.since, progress.until)
        self._events = progress.events

    async def chunks(self, connector_id: str, progress: "ExportProgress") -> "AsyncGenerator[Chunk, None]":
        """Give the same."""
        self._progress, self._covered = progress, Coverage(progress.since, progress.until)
        async with aclosing(self._source.chunks(connector_id, progress)) as chunks:
            async for chunk in chunks:
                self._covered.add(chunk.batch.events)
                self._events += len(chunk.batch.events)
                yield chunk

    def told(self) -> console.Progress:
        """Tell it: which part of the window, connector after connector."""
        now, part = self._progress, self._covered.fraction
        return console.Progress((now.done + part) / max(1, len(now.connectors)), f"{self._events:,} events")


@contextmanager
def gathering_shown(source: "ChunkSource", progress: "ExportProgress", *, prints: bool) -> "Iterator[ChunkSource]":
    """Show how far an export came, by what its source gives.

    Args:
        source: Where events come from; the one to use instead is given.
        progress: How far it came before.
        prints: Whether stdout is where it goes.
    """
    watched = _Watched(source, progress)
    with console.show_progress(watched.told, prints=prints):
        yield watched

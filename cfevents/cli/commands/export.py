"""The command that writes events to a file."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from cfevents import Client, NotFoundError
from cfevents._export.formats import Format, format_named
from cfevents._export.job import APISource, ArchiveSource, Chunk, ChunkSource, export, gather, require_same
from cfevents._export.staging import ExportProgress, Staging
from cfevents._html import counted
from cfevents._progress import Coverage, Progress
from cfevents._time import TimeLike, TimeWindow
from cfevents.cli.console.errors import Failure, arguments_checked, window_text
from cfevents.cli.console.output import Zone, printable, write_stdout
from cfevents.cli.console.progress import clear_status_line, show_progress
from cfevents.cli.options import require_connectors, usage_error
from cfevents.cli.sources import (
    archived_connectors,
    connectors_or_first,
    open_archive,
    open_client,
    resolve_bounds,
)
from cfevents.events import kind_names
from cfevents.storage import Archive

_STDOUT = "-"
_FORMATS_BY_SUFFIX = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


class _ExportRequest(NamedTuple):
    """The arguments of an export, but for its path."""

    connectors: tuple[str, ...]
    all_: bool
    since: TimeLike
    until: TimeLike | None
    kinds: tuple[str, ...]
    details: bool
    archive: str | None
    simulate: bool
    format_: str

    def options(self, account: str | None) -> dict[str, Any]:
        """Return the options as JSON values, by which an interrupted export is recognised."""
        return {
            "CONNECTOR": ["--all"] if self.all_ else [*self.connectors],
            "--since": _json_bound(self.since),
            "--until": _json_bound(self.until),
            "--kind": [*self.kinds],
            "--details": self.details,
            "--format": self.format_,
            "--archive": None if self.archive is None else str(Path(self.archive).absolute()),
            "CLOUDFLARE_ACCOUNT_ID": account,
        }


def _json_bound(bound: TimeLike | None) -> Any:
    return bound.isoformat() if isinstance(bound, datetime) else bound


class _Origin(NamedTuple):
    source: ChunkSource
    list_connectors: Callable[[], Awaitable[list[str]]]
    account: str | None = None


async def export_events(
    *,
    path: str,
    restart: bool,
    format_: str | None,
    since: str,
    until: str | None,
    kinds: tuple[str, ...],
    zone: Zone | None,
    **options: Any,
) -> None:
    """Write events to a file or to stdout; the other options are those of `_ExportRequest`."""
    bounds = resolve_bounds(zone, since=since, until=until)
    request = _ExportRequest(**bounds, **options, kinds=tuple(sorted(set(kinds))), format_=format_ or _format_of(path))
    require_connectors(request.connectors, request.all_, optional=request.simulate or request.archive is not None)
    if path == _STDOUT and request.format_ == "parquet":
        raise usage_error("Parquet needs a file: name one instead of -.")
    if path == _STDOUT and restart:
        raise usage_error("--restart needs a file: an export to stdout keeps nothing.")
    with arguments_checked():
        # Wrong arguments fail here, before a file is created.
        kind_names(request.kinds or None)
        window = TimeWindow.of(request.since, request.until)
    form = format_named(request.format_, details=request.details)
    async with _open_origin(request) as origin:
        if path == _STDOUT:
            await _print(origin, form, await _start(origin, request, window))
            return
        with Staging(Path(path)) as staging:
            if restart:
                staging.discard()
            count = await _write_file(staging, origin, form, request, window)
    write_stdout(f"{count} event{'' if count == 1 else 's'} in {printable(path)}\n")


def _format_of(path: str) -> str:
    if path == _STDOUT:
        return "ndjson"
    if (name := _FORMATS_BY_SUFFIX.get(Path(path).suffix.lower())) is None:
        suffixes = ", ".join(_FORMATS_BY_SUFFIX)
        raise usage_error(f"{printable(path)} does not tell its format: use the suffix {suffixes}, or --format.")
    return name


@asynccontextmanager
async def _open_origin(request: _ExportRequest) -> AsyncIterator[_Origin]:
    chosen = request.connectors, request.all_
    if request.archive is not None:
        async with open_archive(request.archive) as archive:
            archived = ArchiveSource(archive, request.kinds, request.details)
            yield _Origin(archived, partial(_archived_connectors, archive, *chosen))
        return
    async with open_client(request.simulate) as client:
        account = client.follow_events(client.fleet()).checkpoint.account_id
        source = APISource(client, request.kinds, request.details)
        yield _Origin(source, partial(_account_connectors, client, *chosen), account)


async def _archived_connectors(archive: Archive, connectors: tuple[str, ...], all_: bool) -> list[str]:
    known, missing = await archived_connectors(archive, connectors, all_)
    if missing:
        raise Failure(missing)
    return known


async def _account_connectors(client: Client, connectors: tuple[str, ...], all_: bool) -> list[str]:
    chosen = await connectors_or_first(client, connectors, all_)
    if isinstance(chosen, list):
        with arguments_checked():
            client.fleet(chosen)
        return chosen
    return [connector.id for connector in await client.list_connectors()]


async def _start(origin: _Origin, request: _ExportRequest, window: TimeWindow) -> ExportProgress:
    """Return the start of an export, whose connectors and window stay the same when it is resumed."""
    connectors = await origin.list_connectors()
    return ExportProgress(request.options(origin.account), tuple(connectors), window.since, window.until)


async def _print(origin: _Origin, form: Format, progress: ExportProgress) -> None:
    source = _WatchedSource(origin.source, progress)
    with show_progress(source.progress):
        await gather(_print_data, progress, source, form)


def _print_data(data: bytes, _: ExportProgress) -> None:
    clear_status_line()
    click.echo(data, nl=False)


async def _write_file(
    staging: Staging, origin: _Origin, form: Format, request: _ExportRequest, window: TimeWindow
) -> int:
    if progress := staging.read():
        require_same(staging, progress, request.options(origin.account), window)
        options = window_text(progress.since, progress.until)
        click.echo(f"cfevents: resuming after {progress.events} events, {options}", err=True)
    else:
        progress = await _start(origin, request, window)
    source = _WatchedSource(origin.source, progress)
    with _kept_message(staging), show_progress(source.progress, prints=False):
        return await export(staging, progress, source, form)


@contextmanager
def _kept_message(staging: Staging) -> Iterator[None]:
    """Print on an error what is kept, and how to resume."""
    try:
        yield
    except BaseException as error:
        if staging.progress is not None and staging.progress.events:
            message = (
                f"{staging.progress.events} events are kept in {staging.folder.name}; run the same command to resume"
            )
            if isinstance(error, NotFoundError):
                message += ", or add --restart to change the ids"
            click.echo(f"cfevents: {printable(message)}", err=True)
        raise


class _WatchedSource:
    """A source that reports the progress of the export: the part of the window, connector after connector."""

    def __init__(self, source: ChunkSource, progress: ExportProgress) -> None:
        self._source, self._export = source, progress
        self._coverage = Coverage(progress.since, progress.until)
        self._events = progress.events

    async def chunks(self, connector_id: str, progress: ExportProgress) -> AsyncGenerator[Chunk, None]:
        self._export, self._coverage = progress, Coverage(progress.since, progress.until)
        async with aclosing(self._source.chunks(connector_id, progress)) as chunks:
            async for chunk in chunks:
                self._coverage.add(chunk.batch.events)
                self._events += len(chunk.batch.events)
                yield chunk

    def progress(self) -> Progress:
        part = (self._export.done + self._coverage.fraction) / max(1, len(self._export.connectors))
        return Progress(part, counted(self._events, "event"))

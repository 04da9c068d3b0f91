"""The command that writes events to a file."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from cfevents import ArchiveError, Client, Fleet, NotFoundError
from cfevents._export.formats import Format, format_named
from cfevents._export.job import APISource, ArchiveSource, Chunk, ChunkSource, export, gather, require_same
from cfevents._export.staging import ExportProgress, Staging
from cfevents._html import counted
from cfevents._model.kinds import split_kinds
from cfevents._progress import Progress
from cfevents._time import TimeWindow
from cfevents._validation import printable
from cfevents.cli.archive_notes import note_extents
from cfevents.cli.console.errors import Failure, WrongUsage, arguments_checked, print_line, print_note, window_text
from cfevents.cli.console.output import write_stdout, write_summary
from cfevents.cli.console.progress import show_progress
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.sources import archived_connectors, check_options, chosen_connectors, identify, open_reader
from cfevents.cli.times import read_window, zone_of_times
from cfevents.storage import Archive

_STDOUT = "-"
_FORMATS_BY_SUFFIX = {".parquet": "parquet", ".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}


async def export_events(options: CommandOptions) -> None:
    """Write events to a file or to stdout."""
    format_ = options.format_ or _format_of(options.path)
    options = check_options(options)._replace(format_=format_)
    if options.path == _STDOUT and format_ == "parquet":
        raise usage_error("Parquet needs a file: name one instead of -.")
    if options.path == _STDOUT and options.restart:
        raise usage_error("--restart needs a file: an export to stdout keeps nothing.")
    window = read_window(options)
    form = format_named(format_, details=options.details)
    async with open_reader(options) as reader:
        if options.path == _STDOUT:
            await _print(reader, options, window, form)
            return
        with Staging(Path(options.path)) as staging:
            if options.restart:
                staging.discard()
            count = await _write_file(staging, reader, options, window, form)
    write_summary(f"{counted(count, 'event')} in {printable(options.path)}")


def _format_of(path: str) -> str:
    if path == _STDOUT:
        return "ndjson"
    if (name := _FORMATS_BY_SUFFIX.get(Path(path).suffix.lower())) is None:
        suffixes = ", ".join(_FORMATS_BY_SUFFIX)
        raise usage_error(f"{printable(path)} does not tell its format: use the suffix {suffixes}, or --format.")
    return name


async def _print(reader: Client | Archive, options: CommandOptions, window: TimeWindow, form: Format) -> None:
    def print_data(data: bytes, _: ExportProgress) -> None:
        write_stdout(data)

    progress = await _start(reader, await identify(reader, options), window)
    source = _WatchedSource(reader, options, progress)
    with show_progress(source.progress):
        await gather(print_data, progress, source, form)


async def _write_file(
    staging: Staging, reader: Client | Archive, options: CommandOptions, window: TimeWindow, form: Format
) -> int:
    options = await identify(reader, options)
    if progress := staging.read():
        try:
            require_same(staging, progress, _identity(reader, options), window)
        except ArchiveError as error:
            raise WrongUsage(str(error)) from error
        resumed = window_text(progress.since, progress.until)
        print_note(f"resuming after {progress.events} events, {resumed}")
    else:
        progress = await _start(reader, options, window)
    source = _WatchedSource(reader, options, progress)
    with _kept_message(staging), show_progress(source.progress, prints=False):
        return await export(staging, progress, source, form)


async def _start(reader: Client | Archive, options: CommandOptions, window: TimeWindow) -> ExportProgress:
    """Return the start of an export, whose connectors and window stay the same when it is resumed."""
    if isinstance(reader, Archive):
        connectors, missing = await archived_connectors(reader, options)
        notes = await note_extents(reader, connectors, window, options.zone)
        if missing or notes.failure:
            raise Failure(missing or notes.failure)
        notes.print()
    elif isinstance(chosen := chosen_connectors(reader, options), Fleet):
        connectors = [connector.id for connector in await reader.list_connectors()]
    else:
        connectors = chosen
        with arguments_checked():
            reader.fleet(connectors)
    return ExportProgress(_identity(reader, options), tuple(connectors), window.since, window.until)


def _identity(reader: Client | Archive, options: CommandOptions) -> dict[str, Any]:
    """Return the options as JSON values, by which an interrupted export is recognised."""
    account = None
    if isinstance(reader, Client):
        account = reader.follow_events(reader.fleet()).checkpoint.account_id
    kinds, excluded = split_kinds(options.kinds)
    return {
        "CONNECTOR": ["--all"] if options.all_ else [*options.connectors],
        "--since": options.since,
        "--until": options.until,
        "--tz": zone_of_times(options),
        "--kind": sorted(kinds),
        "--exclude": sorted(excluded),
        "--details": options.details,
        "--format": options.format_,
        "--archive": None if options.archive is None else str(Path(options.archive).absolute()),
        "CLOUDFLARE_ACCOUNT_ID": account,
    }


@contextmanager
def _kept_message(staging: Staging) -> Iterator[None]:
    """Print on an error what is kept, and how to resume."""
    try:
        yield
    except BaseException as error:
        if staging.progress is not None and staging.progress.events:
            hint = ", or add --restart to change the ids" if isinstance(error, NotFoundError) else ""
            kept = f"{staging.progress.events} events are kept in {staging.folder.name}"
            print_line(f"{kept}; run the same command to resume{hint}")
        raise


class _WatchedSource:
    """A source that reports the progress of the export: the part of the window, connector after connector."""

    def __init__(self, reader: Client | Archive, options: CommandOptions, progress: ExportProgress) -> None:
        self._export = progress
        self._source: ChunkSource = (
            ArchiveSource(reader, options.kinds, options.details)
            if isinstance(reader, Archive)
            else APISource(reader, options.kinds, options.details)
        )
        self._reached: float = progress.since
        self._events = progress.events

    async def chunks(self, connector_id: str, progress: ExportProgress) -> AsyncGenerator[Chunk, None]:
        self._export, self._reached = progress, progress.since
        async with aclosing(self._source.chunks(connector_id, progress)) as chunks:
            async for chunk in chunks:
                self._reached = chunk.reached
                self._events += chunk.columns.length
                yield chunk

    def progress(self) -> Progress:
        export = self._export
        fraction = (self._reached - export.since) / max(1, export.until - export.since)
        return Progress((export.done + fraction) / max(1, len(export.connectors)), counted(self._events, "event"))

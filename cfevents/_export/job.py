"""An export: gathered chunk by chunk, connector after connector, and then published.

A chunk has the position after it, from which another process can go on. So an interruption costs one chunk at most.
"""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, TypeAlias

from attrs import evolve, frozen

from cfevents._client import Client
from cfevents._export.formats import Format
from cfevents._export.staging import ExportProgress, Staging
from cfevents._model.results import EventBatch, EventColumns
from cfevents.errors import ArchiveError
from cfevents.storage.archive import Archive

# Listed in slices: a cursor may have expired by tomorrow, and a slice can always be listed again.
_CONCURRENCY = 4
# Small pages where payloads are read: as many requests are repeated after an interruption.
_DETAILS_PAGE_EVENTS = 100

Add: TypeAlias = Callable[[bytes, ExportProgress], None]
"""Stores encoded events, with the progress that they make."""


class Chunk(NamedTuple):
    """Some events of a connector."""

    columns: EventColumns
    after: str  # the position after them, for `ExportProgress`
    reached: float  # everything before was read, in seconds since the Unix epoch


class ChunkSource(Protocol):
    """The origin of an export's events."""

    def chunks(self, connector_id: str, progress: ExportProgress) -> AsyncGenerator[Chunk, None]:
        """Yield the events of a connector after the progress's position, ascending."""
        raise NotImplementedError


@frozen
class APISource:
    """Events from the API, a page a chunk."""

    client: Client
    kinds: tuple[str, ...]
    details: bool

    async def chunks(self, connector_id: str, progress: ExportProgress) -> AsyncGenerator[Chunk, None]:
        stream = self.client.list_events(
            connector_id,
            since=progress.since,
            until=progress.until,
            kind=self.kinds or None,
            page_size=_DETAILS_PAGE_EVENTS if self.details else None,
            checkpoint=progress.after,
            concurrency=_CONCURRENCY,
        )
        async with aclosing(stream.pages()) as pages:
            async for page in pages:
                assert page.checkpoint is not None  # noqa: S101 - every page of a client has one
                recorded = [event.recorded for event in await stream._page_details(page)] if self.details else None
                columns = EventBatch(connector_id, page.items, recorded).columns(extra=True)
                yield Chunk(columns, page.checkpoint.to_json(), page.checkpoint.reached or progress.until)


@frozen
class ArchiveSource:
    """Events from an archive."""

    archive: Archive
    kinds: tuple[str, ...]
    details: bool

    async def chunks(self, connector_id: str, progress: ExportProgress) -> AsyncGenerator[Chunk, None]:
        after = None if progress.after is None else tuple(json.loads(progress.after))
        stream = self.archive.list_events(
            connector_id, since=progress.since, until=progress.until, kind=self.kinds or None
        )
        async with aclosing(stream._columns(after, payloads=self.details)) as pages:
            async for columns in pages:
                if columns.length:
                    end = columns.recorded_ts[-1], columns.sequences[-1]
                    yield Chunk(columns, json.dumps(end), end[0])


async def export(staging: Staging, progress: ExportProgress, source: ChunkSource, file_format: Format) -> int:
    """Gather the rest of an export, publish the file, and return the number of events.

    If some cannot be read or written, what was gathered stays, for another call to go on with.
    """
    if staging.is_published():
        staging.publish(None)
        return progress.events
    staging.begin(progress)
    progress = await gather(staging.add, progress, source, file_format)
    staging.publish(await file_format.finalize(staging.data))
    return progress.events


async def gather(add: Add, progress: ExportProgress, source: ChunkSource, file_format: Format) -> ExportProgress:
    """Encode the rest of an export chunk by chunk, and hand it over."""
    if not progress.events:
        progress = _store(add, progress, file_format.header)
    while not progress.is_complete:
        connector_id = progress.connectors[progress.done]
        async with aclosing(source.chunks(connector_id, progress)) as chunks:
            async for chunk in chunks:
                data = file_format.encode(chunk.columns) if chunk.columns.length else b""
                count = progress.events + chunk.columns.length
                progress = _store(add, progress, data, after=chunk.after, events=count)
        progress = _store(add, progress, b"", after=None, done=progress.done + 1)
    return progress


def _store(add: Add, progress: ExportProgress, data: bytes, **changes: Any) -> ExportProgress:
    progress = evolve(progress, length=progress.length + len(data), **changes)
    add(data, progress)
    return progress


def require_same(staging: Staging, progress: ExportProgress, options: dict[str, Any], window: tuple[int, int]) -> None:
    """Raise an ArchiveError if an export that goes on has other options than it began with.

    The same window may be written in other words: `window` has the bounds that the options mean now.
    """
    is_window = window == (progress.since, progress.until)
    for name, ours in options.items():
        theirs = progress.asked.get(name)
        if theirs != ours and not (is_window and name in {"--since", "--until"}):
            raise ArchiveError(
                f"{staging.folder} has {progress.events} events of another export: there {_written(name, theirs)}, "
                f"here {_written(name, ours)}. Use the same options to resume, or --restart to discard it; "
                "or name another file"
            )


def _written(name: str, value: Any) -> str:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if value is None or value in {"", False}:
        return f"no {name}"
    return name if value is True else f"{name} {value}"

"""What is exported, portion by portion: after each it can be gone on, also by another process."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple, Protocol

from attrs import frozen

from cfevents._export.staging import Progress
from cfevents._listing.stream import EventStream, details_of
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import EventBatch
from cfevents._time import TimeLike
from cfevents.events import KindFilter
from cfevents.storage.archive import Archive

# Slices side by side: a cursor might be of no use any more tomorrow, and a slice can always be listed again.
_SLICES = 4
# Events of a page whose payloads are read: so many requests are repeated at most.
_WITH_PAYLOADS = 100


class Chunk(NamedTuple):
    """Some events of a connector."""

    block: EventBatch
    after: str
    """What has been given with it, to go on after it."""


class Source(Protocol):
    """Where events come from."""

    def portions(self, connector_id: str, progress: Progress) -> AsyncGenerator[Chunk, None]:
        """Give what is left of a connector's events."""
        ...


class Lists(Protocol):
    """What a client is here."""

    def list_events(
        self,
        connector_id: str,
        *,
        since: TimeLike,
        until: TimeLike | None = ...,
        kind: KindFilter | None = ...,
        page_size: int | None = ...,
        checkpoint: Checkpoint | str | None = ...,
        concurrency: int = ...,
    ) -> EventStream:
        """List the events of a connector."""
        ...


@frozen
class APISource:
    """Events that the API is asked for."""

    client: Lists
    kinds: tuple[str, ...]
    details: bool

    async def portions(self, connector_id: str, progress: Progress) -> AsyncGenerator[Chunk, None]:
        """Give what is left of a connector's events, ascending, a slice of the window at a time."""
        stream = self.client.list_events(
            connector_id,
            since=progress.since,
            until=progress.until,
            kind=self.kinds or None,
            page_size=_WITH_PAYLOADS if self.details else None,
            checkpoint=progress.after,
            concurrency=_SLICES,
        )
        async with aclosing(stream.pages()) as pages:
            async for page in pages:
                assert page.checkpoint is not None  # noqa: S101 - each of a client's has one
                recorded = [each.recorded for each in await details_of(stream, page)] if self.details else None
                yield Chunk(EventBatch(connector_id, page.items, recorded), page.checkpoint.to_json())


@frozen
class FromArchive:
    """Events that are in an archive."""

    archive: Archive
    kinds: tuple[str, ...]
    details: bool

    async def portions(self, connector_id: str, progress: Progress) -> AsyncGenerator[Chunk, None]:
        """Give what is left of a connector's events, ascending."""
        last = None if progress.after is None else tuple(json.loads(progress.after))
        since = progress.since if last is None else max(last[0], progress.since)
        stream = self.archive.list_events(connector_id, since=since, until=progress.until, kind=self.kinds or None)
        async with aclosing((stream.details() if self.details else stream)._blocks()) as blocks:
            async for block in blocks:
                if (left := _after(block, last)).events:
                    end = left.events[-1]
                    yield Chunk(left, json.dumps([end.recorded_ts, end.sequence]))


def _after(block: EventBatch, last: tuple[float, int] | None) -> EventBatch:
    """Leave out what was given before."""
    if last is None:
        return block
    kept = [place for place, each in enumerate(block.events) if (each.recorded_ts, each.sequence) > last]
    recorded = None if block.recorded is None else [block.recorded[place] for place in kept]
    return EventBatch(block.connector_ids, [block.events[place] for place in kept], recorded)

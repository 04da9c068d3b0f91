"""A task: one part of the window, read with the ordinary client."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import compress

import pyarrow as pa

from cfevents._client import Client
from cfevents._listing.fleet import fleet_members
from cfevents._listing.stream import EventStream
from cfevents._listing.stream_base import blocks_of
from cfevents._model.api import EventMetadata, event_key
from cfevents._model.results import EventBatch
from cfevents._time import TimeWindow
from cfevents.errors import CfEventsError
from cfevents.frames import tables
from cfevents.frames.tables import batches
from cfevents.spark.client import paced
from cfevents.spark.options import Options
from cfevents.spark.partitions import Part

_NAMES = {pa.string(): "string", pa.int64(): "bigint", pa.timestamp("us", tz="UTC"): "timestamp"}


def schema(*, payloads: bool) -> pa.Schema:
    """Give the columns: Spark takes no dictionaries."""
    made = tables.schema(payloads=payloads)
    return made.set(made.get_field_index("kind"), pa.field("kind", pa.string()))


def spelled(*, payloads: bool) -> list[tuple[str, str]]:
    """Name the columns and their types as Spark does."""
    return [(each.name, _NAMES[each.type]) for each in schema(payloads=payloads)]


class Rows:
    """Makes the rows of one task."""

    def __init__(self, *, payloads: bool) -> None:
        """Begin without one."""
        self.columns = tables.Columns(payloads=payloads)
        self._schema = schema(payloads=payloads)

    def of(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
        """Give a batch as Spark takes it."""
        batches: Iterable[pa.RecordBatch] = self.columns.table([batch]).cast(self._schema).to_batches()
        return batches


async def connectors(options: Options) -> tuple[str, ...]:
    """Find whose events to read.

    Raises:
        CfEventsError: The account's connectors could not be listed, or one of them cannot be asked for.
    """
    if options.connectors is not None:
        return options.connectors
    async with paced(options) as client:
        members = fleet_members(client.fleet())
        ids, errors = await members.begin()
        members.end(errors)
        return ids


def read(part: Part, options: Options) -> Iterator[pa.RecordBatch]:
    """Read a part, batch by batch.

    Raises:
        CfEventsError: It could not be read; a note on the error says which part it was.
    """
    try:
        yield from _read(part, options)
    except CfEventsError as error:
        raise shortened(error) from None


def shortened(error: CfEventsError) -> CfEventsError:
    """Forget the way to an error: Spark prints it several times over, and the sentence is lost in it."""
    return error.with_traceback(None)


def _read(part: Part, options: Options) -> Iterator[pa.RecordBatch]:
    rows = Rows(payloads=options.details)
    with asyncio.Runner() as runner:
        each = _batches(part, options, rows)
        try:
            while (batch := runner.run(_next(each))) is not None:
                yield from rows.of(batch)
        finally:
            runner.run(_close(each))


async def _next(each: AsyncGenerator[pa.RecordBatch, None]) -> pa.RecordBatch | None:
    return await anext(each, None)


async def _close(each: AsyncGenerator[pa.RecordBatch, None]) -> None:
    await each.aclose()


async def _batches(part: Part, options: Options, rows: Rows) -> AsyncGenerator[pa.RecordBatch, None]:
    try:
        async with paced(options) as client, aclosing(batches(blocks(client, part, options), rows.columns)) as each:
            async for batch in each:
                yield batch
    except CfEventsError as error:
        since, until = map(_told, part.window)
        error.add_note(f"connector {part.connector_id!r}, from {since} to {until}")
        raise


def _told(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):  # outside the years that have a date
        return str(seconds)


async def blocks(client: Client, part: Part, options: Options) -> AsyncGenerator[EventBatch, None]:
    """Read a part, without what the part before it has.

    Both ask for the seam between them, and which of an event's times the bounds mean is not known. So what may lie
    there is kept until the seam alone was listed, which brings just what both have.
    """
    stream = _listing(client, part, options, part.window)
    kept = list[EventBatch]()
    async with aclosing(blocks_of(stream.details(concurrency=1) if options.details else stream)) as listed:
        async for page in listed:
            block = _of_its_batch(part, page)
            inside = [_may_lie_in(part.seam, event) for event in block.events]
            if any(inside):
                kept.append(_chosen(part, block, inside))
            yield _chosen(part, block, [not each for each in inside])
    if kept and part.seam is not None:
        before = {event_key(event) async for event in _listing(client, part, options, part.seam)}
        for block in kept:
            yield _chosen(part, block, [event_key(event) not in before for event in block.events])


def _listing(client: Client, part: Part, options: Options, window: TimeWindow) -> EventStream:
    # Nothing is asked for ahead: while Spark takes its time, no answer waits.
    return client.list_events(
        part.connector_id,
        since=window.since,
        until=window.until,
        kind=options.kind or None,
        page_size=options.page_size,
        prefetch=0,
    )


def _may_lie_in(seam: TimeWindow | None, event: EventMetadata) -> bool:
    times = event.recorded_ts, event.collected_ts
    # A fraction of a second more: whether bounds mean that is not known either.
    return seam is not None and any(seam.since - 1 < time < seam.until + 1 for time in times)


def _of_its_batch(part: Part, block: EventBatch) -> EventBatch:
    """Leave out what was collected after the batch's end, so that it has the same events whenever it is read.

    Of a batch that takes days, what came meanwhile would carry the watermark so far that events of the next one were
    too late for it.
    """
    latest = part.collected_until
    return block if latest is None else _chosen(part, block, [each.collected_ts <= latest for each in block.events])


def _chosen(part: Part, block: EventBatch, wanted: list[bool]) -> EventBatch:
    recorded = None if block.recorded is None else list(compress(block.recorded, wanted))
    return EventBatch(part.connector_id, list(compress(block.events, wanted)), recorded)

"""Streams written to a Parquet file, row group by row group."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cfevents._cancellation import finish
from cfevents._files import AtomicFile
from cfevents.errors import ArchiveError
from cfevents.frames.tables import BATCH_EVENTS, Columns, batches, plain_schema

if TYPE_CHECKING:
    from cfevents._model.results import EventColumns

T = TypeVar("T")

# Some megabytes, which is what is held of a stream at a time.
ROW_GROUP_EVENTS = 65_536


async def write(
    events: "AsyncGenerator[EventColumns, None]",
    path: str | os.PathLike[str],
    *,
    payloads: bool,
    group_events: int = ROW_GROUP_EVENTS,
    batch_events: int = BATCH_EVENTS,
) -> int:
    """Write events to a file, which takes its name when it is complete, and return their number.

    Row groups have ``group_events``, except the last; ``batch_events`` at least are converted together.

    Raises:
        ArchiveError: The file cannot be written. What was there before stays.
    """
    columns = Columns(payloads=payloads)
    batches_ = batches(events, columns, batch_events)
    return await _write_groups(_groups(_plain(batches_, columns), group_events), Path(path), payloads=payloads)


def stream_header(*, payloads: bool) -> bytes:
    """Return the beginning of events in Arrow's format of streams, to which batches can be appended."""
    header: bytes = plain_schema(payloads=payloads).serialize().to_pybytes()
    return header


def stream_batch(events: "EventColumns", *, payloads: bool) -> bytes:
    """Return events, of which there is one at least, as a batch of such a stream."""
    columns = Columns(payloads=payloads)
    batch: bytes = columns.plain(columns.batch([columns.rows(events)])).serialize().to_pybytes()
    return batch


async def write_stream(stream: Path, path: Path, *, payloads: bool) -> int:
    """Write the events of a stream to a file, as `write` does."""

    async def read() -> AsyncGenerator[pa.RecordBatch, None]:
        with pa.OSFile(str(stream)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield batch

    return await _write_groups(_groups(read(), ROW_GROUP_EVENTS), path, payloads=payloads)


async def _write_groups(groups: AsyncGenerator[pa.Table, None], path: Path, *, payloads: bool) -> int:
    file, stack, count = AtomicFile(path), ExitStack(), 0
    run = partial(_run_blocking, path, thread := ThreadPoolExecutor(1, "cfevents-parquet"))

    def create() -> pq.ParquetWriter:
        # Not opened by Arrow, which takes a name with a colon for an address.
        return stack.enter_context(pq.ParquetWriter(file.open(), plain_schema(payloads=payloads)))

    def commit() -> None:
        stack.close()
        file.commit()

    try:
        writer = await run(create)
        async with aclosing(groups):
            async for group in groups:
                await run(partial(writer.write_table, group))
                count += len(group)
        await run(commit)
    finally:
        thread.shutdown(wait=False)
        with suppress(OSError):
            stack.close()
        file.discard()
    return count


async def _plain(
    batches: AsyncGenerator[pa.RecordBatch, None], columns: Columns
) -> AsyncGenerator[pa.RecordBatch, None]:
    async with aclosing(batches):
        async for batch in batches:
            yield columns.plain(batch)


async def _groups(batches: AsyncGenerator[pa.RecordBatch, None], rows: int) -> AsyncGenerator[pa.Table, None]:
    """Yield tables of so many rows, except the last. In one piece, so that batches make no difference to the file."""
    group, count = list[pa.RecordBatch](), 0
    async with aclosing(batches):
        async for batch in batches:
            group.append(batch)
            count += len(batch)
            while count >= rows:
                table = pa.Table.from_batches(group)
                yield table.slice(0, rows).combine_chunks()
                group, count = table.slice(rows).to_batches(), count - rows
    if count:
        yield pa.Table.from_batches(group).combine_chunks()


async def _run_blocking(target: Path, thread: ThreadPoolExecutor, func: Callable[[], T]) -> T:
    """Return what a blocking function returns. If the caller is cancelled, wait until it ended: the file is removed.

    The thread is the file's own, since those that a program shares may be busy.
    """
    try:
        return await finish(asyncio.get_running_loop().run_in_executor(thread, func))
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror or error}; what was there stays") from error

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

    Row groups have ``group_events`` at least, except the last; ``batch_events`` at least are converted together.

    Raises:
        ArchiveError: The file cannot be written. What was there before stays.
    """
    target, columns, count = Path(path), Columns(payloads=payloads), 0
    file, stack, schema = AtomicFile(target), ExitStack(), plain_schema(payloads=payloads)
    run = partial(_run_blocking, target, thread := ThreadPoolExecutor(1, "cfevents-parquet"))

    def create() -> pq.ParquetWriter:
        # Not opened by Arrow, which takes a name with a colon for an address.
        return stack.enter_context(pq.ParquetWriter(file.open(), schema))

    def commit() -> None:
        stack.close()
        file.commit()

    try:
        writer = await run(create)
        async with aclosing(_groups(batches(events, columns, batch_events), group_events)) as groups:
            async for group in groups:
                await run(partial(writer.write_table, columns.table(group).cast(schema)))
                count += sum(map(len, group))
        await run(commit)
    finally:
        thread.shutdown(wait=False)
        with suppress(OSError):
            stack.close()
        file.discard()
    return count


async def _groups(
    batches: AsyncGenerator[pa.RecordBatch, None], least: int
) -> AsyncGenerator[list[pa.RecordBatch], None]:
    group = list[pa.RecordBatch]()
    async with aclosing(batches):
        async for batch in batches:
            group.append(batch)
            if sum(map(len, group)) >= least:
                yield group
                group = []
    if group:
        yield group


async def _run_blocking(target: Path, thread: ThreadPoolExecutor, func: Callable[[], T]) -> T:
    """Return what a blocking function returns. If the caller is cancelled, wait until it ended: the file is removed.

    The thread is the file's own, since those that a program shares may be busy.
    """
    try:
        return await finish(asyncio.get_running_loop().run_in_executor(thread, func))
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror or error}; what was there stays") from error

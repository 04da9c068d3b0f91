"""Streams written to a Parquet file, row group by row group."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow.parquet as pq

from cfevents._files import AtomicFile
from cfevents.errors import ArchiveError
from cfevents.frames.tables import BATCH_EVENTS, Columns, batches, gather

if TYPE_CHECKING:
    from cfevents._model.results import EventBatch

T = TypeVar("T")

# Some megabytes, which is what is held of a stream at a time.
ROW_GROUP_EVENTS = 65_536


async def write(
    events: "AsyncGenerator[EventBatch, None]",
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
    file, stack = AtomicFile(target), ExitStack()

    def create() -> pq.ParquetWriter:
        # Not opened by Arrow, which takes a name with a colon for an address.
        return stack.enter_context(pq.ParquetWriter(file.open(), columns.schema))

    def commit() -> None:
        stack.close()
        file.commit()

    try:
        writer = await _run_blocking(target, create)
        async with aclosing(gather(batches(events, columns, batch_events), len, group_events)) as groups:
            async for group in groups:
                await _run_blocking(target, partial(writer.write_table, columns.table(group)))
                count += sum(map(len, group))
        await _run_blocking(target, commit)
    finally:
        with suppress(OSError):
            stack.close()
        file.discard()
    return count


async def _run_blocking(target: Path, func: Callable[[], T]) -> T:
    """Return what a blocking function returns. If the caller is cancelled, wait until it ended: the file is removed."""
    task = asyncio.ensure_future(asyncio.to_thread(func))
    try:
        return await asyncio.shield(task)
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror or error}; what was there stays") from error
    finally:
        if not task.done():
            await asyncio.wait([task])

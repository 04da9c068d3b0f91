"""Streams written to a Parquet file, row group by row group."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
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
    """Write events to a file, which takes its name when it is complete.

    Args:
        events: The events; the generator is closed at the end.
        path: The file.
        payloads: Whether the file has columns for payloads.
        group_events: The least number of events of a row group, except the last.
        batch_events: The least number of events that are converted together.

    Returns:
        The number of events in the file.

    Raises:
        ArchiveError: The file cannot be written. What was there before stays.
    """
    target, columns, count = Path(path), Columns(payloads=payloads), 0
    file = _ParquetFile(target, columns.schema)
    try:
        await _run_blocking(target, file.open)
        async with aclosing(gather(batches(events, columns, batch_events), len, group_events)) as groups:
            async for group in groups:
                await _run_blocking(target, partial(file.write, columns.table(group)))
                count += sum(map(len, group))
        await _run_blocking(target, file.commit)
    finally:
        file.discard()
    return count


class _ParquetFile:
    """A Parquet file that takes its name when it is complete. Blocking; raises OSError."""

    def __init__(self, target: Path, schema: pa.Schema) -> None:
        """Set the file's name and columns."""
        self._file, self._schema = AtomicFile(target), schema
        self._stack = ExitStack()

    def open(self) -> None:
        """Create the file, before anything is requested."""
        # Not opened by Arrow, which takes a name with a colon for an address.
        self._writer = self._stack.enter_context(pq.ParquetWriter(self._file.open(), self._schema))

    def write(self, group: pa.Table) -> None:
        """Append a row group."""
        self._writer.write_table(group)

    def commit(self) -> None:
        """Write the footer, and put the file in its place."""
        self._stack.close()
        self._file.commit()

    def discard(self) -> None:
        """Remove the file, unless it was committed."""
        with suppress(OSError):
            self._stack.close()
        self._file.discard()


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

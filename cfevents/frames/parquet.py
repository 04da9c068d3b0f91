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
from cfevents.frames.tables import Columns, batches

if TYPE_CHECKING:
    from cfevents._model.results import EventBatch

T = TypeVar("T")

# Events of a row group: some megabytes, which is what is held of the stream at a time.
_ROWS = 65_536


async def write(blocks: "AsyncGenerator[EventBatch, None]", path: str | os.PathLike[str], *, payloads: bool) -> int:
    """Write everything to a file, which takes its name when it is whole.

    Returns:
        How many events it has.

    Raises:
        ArchiveError: It cannot be written.
    """
    target, columns, count = Path(path), Columns(payloads=payloads), 0
    part = _Part(target, columns.schema)
    try:
        await _on_a_thread(target, part.open)
        async with aclosing(_groups(blocks, columns)) as groups:
            async for group in groups:
                await _on_a_thread(target, partial(part.write, group))
                count += len(group)
        await _on_a_thread(target, part.finish)
    finally:
        part.discard()
    return count


class _Part:
    """A Parquet file that takes its name when it is complete. Blocking; raises OSError."""

    def __init__(self, target: Path, schema: pa.Schema) -> None:
        """Set the file's name and columns."""
        self._file, self._schema = AtomicFile(target), schema
        self._opened = ExitStack()

    def open(self) -> None:
        """Create the file, before anything is requested."""
        # Not by Arrow, which takes a name with a colon for an address.
        self._writer = self._opened.enter_context(pq.ParquetWriter(self._file.open(), self._schema))

    def write(self, group: pa.Table) -> None:
        """Append a row group."""
        self._writer.write_table(group)

    def finish(self) -> None:
        """Write the footer, and put the file in its place."""
        self._opened.close()
        self._file.commit()

    def discard(self) -> None:
        """Remove the file, unless it is finished."""
        with suppress(OSError):
            self._opened.close()
        self._file.discard()


async def _groups(blocks: "AsyncGenerator[EventBatch, None]", columns: Columns) -> AsyncGenerator[pa.Table, None]:
    gathered, rows = list[pa.RecordBatch](), 0
    async with aclosing(batches(blocks, columns)) as each:
        async for batch in each:
            gathered.append(batch)
            rows += len(batch)
            if rows >= _ROWS:
                yield columns.table(gathered)
                gathered, rows = [], 0
    if gathered:
        yield columns.table(gathered)


async def _on_a_thread(target: Path, work: Callable[[], T]) -> T:
    """Do what may block, and wait for it also where the caller is cancelled: then the file can be removed."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror or error}; what was there stays") from error
    finally:
        if not working.done():
            await asyncio.wait([working])

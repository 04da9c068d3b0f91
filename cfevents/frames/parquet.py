"""Streams written to a Parquet file, row group by row group."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cfevents.errors import ArchiveError
from cfevents.frames.columns import Columns
from cfevents.frames.tables import batches

if TYPE_CHECKING:
    from cfevents.streams.framed import Block

T = TypeVar("T")

# Events of a row group: some megabytes, which is what is held of the stream at a time.
_ROWS = 65_536


async def write(blocks: "AsyncGenerator[Block, None]", path: str | os.PathLike[str], *, payloads: bool) -> int:
    """Write everything to a file, which takes its name when it is whole.

    Returns:
        How many events it has.

    Raises:
        ArchiveError: It cannot be written.
    """
    target, columns, count = Path(path), Columns(payloads=payloads), 0
    part = target.with_name(f"{target.name}.part")
    try:
        writer = await _on_a_thread(target, partial(pq.ParquetWriter, part, columns.schema))
        try:
            async with aclosing(_groups(blocks, columns)) as groups:
                async for group in groups:
                    await _on_a_thread(target, partial(writer.write_table, group))
                    count += len(group)
        finally:
            await _on_a_thread(target, writer.close)
        await _on_a_thread(target, partial(part.replace, target))
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return count


async def _groups(blocks: "AsyncGenerator[Block, None]", columns: Columns) -> AsyncGenerator[pa.Table, None]:
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

"""Streams written to a Parquet file, row group by row group."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from errno import EISDIR
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

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
    """A file under another name than its own, until it is whole. All of it blocks, and raises OSError."""

    def __init__(self, target: Path, schema: pa.Schema) -> None:
        """Take its name and its columns."""
        self._target, self._schema = target, schema
        self._opened = ExitStack()
        self._status: os.stat_result | None = None

    def open(self) -> None:
        """Open it, before anything is asked for; a name that only a directory can have is found out here."""
        if self._target.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        # Made anew: who writes to the same name meanwhile keeps a file of its own, which then has no name.
        self._path.unlink(missing_ok=True)
        # Not by Arrow, which takes a name with a colon for an address.
        file = self._opened.enter_context(self._path.open("xb"))
        self._status = os.fstat(file.fileno())
        self._writer = self._opened.enter_context(pq.ParquetWriter(file, self._schema))

    def write(self, group: pa.Table) -> None:
        """Append a row group."""
        self._writer.write_table(group)

    def finish(self) -> None:
        """Give it its name."""
        is_ours = self._is_ours()
        self._opened.close()
        if not is_ours:
            raise OSError("another has begun to write it")
        self._path.replace(self._target)

    def discard(self) -> None:
        """Remove what has not got its name."""
        is_ours = self._is_ours()
        with suppress(OSError):
            self._opened.close()
        with suppress(OSError):
            if is_ours:
                self._path.unlink()

    @property
    def _path(self) -> Path:
        return self._target.with_name(f"{self._target.name}.part")

    def _is_ours(self) -> bool:
        """Whether what has the name for the time being is what is written here."""
        try:
            return self._status is not None and os.path.samestat(self._status, self._path.stat())
        except OSError:
            return False


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

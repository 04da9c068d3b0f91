"""Streams read into tables, batch by batch."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import pyarrow as pa

from cfevents.frames.columns import Columns

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from cfevents._model.results import Block

# Pages of fewer events go together: each batch has buffers of its own for every column.
_ROWS = 1000


async def batches(blocks: "AsyncGenerator[Block, None]", columns: Columns) -> AsyncGenerator[pa.RecordBatch, None]:
    """Yield what is read as batches of about a page."""
    gathered, rows = list["Block"](), 0
    async with aclosing(blocks):
        async for block in blocks:
            if block.events:
                gathered.append(block)
                rows += len(block.events)
            if rows >= _ROWS:
                yield columns.batch(gathered)
                gathered, rows = [], 0
    if gathered:
        yield columns.batch(gathered)


async def to_arrow(blocks: "AsyncGenerator[Block, None]", *, payloads: bool) -> pa.Table:
    """Read everything into a table."""
    columns = Columns(payloads=payloads)
    return columns.table([each async for each in batches(blocks, columns)])


async def to_pandas(blocks: "AsyncGenerator[Block, None]", *, payloads: bool) -> "pd.DataFrame":
    """Read everything into a data frame of pandas: kinds are categories, times are of microseconds in UTC."""
    return (await to_arrow(blocks, payloads=payloads)).to_pandas()


async def to_polars(blocks: "AsyncGenerator[Block, None]", *, payloads: bool) -> "pl.DataFrame":
    """Read everything into a data frame of polars: kinds are categorical, times are of microseconds in UTC."""
    import polars as pl  # noqa: PLC0415 - another extra

    frame = pl.from_arrow(await to_arrow(blocks, payloads=payloads))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - of a table
    return frame

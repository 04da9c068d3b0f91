"""Streams read into tables, batch by batch."""

import json
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute

from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._time import EPOCH
from cfevents._validation import escape_surrogates
from cfevents.events import PAYLOAD_FIELDS, UnknownEvent

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from cfevents._model.results import EventBatch

# Made when it is imported, its functions are known to no checker of types.
pc: Any = pyarrow.compute

_TIME = pa.timestamp("us", tz="UTC")
_KIND = pa.dictionary(pa.int32(), pa.string())
_LISTED = [
    ("connector_id", pa.string()),
    ("id", pa.string()),
    ("recorded_at", _TIME),
    ("collected_at", _TIME),
    ("sequence", pa.int64()),
    ("kind", _KIND),
]
_PAYLOAD = [(name, pa.string()) for name in ("version", *PAYLOAD_FIELDS, "extra")]

# The years that a datetime has, and so what an event's times can be told by.
_FIRST, _LAST = ((each.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1) for each in (datetime.min, datetime.max))


def schema(*, payloads: bool) -> pa.Schema:
    """Give the columns of listed events, or of events with their payloads."""
    return pa.schema(_LISTED + (_PAYLOAD if payloads else []))


class Columns:
    """Makes the columns of one table, block by block. The kinds of all of them are numbered together."""

    def __init__(self, *, payloads: bool) -> None:
        """Begin without a kind."""
        self.schema = schema(payloads=payloads)
        self._payloads = payloads
        self._kinds = _Kinds()

    def batch(self, blocks: "Sequence[EventBatch]") -> pa.RecordBatch:
        """Make a batch of some blocks; there is an event in them."""
        events = blocks[0].events if len(blocks) == 1 else [event for block in blocks for event in block.events]
        columns = [_owners(blocks), *_listed(events), self._numbered(events)]
        if self._payloads:
            columns += _payloads([each for block in blocks for each in block.recorded or ()])
        return pa.RecordBatch.from_arrays(columns, names=self.schema.names)

    def _numbered(self, events: Sequence[EventMetadata]) -> pa.Array:
        kinds = self._kinds
        numbers = array("i", [kinds[event.kind] for event in events])
        return pa.Array.from_buffers(pa.int32(), len(events), [None, pa.py_buffer(numbers)])

    def table(self, batches: "Sequence[pa.RecordBatch]") -> pa.Table:
        """Make a table of batches, whose kinds then have one dictionary."""
        place, kinds = self.schema.get_field_index("kind"), pa.array([*self._kinds.names], pa.string())
        named = [
            each.set_column(place, "kind", pa.DictionaryArray.from_arrays(each.column(place), kinds))
            for each in batches
        ]
        return pa.Table.from_batches(named, self.schema)


class _Kinds(dict[str, int]):
    """The number of each kind, which it gets when it is first seen."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def __missing__(self, kind: str) -> int:
        number = self[kind] = self.names.setdefault(_text(kind), len(self.names))
        return number


def _owners(blocks: "Sequence[EventBatch]") -> pa.Array:
    first = blocks[0].connector_ids
    if isinstance(first, str) and all(block.connector_ids == first for block in blocks):
        return pa.repeat(pa.scalar(first, pa.string()), sum(len(block.events) for block in blocks))
    owners = (
        [block.connector_ids] * len(block.events) if isinstance(block.connector_ids, str) else block.connector_ids
        for block in blocks
    )
    return _texts(list(chain.from_iterable(owners)))


def _listed(events: Sequence[EventMetadata]) -> list[pa.Array]:
    """Make the columns from the id to the sequence number."""
    sequences = _integers([each.sequence for each in events])
    recorded = [each.recorded_ts for each in events]
    seconds = _whole(recorded)
    if seconds is None:
        ids, times = pa.array([str(each.id) for each in events], pa.string()), _times(recorded)
    else:
        ids = pc.binary_join_element_wise(seconds.cast(pa.string()), sequences.cast(pa.string()), ".")
        times = _whole_times(seconds)
    return [ids, times, _times([each.collected_ts for each in events]), sequences]


def _integers(numbers: Sequence[Any]) -> pa.Array:
    """Make a column of whole numbers; a fractional one, which Arrow by itself would cut off, is a TypeError."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(array("q", numbers))])


def _whole(numbers: Sequence[float]) -> pa.Array | None:
    try:
        return _integers(numbers)
    except TypeError:
        return None


def _times(seconds: Sequence[float]) -> pa.Array:
    whole = _whole(seconds)
    if whole is not None:
        return _whole_times(whole)
    return pa.array([_microseconds(each) for each in seconds], pa.int64()).cast(_TIME)


def _whole_times(seconds: pa.Array) -> pa.Array:
    extent = pc.min_max(seconds)
    if extent["min"].as_py() < _FIRST or extent["max"].as_py() > _LAST:
        told = pc.and_(pc.greater_equal(seconds, _FIRST), pc.less_equal(seconds, _LAST))
        seconds = pc.if_else(told, seconds, None)
    return seconds.cast(pa.timestamp("s", tz="UTC")).cast(_TIME)


def _microseconds(seconds: float) -> int | None:
    """Round as an event's own times do; None where those have no date."""
    try:
        return (EPOCH + timedelta(seconds=seconds) - EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        return None


def _payloads(recorded: Sequence[RecordedEvent | None]) -> list[pa.Array]:
    made = [None if each is None else each.event for each in recorded]
    return [
        _texts([None if each is None else each.version for each in recorded]),
        *(_texts([getattr(each, name, None) for each in made]) for name in PAYLOAD_FIELDS),
        _texts([None if each is None else json.dumps(_rest(each)) for each in made]),
    ]


def _rest(event: Any) -> dict[str, Any]:
    """Give what of a payload has no column."""
    rest: dict[str, Any] = event.payload if isinstance(event, UnknownEvent) else event.extra
    return rest


def _texts(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if each is None else _text(each) for each in values], pa.string())


def _text(text: str) -> str:
    """Spell half of a surrogate pair, which JSON has and Arrow has not, as JSON does."""
    return escape_surrogates(text)


# Pages of fewer events go together: each batch has buffers of its own for every column.
_ROWS = 1000


async def batches(blocks: "AsyncGenerator[EventBatch, None]", columns: Columns) -> AsyncGenerator[pa.RecordBatch, None]:
    """Yield what is read as batches of about a page."""
    gathered, rows = list["EventBatch"](), 0
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


async def to_arrow(blocks: "AsyncGenerator[EventBatch, None]", *, payloads: bool) -> pa.Table:
    """Read everything into a table."""
    columns = Columns(payloads=payloads)
    return columns.table([each async for each in batches(blocks, columns)])


async def to_pandas(blocks: "AsyncGenerator[EventBatch, None]", *, payloads: bool) -> "pd.DataFrame":
    """Read everything into a data frame of pandas: kinds are categories, times are of microseconds in UTC."""
    return (await to_arrow(blocks, payloads=payloads)).to_pandas()


async def to_polars(blocks: "AsyncGenerator[EventBatch, None]", *, payloads: bool) -> "pl.DataFrame":
    """Read everything into a data frame of polars: kinds are categorical, times are of microseconds in UTC."""
    import polars as pl  # noqa: PLC0415 - another extra

    frame = pl.from_arrow(await to_arrow(blocks, payloads=payloads))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - of a table
    return frame

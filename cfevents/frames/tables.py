"""Streams read into tables, batch by batch."""

import json
import struct
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute

from cfevents._model.api import RecordedEvent, whole
from cfevents._model.results import EVENT_COLUMNS, PAYLOAD_COLUMNS, EventColumns
from cfevents._time import EPOCH
from cfevents._validation import escape_surrogates
from cfevents.events import PAYLOAD_FIELDS, UnknownEvent

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

# Its functions are made when it is imported; no type checker knows them.
pc: Any = pyarrow.compute

# Events that are converted together, at least: each batch has buffers of its own for every column.
BATCH_EVENTS = 10_000

_KIND = EVENT_COLUMNS.index("kind")
_INDEX = struct.Struct("i")
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_EVENT_TYPES = (pa.string(), pa.string(), _TIMESTAMP, _TIMESTAMP, pa.int64(), pa.dictionary(pa.int32(), pa.string()))

_MIN_S, _MAX_S = ((bound.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1) for bound in (datetime.min, datetime.max))


def schema(*, payloads: bool) -> pa.Schema:
    """Return the columns of listed events, or of events with their payloads."""
    event_columns = list(zip(EVENT_COLUMNS, _EVENT_TYPES, strict=True))
    return pa.schema(event_columns + [(name, pa.string()) for name in PAYLOAD_COLUMNS if payloads])


def plain_schema(*, payloads: bool) -> pa.Schema:
    """Return the same columns with the kinds as text.

    In a file each row group would have a dictionary of its own, which pyarrow cannot group by; Spark reads none at all.
    """
    return schema(payloads=payloads).set(_KIND, pa.field("kind", pa.string()))


class _KindNumbers(dict[str, bytes]):
    """The number of each kind in the order in which they were seen, as Arrow stores an index."""

    def __init__(self) -> None:
        self.names = dict[str, int]()

    def __missing__(self, kind: str) -> bytes:
        number = self[kind] = _INDEX.pack(self.names.setdefault(escape_surrogates(kind), len(self.names)))
        return number


class Rows(NamedTuple):
    """Events that were read together, their numbers as Arrow stores them."""

    length: int
    connector_ids: str | Sequence[str]
    kinds: bytes
    recorded: bytes | Sequence[float]  # numbers where some are fractional
    sequences: bytes
    collected: bytes | Sequence[float]
    payloads: Sequence[RecordedEvent | None]


class Columns:
    """The columns of one table, made batch by batch. All batches share one dictionary of kinds."""

    def __init__(self, *, payloads: bool) -> None:
        self.schema = schema(payloads=payloads)
        self._payloads = payloads
        self._kinds = _KindNumbers()

    def rows(self, events: EventColumns) -> Rows:
        """Return events as rows. While they are in the processor's cache this takes half the time."""
        return Rows(
            events.length,
            events.connector_ids,
            b"".join(map(self._kinds.__getitem__, events.kinds)),
            _packed(events.recorded_ts),
            struct.pack(f"{events.length}q", *events.sequences),
            _packed(events.collected_ts),
            events.recorded or (),
        )

    def batch(self, parts: Sequence[Rows]) -> pa.RecordBatch:
        """Return the rows of some parts, of which there is at least one."""
        recorded, collected = _numbers([part.recorded for part in parts]), _numbers([part.collected for part in parts])
        sequences = _buffered(pa.int64(), [part.sequences for part in parts])
        # Arrow writes integers as Python does, and fractions otherwise.
        seconds = pa.array([str(whole(time)) for time in recorded]) if isinstance(recorded, list) else recorded
        columns = [
            _connector_id_column(parts),
            pc.binary_join_element_wise(seconds.cast(pa.string()), sequences.cast(pa.string()), "."),
            _timestamps(recorded),
            _timestamps(collected),
            sequences,
            _buffered(pa.int32(), [part.kinds for part in parts]),
        ]
        if self._payloads:
            columns += _payload_columns([recorded for part in parts for recorded in part.payloads])
        return pa.RecordBatch.from_arrays(columns, names=self.schema.names)

    def table(self, batches: Sequence[pa.RecordBatch]) -> pa.Table:
        """Return a table of batches, their kinds with one dictionary."""
        names = self._kind_names()
        kinds = (pa.DictionaryArray.from_arrays(batch.column("kind"), names) for batch in batches)
        with_names = [batch.set_column(_KIND, "kind", kind) for batch, kind in zip(batches, kinds, strict=True)]
        return pa.Table.from_batches(with_names, self.schema)

    def plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch with its kinds as text."""
        return batch.set_column(_KIND, "kind", self._kind_names().take(batch.column("kind")))

    def _kind_names(self) -> pa.Array:
        return pa.array([*self._kinds.names], pa.string())


def _connector_id_column(parts: Sequence[Rows]) -> pa.Array:
    first = parts[0].connector_ids
    if isinstance(first, str) and all(part.connector_ids == first for part in parts):
        return pa.repeat(pa.scalar(first, pa.string()), sum(part.length for part in parts))
    ids = list[str]()
    for part in parts:
        ids += [part.connector_ids] * part.length if isinstance(part.connector_ids, str) else part.connector_ids
    return _strings(ids)


def _packed(numbers: Sequence[float]) -> bytes | Sequence[float]:
    """Return integers in Arrow's form, which takes Arrow itself twice as long; or the numbers if one is fractional."""
    try:
        return struct.pack(f"{len(numbers)}q", *numbers)
    except struct.error:
        return numbers


def _buffered(kind: pa.DataType, parts: Sequence[bytes]) -> pa.Array:
    data = b"".join(parts)
    return pa.Array.from_buffers(kind, len(data) * 8 // kind.bit_width, [None, pa.py_buffer(data)])


def _numbers(parts: Sequence[bytes | Sequence[float]]) -> pa.Array | list[float]:
    """Return a column of integers, or all numbers if one is fractional, which Arrow would truncate."""
    packed = [part for part in parts if isinstance(part, bytes)]
    if len(packed) == len(parts):
        return _buffered(pa.int64(), packed)
    return [*chain.from_iterable(array("q", part) if isinstance(part, bytes) else part for part in parts)]


def _timestamps(seconds: pa.Array | list[float]) -> pa.Array:
    if isinstance(seconds, list):
        return pa.array(map(_microseconds, seconds), pa.int64()).cast(_TIMESTAMP)
    dated, extent = seconds, pc.min_max(seconds)
    if extent["min"].as_py() < _MIN_S or extent["max"].as_py() > _MAX_S:
        has_date = pc.and_(pc.greater_equal(seconds, _MIN_S), pc.less_equal(seconds, _MAX_S))
        dated = pc.if_else(has_date, seconds, None)
    return dated.cast(pa.timestamp("s", tz="UTC")).cast(_TIMESTAMP)


def _microseconds(seconds: float) -> int | None:
    """Round as ``recorded_at`` does; None outside the years that a datetime has."""
    try:
        return (EPOCH + timedelta(seconds=seconds) - EPOCH) // timedelta(microseconds=1)
    except OverflowError:
        return None


def _payload_columns(recorded: Sequence[RecordedEvent | None]) -> list[pa.Array]:
    events = [None if item is None else item.event for item in recorded]
    return [
        _strings([None if item is None else item.version for item in recorded]),
        *(_strings([getattr(event, name, None) for event in events]) for name in PAYLOAD_FIELDS),
        _strings([None if event is None else json.dumps(rest_of_payload(event)) for event in events]),
    ]


def rest_of_payload(event: Any) -> dict[str, Any]:
    """Return the part of a payload that has no column of its own."""
    rest: dict[str, Any] = event.payload if isinstance(event, UnknownEvent) else event.extra
    return rest


def _strings(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else escape_surrogates(value) for value in values], pa.string())


async def batches(
    events: AsyncGenerator[EventColumns, None], columns: Columns, batch_events: int = BATCH_EVENTS
) -> AsyncGenerator[pa.RecordBatch, None]:
    """Yield the events as batches of rows, each of ``batch_events`` at least, except the last."""
    parts, count = list[Rows](), 0
    async with aclosing(events):
        async for part in events:
            parts.append(columns.rows(part))
            count += parts[-1].length
            if count >= batch_events:
                yield columns.batch(parts)
                parts, count = [], 0
    if count:
        yield columns.batch(parts)


async def to_arrow(
    events: AsyncGenerator[EventColumns, None], *, payloads: bool, batch_events: int = BATCH_EVENTS
) -> pa.Table:
    """Read everything into an Arrow table."""
    columns = Columns(payloads=payloads)
    return columns.table([batch async for batch in batches(events, columns, batch_events)])


async def to_pandas(events: AsyncGenerator[EventColumns, None], **options: Any) -> "pd.DataFrame":
    """Read everything into a pandas data frame: kinds are categories, times are of microseconds in UTC."""
    frame = (await to_arrow(events, **options)).to_pandas()
    if frame.empty:  # without rows, pyarrow makes the categories objects instead of text
        frame["kind"] = frame["kind"].cat.set_categories(frame["id"])
    return frame


async def to_polars(events: AsyncGenerator[EventColumns, None], **options: Any) -> "pl.DataFrame":
    """Read everything into a polars data frame: kinds are categorical, times are of microseconds in UTC."""
    import polars as pl  # noqa: PLC0415 - another extra

    frame = pl.from_arrow(await to_arrow(events, **options))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - it was a table
    return frame

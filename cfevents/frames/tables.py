"""Streams read into tables, batch by batch."""

import json
from array import array
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute

from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.results import EVENT_COLUMNS, PAYLOAD_COLUMNS, EventBatch
from cfevents._time import EPOCH
from cfevents._validation import escape_surrogates
from cfevents.events import PAYLOAD_FIELDS, UnknownEvent

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

T = TypeVar("T")

# Its functions are made when it is imported; no type checker knows them.
pc: Any = pyarrow.compute

# Events that are converted together, at least: each batch has buffers of its own for every column.
BATCH_EVENTS = 1000

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
    columns = schema(payloads=payloads)
    return columns.set(columns.get_field_index("kind"), pa.field("kind", pa.string()))


class Columns:
    """The columns of one table, made batch by batch. All batches share one dictionary of kinds."""

    def __init__(self, *, payloads: bool) -> None:
        self.schema = schema(payloads=payloads)
        self._payloads = payloads
        self._kinds = dict[str, int]()  # with their numbers

    def batch(self, batches: Sequence[EventBatch]) -> pa.RecordBatch:
        """Return the rows of some batches, which have at least one event."""
        events = batches[0].events if len(batches) == 1 else [event for batch in batches for event in batch.events]
        kinds = self._kinds
        distinct = dict.fromkeys(event.kind for event in events)
        numbers = {kind: kinds.setdefault(escape_surrogates(kind), len(kinds)) for kind in distinct}
        column = array("i", [numbers[event.kind] for event in events])
        kind_numbers = pa.Array.from_buffers(pa.int32(), len(events), [None, pa.py_buffer(column)])
        columns = [_connector_id_column(batches), *_event_columns(events), kind_numbers]
        if self._payloads:
            columns += _payload_columns([recorded for batch in batches for recorded in batch.recorded or ()])
        return pa.RecordBatch.from_arrays(columns, names=self.schema.names)

    def table(self, batches: Sequence[pa.RecordBatch]) -> pa.Table:
        """Return a table of batches, their kinds with one dictionary."""
        column, names = self.schema.get_field_index("kind"), pa.array([*self._kinds], pa.string())
        kinds = (pa.DictionaryArray.from_arrays(batch.column(column), names) for batch in batches)
        with_names = [batch.set_column(column, "kind", kind) for batch, kind in zip(batches, kinds, strict=True)]
        return pa.Table.from_batches(with_names, self.schema)


def _connector_id_column(batches: Sequence[EventBatch]) -> pa.Array:
    first = batches[0].connector_ids
    if isinstance(first, str) and all(batch.connector_ids == first for batch in batches):
        return pa.repeat(pa.scalar(first, pa.string()), sum(len(batch.events) for batch in batches))
    ids = list[str]()
    for batch_ids, events, _ in batches:
        ids += [batch_ids] * len(events) if isinstance(batch_ids, str) else batch_ids
    return _strings(ids)


def _event_columns(events: Sequence[EventMetadata]) -> list[pa.Array]:
    """Return the columns from the id to the sequence number."""
    sequences = _integers([event.sequence for event in events])
    recorded = [event.recorded_ts for event in events]
    try:
        ids = pc.binary_join_element_wise(_integers(recorded).cast(pa.string()), sequences.cast(pa.string()), ".")
    except TypeError:  # a time is fractional
        ids = pa.array([str(event.id) for event in events], pa.string())
    return [ids, _timestamps(recorded), _timestamps([event.collected_ts for event in events]), sequences]


def _integers(numbers: Sequence[Any]) -> pa.Array:
    """Return a column of integers; a fractional number, which Arrow would truncate, raises TypeError."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(array("q", numbers))])


def _timestamps(times: Sequence[float]) -> pa.Array:
    try:
        seconds = _integers(times)
    except TypeError:
        return pa.array(map(_microseconds, times), pa.int64()).cast(_TIMESTAMP)
    extent = pc.min_max(seconds)
    if extent["min"].as_py() < _MIN_S or extent["max"].as_py() > _MAX_S:
        has_date = pc.and_(pc.greater_equal(seconds, _MIN_S), pc.less_equal(seconds, _MAX_S))
        seconds = pc.if_else(has_date, seconds, None)
    return seconds.cast(pa.timestamp("s", tz="UTC")).cast(_TIMESTAMP)


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


async def gather(items: AsyncGenerator[T, None], size: Callable[[T], int], least: int) -> AsyncGenerator[list[T], None]:
    """Yield items together until their sizes add up to ``least``; items at the end without any size are left out."""
    gathered, total = list[T](), 0
    async with aclosing(items):
        async for item in items:
            gathered.append(item)
            total += size(item)
            if total >= least:
                yield gathered
                gathered, total = [], 0
    if total:
        yield gathered


async def batches(
    events: AsyncGenerator[EventBatch, None], columns: Columns, batch_events: int = BATCH_EVENTS
) -> AsyncGenerator[pa.RecordBatch, None]:
    """Yield the events as batches of rows, each of ``batch_events`` at least, except the last."""
    async with aclosing(gather(events, lambda batch: len(batch.events), batch_events)) as groups:
        async for group in groups:
            yield columns.batch(group)


async def to_arrow(
    events: AsyncGenerator[EventBatch, None], *, payloads: bool, batch_events: int = BATCH_EVENTS
) -> pa.Table:
    """Read everything into an Arrow table."""
    columns = Columns(payloads=payloads)
    return columns.table([batch async for batch in batches(events, columns, batch_events)])


async def to_pandas(events: AsyncGenerator[EventBatch, None], **options: Any) -> "pd.DataFrame":
    """Read everything into a pandas data frame: kinds are categories, times are of microseconds in UTC."""
    frame = (await to_arrow(events, **options)).to_pandas()
    if frame.empty:  # without rows, pyarrow makes the categories objects instead of text
        frame["kind"] = frame["kind"].cat.set_categories(frame["id"])
    return frame


async def to_polars(events: AsyncGenerator[EventBatch, None], **options: Any) -> "pl.DataFrame":
    """Read everything into a polars data frame: kinds are categorical, times are of microseconds in UTC."""
    import polars as pl  # noqa: PLC0415 - another extra

    frame = pl.from_arrow(await to_arrow(events, **options))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - it was a table
    return frame

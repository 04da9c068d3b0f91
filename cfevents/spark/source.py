"""The data source, as Spark's interface wants it. Spark may call it in any process, so nothing is kept here."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, NoReturn, TypeVar

import pyarrow as pa
from attrs import evolve
from pyspark.sql.datasource import (  # pyright: ignore[reportMissingImports]
    DataSource,
    DataSourceReader,
    DataSourceStreamReader,
    InputPartition,
)
from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow  # pyright: ignore[reportMissingImports]

from cfevents._public import set_module
from cfevents._time import TimeWindow
from cfevents.errors import CfEventsError
from cfevents.spark import partitions
from cfevents.spark.options import Mode, Options, parse_options
from cfevents.spark.partitions import Offset, QueryOffsets
from cfevents.spark.reader import find_connectors, find_present, read, spark_columns

T = TypeVar("T")


@set_module("cfevents.spark")
class EventsDataSource(DataSource):
    """The events of connectors as a data source of Spark, for batch and for Structured Streaming.

    Register it once in a session, and read the format ``cfevents``; the page on Spark has its options.
    """

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "cfevents"

    def schema(self) -> str:
        """Return the columns.

        Raises:
            ValueError: Some options cannot be used.
        """
        return ", ".join(map(" ".join, spark_columns(payloads=parse_options(self.options).details)))

    def reader(self, schema: Any) -> DataSourceReader:
        """Return the reader of a batch."""
        return _BatchReader(self._parse_options(schema, "read"))

    def streamReader(self, schema: Any) -> DataSourceStreamReader:  # noqa: N802 - Spark's name
        """Return the reader of a stream."""
        try:
            return _StreamReader(self._parse_options(schema, "readStream"))
        except ValueError as error:
            # If it is raised here, Spark reports a failure of its own after it.
            return _RefusedReader(error)

    def _parse_options(self, schema: Any, mode: Mode) -> Options:
        options = parse_options(self.options, mode)
        columns = ",".join(map(":".join, spark_columns(payloads=options.details)))
        # The type has another name here than in DDL.
        if schema.simpleString() != f"struct<{columns}>".replace("timestamp_ltz", "timestamp"):
            raise ValueError("the columns of the format 'cfevents' are fixed: leave .schema(...) out, and .select(...)")
        return options


class _PartitionReader:
    def __init__(self, options: Options) -> None:
        self._options = options

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        # Spark makes an empty partition where there are none.
        return iter(()) if partition.value is None else read(partition.value, self._options)


class _BatchReader(_PartitionReader, DataSourceReader):
    def partitions(self) -> list[InputPartition]:
        return _plan(self._options, self._options.window)


class _StreamReader(_PartitionReader, DataSourceStreamReader, SupportsTriggerAvailableNow):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._offsets = QueryOffsets(options, lambda: _run(find_present(options)))

    def initialOffset(self) -> Offset:  # noqa: N802 - Spark's name
        return partitions.FIRST_OFFSET

    def latestOffset(self, start: Offset, limit: Any) -> Offset:  # noqa: N802 - Spark's name
        return self._offsets.latest(start)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802 - Spark's name
        self._offsets.end_now()

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        window = partitions.batch_window(start, end, self._options)
        if window.since == window.until:  # a stream that begins now has nothing to read yet
            return []
        return _plan(self._options, window, partitions.AHEAD_S, window.until)


class _RefusedReader(DataSourceStreamReader):
    """The reader of a stream whose options cannot be used: every method raises the reason."""

    def __init__(self, error: ValueError) -> None:
        self._error = error

    def _refuse(self, *_: Any) -> NoReturn:
        raise self._error

    initialOffset = latestOffset = partitions = read = _refuse  # noqa: N815 - Spark's names


def _plan(
    options: Options, window: TimeWindow, ahead: int = 0, collected_until: int | None = None
) -> list[InputPartition]:
    ids = _run(find_connectors(options))
    parts = partitions.partition_window(ids, window, options.slots, ahead)
    return [InputPartition(evolve(part, collected_until=collected_until)) for part in parts]


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(coroutine)
    except CfEventsError as error:
        raise error.with_traceback(None) from None  # see `read`

"""The data source itself: where Spark asks, and who answers. Spark may ask in any process, so nothing is kept here."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from attrs import evolve
from pyspark.sql.datasource import (  # pyright: ignore[reportMissingImports]
    DataSource,
    DataSourceReader,
    DataSourceStreamReader,
    InputPartition,
)
from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow  # pyright: ignore[reportMissingImports]

from cfevents._time import TimeWindow, now
from cfevents.errors import CfEventsError
from cfevents.spark import partitions
from cfevents.spark.options import Mode, Options, options_of
from cfevents.spark.partitions import Offset, cut
from cfevents.spark.reader import connectors, read, shortened, spelled


class EventsDataSource(DataSource):
    """The events of connectors as a data source of Spark, for batch and for Structured Streaming.

    Register it once in a session, and read the format ``cfevents``; the page on Spark has its options.
    """

    __module__ = "cfevents.spark"

    @classmethod
    def name(cls) -> str:
        """Give the name of the format."""
        return "cfevents"

    def schema(self) -> str:
        """Give the columns.

        Raises:
            ValueError: Some options cannot be used.
        """
        return ", ".join(" ".join(each) for each in spelled(payloads=options_of(self.options).details))

    def reader(self, schema: Any) -> DataSourceReader:
        """Make what reads once."""
        return _Reader(self._options(schema, "read"))

    def streamReader(self, schema: Any) -> DataSourceStreamReader:  # noqa: N802 - Spark's name
        """Make what reads in a stream."""
        try:
            return _StreamReader(self._options(schema, "readStream"))
        except ValueError as error:
            # Raised here, Spark would tell of a mistake of its own after it.
            return _RefusedReader(error)

    def _options(self, schema: Any, mode: Mode) -> Options:
        options = options_of(self.options, mode)
        columns = ",".join(":".join(each) for each in spelled(payloads=options.details))
        if schema.simpleString() != f"struct<{columns}>":
            raise ValueError("the columns of the format 'cfevents' are fixed: leave .schema(...) out, and .select(...)")
        return options


class _Reader(DataSourceReader):
    def __init__(self, options: Options) -> None:
        self._options = options

    def partitions(self) -> list[InputPartition]:
        return _partitions(self._options, self._options.window)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        return _read(partition, self._options)


class _StreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    _last: float | None = None
    """What a query that reads what is available, and ends, takes for the present."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def initialOffset(self) -> Offset:  # noqa: N802 - Spark's name
        return partitions.BEGINNING

    def latestOffset(self, start: Offset, limit: Any) -> Offset:  # noqa: N802 - Spark's name
        if self._last is None and not partitions.is_due(start, self._options, now()):
            return start
        return partitions.after(start, self._options, now() if self._last is None else self._last)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802 - Spark's name
        self._last = now()

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        window = partitions.window_between(start, end, self._options)
        # A stream that begins now has nothing to read yet.
        return (
            [] if window.since == window.until else _partitions(self._options, window, partitions.AHEAD, window.until)
        )

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        return _read(partition, self._options)


class _RefusedReader(DataSourceStreamReader):
    """Says what is wrong with a stream's options, whatever it is asked first."""

    def __init__(self, error: ValueError) -> None:
        self._error = error

    def initialOffset(self) -> Offset:  # noqa: N802 - Spark's name
        raise self._error

    def latestOffset(self, start: Offset, limit: Any) -> Offset:  # noqa: N802 - Spark's name
        raise self._error

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        raise self._error

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        raise self._error


def _partitions(
    options: Options, window: TimeWindow, ahead: int = 0, collected_until: int | None = None
) -> list[InputPartition]:
    try:
        ids = asyncio.run(connectors(options))
    except CfEventsError as error:
        raise shortened(error) from None
    parts = cut(ids, window, options.slots, ahead)
    return [InputPartition(evolve(part, collected_until=collected_until)) for part in parts]


def _read(partition: InputPartition, options: Options) -> Iterator[pa.RecordBatch]:
    # Spark makes a partition of nothing where there are none.
    return iter(()) if partition.value is None else read(partition.value, options)

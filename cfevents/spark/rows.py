"""What a row is to Spark: the columns of all tables, but kinds as plain text."""

from collections.abc import Iterable

import pyarrow as pa

from cfevents.frames import columns

_NAMES = {pa.string(): "string", pa.int64(): "bigint", pa.timestamp("us", tz="UTC"): "timestamp"}


def schema(*, payloads: bool) -> pa.Schema:
    """Give the columns: Spark takes no dictionaries."""
    made = columns.schema(payloads=payloads)
    return made.set(made.get_field_index("kind"), pa.field("kind", pa.string()))


def spelled(*, payloads: bool) -> list[tuple[str, str]]:
    """Name the columns and their types as Spark does."""
    return [(each.name, _NAMES[each.type]) for each in schema(payloads=payloads)]


class Rows:
    """Makes the rows of one task."""

    def __init__(self, *, payloads: bool) -> None:
        """Begin without one."""
        self.columns = columns.Columns(payloads=payloads)
        self._schema = schema(payloads=payloads)

    def of(self, batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
        """Give a batch as Spark takes it."""
        batches: Iterable[pa.RecordBatch] = self.columns.table([batch]).cast(self._schema).to_batches()
        return batches

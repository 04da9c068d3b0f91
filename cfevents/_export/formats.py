"""The formats of an export: events are encoded as they come, and the file is made of that at the end."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import Any

from cfevents._extras import require_extra
from cfevents._model.api import EventMetadata, RecordedEvent, whole
from cfevents._model.results import EVENT_COLUMNS, PAYLOAD_COLUMNS, EventColumns
from cfevents._protocol.records import event_lines, json_times, listed_line
from cfevents.events import PAYLOAD_FIELDS, UnknownEvent


class Format(ABC):
    """A file format. What it encodes can be appended to what it encoded before."""

    def __init__(self, *, details: bool) -> None:
        """Set whether payloads are written."""
        self._details = details

    @property
    def header(self) -> bytes:
        """The bytes before the first event."""
        return b""

    @abstractmethod
    def encode(self, columns: EventColumns) -> bytes:
        """Convert events to bytes."""

    async def finalize(self, data: Path) -> Path:
        """Return the file to publish, in the folder of the encoded data."""
        return data


def format_named(name: str, *, details: bool) -> Format:
    """Return a format by its name: ``"ndjson"``, ``"csv"`` or ``"parquet"``."""
    if name == "parquet":
        require_extra("arrow", "pyarrow")
        return Parquet(details=details)
    return CSV(details=details) if name == "csv" else NDJSON(details=details)


class NDJSON(Format):
    """A JSON object a line, as ``cfevents list`` prints it."""

    def encode(self, columns: EventColumns) -> bytes:
        """Convert events to lines."""
        return event_lines(columns).encode()


class CSV(Format):
    """A row an event, by RFC 4180, with the columns of a table; times are ISO 8601 in UTC."""

    @property
    def header(self) -> bytes:
        """The names of the columns."""
        return csv_lines([EVENT_COLUMNS + (PAYLOAD_COLUMNS if self._details else ())])

    def encode(self, columns: EventColumns) -> bytes:
        """Convert events to rows."""
        ids = columns.connector_ids
        rows = zip(
            repeat(ids, columns.length) if isinstance(ids, str) else ids,
            [
                f"{whole(time)}.{sequence}"
                for time, sequence in zip(columns.recorded_ts, columns.sequences, strict=True)
            ],
            map(json.loads, json_times(columns.recorded_ts)),
            map(json.loads, json_times(columns.collected_ts)),
            columns.sequences,
            columns.kinds,
            strict=True,
        )
        if columns.recorded is None:
            return csv_lines(rows)
        return csv_lines([*row, *payload_cells(recorded)] for row, recorded in zip(rows, columns.recorded, strict=True))


def event_cells(connector_id: str, event: EventMetadata) -> list[Any]:
    """Return the values of `EVENT_COLUMNS`."""
    line = listed_line(connector_id, event)
    return [line[name] for name in EVENT_COLUMNS]


def payload_cells(recorded: RecordedEvent | None) -> list[Any]:
    """Return the values of `PAYLOAD_COLUMNS`."""
    if recorded is None:
        return [None] * len(PAYLOAD_COLUMNS)
    payload = recorded.event
    rest = payload.payload if isinstance(payload, UnknownEvent) else payload.extra
    return [recorded.version, *(getattr(payload, name, None) for name in PAYLOAD_FIELDS), json.dumps(rest)]


class Parquet(Format):
    """A row an event, as `to_parquet` writes it. Encoded is Arrow's stream, of which the file is made at the end."""

    @property
    def header(self) -> bytes:
        """The schema of the stream."""
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        return parquet.stream_header(payloads=self._details)

    def encode(self, columns: EventColumns) -> bytes:
        """Convert events to a batch of the stream."""
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        return parquet.stream_batch(columns, payloads=self._details)

    async def finalize(self, data: Path) -> Path:
        """Write the Parquet file."""
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        path = data.with_name("whole.parquet")
        await parquet.write_stream(data, path, payloads=self._details)
        return path


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    # UTF-8 has no half of a surrogate pair; it is escaped as in JSON.
    return text.getvalue().encode(errors="backslashreplace")

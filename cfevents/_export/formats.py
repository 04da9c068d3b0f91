"""The formats of an export: events are encoded as they come, and the file is made of that at the end."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from cfevents._extras import require_extra
from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.results import EVENT_COLUMNS, PAYLOAD_COLUMNS, EventBatch, EventColumns, EventDetail
from cfevents._protocol.converter import structure, unstructure
from cfevents._protocol.records import detailed_line, listed_line
from cfevents.events import PAYLOAD_FIELDS, UnknownEvent

_READ_EVENTS = 1000

ExportRow: TypeAlias = tuple[str, EventMetadata, RecordedEvent | None]
"""The connector of an event, the event, and its payload; None where the API has none, or it is not wanted."""


class Format(ABC):
    """A file format. What it encodes can be appended to what it encoded before."""

    def __init__(self, *, details: bool) -> None:
        """Set whether payloads are written."""
        self._details = details

    @property
    def header(self) -> bytes:
        """The bytes before the first event."""
        return b""

    def encode(self, batch: EventBatch) -> bytes:
        """Convert events to bytes."""
        ids, events = batch.connector_ids, batch.events
        connectors = [ids] * len(events) if isinstance(ids, str) else ids
        return self._encode_rows(zip(connectors, events, batch.recorded or [None] * len(events), strict=True))

    @abstractmethod
    def _encode_rows(self, rows: Iterable[ExportRow]) -> bytes: ...

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

    def _encode_rows(self, rows: Iterable[ExportRow]) -> bytes:
        if self._details:
            return _json_lines(detailed_line(name, EventDetail(event, recorded)) for name, event, recorded in rows)
        return _json_lines(listed_line(name, event) for name, event, _ in rows)


class CSV(Format):
    """A row an event, by RFC 4180, with the columns of a table; times are ISO 8601 in UTC."""

    @property
    def header(self) -> bytes:
        """The names of the columns."""
        return csv_lines([EVENT_COLUMNS + (PAYLOAD_COLUMNS if self._details else ())])

    def _encode_rows(self, rows: Iterable[ExportRow]) -> bytes:
        return csv_lines(
            event_cells(connector_id, event) + (payload_cells(recorded) if self._details else [])
            for connector_id, event, recorded in rows
        )


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
    """A row an event, as `to_parquet` writes it. Encoded is the API's JSON, of which the file is made at the end."""

    def _encode_rows(self, rows: Iterable[ExportRow]) -> bytes:
        return _json_lines(
            [connector_id, unstructure(event), None if recorded is None else unstructure(recorded)]
            for connector_id, event, recorded in rows
        )

    async def finalize(self, data: Path) -> Path:
        """Write the Parquet file."""
        from cfevents.frames import parquet  # noqa: PLC0415 - an extra

        path = data.with_name("whole.parquet")
        await parquet.write(self._decode(data), path, payloads=self._details)
        return path

    async def _decode(self, data: Path) -> AsyncGenerator[EventColumns, None]:
        with data.open(encoding="ascii") as file:
            while lines := [*islice(file, _READ_EVENTS)]:
                ids, events, payloads = zip(*map(json.loads, lines), strict=True)
                recorded = [None if payload is None else structure(payload, RecordedEvent) for payload in payloads]
                batch = EventBatch(ids, structure([*events], list[EventMetadata]), recorded if self._details else None)
                yield batch.columns()


def _json_lines(values: Iterator[Any]) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    # UTF-8 has no half of a surrogate pair; it is escaped as in JSON.
    return text.getvalue().encode(errors="backslashreplace")

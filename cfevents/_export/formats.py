"""How events are exported: as lines that can be appended, of which the whole is made at the end."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cfevents._extras import require_extra
from cfevents._listing.query import ListQuery
from cfevents._listing.stream_base import Framed
from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.results import EventBatch, EventDetail, FollowedEvent
from cfevents._protocol.converter import structure, unstructure
from cfevents._protocol.records import followed_line, listed_line
from cfevents.events import PAYLOAD_FIELDS, UnknownEvent

_LISTED = ("connector_id", "id", "recorded_at", "collected_at", "sequence", "kind")
_PAYLOAD = ("version", *PAYLOAD_FIELDS, "extra")
_ROWS = 1000


class Format(Protocol):
    """How events are exported."""

    @property
    def header(self) -> bytes:
        """What comes before the first event."""
        ...

    def lines(self, block: EventBatch) -> bytes:
        """Write some events."""
        ...

    async def whole(self, data: Path) -> Path:
        """Make of all lines the file that is wanted, in the same folder."""
        ...


def format_named(name: str, *, details: bool) -> Format:
    """Find a format: ``"ndjson"``, ``"csv"`` or ``"parquet"``.

    Raises:
        ConfigurationError: It needs what only an extra brings.
    """
    if name == "parquet":
        require_extra("arrow", "pyarrow")
        return Parquet(details)
    return CSV(details) if name == "csv" else NDJSON()


class NDJSON:
    """A JSON object a line, as `cfevents list` and `cfevents follow --details` print it."""

    header = b""

    def lines(self, block: EventBatch) -> bytes:
        """Write some events."""
        return "".join(json.dumps(self._object(*row)) + "\n" for row in _rows(block)).encode()

    def _object(self, owner: str, event: EventMetadata, told: "_Told | None") -> dict[str, Any]:
        if told is None:
            return listed_line(owner, event)
        line = followed_line(FollowedEvent(owner, EventDetail(event, told.recorded)))
        # It was not followed.
        del line["late"]
        return line

    async def whole(self, data: Path) -> Path:
        """Take the lines as they are."""
        return data


class CSV:
    """A row an event, as RFC 4180 has it, with the columns that a table has; times are ISO 8601 in UTC."""

    def __init__(self, details: bool) -> None:
        """Take whether there are columns for payloads."""
        self._names = _LISTED + (_PAYLOAD if details else ())

    @property
    def header(self) -> bytes:
        """The columns' names."""
        return _csv([self._names])

    def lines(self, block: EventBatch) -> bytes:
        """Write some events."""
        return _csv(_cells(*row) for row in _rows(block))

    async def whole(self, data: Path) -> Path:
        """Take the lines as they are."""
        return data


class Parquet:
    """A row an event, as `to_parquet` writes it: its lines are what the API sent, of which it is made at the end."""

    header = b""

    def __init__(self, details: bool) -> None:
        """Take whether there are columns for payloads."""
        self._kept = _KeptDetails if details else _Kept

    def lines(self, block: EventBatch) -> bytes:
        """Write some events."""
        rows = (
            [owner, unstructure(event), None if told is None else unstructure(told.recorded)]
            for owner, event, told in _rows(block)
        )
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    async def whole(self, data: Path) -> Path:
        """Make the file of the lines."""
        path = data.with_name("whole.parquet")
        await self._kept(data).to_parquet(path)
        return path


class _Kept(Framed):
    """The lines of what is to be Parquet, read again."""

    def __init__(self, data: Path) -> None:
        super().__init__(ListQuery.of("export", since=0))
        self._data = data

    async def _blocks(self) -> AsyncGenerator[EventBatch, None]:
        with self._data.open(encoding="ascii") as file:
            while lines := [*islice(file, _ROWS)]:
                yield self._block([json.loads(line) for line in lines])

    def _block(self, rows: list[Any]) -> EventBatch:
        events = structure([event for _, event, _ in rows], list[EventMetadata])
        recorded = [None if told is None else structure(told, RecordedEvent) for *_, told in rows]
        return EventBatch([owner for owner, _, _ in rows], events, recorded if self._has_payloads else None)


class _KeptDetails(_Kept):
    _has_payloads = True


class _Told(NamedTuple):
    """The payload of an event, of which that is wanted; None where the API has none."""

    recorded: RecordedEvent | None


def _rows(block: EventBatch) -> Iterator[tuple[str, EventMetadata, _Told | None]]:
    ids, events = block.connector_ids, block.events
    owners = [ids] * len(events) if isinstance(ids, str) else ids
    told = [None] * len(events) if block.recorded is None else map(_Told, block.recorded)
    return zip(owners, events, told, strict=True)


def _cells(owner: str, event: EventMetadata, told: _Told | None) -> list[Any]:
    line = listed_line(owner, event)
    cells = [line[name] for name in _LISTED]
    if told is None:
        return cells
    if told.recorded is None:
        return cells + [None] * len(_PAYLOAD)
    made = told.recorded.event
    rest = made.payload if isinstance(made, UnknownEvent) else made.extra
    fields = (getattr(made, name, None) for name in PAYLOAD_FIELDS)
    return [*cells, told.recorded.version, *fields, json.dumps(rest)]


def _csv(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    # Half of a surrogate pair, which JSON has and UTF-8 has not, is spelled as JSON does.
    return text.getvalue().encode(errors="backslashreplace")

"""Events as rows of the archive's table, and back."""

import json
from typing import Any, TypeAlias

from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.results import EventDetail
from cfevents._protocol.converter import structure, unstructure
from cfevents.events import Event
from cfevents.listed import OWN_TEXT

Value: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = tuple[Value, ...]

LISTED = ("kind", "recorded_ts", "sequence", "collected_ts", "extra")
"""The columns of an event as it is listed."""

PAYLOAD = ("version", "event", "recorded_extra")
"""The columns of its payload; ``event`` is null where there is none."""


def listed_row(event: EventMetadata) -> Row:
    """Make the values of `LISTED`."""
    return sql_text(event.kind), event.recorded_ts, event.sequence, event.collected_ts, _json(event.extra)


def payload_row(recorded: RecordedEvent) -> Row:
    """Make the values of `PAYLOAD`."""
    version = None if recorded.version is None else sql_text(recorded.version)
    return version, json.dumps(unstructure(recorded.event)), _json(recorded.extra)


def detail(row: tuple[Any, ...]) -> EventDetail:
    """Make the event again from the values of `LISTED`, with its payload where those of `PAYLOAD` follow."""
    listed, payload = row[: len(LISTED)], row[len(LISTED) :]
    event = _listed_event(*listed)
    return EventDetail(event, _recorded_event(event, *payload) if payload else None)


def sql_text(text: str) -> str | bytes:
    """Make a value that SQLite takes: it has no text with half of a surrogate pair, which JSON has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def _text(value: str | bytes) -> str:
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value


def _listed_event(kind: str | bytes, recorded: Any, sequence: Any, collected: Any, extra: Any) -> EventMetadata:
    name = _text(kind)
    return EventMetadata(OWN_TEXT.get(name, name), recorded, sequence, collected, extra=_object(extra))


def _recorded_event(listed: EventMetadata, version: Any, event: Any, extra: Any) -> RecordedEvent | None:
    if event is None:
        return None
    made = structure(json.loads(event), Event)
    text = None if version is None else _text(version)
    return RecordedEvent(made, listed.recorded_ts, listed.sequence, text, extra=_object(extra))


def _json(extra: dict[str, Any]) -> str | None:
    return json.dumps(extra) if extra else None


def _object(extra: str | None) -> dict[str, Any]:
    return {} if extra is None else json.loads(extra)

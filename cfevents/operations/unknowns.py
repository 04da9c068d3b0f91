"""Kinds and payload fields that this version of the library does not know."""

from datetime import datetime

from attrs import frozen

from cfevents._model.api import EventId
from cfevents.events import KINDS
from cfevents.operations.journal import ConnectorResult, Journal, Record, accepts_any_events


@frozen
class Unknown(ConnectorResult):
    """A kind, or a field of a kind's payload, that this version does not know."""

    kind: str
    """Event kind (``k``)."""

    field: str | None
    """The payload's field; None if the kind itself is not in the catalogue."""

    count: int
    """Number of events that have it."""

    first_at: datetime
    """When the first of them was recorded."""

    last_at: datetime
    """When the last of them was recorded."""

    event_ids: tuple[EventId, ...]
    """The first and the last of them."""


@accepts_any_events
def unknowns(events: Journal) -> list[Unknown]:
    """Find kinds that are not in the catalogue, and fields that are not documented, or not of the documented type.

    Payloads have fields that the API's documentation does not list. They are found only if the payloads were read.

    Args:
        events: Events in any order.

    Returns:
        The unknown kinds and fields, by connector, kind and field.
    """
    unknowns: list[Unknown] = []
    for connector_id, records in events.connectors():
        seen: dict[tuple[str, str | None], tuple[Record, Record, int]] = {}
        for record in records:
            names = record.payload.unknown_fields
            for name in names if record.kind in KINDS else (None, *names):
                first, _, count = seen.get((record.kind, name), (record, record, 0))
                seen[record.kind, name] = first, record, count + 1
        for key, (first, last, count) in sorted(seen.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            ids = tuple(dict.fromkeys((first.id, last.id)))
            unknowns.append(Unknown(connector_id, *key, count, first.recorded_at, last.recorded_at, ids))
    return unknowns

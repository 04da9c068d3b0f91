"""Kinds and payload fields that this version of the library does not know."""

from datetime import datetime

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents.events import KINDS
from cfevents.operations.journal import Journal, Record, accepts_any_events


@frozen
class Unknown(HtmlRepr):
    """A kind, or a field of a kind's payload, that this version does not know."""

    connector_id: str | None
    """The connector; None if the events do not name it."""

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
    return [item for connector_id, records in events.connectors() for item in unknowns_of(connector_id, records)]


def unknowns_of(connector_id: str | None, records: list[Record]) -> list[Unknown]:
    """Return the kinds and fields of a connector's events that are not known."""
    seen: dict[tuple[str, str | None], tuple[Record, Record, int]] = {}
    for record in records:
        names = record.payload.unknown_fields
        for name in names if record.kind in KINDS else (None, *names):
            first, _, count = seen.get((record.kind, name), (record, record, 0))
            seen[record.kind, name] = first, record, count + 1
    found = [
        Unknown(
            connector_id, *key, count, first.recorded_at, last.recorded_at, tuple(dict.fromkeys((first.id, last.id)))
        )
        for key, (first, last, count) in seen.items()
    ]
    return sorted(found, key=lambda item: (item.kind, item.field or ""))

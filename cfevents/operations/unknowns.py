"""What this version of the library does not know: kinds, and fields of payloads."""

from datetime import datetime

from attrs import frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId
from cfevents.events import KINDS
from cfevents.operations._decorators import accepts_any_events
from cfevents.operations.journal import Journal, Record


@frozen
class Unknown(HtmlRepr):
    """A kind, or a field of a kind's payload, that this version does not know."""

    __module__ = "cfevents.operations"

    connector_id: str | None
    """Whose events have it; None where they do not say."""

    kind: str
    """Event kind (``k``)."""

    field: str | None
    """The payload's field; None where the kind itself is not in the catalogue."""

    count: int
    """How many events have it."""

    first_at: datetime
    """When the first of them was recorded."""

    last_at: datetime
    """When the last was."""

    event_ids: tuple[EventId, ...]
    """The first and the last of them."""


@accepts_any_events
def unknowns(events: Journal) -> list[Unknown]:
    """Find kinds that are not in the catalogue, and fields that are not documented, or not of the documented type.

    The API's documentation says that payloads have fields that it does not list. They are known only where the payloads
    are there.

    Args:
        events: Events in any order.

    Returns:
        What is not known, by connector, kind and field.
    """
    return [each for connector_id, records in events.connectors() for each in unknowns_of(connector_id, records)]


def unknowns_of(connector_id: str | None, records: list[Record]) -> list[Unknown]:
    """Find what is not known of a connector's events."""
    found: dict[tuple[str, str | None], tuple[Record, Record, int]] = {}
    for record in records:
        names = [*record.told.unknown] if record.told else []
        for name in names if record.kind in KINDS else [None, *names]:
            first, _, count = found.get((record.kind, name), (record, record, 0))
            found[record.kind, name] = first, record, count + 1
    return [
        Unknown(
            connector_id,
            kind,
            name,
            count,
            first.recorded_at,
            last.recorded_at,
            tuple(dict.fromkeys((first.id, last.id))),
        )
        for (kind, name), (first, last, count) in sorted(found.items(), key=lambda each: (each[0][0], each[0][1] or ""))
    ]

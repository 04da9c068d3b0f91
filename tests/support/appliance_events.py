"""Events of appliances, written as lines or made from histories, with their payloads."""

from collections.abc import Iterable
from typing import Any

from cfevents import EventDetail, EventMetadata, FleetEvent, RecordedEvent, structure
from cfevents.testing import History

BEGIN = 1_750_000_000
LAG = 5
MINUTE, HOUR, DAY = 60, 3600, 86_400

DetailedEvent = FleetEvent[EventDetail]


def event(
    at: float,
    kind: str,
    *,
    sequence: int = 0,
    connector: str = "site",
    lag: float = LAG,
    version: str | None = None,
    **payload: Any,
) -> DetailedEvent:
    """Return an event with its payload, recorded some seconds after `BEGIN`."""
    listed = EventMetadata(kind, BEGIN + at, sequence, BEGIN + at + lag)
    raw = {"e": {"k": kind, **payload}, "t": BEGIN + at, "n": sequence, "v": version}
    return FleetEvent(connector, EventDetail(listed, structure(raw, RecordedEvent)))


def events_at(*lines: str, connector: str = "site") -> list[DetailedEvent]:
    """Return events written as ``"60 Init"``, or with a tunnel as ``"60 RekeyStart a"``; 60 seconds after `BEGIN`."""
    events = []
    for number, line in enumerate(lines):
        at, kind, *tunnel = line.split()
        payload: dict[str, Any] = {"tunnel_id": tunnel[0]} if tunnel else {}
        events.append(event(int(at), kind, sequence=number, connector=connector, **payload))
    return events


def reconciles(begin: int, end: int, every: int = 5 * MINUTE, **options: Any) -> list[DetailedEvent]:
    """Return the events of a connector that reconciles regularly, between two times in seconds after `BEGIN`."""
    return [event(at, "Reconcile", sequence=1000, **options) for at in range(begin, end, every)]


def without_payloads(events: Iterable[DetailedEvent]) -> list[FleetEvent[EventMetadata]]:
    """Return the same events as they are listed."""
    return [FleetEvent(item.connector_id, item.event.metadata) for item in events]


def history_events(history: History) -> list[DetailedEvent]:
    """Return the events of a history."""
    return [_detailed(connector_id, raw) for connector_id, raws in history.events.items() for raw in raws]


def _detailed(connector_id: str, raw: dict[str, Any]) -> DetailedEvent:
    listed = EventMetadata(raw["e"]["k"], raw["t"], raw["n"], raw["a"])
    recorded = structure({name: value for name, value in raw.items() if name != "a"}, RecordedEvent)
    return FleetEvent(connector_id, EventDetail(listed, recorded))


def offsets(event_ids: Iterable[Any]) -> list[int]:
    """Return when some ids were recorded, in seconds after `BEGIN`."""
    return [int(event_id.recorded_ts - BEGIN) for event_id in event_ids]

"""What appliances did, told in lines, and made-up histories as events."""

from collections.abc import Iterable, Iterator
from typing import Any

from cfevents import EventDetail, EventMetadata, FleetEvent, RecordedEvent, structure
from cfevents.testing import History

BEGIN = 1_750_000_000
LAG = 5
MINUTE, HOUR, DAY = 60, 3600, 86_400

Told = FleetEvent[EventDetail]


def event(
    at: float,
    kind: str,
    *,
    sequence: int = 0,
    connector: str = "site",
    lag: float = LAG,
    version: str | None = None,
    **payload: Any,
) -> Told:
    """An event with its payload, some seconds after the beginning."""
    listed = EventMetadata(kind, BEGIN + at, sequence, BEGIN + at + lag)
    raw = {"e": {"k": kind, **payload}, "t": BEGIN + at, "n": sequence, "v": version}
    return FleetEvent(connector, EventDetail(listed, structure(raw, RecordedEvent)))


def story(*lines: str, connector: str = "site") -> list[Told]:
    """Events told as ``"60 Init"``, or with a tunnel as ``"60 RekeyStart a"``; the first word is in seconds."""
    events = []
    for number, line in enumerate(lines):
        at, kind, *tunnel = line.split()
        payload: dict[str, Any] = {"tunnel_id": tunnel[0]} if tunnel else {}
        events.append(event(int(at), kind, sequence=number, connector=connector, **payload))
    return events


def ticking(begin: int, end: int, every: int = 5 * MINUTE, **options: Any) -> list[Told]:
    """A connector that reconciles, from one second to another."""
    return [event(at, "Reconcile", sequence=1000, **options) for at in range(begin, end, every)]


def bare(events: Iterable[Told]) -> list[FleetEvent[EventMetadata]]:
    """The same events as they are listed, without payloads."""
    return [FleetEvent(each.connector_id, each.event.metadata) for each in events]


def events_of(history: History) -> list[Told]:
    """The events of a made-up history, with their payloads."""
    return [told for connector_id, raws in history.events.items() for told in _told(connector_id, raws)]


def _told(connector_id: str, raws: Iterable[dict[str, Any]]) -> Iterator[Told]:
    for raw in raws:
        listed = EventMetadata(raw["e"]["k"], raw["t"], raw["n"], raw["a"])
        recorded = structure({name: value for name, value in raw.items() if name != "a"}, RecordedEvent)
        yield FleetEvent(connector_id, EventDetail(listed, recorded))


def seconds(events: Iterable[Any]) -> list[int]:
    """When some ids were recorded, in seconds after the beginning."""
    return [int(each.recorded_ts - BEGIN) for each in events]

"""Events as flat JSON records, one per line. Nothing else is imported before there is an event."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from cfevents._time import format_iso

if TYPE_CHECKING:
    from cfevents._model.api import EventMetadata, RecordedEvent
    from cfevents._model.results import EventDetail, FollowedEvent


def listed_line(connector_id: str, event: "EventMetadata") -> dict[str, Any]:
    """Return the record of a listed event."""
    return {
        "connector_id": connector_id,
        "id": str(event.id),
        "kind": event.kind,
        "recorded_at": _iso(event, "recorded_at"),
        "collected_at": _iso(event, "collected_at"),
        "recorded_ts": event.recorded_ts,
        "sequence": event.sequence,
        "collected_ts": event.collected_ts,
        **_extra(event.extra),
    }


def recorded_line(connector_id: str, event: "RecordedEvent") -> dict[str, Any]:
    """Return the record of an event with its payload."""
    from cfevents._protocol.converter import unstructure  # noqa: PLC0415 - not needed for --help

    return {
        "connector_id": connector_id,
        "id": str(event.id),
        "kind": event.kind,
        "recorded_at": _iso(event, "recorded_at"),
        "recorded_ts": event.recorded_ts,
        "sequence": event.sequence,
        "version": event.version,
        "event": unstructure(event.event),
        **_extra(event.extra),
    }


def followed_line(item: "FollowedEvent[EventMetadata] | FollowedEvent[EventDetail]") -> dict[str, Any]:
    """Return the record of a followed event: as listed or detailed, and whether it was late."""
    from cfevents._model.api import EventMetadata  # noqa: PLC0415 - not needed for --help

    event = item.event
    if isinstance(event, EventMetadata):
        return {**listed_line(item.connector_id, event), "late": item.late}
    line = {**listed_line(item.connector_id, event.metadata), "late": item.late}
    return _with_payload(line, item.connector_id, event.recorded)


def detailed_line(connector_id: str, event: "EventDetail") -> dict[str, Any]:
    """Return the record of a listed event; ``version`` and ``event`` are null where there is no payload."""
    return _with_payload(listed_line(connector_id, event.metadata), connector_id, event.recorded)


def _with_payload(line: dict[str, Any], connector_id: str, recorded: "RecordedEvent | None") -> dict[str, Any]:
    payload = {} if recorded is None else recorded_line(connector_id, recorded)
    extra = _extra(line.get("extra", {}) | payload.get("extra", {}))
    return line | {name: payload.get(name) for name in ("version", "event")} | extra


def time_of(event: "EventMetadata | RecordedEvent", name: str) -> datetime | None:
    """Return a time of an event; None outside the years 1 to 9999."""
    with suppress(ValueError):
        return cast("datetime", getattr(event, name))
    return None


def _extra(fields: dict[str, Any]) -> dict[str, Any]:
    # Rarely present, and then not to be lost.
    return {"extra": fields} if fields else {}


def _iso(event: "EventMetadata | RecordedEvent", name: str) -> str | None:
    time = time_of(event, name)
    return None if time is None else format_iso(time)

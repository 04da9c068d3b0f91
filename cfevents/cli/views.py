"""How each sort of things is shown: the fields of its JSON object, the columns of its table."""

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import cfevents
from cfevents.cli.output import Row, View, terminal_width
from cfevents.lines import followed_line, listed_line, recorded_line, time_of

if TYPE_CHECKING:
    from cfevents import Connector, EventDetail, EventMetadata, RecordedEvent
    from cfevents.events import DocumentedEvent
    from cfevents.models import FollowedEvent

_NOTHING = "-"
_UUID_WIDTH = 36
_SHORT_ID_WIDTH = 9
_ROOM_FOR_UUIDS = 110
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def listed(connector_id: str) -> "View[EventMetadata]":
    """Show events of a connector as a listing has them; there may be any number, so the widths are given."""

    def rows(event: "EventMetadata") -> list[Row]:
        return [(_recorded(event), str(event.id), _lag(event), event.kind)]

    line = partial(listed_line, connector_id)
    return View(line, ("RECORDED (UTC)", "ID", "LAG", "KIND"), rows, widths=(19, 13, 7))


def followed(several: bool, details: bool) -> "View[FollowedEvent[EventMetadata] | FollowedEvent[EventDetail]]":
    """Show events as they come.

    Args:
        several: Whether it has to be told whose they are.
        details: Whether they come with their payloads.
    """
    # A UUID is shown whole, and an id beside a payload, where there is room for everything after it.
    narrow = terminal_width() < _ROOM_FOR_UUIDS
    owner = _SHORT_ID_WIDTH if narrow else _UUID_WIDTH
    columns = [
        ("CONNECTOR", owner, lambda item, _: _shortened(item.connector_id, owner), several),
        ("RECORDED (UTC)", 19, lambda _, event: _recorded(event), True),
        ("ID", 13, lambda _, event: str(event.id), not (several and details and narrow)),
        ("LAG", 7, lambda _, event: _lag(event), True),
        ("EVENT", 0, _told, True),
    ]
    titles, widths, cells, _ = zip(*(column for column in columns if column[-1]), strict=True)

    def rows(item: "FollowedEvent[EventMetadata] | FollowedEvent[EventDetail]") -> list[Row]:
        return [tuple(cell(item, getattr(item.event, "metadata", item.event)) for cell in cells)]

    return View(followed_line, titles, rows, widths[:-1])


def _told(item: "FollowedEvent[Any]", event: "EventMetadata") -> str:
    recorded = getattr(item.event, "recorded", None)
    late = ["(late)"] if item.late else []
    return "  ".join([event.kind, *late, *([] if recorded is None else _spelled(recorded))])


def recorded(connector_id: str) -> "View[RecordedEvent]":
    """Show events of a connector with their payloads, one a line."""

    def rows(event: "RecordedEvent") -> list[Row]:
        return [(_recorded(event), str(event.id), event.kind, "  ".join(_spelled(event)))]

    return View(partial(recorded_line, connector_id), ("RECORDED (UTC)", "ID", "KIND", "PAYLOAD"), rows)


def one(connector_id: str) -> "View[RecordedEvent]":
    """Show one event of a connector, a field a line."""

    def rows(event: "RecordedEvent") -> list[Row]:
        fields = {
            "connector": connector_id,
            "id": str(event.id),
            "kind": event.kind,
            "recorded (UTC)": _recorded(event),
            "version": event.version or _NOTHING,
        }
        payload = {f"event.{name}": value for name, value in _payload(event).items()}
        return list((fields | payload).items())

    return View(partial(recorded_line, connector_id), ("FIELD", "VALUE"), rows)


def _connector_record(connector: "Connector") -> dict[str, Any]:
    record: dict[str, Any] = cfevents.unstructure(connector)
    return record


def _connector_rows(connector: "Connector") -> list[Row]:
    about = (connector.id, connector.last_heartbeat, connector.notes)
    return [tuple(text or _NOTHING for text in about)]


CONNECTORS: "View[Connector]" = View(_connector_record, ("ID", "LAST HEARTBEAT", "NOTES"), _connector_rows)
"""Connectors, as the API describes them."""


def _payload_names(kind: "type[DocumentedEvent]") -> list[str]:
    from attrs import fields  # noqa: PLC0415 - not needed for --help

    return [field.name for field in fields(kind) if field.name != "extra"]


def _kind_record(kind: "type[DocumentedEvent]") -> dict[str, Any]:
    return {"kind": kind.kind, "description": kind.description, "payload": _payload_names(kind)}


def _kind_rows(kind: "type[DocumentedEvent]") -> list[Row]:
    return [(kind.kind, ", ".join(_payload_names(kind)) or _NOTHING, kind.description)]


KINDS: "View[type[DocumentedEvent]]" = View(_kind_record, ("KIND", "PAYLOAD", "DESCRIPTION"), _kind_rows)
"""Documented kinds of events."""


def _recorded(event: "EventMetadata | RecordedEvent") -> str:
    time = time_of(event, "recorded_at")
    return str(event.recorded_ts) if time is None else time.replace(tzinfo=None).isoformat(" ")


def _lag(event: "EventMetadata") -> str:
    return _duration(event.collected_ts - event.recorded_ts)


def _duration(seconds: float) -> str:
    sign, length = "-" if seconds < 0 else "", abs(seconds)
    for size, name, part_size, part_name in _UNITS:
        if length >= size:
            return f"{sign}{int(length // size)}{name}{int(length % size // part_size):02}{part_name}"
    return f"{sign}{length:g}s"


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _spelled(event: "RecordedEvent") -> list[str]:
    return [f"{name}={value}" for name, value in _payload(event).items()]


def _payload(event: "RecordedEvent") -> Mapping[str, str]:
    """Spell an event's payload: texts as they are, everything else as JSON."""
    sent: dict[str, Any] = cfevents.unstructure(event.event)
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in sent.items()
        if name != "k"
    }

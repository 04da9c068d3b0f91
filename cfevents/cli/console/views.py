"""How each sort of things is shown: the fields of its JSON object, the columns of its table."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import cfevents
import cfevents.testing
from cfevents._protocol.records import detailed_line, followed_line, listed_line, recorded_line, time_of
from cfevents.cli.console import styles
from cfevents.cli.console.output import Row, View, terminal_width
from cfevents.cli.console.timezones import Zone

if TYPE_CHECKING:
    from cfevents import FleetEvent, RecordedEvent

if TYPE_CHECKING:
    from cfevents import Connector, EventDetail, EventMetadata, FleetEvent, RecordedEvent
    from cfevents._model.results import FollowedEvent
    from cfevents.events import DocumentedEvent

    Item: TypeAlias = "FleetEvent[Any] | FollowedEvent[Any]"

_NOTHING = "-"
_UUID_WIDTH = 36
_SHORT_ID_WIDTH = 9
_ROOM_FOR_UUIDS = 110
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


class _Column(NamedTuple):
    title: str
    width: int
    style: str | Callable[[str], str]
    cell: "Callable[[Item, Any], str]"
    """Of an item, and of what is known of its event without its payload."""


def listed(zone: Zone, *, several: bool, details: bool) -> "View[FleetEvent[EventMetadata] | FleetEvent[EventDetail]]":
    """Show events of a listing.

    Args:
        zone: Where times are shown.
        several: Whether it has to be told whose they are.
        details: Whether they come with their payloads.
    """
    line = detailed_line if details else listed_line
    columns = _columns(zone, several=several, details=details, last="EVENT" if details else "KIND")
    return _table(lambda item: line(item.connector_id, item.event), columns)


def followed(
    zone: Zone, *, several: bool, details: bool
) -> "View[FollowedEvent[EventMetadata] | FollowedEvent[EventDetail]]":
    """Show events as they come; for the arguments see `listed`."""
    return _table(followed_line, _columns(zone, several=several, details=details, last="EVENT"))


def _table(line: Callable[[Any], dict[str, Any]], columns: list[_Column]) -> View[Any]:
    """Put columns side by side; there may be any number of events, so the widths are given."""
    titles, widths, looks, cells = zip(*columns, strict=True)

    def rows(item: "Item") -> list[Row]:
        event = event_of(item)
        return [tuple(cell(item, event) for cell in cells)]

    return View(line, titles, rows, widths[:-1], looks)


def _columns(zone: Zone, *, several: bool, details: bool, last: str) -> list[_Column]:
    # A UUID is shown whole, and an id beside a payload, where there is room for everything after it.
    narrow = terminal_width() < _ROOM_FOR_UUIDS
    columns = [
        (several, _owner(narrow)),
        (True, _time(zone)),
        (not (several and details and narrow), _ID),
        (True, _Column("LAG", 7, styles.QUIET, lambda _, event: _lag(event))),
        (True, _Column(last, 0, styles.of_event, _told)),
    ]
    return [column for is_shown, column in columns if is_shown]


def _owner(narrow: bool) -> _Column:
    width = _SHORT_ID_WIDTH if narrow else _UUID_WIDTH
    return _Column("CONNECTOR", width, styles.NAME, lambda item, _: shortened(item.connector_id, width))


def _time(zone: Zone) -> _Column:
    return _Column(zone.titled("RECORDED"), zone.width, "", lambda _, event: _recorded(event, zone))


_ID = _Column("ID", 13, "", lambda _, event: str(event.id))


def _told(item: "Item", event: "EventMetadata") -> str:
    recorded = getattr(item.event, "recorded", None)
    late = ["(late)"] if getattr(item, "late", False) else []
    return "  ".join([event.kind, *late, *([] if recorded is None else _spelled(recorded))])


def recorded(zone: Zone, *, several: bool) -> "View[FleetEvent[RecordedEvent]]":
    """Show events with their payloads, one a line; for the arguments see `listed`."""

    def line(item: "FleetEvent[RecordedEvent]") -> dict[str, Any]:
        return recorded_line(item.connector_id, item.event)

    if several:
        event = _Column("EVENT", 0, styles.of_event, lambda _, event: "  ".join([event.kind, *_spelled(event)]))
        return _table(line, [_owner(terminal_width() < _ROOM_FOR_UUIDS), _time(zone), _ID, event])

    def rows(item: "FleetEvent[RecordedEvent]") -> list[Row]:
        event = item.event
        return [(_recorded(event, zone), str(event.id), event.kind, "  ".join(_spelled(event)))]

    looks = ("", "", styles.of_event, "")
    return View(line, (zone.titled("RECORDED"), "ID", "KIND", "PAYLOAD"), rows, styles=looks)


def one(connector_id: str, zone: Zone) -> "View[RecordedEvent]":
    """Show one event of a connector, a field a line."""

    def rows(event: "RecordedEvent") -> list[Row]:
        fields = {
            "connector": connector_id,
            "id": str(event.id),
            "kind": event.kind,
            zone.titled("recorded"): _recorded(event, zone),
            "version": event.version or _NOTHING,
        }
        payload = {f"event.{name}": value for name, value in _payload(event).items()}
        return list((fields | payload).items())

    return View(partial(recorded_line, connector_id), ("FIELD", "VALUE"), rows, styles=(styles.NAME, ""))


def connectors(zone: Zone) -> "View[Connector]":
    """Show connectors, as the API describes them."""

    def rows(connector: "Connector") -> list[Row]:
        return [(connector.id, _heartbeat(connector, zone), connector.notes or _NOTHING)]

    titles = ("ID", zone.titled("LAST HEARTBEAT"), "NOTES")
    return View(_connector_record, titles, rows, styles=(styles.NAME, "", ""))


def _connector_record(connector: "Connector") -> dict[str, Any]:
    record: dict[str, Any] = cfevents.unstructure(connector)
    return record


def _heartbeat(connector: "Connector", zone: Zone) -> str:
    text = connector.last_heartbeat or _NOTHING
    try:
        time = dt.datetime.fromisoformat(text)
        return text if time.tzinfo is None else zone.shown(time)
    except (OverflowError, OSError, ValueError):
        return text


def _payload_names(kind: "type[DocumentedEvent]") -> list[str]:
    from attrs import fields  # noqa: PLC0415 - not needed for --help

    return [field.name for field in fields(kind) if field.name != "extra"]


def _kind_record(kind: "type[DocumentedEvent]") -> dict[str, Any]:
    return {"kind": kind.kind, "description": kind.description, "payload": _payload_names(kind)}


def _kind_rows(kind: "type[DocumentedEvent]") -> list[Row]:
    return [(kind.kind, ", ".join(_payload_names(kind)) or _NOTHING, kind.description)]


KINDS: "View[type[DocumentedEvent]]" = View(
    _kind_record, ("KIND", "PAYLOAD", "DESCRIPTION"), _kind_rows, styles=(styles.NAME, "", "")
)
"""Documented kinds of events."""


def _recorded(event: "EventMetadata | RecordedEvent", zone: Zone) -> str:
    time = time_of(event, "recorded_at")
    try:
        return str(event.recorded_ts) if time is None else zone.shown(time)
    except (OverflowError, OSError, ValueError):
        return str(event.recorded_ts)


def _lag(event: "EventMetadata") -> str:
    return _duration(event.collected_ts - event.recorded_ts)


def _duration(seconds: float) -> str:
    sign, length = "-" if seconds < 0 else "", abs(seconds)
    for size, name, part_size, part_name in _UNITS:
        if length >= size:
            return f"{sign}{int(length // size)}{name}{int(length % size // part_size):02}{part_name}"
    return f"{sign}{length:g}s"


def shortened(text: str, width: int) -> str:
    """Leave out what of an id has no room."""
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


def event_of(item: "Item | FollowedEvent[Any]") -> "EventMetadata":
    """Give what is listed of an event, whether or not it comes with its payload."""
    event: Any = item.event
    listed: EventMetadata = getattr(event, "metadata", event)
    return listed

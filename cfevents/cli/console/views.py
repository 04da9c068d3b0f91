"""The views of events and kinds: the fields of their JSON objects, the columns of their tables.

`writer` prints items in their view.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from attrs import fields

import cfevents
from cfevents._model.results import EVENT_COLUMNS, PAYLOAD_COLUMNS
from cfevents._protocol.records import detailed_line, followed_line, listed_line, recorded_line, time_of
from cfevents.cli.console.errors import WrongUsage
from cfevents.cli.console.output import (
    Colour,
    Row,
    Style,
    T,
    View,
    Zone,
    csv_writer,
    select_columns,
    terminal_width,
    write_stdout,
)
from cfevents.events import KINDS

if TYPE_CHECKING:
    from cfevents import EventDetail, EventMetadata, FleetEvent, RecordedEvent
    from cfevents._model.results import FollowedEvent
    from cfevents.events import DocumentedEvent

    Item: TypeAlias = "FleetEvent[Any] | FollowedEvent[Any]"

_NOTHING = "-"
_UUID_CHARS = 36
_SHORT_ID_CHARS = 9
# From this width on, a table shows the whole ids of connectors, and lags beside payloads.
_WIDE_TERMINAL_CHARS = 110
_LAG_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
_COLOURS_BY_ENDING = {
    "Failure": Colour.BAD,
    "Error": Colour.BAD,
    "Reset": Colour.BAD,
    "Success": Colour.GOOD,
    "Pending": Colour.NOTABLE,
}
_COLOURS_BY_SEVERITY = {
    "": Colour.NONE,
    "ok": Colour.GOOD,
    "info": Colour.QUIET,
    "unknown": Colour.QUIET,
    "warning": Colour.NOTABLE,
}
_RECORDED_FIELDS = ("connector_id", "id", "recorded_at", "sequence", "kind", *PAYLOAD_COLUMNS)


class _Column(NamedTuple):
    title: str
    width: int
    colour: Colour | Callable[[str], Colour]
    cell: "Callable[[Item, Any], str]"  # the text for an item and its event without payload


def writer(view: View[T], style: Style) -> Callable[[Sequence[T]], None]:
    """Return a function that prints items on stdout, and at each call appends to what it has printed.

    Raises:
        WrongUsage: The view has no such column, or the style no columns to choose.
    """
    if style.is_table:
        from cfevents.cli.console.table import Table  # noqa: PLC0415 - rich is loaded for tables only

        return Table(select_columns(view, style.columns), has_header=style.headers).write
    if style.format == "csv":
        return csv_writer(view, style)
    if style.columns:
        raise WrongUsage("--columns is for tables and CSV: add --format table or --format csv; for JSON, use jq")
    return lambda items: write_stdout("".join(json.dumps(view.record(item)) + "\n" for item in items))


def severity_colour(severity: str) -> Colour:
    """Return the colour of a finding's severity, or of a verdict of `cfevents doctor`."""
    return _COLOURS_BY_SEVERITY.get(severity, Colour.BAD)


def event_colour(cell: str) -> Colour:
    """Return the colour of a cell that begins with an event's kind."""
    kind, _, rest = cell.partition(" ")
    if rest.lstrip().startswith("(late)"):
        return Colour.NOTABLE
    if kind not in KINDS:
        return Colour.UNKNOWN
    return next((colour for ending, colour in _COLOURS_BY_ENDING.items() if kind.endswith(ending)), Colour.NONE)


def listed(zone: Zone, *, several: bool, details: bool) -> "View[FleetEvent[EventMetadata] | FleetEvent[EventDetail]]":
    """Return the view of a listing's events, in which a column names the connectors if there may be several."""
    line = detailed_line if details else listed_line
    columns = _event_columns(zone, several=several, last="EVENT" if details else "KIND")
    view = _event_view(lambda item: line(item.connector_id, item.event), columns)
    view = view._replace(hidden=_hidden(several=several, details=details))
    return view._replace(fields=_fields(details), cells=partial(_cells, details))


def followed(
    zone: Zone, *, several: bool, details: bool
) -> "View[FollowedEvent[EventMetadata] | FollowedEvent[EventDetail]]":
    """Return the view of followed events, with a column as in `listed`."""
    view = _event_view(followed_line, _event_columns(zone, several=several, last="EVENT"))
    view = view._replace(hidden=_hidden(several=several, details=details))
    fields = (*_fields(details), "late")
    return view._replace(fields=fields, cells=lambda item: [*_cells(details, item), item.late])


def _hidden(*, several: bool, details: bool) -> Row:
    """Return the columns that give room to payloads in a narrow table: with the id, another command reads the rest."""
    return ("LAG",) if several and details and is_narrow() else ()


def _fields(details: bool) -> Row:
    return EVENT_COLUMNS + (PAYLOAD_COLUMNS if details else ())


def _cells(details: bool, item: "Item") -> list[Any]:
    """Return the cells of CSV, which are those of an export."""
    from cfevents._export.formats import event_cells, payload_cells  # noqa: PLC0415 - not needed for tables

    cells = event_cells(item.connector_id, metadata_of(item))
    return cells + payload_cells(item.event.recorded) if details else cells


def recorded(zone: Zone, *, several: bool) -> "View[FleetEvent[RecordedEvent]]":
    """Return the view of events with their payloads, a row each."""

    def line(item: "FleetEvent[RecordedEvent]") -> dict[str, Any]:
        return recorded_line(item.connector_id, item.event)

    if several:
        event_column = _Column(
            "EVENT", 0, event_colour, lambda _, event: "  ".join([event.kind, *_payload_words(event)])
        )
        view = _event_view(line, [_connector_column(is_narrow()), _time_column(zone), _ID_COLUMN, event_column])
        return view._replace(fields=_RECORDED_FIELDS, cells=lambda item: _recorded_cells(item.connector_id, item.event))

    def rows(item: "FleetEvent[RecordedEvent]") -> list[Row]:
        event = item.event
        return [(_recorded_time(event, zone), str(event.id), event.kind, "  ".join(_payload_words(event)))]

    titles = (zone.titled("RECORDED"), "ID", "KIND", "PAYLOAD")
    colours = (Colour.NONE, Colour.NONE, event_colour, Colour.NONE)
    return View(
        line, titles, rows, colours, (), _RECORDED_FIELDS, lambda item: _recorded_cells(item.connector_id, item.event)
    )


def one(connector_id: str, zone: Zone) -> "View[RecordedEvent]":
    """Return the view of one event of a connector, a row for each field."""

    def rows(event: "RecordedEvent") -> list[Row]:
        return [
            ("connector", connector_id),
            ("id", str(event.id)),
            ("kind", event.kind),
            (zone.titled("recorded"), _recorded_time(event, zone)),
            ("version", event.version or _NOTHING),
            *((f"event.{name}", value) for name, value in _payload_texts(event).items()),
        ]

    line, cells = partial(recorded_line, connector_id), partial(_recorded_cells, connector_id)
    return View(line, ("FIELD", "VALUE"), rows, (Colour.NAME, Colour.NONE), (), _RECORDED_FIELDS, cells)


def _recorded_cells(connector_id: str, event: "RecordedEvent") -> list[Any]:
    from cfevents._export.formats import payload_cells  # noqa: PLC0415 - not needed for tables

    line = recorded_line(connector_id, event)
    return [*(line[name] for name in _RECORDED_FIELDS[: -len(PAYLOAD_COLUMNS)]), *payload_cells(event)]


def kinds() -> "View[type[DocumentedEvent]]":
    """Return the view of documented kinds of events."""

    def payload(kind: "type[DocumentedEvent]") -> list[str]:
        return [field.name for field in fields(kind) if field.name != "extra"]

    def record(kind: "type[DocumentedEvent]") -> dict[str, Any]:
        return {"kind": kind.kind, "description": kind.description, "payload": payload(kind)}

    def rows(kind: "type[DocumentedEvent]") -> list[Row]:
        return [(kind.kind, ", ".join(payload(kind)) or _NOTHING, kind.description)]

    titles, colours = ("KIND", "PAYLOAD", "DESCRIPTION"), (Colour.NAME, Colour.NONE, Colour.NONE)
    return View(record, titles, rows, colours, (), ("kind", "description", "payload"))


def shorten_id(connector_id: str, width: int = _SHORT_ID_CHARS) -> str:
    """Return the beginning of an id that is longer than a width."""
    return connector_id if len(connector_id) <= width else connector_id[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def metadata_of(item: "Item") -> "EventMetadata":
    """Return an item's event without its payload."""
    event: Any = item.event
    metadata: EventMetadata = getattr(event, "metadata", event)
    return metadata


def _event_view(line: Callable[[Any], dict[str, Any]], columns: list[_Column]) -> View[Any]:
    """Return a view of any number of events, whose widths are therefore fixed."""
    titles, widths, colours, cells = zip(*columns, strict=True)

    def rows(item: "Item") -> list[Row]:
        event = metadata_of(item)
        return [tuple(cell(item, event) for cell in cells)]

    return View(line, titles, rows, colours, widths[:-1])


def _event_columns(zone: Zone, *, several: bool, last: str) -> list[_Column]:
    columns = [
        _time_column(zone),
        _ID_COLUMN,
        _Column("LAG", 7, Colour.QUIET, lambda _, event: _lag(event.collected_ts - event.recorded_ts)),
        _Column(last, 0, event_colour, _event_words),
    ]
    return [_connector_column(is_narrow()), *columns] if several else columns


def is_narrow() -> bool:
    """Return True if a table has no room for whole ids."""
    return terminal_width() < _WIDE_TERMINAL_CHARS


def _connector_column(narrow: bool) -> _Column:
    width = _SHORT_ID_CHARS if narrow else _UUID_CHARS
    return _Column("CONNECTOR", width, Colour.NAME, lambda item, _: shorten_id(item.connector_id, width))


def _time_column(zone: Zone) -> _Column:
    return _Column(zone.titled("RECORDED"), zone.width, Colour.NONE, lambda _, event: _recorded_time(event, zone))


_ID_COLUMN = _Column("ID", 13, Colour.NONE, lambda _, event: str(event.id))


def _event_words(item: "Item", event: "EventMetadata") -> str:
    recorded = getattr(item.event, "recorded", None)
    late = ["(late)"] if getattr(item, "late", False) else []
    return "  ".join([event.kind, *late, *([] if recorded is None else _payload_words(recorded))])


def _payload_words(event: "RecordedEvent") -> list[str]:
    return [f"{name}={value}" for name, value in _payload_texts(event).items()]


def _payload_texts(event: "RecordedEvent") -> dict[str, str]:
    """Return an event's payload: text as it is, everything else as JSON."""
    payload: dict[str, Any] = cfevents.unstructure(event.event)
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in payload.items()
        if name != "k"
    }


def _recorded_time(event: "EventMetadata | RecordedEvent", zone: Zone) -> str:
    time, default = time_of(event, "recorded_at"), str(event.recorded_ts)
    return default if time is None else zone.format(time, default)


def _lag(seconds: float) -> str:
    sign, length = "-" if seconds < 0 else "", abs(seconds)
    for size, unit, part_size, part_unit in _LAG_UNITS:
        if length >= size:
            return f"{sign}{int(length // size)}{unit}{int(length % size // part_size):02}{part_unit}"
    return f"{sign}{length:g}s"

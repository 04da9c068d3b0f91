"""The views of connectors: as the API describes them, and as an archive counts their events."""

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import cfevents
from cfevents import _time
from cfevents._model.api import EventMetadata
from cfevents._protocol.records import time_of
from cfevents._secrets import MASK, replace_license_keys
from cfevents.cli.console.output import Colour, Row, View, Zone, csv_cell, terminal_width
from cfevents.cli.console.views import is_narrow, shorten_id
from cfevents.operations.limits import Limits

if TYPE_CHECKING:
    from cfevents import Connector

_NOTHING = "-"
_SHORT_SERIAL_CHARS = 12
_SHORT_VERSION_CHARS = 10
# From this width on, a table shows whole serial numbers and versions.
_ROOMY_TERMINAL_CHARS = 140
_FIELDS = ("id", "activated", "last_heartbeat", "last_seen_version", "notes", "timezone", "device", "serial_number")
_ARCHIVED_FIELDS = ("id", "first_at", "last_at", "events", "serial_number", "notes")
_STATES = {True: "activated", False: "not activated", None: _NOTHING}


class ArchivedConnector(NamedTuple):
    """A connector of an archive: its first and last event, in seconds since the Unix epoch, and their number."""

    connector: "Connector"
    first_ts: float | None = None
    last_ts: float | None = None
    events: int = 0


def connectors(zone: Zone) -> "View[Connector]":
    """Return the view of connectors; a narrow table shortens ids, and has ages in place of times."""
    narrow, colours = is_narrow(), dict[str, Colour]()

    def record(connector: "Connector") -> dict[str, Any]:
        fields: dict[str, Any] = replace_license_keys(cfevents.unstructure(connector), lambda key: key and MASK)
        return fields

    def rows(connector: "Connector") -> list[Row]:
        version = connector.last_seen_version or _NOTHING
        heartbeat, colour = _heartbeat(connector, zone, is_age=narrow)
        colours[heartbeat] = colour
        if terminal_width() < _ROOMY_TERMINAL_CHARS:
            version = shorten_id(version, _SHORT_VERSION_CHARS)
        state, notes = _STATES[connector.activated], connector.notes or _NOTHING
        return [(*_names(connector), version, state, heartbeat, notes)]

    def cells(connector: "Connector") -> list[Any]:
        values = record(connector) | {"serial_number": _serial(connector)}
        return [csv_cell(values.get(name)) for name in _FIELDS]

    title = "LAST HEARTBEAT" if narrow else zone.titled("LAST HEARTBEAT")
    titles = ("ID", "SERIAL", "VERSION", "STATE", title, "NOTES")
    chosen = (Colour.NAME, Colour.NONE, Colour.NONE, _state_colour, lambda cell: colours.get(cell, Colour.NONE))
    return View(record, titles, rows, (*chosen, Colour.NONE), (), _FIELDS, cells)


def archived(zone: Zone) -> View[ArchivedConnector]:
    """Return the view of the connectors of an archive; a narrow table shortens ids, and has ages in place of times."""
    narrow = is_narrow()

    def record(archived: ArchivedConnector) -> dict[str, Any]:
        connector, first, last = archived.connector, _time_of(archived.first_ts), _time_of(archived.last_ts)
        iso = {"first_at": first and _time.format_iso(first), "last_at": last and _time.format_iso(last)}
        names = {"serial_number": _serial(connector), "notes": connector.notes}
        return {"id": connector.id, **iso, "events": archived.events, **names}

    def cell(ts: float | None) -> str:
        if (moment := _time_of(ts)) is None:
            return _NOTHING if ts is None else str(ts)
        return (narrow and _age(moment)) or zone.format(moment, str(ts))

    def rows(archived: ArchivedConnector) -> list[Row]:
        counts = cell(archived.first_ts), cell(archived.last_ts), f"{archived.events:,}"
        return [(*_names(archived.connector), *counts, archived.connector.notes or _NOTHING)]

    times = [title if narrow else zone.titled(title) for title in ("FIRST EVENT", "LAST EVENT")]
    titles = ("ID", "SERIAL", *times, "EVENTS", "NOTES")
    return View(record, titles, rows, (Colour.NAME, *[Colour.NONE] * 5), (), _ARCHIVED_FIELDS)


def _serial(connector: "Connector") -> str | None:
    return connector.device.serial_number if connector.device else None


def _names(connector: "Connector") -> tuple[str, str]:
    """Return the id and the serial number, as much of them as a table has room for."""
    serial = _serial(connector) or _NOTHING
    if terminal_width() < _ROOMY_TERMINAL_CHARS:
        serial = shorten_id(serial, _SHORT_SERIAL_CHARS)
    return shorten_id(connector.id) if is_narrow() else connector.id, serial


def _time_of(ts: float | None) -> dt.datetime | None:
    return None if ts is None else time_of(EventMetadata("", ts, 0, ts), "recorded_at")


def _state_colour(state: str) -> Colour:
    return Colour.QUIET if state == _STATES[False] else Colour.NONE


def _heartbeat(connector: "Connector", zone: Zone, *, is_age: bool) -> tuple[str, Colour]:
    """Return the time or the age of the last heartbeat, and its colour: notable where a report could call it a gap."""
    text, moment = connector.last_heartbeat or _NOTHING, connector.last_heartbeat_at
    if moment is None:
        return text, Colour.NONE
    colour = Colour.NOTABLE if _time.to_datetime(_time.now()) - moment > Limits().gap_least else Colour.NONE
    return (is_age and _age(moment)) or zone.format(moment, text), colour


def _age(moment: dt.datetime) -> str:
    """Return how long ago a time was; nothing for one in the future."""
    age = _time.to_datetime(_time.now()) - moment
    return f"{_time.format_duration(age).partition(' ')[0]} ago" if age >= dt.timedelta(0) else ""

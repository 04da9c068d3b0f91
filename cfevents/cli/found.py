"""How findings are shown: the fields of their JSON object, the columns of their table."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cfevents.cli.console import styles
from cfevents.cli.console.output import Row, View, terminal_width
from cfevents.cli.console.timezones import Zone
from cfevents.cli.console.views import shortened

if TYPE_CHECKING:
    from cfevents.operations import Finding

_SHORT_ID = 9
_ROOM_FOR_UUIDS = 120
_TOLD_BY_PAYLOADS = ("tunnel_id", "url", "version")


def findings(zone: Zone) -> "View[Finding]":
    """Show findings, one a line, with times in a zone."""
    narrow = terminal_width() < _ROOM_FOR_UUIDS

    def rows(finding: "Finding") -> list[Row]:
        owner = finding.connector_id or ""
        owner = shortened(owner, _SHORT_ID) if narrow else owner
        return [(finding.severity, _shown(finding.first_at, zone), owner, _told(finding))]

    titles = ("SEVERITY", zone.titled("FIRST"), "CONNECTOR", "FINDING")
    return View(_record, titles, rows, styles=(styles.of_verdict, "", styles.NAME, ""))


def _shown(moment: datetime, zone: Zone) -> str:
    try:
        return zone.shown(moment.replace(microsecond=0))
    except (OverflowError, OSError, ValueError):  # a finding of the year 1 or 9999
        return _iso(moment)


def _told(finding: "Finding") -> str:
    known = [f"{name}={finding.details[name]}" for name in _TOLD_BY_PAYLOADS if name in finding.details]
    return "  ".join([f"{finding.kind}: {finding.message}", *known])


def _record(finding: "Finding") -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "connector_id": finding.connector_id,
        "first_at": _iso(finding.first_at),
        "last_at": _iso(finding.last_at),
        "message": finding.message,
        "event_ids": [str(event_id) for event_id in finding.event_ids],
        "details": {name: _plain(value) for name, value in finding.details.items()},
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value

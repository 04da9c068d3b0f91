"""Reports whose pages are hard to write."""

from typing import Any

from cfevents import Connector, operations, structure
from cfevents.operations import Report
from support.appliance_events import BEGIN, DAY, event

HOSTILE = (
    "</title></style></script><script>window.broken=1</script>\"'<img src=//e.example onerror=window.broken=1>"
    "<svg onload=window.broken=1><a href=javascript:window.broken=1>&lt;\x00\ud800\u202e]]>${style}"
)
"""Text that tries to be more."""


def hostile_report() -> Report:
    """A report in which every text of the API is hostile."""
    payload: dict[str, Any] = {"url": HOSTILE, "version": HOSTILE}
    unknown: dict[str, Any] = {HOSTILE: HOSTILE}
    events = [
        event(0, "StartUpgrade", connector=HOSTILE, **payload),
        event(70, "FinishUpgradeFailure", connector=HOSTILE, **payload),
        event(80, "RekeyReset", connector=HOSTILE, tunnel_id=HOSTILE),
        event(90, HOSTILE, connector=HOSTILE, **unknown),
        event(95, "Init", connector=HOSTILE, **unknown),
    ]
    device = {"id": HOSTILE, "serial_number": HOSTILE}
    named = {"id": HOSTILE, "activated": True, "last_updated": "", "notes": HOSTILE, "device": device}
    connectors = [structure(named, Connector)]
    return operations.report(events, since=BEGIN, until=BEGIN + DAY, connectors=connectors)

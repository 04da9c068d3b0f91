"""The severity of an event by its kind, for the formats that want one of each event."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfevents.operations.rules import Severity


def event_severity(kind: str) -> "Severity":
    """Return the severity of the finding that an event of this kind leads to by itself; else ``"info"``.

    A kind that is not documented is judged by its name, as the documented ones are named.
    """
    if kind == "RekeyReset":
        return "critical"
    if kind.endswith("Failure"):
        return "error"
    return "warning" if kind.endswith("Error") else "info"


def item_severity(item: Any, kind: str) -> "Severity":
    """Return the severity of a finding that is delivered, or of an event of a kind."""
    severity: Severity = item.finding.severity if hasattr(item, "finding") else event_severity(kind)
    return severity

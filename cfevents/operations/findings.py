"""What is worth a look."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from attrs import field, frozen

from cfevents._html import HtmlRepr
from cfevents._model.api import EventId

Severity: TypeAlias = Literal["info", "warning", "error", "critical"]
"""How bad it is, ascending."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The severities, ascending."""


@frozen
class Finding(HtmlRepr):
    """Something that is worth a look."""

    __module__ = "cfevents.operations"

    kind: str
    """What it is, such as ``"failed_upgrade"``."""

    severity: Severity
    """How bad it is: ``"info"``, ``"warning"``, ``"error"`` or ``"critical"``."""

    connector_id: str | None
    """Where; None where the events do not say."""

    first_at: datetime
    """When it began."""

    last_at: datetime
    """When it was over, or when the last event that shows it was recorded."""

    message: str
    """What happened, in a sentence."""

    event_ids: tuple[EventId, ...]
    """The events that show it, ascending."""

    details: Mapping[str, Any] = field(factory=dict, hash=False)
    """What else is known, such as ``url``, ``version`` or ``tunnel_id``; what is not known is left out."""

    def __str__(self) -> str:
        """Say it in a line."""
        where = "" if self.connector_id is None else f"  {self.connector_id}"
        return f"{self.severity:<8}  {self.first_at:%Y-%m-%d %H:%M:%S}{where}  {self.kind}: {self.message}"

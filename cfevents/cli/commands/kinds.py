"""The command that lists the documented kinds of events. It sends no request."""

from cfevents.cli.console import views
from cfevents.events import KINDS


def list_kinds(*, format_: str | None, simulate: bool) -> None:
    """Print the documented kinds of events."""
    del simulate
    views.writer(views.kinds(), format_)([*KINDS.values()])

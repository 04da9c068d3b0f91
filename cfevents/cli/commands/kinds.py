"""The command that lists the documented kinds of events. It sends no request."""

from cfevents.cli.console import views
from cfevents.cli.options import CommandOptions
from cfevents.events import KINDS


def list_kinds(options: CommandOptions) -> None:
    """Print the documented kinds of events."""
    views.writer(views.kinds(), options.style)([*KINDS.values()])

"""The command that lists the documented kinds of events. It sends no request."""

from cfevents.cli.console import views
from cfevents.cli.options import Options
from cfevents.events import KINDS


def list_kinds(options: Options) -> None:
    """Print the documented kinds of events."""
    views.writer(views.kinds(), options.format_)([*KINDS.values()])

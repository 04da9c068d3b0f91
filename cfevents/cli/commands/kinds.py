"""The command that asks nobody: the documented kinds of events."""

import click

from cfevents.cli.console import views
from cfevents.cli.console.writer import writer
from cfevents.cli.options import example, format_option, simulate_option


@click.command("kinds", epilog=example("cfevents kinds --format table"))
@format_option
@simulate_option
def list_kinds(format_: str | None, simulate: bool) -> None:
    """List the documented kinds of events. No API is asked, so that --simulate changes nothing."""
    del simulate
    # Straight from its module: the rest of the library would be loaded along, and is not needed.
    from cfevents.events import KINDS  # noqa: PLC0415

    writer(views.KINDS, format_)(list(KINDS.values()))

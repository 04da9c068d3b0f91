"""What several commands have in common on the command line."""

import click

from cfevents.cli.output import FORMATS

simulate_option = click.option(
    "--simulate",
    is_flag=True,
    help="Ask a made-up account on this machine; its past is made anew each day at 00:00 UTC.",
)
"""``--simulate``: no account is needed."""

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="How to print: table (default on a terminal) or ndjson, one JSON object a line (default elsewhere).",
)
"""``--format``: None where it is left to where the output goes."""

connector_argument = click.argument("connector", required=False, metavar="[CONNECTOR]")
"""The connector's id, which only ``--simulate`` can do without."""


def example(*lines: str) -> str:
    """Make a help's last lines: commands that work as they stand."""
    # \b keeps click from filling the paragraph.
    return "\n  ".join(["\b\nExample:", *lines])


def require_connector(connector: str | None, simulate: bool) -> None:
    """Check that there is a connector to ask about.

    Raises:
        UsageError: There is none.
    """
    if connector is None and not simulate:
        raise click.UsageError(
            "CONNECTOR is missing: 'cfevents connectors' lists those of the account.",
            ctx=click.get_current_context(),
        )

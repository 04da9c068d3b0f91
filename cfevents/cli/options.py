"""What several commands have in common on the command line."""

from typing import TYPE_CHECKING, Any

import click

from cfevents.cli.console.output import FORMATS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _one_source(context: click.Context, _: click.Parameter, value: Any) -> Any:
    """Check that only one of two is read from: whichever option comes later knows of the other."""
    if value and (context.params.get("simulate") or context.params.get("archive")):
        raise click.UsageError("--simulate and --archive are two places to read from: leave one of them out.")
    return value


simulate_option = click.option(
    "--simulate",
    is_flag=True,
    callback=_one_source,
    help="Ask a made-up account on this machine; its past is made anew each day at 00:00 UTC, and goes on from now.",
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


connectors_argument = click.argument("connectors", nargs=-1, metavar="[CONNECTOR]...")
"""The ids of connectors, where there may be several."""

all_option = click.option("--all", "all_", is_flag=True, help="All connectors of the account.")
"""``--all`` instead of ids; connectors that are new are found, too."""

archive_option = click.option(
    "--archive",
    type=click.Path(exists=True, dir_okay=False),
    metavar="PATH",
    callback=_one_source,
    help="Read from this archive instead, as 'cfevents archive' has filled it; nobody is asked.",
)
"""``--archive``: no account is needed; None where the API is asked."""


def _complete_kinds(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Complete the name of a kind, in whatever case it was begun."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - it takes its time to load

    # Straight from its module: the rest of the library would be loaded along, and is not needed.
    from cfevents.events import KINDS  # noqa: PLC0415

    wanted = incomplete.lower()
    return [
        CompletionItem(name, help=kind.description) for name, kind in KINDS.items() if name.lower().startswith(wanted)
    ]


kind_option = click.option(
    "--kind",
    "kinds",
    multiple=True,
    shell_complete=_complete_kinds,
    help="Only this kind of event; may be given several times.",
)
"""``--kind``: completed from the catalogue, but any name may be asked for."""

interval_option = click.option(
    "--interval", default="30s", show_default=True, help="How often each connector is asked for new events."
)
"""``--interval``: for what goes on."""

lookback_option = click.option(
    "--lookback",
    default="24h",
    show_default=True,
    help="How late an event may come: how long after it was recorded it may be collected.",
)
"""``--lookback``: for what goes on."""

details_option = click.option("--details", is_flag=True, help="With the payloads; each costs a request.")
"""``--details``: each event as `get` shows it."""

speed_option = click.option(
    "--speed",
    type=click.FloatRange(1, 86400),
    metavar="N",
    help="Let the made-up history go on N times faster than real time.",
)
"""``--speed``: None is real time."""


def example(*lines: str) -> str:
    """Make a help's last lines: commands that work as they stand."""
    # \b keeps click from filling the paragraph.
    return "\n  ".join(["\b\nExample:", *lines])


def require_connectors(connectors: tuple[str, ...], all_: bool, simulate: bool) -> None:
    """Check that it is said which connectors are meant, and only once.

    Raises:
        UsageError: It is not.
    """
    if connectors and all_:
        raise click.UsageError("Name connectors or say --all, not both.", ctx=click.get_current_context())
    if not all_:
        require_connector(next(iter(connectors), None), simulate, or_else=" --all means all of them.")


def require_api(page_size: int | None, archive: str | None) -> None:
    """Check that there are pages whose size may be said.

    Raises:
        UsageError: There are none.
    """
    if page_size is not None and archive is not None:
        raise click.UsageError(
            "--page-size is for the API: an archive has no pages, so leave it out.", ctx=click.get_current_context()
        )


def require_simulate(speed: float | None, simulate: bool) -> None:
    """Check that a speed has something to speed up.

    Raises:
        UsageError: It has not.
    """
    if speed is not None and not simulate:
        raise click.UsageError("--speed is for --simulate alone.", ctx=click.get_current_context())


def require_connector(connector: str | None, simulate: bool, or_else: str = "") -> None:
    """Check that there is a connector to ask about.

    Raises:
        UsageError: There is none.
    """
    if connector is None and not simulate:
        raise click.UsageError(
            "CONNECTOR is missing: 'cfevents connectors' lists those of the account." + or_else,
            ctx=click.get_current_context(),
        )

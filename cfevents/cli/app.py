"""The command ``cfevents`` itself, and its subcommands in the order in which they help."""

from typing import Any

import click

from cfevents._version import __version__
from cfevents.cli.commands import archive, completion, doctor, export, follow, kinds, read, report, simulate
from cfevents.cli.console.errors import explained, reported
from cfevents.cli.console.logs import debug_option, log_on_stderr
from cfevents.cli.options import example


class Application(click.Group):
    """A group of commands in which every failure ends as one line and an exit status."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments before the subcommand's name."""
        with reported():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the subcommand's arguments, and run it."""
        with explained(ctx.meta), reported(), log_on_stderr(ctx.meta):
            return super().invoke(ctx)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Take a subcommand, which gets the option that all have."""
        cmd.params.append(debug_option())
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Keep the order below: the main job first."""
        return list(self.commands)


@click.group(
    cls=Application,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("cfevents list --simulate --since 24h"),
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def app() -> None:
    """Read the telemetry events of Cloudflare Magic WAN Connectors.

    Credentials and account come from the environment: CLOUDFLARE_API_TOKEN (or CLOUDFLARE_EMAIL and
    CLOUDFLARE_API_KEY) and CLOUDFLARE_ACCOUNT_ID. Without them, --simulate runs a command against a made-up account.

    On a terminal the output is a table, in a pipe one JSON object a line. Exit status: 0; 1, the API or the network
    failed; 2, wrong usage; 3, 'report' found what --fail-on asks for; 130, interrupted.
    """


app.params.append(debug_option())


for command in (
    read.list_events,
    read.get_event,
    read.latest_events,
    follow.follow_events,
    archive.fill_archive,
    report.report_events,
    export.export_events,
    read.list_connectors,
    kinds.list_kinds,
    doctor.doctor,
    simulate.simulate,
    completion.completion,
):
    app.add_command(command)

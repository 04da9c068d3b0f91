"""The command line ``cfevents``: every command with its options and its help.

What a command does is in `cfevents.cli.commands`. That module is imported when the command runs, not before: help,
usage errors and completion by the Tab key need neither the HTTP client nor rich.
"""

import os
from importlib import import_module
from typing import Any

import click

from cfevents._version import __version__
from cfevents.cli.console.errors import exit_on_failure, print_causes, print_line
from cfevents.cli.console.log import colour_option, debug_option, log_to_stderr, quiet_option
from cfevents.cli.console.mistakes import Command, unknown_command
from cfevents.cli.console.output import write_stdout
from cfevents.cli.console.wording import note_source
from cfevents.cli.options import (
    CommandOptions,
    account_option,
    archive_option,
    complete_times,
    completed,
    connector_argument,
    connectors_options,
    count_option,
    details_option,
    example,
    fail_on_option,
    format_option,
    kind_options,
    metrics_options,
    output_options,
    pace_options,
    read_format,
    reading_options,
    receiver_options,
    report_options,
    simulate_option,
    sink_options,
    speed_option,
    strip_pasted,
    tz_option,
    usage_error,
    window_options,
)
from cfevents.cli.paths import FILE, FILE_OR_STDOUT

# What is kept of an interrupted command; those that keep something say so themselves.
_ADVICE_AFTER_INTERRUPT = {
    "list_events": "the list ends early; 'cfevents export' can be resumed",
    "report_events": "nothing is kept; 'cfevents archive' keeps events, and 'report --archive' reads them",
}


_complete_durations = completed("10min", "30min", "1h", "6h")


class Application(click.Group):
    """A group of commands in which every failure ends as one line and an exit status."""

    command_class = Command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments before the subcommand's name."""
        with exit_on_failure():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the subcommand's arguments, and run it."""
        with print_causes(ctx.meta), exit_on_failure(), log_to_stderr(ctx.meta):
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that is named; for one that there is not, raise UsageError with what may be meant."""
        if args[0][:1] != "-" and args[0] not in self.commands and not ctx.resilient_parsing:
            raise click.UsageError(unknown_command(args[0], self.commands), ctx)
        return super().resolve_command(ctx, args)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a subcommand, with the options of all commands."""
        cmd.params += [colour_option(), quiet_option(cmd.name), debug_option()]
        super().add_command(cmd, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of definition: the main job first."""
        return list(self.commands)


def _run_command(module: str, function: str, options: dict[str, Any]) -> None:
    """Run a function of a module of `cfevents.cli.commands`, on an event loop if it is a coroutine function."""
    note_source(click.get_current_context())
    result = getattr(import_module(f"cfevents.cli.commands.{module}"), function)(CommandOptions(**options))
    if result is not None:
        import asyncio  # noqa: PLC0415 - not needed for --help and --version

        try:
            asyncio.run(result)
        except (KeyboardInterrupt, SystemExit):
            if advice := _ADVICE_AFTER_INTERRUPT.get(function):
                print_line(f"interrupted: {advice}")
            raise


@click.group(
    cls=Application,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example(
        "cfevents report --simulate --all --since yesterday",
        "cfevents archive events.db --simulate --all --quiet",
        "cfevents report --archive events.db --all --quiet --format table --since 2h",
    ),
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def app() -> None:
    """Read the telemetry events of Cloudflare Magic WAN Connectors.

    Credentials and account come from the environment: CLOUDFLARE_API_TOKEN, or CLOUDFLARE_API_TOKEN_FILE for a file
    that has it (or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY), and CLOUDFLARE_ACCOUNT_ID; or from a file of accounts, by
    --account NAME. To try a command without an account, add --simulate.

    Output is a table on a terminal, and elsewhere one JSON object per line. Exit status: 0, success; 1, the API, the
    network, the receiver or the archive failed, or refuses something; 2, wrong usage; 3, a finding that --fail-on
    selects; 124, it did not come in time; 130, Ctrl-C; 143, SIGTERM.
    """


app.params += [colour_option(), quiet_option(), debug_option()]


@app.command("list", epilog=example("cfevents list lisbon --simulate --since 7d --kind 'Rekey*' --tail 5"))
@connectors_options
@window_options
@kind_options
@details_option
@count_option("--page-size", help="Events per request.")
@count_option("-n", "--limit", help="Stop after N events, in the API's order.")
@count_option("--tail", help="The newest N events; without --since, however old.")
@reading_options
def list_events(**options: Any) -> None:
    """List the events of connectors in a window of time.

    The events of one connector are in the API's order, those of several are sorted by time. CONNECTOR is an id, its
    beginning, a serial number or a note.
    """
    _run_command("read", "list_events", options)


@app.command(
    "get",
    epilog=example(
        "id=$(cfevents list --simulate -n 1 --format table | awk 'END {print $3}')",
        'cfevents get --simulate "$id"',
    ),
)
@connector_argument
@click.argument("event_id", required=False, metavar="T.N", callback=strip_pasted)
@reading_options
def get_event(**options: Any) -> None:
    """Show one event with its payload. T.N is its id, as 'list' shows it.

    CONNECTOR is an id, its beginning, a serial number or a note.
    """
    _run_command("read", "get_event", options)


@app.command("latest", epilog=example("cfevents latest --simulate --all"))
@connectors_options
@kind_options
@reading_options
def latest_events(**options: Any) -> None:
    """Show the latest events of connectors, with their payloads.

    CONNECTOR is an id, its beginning, a serial number or a note.
    """
    _run_command("read", "latest_events", options)


@app.command("follow", epilog=example("cfevents follow --simulate --speed 600 --interval 1s --since 1h -n 20"))
@connectors_options
@click.option(
    "--since", metavar="TIME", shell_complete=complete_times, help="Skip events recorded earlier; default now."
)
@pace_options
@kind_options
@details_option
@click.option("--checkpoint", type=FILE, help="File that keeps the progress, to resume from.")
@click.option("--output", type=FILE_OR_STDOUT, help="Append NDJSON to this file instead of printing.")
@count_option("-n", "--limit", help="Stop after N events.")
@metrics_options
@account_option
@output_options
@tz_option
@simulate_option
@speed_option
def follow_events(**options: Any) -> None:
    """Print events as they arrive, late ones too, until Ctrl-C.

    With --checkpoint, the next run resumes where this one ended, and ignores --since. After a crash, the last printed
    events may come again. A file given by --output has each event exactly once; its checkpoint is FILE.checkpoint
    unless --checkpoint names another. SIGHUP reopens the file. CONNECTOR is an id, its beginning, a serial number or a
    note.
    """
    _run_command("follow", "follow_events", options)


@app.command(
    "forward",
    short_help="Deliver events to a database, a SIEM, a webhook or a file.",
    epilog=example("cfevents forward --to file:events.ndjson --simulate --since 24h --once"),
)
@connectors_options
@sink_options
@click.option("--checkpoint", type=FILE, help="Progress, to resume from; not with a database.")
@click.option("--dead-letters", type=FILE, help="Refused events; default CHECKPOINT.dead-letters.")
@click.option(
    "--since", metavar="TIME", shell_complete=complete_times, help="Skip events recorded earlier; default now."
)
@pace_options
@kind_options
@details_option
@metrics_options
@account_option
@tz_option
@simulate_option
@speed_option
def forward_events(**options: Any) -> None:
    """Deliver events as they arrive, late ones too, until Ctrl-C.

    URL begins with postgresql://, file:, syslog+tls://, https://, json+https:// or elastic+, splunk+, loki+ or
    otlp+https://. CONNECTOR is an id or note.
    """
    _run_command("forward", "forward_events", options)


@app.command(
    "watch",
    short_help="Tell of findings as they open, change and are over.",
    epilog=example("cfevents watch --simulate --all --since 24h --once"),
)
@connectors_options
@receiver_options
@click.option("--exec", "exec_", metavar="COMMAND", help="Run this for each, with its JSON on stdin.")
@fail_on_option
@click.option("--for", "duration", metavar="TIME", shell_complete=_complete_durations, help="End after this time.")
@click.option("--once", is_flag=True, help="End when what there is by now is judged.")
@click.option("--checkpoint", type=FILE, help="File of what was told: nothing is told twice.")
@click.option("--since", metavar="TIME", shell_complete=complete_times, help="Skip what was over earlier; default now.")
@pace_options
@click.option("--details", is_flag=True, help="Name tunnel, bundle or version; a request each.")
@account_option
@format_option
@tz_option
@simulate_option
@speed_option
def watch_findings(**options: Any) -> None:
    """Print the findings of 'report' as they open, change their severity and are over, until Ctrl-C.

    COMMAND is run without a shell, for one finding after the other. With --for, the exit status is 1 if a connector
    could not be read. CONNECTOR is an id, its beginning, a serial number or a note.
    """
    _run_command("watch", "watch_findings", options)


@app.command(
    "wait",
    short_help="Wait for an event.",
    epilog=example("cfevents wait lisbon --simulate --since 3h --kind 'RekeyComplete,RekeyReset' --timeout 1min"),
)
@connectors_options
@kind_options
@click.option("--timeout", "duration", metavar="TIME", shell_complete=_complete_durations, help="Exit with 124 then.")
@click.option("--since", metavar="TIME", shell_complete=complete_times, help="It may have come since; default now.")
@pace_options
@details_option
@account_option
@output_options
@tz_option
@simulate_option
@speed_option
def wait_for_event(**options: Any) -> None:
    """Wait for the first event of these kinds, and print it as 'follow' does.

    The exit status is 0 when it came, 124 when it did not come before --timeout, and 1 when that is not known, since
    a connector could not be read. CONNECTOR is an id, its beginning, a serial number or a note.
    """
    _run_command("watch", "wait_for_event", options)


@app.command(
    "archive",
    short_help="Store events in a SQLite database, each once; also from cron.",
    epilog=example("cfevents archive events.db --simulate --since 7d", "cfevents list --archive events.db --since 24h"),
)
@click.argument("path", type=FILE)
@connectors_options
@click.option(
    "--since", metavar="TIME", shell_complete=complete_times, help="Skip events recorded earlier; default 24h ago."
)
@click.option("--follow", is_flag=True, help="Keep adding new events until Ctrl-C.")
@pace_options
@details_option
@metrics_options
@account_option
@tz_option
@simulate_option
@speed_option
def fill_archive(**options: Any) -> None:
    """Store events in PATH, a SQLite database, each once. New and late events are added.

    Run it as often as you like, also from a timer: stored events are not requested again. 'list', 'get', 'latest',
    'report', 'export' and 'connectors' read the archive with --archive PATH. CONNECTOR is an id, its
    beginning, a serial number or a note.

    \b
    In a crontab, the first line fills the archive. The second runs each hour, and
    mails what went wrong in the last two: what was filled in late is not missed.
      */15 * * * * cfevents archive /var/lib/cfevents/events.db --account work --all --quiet
      7 * * * * cfevents report --archive /var/lib/cfevents/events.db --all --quiet --format table --since 2h
    """  # noqa: D301 - \b keeps click from filling the paragraph
    _run_command("archive", "fill_archive", options)


@app.command(
    "report",
    short_help="Report what failed, got stuck, crashed or was silent, and why.",
    epilog=example("cfevents report --all --simulate --since yesterday"),
)
@connectors_options
@window_options
@click.option("--details", is_flag=True, help="Name tunnel, bundle or version; a request each.")
@click.option("--interrupts", is_flag=True, help="Ask who ordered restarts; a request each.")
@fail_on_option
@click.option("--output", type=FILE_OR_STDOUT, help="Write the page of --format html to this file.")
@report_options
def report_events(**options: Any) -> None:
    """Report what failed, got stuck, crashed, or was silent or offline, and why; the worst first.

    The report reads all kinds of events in the window. With --details, it also reads the payloads that name the tunnel,
    bundle or version of a finding; those of an archive are always read. With --interrupts, it also asks which restarts
    and silences were ordered. If some connectors cannot be read, the findings of the others are printed, and the exit
    status is 1. --format html is a page to send on: one file, which needs no network.

    CONNECTOR is an id, its beginning, a serial number or a note.
    """
    _run_command("report", "report_events", options)


@app.command(
    "export",
    short_help="Export events to a Parquet, CSV or NDJSON file.",
    epilog=example("cfevents export events.csv --all --simulate --since 7d"),
)
@click.argument("path", type=FILE_OR_STDOUT)
@connectors_options
@window_options
@kind_options
@details_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(("parquet", "csv", "ndjson", "json"), case_sensitive=False),
    callback=read_format,
    help="Default: the suffix of PATH; ndjson for -.",
)
@click.option("--restart", is_flag=True, help="Discard what an interrupted export gathered.")
@archive_option
@account_option
@tz_option
@simulate_option
def export_events(**options: Any) -> None:
    """Export the events of a window of time to PATH: a Parquet, CSV or NDJSON file, or - for stdout.

    PATH ends in .parquet, .csv, .ndjson or .jsonl, or --format is given. It appears, or is replaced, when the export is
    complete. To resume an interrupted export over the same window, run the same command again; until then its data is
    in the folder PATH.export. CONNECTOR is an id, its beginning, a serial number or a note.
    """
    _run_command("export", "export_events", options)


@app.command(
    "connectors", short_help="List the connectors of the account.", epilog=example("cfevents connectors --simulate")
)
@reading_options
def list_connectors(**options: Any) -> None:
    """List the connectors of the account, or those in an archive with their events."""
    _run_command("read", "list_connectors", options)


@app.command("kinds", epilog=example("cfevents kinds --format table"))
@output_options
@simulate_option
def list_kinds(**options: Any) -> None:
    """List the documented kinds of events. No request is sent; --simulate changes nothing."""
    _run_command("local", "list_kinds", options)


@app.command(
    "doctor", short_help="Check what works, and how the API behaves.", epilog=example("cfevents doctor --simulate")
)
@connector_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a support case, without ids and secrets.")
@account_option
@simulate_option
def doctor(**options: Any) -> None:
    """Check what works, and how the API behaves where its documentation leaves that open.

    The doctor sends at most twelve requests, which only read, and repeats none. Without CONNECTOR it uses the one
    with the latest heartbeat. CONNECTOR is an id, its beginning, a serial number or a note. Exit status: 0, all
    works; 1, something does not; 2, wrong usage.
    """
    _run_command("doctor", "print_diagnosis", options)


@app.command("simulate", epilog=example("cfevents simulate --port 8080"))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    shell_complete=completed(8080),
    help="Port on 127.0.0.1; default a free one.",
)
@speed_option
def simulate(**options: Any) -> None:
    """Serve a simulated account on this machine, until Ctrl-C.

    The command prints what to paste into another terminal. New events keep arriving while it runs.
    """
    _run_command("local", "serve", options)


@app.command(
    "completion", short_help="Complete commands in bash, zsh or fish.", epilog=example("cfevents completion bash")
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish"), case_sensitive=False), required=False)
def completion(shell: str | None) -> None:
    """Print the script that lets SHELL complete commands, options and kinds with the Tab key; default your shell.

    \b
    bash, in ~/.bashrc:  eval "$(cfevents completion bash)"
    zsh, in ~/.zshrc, after autoload -U compinit && compinit:
      eval "$(cfevents completion zsh)"
    fish, once:
      cfevents completion fish > ~/.config/fish/completions/cfevents.fish
    """  # noqa: D301 - \b keeps click from filling the paragraph
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - no other command needs it to run

    completion_class = get_completion_class(shell or os.environ.get("SHELL", "").rpartition("/")[2])
    if completion_class is None:
        raise usage_error("SHELL is missing: write one of bash, zsh, fish.")
    source = completion_class(app, {}, "cfevents", "_CFEVENTS_COMPLETE").source()
    # In fish, click would cut a value at its first comma, which a list of kinds has.
    write_stdout(source.replace('string split ","', 'string split -m 1 ","') + "\n")

"""CommandOptions and arguments: those that several commands share, and the values that a command receives."""

import os
import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from cfevents._validation import printable
from cfevents.cli.console.output import FORMATS, Style, View, Zone, column_names
from cfevents.cli.console.wording import name_variable
from cfevents.cli.paths import FILE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from cfevents import Connector

F = TypeVar("F", bound=Callable[..., Any])


class CommandOptions(NamedTuple):
    """The arguments and options of a command; those that it does not have keep these defaults."""

    connectors: tuple[str, ...] = ()
    listed: "tuple[Connector, ...]" = ()  # the account's, where the names of connectors were looked up
    all_: bool = False
    connector: str | None = None
    event_id: str | None = None
    path: str = ""
    archive: str | None = None
    account: str | None = None
    simulate: bool = False
    speed: float | None = None
    since: str | None = None
    until: str | None = None
    zone: Zone | None = None
    kinds: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    details: bool = False
    page_size: int | None = None
    limit: int | None = None
    tail: int | None = None
    follow: bool = False
    interval: str = ""
    lookback: str = ""
    checkpoint: str | None = None
    output: str | None = None
    format_: str | None = None
    columns: tuple[str, ...] = ()
    no_headers: bool = False
    to: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    header_envs: tuple[str, ...] = ()
    insecure: bool = False
    gzip: bool = False
    dead_letters: str | None = None
    metrics: str | None = None
    metrics_listen: str | None = None
    once: bool = False
    exec_: str | None = None
    duration: str | None = None
    restart: bool = False
    interrupts: bool = False
    fail_on: Any = None
    as_json: bool = False
    port: int = 0

    @property
    def style(self) -> Style:
        """The form in which items are printed."""
        return Style(self.format_, self.columns, headers=not self.no_headers)


def _exclude_other_source(context: click.Context, _: click.Parameter, value: Any) -> Any:
    """Raise UsageError for ``--simulate`` with ``--archive``; the option that is parsed second sees the first."""
    if value and (context.params.get("simulate") or context.params.get("archive")):
        raise click.UsageError("--simulate and --archive exclude each other: leave one out.")
    return value


def read_format(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Return the name of a format; json means ndjson, and so does ``--json``, which may stand before."""
    return _only_format(context, "ndjson" if value == "json" else value)


def _set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.params["format_"] = _only_format(context, "ndjson" if value else None)


def _only_format(context: click.Context, format_: str | None) -> str | None:
    """Return the format that ``--format`` or ``--json`` names; the option that is parsed second sees the first."""
    before: str | None = context.params.get("format_")
    if format_ and before not in {None, format_}:
        raise click.UsageError("--json and --format exclude each other: leave one out.")
    return format_ or before


def _split(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, (value or "").split(","))))


def _complete_kinds(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the documented kinds that begin as the last of a list with commas does."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

    from cfevents.events import KINDS  # noqa: PLC0415 - it loads attrs, which --help and --version do not need

    before, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(before + comma + name, help=kind.description)
        for name, kind in KINDS.items()
        if name.lower().startswith(last.lower())
    ]


def _complete_columns(context: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the columns that begin as the last of a list with commas does."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

    from cfevents.cli.console import connector_views, views  # noqa: PLC0415 - no command needs it to be parsed

    zone = Zone()
    view_by_command: dict[str, View[Any]] = {
        "list": views.listed(zone, several=True, details=False),
        "get": views.one("", zone),
        "latest": views.recorded(zone, several=True),
        "follow": views.followed(zone, several=True, details=False),
        "wait": views.followed(zone, several=True, details=False),
        "report": import_module("cfevents.cli.commands.report").findings_view(zone),
        "connectors": (connector_views.archived if context.params.get("archive") else connector_views.connectors)(zone),
        "kinds": views.kinds(),
    }
    before, comma, last = incomplete.rpartition(",")
    names = column_names(view_by_command[context.info_name or "list"], context.params.get("format_"))
    return [CompletionItem(before + comma + name) for name in names if name.startswith(last.lower())]


def completed(*values: str | int) -> Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]:
    """Return a function that completes the values of an option which are common among many others."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

        return [CompletionItem(word) for word in map(str, values) if word.startswith(incomplete.lower())]

    return complete


complete_times = completed("1h", "24h", "7d", "30d", "today", "yesterday", "now")


def count_option(*names: str, help: str) -> Callable[[F], F]:  # noqa: A002 - as click has it
    """Return an option for a number of events."""
    counts = completed(1, 10, 20, 50, 100)
    return click.option(*names, type=click.IntRange(min=1), metavar="N", shell_complete=counts, help=help)


def _zone_fault(name: str) -> str:
    """Return why a zone is not known: it is no name of one, or this machine has no database of zones."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - no command needs it to run

    zone = f"TZ is {os.environ.get('TZ')!r}, which" if name.lower() == "local" else repr(name)
    if not available_timezones():
        return f"{zone} is not known: this machine has no time zone database; run 'pip install tzdata', or use UTC."
    return f"{zone} is not a time zone: write an IANA name such as Europe/Berlin, or UTC, or local."


def _complete_accounts(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

    from cfevents.cli.accounts import account_names  # noqa: PLC0415 - no command needs it to be parsed

    return [CompletionItem(name) for name in account_names() if name.startswith(incomplete)]


def _complete_variables(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the names of the environment's variables, also behind ``HEADER=``."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

    header, equals, begun = incomplete.rpartition("=")
    return [CompletionItem(header + equals + name) for name in sorted(os.environ) if name.startswith(begun)]


class _ZoneType(click.ParamType):  # type: ignore[type-arg]
    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Zone:
        if isinstance(value, Zone):
            return value
        try:
            return Zone.named(value)
        except (KeyError, OSError, ValueError):
            self.fail(_zone_fault(value), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from zoneinfo import available_timezones  # noqa: PLC0415 - no command needs it to run

        from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

        names = sorted({"local", *available_timezones()})
        return [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]


def _combine(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator for several options, which the help shows in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def complete_connectors(context: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Return the names of connectors that begin as the word does, as the shell takes them."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - no command needs it to run

    from cfevents.cli.connector_names import completions  # noqa: PLC0415 - it loads SQLite

    # What bash is offered it inserts as it is; zsh and fish escape it.
    is_bash = os.environ.get("_CFEVENTS_COMPLETE", "").startswith("bash")
    return [
        CompletionItem(re.sub(r"([^\w@%+=:./-])", r"\\\1", name) if is_bash else name, help=printable(str(connector)))
        for name, connector in completions(context.params, incomplete)
        if name.isprintable()
    ]


def strip_pasted(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Return an argument, or all of them, without white space around: a line of CSV ends in a carriage return."""
    return value.strip() if isinstance(value, str) else value and tuple(map(str.strip, value))


connectors_options = _combine(
    click.argument(
        "connectors",
        nargs=-1,
        metavar="[CONNECTOR]...",
        shell_complete=complete_connectors,
        callback=strip_pasted,
    ),
    click.option("--all", "all_", is_flag=True, help="All connectors of the account."),
)
connector_argument = click.argument(
    "connector", required=False, metavar="[CONNECTOR]", shell_complete=complete_connectors, callback=strip_pasted
)
window_options = _combine(
    click.option(
        "--since",
        default="24h",
        shell_complete=complete_times,
        show_default=True,
        metavar="TIME",
        help="Start: 24h (ago), yesterday, 10:00, 2026-11-29, '2026-11-29 10:00'.",
    ),
    click.option(
        "--until",
        metavar="TIME",
        shell_complete=complete_times,
        help="End, like --since; a day ends at midnight; default now.",
    ),
)
kind_options = _combine(
    click.option(
        "--kind",
        "kinds",
        multiple=True,
        metavar="KIND",
        shell_complete=_complete_kinds,
        help="Only these: Init,Leave or '*Failure'; repeatable.",
    ),
    click.option(
        "--exclude",
        "excluded",
        multiple=True,
        metavar="KIND",
        shell_complete=_complete_kinds,
        help="All but these, such as Reconcile; repeatable.",
    ),
)
details_option = click.option("--details", is_flag=True, help="Include payloads; one request per event.")
pace_options = _combine(
    click.option(
        "--interval",
        default="30s",
        show_default=True,
        metavar="TIME",
        shell_complete=completed("10s", "30s", "1min", "5min", "15min"),
        help="Time between polls.",
    ),
    click.option(
        "--lookback",
        default="24h",
        show_default=True,
        metavar="TIME",
        shell_complete=completed("1h", "6h", "24h", "7d"),
        help="Longest lag of an event.",
    ),
)
metrics_options = _combine(
    click.option("--metrics", type=FILE, help="Prometheus text file, NAME.prom."),
    click.option(
        "--metrics-listen", metavar="ADDR", shell_complete=completed("127.0.0.1:9464"), help="The same, over HTTP."
    ),
)
archive_option = click.option(
    "--archive",
    type=click.Path(exists=True, dir_okay=False),
    metavar="PATH",
    callback=_exclude_other_source,
    help="Read from this archive instead of the API.",
)
account_option = click.option(
    "--account",
    metavar="NAME",
    envvar="CFEVENTS_ACCOUNT",
    show_envvar=True,
    shell_complete=_complete_accounts,
    help="Account of ~/.config/cfevents/config.toml.",
)


def _format_option(formats: tuple[str, ...], names: str) -> Callable[[F], F]:
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats, case_sensitive=False),
        callback=read_format,
        metavar="FORMAT",
        help=f"table (default on a terminal), {names}.",
    )


_style_options = _combine(
    click.option("--json", is_flag=True, expose_value=False, callback=_set_json, help="Short for --format ndjson."),
    click.option(
        "--columns",
        metavar="A,B",
        callback=_split,
        shell_complete=_complete_columns,
        help="Columns of a table or CSV to print.",
    ),
    click.option("--no-headers", is_flag=True, help="Print no header."),
)
format_option = _format_option(FORMATS, "ndjson or csv")
output_options = _combine(format_option, _style_options)
page_options = _combine(_format_option((*FORMATS, "html"), "ndjson, csv or html"), _style_options)
tz_option = click.option(
    "--tz",
    "zone",
    type=_ZoneType(),
    metavar="NAME",
    envvar="CFEVENTS_TZ",
    show_envvar=True,
    help="Zone of tables and times, such as Europe/Berlin or local; default UTC.",
)
simulate_option = click.option(
    "--simulate", is_flag=True, callback=_exclude_other_source, help="Use a simulated account on this machine."
)
speed_option = click.option(
    "--speed",
    type=click.FloatRange(1, 86400),
    metavar="N",
    shell_complete=completed(60, 600, 3600),
    help="Simulated time goes N times faster.",
)


def _to_option(variable: str) -> Callable[[F], F]:
    """Return ``--to``. An address may be secret, and the arguments of a process are not: a variable may have it."""
    return click.option(
        "--to",
        metavar="URL",
        envvar=variable,
        shell_complete=completed(
            *("postgresql://", "file:", "elastic+https://", "splunk+https://", "https://", "json+https://"),
            *("loki+https://", "otlp+https://", "syslog+tls://", "syslog+tcp://", "syslog+udp://"),
        ),
        help="Address, such as splunk+https://HOST:8088.",
    )


_credential_options = _combine(
    click.option(
        "--token-env", metavar="NAME", shell_complete=_complete_variables, help="Variable with a token or password."
    ),
    click.option("--token-file", type=click.Path(exists=True, dir_okay=False), help="File with it."),
    click.option(
        "--header-env",
        "header_envs",
        multiple=True,
        metavar="HEADER=NAME",
        shell_complete=_complete_variables,
        help="Header of each request, its value in a variable.",
    ),
    click.option("--insecure", is_flag=True, help="Allow another machine without TLS."),
)
receiver_options = _combine(_to_option("CFEVENTS_WATCH_TO"), _credential_options)
sink_options = _combine(
    _to_option("CFEVENTS_TO"),
    _credential_options,
    click.option("--gzip", is_flag=True, help="Compress requests."),
    click.option(
        "--format",
        "format_",
        type=click.Choice(("cfevents", "ecs", "ocsf"), case_sensitive=False),
        default="cfevents",
        metavar="FORMAT",
        help="JSON of an event: cfevents (default), ecs or ocsf.",
    ),
    click.option("--once", is_flag=True, help="End when all that there is by now is delivered."),
)
reading_options = _combine(archive_option, account_option, output_options, tz_option, simulate_option)
report_options = _combine(archive_option, account_option, page_options, tz_option, simulate_option)


fail_on_option = click.option(
    "--fail-on",
    type=click.Choice(("info", "warning", "error", "critical"), case_sensitive=False),
    metavar="SEVERITY",
    help="Exit with 3 on this or worse: info ... critical.",
)


def example(*lines: str) -> str:
    """Return the end of a help text: commands that work as they stand."""
    # \b keeps click from filling the paragraph.
    return "\n  ".join(["\b\nExample:", *lines])


def usage_error(message: str) -> click.UsageError:
    """Return a usage error of the command that runs, whose ``--help`` the message then names."""
    return click.UsageError(name_variable(message), ctx=click.get_current_context())

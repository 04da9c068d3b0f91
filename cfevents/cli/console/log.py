"""The log on stderr, and the options that say how much is printed there, which every command has."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

import cfevents
from cfevents._secrets import clean
from cfevents.cli.console import progress
from cfevents.cli.console.errors import DEBUG, advise, as_line

# Modules of the library whose warnings are about a wait: for the quota, a retry or a connector that does not answer.
WAITING_MODULES = frozenset(("budget", "connection", "fleet_rounds"))
_COLOURS = {"auto": None, "always": True, "never": False}


class _Stderr(logging.StreamHandler[Any]):
    def format(self, record: logging.LogRecord) -> str:
        error = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        advice = advise(error) if isinstance(error, cfevents.CfEventsError) else ""
        return as_line(clean("; ".join(filter(None, (record.getMessage(), advice)))), self.stream)

    def emit(self, record: logging.LogRecord) -> None:
        progress.clear_status_line()
        super().emit(record)


def debug_option() -> click.Option:
    """Return a new ``--debug``, which every command takes before and after its name."""

    def store(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
        if is_given:
            ctx.meta[DEBUG] = True

    text = "Log requests and tracebacks, no secrets."
    return click.Option(["--debug"], is_flag=True, expose_value=False, callback=store, help=text)


def colour_option() -> click.Option:
    """Return a new ``--color``, which every command takes."""

    def store(ctx: click.Context, _: click.Parameter, choice: str | None) -> None:
        if choice is not None:
            ctx.color = _COLOURS[choice]

    choices = click.Choice([*_COLOURS], case_sensitive=False)
    text = "auto (default), always or never."
    return click.Option(["--color"], type=choices, expose_value=False, callback=store, metavar="WHEN", help=text)


def quiet_option(command: str | None = None) -> click.Option:
    """Return a new ``--quiet``, which every command takes; that of ``report`` knows more than one degree of bad."""

    def store(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
        if is_given:
            ctx.meta[progress.QUIET] = True

    text = "Print only data, findings and failures."
    if command == "report":
        text = "Print only failures and findings (from --fail-on on)."
    return click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=store, help=text)


@contextmanager
def log_to_stderr(meta: Mapping[str, Any]) -> Iterator[None]:
    """Print log records on stderr, one line each without traceback: warnings, and from INFO on those of the library.

    With ``--debug``, which the meta of the command's context has, all records of the library are printed; with
    ``--quiet`` warnings, but for waits: one that is over is no failure, and any other ends in a failure.
    """

    def is_shown(record: logging.LogRecord) -> bool:
        # The option is parsed after this starts, at the latest behind the command's name.
        level = logging.DEBUG if meta.get(DEBUG) else logging.INFO
        if meta.get(progress.QUIET) and level == logging.INFO:
            level = logging.ERROR if record.module in WAITING_MODULES else logging.WARNING
        return record.levelno >= (level if record.name.partition(".")[0] == "cfevents" else logging.WARNING)

    # On the root logger: other libraries' records would otherwise reach logging's last resort, with tracebacks.
    handler = _Stderr()
    handler.addFilter(is_shown)
    root, library = logging.getLogger(), logging.getLogger("cfevents")
    level = library.level
    root.addHandler(handler)
    library.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        library.setLevel(level)

"""What is said on stderr while a command goes on."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from cfevents.cli.console import progress
from cfevents.cli.console.output import printable

_DEBUG = "cfevents.debug"


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"cfevents: {printable(record.getMessage())}"


class _Stderr(logging.StreamHandler[Any]):
    def emit(self, record: logging.LogRecord) -> None:
        progress.clear_status_line()
        super().emit(record)


def debug_option() -> click.Option:
    """Make ``--debug``, which every command takes before and after its name."""

    def take(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
        if is_given:
            ctx.meta[_DEBUG] = True

    told = "Tell on stderr of each request, and all there is to know of a failure; no credentials."
    return click.Option(["--debug"], is_flag=True, expose_value=False, callback=take, help=told)


def is_debugged(meta: Mapping[str, Any]) -> bool:
    """Whether ``--debug`` was given, by the ``meta`` that a command's contexts share."""
    return bool(meta.get(_DEBUG))


@contextmanager
def log_on_stderr(meta: Mapping[str, Any]) -> Iterator[None]:
    """Print warnings and worse, and what the library says of its waits, each as one line without a traceback."""

    def is_told(record: logging.LogRecord) -> bool:
        least = logging.DEBUG if is_debugged(meta) else logging.INFO
        return record.levelno >= (least if record.name.partition(".")[0] == "cfevents" else logging.WARNING)

    # On the root: other libraries' records would otherwise reach logging's last resort, which prints tracebacks.
    handler = _Stderr()
    handler.setFormatter(_OneLine())
    handler.addFilter(is_told)
    root, ours = logging.getLogger(), logging.getLogger("cfevents")
    level = ours.level
    root.addHandler(handler)
    # It is told after the command's name at the latest, and then this has been done.
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(level)


@contextmanager
def stamina_silenced() -> Iterator[None]:
    """Leave it to the library to tell of repeats: stamina would tell developers, and with structlog on stdout."""
    from stamina import instrumentation  # noqa: PLC0415 - not needed for --help

    before = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([])
    try:
        yield
    finally:
        instrumentation.set_on_retry_hooks(before)

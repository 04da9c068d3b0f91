"""What is said on stderr while a command goes on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cfevents.cli.output import printable

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"cfevents: {printable(record.getMessage())}"


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """Print warnings and worse, each as one line without a traceback."""
    # On the root: other libraries' records would otherwise reach logging's last resort, which prints tracebacks.
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_OneLine())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextmanager
def repeats_on_stderr() -> Iterator[None]:
    """Tell of each request that is sent again: without it a command may seem to hang."""
    # Left alone, stamina would log for developers, and where structlog is installed it would do so on stdout.
    from stamina import instrumentation  # noqa: PLC0415 - not needed for --help

    before = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([_tell_of_repeat])
    try:
        yield
    finally:
        instrumentation.set_on_retry_hooks(before)


def _tell_of_repeat(details: "RetryDetails") -> None:
    cause = printable(str(details.caused_by))
    click.echo(f"cfevents: {cause}; trying again in {details.wait_for:.1f} s", err=True)

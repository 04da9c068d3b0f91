"""What is said on stderr while a command goes on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from cfevents.cli.output import printable


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"cfevents: {printable(record.getMessage())}"


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """Print warnings and worse, and what the library says of its waits, each as one line without a traceback."""
    # On the root: other libraries' records would otherwise reach logging's last resort, which prints tracebacks.
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine())
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name == "cfevents")
    root, ours = logging.getLogger(), logging.getLogger("cfevents")
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
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

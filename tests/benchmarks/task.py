"""The task of one timed run, and its figures."""

import resource
import sys
from typing import NamedTuple

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "benchmark-token"
CONNECTOR = "site"


# Linux counts in KiB, macOS in bytes.
_MB = 1024 * (1024 if sys.platform == "darwin" else 1)


class MissingError(Exception):
    """The contestant is not installed, or lacks the function."""


class Task(NamedTuple):
    """A contestant, its task, and the server."""

    contestant: str
    base_url: str
    since: int
    until: int
    events: int
    """How many events the window has; another count is a failure."""

    call: str = "list_events"
    """The function of the contestant's module."""

    page_size: int = 1000
    concurrency: int = 1

    @property
    def path(self) -> str:
        """The path of the listing, for those who write their URLs themselves."""
        return f"{self.base_url}/accounts/{ACCOUNT}/magic/connectors/{CONNECTOR}/telemetry/events"

    @property
    def summary(self) -> str:
        """The task in a line of progress."""
        return f"{self.contestant} {self.call} {self.events:,}, {self.page_size} a page, {self.concurrency} at a time"


def peak_mb() -> float:
    """Return the most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MB


class Figures(NamedTuple):
    """The cost of one timed run."""

    seconds: float
    cpu_seconds: float
    """Of the whole process: user and system, all threads."""

    peak_mb: float
    """The most memory that the process ever had, its libraries included."""


class ArchiveTask(NamedTuple):
    """Something to do with an archive."""

    call: str
    """A function of `benchmarks.archive_trial`, or the words of a command."""

    path: str
    connectors: list[str]
    since: int
    until: int
    events: int
    """How many events it stores or reads; another count is a failure."""

    base_url: str = ""


class SinkTask(NamedTuple):
    """A way of events into PostgreSQL."""

    call: str
    """A function of `benchmarks.sink_trial`."""

    url: str
    """The address of the sink, at its end the table."""

    file: str
    """The rows in the text format of COPY."""

    base_url: str
    since: int

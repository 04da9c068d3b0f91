"""The task of one timed run, and its figures."""

from typing import NamedTuple

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "benchmark-token"
CONNECTOR = "site"


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


class Figures(NamedTuple):
    """The cost of one timed run."""

    seconds: float
    cpu_seconds: float
    """Of the whole process: user and system, all threads."""

    peak_mb: float
    """The most memory that the process ever had, its libraries included."""

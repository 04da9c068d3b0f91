"""What one timed run is told to do, and what it brings back."""

from typing import NamedTuple

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "benchmark-token"
CONNECTOR = "site"


class MissingError(Exception):
    """What was to be measured is not installed, or not there yet."""


class Task(NamedTuple):
    """One contestant, what it is to do, and where."""

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
        """Tell it in a line of progress."""
        return f"{self.contestant} {self.call} {self.events:,}, {self.page_size} a page, {self.concurrency} at a time"


class Figures(NamedTuple):
    """What one timed run took."""

    seconds: float
    cpu_seconds: float
    """Of the whole process: user and system, all threads."""

    peak_mb: float
    """The most memory that the process ever had, its libraries included."""

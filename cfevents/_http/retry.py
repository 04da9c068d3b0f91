"""Which failed requests are sent again, and after how long."""

import random

from attrs import frozen

from cfevents._public import set_module
from cfevents._validation import validate_int, validate_seconds, validate_type
from cfevents.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    ConfigurationError,
    RateLimitError,
)

# The request came too early or took too long, or the API or something in front of it failed for the moment.
_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 503, 504, *range(520, 527), 530})


@set_module("cfevents")
@frozen
class Retry:
    """The number of attempts of a request, and the waits between them.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is invalid.
    """

    attempts: int = 6
    """How often a request is sent at most. Blocks that were waited out and tokens that were replaced do not count."""

    max_block_wait: float = 400.0
    """The longest wait for a block or a quota, in seconds: five minutes are documented, and a tenth is added.

    Also the longest time that a call waits because of ``Retry-After`` on other answers, all its attempts together.
    """

    backoff_initial: float = 1.0
    """The longest wait before the second attempt, in seconds; it doubles with each further one."""

    backoff_max: float = 30.0
    """The longest wait before any attempt, in seconds."""

    report_to_stamina: bool = False
    """Whether repeats are reported to the hooks of ``stamina.instrumentation`` too, besides the log."""

    def __attrs_post_init__(self) -> None:
        validate_int("attempts", self.attempts)
        validate_type("report_to_stamina", self.report_to_stamina, bool)
        for name in ("max_block_wait", "backoff_initial", "backoff_max"):
            object.__setattr__(self, name, validate_seconds(name, getattr(self, name)))

    def wait(self, failures: int) -> float:
        """Return a random wait after so many failures, up to a bound, so that clients do not fall in step."""
        bound = min(self.backoff_max, self.backoff_initial * 2.0 ** min(failures - 1, 60))
        return random.uniform(0, bound)  # noqa: S311 - no secret


def default_retry(period: float) -> Retry:
    """Return the rules of a client that was given none: it waits for its own budget, however long the period."""
    return Retry(max_block_wait=max(Retry().max_block_wait, period))


def is_transient(error: BaseException) -> bool:
    """Return whether a failure may pass by itself. A block is no such failure: it is waited out."""
    if isinstance(error, ConfigurationError):
        return error.is_temporary
    if isinstance(error, APIStatusError):
        comes_back = error.from_edge and error.status >= 400 and error.retry_after is not None
        return error.status in _TRANSIENT_STATUSES or (comes_back and not isinstance(error, RateLimitError))
    # A body that is not JSON was cut short, or comes from something in between; one of a wrong shape would come again.
    is_not_json = isinstance(error, APIResponseError) and error.place == "body"
    return is_not_json or isinstance(error, APIConnectionError)

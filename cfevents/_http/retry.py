"""Which failed requests are sent again, and after how long."""

import random

from attrs import field, frozen

from cfevents._validation import validate_int, validate_seconds
from cfevents.errors import APIConnectionError, APIResponseError, APIStatusError

# The request came too early or took too long, or the API or something in front of it failed for the moment.
_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 503, 504, *range(520, 527), 530})


def _attempts(value: int) -> int:
    return validate_int("attempts", value)


def _max_block_wait(value: float) -> float:
    return validate_seconds("max_block_wait", value)


def _backoff_initial(value: float) -> float:
    return validate_seconds("backoff_initial", value)


def _backoff_max(value: float) -> float:
    return validate_seconds("backoff_max", value)


@frozen
class Retry:
    """The patience with which a request is repeated.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument has no meaning.
    """

    __module__ = "cfevents"

    attempts: int = field(default=6, converter=_attempts)
    """How often a request is sent at most. A block that was waited out does not count."""

    max_block_wait: float = field(default=400.0, converter=_max_block_wait)
    """The longest block of the API to wait for, in seconds: five minutes are documented, and a tenth is added."""

    backoff_initial: float = field(default=1.0, converter=_backoff_initial)
    """The longest wait before the second attempt, in seconds; it doubles with each further one."""

    backoff_max: float = field(default=30.0, converter=_backoff_max)
    """The longest wait before any attempt, in seconds."""

    def wait(self, failures: int) -> float:
        """Return a random wait after so many failures, up to a bound, so that clients do not fall in step."""
        bound = min(self.backoff_max, self.backoff_initial * 2.0 ** min(failures - 1, 60))
        return random.uniform(0, bound)  # noqa: S311 - no secret


def is_transient(error: BaseException) -> bool:
    """Return whether a failure may pass by itself. A block is no such failure: it is waited out."""
    if isinstance(error, APIStatusError):
        return error.status in _TRANSIENT_STATUSES
    # A body that is not JSON was cut short, or comes from something in between; one of a wrong shape would come again.
    is_not_json = isinstance(error, APIResponseError) and error.place == "body"
    return is_not_json or isinstance(error, APIConnectionError)

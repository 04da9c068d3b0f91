"""Times and durations as people write them and as text, and the wall clock."""

import math
import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from cfevents._validation import is_number, short_repr, validate_seconds

TimeLike: TypeAlias = datetime | timedelta | str | float
"""A time: an aware datetime, seconds since the Unix epoch, ``timedelta`` or ``"24h"`` for that long ago, or ISO 8601
text with an offset."""

DurationLike: TypeAlias = timedelta | str | float
"""A duration: a timedelta, text such as ``"15min"``, or seconds."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# 1e11 seconds is the year 5138; as milliseconds it is 1973. Nobody means the former.
_MILLISECONDS_FROM_S = 10**11
_LAST_DATE = datetime(5138, 11, 16, tzinfo=UTC)  # as a whole second it is not taken for milliseconds
_SECONDS_BY_WORD = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
# Not compiled here: importing has to be quick, and re caches what it compiled.
_DURATION_PART = r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)\s*"
# Nine digits and more are seconds since 1973 or later; eight are an ISO 8601 date without hyphens.
_EPOCH_SECONDS = r"[0-9]{9,}(?:\.[0-9]+)?"
_TEXT_EXAMPLES = (
    "'24h' for that long ago, '2026-03-01T06:00:00Z', or seconds since the Unix epoch of nine digits or more"
)
_EXAMPLES = "'24h', '2026-03-01T06:00:00Z', an aware datetime, a timedelta, or seconds since the Unix epoch"


def now() -> float:
    """Return the wall clock's seconds since the Unix epoch. Nothing else reads that clock."""
    return time.time()


class TimeWindow(NamedTuple):
    """The window of a listing, in whole seconds since the Unix epoch."""

    since: int
    until: int

    @classmethod
    def of(cls, since: TimeLike, until: TimeLike | None, *, anchor: str | None = None) -> "TimeWindow":
        """Return the window between two times, the present where ``until`` is None, widened to whole seconds.

        ``anchor`` is the argument that belongs to one window, such as a cursor; the bounds must then be absolute.
        """
        for name, bound in (("since", since), ("until", until)) if anchor else ():
            if bound is None or is_relative(bound):
                raise ValueError(
                    f"{name}={bound!r} with {anchor}=: a {anchor} belongs to one window, so give both bounds as they "
                    "were, as absolute times; an error's, a stream's or a checkpoint's .since and .until are"
                )
        reference = now()
        lower = _to_seconds("since", since, reference)
        upper = _to_seconds("until", reference if until is None else until, reference)
        if lower > upper:
            end = "now" if until is None else f"until={until!r}"
            raise ValueError(f"the window is reversed: since={since!r} is later than {end}")
        return cls(math.floor(lower), math.ceil(upper))


def parse_time(name: str, value: TimeLike, present: float | None = None) -> int:
    """Parse a time, rounded down to a whole second since the Unix epoch; ``present`` is by default this machine's."""
    return math.floor(_to_seconds(name, value, now() if present is None else present))


def parse_timestamp(name: str, value: datetime | float) -> float:
    """Convert an aware datetime, or seconds since the Unix epoch, to the latter."""
    if not isinstance(value, datetime) and not is_number(value):
        raise TypeError(
            f"{name}={short_repr(value)} is no time: write an aware datetime, or seconds since the Unix epoch"
        )
    return _to_seconds(name, value, 0.0)


def parse_duration(name: str, value: DurationLike) -> float:
    """Parse a duration, in seconds."""
    if isinstance(value, str):
        # A number alone can only be seconds.
        seconds = _parse_duration_text(f"{value}s" if value.strip().isdecimal() else value)
        if seconds is None:
            raise ValueError(
                f"{name}={short_repr(value)} is not a length of time: write '30s', '15min', '24h' or seconds"
            )
    else:
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
    return validate_seconds(name, seconds)


def parse_naive(text: str) -> datetime | None:
    """Parse ISO 8601 text that has no offset; None where the text is anything else."""
    if _parse_duration_text(text) is not None or re.fullmatch(_EPOCH_SECONDS, text.strip()):
        return None
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return parsed if parsed.utcoffset() is None else None


def parse_moment(text: str | None) -> datetime | None:
    """Parse a time of the API as a datetime in UTC; None for text that is no time, or has no offset."""
    try:
        moment = datetime.fromisoformat(text or "")
        return None if moment.utcoffset() is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


@lru_cache(maxsize=4)  # it is the same on every response of a second
def parse_http_date(text: str | None) -> float | None:
    """Parse the date of a header, in seconds since the Unix epoch; None where it is missing or no date."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - aiohttp has loaded it by then

    try:
        date = parsedate_to_datetime(text or "")
        # The dates of HTTP are in UTC, and one of the three forms names no zone.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def is_relative(value: object) -> bool:
    """Return whether a time depends on when it is parsed."""
    return isinstance(value, timedelta) or (isinstance(value, str) and _parse_duration_text(value) is not None)


def validate_duration(name: str, value: timedelta) -> timedelta:
    """Return a duration above 0 unchanged."""
    if not isinstance(value, timedelta):
        raise TypeError(f"{name}={short_repr(value)} is not a duration: write a timedelta")
    if value <= timedelta(0):
        raise ValueError(f"{name}={value} must be above 0")
    return value


def to_datetime(seconds: float) -> datetime:
    """Convert seconds since the Unix epoch; outside the years 1 to 9999 to the nearest datetime."""
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return (datetime.min if seconds < 0 else datetime.max).replace(tzinfo=UTC)


def to_timedelta(seconds: float) -> timedelta:
    """Convert seconds; beyond three million years to the nearest timedelta."""
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.min if seconds < 0 else timedelta.max


def format_duration(duration: timedelta) -> str:
    """Return a duration in its two largest units from days down, such as ``1h 20min``."""
    left = round(abs(duration).total_seconds())
    parts: list[str] = []
    for unit in ("d", "h", "min", "s"):
        number, left = divmod(left, _SECONDS_BY_WORD[unit])
        if number or parts:
            parts.append(f"{number}{unit}" if number else "")
    sign = "-" if duration < timedelta(0) else ""
    return sign + (" ".join(filter(None, parts[:2])) or "0s")


def format_iso(moment: datetime) -> str:
    """Return a time as ISO 8601, with ``Z`` for UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def _to_seconds(name: str, value: TimeLike, reference: float) -> float:
    """Convert a time to seconds since the Unix epoch; ``reference`` is the present, which relative times count from."""
    if isinstance(value, datetime):
        if value != value:  # noqa: PLR0124 - pandas' NaT alone
            raise ValueError(f"{name}={value!r} is not a time: write {_EXAMPLES}")
        if value.utcoffset() is None:
            raise ValueError(
                f"{name}={value!r} has no time zone: write datetime(..., tzinfo=UTC), or .astimezone() for local time"
            )
        return _datetime_to_seconds(name, value)
    if isinstance(value, timedelta):
        return _before(name, value.total_seconds(), reference)
    if isinstance(value, str):
        return _text_to_seconds(name, value, reference)
    return _number_to_seconds(name, value)


def _text_to_seconds(name: str, text: str, reference: float) -> float:
    if (seconds := _parse_duration_text(text)) is not None:
        return _before(name, seconds, reference)
    if re.fullmatch(_EPOCH_SECONDS, text.strip()):
        return _number_to_seconds(name, float(text))
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{name}={short_repr(text)} is not a time: write {_TEXT_EXAMPLES}") from None
    if parsed.utcoffset() is None:
        raise ValueError(
            f"{name}={text!r} has no time zone: write '{parsed.isoformat()}Z' for UTC, or an offset such as '+01:00'"
        )
    return _datetime_to_seconds(name, parsed)


def _datetime_to_seconds(name: str, value: datetime) -> float:
    # A number later than this is refused, and a window has to be accepted again in numbers, as an error has them.
    if value > _LAST_DATE:
        raise ValueError(f"{name}={value} is later than the year 5138: leave it out for the present")
    return (value - EPOCH).total_seconds()


def _number_to_seconds(name: str, value: float) -> float:
    if not is_number(value):
        raise TypeError(f"{name} is a {type(value).__name__}: write {_EXAMPLES}")
    # An int may be too large for a float. numpy's numbers and fractions become floats.
    seconds = int(value) if isinstance(value, int) else float(value)
    if isinstance(seconds, float) and not math.isfinite(seconds):
        raise ValueError(f"{name}={seconds} is not a time: write {_EXAMPLES}")
    if abs(seconds) > _MILLISECONDS_FROM_S - 1:  # it is rounded to whole seconds yet
        raise ValueError(f"{name}={short_repr(value)} looks like milliseconds: write seconds since the Unix epoch")
    return seconds


def _parse_duration_text(text: str) -> float | None:
    """Parse ``"24h"`` or ``"1h 30min"``, in seconds; None where the text is no duration."""
    text, total, position = text.strip(), 0.0, 0
    while match := re.match(_DURATION_PART, text[position:]):
        if match[2].lower() not in _SECONDS_BY_WORD:
            return None
        total += float(match[1]) * _SECONDS_BY_WORD[match[2].lower()]
        position += match.end()
    return total if text and position == len(text) else None


def _before(name: str, seconds: float, reference: float) -> float:
    if seconds < 0:
        raise ValueError(f"{name} lies {-seconds:g} s ahead: a duration means that long ago, so write it positive")
    if seconds >= _MILLISECONDS_FROM_S:
        raise ValueError(f"{name} lies {seconds:g} s ago, before there were clocks: write a shorter duration")
    return reference - seconds

"""``since`` and ``until`` as people write them, and the whole seconds that are asked for."""

import math
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from cfevents._validation import is_number, short_repr, validate_seconds

TimeLike: TypeAlias = datetime | timedelta | str | float
"""A moment: an aware datetime, seconds since the Unix epoch, ``timedelta`` or ``"24h"`` for that long ago, or ISO 8601
text with an offset."""

DurationLike: TypeAlias = timedelta | str | float
"""A length of time: a timedelta, text such as ``"15min"``, or seconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 1e11 seconds is the year 5138; as milliseconds it is 1973. Nobody means the former.
_MILLISECONDS_FROM_S = 10**11
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_UNITS = {
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
}
_SECONDS_BY_WORD = {word: _SECONDS[unit] for unit, words in _UNITS.items() for word in words}
# Not compiled here: importing has to be quick, and re remembers what it compiled.
_PART = r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)\s*"
# Nine digits and more are seconds since 1973 or later; eight are an ISO 8601 date without hyphens.
_EPOCH_SECONDS = r"[0-9]{9,}(?:\.[0-9]+)?"
_EXAMPLES = "'24h', '2026-03-01T06:00:00Z', an aware datetime, a timedelta, or seconds since the Unix epoch"


def now() -> float:
    """Read the wall clock, in seconds since the Unix epoch: the one place where it is read."""
    return time.time()


class TimeWindow(NamedTuple):
    """The window of a listing, in whole seconds since the Unix epoch."""

    since: int
    until: int

    @classmethod
    def of(cls, since: TimeLike, until: TimeLike | None, *, anchor: str | None = None) -> "TimeWindow":
        """Read a window's bounds, widened outward to whole seconds.

        Args:
            since: The lower bound.
            until: The upper bound; None means now.
            anchor: The argument that belongs to one window: only bounds will do that mean the same tomorrow.

        Raises:
            TypeError: A bound is of a type that is no moment.
            ValueError: A bound is ambiguous or not finite, or the window is reversed.
        """
        if anchor:
            _require_absolute(anchor, since=since, until=until)
        reference = now()
        lower = _seconds("since", since, reference)
        upper = _seconds("until", reference if until is None else until, reference)
        if lower > upper:
            what = "now" if until is None else f"until={until!r}"
            raise ValueError(f"the window is reversed: since={since!r} is later than {what}")
        return cls(math.floor(lower), math.ceil(upper))


def parse_duration(name: str, value: DurationLike) -> float:
    """Read a length of time, in seconds.

    Raises:
        TypeError: It is of a type that is no length of time.
        ValueError: It is not finite and above 0.
    """
    if isinstance(value, str):
        # A number alone can but be seconds.
        if (seconds := _duration(f"{value}s" if value.strip().isdecimal() else value)) is None:
            raise ValueError(
                f"{name}={short_repr(value)} is not a length of time: write '30s', '15min', '24h' or seconds"
            )
        value = seconds
    return validate_seconds(name, value.total_seconds() if isinstance(value, timedelta) else value)


def parse_time(name: str, value: TimeLike) -> int:
    """Read a moment, widened to a whole second before it; raises as `Timespan.of` does."""
    return math.floor(_seconds(name, value, now()))


def parse_naive(text: str) -> datetime | None:
    """Read ISO 8601 text that has no offset; None where the text is anything else."""
    if _duration(text) is not None or re.fullmatch(_EPOCH_SECONDS, text.strip()):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.utcoffset() is None else None


def is_relative(moment: object) -> bool:
    """Whether a moment is another one tomorrow."""
    return isinstance(moment, timedelta) or (isinstance(moment, str) and _duration(moment) is not None)


def _require_absolute(anchor: str, **bounds: TimeLike | None) -> None:
    for name, bound in bounds.items():
        if bound is None or is_relative(bound):
            raise ValueError(
                f"{name}={bound!r} with {anchor}=: a {anchor} belongs to one window, so give both bounds as they "
                "were, as absolute times; an error's, a stream's or a checkpoint's .since and .until are"
            )


def _seconds(name: str, moment: TimeLike, reference: float) -> float:
    """Convert a moment to seconds since the Unix epoch."""
    if isinstance(moment, datetime):
        return _from_datetime(name, moment)
    if isinstance(moment, timedelta):
        return _before(name, moment.total_seconds(), reference)
    if isinstance(moment, str):
        return _from_text(name, moment, reference)
    return _from_number(name, moment)


def _from_datetime(name: str, moment: datetime) -> float:
    if moment.utcoffset() is None:
        raise ValueError(
            f"{name}={moment!r} has no time zone: write datetime(..., tzinfo=UTC), or .astimezone() for local time"
        )
    return (moment - _EPOCH).total_seconds()


def _from_text(name: str, text: str, reference: float) -> float:
    if (seconds := _duration(text)) is not None:
        return _before(name, seconds, reference)
    if re.fullmatch(_EPOCH_SECONDS, text.strip()):
        return _from_number(name, float(text))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{name}={short_repr(text)} is not a time: write {_EXAMPLES} of nine digits or more") from None
    if moment.utcoffset() is None:
        iso = moment.isoformat()
        raise ValueError(f"{name}={text!r} has no time zone: write {iso + 'Z'!r} for UTC, or an offset as '+01:00'")
    return _from_datetime(name, moment)


def _from_number(name: str, value: Any) -> float:
    if not is_number(value):
        raise TypeError(f"{name} is a {type(value).__name__}: write {_EXAMPLES}")
    # An int may be too large for a float, even for the question whether it is finite.
    seconds = int(value) if isinstance(value, int) else float(value)
    if isinstance(seconds, float) and not math.isfinite(seconds):
        raise ValueError(f"{name}={seconds} is not a time: write {_EXAMPLES}")
    if abs(seconds) >= _MILLISECONDS_FROM_S:
        raise ValueError(f"{name}={short_repr(value)} looks like milliseconds: write seconds since the Unix epoch")
    return seconds


def _duration(text: str) -> float | None:
    """Read ``"24h"``, ``"1h 30min"``; None where the text is no duration."""
    text, total, position = text.strip(), 0.0, 0
    while match := re.match(_PART, text[position:]):
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


_FIRST, _LAST = (bound.replace(tzinfo=UTC) for bound in (datetime.min, datetime.max))
# As seconds it is the year 5138, as milliseconds 1973.
_MILLISECONDS = 1e11
_DURATION_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def to_datetime(seconds: float) -> datetime:
    """Convert seconds since the Unix epoch; outside the years 1 to 9999 the nearest time that there is."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return _FIRST if seconds < 0 else _LAST


def to_timedelta(seconds: float) -> timedelta:
    """Convert seconds to a length of time; beyond three million years the nearest that there is."""
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.min if seconds < 0 else timedelta.max


def parse_timestamp(name: str, moment: datetime | float) -> float:
    """Read a moment, in seconds since the Unix epoch.

    Args:
        name: The argument that it was given as.
        moment: An aware datetime, or seconds since the Unix epoch.

    Raises:
        TypeError: It is neither.
        ValueError: It has no time zone, or is not finite.
    """
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise ValueError(f"{name}={moment!r} has no time zone: write datetime(..., tzinfo=UTC)")
        return (moment - _EPOCH).total_seconds()
    if not is_number(moment):
        raise TypeError(
            f"{name}={short_repr(moment)} is no moment: write an aware datetime, or seconds since the Unix epoch"
        )
    # A number of numpy's, or a fraction, is one that no timedelta takes.
    seconds = moment if isinstance(moment, int) else float(moment)
    if not abs(seconds) < _MILLISECONDS:  # NaN is not either
        raise ValueError(f"{name}={short_repr(moment)} is not a time in seconds: write seconds since the Unix epoch")
    return seconds


def validate_duration(name: str, length: timedelta) -> timedelta:
    """Check a length of time.

    Raises:
        TypeError: It is not a timedelta.
        ValueError: It is not above 0.
    """
    if not isinstance(length, timedelta):
        raise TypeError(f"{name}={short_repr(length)} is not a length of time: write a timedelta")
    if length <= timedelta(0):
        raise ValueError(f"{name}={length} must be above 0")
    return length


def format_duration(length: timedelta) -> str:
    """Spell a length of time in its two largest units, ``1h 20min``."""
    left, parts = round(abs(length).total_seconds()), []
    for seconds, unit in _DURATION_UNITS:
        number, left = divmod(left, seconds)
        parts.append(f"{number}{unit}" if number else "")
    first = next((place for place, part in enumerate(parts) if part), len(parts) - 1)
    sign = "-" if length < timedelta(0) else ""
    return sign + (" ".join(part for part in parts[first : first + 2] if part) or "0s")

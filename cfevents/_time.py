"""Times and durations as people write them and as text, and the wall clock."""

import math
import re
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from cfevents._validation import MAX_SECONDS, is_number, short_repr, validate_seconds

TimeLike: TypeAlias = datetime | timedelta | str | float
"""A time: an aware datetime, seconds since the Unix epoch, ``timedelta`` or ``"24h"`` for that long ago, ``"now"``, or
ISO 8601 text with an offset."""

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
# Their length differs, and nobody means the M of a month and the m of a minute alike.
_MONTHS = ("M", "mo", "mon", "month", "months")
_YEARS = ("y", "yr", "yrs", "year", "years")
# Not compiled here: importing has to be quick, and re caches what it compiled.
_DURATION_PART = r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)\s*"
# Nine digits and more are seconds since 1973 or later; eight are an ISO 8601 date without hyphens.
_EPOCH_SECONDS = r"[0-9]{9,}(?:\.[0-9]+)?"
_DAYS_BY_WORD = {"yesterday": -1, "today": 0, "tomorrow": 1}
_NEAR_TODAY = r"(?i:(yesterday|today|tomorrow)\b)?\s*([0-9]{1,2}:[0-9]{2}.*)?"
_EARLIEST_CLOCK_S = 1_577_836_800  # 2020: a clock that shows an earlier time was never set


class TimeForms(NamedTuple):
    """The forms of a time that a message names, by the place where it was typed."""

    times: str
    with_zone: str
    """The forms that have a zone, beside those of ISO 8601."""


PYTHON_FORMS = TimeForms(
    "'24h', '2026-03-01T06:00:00Z', an aware datetime, a timedelta, or seconds since the Unix epoch",
    ", or an aware datetime",
)
TEXT_FORMS = TimeForms(
    "'24h' for that long ago, '2026-03-01T06:00:00Z', or seconds since the Unix epoch of nine digits or more", ""
)
SHELL_FORMS = TimeForms(
    "24h, '1h 30min', yesterday, 10:00, 'yesterday 22:00', 2026-11-29, '2026-11-29 10:00' or 2026-11-29T10:00:00Z", ""
)


def now() -> float:
    """Return the wall clock's seconds since the Unix epoch. Nothing else reads that clock."""
    return time.time()


def is_clock_set(present: float) -> bool:
    """Return whether the wall clock can be right: a machine without a clock that keeps time begins in 1970."""
    return present >= _EARLIEST_CLOCK_S


class TimeWindow(NamedTuple):
    """The window of a listing, in whole seconds since the Unix epoch."""

    since: int
    until: int

    @classmethod
    def of(
        cls, since: TimeLike, until: TimeLike | None, *, anchor: str | None = None, forms: TimeForms = PYTHON_FORMS
    ) -> "TimeWindow":
        """Return the window between two times, the present where ``until`` is None, widened to whole seconds.

        Two bounds that lie equally long ago are refused. The same absolute time twice is not: it may mean that second,
        and whether the API lists an event exactly on a bound is not known.

        ``anchor`` is the argument that belongs to one window, such as a cursor; the bounds must then be absolute.
        """
        for name, bound in (("since", since), ("until", until)) if anchor else ():
            if bound is None or is_relative(bound):
                raise ValueError(
                    f"{name}={bound!r} with {anchor}=: a {anchor} belongs to one window, so give both bounds as they "
                    "were, as absolute times; an error's, a stream's or a checkpoint's .since and .until are"
                )
        reference, last = now(), "now" if until is None else until
        lower = to_seconds("since", since, reference, forms)
        upper = to_seconds("until", last, reference, forms)
        clock = format_iso(to_datetime(int(reference)))
        if not is_clock_set(reference) and (is_relative(since) or is_relative(until) or lower > upper):
            raise ValueError(
                f"this machine's clock shows {clock}: set it, by NTP, or write since and until as absolute times"
            )
        if lower > upper:
            end = f"now, {clock}" if until is None else f"until={until!r}"
            raise ValueError(f"the window is reversed: since={since!r} is later than {end}")
        if lower == upper and is_ago(since) and is_ago(last):
            raise ValueError(f"the window is empty: since={since!r} and until={last!r} are the same moment")
        return cls(math.floor(lower), math.ceil(upper))


def parse_time(name: str, value: TimeLike, present: float | None = None, forms: TimeForms = PYTHON_FORMS) -> int:
    """Parse a time, rounded down to a whole second since the Unix epoch; ``present`` is by default this machine's."""
    return math.floor(to_seconds(name, value, now() if present is None else present, forms))


def parse_timestamp(name: str, value: datetime | float) -> float:
    """Convert an aware datetime, or seconds since the Unix epoch, to the latter."""
    if not isinstance(value, datetime) and not is_number(value):
        raise TypeError(
            f"{name}={short_repr(value)} is no time: write an aware datetime, or seconds since the Unix epoch"
        )
    return to_seconds(name, value, 0.0)


def parse_duration(name: str, value: DurationLike) -> float:
    """Parse a duration, in seconds."""
    if isinstance(value, str):
        # A number alone can only be seconds.
        seconds = _parse_duration_text(f"{value}s" if value.strip().isdecimal() else value)
        if seconds is None:
            fault = _month_or_year(value, "") or "is not a length of time: write '30s', '15min', '24h' or seconds"
            raise ValueError(f"{written(name, value)} {fault}")
        if not 0 < seconds < MAX_SECONDS:
            raise ValueError(f"{written(name, value)} must be above 0, and at most some years: write '30s' or '24h'")
        return seconds
    return validate_seconds(name, value.total_seconds() if isinstance(value, timedelta) else value)


class WallTime(NamedTuple):
    """A time without an offset, which a zone makes a moment."""

    time: datetime
    is_day: bool
    """True for a date alone: a whole day, of 23 to 25 hours."""


def parse_wall_time(text: str, present: datetime) -> WallTime | None:
    """Parse a time without an offset; None where the text is anything else.

    ``present`` is the present time in the zone: a time of day without a date, and ``yesterday``, count from that.
    """
    if _parse_ago(text) is not None or re.fullmatch(_EPOCH_SECONDS, text.strip()):
        return None
    text = _with_date(text, present)
    with suppress(ValueError):
        day = date.fromisoformat(text)
        return WallTime(datetime(day.year, day.month, day.day), is_day=True)
    with suppress(ValueError):
        parsed = datetime.fromisoformat(text)
        return WallTime(parsed, is_day=False) if parsed.utcoffset() is None else None
    return None


def _with_date(text: str, present: datetime) -> str:
    """Return text in ISO 8601 where it begins with a word for a day or with a time of day, or ends in UTC."""
    text = re.sub(r"(?i)(?<=[0-9])\s*UTC$", "Z", text.strip())
    match = re.fullmatch(_NEAR_TODAY, text)
    if match is None or not text:
        return text
    day = present.date() + timedelta(days=_DAYS_BY_WORD[(match[1] or "today").lower()])
    clock = match[2] or ""
    return f"{day}T{clock if clock[1:2] != ':' else f'0{clock}'}" if clock else str(day)


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


def is_ago(value: object) -> bool:
    """Return whether a time is a duration before the present; ``now`` is one of none."""
    return isinstance(value, timedelta) or (isinstance(value, str) and _parse_ago(value) is not None)


def is_relative(value: object) -> bool:
    """Return whether a time depends on when it is parsed."""
    if isinstance(value, str):
        return _parse_ago(value) is not None or re.fullmatch(_NEAR_TODAY, value.strip()) is not None
    return isinstance(value, timedelta)


def is_time(text: str) -> bool:
    """Return whether text is a time, with an offset or without."""
    with suppress(ValueError):
        return parse_wall_time(text, EPOCH) is not None or to_seconds("", text, now()) > -math.inf
    return False


def validate_duration(name: str, value: timedelta) -> timedelta:
    """Return a duration above 0 unchanged."""
    if not isinstance(value, timedelta):
        raise TypeError(f"{name}={short_repr(value)} is not a duration: write a timedelta")
    if value <= timedelta(0):
        raise ValueError(f"{name}={value} must be above 0")
    return value


def to_datetime(seconds: float) -> datetime:
    """Convert seconds since the Unix epoch; outside the years 1 to 9999 to the nearest datetime."""
    if type(seconds) is int and 0 <= seconds < _MILLISECONDS_FROM_S:
        return datetime.fromtimestamp(seconds, UTC)  # three times as fast
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return (datetime.min if seconds < 0 else datetime.max).replace(tzinfo=UTC)


def in_zone(moment: datetime, tz: tzinfo | None) -> datetime:
    """Convert an aware datetime to a zone, None for that of this machine; at the edge of the calendar to UTC."""
    try:
        return moment.astimezone(tz)
    except (OverflowError, OSError, ValueError):
        return moment.astimezone(UTC)


def to_timedelta(seconds: float) -> timedelta:
    """Convert seconds; beyond three million years to the nearest timedelta."""
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.min if seconds < 0 else timedelta.max


def to_nanoseconds(seconds: float) -> int:
    """Return a time in nanoseconds; of a fraction, just the decimals that it is written with."""
    from decimal import Decimal  # noqa: PLC0415 - importing has to be quick

    return int(Decimal(repr(seconds)).scaleb(9)) if isinstance(seconds, float) else seconds * 10**9


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


def to_seconds(name: str, value: TimeLike, reference: float, forms: TimeForms = PYTHON_FORMS) -> float:
    """Convert a time to seconds since the Unix epoch; ``reference`` is the present, which relative times count from."""
    if isinstance(value, datetime):
        if value != value:  # noqa: PLR0124 - pandas' NaT alone
            raise ValueError(f"{name}={value!r} is not a time: write {forms.times}")
        if value.utcoffset() is None:
            raise ValueError(
                f"{name}={value!r} has no time zone: write datetime(..., tzinfo=UTC), or .astimezone() for local time"
            )
        return _datetime_to_seconds(name, value)
    if isinstance(value, timedelta):
        return _before(name, value.total_seconds(), reference)
    if isinstance(value, str):
        return _text_to_seconds(name, value, reference, forms)
    return _number_to_seconds(name, value)


def _text_to_seconds(name: str, text: str, reference: float, forms: TimeForms) -> float:
    if (seconds := _parse_ago(text)) is not None:
        return _before(name, seconds, reference)
    if re.fullmatch(_EPOCH_SECONDS, text.strip()):
        return _number_to_seconds(name, float(text), text)
    present = to_datetime(reference)
    if wall := parse_wall_time(text, present):
        raise ValueError(
            f"{written(name, text)} has no time zone: write '{wall.time.isoformat()}Z' for UTC, or an offset such as "
            f"'+01:00'{forms.with_zone}"
        )
    try:
        parsed = datetime.fromisoformat(_with_date(text, present))
    except ValueError:
        fault = _month_or_year(text, ", or a date") or _unit_missing(text) or f"is not a time: write {forms.times}"
        raise ValueError(f"{written(name, text)} {fault}") from None
    return _datetime_to_seconds(name, parsed)


def _datetime_to_seconds(name: str, value: datetime) -> float:
    # A number later than this is refused, and a window has to be accepted again in numbers, as an error has them.
    if value > _LAST_DATE:
        raise ValueError(f"{name}={value} is later than the year 5138: leave it out for the present")
    return (value - EPOCH).total_seconds()


def written(name: str, value: str) -> str:
    """Return an argument as it was written: an option of the command line, or one of Python or Spark."""
    if not name.startswith("-"):
        return f"{name}={short_repr(value)}"
    from shlex import quote  # noqa: PLC0415 - only a wrong option of the command line needs it

    return f"{name} {quote(value if len(value) <= 60 else f'{value[:57]}...')}"


def _unit_missing(text: str) -> str:
    digits = text.strip()
    if not re.fullmatch("[0-9]+", digits):
        return ""
    return f"has no unit: write '{digits}h' for hours; seconds since the Unix epoch have nine digits or more"


def _month_or_year(text: str, instead: str) -> str:
    """Return why a month or a year is refused in a duration; nothing where there is none."""
    units = [part[1] for part in re.findall(_DURATION_PART, text)]
    if any(unit == "M" for unit in units):
        return f"may mean minutes or months: write 'min' for minutes, '30d' for a month{instead}"
    if any(unit.lower() in _MONTHS for unit in units):
        return f"has no fixed length: write '30d' for a month{instead}"
    return f"has no fixed length: write '365d' for a year{instead}" if {*map(str.lower, units)} & {*_YEARS} else ""


def _number_to_seconds(name: str, value: float, text: str | None = None) -> float:
    if not is_number(value):
        raise TypeError(f"{name} is a {type(value).__name__}: write {PYTHON_FORMS.times}")
    # An int may be too large for a float. numpy's numbers and fractions become floats.
    seconds = int(value) if isinstance(value, int) else float(value)
    if isinstance(seconds, float) and not math.isfinite(seconds):
        raise ValueError(f"{name}={seconds} is not a time: write {PYTHON_FORMS.times}")
    if abs(seconds) > _MILLISECONDS_FROM_S - 1:  # it is rounded to whole seconds yet
        shown = f"{name}={short_repr(value)}" if text is None else written(name, text)
        raise ValueError(f"{shown} looks like milliseconds: write seconds since the Unix epoch")
    return seconds


def _parse_duration_text(text: str) -> float | None:
    """Parse ``"24h"`` or ``"1h 30min"``, in seconds; None where the text is no duration."""
    text, total, position = text.strip(), 0.0, 0
    while match := re.match(_DURATION_PART, text[position:]):
        if match[2] == "M" or match[2].lower() not in _SECONDS_BY_WORD:
            return None
        total += float(match[1]) * _SECONDS_BY_WORD[match[2].lower()]
        position += match.end()
    return total if text and position == len(text) else None


def _parse_ago(text: str) -> float | None:
    """Parse ``"24h"``, ``"24h ago"``, ``"-24h"`` or ``"now"``, in seconds before the present; None for other text."""
    text = text.strip()
    if text.lower() == "now":
        return 0.0
    return _parse_duration_text(text[:-4] if text[-4:].lower() == " ago" else text.removeprefix("-"))


def _before(name: str, seconds: float, reference: float) -> float:
    if seconds < 0:
        raise ValueError(f"{name} lies {-seconds:g} s ahead: a duration means that long ago, so write it positive")
    if seconds >= _MILLISECONDS_FROM_S:
        raise ValueError(f"{name} lies {seconds:g} s ago, before there were clocks: write a shorter duration")
    return max(0.0, reference - seconds)

"""Times and lengths of time as results have them: aware datetimes in UTC, timedeltas, and nothing that overflows."""

from datetime import UTC, datetime, timedelta

from cfevents._validation import is_number, shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (moment.replace(tzinfo=UTC) for moment in (datetime.min, datetime.max))
# As seconds it is the year 5138, as milliseconds 1973.
_MILLISECONDS = 1e11
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def at(seconds: float) -> datetime:
    """Convert seconds since the Unix epoch; outside the years 1 to 9999 the nearest time that there is."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return _FIRST if seconds < 0 else _LAST


def lasting(seconds: float) -> timedelta:
    """Convert seconds to a length of time; beyond three million years the nearest that there is."""
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.min if seconds < 0 else timedelta.max


def check_moment(name: str, moment: datetime | float) -> float:
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
            f"{name}={shown(moment)} is no moment: write an aware datetime, or seconds since the Unix epoch"
        )
    # A number of numpy's, or a fraction, is one that no timedelta takes.
    seconds = moment if isinstance(moment, int) else float(moment)
    if not abs(seconds) < _MILLISECONDS:  # NaN is not either
        raise ValueError(f"{name}={shown(moment)} is not a time in seconds: write seconds since the Unix epoch")
    return seconds


def check_length(name: str, length: timedelta) -> timedelta:
    """Check a length of time.

    Raises:
        TypeError: It is not a timedelta.
        ValueError: It is not above 0.
    """
    if not isinstance(length, timedelta):
        raise TypeError(f"{name}={shown(length)} is not a length of time: write a timedelta")
    if length <= timedelta(0):
        raise ValueError(f"{name}={length} must be above 0")
    return length


def spelled(length: timedelta) -> str:
    """Spell a length of time in its two largest units, ``1h 20min``."""
    left, parts = round(abs(length).total_seconds()), []
    for seconds, unit in _UNITS:
        number, left = divmod(left, seconds)
        parts.append(f"{number}{unit}" if number else "")
    first = next((place for place, part in enumerate(parts) if part), len(parts) - 1)
    sign = "-" if length < timedelta(0) else ""
    return sign + (" ".join(part for part in parts[first : first + 2] if part) or "0s")

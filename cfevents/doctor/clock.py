"""How far this machine's clock is from the server's."""

from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from cfevents.doctor.probe import Answered
from cfevents.doctor.report import Check

# Seconds: beyond that, a window that ends now ends noticeably elsewhere.
_NOTABLE = 5


def clock_check(answers: Iterable[Answered]) -> Check:
    """Tell how far this machine's clock is from the server's."""
    offset = clock_offset(answers)
    values = {"ahead_seconds": None if offset is None else round(offset, 1)}
    if offset is None:
        return Check("clock", "unknown", "no answer had a Date header that can be read", values=values)
    if abs(offset) < _NOTABLE:
        return Check("clock", "ok", f"within {_NOTABLE} s of the server's", values=values)
    found = f"{abs(offset):,.0f} s {'ahead of' if offset > 0 else 'behind'} the server's"
    advice = "set this machine's clock, by NTP: 'now' and '24h' ago are read from it"
    return Check("clock", "warning", found, advice, values)


def clock_offset(answers: Iterable[Answered]) -> float | None:
    """Find how far this machine's clock is ahead of the server's, at least; None where no answer tells.

    A Date is whole seconds, and was written at some moment between sending and receiving: each answer leaves room, and
    all of them together leave less.
    """
    least, most = float("-inf"), float("inf")
    for answered in answers:
        date = _date(answered.response.date)
        if date is not None:
            least, most = max(least, answered.sent_at - date - 1), min(most, answered.received_at - date)
    if least == float("-inf"):
        return None
    return max(min(0.0, most), least)


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError):
        return None

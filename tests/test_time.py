"""Windows of time as people write them."""

import time
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents import _time
from cfevents._time import TimeWindow, parse_duration, parse_http_date, parse_timestamp, validate_duration

NOW = 1_780_000_000.25


@pytest.fixture(autouse=True)
def _frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_time, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("since", "seconds"),
    [
        ("24h", NOW - 86400),
        ("15min", NOW - 900),
        ("15m", NOW - 900),
        ("30s", NOW - 30),
        ("7d", NOW - 7 * 86400),
        ("2 weeks", NOW - 14 * 86400),
        ("1h30min", NOW - 5400),
        ("1.5 Hours", NOW - 5400),
        ("2H 3MIN 4S", NOW - 7384),
        ("1D", NOW - 86400),
        ("1h ago", NOW - 3600),
        ("2 Days AGO", NOW - 2 * 86400),
        ("-1h30m", NOW - 5400),
        ("99999d", 0),
        ("9:00Z", 1_779_958_800),
        ("yesterday 22:00+02:00", 1_779_912_000),
        ("2026-05-27 20:00 UTC", 1_779_912_000),
        (timedelta(hours=2), NOW - 7200),
        (1_700_000_000, 1_700_000_000),
        (1_700_000_000.75, 1_700_000_000.75),
        (Fraction(3_400_000_001, 2), 1_700_000_000.5),
        ("1700000000", 1_700_000_000),
        ("2026-03-01T06:00:00Z", 1_772_344_800),
        ("2026-03-01 07:00:00+01:00", 1_772_344_800),
        ("20260301T060000Z", 1_772_344_800),
        (datetime(2026, 3, 1, 6, tzinfo=UTC), 1_772_344_800),
        (datetime(2026, 3, 1, 7, tzinfo=timezone(timedelta(hours=1))), 1_772_344_800),
        (0, 0),
        (-5, -5),
    ],
)
def test_since_is_parsed_and_widened_to_whole_seconds(since: Any, seconds: float) -> None:
    """The lower bound is parsed as a person means it, and widened to whole seconds."""
    span = TimeWindow.of(since, None)
    assert span.since == seconds // 1
    assert span.until == 1_780_000_001


@given(st.floats(0, 1.7e9), st.floats(0, 1e7))
def test_the_window_is_never_narrower_than_what_was_asked_for(lower: float, length: float) -> None:
    upper = lower + length
    span = TimeWindow.of(lower, upper)
    assert Fraction(lower) - 1 < span.since <= lower
    assert upper <= span.until < Fraction(upper) + 1


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2020, 1, 1)))
def test_a_datetime_is_widened_exactly(moment: datetime) -> None:
    span = TimeWindow.of(moment, moment)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch + timedelta(seconds=span.since) <= moment <= epoch + timedelta(seconds=span.until)
    assert span.until - span.since == (1 if moment.microsecond else 0)


@pytest.mark.parametrize(
    ("since", "error", "says"),
    [
        (datetime(2026, 3, 1), ValueError, "has no time zone: write datetime(..., tzinfo=UTC)"),
        ("2026-03-01T06:00:00", ValueError, "write '2026-03-01T06:00:00Z' for UTC"),
        ("2026-03-01", ValueError, "write '2026-03-01T00:00:00Z' for UTC"),
        ("20260301", ValueError, "write '2026-03-01T00:00:00Z' for UTC"),
        ("24x", ValueError, "is not a time: write '24h', '2026-03-01T06:00:00Z', an aware datetime"),
        ("24", ValueError, "since='24' has no unit: write '24h' for hours"),
        ("", ValueError, "is not a time"),
        ("--24h", ValueError, "is not a time"),
        ("+24h", ValueError, "is not a time"),
        ("-24h ago", ValueError, "is not a time"),
        ("last night", ValueError, "is not a time"),
        ("yesterdays", ValueError, "is not a time"),
        ("25:00", ValueError, "is not a time"),
        ("yesterday 9", ValueError, "is not a time"),
        ("0h", ValueError, "the window is empty: since='0h' and until='now' are the same moment"),
        ("now", ValueError, "the window is empty"),
        (timedelta(0), ValueError, "the window is empty"),
        ("1M", ValueError, "since='1M' may mean minutes or months: write 'min' for minutes, '30d' for a month, or a"),
        ("1h30M", ValueError, "may mean minutes or months"),
        ("2 Months", ValueError, "has no fixed length: write '30d' for a month, or a date"),
        ("1y", ValueError, "has no fixed length: write '365d' for a year, or a date"),
        ("yesterday", ValueError, "has no time zone: write '2026-05-27T00:00:00Z' for UTC, or an offset such as '+01"),
        ("Today 22:00", ValueError, "write '2026-05-28T22:00:00Z' for UTC"),
        ("9:05:30", ValueError, "write '2026-05-28T09:05:30Z' for UTC, or an offset such as '+01:00', or an aware"),
        ("tomorrow 9:00Z", ValueError, "the window is reversed: since='tomorrow 9:00Z' is later than now, 2026-05-28"),
        (float("nan"), ValueError, "is not a time"),
        (float("inf"), ValueError, "is not a time"),
        (10**400, ValueError, "looks like milliseconds"),
        ("9" * 400 + "h", ValueError, "before there were clocks"),
        ("99999999999999h", ValueError, "before there were clocks"),
        (timedelta.max, ValueError, "before there were clocks"),
        ("1", ValueError, "seconds since the Unix epoch have nine digits or more"),
        (True, TypeError, "since is a bool"),
        (None, TypeError, "since is a NoneType"),
        (date(2026, 3, 1), TypeError, "since is a date"),
        (b"24h", TypeError, "since is a bytes"),
        (1_700_000_000_000, ValueError, "looks like milliseconds: write seconds"),
        (-1e11, ValueError, "looks like milliseconds"),
        (99_999_999_999.5, ValueError, "looks like milliseconds"),
        (-99_999_999_999.5, ValueError, "looks like milliseconds"),
        (datetime.max.replace(tzinfo=UTC), ValueError, "is later than the year 5138: leave it out for the present"),
        ("9999-12-31T23:59:59+00:00", ValueError, "is later than the year 5138"),
        (pandas.NaT, ValueError, "since=NaT is not a time: write '24h'"),
        (pandas.Timestamp("2026-03-01"), ValueError, "has no time zone"),
        (pandas.Series([1_700_000_000.0]), TypeError, "since is a Series"),
        (numpy.True_, TypeError, "since is a bool"),
        (numpy.timedelta64(10**9, "ns"), TypeError, "since is a timedelta64: write '24h'"),
        (numpy.datetime64("2026-03-01T06:00:00"), TypeError, "since is a datetime64: write '24h'"),
        (numpy.array(1_700_000_000.0), TypeError, "since is a ndarray"),
        (numpy.complex128(1_700_000_000), TypeError, "since is a complex128"),
        ("1700000000000", ValueError, "looks like milliseconds"),
        (timedelta(hours=-1), ValueError, "lies 3600 s ahead"),
        (1_790_000_000, ValueError, "the window is reversed"),
    ],
)
def test_ambiguous_and_impossible_times_are_refused(since: Any, error: type[Exception], says: str) -> None:
    """An ambiguous or impossible time is refused, with what to write instead."""
    with pytest.raises(error) as raised:
        TimeWindow.of(since, None)
    assert says in str(raised.value)


def test_a_reversed_window_is_refused_and_an_instant_is_not() -> None:
    with pytest.raises(ValueError, match="reversed: since=20 is later than until=10"):
        TimeWindow.of(20, 10)
    assert TimeWindow.of(20, 20) == TimeWindow(20, 20)
    with pytest.raises(ValueError, match="reversed"):
        TimeWindow.of(10.9, 10.1)


@pytest.mark.parametrize(("since", "until"), [("24h", 5), (timedelta(1), 5), (5, None), (5, "1h")])
def test_with_a_cursor_both_bounds_must_be_absolute(since: Any, until: Any) -> None:
    with pytest.raises(ValueError, match=r"with cursor=: .* give both bounds as they were"):
        TimeWindow.of(since, until, anchor="cursor")
    assert TimeWindow.of(5, "2026-03-01T06:00:00Z", anchor="cursor").until == 1_772_344_800


def test_numbers_of_numpy_are_read_as_numbers() -> None:
    for since in (
        numpy.int64(1_700_000_000),
        Decimal(1_700_000_000),
        pandas.Timestamp(1_700_000_000, unit="s", tz="UTC"),
    ):
        lower: Any = since
        assert TimeWindow.of(lower, numpy.float64(1_700_000_000.5)) == TimeWindow(1_700_000_000, 1_700_000_001)
    length: Any = pandas.Timedelta("2h")
    assert TimeWindow.of(length, None).since == NOW // 1 - 7200


@given(st.one_of(st.floats(-2e11, 2e11), st.integers(-(2**40), 2**40), st.datetimes(timezones=st.just(UTC))), st.data())
def test_window_is_accepted_again_in_numbers(since: Any, data: st.DataObject) -> None:
    """An export, a report and a checkpoint name a window by its seconds; what was accepted once is accepted so too."""
    until = data.draw(st.sampled_from([since, 99_999_999_998.5, datetime(5138, 11, 16, tzinfo=UTC), datetime.max]))
    try:
        window = TimeWindow.of(since, until)
    except ValueError:
        return
    assert TimeWindow.of(*window) == window


@pytest.mark.parametrize("value", [numpy.timedelta64(5, "s"), numpy.True_, pandas.NaT, numpy.array(5.0), pandas.NA])
def test_what_is_no_number_is_no_duration(value: Any) -> None:
    for parse in (parse_duration, validate_duration, parse_timestamp):
        with pytest.raises((TypeError, ValueError), match="x="):
            parse("x", value)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 09:49:37 +0100",
    ],
)
def test_dates_of_http_without_a_zone_are_in_utc(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each form of a date that HTTP allows is the same moment, wherever this machine is."""
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            assert parse_http_date(text) == 784_111_777
    finally:
        time.tzset()

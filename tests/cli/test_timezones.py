"""Time zones: where tables show times, and where times are read that have none."""

import shlex
import sys
import time
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from cfevents.cli.console.output import Zone

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]

WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z")


@pytest.fixture
def _in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine be in New York."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def requested_window(account: "Simulator") -> tuple[str, str]:
    query = account.requests[-1].query
    return query["from"], query["to"]


def seconds(text: str) -> str:
    return str(int(datetime.fromisoformat(text).timestamp()))


def test_tables_show_times_in_the_named_zone(account: "Simulator", invoke: Invoke) -> None:
    """Tables show times in the zone that is named, with their offset."""
    table = invoke("list", "site-1", *WINDOW, "--tz", "Asia/Kolkata", "--format", "table").stdout.splitlines()
    assert table[0] == "RECORDED (Kolkata)      ID             LAG      KIND"
    assert table[1].startswith("2026-01-01 05:30:00+05:30  1767225600.0")
    shown = invoke("get", "site-1", "1767225600.0", "--tz", "Europe/Berlin", "--format", "table").stdout
    assert "recorded (Berlin)  2026-01-01 01:00:00+01\n" in shown
    shown = invoke("latest", "site-1", "--tz", "Etc/GMT+3", "--format", "table").stdout
    assert shown.startswith("RECORDED (GMT+3)        ID            KIND")
    assert "2025-12-31 21:00:00-03  1767225600.0  Init" in shown


def test_last_heartbeat_is_in_the_named_zone(account: "Simulator", invoke: Invoke) -> None:
    """Connectors have their last heartbeat in the zone that is named."""
    header, line, *_ = invoke("connectors", "--tz", "Asia/Tokyo", "--format", "table").stdout.splitlines()
    assert "LAST HEARTBEAT (Tokyo)" in header
    assert "+09  " in line


@pytest.mark.usefixtures("_in_new_york")
def test_local_is_the_zone_of_this_machine(account: "Simulator", invoke: Invoke) -> None:
    since = ("--since", "2025-12-31 19:00", "--until", "2025-12-31T20:00")
    table = invoke("list", "site-1", *since, "--tz", "local", "--format", "table").stdout
    assert table.startswith("RECORDED (local)  ")
    assert "2025-12-31 19:00:00-05  1767225600.0" in table
    assert requested_window(account) == ("1767225600", "1767229200")


def test_ndjson_stays_in_utc(account: "Simulator", invoke: Invoke) -> None:
    plain = invoke("list", "site-1", *WINDOW)
    assert invoke("list", "site-1", *WINDOW, "--tz", "Asia/Tokyo").stdout == plain.stdout != ""


def test_times_without_a_zone_are_read_in_the_one_that_is_named(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = ("--since", "2026-01-01T01:00", "--until", "2026-01-01 02:00:00")
    assert invoke("list", "site-1", *window, "--tz", "Europe/Berlin").exit_code == 0
    assert requested_window(account) == ("1767225600", "1767229200")
    monkeypatch.setenv("CFEVENTS_TZ", "utc")
    assert invoke("list", "site-1", "--since", "20260101", "--until", "2026-01-01T02:00:00+01:00").exit_code == 0
    assert requested_window(account) == ("1767225600", "1767229200")


def test_times_are_in_utc_where_no_zone_is_named(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Times without an offset are UTC, as tables are; a terminal shows a note on that, with the window."""
    monkeypatch.setattr("cfevents.cli.times.is_terminal", lambda _: True)
    result = invoke("list", "site-1", "--since", "2026-01-01", "--until", "2026-01-01 01:00")
    assert requested_window(account) == ("1767225600", "1767229200")
    assert result.stderr == (
        "cfevents: from 2026-01-01 00:00:00 UTC to 2026-01-01 01:00:00 UTC; times without an offset are UTC, "
        "--tz local reads them as this machine's\n"
    )
    assert invoke("list", "site-1", *WINDOW).stderr == ""
    assert invoke("list", "site-1", "--since", "2026-01-01", "--tz", "UTC").stderr == ""
    result = invoke("archive", str(tmp_path / "events.db"), "site-1", "--since", "2026-01-01 10:00")
    assert result.stderr.startswith("cfevents: from 2026-01-01 10:00:00 UTC; times without an offset are UTC, ")


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("20260601", "Europe/Berlin", 24),
        # Clocks skip midnight, or go back to it.
        ("2026-03-29", "Asia/Beirut", 23),
        ("2026-03-28", "Asia/Beirut", 24),
        ("2025-11-02", "America/Havana", 25),
        ("2025-11-01", "America/Havana", 24),
    ],
)
def test_date_alone_is_the_whole_day(account: "Simulator", invoke: Invoke, day: str, zone: str, hours: int) -> None:
    """A date alone is the whole day in its zone, of 23 to 25 hours, from its first moment to that of the next day."""
    assert invoke("list", "site-1", "--since", day, "--until", day, "--tz", zone).exit_code == 0
    since, until = map(int, requested_window(account))
    assert until - since == hours * 3600
    first, last = (datetime.fromtimestamp(second, ZoneInfo(zone)).date() for second in (since, until - 1))
    assert first == last == datetime.fromisoformat(day).date()
    before = datetime.fromtimestamp(since - 1, ZoneInfo(zone)).date()
    assert before < first


@pytest.mark.parametrize(
    ("typed", "window"),
    [
        ("--since yesterday --until yesterday", ("2026-11-29T00:00+01:00", "2026-11-30T00:00+01:00")),
        ("--since Today --until now", ("2026-11-30T00:00+01:00", "2026-11-30T01:30+01:00")),
        ("--since today --until tomorrow", ("2026-11-30T00:00+01:00", "2026-12-02T00:00+01:00")),
        ("--since 0:15 --until 23:00:30", ("2026-11-30T00:15+01:00", "2026-11-30T23:00:30+01:00")),
        ("--since 'yesterday 22:00' --until 00:30", ("2026-11-29T22:00+01:00", "2026-11-30T00:30+01:00")),
        ("--since 'yesterday 9:05Z' --until now", ("2026-11-29T09:05+00:00", "2026-11-30T00:30+00:00")),
        ("--since '1h ago' --until -30m", ("2026-11-29T23:30+00:00", "2026-11-30T00:00+00:00")),
        (
            "--since '2026-11-29 20:00 UTC' --until '2026-11-29 23:00:00+01'",
            ("2026-11-29T20:00Z", "2026-11-29T22:00Z"),
        ),
    ],
)
def test_words_are_read_on_the_day_of_the_zone(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, typed: str, window: tuple[str, str]
) -> None:
    """At half past midnight in Berlin, yesterday is the day that ended there half an hour ago."""
    monkeypatch.setattr(time, "time", lambda: float(seconds("2026-11-30T00:30+00:00")))
    assert invoke("list", "site-1", *shlex.split(typed), "--tz", "Europe/Berlin").exit_code == 0
    assert requested_window(account) == tuple(map(seconds, window))


@pytest.mark.parametrize("command", ["list", "report", "export"])
def test_clock_that_was_never_set_sends_no_window(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A clock at 1970 counts no time back from now; absolute times are requested as they are."""
    monkeypatch.setattr(time, "time", lambda: 300.0)
    path = ("-",) if command == "export" else ()
    for times in ((), ("--since", "yesterday"), ("--since", "2026-01-01T00:00Z")):
        result = invoke(command, *path, "site-1", *times)
        assert (result.exit_code, result.stdout, account.requests) == (2, "", [])
        assert "this machine's clock shows 1970-01-01 00:05:00 UTC: set it, by NTP, or write --since" in result.stderr
    result = invoke(command, *path, "site-1", *WINDOW)
    assert result.exit_code == 0, result.stderr
    assert next(request for request in account.requests if "from" in request.query).query["from"] == "1767225600"


@pytest.mark.parametrize("name", ["Europe/Berln", "", "..", "/etc/passwd", "CET\0", "Europe"])
def test_an_unknown_zone_is_wrong_usage(account: "Simulator", invoke: Invoke, name: str) -> None:
    result = invoke("list", "site-1", "--tz", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "write an IANA name such as Europe/Berlin" in " ".join(result.stderr.split())


@pytest.fixture
def _no_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine have no time zone database, as small images have none."""
    for name in {"tzdata", *(name for name in sys.modules if name.startswith("tzdata."))}:
        monkeypatch.setitem(sys.modules, name, None)
    ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=[])
    yield
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("_no_zones")
def test_image_without_zones_says_so(account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no time zone database, that is what is missing, not the name; UTC works."""
    for name in ("Europe/Berlin", "local"):
        monkeypatch.setenv("TZ", "Europe/Berlin")
        result = invoke("list", "site-1", "--tz", name)
        assert (result.exit_code, result.stdout, account.requests) == (2, "", [])
        assert "this machine has no time zone database; run 'pip install tzdata', or use UTC" in result.stderr
    assert invoke("list", "site-1", *WINDOW, "--tz", "utc").exit_code == 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Asia/Tokyo", "2026-01-01 09:00:00+09  "),
        (":Asia/Tokyo", "2026-01-01 09:00:00+09  "),
        ("JST-9", "2026-01-01 09:00:00+09  "),
        ("<+0530>-5:30", "2026-01-01 05:30:00+05:30  "),
        ("", "2026-01-01 00:00:00+00  "),
        ("UTC", "2026-01-01 00:00:00+00  "),
    ],
)
def test_local_is_what_tz_says(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, value: str, shown: str
) -> None:
    """The zone of this machine is that of TZ, a name or a rule."""
    monkeypatch.setenv("TZ", value)
    time.tzset()
    try:
        assert shown in invoke("list", "site-1", *WINDOW, "--tz", "local", "--format", "table").stdout
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("value", ["Europe/Berln", "/no/such/file", "Mars", "local"])
def test_unknown_zone_in_tz_is_wrong_usage(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A TZ that names no zone is wrong usage: the C library would take it for UTC."""
    monkeypatch.setenv("TZ", value)
    result = invoke("list", "site-1", "--tz", "local")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"TZ is '{value}', which is not a time zone: write an IANA name" in result.stderr


def test_ambiguous_hour_widens_the_window(account: "Simulator", invoke: Invoke) -> None:
    """An hour that comes twice, or never, makes the window wider."""
    twice = ("--since", "2025-10-26T02:30", "--until", "2025-10-26T02:30")
    assert invoke("list", "site-1", *twice, "--tz", "Europe/Berlin").exit_code == 0
    assert requested_window(account) == (seconds("2025-10-26T02:30+02:00"), seconds("2025-10-26T02:30+01:00"))
    never = ("--since", "2025-03-30T02:30", "--until", "2025-03-30T02:30")
    assert invoke("list", "site-1", *never, "--tz", "Europe/Berlin").exit_code == 0
    assert requested_window(account) == (seconds("2025-03-30T01:30+01:00"), seconds("2025-03-30T03:30+02:00"))


def test_time_at_the_edge_of_the_calendar(account: "Simulator", invoke: Invoke) -> None:
    """A time at the edge of the calendar is wrong usage, or is shown as a number."""
    result = invoke("list", "site-1", "--since", "0001-01-01", "--tz", "Asia/Tokyo")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "outside the years 1 to 9999" in result.stderr
    last = int(datetime(9999, 12, 31, 23, tzinfo=UTC).timestamp())
    account.add("site-2", {"e": {"k": "Init"}, "t": last, "n": 0})
    assert f"\n{last} " in invoke("latest", "site-2", "--tz", "Asia/Tokyo", "--format", "table").stdout


def test_an_offset_is_as_short_as_it_can_be() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 250000, tzinfo=UTC)
    assert Zone().format(moment, "") == "2026-01-01 00:00:00.250000"
    assert Zone("X", UTC).format(moment, "") == "2026-01-01 00:00:00.250000+00"

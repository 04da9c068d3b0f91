"""Time zones: where tables show times, and where times are read that have none."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from cfevents.cli.console.output import Zone
from cfevents.cli.options import CommandOptions
from cfevents.cli.sources import check_options

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


@pytest.mark.parametrize("args", [("list", "site-1"), ("follow", "site-1"), ("archive", "events.db", "site-1")])
def test_time_without_zone_is_wrong_usage(account: "Simulator", invoke: Invoke, args: tuple[str, ...]) -> None:
    """A time without an offset is wrong usage where no zone is named."""
    result = invoke(*args, "--since", "2026-01-01T06:00")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "write '2026-01-01T06:00:00Z' for UTC" in result.stderr
    assert "--tz Europe/Berlin" in result.stderr
    assert account.requests == []


@pytest.mark.parametrize("name", ["Europe/Berln", "", "..", "/etc/passwd", "CET\0", "Europe"])
def test_an_unknown_zone_is_wrong_usage(account: "Simulator", invoke: Invoke, name: str) -> None:
    result = invoke("list", "site-1", "--tz", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "write an IANA name such as Europe/Berlin" in " ".join(result.stderr.split())


def test_ambiguous_hour_widens_the_window(account: "Simulator", invoke: Invoke) -> None:
    """An hour that comes twice, or never, makes the window wider."""
    twice = ("--since", "2025-10-26T02:30", "--until", "2025-10-26T02:30")
    assert invoke("list", "site-1", *twice, "--tz", "Europe/Berlin").exit_code == 0
    assert requested_window(account) == (seconds("2025-10-26T02:30+02:00"), seconds("2025-10-26T02:30+01:00"))
    never = ("--since", "2025-03-30T02:30", "--until", "2025-03-30T02:30")
    assert invoke("list", "site-1", *never, "--tz", "Europe/Berlin").exit_code == 0
    assert requested_window(account) == (seconds("2025-03-30T01:30+01:00"), seconds("2025-03-30T03:30+02:00"))


@pytest.mark.parametrize("text", ["24h", "1767225600", "20260101123", "2026-01-01T00:00Z", "yesterday", "1"])
def test_what_is_no_time_without_a_zone_is_left_to_the_library(text: str) -> None:
    options = CommandOptions(simulate=True, since=text)
    assert check_options(options) == options


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

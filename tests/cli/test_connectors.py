"""What connectors shows of an account and of an archive, in tables of any width, CSV and NDJSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cfevents import Connector, _time
from cfevents.cli.console import connector_views, table, views
from cfevents.cli.console.output import Colour, Zone
from cfevents.testing import Simulator, SimulatorThread

Invoke = Callable[..., Result]

LONG_ID = "835529f6-8b50-411e-a0d7-17035160a8c3"
CONNECTORS: list[dict[str, Any]] = [
    {
        "id": LONG_ID,
        "activated": True,
        "device": {"serial_number": "SN-0123456789-ABC"},
        "last_heartbeat": "2026-11-30T11:58:00Z",
        "last_seen_version": "2026.11.3-rc1",
        "notes": "Hamburg office, second floor, the rack beside the stairs",
    },
    {"id": "site-2", "activated": False, "last_heartbeat": "2026-11-30T10:40:00Z"},
    {"id": "site-3", "last_heartbeat": "soon"},
]


@pytest.fixture
def _connectors(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(_time, "now", lambda: 1796040000.0)  # 2026-11-30 12:00 UTC
    with SimulatorThread(Simulator(events={"site-2": []}, connectors=CONNECTORS)) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        yield


def shown(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, width: int, *args: str) -> list[str]:
    """Return the lines of a table on a terminal of a width."""
    for module in (connector_views, views, table):
        monkeypatch.setattr(module, "terminal_width", lambda: width)
    return invoke("connectors", *args, "--format", "table").stdout.splitlines()


@pytest.mark.usefixtures("_connectors")
def test_narrow_table_shows_ages_and_short_names(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    header, *lines = shown(invoke, monkeypatch, 80)
    assert header.split() == ["ID", "SERIAL", "VERSION", "STATE", "LAST", "HEARTBEAT", "NOTES"]
    assert lines[0].startswith("835529f6…  SN-01234567…  2026.11.3…  activated      2min ago        Hamburg")
    assert max(map(len, [header, *lines])) <= 80
    assert lines[-2:] == [
        "site-2     -             -           not activated  1h ago          -",
        "site-3     -             -           -              soon            -",
    ]


@pytest.mark.usefixtures("_connectors")
@pytest.mark.parametrize("width", [120, 200])
def test_wide_table_shows_times_and_whole_names(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    header, first, *lines = shown(invoke, monkeypatch, width)
    assert "LAST HEARTBEAT (UTC)" in header
    names = (LONG_ID, "SN-0123456789-ABC", "2026.11.3-rc1") if width == 200 else (LONG_ID, "SN-01234567…", "2026.11.3…")
    for cell in (*names, "activated", "2026-11-30 11:58:00"):
        assert f"{cell}  " in first
    words = " ".join([first, *lines[:-2]]).split()
    assert words[-9:] == CONNECTORS[0]["notes"].split()
    assert max(map(len, [header, first, *lines])) <= width


@pytest.mark.usefixtures("_connectors")
def test_csv_has_the_serial_number_and_ndjson_the_object(invoke: Invoke) -> None:
    columns = "id,serial_number,last_seen_version,activated"
    lines = invoke("connectors", "--format", "csv", "--columns", columns).stdout.splitlines()
    assert lines == [columns, f"{LONG_ID},SN-0123456789-ABC,2026.11.3-rc1,true", "site-2,,,false", "site-3,,,"]
    assert [json.loads(line) for line in invoke("connectors").stdout.splitlines()] == CONNECTORS


@pytest.mark.parametrize(("ago", "is_notable"), [(60, False), (1790, False), (1810, True), (10**6, True), (-60, False)])
def test_an_old_heartbeat_is_notable(monkeypatch: pytest.MonkeyPatch, ago: int, is_notable: bool) -> None:
    """A heartbeat older than the least gap of a report has its colour."""
    monkeypatch.setattr(_time, "now", lambda: 1796040000.0)
    view = connector_views.connectors(Zone())
    text = _time.format_iso(_time.to_datetime(1796040000 - ago))
    ((*_, heartbeat, _notes),) = view.rows(Connector("c1", last_heartbeat=text))
    colour: Any = view.colours[-2]
    assert (colour(heartbeat) == Colour.NOTABLE) is is_notable


SILENT = {"serial_number": "SIM3240541", "notes": "Toronto warehouse"}
SITE_1 = {"serial_number": "SIM1894260", "notes": "Singapore office"}


def test_archive_shows_first_and_last_event_and_their_number(
    account: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A silent connector of the archive is listed too."""
    account.add("silent")
    path = str(tmp_path / "events.db")
    since = ("--since", "2026-01-01", "--lookback", "1s")
    assert invoke("archive", path, "site-1", "silent", *since).exit_code == 0
    printed = invoke("connectors", "--archive", path)
    assert [json.loads(line) for line in printed.stdout.splitlines()] == [
        {"id": "silent", "first_at": None, "last_at": None, "events": 0} | SILENT,
        {"id": "site-1", "first_at": "2026-01-01T00:00:00Z", "last_at": "2026-01-01T00:02:00Z", "events": 4} | SITE_1,
    ]
    assert shown(invoke, monkeypatch, 120, "--archive", path) == [
        "ID      SERIAL      FIRST EVENT (UTC)    LAST EVENT (UTC)     EVENTS  NOTES",
        "silent  SIM3240541  -                    -                    0       Toronto warehouse",
        "site-1  SIM1894260  2026-01-01 00:00:00  2026-01-01 00:02:00  4       Singapore office",
    ]
    monkeypatch.setattr(_time, "now", lambda: 1767225600.0 + 86400)
    assert shown(invoke, monkeypatch, 80, "--archive", path)[::2] == [
        "ID      SERIAL      FIRST EVENT  LAST EVENT  EVENTS  NOTES",
        "site-1  SIM1894260  1d ago       23h ago     4       Singapore office",
    ]
    csv = invoke("connectors", "--archive", path, "--format", "csv", "--columns", "id,events").stdout
    assert csv.splitlines() == ["id,events", "silent,0", "site-1,4"]


def test_archived_time_outside_the_calendar_is_a_number() -> None:
    view = connector_views.archived(Zone())
    connector = connector_views.ArchivedConnector(Connector("c1"), 1767225600, 400000000000, 2)
    assert view.record(connector)["last_at"] is None
    assert view.rows(connector) == [("c1", "-", "2026-01-01 00:00:00", "400000000000", "2", "-")]

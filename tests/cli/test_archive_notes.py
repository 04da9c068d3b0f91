"""What an archive lacks of a window is said, and nothing is judged that it does not know."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from cfevents import Client, _time
from cfevents.storage import Archive
from cfevents.storage.extents import prune_extents
from cfevents.testing import Simulator, faults

Invoke = Callable[..., Result]

HOUR, DAY = 3600, 86_400
FILLED = int(time.time()) - 3 * DAY
"""When the archive is filled."""


def reconciles(begin: int, end: int) -> list[dict[str, Any]]:
    return [{"e": {"k": "Reconcile"}, "t": FILLED + at, "n": 0, "a": FILLED + at + 5} for at in range(begin, end, 300)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The wall clock, which stands still until a test moves it."""
    clock = SimpleNamespace(date=float(FILLED))
    clock.time = lambda: clock.date
    monkeypatch.setattr(_time, "time", clock)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "events.db")


@pytest.fixture
def account(serve: Callable[..., Simulator], clock: SimpleNamespace) -> Simulator:
    """An account with two connectors that are well, and one that is silent."""
    return serve({"site-1": reconciles(-DAY, 0), "site-2": reconciles(-DAY, 0), "silent": []})


def ndjson(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def utc(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


@pytest.mark.usefixtures("account")
def test_archive_that_is_not_up_to_date(invoke: Invoke, path: str, clock: SimpleNamespace, tmp_path: Path) -> None:
    """Connectors are judged until they were last asked; each command says in one line when that was."""
    invoke("archive", path, "site-1", "site-2")
    clock.date += 3 * HOUR
    note = f"the archive ends at {utc(FILLED)}, 3h before the window does\n"
    result = invoke("report", "--archive", path, "--all", "--fail-on", "info")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"cfevents: {note}")
    assert invoke("report", "--archive", path, "--all").exit_code == 0
    table = invoke("report", "--archive", path, "--all", "--format", "table")
    assert table.stderr == ""
    assert f" to {utc(FILLED)[:16]} UTC: no findings\n{note}" in table.stdout
    for command in (("list", "--all"), ("export", str(tmp_path / "x.csv"), "--all"), ("export", "-", "--all")):
        result = invoke(*command, "--archive", path)
        assert (result.exit_code, result.stderr) == (0, f"cfevents: {note}")
    assert invoke("latest", "--all", "--archive", path).stderr.startswith(
        f"cfevents: the archive ends at {utc(FILLED)}, 3h ago\n"
    )


@pytest.mark.usefixtures("account")
def test_quiet_commands_say_that_an_archive_is_no_longer_filled(
    invoke: Invoke, path: str, clock: SimpleNamespace, tmp_path: Path
) -> None:
    """An archive that ends long before the window knows of no findings, which is not well; a few minutes are."""
    invoke("archive", path, "site-1", "site-2")
    options = ("--archive", path, "--all", "--quiet")
    commands = [
        ("report", *options, "--fail-on", "error"),
        ("list", *options, "--tail", "1"),
        ("export", str(tmp_path / "x.csv"), *options),
        ("latest", *options),
    ]
    clock.date += 20 * 60
    assert [invoke(*command).stderr for command in commands] == [""] * 4
    clock.date += 2 * HOUR
    for command in commands:
        result = invoke(*command)
        assert result.exit_code == ("--fail-on" in command)
        assert f"the archive ends at {utc(FILLED)}" in result.stderr


def test_quiet_commands_say_that_a_first_fill_was_interrupted(invoke: Invoke, path: str, account: Simulator) -> None:
    """An archive that lacks events is not well, for a reader of what is there neither."""
    account.max_page_size = 20
    account.faults.add(faults.status(403), path="/site-1/telemetry/events", on=range(12, 999))
    invoke("archive", path, "site-1")
    for command in ("report", "list"):
        assert "it lacks events" in invoke(command, "site-1", "--archive", path, "--quiet").stderr


def test_quiet_report_says_in_its_help_what_it_leaves_out(invoke: Invoke) -> None:
    assert "only failures and findings (from --fail-on on)" in " ".join(invoke("report", "--help").stdout.split())


@pytest.mark.usefixtures("account")
def test_archive_that_ends_before_the_window_begins(
    invoke: Invoke, path: str, clock: SimpleNamespace, tmp_path: Path
) -> None:
    """Nothing is known of the window: status 1, with that sentence alone."""
    invoke("archive", path, "site-1", "site-2")
    clock.date += 30 * HOUR
    sentence = f"the archive ends at {utc(FILLED)}, 6h before the window begins"
    export = tmp_path / "x.csv"
    for command in (("report", "--all"), ("report", "site-1"), ("list", "--all"), ("export", str(export), "--all")):
        result = invoke(*command, "--archive", path, "--since", "24h")
        advice = f"'cfevents archive {path} {command[-1]}' fills it up"
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"cfevents: {sentence}; {advice}\n")
    assert not export.exists()
    zoned = invoke("report", "--all", "--archive", path, "--tz", "Asia/Tokyo").stderr
    assert time.strftime("%Y-%m-%d %H:%M:%S+09", time.gmtime(FILLED + 9 * HOUR)) in zoned


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("named", [("--all",), ("site-1", "site-2", "silent")])
def test_silent_connector_of_an_archive_is_found(invoke: Invoke, path: str, named: tuple[str, ...]) -> None:
    """A connector that was asked, and had nothing to say, is a finding also from an archive."""
    invoke("archive", path, *named)
    result = invoke("report", *named, "--archive", path, "--fail-on", "error")
    assert (result.exit_code, result.stderr) == (3, "")
    assert [(finding["connector_id"], finding["message"]) for finding in ndjson(result)] == [
        ("silent", "silent: no event in the window")
    ]


@pytest.mark.usefixtures("account")
def test_connector_that_was_not_asked_any_more(
    invoke: Invoke, path: str, account: Simulator, clock: SimpleNamespace
) -> None:
    """Of connectors that could not be asked, those that were missed are said, and found."""
    invoke("archive", path, "site-1", "site-2")
    clock.date += 26 * HOUR
    account.add("site-1", *reconciles(0, 26 * HOUR))
    account.faults.add(faults.status(403), path="/site-2/telemetry/events")
    assert invoke("archive", path, "site-1", "site-2").exit_code == 1
    result = invoke("report", "--all", "--archive", path, "--fail-on", "error")
    assert result.exit_code == 3
    assert result.stderr == f"cfevents: the archive of site-2 ends at {utc(FILLED)}, 1d 2h before the window does\n"
    assert [(finding["connector_id"], finding["message"]) for finding in ndjson(result)] == [
        ("site-2", "last asked 2h before the window begins: nothing is known of it")
    ]
    assert invoke("list", "--all", "--archive", path).exit_code == 0


def test_interrupted_first_fill_is_said_to_be_one(invoke: Invoke, path: str, account: Simulator) -> None:
    """An archive that was not filled to the end is judged to its last event, and said to lack events."""
    account.max_page_size = 20
    account.faults.add(faults.status(403), path="/site-1/telemetry/events", on=range(12, 999))
    invoke("archive", path, "site-1")
    result = invoke("report", "site-1", "--archive", path, "--fail-on", "info")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "cfevents: the first fill of the archive was interrupted, or goes on: it lacks events; "
        f"'cfevents archive {path} site-1' fills it up\n"
    )
    invoke("archive", path, "site-2")
    assert "the first fill of the archive of site-1 was" in invoke("list", "--all", "--archive", path).stderr


@pytest.mark.usefixtures("account")
def test_archive_that_begins_later_than_the_window(invoke: Invoke, path: str) -> None:
    """An archive that lacks the beginning of a window is no quiet one."""
    invoke("archive", path, "site-1", "--since", "6h")
    result = invoke("list", "--archive", path, "--since", "24h")
    assert (result.exit_code, result.stderr) == (
        0,
        f"cfevents: the archive begins at {utc(FILLED - 6 * HOUR)}, 18h after the window does\n",
    )


def fill_with(kind: Any, account: Simulator, path: str, connector_id: str) -> None:
    async def sync() -> None:
        async with Client(**account.client_options) as client, Archive(path) as archive:
            await archive.sync(client, connector_id, since="24h", kind=kind)

    asyncio.run(sync())


@pytest.mark.parametrize(
    ("kind", "names"),
    [("Reconcile", "Reconcile"), (["Init", "Reconcile"], "Init, Reconcile"), ("!Init", "all kinds but Init")],
)
def test_archive_of_some_kinds_gives_no_report(
    invoke: Invoke, path: str, account: Simulator, kind: Any, names: str
) -> None:
    """Where ``Leave`` was never asked for, no start is unclean: there is no report, and the lack is said."""
    fill_with(kind, account, path, "site-1")
    note = f"the archive has events of {names} alone; 'cfevents archive {path} --all' adds the other kinds\n"
    assert invoke("list", "--archive", path).stderr == f"cfevents: {note}"
    result = invoke("report", "--archive", path, "--fail-on", "info")
    needed = "cfevents: a report needs events of all kinds: there is none of site-1\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"cfevents: {note}{needed}")
    fill_with(None, account, path, "silent")
    result = invoke("report", "--archive", path, "--all")
    note = note.replace("archive has", "archive of site-1 has")
    assert (result.exit_code, result.stderr) == (1, f"cfevents: {note}{needed}")
    assert [finding["connector_id"] for finding in ndjson(result)] == ["silent"]
    invoke("archive", path, "site-1")
    assert invoke("report", "--archive", path, "site-1").stderr == ""


@pytest.mark.usefixtures("account")
def test_nobody_is_silent_before_the_archive_begins(invoke: Invoke, path: str) -> None:
    """What was pruned is no silence: the archive begins after it, and no connector is judged before."""
    invoke("archive", path, "site-1", "silent")
    with closing(connect(path)) as connection, connection:
        prune_extents(connection, None, FILLED - HOUR)
        connection.execute("DELETE FROM listed_events WHERE recorded_ts < ?", (FILLED - HOUR,))
    begin, source = utc(FILLED - HOUR), ("--archive", path)
    result = invoke("report", "--all", *source)
    assert result.stderr == f"cfevents: the archive begins at {begin}, 23h after the window does\n"
    (finding,) = ndjson(result)
    assert finding["message"] == f"nothing is known of it before {begin}, and silent since"
    assert finding["details"]["duration"] == HOUR
    earlier = ndjson(invoke("report", "site-1", *source, "--until", str(FILLED - 2 * HOUR), "--since", "9h"))
    assert [finding["message"] for finding in earlier] == [f"nothing is known of it before {begin}"]


@pytest.mark.usefixtures("account")
def test_window_that_is_not_over_lacks_nothing(invoke: Invoke, path: str, clock: SimpleNamespace) -> None:
    """An archive cannot have the future: it ends some time ago, or is up to date."""
    invoke("archive", path, "site-1")
    window = ("--archive", path, "--since", "24h", "--until", str(FILLED + 9 * HOUR))
    assert invoke("list", *window).stderr == ""
    clock.date += HOUR
    assert invoke("report", *window).stderr == f"cfevents: the archive ends at {utc(FILLED)}, 1h ago\n"
    assert invoke("report", *window).stdout == ""


@pytest.mark.usefixtures("account")
def test_summary_of_archive_needs_no_extents_of_others(invoke: Invoke, path: str) -> None:
    """The connectors that are not asked for do not matter."""
    invoke("archive", path, "site-1", "site-2")
    with closing(connect(path)) as connection, connection:
        connection.execute("DELETE FROM extents WHERE connector_id = 'site-2'")
    assert invoke("report", "site-1", "--archive", path).stderr == ""

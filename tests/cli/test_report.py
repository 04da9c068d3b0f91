"""What report finds, how it shows it, and how it ends."""

import asyncio
import json
import re
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import Result
from support.archives import make_archive
from support.terminal import on_terminal, shown_by

from cfevents import _time, operations
from cfevents._time import format_iso
from cfevents.cli.app import app
from cfevents.testing import Simulator, faults

if TYPE_CHECKING:
    import subprocess

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

BEGIN = 1767225600
WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T06:00:00Z")
CONNECTOR = "0c5a29f6-8b50-411e-a0d7-17035160a8c3"


def event(at: int, kind: str, **payload: Any) -> dict[str, Any]:
    return {"e": {"k": kind, **payload}, "t": BEGIN + at, "n": 0, "a": BEGIN + at + 5, "v": "1.2.3"}


EVENTS = [event(60, "RekeyStart", tunnel_id="tunnel-1"), event(120, "Novelty", depth=[1, 2])]


@pytest.fixture
def account(serve: Callable[..., Simulator]) -> Simulator:
    """An account with one connector."""
    return serve({"site-1": EVENTS})


@pytest.fixture
def troubled(account: Simulator) -> Simulator:
    """A connector with an upgrade that failed, and one that lost the keys of a tunnel."""
    upgrade = event(60, "StartUpgrade", url="https://u/1.bundle"), event(130, "FinishUpgradeFailure")
    account.add(CONNECTOR, *upgrade)
    account.add("site-2", event(90, "Init"), event(95, "RekeyReset", tunnel_id="tunnel-7"))
    return account


def findings(result: Result) -> list[dict[str, Any]]:
    """Read NDJSON from a command that went well."""
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_finding_is_a_json_line_with_its_events(troubled: Simulator, invoke: Invoke) -> None:
    """Each finding is one JSON object per line, with the events that show it."""
    (finding,) = findings(invoke("report", CONNECTOR, *WINDOW))
    assert list(finding.items()) == [
        ("severity", "error"),
        ("kind", "failed_upgrade"),
        ("connector_id", CONNECTOR),
        ("notes", None),
        ("first_at", "2026-01-01T00:01:00Z"),
        ("last_at", "2026-01-01T00:02:10Z"),
        ("message", "upgrade failed after 1min 10s"),
        ("event_ids", ["1767225660.0", "1767225730.0"]),
        ("details", {}),
    ]


def test_table_has_the_worst_finding_first_and_a_summary(troubled: Simulator, invoke: Invoke) -> None:
    """In a table the worst finding is first, and a summary follows."""
    table = invoke("report", CONNECTOR, "site-2", *WINDOW, "--format", "table").stdout.splitlines()
    assert [line.split()[0] for line in table[:3]] == ["SEVERITY", "critical", "error"]
    assert table[2].endswith(f"  Lisbon warehouse ({CONNECTOR})  failed_upgrade: upgrade failed after 1min 10s")
    assert table[3] == "4 events of 2 connectors, 2026-01-01 00:00 to 2026-01-01 06:00 UTC: 2 findings"
    assert table[4:] == [
        "--details adds which tunnel, bundle or version, and for how long (3 more requests)",
        "events of rekey_reset 1767225695.0:",
        "  cfevents list site-2 --since 2025-12-31T23:01:34Z --until 2026-01-01T00:01:36Z",
        "events of failed_upgrade 1767225660.0:",
        f"  cfevents list {CONNECTOR} --since 2026-01-01T00:00:59Z --until 2026-01-01T00:02:11Z",
    ]


def test_times_are_read_and_shown_in_the_zone_that_is_asked_for(troubled: Simulator, invoke: Invoke) -> None:
    window = ("--since", "2026-01-01 01:00", "--until", "2026-01-01 07:00", "--tz", "Europe/Berlin")
    table = invoke("report", CONNECTOR, *window, "--format", "table").stdout.splitlines()
    assert table[0].split("  ")[1].strip() == "FIRST (Berlin)"
    assert table[1].split("  ")[2].strip() == "2026-01-01 01:01:00+01"
    assert findings(invoke("report", CONNECTOR, *window)) == findings(invoke("report", CONNECTOR, *WINDOW))


@pytest.mark.parametrize(
    ("named", "notes"),
    [(("--all",), "Lisbon warehouse"), (("lisbon",), "Lisbon warehouse"), ((CONNECTOR,), None)],
    ids=["all", "by its notes", "by its id, which asks for no list"],
)
def test_notes_stand_beside_the_id(
    troubled: Simulator, invoke: Invoke, named: tuple[str, ...], notes: str | None
) -> None:
    """A finding has the connector's notes where the report lists the connectors."""
    result = {finding["connector_id"]: finding for finding in findings(invoke("report", *named, *WINDOW))}
    assert result[CONNECTOR]["notes"] == notes
    assert list(result[CONNECTOR])[2:4] == ["connector_id", "notes"]
    header = invoke("report", *named, *WINDOW, "--format", "csv").stdout.splitlines()[0]
    assert header.split(",")[2:4] == ["connector_id", "notes"]
    table = invoke("report", *named, *WINDOW, "--format", "table").stdout
    assert (f"  Lisbon warehouse ({CONNECTOR})  " in table) == (notes is not None)


def test_notes_come_first_where_the_terminal_is_narrow(troubled: Simulator) -> None:
    """A table names a connector as its owner does; the beginning of its id is below."""
    lines = on_terminal("report", "lisbon", *WINDOW).splitlines()
    assert max(map(len, lines)) <= 80
    assert "  Lisbon warehouse  failed_upgrade: upgrade" in lines[1]
    assert "connector=0c5a29f6… id=1767225660.0" in " ".join(" ".join(lines).split())


def test_connectors_without_findings_are_named(troubled: Simulator, invoke: Invoke) -> None:
    """Who asks which connectors failed learns which did not; of many it is a count."""
    for name in ("well-1", "well-2"):
        troubled.add(name, *(event(300 * n, "Reconcile") for n in range(72)))
    args = ("--all", *WINDOW, "--format", "table")
    (line,) = (line for line in invoke("report", *args).stdout.splitlines() if line.startswith("no findings"))
    assert re.fullmatch(r"no findings: [A-Z][\w ]+, [A-Z][\w ]+", line)
    assert "no findings" not in invoke("report", *args, "-q").stdout
    for number in range(4):
        troubled.add(f"more-{number}", *(event(300 * n, "Reconcile") for n in range(72)))
    assert "\nno findings: 6 connectors\n" in invoke("report", *args).stdout


@pytest.mark.parametrize("format_", ["table", "ndjson", "csv"])
def test_quiet_report_hides_what_does_not_fail_it(troubled: Simulator, invoke: Invoke, format_: str) -> None:
    """With -q, findings below --fail-on are hidden also beside those above it."""
    args = ("report", CONNECTOR, "site-2", *WINDOW, "--fail-on", "critical", "--format", format_)
    result = invoke(*args, "-q")
    assert (result.exit_code, "failed_upgrade" in result.stdout, "rekey_reset" in result.stdout) == (3, False, True)
    assert "failed_upgrade" in invoke(*args).stdout


def test_what_is_open_has_been_so_until_the_window_ends(account: Simulator, invoke: Invoke) -> None:
    (stuck, novel) = findings(invoke("report", "site-1", *WINDOW))
    assert (stuck["kind"], stuck["message"]) == ("stuck_rekey", "rekey stuck in start for 5h 59min")
    assert novel["kind"] == "unknown_kind"


def test_payloads_are_read_only_for_findings(troubled: Simulator, invoke: Invoke) -> None:
    """Payloads are read where they add to a finding, and nowhere else."""
    result = findings(invoke("report", CONNECTOR, "site-2", *WINDOW, "--details"))
    assert [finding["details"] for finding in result] == [
        {"tunnel_id": "tunnel-7"},
        {"url": "https://u/1.bundle", "version": "1.2.3"},
    ]
    read = {request.path.rpartition("/")[2] for request in troubled.requests} - {"events", "connectors"}
    assert read == {"1767225660.0", "1767225730.0", "1767225695.0"}
    listings = [request.path for request in troubled.requests if request.path.endswith("/events")]
    assert len(listings) == len({*listings})  # the window is listed once
    table = invoke("report", CONNECTOR, *WINDOW, "--details", "--format", "table").stdout.splitlines()
    assert table[1].endswith("url=https://u/1.bundle  version=1.2.3")
    assert table[2].endswith("1 finding")


def test_without_payloads_none_is_asked_for(troubled: Simulator, invoke: Invoke) -> None:
    findings(invoke("report", CONNECTOR, *WINDOW))
    assert {request.path.rpartition("/")[2] for request in troubled.requests} == {"events"}


def test_lengths_of_time_are_seconds(account: Simulator, invoke: Invoke) -> None:
    account.add("site-3", event(0, "Init"), event(600, "Reconcile"), event(700, "Init"))
    (crash,) = findings(invoke("report", "site-3", *WINDOW))
    assert crash["details"] == {"downtime": 100.0}


def order(operation: str, at: int) -> dict[str, Any]:
    times = [format_iso(datetime.fromtimestamp(BEGIN + seconds, UTC)) for seconds in (at - 10, at)]
    return {operation: {"purge": False}, "submitted_at": times[0], "triggered_at": times[1]}


@pytest.fixture
def rebooted(account: Simulator) -> Simulator:
    """Connectors that started again without a stop, by order and not, and one that stays shut down."""
    restart = event(60, "Reconcile"), event(700, "Init")
    account.add("ordered", *restart)
    account.add("crashed", *restart)
    account.add("off", *(event(60 * at, "Reconcile") for at in range(60)))
    account.interrupts |= {
        "ordered": [order("reboot", 620)],
        "off": [order("shutdown", 3600)],
        "site-1": [order("reboot", 60)],
    }
    return account


ALL_OF_THEM = ("ordered", "crashed", "off", "site-1", *WINDOW[:2], "--until", "2026-01-01T02:00:00Z")


def test_interrupts_are_asked_of_those_with_such_a_finding(rebooted: Simulator, invoke: Invoke) -> None:
    """What was ordered is asked of the connectors alone that it may explain, by one request each."""
    result = {item["connector_id"]: item for item in findings(invoke("report", *ALL_OF_THEM, "--interrupts"))}
    assert [result[name]["kind"] for name in ("ordered", "crashed", "off")] == [
        "ordered_reboot", "unclean_restart", "ordered_shutdown",
    ]  # fmt: skip
    assert [result[name]["severity"] for name in ("ordered", "crashed", "off")] == ["info", "warning", "info"]
    assert result["ordered"]["details"] == {
        "operation": "reboot",
        "submitted_at": "2026-01-01T00:10:10Z",
        "triggered_at": "2026-01-01T00:10:20Z",
        "purge": False,
        "downtime": 640.0,
    }
    assert result["crashed"]["message"].endswith("a crash or a power cut, not ordered")
    asked = [request.path.split("/")[-2] for request in rebooted.requests if request.path.endswith("/interrupts")]
    assert sorted(asked) == ["crashed", "off", "ordered"]


def test_no_interrupts_are_asked_for_unless_wanted(rebooted: Simulator, invoke: Invoke) -> None:
    lines = invoke("report", *ALL_OF_THEM, "--format", "table").stdout.splitlines()
    assert not any(request.path.endswith("/interrupts") for request in rebooted.requests)
    assert "--interrupts tells what somebody ordered (3 more requests)" in lines
    assert "--interrupts" not in invoke("report", *ALL_OF_THEM, "--interrupts", "--format", "table").stdout
    rebooted.requests.clear()
    invoke("report", "site-1", *WINDOW[:2], "--until", "2026-01-01T02:00:00Z", "--interrupts")
    assert not any(request.path.endswith("/interrupts") for request in rebooted.requests)


def test_interrupts_that_are_refused_are_asked_for_once(rebooted: Simulator, invoke: Invoke) -> None:
    """A failure that does not concern a single connector ends the asking, and the message names all of them."""
    rebooted.faults.add(faults.status(403), path="*/interrupts")
    result = invoke("report", *ALL_OF_THEM, "--interrupts")
    assert result.exit_code == 1
    assert sum(request.path.endswith("/interrupts") for request in rebooted.requests) == 1
    assert all(connector_id in result.stderr for connector_id in ("ordered", "crashed", "off"))


def test_payloads_that_are_refused_are_asked_for_once(account: Simulator, invoke: Invoke) -> None:
    """A failure that does not concern a single connector ends the asking for payloads, too."""
    for name in ("r1", "r2", "r3"):
        account.add(name, event(0, "StartUpgrade"), event(600, "FinishUpgradeFailure"))
    account.faults.add(faults.status(403), path="*.0")
    result = invoke("report", "r1", "r2", "r3", *WINDOW, "--details")
    assert result.exit_code == 1
    asked = {request.path.split("/")[-4] for request in account.requests if request.path.endswith(".0")}
    assert len(asked) == 1
    assert all(name in result.stderr for name in ("r1", "r2", "r3"))


def test_failed_interrupts_come_after_the_findings(rebooted: Simulator, invoke: Invoke) -> None:
    """Where the interrupts cannot be read, it stays open whether somebody ordered a restart."""
    rebooted.faults.add(faults.status(404), path="/ordered/interrupts")
    result = invoke("report", *ALL_OF_THEM, "--interrupts")
    messages = {item["connector_id"]: item["message"] for item in map(json.loads, result.stdout.splitlines())}
    assert messages["ordered"].endswith("a crash, a power cut or an ordered restart")
    assert messages["crashed"].endswith("a crash or a power cut, not ordered")
    assert result.exit_code == 1
    assert result.stderr.startswith("cfevents: the interrupts of ordered could not be read: GET ")


@pytest.mark.parametrize(
    ("connector", "fail_on", "status"),
    [
        (CONNECTOR, None, 0),
        (CONNECTOR, "critical", 0),
        (CONNECTOR, "error", 3),
        (CONNECTOR, "info", 3),
        ("site-2", "critical", 3),
    ],
)
def test_it_ends_with_3_where_a_finding_is_as_bad_as_asked(
    troubled: Simulator, invoke: Invoke, connector: str, fail_on: str | None, status: int
) -> None:
    ended = invoke("report", connector, *WINDOW, *(("--fail-on", fail_on) if fail_on else ()))
    assert (ended.exit_code, ended.stdout.count("\n"), ended.stderr) == (status, 1, "")


def test_a_shell_is_told_of_it_by_the_status(troubled: Simulator, run: Run) -> None:
    ended = run("report", CONNECTOR, *WINDOW, "--fail-on", "warning")
    assert (ended.returncode, ended.stdout.count("\n"), ended.stderr) == (3, 1, "")


def test_the_severities_to_fail_on_are_those_of_findings() -> None:
    (option,) = (option for option in app.commands["report"].params if option.name == "fail_on")
    assert isinstance(option.type, click.Choice)
    assert option.type.choices == operations.SEVERITIES


def test_unreadable_connector_does_not_hide_the_others(troubled: Simulator, invoke: Invoke) -> None:
    """A connector that cannot be read does not hide the others."""
    result = invoke("report", "nobody", CONNECTOR, *WINDOW, "--fail-on", "error")
    assert json.loads(result.stdout)["kind"] == "failed_upgrade"
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "no connector is called 'nobody'" in result.stderr


def test_one_that_was_read_in_part_is_not_called_silent(account: Simulator, invoke: Invoke) -> None:
    account.max_page_size = 20
    account.add("cut", *(event(at * 60, "Reconcile") for at in range(360)))
    account.faults.add(faults.status(403), path="/cut/telemetry/events", on=range(9, 999))
    result = invoke("report", "cut", "site-1", *WINDOW, "--format", "table")
    assert result.exit_code == 1
    assert "silence" not in result.stdout
    assert "2 events of 1 connector" in result.stdout


def test_single_unreadable_connector_fails_like_elsewhere(account: Simulator, invoke: Invoke) -> None:
    """A single connector that cannot be read fails as it does in the other commands."""
    result = invoke("report", "nobody", *WINDOW, "--format", "table")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "'cfevents connectors'" in result.stderr
    assert "no connector is called 'nobody'" in result.stderr


def test_payload_failures_come_after_the_findings(troubled: Simulator, invoke: Invoke) -> None:
    """Payloads that cannot be read are reported after the findings."""
    troubled.faults.add(faults.status(403), path=f"/{CONNECTOR}/telemetry/events/*")
    result = invoke("report", CONNECTOR, "site-2", *WINDOW, "--details")
    assert [json.loads(line)["details"] for line in result.stdout.splitlines()] == [{"tunnel_id": "tunnel-7"}, {}]
    assert result.exit_code == 1
    assert "'Magic WAN Read'" in result.stderr


def test_no_findings_are_a_summary_or_silence(account: Simulator, invoke: Invoke) -> None:
    """Without findings a table has a summary, and NDJSON nothing."""
    account.add("site-4", event(0, "Init"), event(1, "Leave"))
    table = invoke("report", "site-4", *WINDOW[:2], "--until", "2026-01-01T00:10:00Z", "--format", "table")
    summary = "2 events of 1 connector, 2026-01-01 00:00 to 2026-01-01 00:10 UTC: no findings\n"
    assert (table.exit_code, table.stdout) == (0, summary)
    assert invoke("report", "site-4", *WINDOW[:2], "--until", "2026-01-01T00:10:00Z").stdout == ""


def test_an_archive_is_reported_of_without_asking_anyone(
    troubled: Simulator, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "events.db")
    invoke("archive", path, CONNECTOR, "site-2", *WINDOW[:2], "--details")
    expected = findings(invoke("report", CONNECTOR, "site-2", *WINDOW, "--details"))
    for name in troubled.environment:
        monkeypatch.delenv(name)
    troubled.requests.clear()
    assert findings(invoke("report", "--all", "--archive", path, *WINDOW)) == expected
    assert findings(invoke("report", CONNECTOR, "--archive", path, *WINDOW)) == expected[1:]
    assert troubled.requests == []


def test_archive_of_several_needs_a_connector(troubled: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    """The connector of an archive must be given if it has several."""
    path = str(tmp_path / "events.db")
    invoke("archive", path, CONNECTOR, *WINDOW[:2])
    assert len(findings(invoke("report", "--archive", path, *WINDOW))) == 1
    assert invoke("report", "site-2", "--archive", path).stderr == (
        f"cfevents: the archive has nothing of site-2; it has {CONNECTOR}\n"
    )
    invoke("archive", path, "site-2", *WINDOW[:2])
    result = invoke("report", "--archive", path, *WINDOW)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("cfevents: CONNECTOR is missing: the archive has ")
    assert "--all" in result.stderr


def test_an_archive_without_events_says_how_it_is_filled(account: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    path = str(tmp_path / "events.db")
    asyncio.run(make_archive(path))
    result = invoke("report", "--all", "--archive", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"'cfevents archive {path} --all' fills it" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "CONNECTOR is missing"),
        (("site-1", "--all"), "exclude each other"),
        (("site-1", "--fail-on", "fatal"), "error, critical"),
        (("site-1", "--since", "soon"), "--since soon is not a time"),
        (("site-1", "--archive", __file__, "--interrupts"), "--interrupts asks the API: leave out --archive"),
        (("..",), "CONNECTOR '..' is not"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    account: Simulator, invoke: Invoke, args: tuple[str, ...], message: str
) -> None:
    result = invoke("report", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert account.requests == []


def test_summary_goes_to_the_terminal_beside_a_file(troubled: Simulator, tmp_path: Path) -> None:
    """The summary goes to the terminal where the findings go to a file."""
    with (tmp_path / "found").open("w") as file:
        output = shown_by(("report", CONNECTOR, *WINDOW), {"stdout": file, "stderr": None}, {})
    assert output == "2 events of 1 connector, 2026-01-01 00:00 to 2026-01-01 06:00 UTC: 1 finding\n"
    assert json.loads((tmp_path / "found").read_text())["kind"] == "failed_upgrade"


def test_a_narrow_terminal_shows_the_beginning_of_long_ids(troubled: Simulator) -> None:
    lines = on_terminal("report", CONNECTOR, *WINDOW).splitlines()
    assert "0c5a29f6\N{HORIZONTAL ELLIPSIS}  failed_upgrade" in lines[1]
    assert max(map(len, lines)) <= 80
    assert lines[2].strip().endswith("id=1767225660.0")


@pytest.mark.parametrize("show", [on_terminal, None], ids=["terminal", "pipe"])
def test_table_shows_how_to_list_the_events_of_a_finding(
    troubled: Simulator, invoke: Invoke, show: Callable[..., str] | None
) -> None:
    """The table has an id of each finding, and a command that lists the events of the first one."""
    arguments = ("report", CONNECTOR, *WINDOW, "--format", "table")
    table = show(*arguments) if show else invoke(*arguments).stdout
    assert "1767225660.0" in table
    command = table.partition("events of failed_upgrade 1767225660.0:\n")[2]
    _, name, *options = shlex.split(command.replace("\\\n", ""))  # unlike a shell, it keeps such ends of lines
    listed = [json.loads(line)["id"] for line in invoke(name, *options).stdout.splitlines()]
    assert listed == ["1767225660.0", "1767225730.0"]


def test_summary_is_in_the_zone_that_is_asked_for(troubled: Simulator, invoke: Invoke) -> None:
    """The summary has the zone of the table."""
    table = invoke("report", CONNECTOR, *WINDOW, "--tz", "Asia/Tokyo", "--format", "table").stdout
    assert "2 events of 1 connector, 2026-01-01 09:00 to 2026-01-01 15:00 JST: 1 finding\n" in table
    summer = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-07-01T06:00:00Z", "--tz", "Europe/Berlin")
    table = invoke("report", CONNECTOR, *summer, "--format", "table").stdout
    assert "2026-01-01 01:00 CET to 2026-07-01 08:00 CEST: " in table


@pytest.fixture
def live(serve: Callable[..., Simulator]) -> Simulator:
    """An account of which one connector is well, and another has died 26 hours ago."""
    present = int(time.time())
    well = [event(at, "Reconcile") for at in range(present - BEGIN - 2 * 86_400, present - BEGIN, 300)]
    dead = [event(at, "Reconcile") for at in range(present - BEGIN - 3 * 86_400, present - BEGIN - 26 * 3600, 300)]
    return serve({"well": well, "dead": dead})


@pytest.mark.parametrize("named", [("--all",), ("well", "dead"), ("dead",)])
def test_dead_connector_is_found(live: Simulator, invoke: Invoke, named: tuple[str, ...]) -> None:
    """A connector without an event in the window is a finding with its last heartbeat, named or not."""
    result = invoke("report", *named, "--since", "24h", "--fail-on", "error")
    assert (result.exit_code, result.stderr) == (3, "")
    finding = json.loads(result.stdout)
    assert (finding["kind"], finding["connector_id"]) == ("silence", "dead")
    assert re.fullmatch(r"silent: no event in the window, and no heartbeat for 1d 2h", finding["message"])
    assert finding["details"]["last_heartbeat"] == finding["first_at"]
    table = invoke("report", *named, "--since", "24h", "--format", "table").stdout
    assert f"last_heartbeat={finding['first_at'].replace('T', ' ').replace('Z', ' UTC')}" in table


def test_few_events_do_not_hide_a_death(live: Simulator, invoke: Invoke) -> None:
    """A connector that has died after a few events of the window is found by its heartbeat."""
    (finding,) = findings(invoke("report", "dead", "--since", "27h"))
    assert finding["message"] == "silent for 1d 2h, and still silent"


def test_heartbeats_are_not_needed(live: Simulator, invoke: Invoke) -> None:
    """A connector is found, too, if the account cannot be listed."""
    live.faults.add(faults.status(403), path="/connectors")
    (finding,) = findings(invoke("report", "dead", "--since", "24h"))
    assert finding["message"] == "silent: no event in the window"


def test_connector_that_is_none_of_the_account(live: Simulator, invoke: Invoke) -> None:
    """An id that the API lists no events of, and no connector, may be mistyped."""
    live.add("mistyped")
    live.faults.add(faults.envelope(result=[{"id": "well"}, {"id": "dead"}]), path="/connectors")
    result = invoke("report", "well", "mistyped", "--since", "24h")
    assert json.loads(result.stdout)["connector_id"] == "mistyped"
    assert result.stderr == "cfevents: the account has no connector mistyped: 'cfevents connectors' lists them\n"


def test_account_without_connectors_is_said_to_be_one(serve: Callable[..., Simulator], invoke: Invoke) -> None:
    """An account without connectors is most likely another one."""
    serve({})
    result = invoke("report", "--all")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "cfevents: the account has no connectors: check CLOUDFLARE_ACCOUNT_ID\n"


@pytest.mark.parametrize(("hours", "status"), [(3, 0), (30, 1), (-3, 0)])
def test_wrong_clock_silences_nobody(
    live: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, hours: int, status: int
) -> None:
    """What is judged ends now by the API's clock, whatever this machine's says."""
    monkeypatch.setattr(_time, "time", SimpleNamespace(time=lambda: time.time() + hours * 3600))
    result = invoke("report", "well", "--since", "24h", "--fail-on", "info")
    assert (result.exit_code, result.stdout) == (status, "")
    assert ("by the API's clock, the window has not begun" in result.stderr) == (status == 1)


def test_healthy_connectors_are_not_listed(live: Simulator, invoke: Invoke) -> None:
    """No request is sent for the heartbeat of a connector that has just sent events."""
    assert findings(invoke("report", "well", "--since", "24h")) == []
    # One request is for the name.
    assert sum(request.path.endswith("/connectors") for request in live.requests) == 1


def test_window_that_is_not_over_is_judged_until_now(live: Simulator, invoke: Invoke) -> None:
    """An end in the future makes nobody silent; a window in the future is wrong usage."""
    tonight = format_iso(datetime.now(UTC).replace(microsecond=0) + timedelta(hours=8))
    assert findings(invoke("report", "well", "--since", "24h", "--until", tonight)) == []
    table = invoke("report", "well", "--since", "24h", "--until", tonight, "--format", "table").stdout
    assert f" to {datetime.now(UTC):%Y-%m-%d %H:}" in table
    result = invoke("report", "well", "--since", tonight, "--until", tonight)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "in the future: this machine's clock shows" in result.stderr

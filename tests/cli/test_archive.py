"""Archives: how archive fills them, and list, get and latest read from them."""

import asyncio
import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from support.archives import make_archive

if TYPE_CHECKING:
    import subprocess

    from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

SINCE = ("--since", "2026-01-01T00:00:00Z")
WINDOW = (*SINCE, "--until", "2026-01-01T01:00:00Z")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "events.db")


def filled(result: Result) -> int:
    """How many events were new."""
    assert (result.exit_code, result.stderr) == (0, "")
    match = re.fullmatch(r"(\d+) new events? in .*events\.db\n", result.stdout)
    assert match is not None
    return int(match[1])


def offline(account: "Simulator", monkeypatch: pytest.MonkeyPatch) -> None:
    for name in account.environment:
        monkeypatch.delenv(name)
    account.requests.clear()


def test_archive_has_each_event_once(account: "Simulator", invoke: Invoke, path: str) -> None:
    """An archive has each event once, however often it is filled."""
    assert filled(invoke("archive", path, "site-1", *SINCE)) == 4
    assert filled(invoke("archive", path, "site-1", *SINCE)) == 0
    account.add("site-1", {"e": {"k": "Init"}, "t": int(time.time()) - 3600, "n": 0})
    assert filled(invoke("archive", path, "site-1")) == 1


def test_archive_prints_the_same_without_credentials(
    account: "Simulator", invoke: Invoke, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive is printed as the API is, without credentials."""
    invoke("archive", path, "site-1", *SINCE, "--details")
    calls = (
        ("list", "site-1", *WINDOW),
        ("list", "site-1", *WINDOW, "--kind", "Init", "--format", "table"),
        ("list", "site-1", *WINDOW, "-n", "2"),
        ("get", "site-1", "1767225660.0"),
        ("latest", "site-1"),
    )
    outputs = [invoke(*call).stdout for call in calls]
    offline(account, monkeypatch)
    for call, expected in zip(calls, outputs, strict=True):
        result = invoke(*call, "--archive", path)
        assert (result.exit_code, result.stdout, result.stderr) == (0, expected, "")
    assert account.requests == []


def test_the_only_connector_of_an_archive_need_not_be_named(
    account: "Simulator", invoke: Invoke, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("archive", path, "site-1", *SINCE, "--details")
    named = invoke("list", "site-1", *WINDOW).stdout
    assert invoke("list", "--archive", path, *WINDOW).stdout == named
    assert json.loads(invoke("get", "--archive", path, "1767225660.1").stdout)["kind"] == "Reconcile"
    assert invoke("latest", "--archive", path).stdout.count("\n") == 4
    invoke("archive", path, "--all", "--since", "7d")
    offline(account, monkeypatch)
    result = invoke("latest", "--archive", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("cfevents: CONNECTOR is missing: the archive has ")
    assert "site-1" in result.stderr
    assert "--all" in result.stderr


@pytest.mark.parametrize("connectors", [("--all",), ("site-1", "sim18942")], ids=["all", "by serial number"])
def test_archive_knows_the_names_of_its_connectors(
    account: "Simulator", invoke: Invoke, path: str, monkeypatch: pytest.MonkeyPatch, connectors: tuple[str, ...]
) -> None:
    """A listing that filling the archive needed anyway lets it be read by serial number and note, without the API."""
    assert invoke("archive", path, *connectors, *SINCE).exit_code == 0
    assert sum(request.path.endswith("/connectors") for request in account.requests) == 1
    offline(account, monkeypatch)
    for command in (("list", *WINDOW), ("report", *WINDOW), ("latest",)):
        for name in ("singapore", "SIM1894260", "site-1"):
            result = invoke(*command, name, "--archive", path)
            assert (result.exit_code, "nothing of" in result.stderr) == (0, False), result.stderr
    unknown = invoke("list", "--archive", path, "singapur", *WINDOW).stderr
    expected = "the archive has nothing of singapur; the nearest is site-1 (SIM1894260, Singapore office)"
    assert unknown == f"cfevents: {expected}\n"
    assert account.requests == []


def test_whole_ids_cost_no_request_for_names(account: "Simulator", invoke: Invoke, path: str) -> None:
    connector_id = "00000000-8944-4022-8e49-d99e03002894"
    account.add(connector_id, {"e": {"k": "Init"}, "t": 1767225600, "n": 0})
    assert filled(invoke("archive", path, connector_id, *SINCE)) == 1
    assert [request.path for request in account.requests if request.path.endswith("/connectors")] == []
    assert invoke("list", "--archive", path, connector_id, *WINDOW).exit_code == 0


def test_get_from_an_archive_of_several_does_not_offer_all(account: "Simulator", invoke: Invoke, path: str) -> None:
    """For one event of an archive of several connectors, the message does not offer --all."""
    account.add("site-2", {"e": {"k": "Init"}, "t": 1767225600, "n": 0})
    invoke("archive", path, "site-1", "site-2", *SINCE)
    result = invoke("get", "--archive", path, "1767225660.1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "CONNECTOR is missing: the archive has site-1 (SIM1894260, Singapore office), site-2 (" in result.stderr
    assert "--all" not in result.stderr


def test_what_an_archive_has_not_is_said_in_one_line(account: "Simulator", invoke: Invoke, path: str) -> None:
    result = invoke("list", "--archive", path)
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
    asyncio.run(make_archive(path))
    result = invoke("list", "--archive", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"cfevents: the archive is empty: 'cfevents archive {path} --all' fills it\n"
    invoke("archive", path, "site-1", *SINCE)
    for args, message in (
        (("list", "nobody"), "the archive has nothing of nobody; it has site-1"),
        (("get", "site-1", "1.0"), f"has no event 1.0 of site-1; 'cfevents list site-1 --archive {path}' lists its"),
        (
            ("get", "site-1", "1767225660.0"),
            f"without its payload; 'cfevents archive {path} site-1 --details' stores it",
        ),
    ):
        result = invoke(*args, "--archive", path)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert message in result.stderr


def test_a_file_that_is_no_archive_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("no database at all, but longer than a header of one would be" * 10)
    for args in (("list", "--archive", str(other)), ("archive", str(other), "--simulate")):
        result = invoke(*args)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert str(other) in result.stderr


def test_connectors_that_fail_are_told_and_the_others_are_stored(
    account: "Simulator", invoke: Invoke, path: str
) -> None:
    result = invoke("archive", path, "nobody", "site-1", *SINCE)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "could not read 1 of the connectors: no connector is called 'nobody'" in result.stderr
    assert "'cfevents connectors'" in result.stderr
    assert invoke("list", "--archive", path, *WINDOW).stdout.count("\n") == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_archive_follow_ends_with_0_and_a_count(
    start: Start, invoke: Invoke, path: str, number: signal.Signals
) -> None:
    """With --follow, archive runs until a signal ends it with 0, and prints how many events came."""
    process = start("archive", path, "--simulate", "--follow", "--speed", "3600", "--interval", "0.5s", "--since", "1h")
    # An hour ago is later by now than it was for the archive: its first events would lie before that.
    window: dict[str, Any] = {"args": ("--archive", path, "--since", "2h", "--until", "2100-01-01T00:00:00Z")}
    for _ in range(200):
        if invoke("list", *window["args"]).stdout.count("\n") > 25:
            break
        time.sleep(0.1)
    process.send_signal(number)
    printed, stderr = process.communicate(timeout=30)
    stored = invoke("list", *window["args"]).stdout.count("\n")
    assert (process.returncode, printed, stderr) == (0, f"{stored} new events in {path}\n", "")


def test_ctrl_c_ends_it_while_the_api_gives_no_answer(account: "Simulator", start: Start, path: str) -> None:
    from cfevents.testing import faults  # noqa: PLC0415 - not a name of the annotations

    account.faults.add(faults.stall())
    process = start("archive", path, "site-1", "--follow")
    for _ in range(500):
        if account.requests:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    printed, stderr = process.communicate(timeout=30)
    assert (process.returncode, printed, stderr) == (0, f"0 new events in {path}\n", "")


def test_archive_is_read_by_the_environments_account(
    account: "Simulator", invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive of several accounts is read by the account of the environment."""
    path = str(tmp_path / "events.db")
    assert filled(invoke("archive", path, "site-1", *SINCE)) == 4
    with sqlite3.connect(path) as other:
        other.execute("UPDATE connectors SET account_id = 'another'")
        other.execute("UPDATE checkpoints SET account_id = 'another'")
    other.close()
    assert filled(invoke("archive", path, "site-1", *SINCE)) == 4
    assert invoke("list", "--archive", path, "site-1", *WINDOW).stdout
    for account_id in ("nobody", ""):
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account_id)
        result = invoke("list", "--archive", path, "site-1", *WINDOW)
        assert (result.exit_code, "set CLOUDFLARE_ACCOUNT_ID" in result.stderr) == (2, True)

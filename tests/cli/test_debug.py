"""``--debug``: all there is to know of a failure, and no credentials."""

import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from support.secrets import CREDENTIALS

from cfevents.testing import faults

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]

SINCE = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z")


@pytest.mark.parametrize("place", [0, 1])
def test_debug_logs_requests_before_and_after_the_name(account: "Simulator", invoke: Invoke, place: int) -> None:
    """--debug logs each request, before and after the name of the command."""
    plain = invoke("list", "site-1", *SINCE)
    args = ["list", "site-1", *SINCE]
    args.insert(place, "--debug")
    result = invoke(*args)
    assert (result.exit_code, result.stdout, plain.stderr) == (0, plain.stdout, "")
    path = f"/client/v4/accounts/{account.account_id}/magic/connectors/site-1/telemetry/events"
    _, line = result.stderr.splitlines()  # the first is of the connectors, whose names are looked up
    assert line.startswith(f"cfevents: GET {path}?from=1767225600&to=1767229200: 200, ")
    assert "CF-Ray 00" in line


def test_it_is_forgotten_by_the_next_command(account: "Simulator", invoke: Invoke) -> None:
    level = logging.getLogger("cfevents").level
    assert invoke("connectors", "--debug").stderr
    assert invoke("connectors").stderr == ""
    assert logging.getLogger("cfevents").level == level


def test_debug_shows_the_cause_before_the_last_line(account: "Simulator", invoke: Invoke) -> None:
    """With --debug the cause of a failure is shown, and the one line stays the last."""
    account.faults.add(faults.body(b"<html>\x1b[2J</html>"))
    plain, result = invoke("connectors").stderr.splitlines(), invoke("connectors", "--debug").stderr.splitlines()
    assert result[-1].partition(" (CF-Ray")[0] == plain[-1].partition(" (CF-Ray")[0]
    assert "Traceback (most recent call last):" in result
    assert any(line.startswith("cfevents.APIResponseError: ") for line in result)
    assert any("/magic/connectors: 200, 17 bytes, CF-Ray 00" in line for line in result)
    assert all(line.isprintable() for line in result)
    assert len(plain) == 6  # it is asked again


def test_a_usage_error_needs_no_traceback(invoke: Invoke) -> None:
    assert invoke("--debug", "list", "--nonsense").stderr == invoke("list", "--nonsense").stderr


@pytest.mark.parametrize("trouble", ["refused", "status", "html", "proxy", "argument", "account"])
@pytest.mark.parametrize("scheme", ["token", "key"])
def test_no_credential_is_shown_whatever_goes_wrong(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch, trouble: str, scheme: str
) -> None:
    if scheme == "key":
        monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
        monkeypatch.setenv("CLOUDFLARE_EMAIL", account.api_email)
        monkeypatch.setenv("CLOUDFLARE_API_KEY", account.api_key)
    wrong(account, monkeypatch, trouble)
    result = invoke("--debug", "list", ".." if trouble == "argument" else "site-1", *SINCE)
    assert result.exit_code > 0
    assert "Traceback (most recent call last):" in result.stderr
    shown = [secret for secret in (*CREDENTIALS, "proxy-secret") if secret in result.stdout + result.stderr]
    assert shown == []


def wrong(account: "Simulator", monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """Let something be wrong."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    match trouble:
        case "status":
            account.faults.add(faults.status(403))
        case "html":
            account.faults.add(faults.body(b"<html>"))
        case "refused":
            monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"http://127.0.0.1:{port}")
        case "proxy":
            monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://api.invalid/client/v4")
            monkeypatch.setenv("HTTPS_PROXY", f"http://someone:proxy-secret@127.0.0.1:{port}")
        case "account":
            monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "x" * 33)


def test_debug_shows_the_cause_of_a_local_failure(invoke: Invoke, tmp_path: Path) -> None:
    """A failure of this machine is shown with its cause, too."""
    other = tmp_path / "other\x07"
    other.write_text("no database at all, but longer than a header of one would be" * 10)
    result = invoke("list", "--archive", str(other), "--debug")
    assert "sqlite3.DatabaseError" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("cfevents: ")
    assert "other\N{REPLACEMENT CHARACTER}" in result.stderr
    assert "\x07" not in result.stderr

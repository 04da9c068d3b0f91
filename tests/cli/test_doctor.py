"""What ``cfevents doctor`` prints, and with which status it ends."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from click.testing import Result

if TYPE_CHECKING:
    import subprocess

    from cfevents.testing import Simulator

Invoke = Callable[..., Result]


def test_doctor_prints_a_line_per_check_with_status_0(invoke: Invoke) -> None:
    """The doctor prints a line for each check, and ends with status 0 where everything works."""
    result = invoke("doctor", "--simulate")
    head, *lines, last = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert head.split() == ["WHAT", "VERDICT", "FOUND"]
    assert {"variables", "connection", "permission", "clock", "budget", "order", "assumptions"} <= {
        line.split()[0] for line in lines
    }
    assert "failed" not in result.stdout
    assert last.endswith(" requests were sent.")


def test_doctor_failure_has_status_1_and_advice(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor ends with status 1 where something failed, and says what to do."""
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "env-token-77aa")
    result = invoke("doctor")
    assert (result.exit_code, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("credentials "))
    assert lines[place].split()[1] == "failed"
    assert lines[place + 1].split()[:4] == ["->", "make", "a", "new"]
    assert "CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_BASE_URL" in result.stdout
    assert "env-token-77aa" not in result.stdout
    assert lines[-1] == "1 request was sent."
    # What could not be found out for one reason is one line.
    (unknown,) = [line for line in lines if line.split()[1] == "unknown"]
    assert unknown.startswith("permission ")
    assert unknown.endswith(
        "an earlier request failed; the same for account, connectors, listing, event, latest, order, window, "
        "from, to, page size, default size, ending, empty pages, page time, lateness, times, assumptions"
    )


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "none is set"),
        (
            {"CLOUDFLARE_EMAIL": "env@mail.example"},
            "CLOUDFLARE_API_KEY is missing; the environment has CLOUDFLARE_EMAIL",
        ),
        ({"CLOUDFLARE_API_TOKEN": "env-token-77aa"}, "no account: set CLOUDFLARE_ACCOUNT_ID"),
    ],
    ids=str,
)
def test_doctor_names_missing_variables_and_sends_nothing(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    """The doctor names the variables that are missing, and sends no request."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = invoke("doctor", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["requests"], report["failed"]) == (1, 0, True)
    (check,) = report["checks"]
    assert said in check["found"]
    assert "api_token=" not in check["found"] + invoke("doctor").stdout
    assert "--simulate" in check["advice"]
    assert not any(value in result.stdout for value in variables.values())


def test_doctor_examines_the_given_connector(account: "Simulator", invoke: Invoke) -> None:
    """The doctor examines the connector that it is given."""
    result = invoke("doctor", "site-1")
    assert result.exit_code == 0
    assert "; site-1 was examined" in result.stdout
    assert all("/site-1/" in request.path for request in account.requests[1:])


def test_doctor_reports_that_the_token_wins(
    account: "Simulator", invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor reports that the token wins over the key."""
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "env@mail.example")
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "env-key-77aa")
    assert "CLOUDFLARE_API_TOKEN is used, and not CLOUDFLARE_API_KEY" in invoke("doctor").stdout


@pytest.mark.parametrize("args", [("a/b",), ("",), ("--nonsense",), ("one", "two")])
def test_doctor_wrong_usage_has_status_2(account: "Simulator", invoke: Invoke, args: tuple[str, ...]) -> None:
    """Wrong usage of the doctor ends with status 2."""
    result = invoke("doctor", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert account.requests == []


def test_doctor_prints_one_json_object(invoke: Invoke) -> None:
    result = invoke("doctor", "--simulate", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["failed"]) == (0, False)
    assert {tuple(check) for check in report["checks"]} == {("name", "verdict", "found", "advice", "values")}


def test_the_help_of_doctor_ends_in_an_example(invoke: Invoke) -> None:
    assert invoke("doctor", "--help").stdout.rstrip().endswith("cfevents doctor --simulate")


@pytest.mark.once
def test_ca_of_ssl_cert_file_is_trusted(
    run: Callable[..., "subprocess.CompletedProcess[str]"], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A CA that SSL_CERT_FILE names is trusted, as the advice says."""
    ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    body = b'{"result": [], "success": true}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    loop, ports = asyncio.new_event_loop(), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()
        writer.close()

    async def serve(started: threading.Event, ended: asyncio.Event) -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await ended.wait()

    started, ended = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(started, ended)))
    thread.start()
    started.wait()
    try:
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "env-token-77aa")
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "account-1")
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"https://127.0.0.1:{ports[0]}")
        refused = run("doctor")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        accepted = run("doctor")
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
    assert (refused.returncode, accepted.returncode) == (1, 0), refused.stdout + accepted.stdout
    assert "TLS fails" in refused.stdout
    assert "the account has none" in accepted.stdout

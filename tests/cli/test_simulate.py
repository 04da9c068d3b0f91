"""``--simulate`` and the command ``simulate``."""

import json
import re
import shlex
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from cfevents.cli import sources
from cfevents.cli.sources import simulated_account

if TYPE_CHECKING:
    import subprocess

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


def test_two_processes_share_the_simulated_day(run: Run) -> None:
    """A day of the simulated account can be listed by one process, and an event of it read by another."""
    printed = run("list", "--simulate", "--since", "24h")
    assert (printed.returncode, printed.stderr) == (0, "")
    events = [json.loads(line) for line in printed.stdout.splitlines()]
    assert 200 < len(events) < 400
    got = run("get", "--simulate", events[-1]["id"])
    record = json.loads(got.stdout)
    assert (got.returncode, got.stderr) == (0, "")
    assert {name: record[name] for name in ("connector_id", "id", "kind")} == {
        name: events[-1][name] for name in ("connector_id", "id", "kind")
    }


@pytest.mark.parametrize("command", ["list", "latest"])
def test_the_first_connector_is_taken_where_none_is_named(invoke: Invoke, command: str) -> None:
    first, second, *_ = [json.loads(line)["id"] for line in invoke("connectors", "--simulate").stdout.splitlines()]
    unnamed = invoke(command, "--simulate")
    named = invoke(command, second, "--simulate")
    assert {json.loads(line)["connector_id"] for line in unnamed.stdout.splitlines()} == {first}
    assert {json.loads(line)["connector_id"] for line in named.stdout.splitlines()} == {second}


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_terminal_names_the_first_connector(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, quiet: tuple[str]
) -> None:
    """In a pipe, and with --quiet, nothing is printed beside the events; an option that selects has no note either."""
    assert invoke("list", "--simulate").stderr == ""
    monkeypatch.setattr(sources, "is_terminal", lambda _: True)
    assert invoke("list", "--simulate", "--all").stderr == invoke("list", "--simulate", "lisbon").stderr == ""
    note = r"cfevents: no connector is named: reading the first of 3, [-0-9a-f]{36} \(SIM\d+, Hamburg office\)\n"
    assert re.fullmatch("" if quiet else note, invoke("list", "--simulate", *quiet).stderr)


def test_simulate_ignores_the_environment(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated account is read whatever the environment says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://api.example.com")
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "half-a-scheme")
    assert invoke("connectors", "--simulate").exit_code == 0


@pytest.mark.parametrize("time_of_day", [0, 1, 43200, 86399])
def test_simulated_past_is_the_same_all_day(monkeypatch: pytest.MonkeyPatch, time_of_day: int) -> None:
    """The simulated past is the same all day, and never lies ahead."""
    midnight = 1767225600
    monkeypatch.setattr("cfevents._time.now", lambda: midnight + time_of_day + 0.5)
    simulator, connector_id = simulated_account()
    monkeypatch.setattr("cfevents._time.now", lambda: midnight + 86399.5)
    whole_day, same_connector = simulated_account()
    assert connector_id == same_connector
    assert simulator.history is not None
    assert whole_day.history is not None
    past, day = simulator.history.events[connector_id], whole_day.history.events[connector_id]
    assert all(event in day for event in past[-50:])
    assert max(event["a"] for event in past) <= midnight + time_of_day
    assert min(event["t"] for event in past) < midnight - 6 * 86400


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_served_account_answers_until_a_signal(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """The served account can be read with what it printed, until a signal ends it."""
    server = start("simulate")
    assert server.stdout is not None
    lines = [server.stdout.readline().rstrip() for _ in range(5)]
    assert lines[0] == "# Paste into another terminal:"
    for line in lines[1:4]:
        if match := re.fullmatch(r"export (CLOUDFLARE_\w+)=(\S+)", line):
            monkeypatch.setenv(match[1], match[2])
    program, *args = shlex.split(lines[4])
    printed = run(*args)
    assert program == "cfevents"
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout.count("\n") > 200
    server.send_signal(number)
    rest, stderr = server.communicate(timeout=30)
    assert (server.returncode, rest, stderr) == (0, "", "# serving until Ctrl-C\n")


def test_a_port_in_use_is_one_line_and_status_1(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = invoke("simulate", "--port", str(port))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"cfevents: cannot listen on port {port}: ")
    assert result.stderr.count("\n") == 1

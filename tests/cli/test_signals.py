"""Commands that a signal ends: promptly, with its status, and with what to do next."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from cfevents import cli
from cfevents.testing import faults

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]
SINCE = ("--since", "2026-01-01T00:00:00Z")


@pytest.fixture
def _handler() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, cli._terminate)
    yield
    signal.signal(signal.SIGTERM, before)


def signal_once_asked(account: "Simulator", number: signal.Signals, place: str = "") -> None:
    """Send this process a signal once the simulator has a request with that in its path."""

    def send() -> None:
        for _ in range(500):
            if any(place in str(request) for request in account.requests):
                break
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


@pytest.mark.usefixtures("_handler")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("list", "the list ends early; 'cfevents export' can be resumed"),
        ("report", "nothing is kept; 'cfevents archive' keeps events"),
        ("latest", ""),
        ("doctor", ""),
    ],
)
def test_reading_ends_with_the_signals_status(
    account: "Simulator", invoke: Invoke, number: signal.Signals, command: str, advice: str
) -> None:
    """A command that reads ends with 128 and the signal's number, and says what is kept."""
    account.faults.add(faults.stall())
    signal_once_asked(account, number)
    result = invoke(command, "site-1")
    assert (result.exit_code, result.stdout) == (128 + number, "")
    assert result.stderr.startswith(f"cfevents: interrupted: {advice}" if advice else "")
    assert result.stderr.count("\n") == bool(advice)


@pytest.mark.usefixtures("_handler")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_says_how_to_resume(
    account: "Simulator", invoke: Invoke, tmp_path: Path, number: signal.Signals
) -> None:
    account.add("site-2", {"e": {"k": "Init"}, "t": 1767225600, "n": 0})
    account.faults.add(faults.stall(), path="/site-2/telemetry/events")
    signal_once_asked(account, number, "/site-2/telemetry")
    result = invoke("export", str(tmp_path / "events.csv"), "site-1", "site-2", *SINCE)
    assert (result.exit_code, result.stdout) == (128 + number, "")
    assert result.stderr == "cfevents: 4 events are kept in events.csv.export; run the same command to resume\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", [(), ("--follow",)])
def test_an_interrupted_archive_says_how_it_goes_on(
    account: "Simulator", invoke: Invoke, tmp_path: Path, number: signal.Signals, more: tuple[str, ...]
) -> None:
    """A signal is the normal end of archive --follow alone; without, the fill is not complete."""
    account.faults.add(faults.stall(), path="/events")
    signal_once_asked(account, number)
    path = str(tmp_path / "events.db")
    result = invoke("archive", path, "site-1", *more)
    advice = "cfevents: interrupted: the same command goes on where this one stopped\n"
    assert (result.exit_code, result.stderr) == ((0, "") if more else (128 + number, advice))
    assert result.stdout == f"0 new events in {path}\n"


def test_an_archive_that_waits_for_connectors_ends_too(
    account: "Simulator", invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal before the connectors are known ends an archive as well."""

    async def wait(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr("cfevents.cli.commands.archive.identify", wait)
    assert invoke("archive", str(tmp_path / "events.db"), "site-1").exit_code == 143


def test_every_command_has_a_handler_of_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process of a container has none from the kernel."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["cfevents", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert signal.signal(signal.SIGTERM, before) is cli._terminate


def test_the_first_process_of_a_container_ends_on_sigterm(account: "Simulator") -> None:
    """SIGTERM ends the command also where it is the first process."""
    unshare = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no name spaces of processes here")
    account.faults.add(faults.stall(), path="/events")
    command = [*unshare, sys.executable, "-m", "cfevents", "list", "site-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not account.requests:
            time.sleep(0.02)
        [first] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        printed, stderr = process.communicate(timeout=20)
    assert (process.returncode, printed) == (143, "")
    assert stderr.startswith("cfevents: interrupted: ")
    assert stderr.count("\n") == 1

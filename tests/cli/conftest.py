"""Fixtures that run the command line, in this process or as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import stamina
from click.testing import CliRunner, Result

from cfevents.cli.app import app
from cfevents.testing import Simulator, SimulatorThread

EVENTS = (
    {"e": {"k": "Init"}, "t": 1767225600, "n": 0, "a": 1767225631, "v": "1.2.3"},
    {"e": {"k": "RekeyStart", "tunnel_id": "tunnel-1", "peer": None}, "t": 1767225660, "n": 0, "a": 1767225660},
    {"e": {"k": "Reconcile"}, "t": 1767225660, "n": 1, "a": 1767225655},
    {"e": {"k": "Novelty", "depth": [1, 2]}, "t": 1767225720, "n": 0, "a": 1767240000, "v": "1.2.3"},
)


@pytest.fixture(autouse=True)
def _one_attempt() -> Iterator[None]:
    """Let no request in this process be repeated."""
    with stamina.set_testing(True, attempts=6):
        yield


@pytest.fixture
def account(cfevents_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """A simulator that the environment points to; its connector ``site-1`` has four events of 2026-01-01."""
    cfevents_simulator.add("site-1", *EVENTS)
    for name, value in cfevents_simulator.environment.items():
        monkeypatch.setenv(name, value)
    return cfevents_simulator


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Simulator]]:
    """A function that serves the given events, without a generated past, which would take time."""
    with ExitStack() as stack:

        def serve(events: dict[str, list[dict[str, Any]]]) -> Simulator:
            simulator = stack.enter_context(SimulatorThread(Simulator(events=events)))
            for name, value in simulator.environment.items():
                monkeypatch.setenv(name, value)
            return simulator

        yield serve


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """A function that runs a command in this process."""

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(app, args, prog_name="cfevents", catch_exceptions=False)

    return invoke


@pytest.fixture
def run() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs a command as a process of its own."""

    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "cfevents", *args]
        return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=50, check=False)

    return run


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_counts() -> None:
    """A shell that runs the tests in the background lets them ignore SIGINT, and so their subprocesses."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """A function that starts a command as a process of its own, which ends with the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([sys.executable, "-m", "cfevents", *args], stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()

"""What a command notifies systemd of."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.clock import JumpingLoop

from cfevents import Batch, Client, Retry, SinkError
from cfevents.cli.commands.follow import Life
from cfevents.cli.console.service import notify_systemd
from cfevents.sinks import Sink, forward
from cfevents.testing import Simulator

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd runs on Linux alone")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@cfevents-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0"))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


def states(manager: socket.socket) -> list[str]:
    """Return the datagrams that have arrived."""
    received = list[str]()
    while True:
        try:
            received.append(manager.recv(4096).decode())
        except BlockingIOError:
            return received


async def run(seconds: float, signs: Callable[[], object]) -> None:
    with notify_systemd(lambda: "3 connectors", signs):
        await asyncio.sleep(seconds)


def test_the_watchdog_is_fed_in_half_its_time(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "6000000")
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(run(7, lambda: 0))
    first, *others, last = states(manager)
    assert first == "READY=1\nSTATUS=3 connectors"
    assert (others, last) == (["WATCHDOG=1\nSTATUS=3 connectors"] * 2, "STOPPING=1")


@pytest.mark.parametrize(("changes", "fed"), [(True, 1079), (False, 719)])
def test_a_command_that_is_stuck_feeds_no_longer(manager: socket.socket, changes: bool, fed: int) -> None:
    """A wait that a receiver asks for is at most an hour long; after two without a poll or an attempt it hangs."""
    loop = JumpingLoop()
    loop.settling = 0
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        drained = list[str]()

        def signs() -> object:
            drained.extend(states(manager))  # else its queue is full
            return loop.time() if changes else 0

        runner.run(run(10_795, signs))
    assert [state[:8] for state in drained].count("WATCHDOG") == pytest.approx(fed, abs=1)


def test_a_manager_that_is_gone_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    asyncio.run(run(0, lambda: 0))


async def test_polls_and_attempts_are_signs_of_life(account: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the receiver is down no poll is made, and each attempt counts."""
    monkeypatch.setattr("cfevents.sinks.forwarding._BACKOFF", Retry(backoff_max=0.01))
    seen = list[object]()

    class Down(Sink):
        async def write(self, batch: Batch[Any]) -> None:
            assert life.signs() == life.signs()
            seen.append(life.signs())
            if len(seen) < 3:
                raise SinkError("down", is_temporary=True, retry_after=0)

    async with Client(**account.client_options) as client:
        life = Life(client.follow_events(["site-1"], since="2026-01-01T00:00:00Z").once())
        before = life.signs()
        await forward(life.follower, Down())
    assert len(seen) == 3
    assert all(seen.count(sign) == 1 for sign in [*seen, before] if sign != before)
    assert before not in seen


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    "command",
    [
        ("follow", "site-1", "--since", "2026-01-01", "-n", "4"),
        ("forward", "site-1", "--since", "2026-01-01", "--once", "--to", "file:events.ndjson"),
        ("watch", "site-1", "--since", "2026-01-01", "--once"),
    ],
)
def test_a_command_notifies(
    invoke: Callable[..., Result],
    manager: socket.socket,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(*command).exit_code == 0
    first, *_, last = states(manager)
    assert first.startswith("READY=1\nSTATUS=")
    assert last == "STOPPING=1"

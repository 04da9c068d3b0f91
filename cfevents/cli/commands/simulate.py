"""The command that serves the made-up account to other processes."""

import asyncio
import shlex
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from cfevents.cli.console.errors import Failure
from cfevents.cli.options import example, speed_option
from cfevents.cli.sources import simulated_account

if TYPE_CHECKING:
    from cfevents.testing import Simulator


@click.command("simulate", epilog=example("cfevents simulate --port 8080"))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where to listen on 127.0.0.1; a free port if left out.",
)
@speed_option
def simulate(port: int, speed: float | None) -> None:
    """Serve a made-up account on this machine, until Ctrl-C.

    It prints what to paste into another terminal. From its start on, its history goes on.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(port, speed or 1))


async def _serve(port: int, speed: float) -> None:
    stopped = _stop_signal()
    simulator, connector_id = simulated_account(port, speed)
    try:
        await simulator.start()
    except OSError as error:
        raise Failure(f"cannot listen on port {port}: {error.strerror or error}; try another --port") from error
    try:
        click.echo(_instructions(simulator, connector_id))
        click.echo("# serving until Ctrl-C", err=True)
        await stopped.wait()
    finally:
        await simulator.stop()


def _stop_signal() -> asyncio.Event:
    """Make an event that is set when the process is asked to end."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no such handlers; there Ctrl-C raises KeyboardInterrupt.
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _instructions(simulator: "Simulator", connector_id: str) -> str:
    exports = (f"export {name}={shlex.quote(value)}" for name, value in simulator.environment.items())
    return "\n".join(
        ["# Paste into another terminal:", *exports, f"cfevents list {shlex.quote(connector_id)} --since 24h"]
    )

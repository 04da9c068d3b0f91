"""The command that serves the simulated account to other processes."""

import asyncio
import shlex

import click

from cfevents.cli.console.errors import Failure
from cfevents.cli.console.signals import end_on_signal
from cfevents.cli.sources import simulated_account


async def serve(*, port: int, speed: float | None) -> None:
    """Serve the simulated account until a signal."""
    with end_on_signal():
        simulator, connector_id = simulated_account(port=port, speed=speed or 1)
        try:
            await simulator.start()
        except OSError as error:
            raise Failure(f"cannot listen on port {port}: {error.strerror or error}; try another --port") from error
        try:
            click.echo("# Paste into another terminal:")
            for name, value in simulator.environment.items():
                click.echo(f"export {name}={shlex.quote(value)}")
            click.echo(f"cfevents list {shlex.quote(connector_id)} --since 24h")
            click.echo("# serving until Ctrl-C", err=True)
            await asyncio.get_running_loop().create_future()
        finally:
            await simulator.stop()

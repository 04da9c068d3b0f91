"""The commands that send no request: the documented kinds of events, and the simulated account for other processes."""

import asyncio
import shlex

import click

from cfevents.cli.console import views
from cfevents.cli.console.errors import Failure
from cfevents.cli.console.output import write_stdout
from cfevents.cli.console.progress import is_quiet
from cfevents.cli.console.signals import end_on_signal
from cfevents.cli.options import CommandOptions
from cfevents.events import KINDS


def list_kinds(options: CommandOptions) -> None:
    """Print the documented kinds of events."""
    views.writer(views.kinds(), options.style)([*KINDS.values()])


async def serve(options: CommandOptions) -> None:
    """Serve the simulated account until a signal."""
    from cfevents.cli.sources import simulated_account  # noqa: PLC0415 - it loads the HTTP client, which kinds need not

    with end_on_signal():
        simulator, connector_id = simulated_account(options.port, options.speed)
        try:
            await simulator.start()
        except OSError as error:
            reason = error.strerror or error
            raise Failure(f"cannot listen on port {options.port}: {reason}; try another --port") from error
        try:
            write_stdout("# Paste into another terminal:\n")
            for name, value in simulator.environment.items():
                write_stdout(f"export {name}={shlex.quote(value)}\n")
            write_stdout(f"cfevents list {shlex.quote(connector_id)} --since 24h\n")
            if not is_quiet():
                click.echo("# serving until Ctrl-C", err=True)
            await asyncio.get_running_loop().create_future()
        finally:
            await simulator.stop()

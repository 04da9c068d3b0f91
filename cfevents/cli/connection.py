"""The client behind a command: one for the account of the environment, or for the made-up one."""

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import cfevents
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.logs import stamina_silenced
from cfevents.cli.console.progress import waits_shown
from cfevents.cli.simulated import made_up_simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cfevents import Budget, Client, Fleet


@asynccontextmanager
async def connected(simulate: bool, speed: float | None = None) -> "AsyncIterator[Client]":
    """Open a client.

    Args:
        simulate: Whether it asks a made-up account, which then runs as long.
        speed: How much faster time goes there; None is real time.

    Raises:
        ConfigurationError: The environment lacks what is needed.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(stamina_silenced())
        with arguments_checked():
            budget = cfevents.Budget()
            client = await _simulated(stack, speed or 1, budget) if simulate else cfevents.Client(budget=budget)
        await stack.enter_async_context(client)
        stack.enter_context(waits_shown(lambda: budget.wait))
        yield client


async def _simulated(stack: AsyncExitStack, speed: float, budget: "Budget") -> "Client":
    import aiohttp  # noqa: PLC0415 - not needed for --help

    simulator = await stack.enter_async_context(made_up_simulator(speed=speed)[0])
    # A session of our own: the client's would take the environment's proxy, which cannot reach this machine.
    session = await stack.enter_async_context(aiohttp.ClientSession())
    return cfevents.Client(**simulator.client_options, session=session, budget=budget)


async def connector_or_first(client: "Client", connector: str | None) -> str:
    """Name the connector that is meant: the given one, or else the account's first."""
    return (await client.list_connectors())[0].id if connector is None else connector


async def connectors_or_first(client: "Client", connectors: tuple[str, ...], all_: bool) -> "list[str] | Fleet":
    """Say which connectors are meant: the given ones, all, or else the account's first."""
    if all_:
        return client.fleet()
    with arguments_checked():
        return list(dict.fromkeys(connectors)) or [await connector_or_first(client, None)]

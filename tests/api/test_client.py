"""The client's life, and that it leaves nothing behind."""

import asyncio
import copy
import gc
import pickle
import warnings
from contextlib import suppress
from typing import Any

import pytest
from support.scripted import ScriptedAPI, item, page, success

import cfevents
from cfevents import Client
from cfevents.testing import History, Simulator

HISTORY = History(seed=4, connectors=["c1"], days=1, until=1_780_000_000)
WINDOW: dict[str, Any] = {"since": HISTORY.until - 86400, "until": HISTORY.until}
OPTIONS: dict[str, Any] = {"api_token": "arg-token-33bb", "account_id": "a", "base_url": "http://127.0.0.1:9"}


async def test_unopened_or_closed_client_sends_nothing() -> None:
    """A client that is not open, or closed, is an error before anything is sent."""
    client = Client(**OPTIONS)
    stream = client.list_events("c1", since=1, until=9)
    with pytest.raises(cfevents.ConfigurationError, match="the client is not open: write 'async with"):
        await stream.collect()
    async with client:
        pass
    with pytest.raises(cfevents.ConfigurationError, match="the client is closed: write 'async with"):
        await client.latest_events("c1")


async def test_client_opens_in_a_cell_and_again() -> None:
    """A client opens in one cell, works in the next, and opens again."""
    async with ScriptedAPI(success([])) as api:
        client = await Client(**api.client_options).open()
        assert await client.open() is client
        assert await client.list_connectors() == []
        await client.close()
        await client.close()
        await client.open()
        assert await client.list_connectors() == []
        await client.close()
        assert "closed" in repr(client)


def test_a_client_open_on_another_loop_says_so() -> None:
    with asyncio.Runner() as one, asyncio.Runner() as other:
        client = one.run(Client(**OPTIONS).open())
        for call in (client.open, client.list_connectors):
            with pytest.raises(cfevents.ConfigurationError, match="open on another event loop"):
                other.run(call())
        one.run(client.close())
        other.run(client.open())
        other.run(client.close())


async def test_close_within_a_listing_says_where_to_resume() -> None:
    """A client that is closed within a listing raises an error with the place to resume from."""
    async with Simulator(history=HISTORY, max_page_size=10) as simulator:
        client = await Client(**simulator.client_options).open()
        pages = client.list_events("c1", **WINDOW).pages()
        first = await anext(pages)
        await client.close()
        with pytest.raises(cfevents.ConfigurationError, match="is closed") as raised:
            await anext(pages)
    assert raised.value.cursor == first.cursor


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_client_and_streams_are_not_copied(how: Any) -> None:
    """A client and its streams cannot be copied, since they hold credentials."""
    client = Client(**OPTIONS)
    with pytest.raises(TypeError, match="holds credentials"):
        how(client)
    with pytest.raises(TypeError, match="holds credentials"):
        pickle.dumps(client.list_events("c1", since=1))


async def stop_by_break(client: Client) -> None:
    async for _ in client.list_events("c1", **WINDOW):
        break


async def stop_by_exception(client: Client) -> None:
    async for _ in client.list_events("c1", **WINDOW):
        raise KeyError("the caller's own")


async def stop_by_cancelling(client: Client) -> None:
    task = asyncio.ensure_future(client.list_events("c1", **WINDOW).collect())
    await asyncio.sleep(0.02)
    task.cancel()
    await task


async def stop_by_timeout(client: Client) -> None:
    async with asyncio.timeout(0.02):
        await client.list_events("c1", **WINDOW).collect()


async def stop_by_forgetting(client: Client) -> None:
    pages = client.list_events("c1", **WINDOW).pages()
    await anext(pages)


@pytest.mark.parametrize(
    "stop", [stop_by_break, stop_by_exception, stop_by_cancelling, stop_by_timeout, stop_by_forgetting]
)
def test_ended_listing_leaves_nothing_behind(stop: Any) -> None:
    async def main() -> list[str]:
        async with Simulator(history=HISTORY, max_page_size=5) as simulator:
            async with Client(**simulator.client_options) as client:
                with suppress(KeyError, asyncio.CancelledError, TimeoutError):
                    await stop(client)
            left = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            server_tasks = [task for task in left if "web_protocol" in task or "RequestHandler" in task]
            return sorted(set(left) - set(server_tasks))

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        left = asyncio.run(main())
        gc.collect()
    assert [str(warning.message) for warning in warned] == []
    assert left == []


def test_client_closes_every_connection() -> None:
    async def main() -> int:
        open_connections: set[Any] = set()

        async def remember(request: Any) -> Any:
            open_connections.add(request.transport)
            return await page(item(1), cursor=str(len(open_connections)) + "x" * len(api.requests))(request)

        async with ScriptedAPI(remember) as api:
            async with Client(**api.client_options) as client:
                await asyncio.gather(*(stop_by_break(client) for _ in range(10)))
            await asyncio.sleep(0.05)
            return sum(not transport.is_closing() for transport in open_connections)

    assert asyncio.run(main()) == 0


async def test_a_callers_cancellation_arrives_as_itself() -> None:
    async def never(_: Any) -> Any:
        await asyncio.sleep(1000)

    async with ScriptedAPI(never) as api, Client(**api.client_options) as client:
        task = asyncio.ensure_future(client.get_event("c1", "1.2"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_many_tasks_share_one_client() -> None:
    async with Simulator(history=HISTORY) as simulator, Client(**simulator.client_options) as client:
        listings = await asyncio.gather(*(client.list_events("c1", **WINDOW).collect() for _ in range(50)))
        assert all(listing == listings[0] for listing in listings)


async def test_connectors_are_listed_as_the_simulator_has_them() -> None:
    async with Simulator(history=HISTORY) as simulator, Client(**simulator.client_options) as client:
        (connector,) = await client.list_connectors()
        assert connector.id == "c1"
        assert connector.device is not None
        assert connector.device.serial_number
        assert connector.activated is True


async def test_interrupts_are_listed_one_request_each() -> None:
    """What was ordered of a connector is one request, as the API sends it."""
    orders = [
        {"reboot": {"purge": False}, "submitted_at": "2026-07-12T06:00:00Z", "triggered_at": "2026-07-12T06:00:10Z"},
        {"shutdown": {"purge": True}, "submitted_at": "2026-07-12T07:00:00Z"},
    ]
    simulator = Simulator(events={"c 1": [], "c2": []}, interrupts={"c 1": orders})
    async with simulator, Client(**simulator.client_options) as client:
        reboot, shutdown = await client.list_interrupts("c 1", timeout=10)
        assert (reboot.operation, reboot.submitted_at, reboot.triggered_at) == (
            "reboot", "2026-07-12T06:00:00Z", "2026-07-12T06:00:10Z",
        )  # fmt: skip
        assert (shutdown.operation, shutdown.triggered_at) == ("shutdown", None)
        assert shutdown.shutdown == cfevents.InterruptOptions(purge=True)
        assert await client.list_interrupts("c2") == []
        assert len(simulator.requests) == 2
        with pytest.raises(cfevents.NotFoundError, match="connector not found"):
            await client.list_interrupts("c3")
        with pytest.raises(ValueError, match="connector_id"):
            await client.list_interrupts("..")

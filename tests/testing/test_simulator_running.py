"""Starting and stopping the simulator, in a loop, on a thread, as a fixture."""

import asyncio
import gc
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from typing import Any

import aiohttp
import pytest

import cfevents.testing
from cfevents.testing import History, Simulator, SimulatorThread


def get(simulator: Simulator, path: str = "") -> int:
    """Ask for the connectors without an event loop."""
    url = f"{simulator.base_url}/accounts/{simulator.account_id}/magic/connectors{path}"
    headers = {"Authorization": f"Bearer {simulator.api_token}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
        response.read()
        status: int = response.status
        return status


async def test_options_and_environment_reach_it() -> None:
    """The client options and the environment have its URL, account and token."""
    async with Simulator(events={}, api_token="a", account_id="b") as simulator:
        assert simulator.base_url.startswith("http://127.0.0.1:")
        assert simulator.base_url.endswith("/client/v4")
        assert simulator.client_options == {
            "base_url": simulator.base_url, "account_id": "b", "api_token": "a",
        }  # fmt: skip
        assert simulator.environment == {
            "CLOUDFLARE_BASE_URL": simulator.base_url,
            "CLOUDFLARE_ACCOUNT_ID": "b",
            "CLOUDFLARE_API_TOKEN": "a",
        }


async def test_there_is_no_url_before_it_starts_and_after_it_stops() -> None:
    simulator = Simulator(events={})
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.base_url
    async with simulator:
        pass
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.base_url
    await simulator.stop()


async def test_it_starts_once_at_a_time_and_again_after_a_stop() -> None:
    simulator = Simulator(events={})
    async with simulator:
        with pytest.raises(RuntimeError, match="running already"):
            await simulator.start()
        assert simulator.base_url
    async with simulator:
        assert simulator.base_url


async def test_taken_port_is_an_error() -> None:
    """A port that is taken is an OSError, and leaves nothing open."""
    async with Simulator(events={}) as first:
        port = int(first.base_url.split(":")[2].split("/")[0])
        second = Simulator(events={}, port=port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        second.port = 0
        async with second:
            assert second.base_url != first.base_url


async def test_it_speaks_to_ipv6_addresses_too() -> None:
    try:
        async with Simulator(events={}, host="::1") as simulator, aiohttp.ClientSession() as session:
            assert simulator.base_url.startswith("http://[::1]:")
            async with session.get(simulator.base_url) as response:
                assert response.status == 404
    except OSError:
        pytest.skip("this machine has no IPv6")


async def test_stop_with_connected_client_leaves_no_task() -> None:
    """Stopping leaves no task while a client is still connected."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        async with Simulator(events={}) as simulator:
            url = simulator.base_url
            async with session.get(url) as response:
                await response.read()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    gc.collect()


async def test_without_events_it_serves_a_history_of_its_seed() -> None:
    simulator = Simulator(seed=5)
    assert simulator.history is not None
    assert simulator.history.events.keys() == History(seed=5).events.keys()


def test_on_a_thread_it_serves_code_without_a_loop() -> None:
    before = threading.active_count()
    with SimulatorThread(Simulator(events={"site-1": []})) as simulator:
        assert get(simulator) == 200
        simulator.add("site-2", {"e": {"k": "Init"}, "t": 1, "n": 0})
        assert get(simulator, "/site-2/telemetry/events/1.0") == 200
        url = simulator.base_url
    assert threading.active_count() == before
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=10)
    gc.collect()


async def test_on_a_thread_an_error_at_the_start_comes_to_the_caller() -> None:
    async with Simulator(events={}) as first:
        port = int(first.base_url.split(":")[2].split("/")[0])
        with (
            pytest.raises(OSError, match="address already in use"),
            SimulatorThread(Simulator(events={}, port=port)),
        ):
            pass


def test_the_fixture_serves_a_plain_test(cfevents_simulator: Simulator) -> None:
    assert cfevents_simulator.history is not None
    connector_id = next(iter(cfevents_simulator.history.events))
    assert get(cfevents_simulator, f"/{connector_id}/telemetry/events/latest") == 200


async def test_the_fixture_serves_an_async_test(cfevents_simulator: Simulator) -> None:
    cfevents_simulator.add("mine", {"e": {"k": "Init"}, "t": 1, "n": 0})
    async with aiohttp.ClientSession() as session:
        url = f"{cfevents_simulator.base_url}/accounts/{cfevents_simulator.account_id}/magic/connectors"
        headers = {"Authorization": f"Bearer {cfevents_simulator.api_token}"}
        async with session.get(url + "/mine/telemetry/events/1.0", headers=headers) as response:
            assert (await response.json())["result"]["e"] == {"k": "Init"}


def test_the_plugin_imports_nothing_until_the_fixture_is_used() -> None:
    script = "import sys, cfevents.testing.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not {"aiohttp", "attrs", "cfevents.testing.simulator"} & set(done.stdout.split())


def test_the_package_needs_no_pytest_and_names_what_it_has() -> None:
    names: Any = set(cfevents.testing.__all__)
    assert names <= set(dir(cfevents.testing))
    script = "import sys; sys.modules['pytest'] = None; from cfevents.testing import *; print(Simulator, History)"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    with pytest.raises(AttributeError, match="Simulators"):
        _ = cfevents.testing.Simulators


def test_simulators_on_threads_run_side_by_side() -> None:
    with SimulatorThread(Simulator(events={})) as first, SimulatorThread(Simulator(events={})) as second:
        assert first.base_url != second.base_url
        assert (get(first), get(second)) == (200, 200)

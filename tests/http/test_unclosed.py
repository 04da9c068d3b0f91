"""A client that was forgotten open says so, once and in plain words, and leaves nothing of aiohttp's to complain of."""

import asyncio
import gc
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from support.scripted import ScriptedAPI, success

from cfevents import Client

OPTIONS: dict[str, Any] = {"api_token": "arg-token-33bb", "account_id": "a", "base_url": "http://127.0.0.1:9"}
TEXT = (
    "a client of account a was forgotten open: write 'async with Client() as client', or await client.close() when it "
    "is no longer needed"
)


@contextmanager
def captured_warnings() -> Iterator[list[str]]:
    """What was warned of, also where something was collected."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as every:
        warnings.simplefilter("always")
        yield messages
        gc.collect()
    messages += [f"{warning.category.__name__}: {warning.message}" for warning in every]


def test_a_client_that_is_forgotten_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async def forget(in_a_circle: bool) -> None:
        async with ScriptedAPI(success([])) as api:
            options: dict[str, Any] = {**api.client_options, "account_id": "a"}
            client: Any = Client(**options)
            await client.open()
            await client.list_connectors()
            if in_a_circle:
                client.itself = client
            del client
            gc.collect()
            await asyncio.sleep(0.01)

    for in_a_circle in (False, True):
        caplog.clear()
        with captured_warnings() as warned:
            asyncio.run(forget(in_a_circle))
        assert warned == [f"ResourceWarning: {TEXT}"]
        assert [(record.name, record.message) for record in caplog.records if record.levelname != "DEBUG"] == [
            ("cfevents", TEXT)
        ]


def test_a_client_that_outlives_its_loop_says_so_too(caplog: pytest.LogCaptureFixture) -> None:
    async def use() -> Client:
        async with ScriptedAPI(success([])) as api:
            options: dict[str, Any] = {**api.client_options, "account_id": "a"}
            client = await Client(**options).open()
            await client.list_connectors()
            return client

    with captured_warnings() as warned:
        client = asyncio.run(use())
        del client
    assert warned[-1] == f"ResourceWarning: {TEXT}"
    assert not any("Unclosed client" in message or "Unclosed connector" in message for message in warned)


def test_a_client_that_was_closed_or_never_opened_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def use() -> None:
        async with Client(**OPTIONS):
            pass
        client = await Client(**OPTIONS).open()
        await client.close()
        await client.open()
        await client.close()

    with captured_warnings() as warned:
        asyncio.run(use())
        Client(**OPTIONS)
    assert warned == []
    assert "forgotten" not in caplog.text


def test_a_client_on_the_callers_session_leaves_it_to_the_caller() -> None:
    async def use() -> bool:
        async with aiohttp.ClientSession() as session:
            client = await Client(**OPTIONS, session=session).open()
            del client
            gc.collect()
            return session.closed

    with captured_warnings() as warned:
        assert asyncio.run(use()) is False
    assert warned == []


def test_unclosed_client_is_reported_at_exit() -> None:
    """A client that is open when Python ends is reported on the standard error."""
    program = (
        f"import asyncio\nfrom cfevents import Client\nclient = Client(**{OPTIONS!r})\nasyncio.run(client.open())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == f"{TEXT}\n"

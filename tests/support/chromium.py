"""A headless Chromium that tests drive by its own protocol, without a network."""

import asyncio
import base64
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = os.environ.get("CFEVENTS_CHROMIUM", "")
"""The program, which ``nox -s browser`` finds; empty where these tests are left out."""

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip
_PATIENCE_S = 30


class Page:
    """A tab, and what it has reported of requests, messages and dialogs."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._ids = socket, count(1)
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (message := await self._receive()).get("id") != number:
            self.events.append(message)
        assert "error" not in message, message
        return message["result"]

    async def _receive(self) -> dict[str, Any]:
        received: dict[str, Any] = await self._socket.receive_json(timeout=_PATIENCE_S)
        return received

    async def open(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        self.events.clear()
        await self.call("Page.navigate", url=url)
        while not self.named("Page.loadEventFired"):
            self.events.append(await self._receive())

    def named(self, name: str) -> list[dict[str, Any]]:
        """The parameters of the events of one name."""
        return [event["params"] for event in self.events if event.get("method") == name]

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, which the page's policy does not concern."""
        done = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def look(self, width: int, *, dark: bool = False, media: str = "screen", height: int = 0) -> bytes:
        """Return a picture of the page at a width, as PNG: all of it, or so much of its top."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        metrics = {"width": width, "deviceScaleFactor": 1, "mobile": False}
        # Once more at the whole height: what is out of sight is not drawn.
        for chosen in (height or 900, 0, 0)[: 1 if height else 3]:
            seen = chosen or int(await self.evaluate("document.documentElement.scrollHeight"))
            await self.call("Emulation.setDeviceMetricsOverride", height=seen, **metrics)
        height = height or int(await self.evaluate("document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = await self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def chromium(program: str = "") -> AsyncIterator[Page]:
    """Start the browser with a profile of its own, and yield a tab."""
    folder = Path(tempfile.mkdtemp(prefix="cfevents-chromium-"))
    process = await asyncio.create_subprocess_exec(
        program or PROGRAM, *_FLAGS, f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await asyncio.to_thread(_port, folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (tab,) = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _port(file: Path) -> str:
    """Return the port that the browser has chosen, once it has."""
    end = time.monotonic() + _PATIENCE_S
    while not (file.exists() and file.read_text().count("\n")):
        assert time.monotonic() < end, "Chromium does not start"
        time.sleep(0.05)
    return file.read_text().splitlines()[0]

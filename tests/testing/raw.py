"""A client that shows an answer as it came over the wire."""

import asyncio
import json
from typing import Any

from attrs import frozen
from yarl import URL

from cfevents.testing import Simulator
from cfevents.testing.faults import Fault

SITE = "site-1"
START = 1700000000
EVENTS = f"/{SITE}/telemetry/events"
LISTING = f"{EVENTS}?from={START}&to={START + 1000}"
TICKS = [{"e": {"k": "Reconcile"}, "t": START + second, "n": 0} for second in range(6)]


def made(**settings: Any) -> Simulator:
    """A simulator with six events, on pages of two."""
    return Simulator(events={SITE: TICKS}, **{"max_page_size": 2, **settings})


@frozen
class Heard:
    """What came until the connection ended."""

    data: bytes
    ending: str  # "closed", "reset" or "silence"
    seconds: float  # until then

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def document(self) -> Any:
        assert int(self.headers["content-length"]) == len(self.body)
        return json.loads(self.body)


async def ask(simulator: Simulator, path: str = LISTING, *, patience: float = 600.0, keep: bool = False) -> Heard:
    """Ask on a connection of its own, and listen until it ends or nothing more comes."""
    loop = asyncio.get_running_loop()
    url = URL(simulator.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=2**30)
    base = f"{url.path}/accounts/{simulator.account_id}/magic/connectors"
    writer.write(
        f"GET {base}{path} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer {simulator.api_token}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
    )
    began, data, ending = loop.time(), bytearray(), "closed"
    try:
        async with asyncio.timeout(patience):
            while part := await reader.read(2**20):
                data += part
    except ConnectionResetError:
        ending = "reset"
    except TimeoutError:
        ending = "silence"
    finally:
        writer.transport.abort()
    return Heard(bytes(data), ending, loop.time() - began)


async def struck(fault: Fault, path: str = LISTING) -> tuple[Heard, Heard]:
    """Ask once without and once with a fault."""
    async with made() as simulator:
        true = await ask(simulator, path)
        simulator.faults.add(fault)
        return true, await ask(simulator, path)

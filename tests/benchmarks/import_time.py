"""The time of an import, in a new process for every run."""

import subprocess
import sys
import time
from collections.abc import Mapping

# The libraries that are given; stamina counts as ours.
GIVEN = "import aiohttp, attrs, cattrs"
CODE: Mapping[str, str] = {
    "nothing": "",
    "aiohttp, attrs and cattrs": GIVEN,
    "cfevents": f"{GIVEN}; from cfevents import Client, events",
    "cfevents, ready to list": "from cfevents import Client\n"
    "Client(api_token='t', account_id='a').list_events('site', since='24h')",
    "cloudflare": "from cloudflare import AsyncCloudflare",
    "cloudflare, ready to list": "from cloudflare import AsyncCloudflare\n"
    "AsyncCloudflare(api_token='t').magic_transit.connectors.events.list",
}
"""The code to time: imports, and what must happen before a listing can begin."""


def milliseconds(runs: int) -> list[dict[str, float]]:
    """Time every import in turn, so that a change of the machine's speed affects all."""
    for code in CODE.values():  # unmeasured: it may write bytecode
        _milliseconds(code)
    return [{name: _milliseconds(code) for name, code in CODE.items()} for _ in range(runs)]


def _milliseconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000

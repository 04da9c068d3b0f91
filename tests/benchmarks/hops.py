"""Count the files and functions of the package that one listing and one round of following pass through.

Counted are the code objects of ``cfevents`` that run, each once, from `Client.open` to the end of the iteration: over a
listing of three pages, and over ``follow_events(...).once()`` of the same events, against the simulator. Not counted:
making and closing the client, ``cfevents.testing``, bodies of modules and classes, lambdas, comprehensions, generator
expressions, and code that attrs or cattrs generate. A run before the count takes care of lazy imports and caches. The
extra ``speed`` is used where it is installed, as a program would.

::

    python -m benchmarks.hops [--list]
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterable, Callable
from inspect import CO_NEWLOCALS
from pathlib import Path
from types import CodeType, FrameType

import cfevents
from cfevents import Client
from cfevents.testing import Simulator

TARGETS = {"listing": (16, 105), "following": (24, 170)}
"""Files and functions, at most."""

_PACKAGE = Path(cfevents.__file__).parent
_PAGE_EVENTS = 100
_EVENTS = 250
_CONNECTOR = "connector"


async def count(read: Callable[[Client], AsyncIterable[object]], simulator: Simulator) -> set[CodeType]:
    """Return the code objects of the package that run while a client is opened and read from."""
    called = set[CodeType]()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.add(frame.f_code)

    client = Client(**simulator.client_options)
    sys.setprofile(profile)
    try:
        await client.open()
        events = [event async for event in read(client)]
    finally:
        sys.setprofile(None)
        await client.close()
    assert len(events) == _EVENTS
    return {code for code in called if _counts(code)}


def _counts(code: CodeType) -> bool:
    path = Path(code.co_filename)
    named = bool(code.co_flags & CO_NEWLOCALS) and not code.co_name.startswith("<")
    return named and path.is_relative_to(_PACKAGE) and not path.is_relative_to(_PACKAGE / "testing")


async def main(show: bool) -> None:
    """Print what was counted, beside the most that it is to be."""
    reads: dict[str, Callable[[Client], AsyncIterable[object]]] = {
        "listing": lambda client: client.list_events(_CONNECTOR, since="1h"),
        "following": lambda client: client.follow_events(_CONNECTOR, since="1h").once(),
    }
    begin = int(time.time()) - 1000
    events = [{"e": {"k": "Init"}, "t": begin + place, "n": 0} for place in range(_EVENTS)]
    async with Simulator(events={_CONNECTOR: events}, max_page_size=_PAGE_EVENTS) as simulator:
        for name, read in reads.items():
            await count(read, simulator)
            codes = await count(read, simulator)
            files = Counter(str(Path(code.co_filename).relative_to(_PACKAGE)) for code in codes)
            most = "at most {} and {}".format(*TARGETS[name])
            print(f"{name}: {len(files)} files, {len(codes)} functions ({most})")
            for file in sorted(files) if show else ():
                functions = sorted(code.co_qualname for code in codes if code.co_filename == str(_PACKAGE / file))
                print(f"    {file} ({files[file]}): {', '.join(functions)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the files and functions")
    asyncio.run(main(parser.parse_args().list))

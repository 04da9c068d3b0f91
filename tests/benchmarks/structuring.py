"""The cost of making the events of a page from its bytes, in microseconds of processor time per event.

The ways take turns, so that a change of the machine's speed affects all; every figure is the least of its runs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from yarl import URL

from cfevents import EventMetadata
from cfevents._model.api import Listing
from cfevents._protocol import converter, fast_path
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, _load_json, _raw_result, parse_result
from cfevents.testing import History

REQUEST: Request[Listing] = Request(URL("https://api.example.com/accounts/a"), Listing)


def page(events: int) -> bytes:
    """Return a page as the API sends it."""
    recorded = History(seed=3, connectors=["c1"], days=7, until=1_780_000_000).events["c1"][:events]
    items = [{"a": event["a"], "k": event["e"]["k"], "n": event["n"], "t": event["t"]} for event in recorded]
    items = (items * -(-events // len(items)))[:events]
    result = {"count": events, "items": items, "cursor": "abcdef=="}
    return json.dumps({"result": result, "success": True, "errors": [], "messages": []}).encode()


def ways(body: bytes) -> dict[str, Callable[[], Any]]:
    """Return the ways that are compared, by name."""
    general = converter.converter.__wrapped__()
    # What cattrs generates, with the hook that serves every class around it.
    general.register_structure_hook(EventMetadata, converter._object_hook(EventMetadata, general))
    response = Response(200, body)
    compared: dict[str, Callable[[], Any]] = {
        "json.loads alone, items left as dicts": lambda: json.loads(body),
        "json.loads, then the general hook": lambda: general.structure(json.loads(body)["result"], Listing),
        "json.loads, then the converter": lambda: converter.structure_at("", json.loads(body)["result"], Listing),
        "an answer, the ordinary way": lambda: _raw_result(REQUEST, response, _load_json(body)).read(),
    }
    if fast_path.decode_listing(body) is not None:
        compared["msgspec alone, items left as structs"] = lambda: fast_path.decode_listing(body)
        compared["an answer, with the extra `speed`"] = lambda: parse_result(REQUEST, response)
    return compared


def processor_time(way: Callable[[], Any]) -> float:
    """Return the processor time of a page, in microseconds."""
    began = time.process_time()
    for _ in range(10):
        way()
    return (time.process_time() - began) * 1e5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--events", type=int, default=1000, help="of a page")
    arguments = parser.parse_args()
    compared = ways(page(arguments.events))
    least = dict.fromkeys(compared, float("inf"))
    for _ in range(arguments.turns):
        for name, way in compared.items():
            least[name] = min(least[name], processor_time(way))
    floor = next(iter(least.values()))
    print(
        f"Python {sys.version.split()[0]}, a page of {arguments.events} events, the least of {arguments.turns} turns\n"
    )
    print("| way | us per event | of json.loads |\n|---|---|---|")
    for name, taken in least.items():
        print(f"| {name:38} | {taken / arguments.events:5.2f} | {taken / floor:5.2f} |")


if __name__ == "__main__":
    main()

"""Whatever a body holds, judging it takes memory and steps in proportion to its size."""

import json
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from string import ascii_letters
from typing import Any

import pytest
from support.scripted import ScriptedAPI, item, page
from yarl import URL

from cfevents import CfEventsError, Client
from cfevents._model.api import Latest, Listing
from cfevents._protocol import converter, fast_path, responses
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, parse_result
from cfevents._secrets import remember

pytestmark = pytest.mark.once

SIZE = 100_000
MAX_MEMORY_RATIO = 10
# What the first response of a process creates: the converter, decoders, and the like.
OVERHEAD_BYTES = 150_000
NAMES = ["".join(letters) for letters in product(ascii_letters, repeat=3)]
EVENT = '{"a":1700000003,"k":"Init","n":0,"t":1700000000}'
CONNECTOR = json.dumps({"id": "c" * 32, "device": {"id": "d" * 32}, "notes": "n" * 40, "new": True})
CHAIN = '{"code":6111,"message":"Invalid format for Authorization header"}'


def fill(part: str, size: int) -> str:
    return ",".join([part] * (size // (len(part) + 1)))


def listing(part: str) -> Callable[[int], str]:
    return lambda size: f'{{"success":true,"result":{{"items":[{fill(part, size)}]}}}}'


def beside(name: str, part: str) -> Callable[[int], str]:
    return lambda size: f'{{"success":true,"result":{{"items":[]}},"{name}":[{fill(part, size)}]}}'


def refusal(part: str) -> Callable[[int], str]:
    return lambda size: f'{{"success":false,"errors":[{fill(part, size)}]}}'


def fields(count: int, size: int) -> str:
    """Objects of as many fields, no name twice."""
    names = iter(NAMES)
    objects = ("{" + ",".join(f'"{next(names)}":0' for _ in range(count)) + "}" for _ in range(size // (count * 8)))
    return ",".join(objects)


BODIES: dict[str, Callable[[int], str]] = {
    "wrong items": listing("0"),
    "empty items": listing("{}"),
    "empty arrays": listing("[]"),
    "one wrong at the end": lambda size: listing(EVENT)(size)[:-3] + ",0]}}",
    "items of other types": listing('{"a":"","k":0,"n":[],"t":{}}'),
    "events": listing(EVENT),
    "small events": listing('{"a":0,"k":"","n":0,"t":0}'),
    "events and more": listing('{"a":1700000003,"k":"Init","n":0,"t":1700000000,"x":"abc"}'),
    "unknown kinds": lambda size: listing("")(0).replace(
        "[]",
        "[" + ",".join(f'{{"a":1700000003,"k":"{name}","n":0,"t":1700000000}}' for name in NAMES[: size // 50]) + "]",
    ),
    "fractional times": listing('{"a":1700000003.5,"k":"Init","n":0,"t":1700000000.25}'),
    "payloads": listing('{"e":{"k":"Init","x":"some value"},"n":0,"t":1700000000,"v":"2026.2.0"}'),
    "unknown payloads": listing('{"e":{"k":"NotYet","x":[1,2,3]},"n":0,"t":1700000000}'),
    "connectors": lambda size: (
        f'{{"success":true,"result":[{fill(json.dumps({"id": "c" * 32, "notes": "n" * 40}), size)}]}}'
    ),
    "refusals of nothing": refusal("{}"),
    "refusals": refusal('{"code":1000,"message":"no"}'),
    "refusals by numbers": refusal("0"),
    "refusals by text": refusal('"ab"'),
    "one long refusal": lambda size: refusal(json.dumps("m" * size))(size + 3),
    "chain of refusals": lambda size: refusal(f'{{"error_chain":[{fill("{}", size)}]}}')(size + 20),
    "chains of refusals": refusal(f'{{"code":6003,"error_chain":[{fill(CHAIN, 20_000)}]}}'),
    "edge's document": lambda size: json.dumps({"title": "t" * size, "error_code": 1020, "x": ["y"] * 9}),
    "edge's many fields": lambda size: fields(size // 8, size),
    "messages": beside("messages", '"no"'),
    "empty messages": beside("messages", "{}"),
    "errors beside a result": beside("errors", "1"),
    "unknown fields": beside("x", "[]"),
    "many fields": lambda size: f'{{"success":true,"result":{fields(size // 8, size)}}}',
    "objects of many fields": lambda size: f'{{"success":true,"result":{{"items":[{fields(7, size)}]}}}}',
    "small objects of fields": lambda size: f'{{"success":true,"result":{{"items":[{fields(1, size)}]}}}}',
    "nested arrays": lambda size: '{"success":true,"result":' + "[" * (size // 2) + "]" * (size // 2) + "}",
    "nested objects": lambda size: '{"success":true,"result":' + '{"a":' * (size // 6) + "0" + "}" * (size // 6) + "}",
    "pairs": listing("[[],[]]"),
    "a long text": lambda size: listing(json.dumps("x" * size))(size + 3),
    "a text of escapes": lambda size: listing('"' + "\\u0041" * (size // 6) + '"')(size + 9),
    "a long cursor": lambda size: f'{{"success":true,"result":{{"items":[],"cursor":"{"%41" * (size // 3)}"}}}}',
    "long numbers": listing("9" * 4000),
    "small numbers": listing("257"),
    "fractions": listing("1.5"),
    "no JSON": lambda size: "<" * size,
    "quotes": lambda size: '"' + '\\"' * (size // 2),
    "braces": lambda size: "{" * size,
    "colons": lambda size: '"":' * (size // 3),
}
CASES: tuple[tuple[Any, int], ...] = ((Listing, 200), (Latest, 200), (Latest, 400))


def judge(body: bytes, shape: Any, status: int) -> None:
    request: Request[Any] = Request(URL("https://api.example.com/accounts/a"), shape)
    with suppress(CfEventsError):
        parse_result(request, Response(status, body))


@pytest.fixture(autouse=True)
def _every_body_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "LARGE_BODY_BYTES", SIZE // 2)
    monkeypatch.setattr(converter, "_LARGE_ARRAY_ITEMS", 100)
    monkeypatch.setattr(fast_path, "_PART_EVENTS", 200)
    remember(["Bearer scripted-token-5f1c2a", "header-secret-55dd"])


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Count the calls, of C functions too."""
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("speed", [True, False])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_takes_at_most_ten_times_its_size(name: str, speed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not speed:
        monkeypatch.setattr(fast_path, "_decoders", lambda: ())
    body = BODIES[name](SIZE).encode()
    assert SIZE / 2 < len(body) < 1.5 * SIZE
    for shape, status in CASES:
        judge(b"{}", shape, status)
        tracemalloc.start()
        try:
            judge(body, shape, status)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < (MAX_MEMORY_RATIO - 1) * len(body) + OVERHEAD_BYTES, (shape, status)


@pytest.mark.parametrize("name", BODIES)
def test_a_body_takes_steps_in_proportion_to_its_size(name: str) -> None:
    """Twice the body takes at most twice the steps, and a step judges several bytes."""
    for shape, status in CASES:
        steps = []
        for size in (SIZE, 2 * SIZE):
            body = BODIES[name](size).encode()
            judge(b"{}", shape, status)
            with counted_calls() as calls:
                judge(body, shape, status)
            steps.append(calls[0])
        assert steps[1] < 2.2 * steps[0] + 1000
        assert steps[1] < 2 * len(body)


async def test_a_large_body_is_parsed_on_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of more than a megabyte holds the loop for no part of its parsing."""
    threads = dict[int, threading.Thread]()

    def parse(body: bytes) -> Any:
        threads[len(body)] = threading.current_thread()
        return None

    monkeypatch.setattr(responses, "LARGE_BODY_BYTES", 2**20)
    monkeypatch.setattr(responses, "decode_listing", parse)
    small, large = page(item(1)), page(*[item(1_700_000_000 + number) for number in range(25_000)], cursor=None)
    async with ScriptedAPI(small, large) as api, Client(**api.client_options) as client:
        for count in (1, 25_000):
            assert len(await client.list_events("c1", since=1, until=9).collect()) == count
    assert [thread is threading.main_thread() for thread in threads.values()] == [True, False]


def test_no_time_is_spent_on_estimating_a_small_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body of up to a megabyte is not searched for small values, whichever decoder reads it."""
    monkeypatch.setattr(responses, "LARGE_BODY_BYTES", 2**20)
    monkeypatch.setattr(responses, "is_too_dense", None)
    for name in ("events", "connectors", "refusals", "no JSON"):
        for shape, status in CASES:
            judge(BODIES[name](SIZE).encode(), shape, status)


@pytest.mark.parametrize("status", [200, 400, 403, 503])
def test_refusal_that_is_not_read_is_not_said_to_be_the_edges(status: int) -> None:
    """Whoever refuses with a million small values, the error says that they were not read, and blames nobody."""
    body = refusal("{}")(SIZE).encode()
    with pytest.raises(CfEventsError, match="too many small values") as raised:
        parse_result(Request(URL("https://api.example.com/accounts/a"), Listing), Response(status, body))
    assert not getattr(raised.value, "from_edge", False)

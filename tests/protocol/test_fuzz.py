"""Whatever an answer holds, there is a result or an error of the family. `nox -s fuzz` asks a million times."""

import json
import os
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.json_values import json_values
from support.mutated import mutated
from yarl import URL

from cfevents import CfEventsError, EventMetadata, RecordedEvent, unstructure
from cfevents._model.api import Connector, Interrupt, Latest, Listing
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, parse_result
from cfevents._secrets import remember
from cfevents.testing import History

TOKEN = "given-back-in-the-answer"
CASES = int(os.environ.get("CFEVENTS_FUZZ_CASES", "20000"))
SHAPES: list[Any] = [Listing, RecordedEvent, Latest, list[Connector], list[Interrupt]]
HISTORY = History(seed=3, connectors=["c1"], days=1, until=1_780_000_000).events["c1"][:12]
ITEMS = [{"a": event["a"], "k": event["e"]["k"], "n": event["n"], "t": event["t"]} for event in HISTORY]
RESULTS: list[Any] = [
    {"count": 12, "items": ITEMS, "cursor": "abc+/="},
    {"e": HISTORY[0]["e"], "n": 0, "t": 1, "v": "1.2"},
    {"count": 12, "items": [{name: event[name] for name in ("e", "n", "t")} for event in HISTORY]},
    [{"id": "c1", "activated": True, "device": {"id": "d", "serial_number": "s"}, "notes": TOKEN}],
    [{"reboot": {"purge": False}, "submitted_at": TOKEN, "triggered_at": "2026-07-12T06:00:00Z"}],
]


def read(body: bytes, status: int, shape: Any) -> str:
    remember([f"Bearer {TOKEN}"])
    request: Request[Any] = Request(URL("https://api.example.com/accounts/a"), shape)
    try:
        answer: Any = parse_result(request, Response(status, body, "ray"))
    except CfEventsError as error:
        failure = error
    else:
        return checked(answer)
    assert TOKEN not in f"{failure!r}{failure}{vars(failure)}"
    return type(failure).__name__


def checked(answer: Any) -> str:
    for item in getattr(answer.result, "items", ()):
        assert isinstance(item, EventMetadata | RecordedEvent)
        json.dumps(unstructure(item))
    return "result"


@pytest.mark.once
@pytest.mark.timeout(1800)
def test_mutated_pages_give_a_result_or_an_error_of_the_family() -> None:
    random = Random(f"fuzz {CASES}")
    seen: Counter[str] = Counter()
    for _ in range(CASES):
        which = random.randrange(len(SHAPES))
        envelope = {
            "result": RESULTS[which],
            "success": random.random() < 0.9,
            "errors": [{"code": 1, "message": TOKEN}],
        }
        body = mutated(random, json.dumps(envelope)).encode("utf-8", "surrogatepass")
        if random.random() < 0.05:
            at = random.randrange(len(body) + 1)
            body = body[:at] + random.randbytes(2) + body[at:]
        seen[read(body, random.choice([200, 200, 200, 200, 429, 500]), SHAPES[which])] += 1
    assert {"result", "APIResponseError", "APIStatusError", "RateLimitError", "InternalServerError"} <= seen.keys()


@pytest.mark.once
@pytest.mark.timeout(1800)
@settings(max_examples=examples(max(200, CASES // 20)))
@given(st.sampled_from(SHAPES), json_values, st.sampled_from([200, 204, 429, 500]))
def test_random_documents_give_a_result_or_our_error(shape: Any, value: Any, status: int) -> None:
    """Random documents give a result or an error of the library."""
    envelope = {"result": value, "success": True}
    for body in (value, envelope, envelope | {"result": {"items": [value]}}, envelope | {"result": [value]}):
        read(json.dumps(body).encode(), status, shape)

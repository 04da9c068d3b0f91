"""The base of sinks over HTTP: answers settle events one by one, and what was taken is not sent again."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from aiohttp import web
from support.batches import BEGIN, batch, listed
from support.receivers import Hook, Received
from yarl import URL

from cfevents import Batch, SinkError
from cfevents._secrets import Secret
from cfevents.sinks.http import HTTPSink, OutgoingEvent, Verdict
from cfevents.sinks.receiver import HTTPAnswer
from cfevents.sinks.urls import SinkAddress


class Choosy(HTTPSink):
    """A receiver that answers with the places that it refuses, that are to come again, and whether that has to wait."""

    content_type = "application/x-ndjson"

    def read(self, answer: HTTPAnswer, events: Sequence[OutgoingEvent]) -> Verdict:
        said = json.loads(answer.body or "{}")
        error = SinkError("busy", is_temporary=True) if said.get("busy") else None
        refused = dict.fromkeys(said.get("refused", []), "invalid")
        return Verdict(refused=refused, unsettled=said.get("again", []), error=error)


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with Hook() as running:
        yield running


def choosy(hook: Hook, **limits: Any) -> Choosy:
    return Choosy(SinkAddress(text=hook.url, timeout_s=5, **limits), URL(hook.url))


def events(count: int) -> Batch[Any]:
    return batch([listed(BEGIN + number, number) for number in range(count)])


def sent(hook: Hook) -> list[list[int]]:
    return [[event["sequence"] for event in request.events] for request in hook.requests if request.body]


def says(*answers: dict[str, Any]) -> Any:
    """Return a function that answers so in turn, and then takes everything."""
    left = iter(answers)

    def answer(request: Received) -> web.Response:
        return web.json_response(next(left, {}) if request.body else {})

    return answer


async def test_events_are_settled_one_by_one(hook: Hook) -> None:
    """What is neither taken nor refused comes again, in order, and nothing else does."""
    hook.answers = says({"refused": [2], "again": [4, 1]}, {"refused": [1]})
    async with choosy(hook) as sink:
        refused = await sink.write(events(5))
    assert sent(hook) == [[0, 1, 2, 3, 4], [1, 4]]
    assert [(item.event.sequence, reason) for item, reason in refused] == [(2, "invalid"), (4, "invalid")]


async def test_events_that_must_wait_end_the_attempt(hook: Hook) -> None:
    """The error may pass; the same batch then goes on with them, and keeps what was refused before."""
    hook.answers = says({}, {"refused": [0], "again": [1], "busy": True}, {"again": [0], "busy": True})
    some = events(6)
    async with choosy(hook, max_events=3) as sink:
        for _ in range(2):
            with pytest.raises(SinkError, match="busy"):
                await sink.write(some)
        refused = await sink.write(some)
    assert sent(hook) == [[0, 1, 2], [3, 4, 5], [4], [4]]
    assert [item.event.sequence for item, _ in refused] == [3]


async def test_receiver_that_refuses_all_one_by_one_is_wrong(hook: Hook) -> None:
    hook.answers = says({"refused": [*range(6)]})
    async with choosy(hook) as sink:
        with pytest.raises(SinkError, match="refuses every event so far: invalid"):
            await sink.write(events(6))


async def test_events_may_become_other_json(hook: Hook) -> None:
    async with choosy(hook, format=lambda line: {"number": line["sequence"]}) as sink:
        await sink.write(events(2))
    assert hook.requests[-1].events == [{"number": 0}, {"number": 1}]


@pytest.mark.parametrize(
    ("before", "secret"), [(" " * 4080, "sink-secret-5b1e-9d42-77aa-0f"), ("", "sink  secret  of  words")]
)
async def test_answer_that_repeats_a_secret_shows_no_part_of_it(hook: Hook, before: str, secret: str) -> None:
    hook.answers = lambda request: web.Response(status=400 if request.body else 200, text=f"{before}{secret}")
    sink = choosy(hook, headers={"x-key": Secret(secret)})
    await sink.receiver.open()
    answer = await sink.receiver.post(b"[]", "application/json")
    await sink.receiver.close()
    assert sink.receiver.describe(answer).endswith("answers 400: **********")

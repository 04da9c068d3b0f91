"""Elasticsearch and OpenSearch: each event is one document, whatever is repeated."""

import base64
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web
from support.batches import BEGIN, batch, listed
from support.clock import run_jumping

from cfevents import Batch, SinkError
from cfevents.sinks import Sink, connect
from cfevents.testing import ElasticReceiver

Scenario = Callable[[ElasticReceiver, Sink], Coroutine[Any, Any, Any]]


def events(count: int, **options: Any) -> Batch[Any]:
    return batch([listed(BEGIN + number, number) for number in range(count)], **options)


def numbers(receiver: ElasticReceiver) -> list[int]:
    return [event["sequence"] for event in receiver.events]


def play(scenario: Scenario, *, path: str = "/wan", **options: Any) -> None:
    """Play a scenario in simulated time."""

    async def main() -> None:
        async with ElasticReceiver(is_data_stream=True) as receiver:
            sink = connect(f"elastic+{receiver.url}{path}", **{"token": receiver.token, **options})
            async with sink:
                await scenario(receiver, sink)

    run_jumping(main())


def test_document_is_the_line_with_a_time() -> None:
    """A data stream refuses an event without a date, such as one of the year 300,000; an index takes it."""

    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        some = batch([listed(1_700_000_000.125, 3), listed(1e13, 4)], account_id="a")
        (refused,) = [*(await sink.write(some) or ())]
        assert refused.item.event.sequence == 4
        (document,) = receiver.events
        assert receiver.documents == {"a/c1/1700000000.125.3": document}
        assert document["@timestamp"] == document["recorded_at"]
        assert document["@timestamp"].startswith("2023-11-14T22:13:20.125")
        assert (document["recorded_ts"], document["kind"]) == (1_700_000_000.125, "Init")
        assert {*receiver.requests} == {"/wan/_bulk"}
        receiver.is_data_stream = False
        assert not await sink.write(batch([listed(1e13, 4)], account_id="a"))

    play(scenario, gzip=True)


@pytest.mark.parametrize("other", [{"account_id": "b"}, {"connector_id": "c2"}])
def test_document_is_one_of_account_connector_and_event(other: dict[str, Any]) -> None:
    """The same event again is none; that of another account or connector is."""

    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        for some in (events(3), events(3), events(3, **other)):
            assert not await sink.write(some)
        assert len(receiver.documents) == 6

    play(scenario)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_documents_that_fail_for_the_moment_are_repeated_alone(status: int) -> None:
    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        some, sent = events(10), list[int]()

        def busy(document: dict[str, Any]) -> int | None:
            sent.append(document["sequence"])
            return status if document["sequence"] in {2, 7} else None

        receiver.refuses = busy
        with pytest.raises(SinkError, match=f"answers {status}") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        receiver.refuses = lambda document: sent.append(document["sequence"])
        assert not await sink.write(some)
        assert sent == [*range(10), 2, 7]

    play(scenario)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_document_that_is_invalid_is_refused_with_the_reason(status: int) -> None:
    """One of those beside it may have to come again."""

    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        receiver.refuses = lambda document: {1: status, 4: 429}.get(document["sequence"])
        some = events(6)
        with pytest.raises(SinkError, match="answers 429"):
            await sink.write(some)
        receiver.refuses = lambda _: None
        (refused,) = [*(await sink.write(some) or ())]
        assert refused.item.event.sequence == 1
        assert f"answers {status}: " in refused.reason
        assert f"refused with status {status}" in refused.reason
        assert sorted(numbers(receiver)) == [0, 2, 3, 4, 5]

    play(scenario)


@pytest.mark.parametrize(
    ("status", "says"), [(401, "credentials are refused"), (403, "credentials are refused"), (404, "check the address")]
)
@pytest.mark.parametrize("single", [True, False])
def test_right_or_index_that_is_missing_makes_no_dead_letters(status: int, says: str, single: bool) -> None:
    """Also where it shows only in the single documents."""

    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        receiver.refuses = lambda document: 429 if document["sequence"] == 0 else status
        if not single:
            receiver.plan(status)
        with pytest.raises(SinkError, match=says) as caught:
            await sink.write(events(3))
        assert not caught.value.is_temporary

    play(scenario)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_what_is_refused_as_a_whole_shows_at_once(status: int) -> None:
    async def main() -> None:
        async with ElasticReceiver() as receiver:
            receiver.plan(status)
            with pytest.raises(SinkError, match=f"answers {status}") as caught:
                await connect(f"elastic+{receiver.url}/wan", token=receiver.token).__aenter__()
            assert (caught.value.is_temporary, receiver.requests) == (False, ["/wan/_bulk"])

    run_jumping(main())


def test_other_servers_are_no_elasticsearch() -> None:
    async def main() -> None:
        async with ElasticReceiver() as receiver:
            receiver.receive = lambda *_: (200, "<html>welcome</html>")  # type: ignore[method-assign]
            with pytest.raises(SinkError, match=r"no whole answer of _bulk: check the address") as caught:
                await connect(f"elastic+{receiver.url}/wan").__aenter__()
            assert not caught.value.is_temporary

    run_jumping(main())


class Half(ElasticReceiver):
    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        status, content = super().receive(request, body)
        return status, content | {"items": content["items"][:-1]}


def test_answer_without_each_document_settles_none() -> None:
    async def main() -> None:
        async with Half() as receiver:
            receiver.plan(400)
            async with connect(f"elastic+{receiver.url}/wan", token=receiver.token) as sink:
                with pytest.raises(SinkError, match="no whole answer of _bulk") as caught:
                    await sink.write(events(3))
            assert caught.value.is_temporary

    run_jumping(main())


NO_STATUSES = ["-1", "0", "100", "199", "600", "1e999", "201.5", "true", "null", '"x"', "[]"]
NO_ANSWERS = ["[" * 100_000, *(f'{{"items": [{{"create": {{"status": {status}}}}}]}}' for status in NO_STATUSES)]
NO_ANSWERS += ['{"items": [{"create": {}}]}', '{"items": [{}, {"create": {"status": 201}, "index": {"status": 201}}]}']


@pytest.mark.parametrize("text", NO_ANSWERS, ids=range(len(NO_ANSWERS)))
def test_answer_that_no_server_gives_settles_none(text: str) -> None:
    """Such as one that is no status, or below those of an end: the event is neither there nor refused."""

    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        take, some = receiver.receive, events(text.count("{}") + 1)
        receiver.receive = lambda *_: (200, text)  # type: ignore[method-assign]
        with pytest.raises(SinkError, match="no whole answer of _bulk") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        receiver.receive = take  # type: ignore[method-assign]
        assert not await sink.write(some)
        assert len(receiver.documents) == len(some.items)

    play(scenario)


def test_request_that_is_too_large_is_split() -> None:
    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        receiver.max_bytes = 3000
        some = [listed(BEGIN + number, number, "K" * 4000 if number == 5 else "Init") for number in range(20)]
        (refused,) = [*(await sink.write(batch(some)) or ())]
        assert (refused.item.event.sequence, "answers 413" in refused.reason) == (5, True)
        assert numbers(receiver) == [*range(5), *range(6, 20)]

    play(scenario)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/wan", "/wan/_bulk"),
        ("/wan/", "/wan/_bulk"),
        ("/wan/_bulk", "/wan/_bulk"),
        ("/es/wan?pipeline=p", "/es/wan/_bulk?pipeline=p"),
        ("/%3Cwan-%7Bnow%7D%3E", "/%3Cwan-%7Bnow%7D%3E/_bulk"),
    ],
)
def test_path_names_the_index(path: str, asked: str) -> None:
    """Behind a proxy it is the last part; a pipeline may be given."""

    async def scenario(receiver: ElasticReceiver, _: Sink) -> None:
        assert receiver.requests == [asked]

    play(scenario, path=path)


@pytest.mark.parametrize("token", ["id-1:key-secret-5", base64.b64encode(b"id-1:key-secret-5").decode()])
def test_api_key_may_be_encoded_or_not(token: str) -> None:
    """None of its forms is in a message that repeats it."""
    encoded = base64.b64encode(b"id-1:key-secret-5").decode()

    async def scenario(receiver: ElasticReceiver, sink: Sink) -> None:
        receiver.token = encoded
        await sink.write(events(1))
        receiver.receive = lambda *_: (403, f"no {encoded} nor key-secret-5")  # type: ignore[method-assign]
        with pytest.raises(SinkError, match=r"answers 403: no \*+ nor \*+; ") as caught:
            await sink.write(events(2))
        assert "key-secret-5" not in str(caught.value)

    async def main() -> None:
        async with ElasticReceiver() as receiver:
            receiver.token = encoded
            async with connect(f"elastic+{receiver.url}/wan", token=token) as sink:
                await scenario(receiver, sink)

    run_jumping(main())


class Repeating(ElasticReceiver):
    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        return 400, request.headers["Authorization"][:6]


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_other_credentials_are_a_header(scheme: str) -> None:
    async def main() -> None:
        async with Repeating() as receiver:
            sink = connect(f"elastic+{receiver.url}/wan", headers={"Authorization": f"{scheme} abc"})
            async with sink:
                with pytest.raises(SinkError, match=f"every event so far: .* answers 400: {scheme}"):
                    await sink.write(events(9))

    run_jumping(main())

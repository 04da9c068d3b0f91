"""Splunk's HTTP Event Collector: its codes decide what is repeated, and events count once they are indexed."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
from aiohttp import web
from support.batches import BEGIN, batch, listed, with_payload
from support.clock import run_jumping
from support.receivers import Hook

from cfevents import Batch, SinkError
from cfevents.sinks import Sink, connect
from cfevents.testing import SplunkReceiver

Scenario = Callable[[SplunkReceiver, Sink], Coroutine[Any, Any, Any]]


def events(count: int, begin: int = 0) -> Batch[Any]:
    return batch([listed(BEGIN + number, number) for number in range(begin, begin + count)])


def numbers(receiver: SplunkReceiver) -> list[int]:
    return [event["event"]["sequence"] for event in receiver.events]


def number_of(event: Mapping[str, Any]) -> int:
    return int(event["event"]["sequence"])


def play(scenario: Scenario, *, confirms: bool = False, query: str = "", **options: Any) -> None:
    """Play a scenario in simulated time."""

    async def main() -> None:
        async with SplunkReceiver(confirms=confirms) as receiver:
            url = f"splunk+{receiver.url}{query}"
            async with connect(url, **{"token": receiver.token, **options}) as sink:
                await scenario(receiver, sink)

    run_jumping(main())


def test_event_has_its_exact_time_and_metadata() -> None:
    """The host is the connector; what the address names stands beside each event."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        some = [with_payload(listed(1_700_000_000.125, 1)), with_payload(listed(1_700_000_001, 2))]
        assert not await sink.write(batch(some, "site-1"))
        first, second = receiver.events
        assert (first["time"], second["time"]) == (1_700_000_000.125, 1_700_000_001)
        assert [first[name] for name in ("host", "index", "sourcetype")] == ["site-1", "wan", "_json"]
        assert first["event"]["event"] == {"k": "StartUpgrade", "url": "https://u"}
        assert {*receiver.requests} == {"/services/collector/event"}

    play(scenario, query="?index=wan&sourcetype=_json", gzip=True)


@pytest.mark.parametrize("path", ["", "/event", "/event/1.0"])
def test_address_may_name_host_and_path(path: str) -> None:
    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        await sink.write(events(1))
        assert receiver.events[0]["host"] == "b"
        assert receiver.requests[-2:] == [f"/services/collector{path}", "/services/collector/ack"]

    play(scenario, query=f"/services/collector{path}?host=b", confirms=True)


@pytest.mark.parametrize(
    ("code", "says"), [(1, "Token disabled"), (2, "required"), (3, "authorization"), (4, "Invalid")]
)
def test_token_that_is_refused_shows_at_once(code: int, says: str) -> None:
    async def main() -> None:
        async with SplunkReceiver() as receiver:
            receiver.plan(code)
            with pytest.raises(SinkError, match=f"{says}.*; the credentials are refused") as caught:
                await connect(f"splunk+{receiver.url}", token=receiver.token).__aenter__()
            assert not caught.value.is_temporary

    run_jumping(main())


class Repeating(SplunkReceiver):
    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        header = request.headers["Authorization"]
        return 403, f"no {header.split()[1]} in {header}"


def test_wrong_token_is_not_repeated_by_the_message() -> None:
    """Neither with its scheme nor without."""

    async def main() -> None:
        token = "header-secret-55dd"
        async with Repeating() as receiver:
            with pytest.raises(SinkError, match=r"403: no \*+ in Splunk \*+; the credentials") as caught:
                await connect(f"splunk+{receiver.url}", token=token).__aenter__()
            assert token not in str(caught.value)

    run_jumping(main())


@pytest.mark.parametrize("code", [6, 12, 13, 15])
@pytest.mark.parametrize("knows", [True, False])
def test_invalid_event_is_refused_alone(code: int, knows: bool) -> None:
    """Those before it are taken, so that they are not sent again, once it is known that nothing has to confirm them."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        if knows:
            await sink.write(events(1, 100))
        receiver.refuses = lambda event: code if number_of(event) in {3, 7} else None
        refused = [*(await sink.write(events(10)) or ())]
        assert [item.event.sequence for item, _ in refused] == [3, 7]
        assert f'"code": {code}' in refused[0].reason
        kept = [0, 1, 2, 4, 5, 6, 8, 9]
        assert numbers(receiver) == ([100, *kept] if knows else [0, 1, 2, *kept])

    play(scenario)


def test_many_invalid_events_multiply_no_others() -> None:
    """Where events have to be confirmed, those before an invalid one are sent only once more."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        receiver.refuses = lambda event: 6 if number_of(event) % 10 == 5 else None
        refused = await sink.write(events(400))
        assert len(refused or ()) == 40
        assert {*numbers(receiver)} == {number for number in range(400) if number % 10 != 5}
        assert max(map(numbers(receiver).count, numbers(receiver))) <= 2
        assert len(receiver.requests) < 250

    play(scenario, confirms=True)


@pytest.mark.parametrize("code", [8, 9, 18, 19, 20, 23, 26, 27])
@pytest.mark.parametrize("place", [0, 5])
def test_busy_collector_is_asked_again(code: int, place: int) -> None:
    """It may have taken a part of the request, which is not sent again."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        await sink.write(events(1, 100))
        receiver.refuses = lambda event: code if number_of(event) == place else None
        some = events(8)
        with pytest.raises(SinkError) as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        receiver.refuses = lambda _: None
        assert not await sink.write(some)
        assert numbers(receiver) == [100, *range(8)]

    play(scenario)


@pytest.mark.parametrize("code", [24, 25])
def test_collector_that_is_nearly_full_has_taken_it(code: int) -> None:
    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        receiver.plan(code)
        assert not await sink.write(events(3))
        assert len(receiver.requests) == 2

    play(scenario)


@pytest.mark.parametrize(
    ("number", "says"),
    [(7, "check index="), (10, "check the address"), (11, "check the address"), (404, "check the address")],
)
def test_wrong_address_makes_no_dead_letters(number: int, says: str) -> None:
    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        receiver.plan(number)
        with pytest.raises(SinkError, match=says) as caught:
            await sink.write(events(3))
        assert not caught.value.is_temporary

    play(scenario)


def test_too_large_event_is_refused_and_the_others_arrive() -> None:
    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        receiver.max_bytes = 3000
        some = [listed(BEGIN + number, number, "K" * 4000 if number == 5 else "Init") for number in range(20)]
        (refused,) = [*(await sink.write(batch(some)) or ())]
        assert (refused.item.event.sequence, "answers 413" in refused.reason) == (5, True)
        assert numbers(receiver) == [*range(5), *range(6, 20)]

    play(scenario)


def test_delivered_is_what_is_indexed() -> None:
    """A write ends when each request is confirmed, and each event is there once."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        assert not await sink.write(events(10))
        assert sorted(numbers(receiver)) == [*range(10)]

    play(scenario, confirms=True, max_events=3)


def test_what_is_not_confirmed_in_time_is_sent_again() -> None:
    """Such as what an indexer lost that crashed; what was confirmed is not."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        some, began = events(10), loop.time()
        receiver.refuses = lambda event: setattr(receiver, "indexes", number_of(event) < 6)
        with pytest.raises(SinkError, match="has not confirmed that 4 events are indexed: they are sent") as caught:
            await sink.write(some)
        assert (caught.value.is_temporary, 300 <= loop.time() - began <= 320) == (True, True)
        assert numbers(receiver) == [*range(6)]
        assert len(receiver.requests) < 50
        receiver.indexes, receiver.refuses = True, lambda _: None
        assert not await sink.write(some)
        assert numbers(receiver) == [*range(10)]

    play(scenario, confirms=True, max_events=3)


def test_collector_that_forgets_is_sent_to_again() -> None:
    """Its token may lose acknowledgement, or it restarts meanwhile: nothing waits for what will never come."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        some = events(5)
        receiver.plan("", 14)
        with pytest.raises(SinkError, match="they are sent again") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        receiver.confirms = False
        assert not await sink.write(some)
        assert numbers(receiver) == [*range(5)]

    play(scenario, confirms=True)


def test_collector_that_counts_anew_within_a_batch_is_sent_to_again() -> None:
    """After a restart the numbers begin at 0: what had such a number before is not confirmed by the new one."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        take = receiver.receive

        def receive(request: web.Request, body: bytes) -> Any:
            if len(receiver.requests) == 3:  # one to open, and one with events
                receiver._unconfirmed.clear()
            return take(request, body)

        receiver.receive = receive  # type: ignore[method-assign]
        some = events(4)
        with pytest.raises(SinkError, match="has not confirmed that 2 events are indexed: they are sent") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        assert not await sink.write(some)
        assert sorted(numbers(receiver)) == [0, 1, 2, 3]

    play(scenario, confirms=True, max_events=2)


def test_number_of_a_lost_answer_confirms_nothing_else() -> None:
    """A restarted collector takes a request whose answer is lost: its number is that of earlier events."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        take = receiver.receive

        def receive(request: web.Request, body: bytes) -> Any:
            if len(receiver.requests) != 3:  # one to open, and one with events
                return take(request, body)
            receiver._unconfirmed.clear()
            take(request, body)
            return 504, {}

        receiver.receive = receive  # type: ignore[method-assign]
        some = events(4)
        for reason in ("answers 504", "has not confirmed that 2 events are indexed: they are sent again"):
            with pytest.raises(SinkError, match=reason) as caught:
                await sink.write(some)
            assert caught.value.is_temporary
        assert not await sink.write(some)
        assert {*numbers(receiver)} == {0, 1, 2, 3}

    play(scenario, confirms=True, max_events=2)


class Renumbering(SplunkReceiver):
    """A collector that writes the number of an acknowledgement in its own way."""

    def __init__(self, written: Callable[[int], Any]) -> None:
        super().__init__(confirms=True)
        self.written = written

    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        status, content = super().receive(request, body)
        if "ackId" in content:
            content["ackId"] = self.written(content["ackId"])
        return status, content


def test_number_of_an_acknowledgement_may_be_text() -> None:
    async def main() -> None:
        async with Renumbering(str) as receiver:
            async with connect(f"splunk+{receiver.url}", token=receiver.token, max_events=3) as sink:
                assert not await sink.write(events(10))
            assert sorted(numbers(receiver)) == [*range(10)]

    run_jumping(main())


@pytest.mark.parametrize("ack", [None, "", "x", "-1", "\u00b2", "9" * 5000, 1.5, True, [1], {"n": 1}])
def test_acknowledgement_without_a_number_confirms_nothing(ack: Any) -> None:
    """Nobody could ask for it, so the events come again, and an indexer that loses them does no harm."""

    async def main() -> None:
        some, receiver = events(3), Renumbering(lambda _: ack)
        async with receiver, connect(f"splunk+{receiver.url}", token=receiver.token) as sink:
            with pytest.raises(SinkError, match=r"answers 200: .*; its ackId is no number") as caught:
                await sink.write(some)
            assert caught.value.is_temporary
            receiver.written = int
            assert not await sink.write(some)
            assert sorted(numbers(receiver)) == [0, 1, 2]

    run_jumping(main())


def test_query_that_fails_is_repeated() -> None:
    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        some = events(5)
        receiver.plan("", 9)
        with pytest.raises(SinkError, match="Server is busy"):
            await sink.write(some)
        assert not await sink.write(some)
        assert numbers(receiver) == [*range(5)]
        assert receiver.requests.count("/services/collector/event") == 2

    play(scenario, confirms=True)


def test_channel_stays_and_is_a_uuid() -> None:
    """Without it a token with acknowledgement takes nothing."""

    async def scenario(receiver: SplunkReceiver, sink: Sink) -> None:
        for begin in range(3):
            await sink.write(events(1, begin))
        assert numbers(receiver) == [0, 1, 2]

    play(scenario, confirms=True)


async def test_cookies_of_a_load_balancer_are_sent_back() -> None:
    """Only the indexer that has taken events can confirm them."""
    async with Hook() as hook:
        hook.answers = lambda _: web.Response(text='{"code": 0}', headers={"Set-Cookie": "indexer=7; Path=/"})
        async with connect(hook.url.replace("http", "splunk+http")) as sink:
            await sink.write(events(1))
    assert [request.headers.get("cookie") for request in hook.requests] == [None, "indexer=7"]


def test_collector_that_is_busy_when_opened_may_recover(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with SplunkReceiver() as receiver:
            receiver.plan(9)
            async with connect(f"splunk+{receiver.url}", token=receiver.token) as sink:
                assert "Server is busy" in caplog.text
                assert not await sink.write(events(3))

    run_jumping(main())


@pytest.mark.parametrize("text", ["<html>", "[" * 100_000])
def test_other_servers_are_no_collector(text: str) -> None:
    async def main() -> None:
        async with SplunkReceiver() as receiver:
            receiver.receive = lambda *_: (200, text)  # type: ignore[method-assign]
            with pytest.raises(SinkError, match="; check the address") as caught:
                await connect(f"splunk+{receiver.url}", token=receiver.token).__aenter__()
            assert not caught.value.is_temporary

    run_jumping(main())

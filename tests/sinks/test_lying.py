"""Receivers that accept and lie: nothing is lost, and a document is there once."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from google.protobuf.json_format import MessageToDict, Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from support.batches import BEGIN, batch, listed
from support.clock import run_jumping

from cfevents import Batch, SinkError
from cfevents.sinks import RefusedEvent, Sink, connect
from cfevents.testing import ElasticReceiver, EventReceiver, LokiReceiver, SplunkReceiver


class OTLPReceiver(EventReceiver):
    """A receiver of OTLP, which parses by the official messages."""

    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"message": "no token"}
        resources = Parse(body, ExportLogsServiceRequest()).resource_logs
        records = [record for resource in resources for scope in resource.scope_logs for record in scope.log_records]
        found = [MessageToDict(record)["body"]["kvlistValue"]["values"] for record in records]
        events = [{pair["key"]: next(iter(pair["value"].values())) for pair in pairs} for pairs in found]
        taken = [event for event in events if self.refuses(event) is None]
        self.events += taken
        rejected = len(events) - len(taken)
        return 200, {"partialSuccess": {"rejectedLogRecords": str(rejected)}} if rejected else {}


RECEIVERS: dict[str, Callable[[], EventReceiver]] = {
    "elastic": lambda: ElasticReceiver(is_data_stream=True),
    "loki": lambda: LokiReceiver(present=BEGIN),
    "otlp": OTLPReceiver,
    "splunk": SplunkReceiver,
    "splunk, confirming": lambda: SplunkReceiver(confirms=True),
}
LIES = ["reset", "cut", "garbled", "silent"]
BUSY = {
    "elastic": [429, 500, 503],
    "loki": [429, 500, 503],
    "otlp": [429, 502, 503, 504],
    "splunk": [8, 9, 18, 23, 26, 503],
    "splunk, confirming": [8, 9, 20, 27, 503],
}
# What refuses an event for good, and for the moment where a receiver can do so with a single one.
REFUSALS = {"elastic": (400, 429), "loki": (400, None), "otlp": (400, None)}
every_receiver = pytest.mark.parametrize("name", RECEIVERS)


def events(count: int, begin: int = 0) -> Batch[Any]:
    return batch([listed(BEGIN + number, number) for number in range(begin, begin + count)])


def connected(receiver: EventReceiver, **options: Any) -> Sink:
    kind = type(receiver).__name__.removesuffix("Receiver").lower()
    path = "/wan" if kind == "elastic" else ""
    return connect(f"{kind}+{receiver.url}{path}", token=receiver.token, timeout=5, **options)


def arrived(receiver: EventReceiver) -> list[int]:
    """The numbers of the events, once each where they are documents."""
    return sorted(int(event.get("event", event)["sequence"]) for event in receiver.events)


async def deliver(sink: Sink, some: Batch[Any]) -> Sequence[RefusedEvent] | None:
    """Write a batch as a delivery does: again while it fails for the moment."""
    for _ in range(200):
        try:
            return await sink.write(some)
        except SinkError as error:
            if not error.is_temporary:
                raise
            await asyncio.sleep(1)
    raise AssertionError("it never arrives")


@every_receiver
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_lie_loses_nothing(name: str, lie: str, at: int) -> None:
    """Whether the events were taken is not known, so they come again; a document is not made twice."""

    async def main() -> None:
        async with RECEIVERS[name]() as receiver, connected(receiver, max_events=4) as sink:
            receiver.plan(*[""] * at, lie)
            assert not await deliver(sink, events(12))
            assert {*arrived(receiver)} == {*range(12)}
            # A confirmation that is lost costs the whole batch.
            assert len(arrived(receiver)) <= {"elastic": 12, "splunk, confirming": 24}.get(name, 16)

    run_jumping(main())


@every_receiver
@pytest.mark.parametrize("seed", range(8))
def test_any_sequence_of_faults_loses_nothing(name: str, seed: int) -> None:
    """Lies, outages, restarts, single events that are refused for the moment or for good: each has one end."""
    draw = random.Random(seed)
    wrong = {n for n in range(40) if draw.random() < 0.1}
    for_good, for_the_moment = REFUSALS.get(name, (6, 9))
    faults: list[int | str] = [*LIES, *BUSY[name], "", "", ""]

    def refuse(event: dict[str, Any]) -> int | None:
        if int(event.get("event", event)["sequence"]) in wrong:
            return for_good
        return for_the_moment if draw.random() < 0.03 else None

    async def main() -> None:
        refused = list[RefusedEvent]()
        async with RECEIVERS[name]() as receiver, connected(receiver, max_events=7) as sink:
            await deliver(sink, events(1, 100))
            receiver.refuses = refuse
            for begin in (0, 20):
                receiver.plan(*(draw.choice(faults) for _ in range(12)))
                refused += await deliver(sink, events(20, begin)) or ()
                await receiver.stop()
                await receiver.start()
            assert {*arrived(receiver)} == {100, *range(40)} - wrong
            if name == "elastic":
                assert len(arrived(receiver)) == len({*arrived(receiver)})
        assert sorted(item.event.sequence for item, _ in refused) == sorted(wrong)

    run_jumping(main())


@every_receiver
def test_restart_meanwhile_loses_nothing(name: str) -> None:
    """A collector that is restarted has forgotten what was not confirmed."""

    async def main() -> None:
        async with RECEIVERS[name]() as receiver, connected(receiver, max_events=3) as sink:
            delivery = asyncio.create_task(deliver(sink, events(30)))
            for _ in range(3):
                await asyncio.sleep(0.4)
                await receiver.stop()
                if isinstance(receiver, SplunkReceiver):
                    receiver._unconfirmed.clear()
                await asyncio.sleep(20)
                await receiver.start()
            assert not await delivery
            assert {*arrived(receiver)} == {*range(30)}

    run_jumping(main())


@every_receiver
def test_credentials_that_are_withdrawn_end_it(name: str) -> None:
    async def main() -> None:
        async with RECEIVERS[name]() as receiver, connected(receiver) as sink:
            await deliver(sink, events(1))
            receiver.token = "another"
            with pytest.raises(SinkError, match="the credentials are refused"):
                await deliver(sink, events(1, 1))

    run_jumping(main())


@every_receiver
def test_receiver_may_come_up_later(name: str) -> None:
    async def main() -> None:
        receiver = RECEIVERS[name]()
        await receiver.start()
        await receiver.stop()
        async with connected(receiver) as sink:
            delivery = asyncio.create_task(deliver(sink, events(3)))
            await asyncio.sleep(10)
            await receiver.start()
            assert not await delivery
        assert arrived(receiver) == [0, 1, 2]
        await receiver.stop()

    run_jumping(main())

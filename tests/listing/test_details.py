"""Details: each listed event with its payload, in the listing's order, and nothing lost where one cannot be had."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.clock import run_jumping
from support.scripted import ScriptedAPI, item, page

from cfevents import (
    Budget,
    Client,
    ConfigurationError,
    EventDetail,
    FleetError,
    FleetEvent,
    InternalServerError,
    Retry,
    events,
)
from cfevents.testing import Simulator, faults
from cfevents.testing.faults import Exchange, Fault

AMPLE = 10**7


@asynccontextmanager
async def served(
    events: dict[str, list[dict[str, Any]]], **options: Any
) -> AsyncGenerator[tuple[Simulator, Client], None]:
    """A simulator whose quota never matters, and a client that asks once."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(events=events, quota=AMPLE, **options))
        client = Client(**simulator.client_options, budget=Budget(AMPLE), retry=Retry(attempts=1))
        yield simulator, await stack.enter_async_context(client)


def at(times: Iterable[int], n: int = 0) -> list[dict[str, Any]]:
    """Events whose payloads tell which they are."""
    return [{"e": {"k": "StartUpgrade", "url": f"{t}.{n}"}, "t": t, "n": n} for t in times]


def urls(events: Iterable[EventDetail]) -> list[str | None]:
    return [getattr(event.recorded.event, "url", None) if event.recorded else None for event in events]


def ids(events: Iterable[EventDetail]) -> list[str]:
    return [str(event.metadata.id) for event in events]


def payloads_asked(simulator: Simulator) -> list[str]:
    tails = [request.path.rpartition("/")[2] for request in simulator.requests]
    return [tail for tail in tails if tail not in {"events", "connectors"}]


def nothing_is_left(client: Client) -> bool:
    connection, budget = client._connection, client._budget
    idle = connection is not None and connection.stats() == (0, 0)
    return idle and budget.stats() == (0, 0)


class Delays:
    """Answers that take their time, each another, and how many payloads are asked for at a time."""

    def __init__(self, seconds: Callable[[Exchange], float] | None = None, *, seed: int = 0) -> None:
        random = Random(seed)
        self.now = self.most = 0
        self._seconds = seconds or (lambda _: random.uniform(0, 9))

    @property
    def fault(self) -> Fault:
        return Fault("an answer takes its time", self._strike)

    async def _strike(self, exchange: Exchange) -> None:
        payload = not exchange.request.path.endswith("/events")
        self.now += payload
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self._seconds(exchange))
        finally:
            self.now -= payload


@settings(max_examples=examples(12))
@given(
    seed=st.integers(0, 99),
    concurrency=st.integers(1, 9),
    slices=st.integers(1, 3),
    order=st.sampled_from(["ascending", "descending", "shuffled"]),
    empty_pages=st.integers(0, 2),
)
def test_details_come_in_order_and_run_concurrently(seed: int, concurrency: int, slices: int, **options: Any) -> None:
    """Details come in the listings order whatever each answer takes and so many at a time."""

    async def read() -> None:
        async with served({"a": at(range(60))}, max_page_size=13, **options) as (simulator, client):
            delays = Delays(seed=seed)
            simulator.faults.add(delays.fault)
            stream = client.list_events("a", since=5, until=55, concurrency=slices)
            events = [event async for event in stream.details(concurrency=concurrency)]
            assert delays.most == concurrency
            assert [event.metadata for event in events] == await stream.collect()
            assert urls(events) == ids(events)
            assert len(payloads_asked(simulator)) == len(events) == 51

    run_jumping(read())


def test_payloads_behind_a_late_one_are_bounded() -> None:
    """Payloads are requested while an earlier one is late but not without bound."""

    async def read() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        async with served({"a": at(range(100))}) as (simulator, client):
            simulator.faults.add(Delays(lambda exchange: 20.0 * exchange.request.path.endswith("/0.0")).fault)
            began = loop.time()
            details = client.list_events("a", since=0, until=100).details(concurrency=3)
            first = await anext(details)
            count = len(payloads_asked(simulator))
            assert str(first.metadata.id) == "0.0"
            rest = [event async for event in details]
            assert len(rest) == 99
            return count, loop.time() - began

    count, seconds = run_jumping(read())
    assert 3 < count <= 3 + 3 * 4
    assert seconds < 21


def test_no_event_waits_for_a_later_one() -> None:
    async def read() -> float:
        loop = asyncio.get_running_loop()
        async with served({"a": at(range(9))}) as (simulator, client):
            simulator.faults.add(Delays(lambda exchange: 20.0 * exchange.request.path.endswith("/5.0")).fault)
            began = loop.time()
            details = client.list_events("a", since=0, until=100).details(concurrency=3)
            async for event in details:
                if event.metadata.recorded_ts == 2:
                    break
            seconds = loop.time() - began
            await details.aclose()
            return seconds

    assert run_jumping(read()) < 1


async def test_event_gone_from_the_api_has_no_payload() -> None:
    """An event that the API has no longer comes without payload."""
    async with served({"a": at(range(9))}) as (simulator, client):
        simulator.faults.add(faults.status(404), path="/[37].0")
        events = [event async for event in client.list_events("a", since=0, until=9).details()]
    assert ids(events) == [f"{t}.0" for t in range(9)]
    assert [event.metadata.recorded_ts for event in events if event.recorded is None] == [3, 7]


async def test_only_payloads_of_named_kinds_are_requested() -> None:
    """Only the payloads of the kinds that were named are requested."""
    mixed = [{"e": {"k": kind}, "t": t, "n": 0} for t, kind in enumerate(["Init", "New", "StartUpgrade", "Leave"] * 3)]
    async with served({"a": mixed}) as (simulator, client):
        stream = client.list_events("a", since=0, until=99)
        cases: list[tuple[Any, set[str]]] = [
            (events.StartUpgrade, {"StartUpgrade"}),
            (["New", events.Init], {"New", "Init"}),
            ("Unheard", set()),
            (None, {"Init", "New", "StartUpgrade", "Leave"}),
        ]
        for kinds, wanted in cases:
            simulator.requests.clear()
            received = [event async for event in stream.details(kinds=kinds)]
            assert [event.metadata for event in received] == await stream.collect()
            with_payload = [event for event in received if event.recorded]
            assert {event.metadata.kind for event in with_payload} == wanted
            assert len(payloads_asked(simulator)) == len(with_payload) == 3 * len(wanted)
            assert all(event.recorded and event.recorded.kind == event.metadata.kind for event in with_payload)


async def test_fractional_time_has_no_payload_and_no_request() -> None:
    """An event with a fractional time comes without payload and is not requested."""
    async with ScriptedAPI(page(item(1.5, 2), item(2.5))) as api, Client(**api.client_options) as client:
        events = [event async for event in client.list_events("c1", since=1, until=9).details()]
        assert [(event.metadata.recorded_ts, event.recorded) for event in events] == [(1.5, None), (2.5, None)]
        assert len(api.requests) == 1


@pytest.mark.parametrize("order", ["ascending", "shuffled"])
@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("failing", [0, 17, 31, 59])
async def test_error_of_details_resumes_without_loss(failing: int, slices: int, order: Any) -> None:
    """An error is raised at its place and from its checkpoint no event is lost."""
    window: dict[str, Any] = {"since": 0, "until": 60, "kind": ["StartUpgrade"], "concurrency": slices}
    async with served({"a": at(range(60))}, max_page_size=13, order=order) as (simulator, client):
        stream = client.list_events("a", **window)
        whole = [str(event.id) for event in await stream.collect()]
        simulator.faults.add(faults.status(500), path=f"/{failing}.0", times=1)
        events: list[EventDetail] = []
        with pytest.raises(InternalServerError) as raised:
            async for event in stream.details():
                events.append(event)  # noqa: PERF401
        error = raised.value
        assert error.path is not None
        assert error.path.endswith(f"/{failing}.0")
        assert (error.since, error.until, error.kind) == (0, 60, "StartUpgrade")
        assert ids(events) == whole[: whole.index(f"{failing}.0")]
        again = client.list_events("a", **window, checkpoint=str(error.checkpoint))
        rest = ids([event async for event in again.details()])
    assert {*ids(events), *rest} == {*whole}
    assert f"{failing}.0" in rest
    if slices == 1:
        assert len(events) + len(rest) - len(whole) == len(events) % 13


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("failing", [2, 3, 4])
def test_failed_page_comes_after_earlier_details(failing: int, slices: int) -> None:
    """Where a page cannot be had the details before it come first and nothing is lost."""

    async def read() -> None:
        async with served({"a": at(range(60))}, max_page_size=13) as (simulator, client):
            simulator.faults.add(faults.status(500), path="/a/telemetry/events", on=failing)
            simulator.faults.add(Delays(lambda exchange: 3.0 * (not exchange.request.path.endswith("/events"))).fault)
            stream = client.list_events("a", since=0, until=60, concurrency=slices)
            events: list[EventDetail] = []
            with pytest.raises(InternalServerError) as raised:
                async for event in stream.details():
                    events.append(event)  # noqa: PERF401
            checkpoint = raised.value.checkpoint
            again = client.list_events("a", since=0, until=60, checkpoint=checkpoint, concurrency=slices)
            rest = [event async for event in again.details()]
            assert ids(events) + ids(rest) == [f"{t}.0" for t in range(60)]
            assert urls(events) == ids(events)
            assert nothing_is_left(client)

    run_jumping(read())


async def test_client_closed_between_details_has_checkpoint() -> None:
    """A client that is closed between two details tells how to go on."""
    async with served({"a": at(range(30))}, max_page_size=13) as (_, client):
        details = client.list_events("a", since=0, until=60).details(concurrency=3)
        await anext(details)
        await client.close()
        with pytest.raises(ConfigurationError, match="closed") as raised:
            await anext(details)
        assert (raised.value.since, raised.value.until) == (0, 60)


@pytest.mark.parametrize("on_a_fleet", [False, True])
async def test_details_left_early_leave_nothing(on_a_fleet: bool) -> None:
    """Details that are left early leave no task and no slot of the budget."""
    async with served({"a": at(range(60))}, max_page_size=13) as (_, client):
        window: dict[str, Any] = {"since": 0, "until": 60}
        stream: Any = client.fleet().list_events(**window) if on_a_fleet else client.list_events("a", **window)
        async with aclosing(stream.details()) as details:
            async for _event in details:
                break
        assert nothing_is_left(client)
        unread = stream.details()
        await unread.aclose()


@pytest.mark.parametrize(("count", "after"), [(60, 0.5), (60, 1.5), (60, 2.5), (60, 3.5), (3, 1.5)])
def test_cancelled_details_leave_nothing(count: int, after: float) -> None:
    """Details that are cancelled leave no task and no slot of the budget."""

    async def read() -> None:
        async with served({"a": at(range(count))}, max_page_size=13) as (simulator, client):
            simulator.faults.add(Delays(lambda _: 1.0).fault)

            async def consume() -> None:
                async with aclosing(client.list_events("a", since=0, until=60).details(concurrency=4)) as details:
                    async for _ in details:
                        pass

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(consume(), after)
            assert nothing_is_left(client)

    run_jumping(read())


def test_details_go_through_the_budget() -> None:
    async def read() -> tuple[int, int, int, float]:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            simulator = await stack.enter_async_context(Simulator(events={"a": at(range(50))}, quota=20))
            client = Client(**simulator.client_options, budget=Budget(20, share=1))
            await stack.enter_async_context(client)
            began = loop.time()
            events = [event async for event in client.list_events("a", since=0, until=60).details()]
            assert urls(events) == ids(events)
            return client.usage.sent, len(simulator.requests), simulator.refused, loop.time() - began

    sent, arrived, refused, seconds = run_jumping(read())
    assert (sent, arrived, refused) == (51, 51, 0)
    assert 600 <= seconds < 620


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"concurrency": 0}, ValueError),
        ({"concurrency": True}, TypeError),
        ({"kinds": []}, ValueError),
        ({"kinds": 5}, TypeError),
        ({"kinds": ""}, ValueError),
    ],
)
async def test_details_refuse_wrong_arguments(options: dict[str, Any], error: type[Exception]) -> None:
    """Details of wrong arguments are refused before anything is sent."""
    async with served({}) as (simulator, client):
        with pytest.raises(error):
            client.list_events("a", since=1, until=9).details(**options)
        with pytest.raises(error):
            client.fleet().list_events(since=1, until=9).details(**options)
        assert simulator.requests == []


def of(connector_id: str, events: Iterable[FleetEvent[EventDetail]]) -> list[EventDetail]:
    return [event.event for event in events if event.connector_id == connector_id]


@settings(max_examples=examples(6))
@given(seed=st.integers(0, 99), concurrency=st.integers(1, 9), compare=st.sampled_from(["t", "a"]))
def test_the_details_of_a_fleet_come_in_its_listings_order(seed: int, concurrency: int, **options: Any) -> None:
    async def read() -> None:
        events = {"a": at(range(0, 90, 2)), "b": at(range(1, 60), n=7), "c": at([30])}
        async with served(events, max_page_size=13, **options) as (simulator, client):
            delays = Delays(seed=seed)
            simulator.faults.add(delays.fault)
            stream = client.fleet().list_events(since=5, until=80)
            received = [event async for event in stream.details(concurrency=concurrency)]
            assert delays.most == concurrency
            listed = await stream.collect()
            assert [(event.connector_id, event.event.metadata) for event in received] == [
                (event.connector_id, event.event) for event in listed
            ]
            assert urls(event.event for event in received) == ids(event.event for event in received)

    run_jumping(read())


async def test_fleet_payloads_by_kind_from_the_right_connector() -> None:
    """The payloads of a fleet are requested by kind and from the right connector."""
    events = {"a": [*at([1]), {"e": {"k": "Init"}, "t": 2, "n": 0}], "b": at([1])}
    async with served(events) as (simulator, client):
        stream = client.fleet(["a", "b"]).list_events(since=0, until=9)
        received = [event async for event in stream.details(kinds="StartUpgrade")]
        paths = [request.path.split("/")[-4:] for request in simulator.requests[2:]]
    assert [event.event.recorded is None for event in received] == [False, False, True]
    assert sorted(paths) == [[name, "telemetry", "events", "1.0"] for name in ("a", "b")]


@pytest.mark.parametrize("failing", [0, 14, 30, 59])
@pytest.mark.parametrize("max_page_size", [13, 100])
async def test_failed_payload_ends_its_connector_alone(failing: int, max_page_size: int) -> None:
    """A connector of which a payload cannot be had ends there and the others do not."""
    async with served({"a": at(range(60)), "b": at(range(60))}, max_page_size=max_page_size) as (simulator, client):
        simulator.faults.add(faults.status(500), path=f"/a/telemetry/events/{failing}.0", times=1)
        fleet = client.fleet()
        events: list[FleetEvent[EventDetail]] = []
        with pytest.raises(FleetError) as raised:
            async for event in fleet.list_events(since=0, until=60).details():
                events.append(event)  # noqa: PERF401
        assert [*raised.value.errors] == ["a"]
        assert ids(of("b", events)) == [f"{t}.0" for t in range(60)]
        assert ids(of("a", events)) == [f"{t}.0" for t in range(failing)]
        checkpoint = raised.value.errors["a"].checkpoint
        assert checkpoint is not None
        assert (checkpoint.reached or 0) <= failing + 1
        again = client.list_events("a", since=0, until=60, checkpoint=checkpoint)
        rest = [event async for event in again.details()]
    assert {*ids(of("a", events)), *ids(rest)} == {f"{t}.0" for t in range(60)}


def test_events_listed_before_a_failure_get_payloads() -> None:
    """What a connector had listed before it failed still comes with payloads and nothing is lost."""

    async def read(failing: int) -> None:
        async with served({"a": at(range(60)), "b": at(range(60))}, max_page_size=13) as (simulator, client):
            simulator.faults.add(faults.status(500), path="/a/telemetry/events", on=range(failing, 99))
            simulator.faults.add(Delays(lambda exchange: 3.0 * (not exchange.request.path.endswith("/events"))).fault)
            fleet = client.fleet(on_error="collect")
            events = [event async for event in fleet.list_events(since=0, until=60).details()]
            simulator.faults.clear()
            checkpoint = fleet.errors["a"].checkpoint
            again = client.list_events("a", since=0, until=60, checkpoint=checkpoint)
            rest = [event async for event in again.details()]
            assert ids(of("a", events)) + ids(rest) == [f"{t}.0" for t in range(60)]
            assert ids(of("b", events)) == [f"{t}.0" for t in range(60)]

    for failing in range(1, 6):
        run_jumping(read(failing))


@settings(max_examples=examples(12))
@given(seed=st.integers(0, 9999), failing=st.integers(2, 9))
def test_fleet_checkpoint_is_of_the_first_failure(seed: int, failing: int) -> None:
    """However a connectors payloads and pages fail its checkpoint goes on from the first."""

    async def read() -> None:
        async with served({"a": at(range(60)), "b": at(range(60))}, max_page_size=13) as (simulator, client):
            simulator.faults.add(faults.status(500), path="/a/telemetry/events", on=range(failing, 99))
            simulator.faults.add(faults.status(500), path="/a/telemetry/events/*", chance=0.05, seed=seed)
            simulator.faults.add(Delays(seed=seed).fault)
            fleet = client.fleet(on_error="collect")
            events = [event async for event in fleet.list_events(since=0, until=60).details()]
            rest: list[EventDetail] = []
            simulator.faults.clear()
            if error := fleet.errors.get("a"):
                again = client.list_events("a", since=0, until=60, checkpoint=error.checkpoint)
                rest = [event async for event in again.details()]
            mine = ids(of("a", events))
            assert mine == [f"{t}.0" for t in range(len(mine))]
            assert {*mine, *ids(rest)} == {f"{t}.0" for t in range(60)}
            assert ids(of("b", events)) == [f"{t}.0" for t in range(60)]

    run_jumping(read())


async def test_closed_client_ends_fleet_details() -> None:
    """A client that is closed ends the details of a fleet at once."""
    async with served({"a": at(range(60)), "b": at(range(60))}, max_page_size=13) as (_, client):
        fleet = client.fleet(on_error="collect")
        details = fleet.list_events(since=0, until=60).details()
        await anext(details)
        await client.close()
        with pytest.raises(ConfigurationError, match="closed"):
            [event async for event in details]
        assert fleet.errors == {}


def test_empty_kinds_error_names_its_argument() -> None:
    """An empty collection of kinds is told by the name of its argument."""
    stream = Client(api_token="t", account_id="a").list_events("c1", since="1h")
    with pytest.raises(ValueError, match="kinds is an empty collection"):
        stream.details(kinds=[])
    with pytest.raises(TypeError, match="kinds=5 is no kind"):
        stream.details(kinds=5)  # type: ignore[arg-type]

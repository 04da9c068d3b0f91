"""Fleets: everything of every connector as one ascending stream, whatever becomes of some of them."""

import asyncio
import gc
import pickle
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.clock import run_jumping

from cfevents import (
    APIResponseError,
    AuthenticationError,
    BadRequestError,
    Budget,
    CfEventsError,
    Client,
    ConfigurationError,
    EventMetadata,
    FleetError,
    FleetEvent,
    InternalServerError,
    NotFoundError,
    RecordedEvent,
    Retry,
)
from cfevents.testing import Simulator, faults
from cfevents.testing.faults import Exchange, Fault

AMPLE = 10**7
Keys = list[tuple[str, float, int]]


@asynccontextmanager
async def served(
    events: dict[str, list[dict[str, Any]]], *, client_options: dict[str, Any] | None = None, **options: Any
) -> AsyncGenerator[tuple[Simulator, Client], None]:
    """A simulator whose quota never matters, and a client that asks once."""
    options = {"quota": AMPLE} | options
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(events=events, **options))
        mine: dict[str, Any] = {"budget": Budget(AMPLE), "retry": Retry(attempts=1)} | (client_options or {})
        yield simulator, await stack.enter_async_context(Client(**{**simulator.client_options, **mine}))


def at(times: Iterable[float], kind: str = "Init", n: int = 0) -> list[dict[str, Any]]:
    return [{"e": {"k": kind}, "t": t, "n": n} for t in times]


def keys(events: Iterable[FleetEvent[EventMetadata]]) -> Keys:
    return [(event.connector_id, event.event.recorded_ts, event.event.sequence) for event in events]


def own(connector_id: str, events: Iterable[EventMetadata]) -> Keys:
    return [(connector_id, event.recorded_ts, event.sequence) for event in events]


def nothing_is_left(client: Client) -> bool:
    """Whether no task goes on and no slot of the budget is taken."""
    connection, budget = client._connection, client._budget
    idle = connection is not None and connection.stats() == (0, 0)
    return idle and budget.stats() == (0, 0)


class Traffic:
    """How many requests an API answers at a time, each in its own time."""

    def __init__(self, seconds: Callable[[Exchange], float] = lambda _: 1.0) -> None:
        self.now = self.most = 0
        self._seconds = seconds

    @property
    def fault(self) -> Fault:
        return Fault("an answer takes its time", self._strike)

    async def _strike(self, exchange: Exchange) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self._seconds(exchange))
        finally:
            self.now -= 1


raw_events = st.lists(
    st.tuples(
        st.integers(0, 60) | st.integers(30, 33), st.integers(0, 3), st.sampled_from(["Init", "Leave", "NewKind"]),
        st.integers(0, 20),
    ).map(lambda parts: {"t": parts[0], "n": parts[1], "e": {"k": parts[2]}, "a": parts[0] + parts[3]}),
    max_size=50,
    unique_by=lambda raw: (raw["t"], raw["n"]),
)  # fmt: skip
CROWDED = [{"t": t // 4, "n": t % 4, "e": {"k": "Init"}, "a": t // 4 + t % 7} for t in range(240)]

CROWDED_EXAMPLE: dict[str, Any] = {
    "events": {"a": CROWDED, "b": [], "c": CROWDED[::9], "d": CROWDED[:9]}, "kind": None, "page_size": None,
    "concurrency": 3, "max_page_size": 3, "order": "shuffled", "bounds": "exclusive", "compare": "a", "ending": "null",
    "empty_pages": 1,
}  # fmt: skip


@pytest.mark.once
@settings(max_examples=examples(60))
@given(
    events=st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), raw_events, min_size=1),
    kind=st.none() | st.sampled_from(["Init", ["Leave", "NewKind"]]),
    page_size=st.none() | st.integers(1, 30),
    concurrency=st.integers(1, 5),
    max_page_size=st.integers(1, 20),
    order=st.sampled_from(["ascending", "descending", "shuffled", "grouped"]),
    bounds=st.sampled_from(["inclusive", "exclusive"]),
    compare=st.sampled_from(["t", "a"]),
    ending=st.sampled_from(["absent", "null", "empty"]),
    empty_pages=st.sampled_from([0, 0, 1, 3, 4, 5]),
)
@example(**CROWDED_EXAMPLE)
@example(**{**CROWDED_EXAMPLE, "order": "descending", "bounds": "inclusive", "compare": "t", "empty_pages": 4})
def test_fleet_yields_each_listing_ascending(
    events: dict[str, list[dict[str, Any]]], kind: Any, page_size: int | None, concurrency: int, **options: Any
) -> None:
    """A fleet yields what each connectors own listing has ascending."""
    window: dict[str, Any] = {"since": 5, "until": 55, "kind": kind, "page_size": page_size}

    async def read() -> tuple[Keys, Keys]:
        async with served(events, **options) as (_, client):
            by_connector = [own(name, await client.list_events(name, **window).collect()) for name in events]
            received = await client.fleet(concurrency=concurrency).list_events(**window).collect()
            return keys(received), [key for part in by_connector for key in part]

    received, expected = asyncio.run(read())
    assert sorted(received) == sorted(expected)
    if options["compare"] == "t":
        assert [t for _, t, _ in received] == sorted(t for _, t, _ in expected)


@pytest.mark.once
async def test_three_failures_of_200_connectors_are_named() -> None:
    """Of 200 connectors three of which fail everything of the others comes and the three are named."""
    events = {f"site-{number}": at(range(number % 50, 1000, 60)) for number in range(199)}
    retry = Retry(attempts=2, backoff_initial=0.001)
    async with served(events, max_page_size=8, client_options={"retry": retry}) as (simulator, client):
        simulator.faults.add(faults.status(500), path="/site-7/*")
        simulator.faults.add(faults.status(500), path="/site-9/*", on=range(3, 999))
        fleet = client.fleet([*events, "unknown"])
        received = []
        with pytest.raises(FleetError) as raised:
            async for event in fleet.list_events(since=0, until=1000):
                received.append(event)  # noqa: PERF401
        simulator.faults.clear()
        late = raised.value.errors["site-9"].checkpoint
        rest = await client.list_events("site-9", since=0, until=1000, checkpoint=late).collect()
    assert late is not None
    assert len(late.delivered) <= 1
    error_types = {name: type(error) for name, error in raised.value.errors.items()}
    assert error_types == {"unknown": NotFoundError, "site-7": InternalServerError, "site-9": InternalServerError}
    assert all(name in str(raised.value) for name in error_types)
    of_late = [key for key in keys(received) if key[0] == "site-9"]
    assert 0 < len(of_late) < len(events["site-9"])
    assert of_late + own("site-9", rest) == [("site-9", event["t"], 0) for event in events["site-9"]]
    expected = [(name, event["t"], 0) for name in events.keys() - {"site-7", "site-9"} for event in events[name]]
    assert sorted(key for key in keys(received) if key[0] != "site-9") == sorted(expected)
    assert [t for _, t, _ in keys(received)] == sorted(t for _, t, _ in keys(received))


async def test_collected_errors_last_until_the_next_reading() -> None:
    """Errors that are collected are left in the fleet and forgotten by the next reading."""
    async with served({"a": at([1]), "b": at([2])}) as (simulator, client):
        simulator.faults.add(faults.status(400), path="/b/*", times=1)
        fleet = client.fleet(["a", "b"], on_error="collect")
        assert fleet.errors == {}
        stream = fleet.list_events(since=0, until=9)
        assert keys(await stream.collect()) == [("a", 1, 0)]
        assert [(name, type(error)) for name, error in fleet.errors.items()] == [("b", BadRequestError)]
        assert keys(await stream.collect()) == [("a", 1, 0), ("b", 2, 0)]
        assert fleet.errors == {}


async def test_a_fleet_all_of_whose_connectors_fail_tells_them_all() -> None:
    async with served({}) as (_, client):
        with pytest.raises(FleetError) as raised:
            await client.fleet(["x", "y"]).list_events(since=0, until=9).collect()
        assert {*raised.value.errors} == {"x", "y"}
        collecting = client.fleet(["x", "y"], on_error="collect")
        assert await collecting.list_events(since=0, until=9).collect() == []
        assert {*collecting.errors} == {"x", "y"}


async def test_concurrent_readings_keep_their_own_errors() -> None:
    """A reading tells its own failures also where another of the fleet began meanwhile."""
    async with served({"a": at([1, 2]), "b": at([1])}) as (simulator, client):
        simulator.faults.add(faults.status(500), path="/b/*", times=1)
        fleet = client.fleet(["a", "b"])
        first = aiter(fleet.list_events(since=0, until=9))
        await anext(first)
        second = await fleet.list_events(since=0, until=9).collect()
        assert len(second) == 3
        with pytest.raises(FleetError, match="b"):
            [event async for event in first]
        simulator.faults.add(faults.status(500), path="/b/*/latest", times=1)
        latest = fleet.latest_events()
        await anext(latest)
        await fleet.list_events(since=0, until=9).collect()
        with pytest.raises(FleetError, match="b"):
            [event async for event in latest]


@settings(max_examples=examples(25))
@given(
    failing=st.integers(1, 12),
    order=st.sampled_from(["ascending", "shuffled"]),
    bounds=st.sampled_from(["inclusive", "exclusive"]),
    compare=st.sampled_from(["t", "a"]),
    number=st.sampled_from([400, 403, 500]),
)
def test_failed_connector_resumes_exactly(failing: int, number: int, **options: Any) -> None:
    """From a failed connectors checkpoint nothing is lost or doubled."""
    events = {"a": CROWDED, "b": CROWDED[::3]}

    async def read() -> tuple[Keys, Keys, Keys]:
        async with served(events, max_page_size=20, **options) as (simulator, client):
            whole = await client.list_events("a", since=5, until=55, kind="Init").collect()
            simulator.faults.add(faults.status(number), path="/a/*", on=range(failing, 999))
            fleet = client.fleet(on_error="collect")
            received = await fleet.list_events(since=5, until=55, kind="Init").collect()
            simulator.faults.clear()
            if error := fleet.errors.get("a"):
                assert (error.since, error.until, error.kind, error.cursor) == (5, 55, "Init", None)
                again = client.list_events("a", since=5, until=55, kind="Init", checkpoint=str(error.checkpoint))
                rest = own("a", await again.collect())
            else:
                rest = []
            return [key for key in keys(received) if key[0] == "a"], rest, own("a", whole)

    received, rest, whole = asyncio.run(read())
    assert sorted(received + rest) == sorted(whole)
    assert failing > 1 or not received


def fleet_error() -> FleetError:
    failed = NotFoundError("gone", status=404, path="/p", ray_id="r1")
    return FleetError({"a": failed, "b": InternalServerError("down", status=500), "c": NotFoundError("no", status=404)})


def test_except_star_splits_a_fleet_error() -> None:
    """The errors of a fleet can be told apart with except star."""
    groups: list[BaseExceptionGroup[Any]] = []
    try:
        raise fleet_error()
    except* NotFoundError as group:
        groups.append(group)
    except* InternalServerError as group:
        groups.append(group)
    assert [[*group.errors] for group in groups if isinstance(group, FleetError)] == [["a", "c"], ["b"]]
    with pytest.raises(FleetError) as raised:
        try:
            raise fleet_error()
        except* NotFoundError:
            pass
    assert [*raised.value.errors] == ["b"]
    assert isinstance(raised.value, CfEventsError)


def test_part_of_a_fleet_error_names_its_connectors() -> None:
    """A part of a fleets errors is a fleets error that still names the connectors."""
    error = fleet_error()
    error.add_note("at night")
    some, others = error.split(NotFoundError)
    assert isinstance(some, FleetError)
    assert isinstance(others, FleetError)
    assert ([*some.errors], [*others.errors]) == (["a", "c"], ["b"])
    assert some.exceptions == (error.errors["a"], error.errors["c"])
    assert some.__notes__ == ["at night"]
    assert some.message == "could not read 2 of the connectors: a, c"
    only = error.subgroup(lambda exception: exception is error.errors["b"])
    assert isinstance(only, FleetError)
    assert [*only.errors] == ["b"]
    assert error.subgroup(AuthenticationError) is None
    assert [*error.derive([error.errors["c"]]).errors] == ["c"]


def test_fleet_error_is_picklable_and_one_line() -> None:
    """A fleets error is pickled with all that it tells and shown in one line."""
    error = fleet_error()
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is FleetError
    assert (str(back), [*back.errors]) == (str(error), ["a", "b", "c"])
    assert back.exceptions == tuple(back.errors.values())
    assert vars(back.errors["a"]) == vars(error.errors["a"])
    assert str(error) == "could not read 3 of the connectors: a, b, c (3 sub-exceptions)"
    assert repr(error).startswith("FleetError(")
    many = FleetError({f"site-{number}": CfEventsError("why") for number in range(7)})
    assert many.message == "could not read 7 of the connectors: site-0, site-1, site-2, site-3, site-4, …"
    assert "…" not in FleetError(dict([*many.errors.items()][:5])).message


async def test_closed_client_is_no_connectors_failure() -> None:
    """A client that is closed ends a fleet at once and is no connectors failure."""
    async with served({"a": at(range(0, 900, 9)), "b": at(range(0, 900, 9))}, max_page_size=20) as (_, client):
        fleet = client.fleet(on_error="collect")
        listed = aiter(fleet.list_events(since=0, until=900))
        latest, details = fleet.latest_events(), fleet.list_events(since=0, until=900).details()
        for iterator in (listed, latest, details):
            await anext(iterator)
        await client.close()
        for iterator in (listed, latest, details):
            with pytest.raises(ConfigurationError, match="closed"):
                [_ async for _ in iterator]
        with pytest.raises(ConfigurationError, match="the client is closed"):
            await client.fleet(["a"]).list_events(since=0, until=900).collect()
        assert fleet.errors == {}


def test_client_closed_while_waiting_is_no_failure() -> None:
    """A client that is closed while a fleet waits is no connectors failure."""

    async def read(call: Callable[[Any], AsyncGenerator[Any, None]]) -> None:
        async with served({"a": at([1]), "b": at([1])}) as (simulator, client):
            simulator.faults.add(Traffic().fault)
            fleet = client.fleet(["a", "b"], on_error="collect")
            asyncio.get_running_loop().call_later(0.5, lambda: closing.append(asyncio.ensure_future(client.close())))
            closing: list[Any] = []
            with pytest.raises(ConfigurationError, match="closed"):
                [event async for event in call(fleet)]
            await closing[0]
            assert fleet.errors == {}

    run_jumping(read(lambda fleet: aiter(fleet.list_events(since=0, until=9))))
    run_jumping(read(lambda fleet: fleet.latest_events()))


async def test_failing_token_source_is_no_connectors_failure() -> None:
    """A token that cannot be had ends a fleet at once and is no connectors failure."""
    tokens: list[str] = []

    def token() -> str:
        if tokens:
            return tokens.pop()
        raise OSError("no vault")

    async with served({"a": at([1]), "b": at([2])}, client_options={"api_token": token}) as (simulator, client):
        fleet = client.fleet(["a", "b"], on_error="collect", concurrency=1)
        for number in range(2):
            tokens += [simulator.api_token] * number
            simulator.requests.clear()
            with pytest.raises(ConfigurationError):
                await fleet.list_events(since=0, until=9).collect()
            assert len(simulator.requests) == number
        with pytest.raises(ConfigurationError):
            [event async for event in fleet.latest_events()]
        assert fleet.errors == {}


@pytest.mark.parametrize(("times", "failed"), [(1, []), (2, ["a"])])
async def test_an_expired_cursor_lets_its_slice_be_listed_again_once(times: int, failed: list[str]) -> None:
    events = {
        "a": [*at(range(0, 300, 3)), *at([200] * 1, n=1), *[event for n in range(2, 40) for event in at([201], n=n)]]
    }
    async with served(events, max_page_size=10) as (simulator, client):
        struck = 0

        def expire(exchange: Exchange) -> None:
            nonlocal struck
            if "cursor" in exchange.request.query and struck < times:
                struck += 1
                faults.expired_cursor().strike(exchange)

        simulator.faults.add(Fault("a cursor expires", expire))
        fleet = client.fleet(on_error="collect")
        received = keys(await fleet.list_events(since=0, until=300).collect())
        assert [*fleet.errors] == failed
        assert struck == times
        if failed:
            error = fleet.errors["a"]
            assert isinstance(error, BadRequestError)
            rest = client.list_events("a", since=0, until=300, checkpoint=error.checkpoint)
            received += own("a", await rest.collect())
        assert sorted(received) == sorted(("a", event["t"], event["n"]) for event in events["a"])


async def test_slice_refused_without_cursor_is_not_repeated() -> None:
    """A slice that is refused without a cursor is not requested again."""
    async with served({"a": at(range(0, 300, 3))}, max_page_size=10) as (simulator, client):
        simulator.faults.add(faults.status(400), on=2)
        fleet = client.fleet(["a"], on_error="collect")
        assert await fleet.list_events(since=0, until=300).collect() == []
        assert len(simulator.requests) == 2
        assert type(fleet.errors["a"]) is BadRequestError


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_no_more_connectors_are_asked_at_a_time_than_was_said(concurrency: int) -> None:
    """Where answers take less than two seconds: see test_silence.py for the others."""
    events = {f"site-{number}": at(range(0, 300, 5)) for number in range(20)}

    async def read() -> tuple[int, int, int]:
        async with served(events, max_page_size=25) as (simulator, client):
            traffic = Traffic(lambda exchange: 0.1 + len(exchange.body) % 7 / 4)
            simulator.faults.add(traffic.fault)
            fleet = client.fleet(concurrency=concurrency)
            received = await fleet.list_events(since=0, until=300).collect()
            listing, traffic.most = traffic.most, 0
            assert len([event async for event in fleet.latest_events()]) == 200
            return len(received), listing, traffic.most

    assert run_jumping(read()) == (1200, concurrency, concurrency)


@settings(max_examples=examples(12))
@given(
    sites=st.lists(
        st.one_of(
            st.builds(lambda step: range(0, 86400, step), st.integers(150, 3000)),
            st.builds(
                lambda first, step: range(first, first + 120 * step, step), st.integers(0, 80000), st.integers(1, 9)
            ),
            st.just(range(0)),
        ),
        min_size=1,
        max_size=8,
    ),
    order=st.sampled_from(["ascending", "shuffled"]),
)
@example([range(80000, 80400), range(0, 86400, 2000), range(0)], "ascending")
def test_fleet_costs_few_extra_requests(sites: list[range], order: str) -> None:
    """A fleet costs few requests more than its connectors one by one."""
    events = {f"site-{number}": at(times) for number, times in enumerate(sites)}

    async def read() -> tuple[int, int]:
        async with served(events, max_page_size=50, order=order) as (simulator, client):
            for name in events:
                await client.list_events(name, since=0, until=86400).collect()
            one_by_one = len(simulator.requests)
            simulator.requests.clear()
            await client.fleet([*events]).list_events(since=0, until=86400).collect()
            return len(simulator.requests), one_by_one

    cost, one_by_one = asyncio.run(read())
    # A connector whose events lie close together is asked for the rest of the day in steps that grow.
    assert cost <= 2.5 * one_by_one + 12 * len(events)


@pytest.mark.parametrize(("kind", "empty_pages"), [(["Leave", "Init"], 0), (None, 4), (["Leave"], 7)])
async def test_empty_pages_do_not_shrink_rounds(kind: Any, empty_pages: int) -> None:
    """Pages without events do not make a fleet ask in ever so small steps."""
    events = {"a": [*at(range(0, 86400, 60), "Reconcile"), *at(range(80_000, 86_000, 40), "Leave", n=1)]}
    window: dict[str, Any] = {"since": 0, "until": 86400, "kind": kind}
    async with served(events, empty_pages=empty_pages) as (simulator, client):
        whole = own("a", await client.list_events("a", **window).collect())
        alone = len(simulator.requests)
        simulator.requests.clear()
        assert keys(await client.fleet().list_events(**window).collect()) == whole
        assert len(simulator.requests) <= 2.5 * alone + 1


async def test_quiet_connectors_cost_one_request_each() -> None:
    """Quiet connectors cost one request each beside a crowded one."""
    events = {f"site-{number}": at(range(number, 86400, 4000)) for number in range(20)} | {"empty": []}
    events["crowded"] = at(range(0, 86400, 60))
    async with served(events) as (simulator, client):
        received = keys(await client.fleet([*events]).list_events(since=0, until=86400).collect())
        requested = [request.path.split("/")[-3] for request in simulator.requests]
    assert [t for _, t, _ in received] == sorted(event["t"] for part in events.values() for event in part)
    assert len(received) == sum(map(len, events.values()))
    assert {name: requested.count(name) for name in events if name != "crowded"} == dict.fromkeys(
        events.keys() - {"crowded"}, 1
    )
    assert requested.count("crowded") <= 2.5 * 15


async def test_few_pages_of_each_connector_are_held() -> None:
    """What is held of a long listing is some pages for each connector."""
    most = count = 0
    others = live_events()  # of tests before this one
    events = {f"site-{number}": at(range(number, 86400, 60 + 20 * number)) for number in range(5)}
    async with served(events, max_page_size=50) as (_, client), aclosing(read_all(client)) as iterator:
        async for _event in iterator:
            count += 1
            if count % 900 == 899:  # looking at all objects of the process takes long
                most = max(most, live_events() - others)
    assert count == sum(map(len, events.values()))
    assert most <= 3 * 50 * len(events)


def live_events() -> int:
    """Return how many listed events the process holds."""
    gc.collect()
    return sum(isinstance(value, EventMetadata) for value in gc.get_objects())


def read_all(client: Client) -> AsyncGenerator[FleetEvent[EventMetadata], None]:
    return aiter(client.fleet().list_events(since=0, until=86400))


async def test_next_round_waits_for_the_consumer() -> None:
    """Nobody waits for the consumer who gets a round before the next is requested."""
    events = {f"site-{number}": at(range(0, 900, 5)) for number in range(3)}
    async with served(events, max_page_size=30) as (simulator, client), AsyncExitStack() as stack:
        iterator = await stack.enter_async_context(aclosing(aiter(client.fleet().list_events(since=0, until=900))))
        await anext(iterator)
        sent = len(simulator.requests)
        await asyncio.sleep(0.02)
        assert len(simulator.requests) == sent < 15
        assert nothing_is_left(client)


def leavers() -> list[Any]:
    return [
        pytest.param(lambda fleet: aiter(fleet.list_events(since=0, until=900)), id="listing"),
        pytest.param(lambda fleet: fleet.list_events(since=0, until=900).details(concurrency=3), id="details"),
        pytest.param(lambda fleet: fleet.latest_events(), id="latest"),
    ]


@pytest.mark.parametrize("call", leavers())
async def test_fleet_left_early_leaves_nothing(call: Any) -> None:
    """A fleet that is left early leaves no task and no slot of the budget."""
    async with served({f"site-{n}": at(range(0, 900, 9)) for n in range(9)}, max_page_size=20) as (_, client):
        fleet = client.fleet(concurrency=2)
        async with aclosing(call(fleet)) as iterator:
            async for _event in iterator:
                break
        assert nothing_is_left(client)
        unread = call(fleet)
        await unread.aclose()
        assert nothing_is_left(client)


@pytest.mark.parametrize("call", leavers())
@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 4.5])
def test_cancelled_fleet_leaves_nothing(call: Any, after: float) -> None:
    """A fleet that is cancelled leaves no task and no slot of the budget."""

    async def read() -> None:
        events = {f"site-{n}": at(range(0, 900, 9)) for n in range(9)}
        async with served(events, max_page_size=20) as (simulator, client):
            simulator.faults.add(Traffic().fault)
            fleet = client.fleet([*events], concurrency=2)

            async def consume() -> None:
                async with aclosing(call(fleet)) as iterator:
                    async for _ in iterator:
                        pass

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(consume(), after)
            assert nothing_is_left(client)

    run_jumping(read())


async def test_unnamed_fleet_is_the_account_at_each_reading() -> None:
    """A fleet that is not named is all of the account requested at each reading."""
    async with served({"a": at([1])}) as (simulator, client):
        stream = client.fleet().list_events(since=0, until=9)
        assert simulator.requests == []
        assert (stream.since, stream.until, repr(stream)) == (0, 9, "<FleetStream since=0 until=9>")
        assert keys(await stream.collect()) == [("a", 1, 0)]
        simulator.add("b", *at([0]))
        assert keys(await stream.collect()) == [("b", 0, 0), ("a", 1, 0)]


async def test_a_fleet_without_connectors_yields_nothing() -> None:
    async with served({}) as (simulator, client):
        stream = client.fleet().list_events(since=0, until=9)
        assert await stream.collect() == []
        assert [event async for event in stream.details()] == []
        assert [event async for event in client.fleet().latest_events()] == []
        assert len(simulator.requests) == 3


async def test_a_connector_that_the_account_lists_twice_is_read_once() -> None:
    async with served({"a": at([1])}, connectors=[{"id": "a"}, {"id": "a"}]) as (_, client):
        assert keys(await client.fleet().list_events(since=0, until=9).collect()) == [("a", 1, 0)]
        assert len([event async for event in client.fleet().latest_events()]) == 1


async def test_unlistable_account_is_no_connectors_failure() -> None:
    """An account whose connectors cannot be listed is no connectors failure."""
    async with served({"a": at([1])}) as (simulator, client):
        simulator.faults.add(faults.status(403), path="/connectors")
        fleet = client.fleet(on_error="collect")
        for call in (fleet.list_events(since=0, until=9).collect(), anext(fleet.latest_events())):
            with pytest.raises(CfEventsError) as raised:
                await call
            assert not isinstance(raised.value, FleetError)
        assert fleet.errors == {}


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize("max_page_size", [2, 100])
async def test_a_window_of_one_moment_is_listed(bounds: Any, max_page_size: int) -> None:
    events = {"a": [event for n in range(5) for event in at([7], n=n)], "b": at([6, 7, 8])}
    async with served(events, bounds=bounds, max_page_size=max_page_size) as (_, client):
        received = keys(await client.fleet().list_events(since=7, until=7).collect())
    moment = [*[("a", 7, n) for n in range(5)], ("b", 7, 0)]
    assert sorted(received) == (moment if bounds == "inclusive" else [])


async def test_events_between_two_seconds_come_once_and_in_their_place() -> None:
    events = {"a": at([t / 7 for t in range(1, 400)]), "b": at([20.25, 20, 21])}
    for bounds in ("inclusive", "exclusive"):
        async with served(events, bounds=bounds, max_page_size=20) as (_, client):
            received = keys(await client.fleet().list_events(since=0, until=60).collect())
        assert [t for _, t, _ in received] == sorted(event["t"] for part in events.values() for event in part)


async def test_connectors_may_be_named_by_any_iterable_each_once() -> None:
    async with served({"a": at([1]), "b": at([2])}) as (simulator, client):
        fleet = client.fleet(name for name in ["b", "a", "b"])
        for _ in range(2):
            assert keys(await fleet.list_events(since=0, until=9).collect()) == [("a", 1, 0), ("b", 2, 0)]
        assert len(simulator.requests) == 4
        assert [event.connector_id async for event in fleet.latest_events()] == ["b", "a"]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"connector_ids": "site-1"}, TypeError, "connector_ids is 'site-1': write a list of ids, also for one"),
        ({"connector_ids": b"site-1"}, TypeError, "connector_ids is b'site-1': write a list"),
        ({"connector_ids": []}, ValueError, "connector_ids is empty: all connectors of the account are"),
        ({"connector_ids": ["a", "../b"]}, ValueError, "is not one segment of a path"),
        ({"connector_ids": ["a", ""]}, ValueError, "connector_ids='' is empty"),
        ({"connector_ids": [5]}, TypeError, "connector_ids must be text"),
        ({"connector_ids": 5}, TypeError, "connector_ids is 5: write a list"),
        ({"on_error": "ignore"}, ValueError, "on_error='ignore' must be 'raise' or 'collect'"),
        ({"concurrency": 0}, ValueError, "concurrency=0 must be at least 1"),
        ({"concurrency": 1.5}, TypeError, "concurrency=1.5 is not a whole number"),
    ],
)
async def test_fleet_refuses_wrong_arguments(options: dict[str, Any], error: type[Exception], says: str) -> None:
    """A fleet of wrong arguments is refused before anything is sent."""
    async with served({}) as (simulator, client):
        with pytest.raises(error) as raised:
            client.fleet(**options)
        assert says in str(raised.value)
        assert simulator.requests == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"since": 9, "until": 1}, ValueError),
        ({"page_size": 0}, ValueError),
        ({"kind": []}, ValueError),
        ({"kind": 5}, TypeError),
    ],
)
async def test_fleet_listing_refuses_wrong_arguments(options: dict[str, Any], error: type[Exception]) -> None:
    """A fleets listing of wrong arguments is refused before anything is sent."""
    async with served({}) as (simulator, client):
        wrong: dict[str, Any] = {"since": 1, "until": 9} | options
        with pytest.raises(error):
            client.fleet().list_events(**wrong)
        assert simulator.requests == []


async def test_fleet_sends_kind_and_page_size() -> None:
    """The kind and page size of a fleets listing are requested."""
    async with served({"a": at([1, 2]), "b": at([3], "Leave")}) as (simulator, client):
        events = await client.fleet(["a", "b"]).list_events(since=0, until=9, kind="Init", page_size=7).collect()
        assert keys(events) == [("a", 1, 0), ("a", 2, 0)]
        queries = [request.query for request in simulator.requests]
    assert queries == [{"from": "0", "to": "9", "k": "Init", "limit": "7"}] * 2


async def test_latest_events_come_connector_by_connector() -> None:
    """The latest events come connector after connector with their payloads."""
    events = {name: at(range(20)) for name in ("c", "a", "b")}
    async with served(events) as (simulator, client):
        simulator.faults.add(faults.status(500), path="/a/*")
        fleet = client.fleet(["c", "a", "b"], concurrency=2)
        received: list[FleetEvent[RecordedEvent]] = []
        with pytest.raises(FleetError, match="a") as raised:
            async for event in fleet.latest_events():
                received.append(event)  # noqa: PERF401
        assert [*raised.value.errors] == [*fleet.errors] == ["a"]
        alone = await client.latest_events("c")
    assert [event.event for event in received if event.connector_id == "c"] == alone
    assert [event.connector_id for event in received] == ["c"] * len(alone) + ["b"] * len(alone)


def test_latest_events_behind_a_slow_one_are_bounded() -> None:
    """The latest events of many connectors are not all held for a slow one."""

    async def read() -> int:
        events = {f"site-{number:02}": at([number]) for number in range(60)}
        async with served(events) as (simulator, client):
            simulator.faults.add(Traffic(lambda exchange: 20.0 * ("/site-05/" in exchange.request.path)).fault)
            sent, connectors = 0, list[str]()
            async for event in client.fleet([*events], concurrency=2).latest_events():
                connectors.append(event.connector_id)
                sent = len(simulator.requests) if event.connector_id == "site-05" else sent
            assert connectors == [*events]
            return sent

    assert 5 + 2 < run_jumping(read()) <= 5 + 2 * (1 + 4)


async def test_closing_a_fleet_closes_what_it_reads() -> None:
    """What a fleet reads ends with it at once, and not when the garbage collector finds it."""
    hooks, abandoned = sys.get_asyncgen_hooks(), list[AsyncGenerator[Any, Any]]()
    async with served({"a": at(range(9))}, max_page_size=2) as (_, client):
        stream = client.fleet().list_events(since=0, until=9)
        iterator, details = aiter(stream), stream.details(concurrency=1)
        await anext(iterator)
        await anext(details)
        sys.set_asyncgen_hooks(finalizer=abandoned.append)
        try:
            await iterator.aclose()
            await details.aclose()
            del iterator, details
            gc.collect()
        finally:
            sys.set_asyncgen_hooks(*hooks)
    assert abandoned == []


async def test_invalid_response_fails_its_connector_alone() -> None:
    """An answer of a connector that is not as documented is that connectors failure."""
    async with served({"a": at([1]), "b": at([2])}) as (simulator, client):
        simulator.faults.add(faults.result(items=None), path="/a/*")
        fleet = client.fleet(on_error="collect")
        assert keys(await fleet.list_events(since=0, until=9).collect()) == [("b", 2, 0)]
        assert type(fleet.errors["a"]) is APIResponseError


async def test_cursor_cycle_fails_its_connector_alone() -> None:
    """A connector whose cursor runs in circles does not end the others."""
    async with served({"a": CROWDED, "b": CROWDED[:30]}, max_page_size=5, empty_pages=2) as (simulator, client):
        simulator.faults.add(faults.cursor_cycle(), path="/a/*")
        fleet = client.fleet(on_error="collect")
        events = keys(await fleet.list_events(since=0, until=60).collect())
        assert [(name, type(error).__name__) for name, error in fleet.errors.items()] == [("a", "PaginationError")]
        assert len([key for key in events if key[0] == "b"]) == 30


def test_the_budget_is_kept_by_a_fleet_and_nobody_is_refused() -> None:
    async def read() -> tuple[int, int, float]:
        loop = asyncio.get_running_loop()
        events = {f"site-{number}": at([number]) for number in range(50)}
        async with served(events, quota=20, client_options={"budget": Budget(20, share=1)}) as (simulator, client):
            began = loop.time()
            received = await client.fleet([*events]).list_events(since=0, until=99).collect()
            return len(received), simulator.refused, loop.time() - began

    count, refused, seconds = run_jumping(read())
    assert (count, refused) == (50, 0)
    assert 600 <= seconds < 620

"""Slices of a window listed side by side, over HTTP: each event once, in order, and nothing left behind."""

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.clock import StillLoop, run_jumping
from support.scripted import Reply, ScriptedAPI, item, page
from support.tidy import client_tasks

from cfevents import (
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    Budget,
    Client,
    ConfigurationError,
    EventMetadata,
    NotFoundError,
    Page,
    PaginationError,
)
from cfevents.testing import Simulator, faults
from cfevents.testing.faults import Exchange, Fault

BEGIN = 1_700_000_000
END = BEGIN + 40_000
WINDOW: dict[str, Any] = {"since": BEGIN, "until": END}
KINDS = ["Init", "Leave", "Reconcile"]


def raw(count: int = 400, apart: int = 100) -> list[dict[str, Any]]:
    """Events at regular times, of three kinds."""
    return [{"e": {"k": KINDS[number % 3]}, "t": BEGIN + apart * number, "n": number % 2} for number in range(count)]


def ids(events: list[EventMetadata]) -> list[tuple[float, int]]:
    return [(event.recorded_ts, event.sequence) for event in events]


def lasting(seconds: float) -> Fault:
    """Every answer takes so long."""

    async def strike(_: Exchange) -> None:
        await asyncio.sleep(seconds)

    return Fault(f"lasting({seconds})", strike)


def refusing(status: int, matches: Callable[[Any], bool], *, times: int = 10**9) -> Fault:
    """Answer some requests with a status."""
    left = [times]

    def strike(exchange: Exchange) -> None:
        if matches(exchange.request.query) and left[0]:
            left[0] -= 1
            exchange.status = status
            exchange.body = b'{"success": false, "result": null, "errors": [{"code": 1, "message": "no"}]}'

    return Fault(f"refusing({status})", strike)


@asynccontextmanager
async def served(
    events: list[dict[str, Any]] | None = None, max_page_size: int = 20, **options: Any
) -> AsyncIterator[tuple[Simulator, Client]]:
    """A simulator and its client; at the end no task of the client is left, and every turn was given back."""
    budget = Budget(10**6)
    events = raw() if events is None else events
    async with Simulator(events={"c1": events}, max_page_size=max_page_size, **options) as simulator:
        async with Client(**simulator.client_options, budget=budget) as client:
            yield simulator, client
        assert client_tasks() == set()
        assert budget.stats() == (0, 0)  # in flight, waiting


history = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 5), st.integers(0, 30)), max_size=80, unique_by=lambda key: key[:2]
)


@settings(max_examples=examples(40))
@given(
    keys=history,
    page_size=st.integers(2, 25),
    concurrency=st.sampled_from([2, 3, 8]),
    order=st.sampled_from(["ascending", "descending", "shuffled", "grouped"]),
    bounds=st.sampled_from(["inclusive", "exclusive"]),
    compare=st.sampled_from(["t", "a"]),
    empty_pages=st.integers(0, 2),
)
def test_slices_over_http_list_what_pages_list_sorted(
    keys: list[tuple[int, int, int]], page_size: int, concurrency: int, **options: Any
) -> None:
    """A listing in slices gives what one page by page gives sorted."""
    events = [{"e": {"k": "Init"}, "t": BEGIN + t, "n": n, "a": BEGIN + t + lag} for t, n, lag in keys]

    async def read() -> None:
        async with served(events, **options) as (_, client):
            window: dict[str, Any] = {"since": BEGIN + 10, "until": BEGIN + 180, "page_size": page_size}
            one_by_one = await client.list_events("c1", **window).collect()
            stream = client.list_events("c1", **window, concurrency=concurrency)
            pages = [page async for page in stream.pages()]
            assert all(ids(list(page.items)) == sorted(ids(list(page.items))) for page in pages)
            received = [event for page in pages for event in page.items]
            assert sorted(ids(received)) == sorted(ids(one_by_one))
            assert options["compare"] == "a" or ids(received) == sorted(ids(one_by_one))

    run_jumping(read())


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize(("concurrency", "faster"), [pytest.param(8, 5.5, marks=pytest.mark.once), (32, 14)])
def test_slices_are_many_times_faster(order: Any, concurrency: int, faster: float) -> None:
    """Two hundred pages of a tenth of a second come many times faster."""

    async def took(client: Client, **options: Any) -> tuple[float, list[EventMetadata]]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        events = await client.list_events("c1", **WINDOW, **options).collect()
        return loop.time() - began, events

    async def main() -> None:
        async with served(raw(4000, 10), order=order) as (simulator, client):
            simulator.faults.add(lasting(0.1))
            one, expected = await took(client)
            assert len(simulator.requests) == 200
            simulator.requests.clear()
            many, events = await took(client, concurrency=concurrency)
            assert events == sorted(expected, key=lambda event: (event.recorded_ts, event.sequence))
            assert one == pytest.approx(20)
            assert one >= faster * many
            assert len(simulator.requests) <= 300 + 2 * concurrency

    run_jumping(main(), StillLoop)


@pytest.mark.parametrize("count", [0, 1, 20])
async def test_window_of_one_page_takes_one_request(count: int) -> None:
    """Where the first page is the only one exactly one request is sent."""
    async with served(raw(count)) as (simulator, client):
        pages = [page async for page in client.list_events("c1", **WINDOW, concurrency=32).pages()]
        assert [len(page.items) for page in pages] == [count]
        assert [request.query for request in simulator.requests] == [{"from": str(BEGIN), "to": str(END)}]


async def test_slice_pages_have_checkpoints_and_no_cursor() -> None:
    """Pages have no cursor but a checkpoint and the last is finished."""
    async with served() as (_, client):
        pages = [page async for page in client.list_events("c1", **WINDOW, concurrency=4).pages()]
    assert len(pages) > 4
    assert {page.cursor for page in pages} == {None}
    checkpoints: list[Any] = [page.checkpoint for page in pages]
    assert [checkpoint.finished for checkpoint in checkpoints] == [False] * (len(pages) - 1) + [True]
    reached = [checkpoint.reached for checkpoint in checkpoints[:-1]]
    assert reached == sorted(reached)
    assert all(checkpoint.cursor is None for checkpoint in checkpoints)


@pytest.mark.parametrize("concurrency", [2, 8])
async def test_cursor_with_slices_is_refused(concurrency: int) -> None:
    """A cursor together with slices is refused before anything is sent."""
    async with served() as (simulator, client):
        with pytest.raises(ValueError, match=f"cursor= with concurrency={concurrency}"):
            client.list_events("c1", **WINDOW, cursor="x", concurrency=concurrency)
        assert len(await client.list_events("c1", **WINDOW, concurrency=1).collect()) == 400
        assert len(simulator.requests) == 20


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"concurrency": 0}, ValueError, "concurrency=0 must be at least 1"),
        ({"concurrency": True}, TypeError, "concurrency=True is not a whole number"),
        ({"concurrency": 2.0}, TypeError, "concurrency=2.0 is not a whole number"),
        ({"prefetch": -1}, ValueError, "prefetch=-1 must be at least 0"),
        ({"prefetch": None}, TypeError, "prefetch=None is not a whole number"),
    ],
)
async def test_senseless_numbers_are_refused(options: dict[str, Any], error: type[Exception], says: str) -> None:
    async with served() as (_, client):
        with pytest.raises(error, match=says):
            client.list_events("c1", **WINDOW, **options)


async def test_the_kinds_that_were_asked_for_are_given_in_order() -> None:
    async with served() as (simulator, client):
        one = await client.list_events("c1", **WINDOW, kind="Leave", concurrency=4).collect()
        assert {request.query["k"] for request in simulator.requests} == {"Leave"}
        simulator.requests.clear()
        two = await client.list_events("c1", **WINDOW, kind=["Init", "Leave"], concurrency=4).collect()
        assert not any("k" in request.query for request in simulator.requests)
    every = sorted((event["t"], event["n"], event["e"]["k"]) for event in raw())
    assert ids(one) == [(t, n) for t, n, kind in every if kind == "Leave"]
    assert ids(two) == [(t, n) for t, n, kind in every if kind != "Reconcile"]


async def test_the_page_size_is_asked_for_in_every_slice() -> None:
    async with served() as (simulator, client):
        await client.list_events("c1", **WINDOW, page_size=15, concurrency=4).collect()
        assert {request.query["limit"] for request in simulator.requests} == {"15"}


@pytest.mark.parametrize("kind", [None, "Leave", ["Init", "Reconcile"]])
def test_messages_and_errors_are_kept_on_slice_pages(kind: Any) -> None:
    """What the API said beside its results is kept on the pages."""

    def strike(exchange: Exchange) -> None:
        document = exchange.document
        document["messages"] = [{"code": int(exchange.request.query["from"]), "message": "hi"}]
        document["errors"] = ["odd"]
        exchange.document = document

    async def main() -> list[Page]:
        async with served() as (simulator, client):
            simulator.faults.add(Fault("talking", strike))
            stream = client.list_events("c1", **WINDOW, kind=kind, concurrency=4)
            return [page async for page in stream.pages()]

    pages = run_jumping(main())
    begins: list[list[Any]] = [[message.code for message in page.messages] for page in pages]
    assert all(codes and len(set(codes)) == 1 for codes in begins)
    assert [codes[0] for codes in begins] == sorted({codes[0] for codes in begins})
    assert all(str(error) == "odd" for page in pages for error in page.errors)
    assert [len(page.errors) for page in pages] == [len(codes) for codes in begins]


def chained(query: Any) -> bool:
    """Whether a request goes on from a cursor in the later half of the window."""
    return "cursor" in query and int(query["from"]) > BEGIN + 20_000


async def test_expired_cursor_restarts_its_slice_once() -> None:
    """A cursor that expired starts its slice again once and nothing is lost or doubled."""
    async with served(max_page_size=5) as (simulator, client):
        simulator.faults.add(refusing(400, chained, times=1))
        events = await client.list_events("c1", **WINDOW, concurrency=4).collect()
        assert ids(events) == sorted((event["t"], event["n"]) for event in raw())
        queries = [str(sorted(request.query.items())) for request in simulator.requests]
        assert len(queries) == len(set(queries)) + 2  # the slice's first page, and the page that was refused


async def test_cursor_that_expires_again_raises_in_place() -> None:
    """A cursor that expires again is told after the slices before it."""
    async with served(max_page_size=5) as (simulator, client):
        simulator.faults.add(refusing(400, chained))
        events = []
        with pytest.raises(BadRequestError) as raised:
            async for event in client.list_events("c1", **WINDOW, concurrency=4):
                events.append(event)  # noqa: PERF401
        everything = sorted((event["t"], event["n"]) for event in raw())
        assert ids(events) == everything[: len(events)]
        assert len(events) >= 190
        simulator.faults.clear()
        rest = client.list_events("c1", **WINDOW, checkpoint=raised.value.checkpoint)
        assert ids([*events, *await rest.collect()]) == everything


async def test_a_first_page_that_is_refused_is_told_at_once() -> None:
    async with served() as (simulator, client):
        simulator.faults.add(refusing(400, lambda _: True))
        with pytest.raises(BadRequestError) as raised:
            await client.list_events("c1", **WINDOW, concurrency=4).collect()
        assert len(simulator.requests) == 1
    error: Any = raised.value
    assert (error.since, error.until, error.kind, error.checkpoint.reached) == (BEGIN, END, None, None)


@pytest.mark.parametrize("other", [1, 2, 8])
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_error_of_a_slice_resumes_exactly(other: int, order: Any) -> None:
    """An error in the middle comes at its place and its checkpoint goes on after it."""

    async def main() -> None:
        async with served(order=order) as (simulator, client):
            simulator.faults.add(refusing(404, lambda query: int(query["from"]) > BEGIN + 20_000))
            events = []
            with pytest.raises(NotFoundError) as raised:
                async for event in client.list_events("c1", **WINDOW, kind=["Init", "Leave"], concurrency=4):
                    events.append(event)  # noqa: PERF401
            error: Any = raised.value
            everything = sorted((event["t"], event["n"]) for event in raw() if event["e"]["k"] != "Reconcile")
            assert ids(events) == everything[: len(events)]
            assert BEGIN + 20_000 <= error.checkpoint.reached <= BEGIN + 24_000
            assert (error.since, error.until, error.kind) == (BEGIN, END, ("Init", "Leave"))
            simulator.faults.clear()
            simulator.requests.clear()
            rest = client.list_events(
                "c1", **WINDOW, kind=error.kind, checkpoint=str(error.checkpoint), concurrency=other
            )
            assert sorted(ids(events + await rest.collect())) == everything
            assert min(int(request.query["from"]) for request in simulator.requests) == error.checkpoint.reached - 1

    run_jumping(main())


def test_after_an_error_nothing_to_the_right_of_it_is_asked_for() -> None:
    async def main() -> None:
        async with served(raw(4000, 10)) as (simulator, client):
            simulator.faults.add(lasting(1))
            loop = asyncio.get_running_loop()
            loop.call_later(4.5, setattr, simulator, "api_token", "changed")
            with pytest.raises(AuthenticationError):
                await client.list_events("c1", **WINDOW, concurrency=8).collect()
            # Those that were under way when the first was refused, and none after them.
            assert len(simulator.requests) <= 1 + 5 * 8

    run_jumping(main())


def test_error_cancels_later_slices() -> None:
    """What was under way to the right of an error ends with it."""

    async def main() -> None:
        async with served(raw(4000, 10)) as (simulator, client):

            async def strike(exchange: Exchange) -> None:
                begin = int(exchange.request.query["from"]) - BEGIN
                await asyncio.sleep(1000 if begin > 18_400 else 1)
                if begin > 17_900:
                    exchange.status, exchange.body = 404, b"{}"

            simulator.faults.add(Fault("failing", strike))
            with pytest.raises(NotFoundError):
                await client.list_events("c1", **WINDOW, concurrency=8).collect()
            await asyncio.sleep(1)
            assert client_tasks() == set()
            assert max(int(request.query["from"]) for request in simulator.requests) > BEGIN + 18_400

    run_jumping(main(), StillLoop)


def test_simultaneous_failures_raise_once() -> None:
    """Several slices that fail at the same moment are told as one."""

    async def main() -> None:
        async with served() as (simulator, client):
            simulator.faults.add(lasting(1))
            asyncio.get_running_loop().call_later(1.5, setattr, simulator, "api_token", "changed")
            with pytest.raises(AuthenticationError) as raised:
                await client.list_events("c1", **WINDOW, concurrency=8).collect()
            assert raised.value.checkpoint is not None

    run_jumping(main())


def test_response_of_a_discarded_slice_is_ignored() -> None:
    """Answers of slices that another answer of the same moment gave up change nothing."""

    async def main() -> None:
        crowd = [{"e": {"k": "Init"}, "t": BEGIN + 20_000, "n": 100 + number} for number in range(400)]
        for order in ("ascending", "descending", "shuffled"):
            async with served([*raw(), *crowd], order=order) as (simulator, client):
                simulator.faults.add(lasting(1))
                events = await client.list_events("c1", **WINDOW, concurrency=8).collect()
                assert ids(events) == sorted((event["t"], event["n"]) for event in [*raw(), *crowd])

    run_jumping(main())


async def test_cursor_cycle_of_a_slice_raises_in_place() -> None:
    """A slice that runs in a circle is told with a checkpoint after the slices before it."""
    async with served(max_page_size=5) as (simulator, client):

        def strike(exchange: Exchange) -> None:
            if chained(exchange.request.query):
                document = exchange.document
                document["result"]["cursor"] = exchange.request.query["cursor"]
                exchange.document = document

        simulator.faults.add(Fault("circle", strike))
        events = []
        with pytest.raises(PaginationError, match="the listing would never end") as raised:
            async for event in client.list_events("c1", **WINDOW, concurrency=4):
                events.append(event)  # noqa: PERF401
        everything = sorted((event["t"], event["n"]) for event in raw())
        assert ids(events) == everything[: len(events)]
        assert raised.value.path is not None
        simulator.faults.clear()
        rest = client.list_events("c1", **WINDOW, checkpoint=raised.value.checkpoint, concurrency=4)
        assert ids([*events, *await rest.collect()]) == everything


async def test_invalid_slice_response_names_its_place() -> None:
    """An answer of another shape names its place and what was asked."""
    async with served() as (simulator, client):

        def strike(exchange: Exchange) -> None:
            if int(exchange.request.query["from"]) > BEGIN + 20_000:
                document = exchange.document
                document["result"]["items"][3]["t"] = "late"
                exchange.document = document

        simulator.faults.add(Fault("odd", strike))
        with pytest.raises(APIResponseError) as raised:
            await client.list_events("c1", **WINDOW, concurrency=4).collect()
    error: Any = raised.value
    assert error.place == "result.items[3].t"
    assert error.path.endswith("/connectors/c1/telemetry/events")
    assert error.ray_id is not None
    assert error.checkpoint.reached > BEGIN


def test_a_slow_consumer_stops_the_requests() -> None:
    async def main() -> None:
        async with served(raw(4000, 10)) as (simulator, client):
            simulator.faults.add(lasting(0.1))
            delivered = 0
            async with aclosing(client.list_events("c1", **WINDOW, concurrency=4).pages()) as pages:
                async for page in pages:
                    delivered += len(page.items)
                    sent = len(simulator.requests)
                    await asyncio.sleep(5)
                    assert len(simulator.requests) <= sent + 4
                    assert len(simulator.requests) <= 1.5 * delivered / 20 + 6 * 4
            assert delivered == 4000

    run_jumping(main())


async def test_next_requests_begin_before_a_page_is_yielded() -> None:
    """Before the caller works on a page the next requests have begun."""
    async with served(raw(4000, 10)) as (_, client):
        under_way = 0
        async for _ in client.list_events("c1", **WINDOW, concurrency=4).pages():
            coroutines: list[Any] = [task.get_coro() for task in client_tasks()]
            states = [inspect.getcoroutinestate(coroutine) for coroutine in coroutines]
            assert inspect.CORO_CREATED not in states
            under_way += len(states)
        assert under_way > 100


def test_requests_go_on_while_the_caller_works() -> None:
    """While the caller works on a page the next requests are on their way."""

    async def main() -> None:
        async with served(raw(4000, 10)) as (simulator, client):
            simulator.faults.add(lasting(0.1))
            began = asyncio.get_running_loop().time()
            async for _ in client.list_events("c1", **WINDOW, concurrency=4).pages():
                await asyncio.sleep(0.1)
            # In turn: fifty rounds of requests, and the work on more than a hundred pages.
            assert asyncio.get_running_loop().time() - began < 0.1 * 200

    run_jumping(main(), StillLoop)


Ending = Callable[[Any, Client], Awaitable[None]]


async def closing_the_generator(pages: Any, _: Client) -> None:
    await pages.aclose()
    assert client_tasks() == set()


async def closing_the_client(pages: Any, client: Client) -> None:
    await client.close()
    with pytest.raises(ConfigurationError, match="closed") as raised:
        await anext(pages)
    assert raised.value.checkpoint is not None


async def leaving_it_to_the_collector(pages: Any, _: Client) -> None:
    del pages
    gc.collect()
    await asyncio.sleep(1)


async def cancelling(pages: Any, _: Client) -> None:
    async def read() -> None:
        async for _ in pages:
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.25)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client_tasks() == set()


async def running_into_an_error_of_the_callers(pages: Any, _: Client) -> None:
    async def read() -> None:
        async with aclosing(pages):
            async for _ in pages:
                raise LookupError

    with pytest.raises(LookupError):
        await read()
    assert client_tasks() == set()


@pytest.mark.parametrize(
    "end",
    [
        closing_the_generator,
        closing_the_client,
        leaving_it_to_the_collector,
        cancelling,
        running_into_an_error_of_the_callers,
    ],
)
def test_any_end_of_slices_leaves_nothing(end: Ending) -> None:
    """However it ends no task and no turn is left and nothing complains."""
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with served(raw(4000, 10)) as (simulator, client):
            simulator.faults.add(lasting(0.1))
            pages = client.list_events("c1", **WINDOW, concurrency=8).pages()
            await anext(pages)
            simulator.faults.add(faults.status(404))
            handed = [pages]
            del pages
            await end(handed.pop(), client)
            await asyncio.sleep(1)
            sent = len(simulator.requests)
            await asyncio.sleep(10)
            assert len(simulator.requests) == sent
        gc.collect()

    run_jumping(main())
    assert complaints == []


def test_client_closed_while_slices_run_ends_them() -> None:
    """Closing the client while slices are awaited ends the listing."""

    async def main() -> None:
        async with served() as (simulator, client):
            simulator.faults.add(lasting(1))
            listing = asyncio.create_task(client.list_events("c1", **WINDOW, concurrency=8).collect())
            await asyncio.sleep(1.5)
            await client.close()
            with pytest.raises(ConfigurationError, match="closed"):
                await listing

    run_jumping(main())


def test_the_calls_patience_counts_the_api_and_not_the_caller() -> None:
    async def main() -> None:
        async with served(raw(4000, 10)) as (simulator, client):
            simulator.faults.add(lasting(1))
            # Two hundred pages of a second, eight at a time.
            pages = client.list_events("c1", **WINDOW, concurrency=8, timeout=60).pages()
            assert sum([len(page.items) async for page in _slowly(pages)]) == 4000
            with pytest.raises(APITimeoutError, match="call's timeout") as raised:
                await client.list_events("c1", **WINDOW, concurrency=8, timeout=10.5).collect()
            assert raised.value.checkpoint is not None
            assert raised.value.checkpoint.reached is not None

    run_jumping(main())


async def _slowly(pages: Any) -> AsyncIterator[Page]:
    async for received in pages:
        await asyncio.sleep(10)
        yield received


@pytest.mark.once
def test_what_was_given_up_is_not_held_until_the_end() -> None:
    async def main() -> list[tuple[int, int]]:
        left = 4000
        held: list[tuple[int, int]] = []
        async with served(raw(4000, 10), order="shuffled") as (_, client):
            async for page in client.list_events("c1", **WINDOW, concurrency=8).pages():
                left -= len(page.items)
                del page
                if left == 0 or (left < 1500 and not held):
                    gc.collect()
                    held.append((sum(type(thing) is EventMetadata for thing in gc.get_objects()), left))
        return held

    gc.collect()
    before = sum(type(thing) is EventMetadata for thing in gc.get_objects())
    middle, last = run_jumping(main())
    # What is to come yet, and the slice itself; not what was given up on the way.
    assert [held - before <= left + 500 for held, left in (middle, last)] == [True, True], (before, middle, last)


async def test_unsendable_cursor_of_a_slice_names_its_place() -> None:
    """A cursor that cannot be sent back is told with its place."""
    odd = page(*[item(BEGIN + number) for number in range(9)], cursor="\ud800")
    async with ScriptedAPI(Reply(odd.body, headers={"CF-Ray": "ray9"})) as api, Client(**api.client_options) as client:
        with pytest.raises(APIResponseError, match="lone surrogate") as raised:
            await client.list_events("c1", **WINDOW, concurrency=4).collect()
    assert (raised.value.place, raised.value.ray_id) == ("result.cursor", "ray9")


def test_a_listing_in_slices_is_read_as_often_as_one_likes() -> None:
    async def main() -> None:
        async with served() as (_, client):
            stream = client.list_events("c1", **WINDOW, concurrency=4)
            assert await stream.collect() == await stream.collect()

    run_jumping(main())

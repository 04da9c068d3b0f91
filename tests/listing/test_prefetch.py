"""Pages that are asked for ahead: on their way while the caller works, never more than agreed, and none left behind."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from support.clock import StillLoop, run_jumping
from support.scripted import ScriptedAPI, failure, item, page, success
from support.tidy import client_tasks

import cfevents
from cfevents import (
    APIResponseError,
    AuthenticationError,
    BadRequestError,
    Budget,
    Client,
    ConfigurationError,
    PaginationError,
)
from cfevents._protocol import responses
from cfevents._protocol.fast_path import convert_listing
from cfevents.testing import Simulator, SimulatorThread


def numbered(count: int, seconds: float = 0.0) -> Any:
    """Answer with so many pages of one event each, each after so long."""

    async def answer(request: Any) -> Any:
        await asyncio.sleep(seconds)
        number = int(request.query.get("cursor", "0"))
        return await page(item(number), cursor=str(number + 1) if number + 1 < count else None)(request)

    return answer


@asynccontextmanager
async def served(*steps: Any) -> AsyncIterator[tuple[ScriptedAPI, Client]]:
    """A scripted API and its client; at the end no task of the client is left, and every turn was given back."""
    budget = Budget(10**6)
    async with ScriptedAPI(*steps) as api:
        async with Client(**api.client_options, budget=budget) as client:
            yield api, client
        assert client_tasks() == set()
        assert budget.stats() == (0, 0)  # in flight, waiting


def pages_of(client: Client, **options: Any) -> Any:
    return client.list_events("c1", since=0, until=99, **options).pages()


@pytest.mark.parametrize("prefetch", [1, 3])
def test_the_next_request_has_left_before_a_page_is_structured(prefetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = [{"e": {"k": "Init"}, "t": number, "n": 0} for number in range(3)]
    seen: list[bool] = []
    with SimulatorThread(Simulator(events={"c1": raw}, max_page_size=1)) as simulator:
        arrived = threading.Event()

        def blocking(*args: Any) -> Any:
            # The loop stands still here: what has not left before does not leave.
            expected = min(3, len(seen) + 2)
            for _ in range(500):
                if len(simulator.requests) >= expected:
                    break
                arrived.wait(0.002)
            seen.append(len(simulator.requests) >= expected)
            return convert_listing(*args)

        monkeypatch.setattr(responses, "convert_listing", blocking)

        async def read() -> int:
            async with Client(**simulator.client_options) as client:
                return len(await client.list_events("c1", since=0, until=9, prefetch=prefetch).collect())

        assert asyncio.run(read()) == 3
    assert seen == [True, True, True]


@pytest.mark.parametrize("prefetch", [0, 1, 3, 50])
def test_prefetch_is_never_exceeded(prefetch: int) -> None:
    """Never more pages are requested ahead than agreed and a break wastes no more."""

    async def main() -> None:
        async with served(numbered(20)) as (api, client):
            async with aclosing(pages_of(client, prefetch=prefetch)) as pages:
                for taken in range(1, 6):
                    await anext(pages)
                    await asyncio.sleep(1)
                    assert len(api.requests) == min(20, taken + prefetch)
            await asyncio.sleep(1)
            assert len(api.requests) == min(20, 5 + prefetch)

    run_jumping(main())


def test_one_page_is_asked_for_ahead_where_nothing_is_said() -> None:
    async def main() -> None:
        async with served(numbered(20)) as (api, client), aclosing(pages_of(client)) as pages:
            await anext(pages)
            await asyncio.sleep(1)
            assert len(api.requests) == 2

    run_jumping(main())


@pytest.mark.parametrize(("prefetch", "passed"), [(0, 40), (1, 21), (3, 21)])
def test_next_page_is_requested_while_the_caller_works(prefetch: int, passed: int) -> None:
    """A page is on its way while the caller works on the one before it."""

    async def main() -> float:
        async with served(numbered(20, 1)) as (_, client):
            began = asyncio.get_running_loop().time()
            async for _ in pages_of(client, prefetch=prefetch):
                await asyncio.sleep(1)
            return asyncio.get_running_loop().time() - began

    assert run_jumping(main(), StillLoop) == pytest.approx(passed)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_the_pages_are_the_same_however_many_are_asked_for_ahead(prefetch: int) -> None:
    async with served(numbered(20)) as (api, client):
        pages = [page async for page in pages_of(client, prefetch=prefetch)]
        assert [page.items[0].recorded_ts for page in pages] == list(range(20))
        assert [page.cursor for page in pages] == [*map(str, range(1, 20)), None]
        assert [request.query.get("cursor") for request in api.requests] == [None, *map(str, range(1, 20))]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize(
    ("step", "error"),
    [
        (failure(401), AuthenticationError),
        (failure(400), BadRequestError),
        (success({"items": 5}), APIResponseError),
        (page(item("late")), APIResponseError),
        (page(item(9), cursor="2"), PaginationError),
    ],
)
def test_an_error_comes_at_its_place_after_the_pages_before_it(prefetch: int, step: Any, error: Any) -> None:
    async def main() -> None:
        steps = [page(item(0), cursor="1"), page(item(1), cursor="2"), step]
        async with served(*steps) as (api, client):
            pages = pages_of(client, prefetch=prefetch)
            for number in range(2 + (error is PaginationError)):
                assert (await anext(pages)).items[0].recorded_ts == (0, 1, 9)[number]
                await asyncio.sleep(1)
            with pytest.raises(error) as raised:
                await anext(pages)
            assert (raised.value.cursor, raised.value.checkpoint.cursor) == ("2", "2")
            assert len(api.requests) == 3
            with pytest.raises(StopAsyncIteration):
                await anext(pages)

    run_jumping(main())


@pytest.mark.parametrize("prefetch", [1, 3])
def test_client_closed_during_prefetch_has_checkpoint(prefetch: int) -> None:
    """Closing the client while a page is on its way is told with a checkpoint."""

    async def main() -> None:
        async with served(numbered(20, 1)) as (api, client):
            pages = pages_of(client, prefetch=prefetch)
            first = await anext(pages)
            await asyncio.sleep(0.5)
            assert len(api.requests) == 2
            await client.close()
            assert client_tasks() == set()
            with pytest.raises(ConfigurationError, match="the client is closed") as raised:
                await anext(pages)
            assert raised.value.checkpoint == first.checkpoint
            await client.open()
            with pytest.raises(StopAsyncIteration):
                await anext(pages)

    run_jumping(main())


@pytest.mark.parametrize("reopened", [False, True])
def test_closing_the_client_while_a_page_is_awaited_is_told_too(reopened: bool) -> None:
    async def main() -> None:
        async with served(numbered(20, 1)) as (_, client):
            pages = pages_of(client)
            await anext(pages)
            awaited = asyncio.ensure_future(anext(pages))
            await asyncio.sleep(0.5)
            await client.close()
            if reopened:
                await client.open()
            with pytest.raises(ConfigurationError, match="closed while it was reading"):
                await awaited

    run_jumping(main())


def test_reopened_client_does_not_revive_a_listing() -> None:
    """A page that was on its way when the client was closed and opened again is told."""

    async def main() -> None:
        async with served(numbered(20, 1)) as (_, client):
            pages = pages_of(client)
            await anext(pages)
            await client.close()
            await client.open()
            with pytest.raises(ConfigurationError, match="closed while it was reading"):
                await anext(pages)

    run_jumping(main())


@pytest.mark.once
@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("closed", [False, True])
def test_unwanted_failed_page_is_silent(prefetch: int, closed: bool) -> None:
    """Nothing complains of a page that failed and that nobody wanted."""
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with served(page(item(1), cursor="a"), failure(401)) as (api, client):
            pages = pages_of(client, prefetch=prefetch)
            await anext(pages)
            await asyncio.sleep(1)
            assert len(api.requests) == 2
            if closed:
                await pages.aclose()
            del pages
            gc.collect()
            await asyncio.sleep(1)
        gc.collect()

    run_jumping(main())
    gc.collect()
    assert complaints == []


def test_a_listing_that_is_cancelled_leaves_nothing_on_its_way() -> None:
    async def main() -> None:
        async with served(numbered(20, 1)) as (api, client):
            reading = asyncio.ensure_future(client.list_events("c1", since=0, until=99, prefetch=3).collect())
            await asyncio.sleep(2.5)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert client_tasks() == set()
            await asyncio.sleep(5)
            assert len(api.requests) == 3

    run_jumping(main())


def test_a_listing_that_is_left_ends_what_is_on_its_way_with_it() -> None:
    async def main() -> None:
        async with served(numbered(20, 1)) as (api, client):
            pages = pages_of(client, prefetch=3)
            await anext(pages)
            await pages.aclose()
            assert client_tasks() == set()
            await asyncio.sleep(5)
            assert len(api.requests) == 2

    run_jumping(main())


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_timeout_does_not_count_the_callers_time(prefetch: int) -> None:
    """Patience counts what the API took and not what the caller did."""

    async def main() -> int:
        taken = 0
        async with served(numbered(20, 1)) as (_, client):
            with pytest.raises(cfevents.APITimeoutError) as raised:
                async for _ in pages_of(client, prefetch=prefetch, timeout=5.5):
                    taken += 1
                    await asyncio.sleep(10)
            assert raised.value.checkpoint is not None
            assert raised.value.checkpoint.cursor == str(taken)
        return taken

    assert run_jumping(main(), StillLoop) == 5


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_client_closed_at_any_moment_ends_a_listing(turns: int, prefetch: int) -> None:
    """A client that is closed any moment after a listing began ends it."""

    async def main() -> None:
        async with served(numbered(3, 1.0)) as (_, client):
            pages = pages_of(client, prefetch=prefetch)
            first = asyncio.create_task(anext(pages))
            for _ in range(turns):
                await asyncio.sleep(0)
            await client.close()
            with pytest.raises(ConfigurationError):
                async with asyncio.timeout(60):
                    await first

    run_jumping(main())

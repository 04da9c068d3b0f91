"""Listings: every event once, however the API orders, cuts and ends them."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.clock import run_jumping
from support.scripted import Reply, ScriptedAPI, failure, item, page
from yarl import URL

import cfevents
from cfevents import (
    APIResponseError,
    Client,
    EventId,
    EventMetadata,
    Page,
    PaginationError,
    events,
)
from cfevents._listing.pages import CursorGuard
from cfevents._model.api import Listing
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import parse_envelope
from cfevents.testing import History, Simulator

HISTORY = History(seed=4, connectors=["c1"], days=1, until=1_780_000_000)
SINCE, UNTIL = HISTORY.until - 86400, HISTORY.until


async def listed(*steps: Any, **options: Any) -> list[Page]:
    """The pages that a scripted API's answers make."""
    async with ScriptedAPI(*steps) as api, Client(**api.client_options) as client:
        return [page async for page in client.list_events("c1", since=1, until=9, **options).pages()]


def ids(events: list[EventMetadata]) -> list[tuple[float, int]]:
    return [(event.recorded_ts, event.sequence) for event in events]


raw_events = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 5)).flatmap(
        lambda key: st.builds(
            lambda kind, lag: {"e": {"k": kind}, "t": key[0], "n": key[1], "a": key[0] + lag},
            st.sampled_from(["Init", "Reconcile", "NewKind"]),
            st.integers(0, 30),
        )
    ),
    max_size=60,
    unique_by=lambda raw: (raw["t"], raw["n"]),
)


@settings(max_examples=examples(120))
@given(
    raw=raw_events,
    max_page_size=st.integers(1, 25),
    page_size=st.none() | st.integers(1, 30),
    order=st.sampled_from(["ascending", "descending", "shuffled", "grouped"]),
    bounds=st.sampled_from(["inclusive", "exclusive"]),
    compare=st.sampled_from(["t", "a"]),
    ending=st.sampled_from(["absent", "null", "empty"]),
    empty_pages=st.integers(0, 3),
)
def test_any_split_of_a_history_into_pages_gives_the_same_events(
    raw: list[dict[str, Any]], page_size: int | None, **settings: Any
) -> None:
    async def read() -> list[EventMetadata]:
        async with Simulator(events={"c1": raw}, **settings) as simulator, Client(**simulator.client_options) as client:
            return await client.list_events("c1", since=10, until=30, page_size=page_size).collect()

    inside = range(11, 30) if settings["bounds"] == "exclusive" else range(10, 31)
    expected = sorted((event["t"], event["n"]) for event in raw if event[settings["compare"]] in inside)
    assert sorted(ids(asyncio.run(read()))) == expected


async def test_a_thousand_empty_pages_in_a_row_are_survived() -> None:
    empty = [page(cursor=f"c{number}") for number in range(1000)]
    pages = await listed(*empty, page(item(5)))
    assert len(pages) == 1001
    assert ids([event for page in pages for event in page.items]) == [(5, 0)]


@pytest.mark.parametrize("length", [1, 2, 3, 17])
async def test_cursor_cycle_raises_after_its_events(length: int) -> None:
    """A cursor cycle of any length raises within one round after its events."""

    async def answer(request: Any) -> Any:
        position = int(request.query.get("cursor", "-1"))
        return await page(item(position + 1), cursor=str((position + 1) % length))(request)

    events = []
    async with ScriptedAPI(answer) as api, Client(**api.client_options) as client:
        with pytest.raises(PaginationError, match="again; the listing would never end") as raised:
            async for event in client.list_events("c1", since=1, until=9, kind="Init"):
                events.append(event)  # noqa: PERF401
    assert len(api.requests) == length + 1
    assert len(events) == length + 1
    error = raised.value
    assert (error.since, error.until, error.kind, error.cursor) == (1, 9, "Init", "0")
    assert error.path == "/client/v4/accounts/0123456789abcdef0123456789abcdef/magic/connectors/c1/telemetry/events"


async def test_only_repeats_of_the_previous_page_are_dropped() -> None:
    """What the previous page had is dropped and farther repeats are passed on."""
    pages = await listed(
        page(item(1), item(2), cursor="a"), page(item(2), item(3), cursor="b"), page(item(1), item(3), item(4))
    )
    assert [ids(list(page.items)) for page in pages] == [[(1, 0), (2, 0)], [(3, 0)], [(1, 0), (4, 0)]]


@settings(max_examples=examples(40))
@given(st.text(min_size=1).filter(str.isprintable) | st.text(alphabet="+/=%&?# é€\n\0", min_size=1))
def test_any_cursor_text_reaches_the_api_as_it_was_sent(cursor: str) -> None:
    async def read() -> Any:
        async with ScriptedAPI(page(cursor=cursor), page()) as api, Client(**api.client_options) as client:
            await client.list_events("c1", since=1, until=9).collect()
            return api.requests[1].query["cursor"]

    assert asyncio.run(read()) == cursor


async def test_a_long_cursor_is_sent_whole() -> None:
    async with ScriptedAPI(page(cursor="+/=%" * 2500), page()) as api, Client(**api.client_options) as client:
        await client.list_events("c1", since=1, until=9).collect()
        assert api.requests[1].query["cursor"] == "+/=%" * 2500


async def test_unsendable_cursor_raises_after_its_events() -> None:
    """A cursor that cannot be sent back is told after its events."""
    events = []
    odd = page(item(1), cursor="\ud800")
    async with ScriptedAPI(Reply(odd.body, headers={"CF-Ray": "ray9"})) as api, Client(**api.client_options) as client:
        with pytest.raises(APIResponseError, match="lone surrogate") as raised:
            async for event in client.list_events("c1", since=1, until=9):
                events.append(event)  # noqa: PERF401
    assert ids(events) == [(1, 0)]
    assert (raised.value.place, raised.value.ray_id) == ("result.cursor", "ray9")


async def test_every_page_is_requested_with_the_same_query() -> None:
    """The window kind and page size are requested on every page."""
    async with ScriptedAPI(page(cursor="a"), page(cursor="b"), page()) as api, Client(**api.client_options) as client:
        await client.list_events("c1", since=1.5, until=8.5, kind=events.Init, page_size=7).collect()
    queries = [dict(request.query) for request in api.requests]
    first = {"from": "1", "to": "9", "k": "Init", "limit": "7"}
    assert queries == [first, first | {"cursor": "a"}, first | {"cursor": "b"}]


async def test_several_kinds_are_filtered_here_over_one_listing() -> None:
    steps = [page(item(1, k="Init"), item(2, k="Leave"), cursor="a"), page(item(3, k="New"), item(4, k="Init"))]
    async with ScriptedAPI(*steps) as api, Client(**api.client_options) as client:
        received = await client.list_events("c1", since=1, until=9, kind=[events.Init, "New", "Init"]).collect()
    assert [event.kind for event in received] == ["Init", "New", "Init"]
    assert all("k" not in request.query for request in api.requests)


async def test_unknown_kind_is_sent_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A kind that is not in the catalogue is requested and told once with the nearest that is."""
    for _ in range(2):
        await listed(page(), kind=["Initt", "Leave"])
    messages = [record.getMessage() for record in caplog.records if record.name == "cfevents"]
    assert messages == ["Initt is not a documented kind; did you mean Init? It is asked for as written"]


async def test_kind_is_filtered_if_the_api_does_not() -> None:
    """One kind is kept to also where the API knows no filter yet."""
    pages = await listed(page(item(1, k="Init"), item(2, k="Leave")), kind="Leave")
    assert [event.kind for page in pages for event in page.items] == ["Leave"]


@pytest.mark.parametrize("spelled", ["absent", "null", "empty"])
async def test_page_has_count_messages_and_unknown_fields(spelled: str) -> None:
    """A page shows its cursor count messages and unknown fields."""
    result = {"count": 0, "items": [item(1)], "cursor": {"null": None, "empty": ""}.get(spelled), "new": [1]}
    if spelled == "absent":
        del result["cursor"]
    envelope = {"result": result, "success": True, "messages": [{"code": 1, "message": "hi"}], "errors": ["odd"]}
    (only,) = await listed(Reply(envelope))
    assert (only.cursor, only.count, only.extra) == (None, 0, {"new": [1]})
    assert [str(message) for message in only.messages] == ["1: hi"]
    assert [str(message) for message in only.errors] == ["odd"]


async def test_error_in_the_middle_resumes_exactly() -> None:
    """An error in the middle tells how to go on and nothing is lost or doubled."""
    async with Simulator(history=HISTORY, max_page_size=50) as simulator:
        async with Client(**simulator.client_options) as client:
            stream = client.list_events("c1", since=SINCE, until=UNTIL, kind=["Reconcile", "RekeyStart"])
            whole = await stream.collect()
            events = []
            simulator.requests.clear()
            with pytest.raises(Exception, match="401") as raised:
                async for event in stream:
                    events.append(event)
                    if len(simulator.requests) == 3:
                        simulator.api_token = "changed"
            error: Any = raised.value
            simulator.api_token = client_token = simulator.client_options["api_token"]
        assert 0 < len(events) < len(whole)
        options: dict[str, Any] = {**simulator.client_options, "api_token": client_token}
        async with Client(**options) as client:
            rest = client.list_events("c1", since=error.since, until=error.until, kind=error.kind, cursor=error.cursor)
            events += await rest.collect()
    assert events == whole


async def test_stream_restarts_over_the_same_window() -> None:
    """A stream starts again at the beginning over the same window."""
    async with Simulator(history=HISTORY) as simulator, Client(**simulator.client_options) as client:
        stream = client.list_events("c1", since=SINCE, until=UNTIL)
        assert simulator.requests == []
        assert await stream.collect() == await stream.collect()
        assert {(request.query["from"], request.query["to"]) for request in simulator.requests} == {
            (str(SINCE), str(UNTIL))
        }
        assert (stream.since, stream.until) == (SINCE, UNTIL)
        assert repr(stream) == f"<EventStream of 'c1' since={SINCE} until={UNTIL}>"


async def test_closing_events_closes_pages_at_once() -> None:
    """Ending the events ends the pages at once and not when they are collected."""
    ended = []

    async def pages() -> AsyncGenerator[Page, None]:
        try:
            yield Page((EventMetadata("Init", 1, 0, 1),))
        finally:
            ended.append(asyncio.current_task())

    stream = Client(api_token="t", account_id="a").list_events("c1", since=1, until=9)
    stream.pages = pages  # type: ignore[method-assign]
    iterator = aiter(stream)
    await anext(iterator)
    await iterator.aclose()
    assert ended == [asyncio.current_task()]


async def test_a_listing_goes_on_from_a_pages_cursor() -> None:
    async with Simulator(history=HISTORY) as simulator, Client(**simulator.client_options) as client:
        stream = client.list_events("c1", since=SINCE, until=UNTIL, page_size=40)
        async with aclosing(stream.pages()) as pages:
            first = await anext(pages)
        rest = client.list_events("c1", since=SINCE, until=UNTIL, page_size=40, cursor=first.cursor)
        assert [*first.items, *await rest.collect()] == await stream.collect()


async def test_event_is_fetched_by_any_reference() -> None:
    """A listed event is fetched by itself its id or its text also when spelled as floats."""
    raw = {"e": {"k": "StartUpgrade", "url": "u"}, "t": 1_700_000_000.0, "n": 3.0, "a": 1_700_000_003.0, "v": "1.2"}
    async with Simulator(events={"c1": [raw]}) as simulator, Client(**simulator.client_options) as client:
        (event,) = await client.list_events("c1", since=1_700_000_000, until=1_700_000_009).collect()
        assert repr(event.recorded_ts) == "1700000000"
        recorded = await client.get_event("c1", event)
        assert recorded.event == events.StartUpgrade(url="u")
        assert recorded.version == "1.2"
        for reference in (event.id, "1700000000.3", recorded):
            assert await client.get_event("c1", reference) == recorded
        assert simulator.requests[-1].path.endswith("/telemetry/events/1700000000.3")
        assert await client.latest_events("c1") == [recorded]


@pytest.mark.parametrize("key", [(-5, 0), (5, -1), (10**15, 0), (2**62, 2**62)])
async def test_an_event_of_an_unlikely_time_is_fetched_by_its_id_too(key: tuple[int, int]) -> None:
    raw = {"e": {"k": "Init"}, "t": key[0], "n": key[1], "a": 10**15}
    async with Simulator(events={"c1": [raw]}, compare="a") as simulator, Client(**simulator.client_options) as client:
        assert (await client.latest_events("c1"))[0].id == EventId(*key)
        assert (await client.get_event("c1", EventId(*key))).kind == "Init"
        assert [connector.id for connector in await client.list_connectors()] == ["c1"]


async def test_fractional_time_is_listed_but_not_fetched() -> None:
    """An event with a fractional time is listed and its fetch refused before it is sent."""
    async with ScriptedAPI(page(item(1.5, 2))) as api, Client(**api.client_options) as client:
        (event,) = await client.list_events("c1", since=1, until=9).collect()
        assert event.recorded_ts == 1.5
        with pytest.raises(ValueError, match=r"event 1\.5\.2 cannot be fetched"):
            await client.get_event("c1", event)
        assert len(api.requests) == 1


def test_the_calls_patience_counts_the_api_and_not_the_caller() -> None:
    async def slow(request: Any) -> Any:
        await asyncio.sleep(4)
        return await page(item(1), cursor=f"{request.query.get('cursor', '')}x")(request)

    async def read() -> tuple[int, Any]:
        count = 0
        async with ScriptedAPI(slow) as api, Client(**api.client_options) as client:
            with pytest.raises(Exception, match="call's timeout") as raised:
                async for _ in client.list_events("c1", since=1, until=9, timeout=10).pages():
                    count += 1
                    await asyncio.sleep(3600)
            return count, raised.value

    count, error = run_jumping(read())
    assert (count, type(error).__name__, error.cursor) == (2, "APITimeoutError", "xx")


def test_used_up_timeout_has_a_cursor_to_resume() -> None:
    """Patience that a page used up ends in a timeout that tells where to go on."""

    async def main() -> Any:
        loop: Any = asyncio.get_running_loop()
        async with ScriptedAPI(page(item(1), cursor="x")) as api, Client(**api.client_options) as client:
            pages = client.list_events("c1", since=1, until=9, timeout=5).pages()

            def slowly(*args: Any) -> Any:
                loop.skipped += 6  # as a page does that takes long to decode
                return parse_envelope(*args)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("cfevents._http.connection.parse_envelope", slowly)
                await anext(pages)
            with pytest.raises(cfevents.APITimeoutError) as raised:
                await anext(pages)
            return raised.value

    error = run_jumping(main())
    assert (error.cursor, error.since, error.until) == ("x", 1, 9)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"page_size": 10**400}, ValueError, "page_size=1000000"),
        ({"page_size": 2**63}, ValueError, "64 bits"),
        ({"timeout": 10**400}, ValueError, "must be finite and above 0 seconds"),
        ({"since": 10**400}, ValueError, "looks like milliseconds"),
        ({"kind": b"Init"}, TypeError, "kind=b'Init' is no kind"),
        ({"page_size": 0}, ValueError, "page_size=0 must be at least 1"),
        ({"page_size": True}, TypeError, "page_size=True is not a whole number"),
        ({"page_size": 1.5}, TypeError, "page_size=1.5 is not a whole number"),
        ({"cursor": ""}, ValueError, "cursor is empty"),
        ({"cursor": 5}, TypeError, "cursor must be text"),
        ({"cursor": "\ud800"}, ValueError, "lone surrogate"),
        ({"kind": ""}, ValueError, "kind is empty"),
        ({"kind": []}, ValueError, "kind is an empty collection"),
        ({"kind": 5}, TypeError, "kind=5 is no kind"),
        ({"kind": [str]}, TypeError, "is no kind"),
        ({"kind": events.UnknownEvent}, TypeError, "is no kind"),
        ({"kind": events.DocumentedEvent}, TypeError, "is no kind"),
        ({"kind": events.TunnelEvent}, TypeError, "is no kind"),
        ({"kind": "\ud800"}, ValueError, "lone surrogate"),
        ({"timeout": 0}, ValueError, "timeout=0 must be finite and above 0 seconds"),
        ({"timeout": float("nan")}, ValueError, "timeout=nan must be finite"),
        ({"timeout": "5"}, TypeError, "timeout='5' is not a number of seconds"),
        ({"since": 9, "until": 1}, ValueError, "the window is reversed"),
        ({"since": "24h", "cursor": "x"}, ValueError, "with cursor="),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    options: dict[str, Any], error: type[Exception], says: str
) -> None:
    async with ScriptedAPI(failure(500)) as api, Client(**api.client_options) as client:
        with pytest.raises(error) as raised:
            wrong: dict[str, Any] = {"since": 1, "until": 9} | options
            client.list_events("c1", **wrong)
        assert says in str(raised.value)
        assert api.requests == []


@pytest.mark.parametrize("bad", ["", " ", ".", "..", "a/b", "../x", "/", "a\\b", " c1", "c1\n", "\ud800", 5, None])
async def test_id_that_is_no_path_segment_is_refused(bad: Any) -> None:
    """An id that is not one segment is refused before anything is sent."""
    async with ScriptedAPI(failure(500)) as api, Client(**api.client_options) as client:
        for call in (
            lambda: client.list_events(bad, since=1),
            lambda: client.get_event(bad, "1.2"),
            lambda: client.latest_events(bad),
        ):
            with pytest.raises((ValueError, TypeError), match="connector_id"):
                await call()  # type: ignore[misc]
        assert api.requests == []


@pytest.mark.parametrize("odd", ["a?b", "a#b", "a%2Fb", "a b", "é", "a+b", "a:b", "a;b", "%2e%2e", "..."])
async def test_any_other_id_arrives_as_one_segment(odd: str) -> None:
    simulator = Simulator(events={odd: [{"e": {"k": "Init"}, "t": 5, "n": 0}]})
    async with simulator, Client(**simulator.client_options) as client:
        assert len(await client.list_events(odd, since=1, until=9).collect()) == 1
        assert (await client.get_event(odd, "5.0")).kind == "Init"


def test_guard_of_cursors_takes_few_bytes_a_page() -> None:
    """What is remembered of each page is as little as docs/guarantees.md says, by the growth over many pages."""
    request = Request[Listing](URL("https://a.example"), Listing)
    guard, pages = CursorGuard(), 20_000
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(pages):
        guard.check(request, f"cursor-{number}", None)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{(after - before) / pages:.0f} bytes a page")
    assert 80 * pages < after - before < 160 * pages

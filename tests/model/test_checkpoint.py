"""Checkpoints: what a listing has delivered, kept as a text, and gone on from by another process."""

import asyncio
import json
import os
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.clock import run_jumping
from support.json_values import json_values
from support.scripted import ScriptedAPI, item, page

from cfevents import (
    AuthenticationError,
    Budget,
    Checkpoint,
    CheckpointError,
    Client,
    EventMetadata,
    NotFoundError,
    Page,
    events,
)
from cfevents.testing import History, Simulator, SimulatorThread, faults

HISTORY = History(seed=7, connectors=["c1"], days=1, until=1_780_000_000)
WINDOW: dict[str, Any] = {"since": HISTORY.since, "until": HISTORY.until}

whole = st.integers(-(2**63), 2**63 - 1)
keys = st.tuples(whole | st.floats(allow_nan=False, allow_infinity=False), whole)
checkpoints = st.builds(
    Checkpoint,
    st.text(),
    whole,
    whole,
    kind=st.none() | st.text() | st.lists(st.text()).map(tuple),
    cursor=st.none() | st.text(),
    reached=st.none() | whole,
    delivered=st.lists(keys).map(tuple),
    finished=st.booleans(),
).filter(lambda made: made.reached is None or made.since <= made.reached <= made.until)


def ids(events: Any) -> list[tuple[float, int]]:
    return [(event.recorded_ts, event.sequence) for event in events]


def everything(connector: str = "c1") -> list[tuple[float, int]]:
    return sorted((event["t"], event["n"]) for event in HISTORY.events[connector])


@given(checkpoints)
def test_checkpoint_round_trips_through_one_line(checkpoint: Checkpoint) -> None:
    text = checkpoint.to_json()
    assert str(checkpoint) == text
    assert "\n" not in text
    assert text.isascii()
    back = Checkpoint.from_json(text)
    assert back == checkpoint
    assert str(back) == text
    assert repr(back) == f"<Checkpoint {text}>"
    assert pickle.loads(pickle.dumps(checkpoint)) == checkpoint


def test_checkpoint_is_plain_json() -> None:
    assert str(Checkpoint("c1", 1, 9)) == '{"version":1,"connector_id":"c1","since":1,"until":9}'
    full = Checkpoint("c1", 1, 9, ("Init", "Leave"), "x", 5, ((4, 0), (4.5, 1)), finished=True)
    assert str(full) == (
        '{"version":1,"connector_id":"c1","since":1,"until":9,"kind":["Init","Leave"],"cursor":"x","reached":5,'
        '"delivered":[[4,0],[4.5,1]],"finished":true}'
    )


def parsed(text: str) -> Checkpoint | None:
    """A checkpoint, or None where the text is refused as it should be."""
    try:
        return Checkpoint.from_json(text)
    except CheckpointError as error:
        return None if 10 < len(str(error)) < 400 else pytest.fail(f"it should say what is wrong, in a line: {error}")


@settings(max_examples=examples(120))
@given(st.text() | json_values.map(json.dumps))
def test_arbitrary_text_is_refused(text: str) -> None:
    assert parsed(text) is None


@settings(max_examples=examples(120))
@given(
    st.dictionaries(
        st.sampled_from([*(field.name for field in attrs.fields(Checkpoint)), "version", "new"]),
        json_values | st.sampled_from([1, "c1", [[1, 2]], [[1.5, 2]], ["Init"], True]),
    )
)
def test_arbitrary_object_is_a_checkpoint_or_refused(parts: dict[str, Any]) -> None:
    """Any JSON object is a checkpoint, or is refused as one."""
    base = {"version": 1, "connector_id": "c1", "since": 1, "until": 9}
    if (checkpoint := parsed(json.dumps(base | parts))) is not None:
        assert Checkpoint.from_json(str(checkpoint)) == checkpoint


@settings(max_examples=examples(100))
@given(checkpoints, st.integers(0, 400), st.integers(0, 3), st.text(max_size=2))
def test_damaged_text_is_a_checkpoint_or_refused(checkpoint: Checkpoint, at: int, cut: int, instead: str) -> None:
    """A text that was damaged anywhere is a checkpoint, or is refused as one."""
    text = str(checkpoint)
    at %= len(text)
    parsed(text[:at] + instead + text[at + cut :])
    if at:
        assert parsed(text[:at]) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is not JSON"),
        ("{", "'{' is not JSON"),
        ("[1]", "not a JSON object"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}{}", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("9" * 5000, "is not JSON"),
        ("{}", "version None"),
        ('{"version":2,"shards":[]}', "version 2"),
        ('{"version":1}', "missing fields.*'since'"),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"new":1}', "missing fields.*'new'"),
        ('{"version":1,"connector_id":5,"since":1,"until":9}', "5 @ .*connector_id"),
        ('{"version":1,"connector_id":"c","since":true,"until":9}', "True @ .*since"),
        ('{"version":1,"connector_id":"c","since":1,"until":9.5}', "9.5 @ .*until"),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"kind":[1]}', r"1 @ .*kind"),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"cursor":1}', "1 @ .*cursor"),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"reached":"1"}', "'1' @ .*reached"),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"finished":1}', "1 @ .*finished"),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"delivered":[[1]]}', "delivered"),
        (
            '{"version":1,"connector_id":"c","since":1,"until":9,"delivered":[["1",2]]}',
            "delivered",
        ),
        (
            '{"version":1,"connector_id":"c","since":1,"until":9,"delivered":[[1,2.0]]}',
            "delivered",
        ),
        (
            '{"version":1,"connector_id":"c","since":1,"until":9,"delivered":[[1,2,3]]}',
            "delivered",
        ),
        ('{"version":1,"connector_id":"c","since":1,"until":9,"delivered":5}', "delivered"),
    ],
)
def test_invalid_text_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        Checkpoint.from_json(text)


@pytest.mark.parametrize("other", [None, 5, b"{}", {"version": 1}])
async def test_checkpoint_must_be_text(other: Any) -> None:
    with pytest.raises(TypeError, match="text"):
        Checkpoint.from_json(other)
    if other is not None:
        async with listing() as (_, client):
            with pytest.raises(TypeError, match="text"):
                client.list_events("c1", **WINDOW, checkpoint=other)


@asynccontextmanager
async def listing(max_page_size: int = 20, **options: Any) -> AsyncIterator[tuple[Simulator, Client]]:
    """A simulator of the history, and its client."""
    async with (
        Simulator(history=HISTORY, max_page_size=max_page_size, **options) as simulator,
        Client(**simulator.client_options, budget=Budget(10**6)) as client,
    ):
        yield simulator, client


@pytest.mark.parametrize(
    ("others", "name", "there", "here"),
    [
        ({"connector_id": "c2"}, "connector_id", "'c1'", "'c2'"),
        ({"since": 2}, "since", "1", "2"),
        ({"since": 0.5}, "since", "1", "0"),
        ({"until": 8}, "until", "9", "8"),
        ({"kind": None}, "kind", "'Init'", "None"),
        ({"kind": "Leave"}, "kind", "'Init'", "'Leave'"),
        ({"kind": [events.Init, "Leave"]}, "kind", "'Init'", r"\('Init', 'Leave'\)"),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
async def test_checkpoint_of_another_listing_is_refused(
    others: dict[str, Any], name: str, there: str, here: str, as_text: bool
) -> None:
    """A checkpoint of another listing is refused, with what to write instead."""
    checkpoint = Checkpoint("c1", 1, 9, "Init")
    arguments: dict[str, Any] = {"connector_id": "c1", "since": 1, "until": 9, "kind": "Init"} | others
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        says = f"another listing: there {name} is {there}, here {here}; write {name}=checkpoint.{name}"
        with pytest.raises(CheckpointError, match=says):
            client.list_events(**arguments, checkpoint=str(checkpoint) if as_text else checkpoint)
        assert api.requests == []


async def test_checkpoint_of_another_account_is_refused() -> None:
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        (first,) = [page async for page in client.list_events("c1", since=1, until=9).pages()]
        assert first.checkpoint is not None
        assert first.checkpoint.account_id == api.client_options["account_id"]
        options: dict[str, Any] = api.client_options | {"account_id": "another"}
        other = Client(**options)
        with pytest.raises(CheckpointError, match="is of account '0123456789abcdef0123456789abcdef', not of 'another'"):
            other.list_events("c1", since=1, until=9, checkpoint=first.checkpoint.to_json())


@pytest.mark.parametrize(
    "bounds",
    [{"since": "24h"}, {"since": timedelta(hours=1)}, {"since": 1, "until": "1h"}, {"since": 1}],
)
async def test_relative_bounds_with_checkpoint_are_refused(bounds: dict[str, Any]) -> None:
    """Bounds that mean another window tomorrow are refused with a checkpoint."""
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        with pytest.raises(ValueError, match="with checkpoint=: a checkpoint belongs to one window"):
            client.list_events("c1", **bounds, checkpoint=Checkpoint("c1", 1, 9))


async def test_cursor_with_checkpoint_is_refused() -> None:
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        with pytest.raises(ValueError, match="cursor= and checkpoint= both say where to go on: give one of them"):
            client.list_events("c1", since=1, until=9, cursor="x", checkpoint=Checkpoint("c1", 1, 9))


async def test_checkpoint_has_the_arguments_of_its_listing() -> None:
    async with listing() as (_, client):
        kinds = ["Reconcile", "RekeyStart"]
        stream = client.list_events("c1", **WINDOW, kind=kinds)
        pages = [page async for page in stream.pages()]
        checkpoint = Checkpoint.from_json(str(pages[3].checkpoint))
        rest = client.list_events(
            checkpoint.connector_id,
            since=checkpoint.since,
            until=checkpoint.until,
            kind=checkpoint.kind,
            checkpoint=checkpoint,
        )
        assert await rest.collect() == [event for page in pages[4:] for event in page.items]


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_finished_checkpoint_sends_nothing(concurrency: int) -> None:
    async with listing() as (simulator, client):
        stream = client.list_events("c1", **WINDOW, concurrency=concurrency)
        *_, last = [page async for page in stream.pages()]
        assert last.checkpoint is not None
        assert last.checkpoint.finished
        simulator.requests.clear()
        for others in (1, 4):
            again = client.list_events("c1", **WINDOW, checkpoint=str(last.checkpoint), concurrency=others)
            assert [page async for page in again.pages()] == []
        assert simulator.requests == []


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("order", ["ascending", "shuffled"])
async def test_checkpoints_are_small(concurrency: int, order: Any) -> None:
    async with listing(order=order, max_page_size=100) as (_, client):
        async for page in client.list_events("c1", **WINDOW, concurrency=concurrency).pages():
            assert len(str(page.checkpoint)) < 500


async def pages_of(client: Client, **options: Any) -> list[Page]:
    return [page async for page in client.list_events("c1", **WINDOW, **options).pages()]


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "grouped"])
@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize("compare", ["t", "a"])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (4, 4), (1, 4), (4, 1)])
def test_listing_resumes_after_any_page(before: int, after: int, order: Any, bounds: Any, compare: Any) -> None:
    """A listing resumes after any page, with each event once."""

    async def main() -> None:
        async with listing(max_page_size=60, order=order, bounds=bounds, compare=compare) as (_, client):
            pages = await pages_of(client, concurrency=before)
            expected = sorted(ids(event for page in pages for event in page.items))
            for number, last_page in enumerate(pages, 1):
                delivered = ids(event for page in pages[:number] for event in page.items)
                rest = await pages_of(client, concurrency=after, checkpoint=str(last_page.checkpoint))
                missing = ids(event for page in rest for event in page.items)
                assert sorted(delivered + missing) == expected

    run_jumping(main())


@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize("compare", ["t", "a"])
@pytest.mark.parametrize("after", [1, 4])
async def test_listing_resumes_in_a_busy_window(after: int, bounds: Any, compare: Any) -> None:
    """A listing resumes also where every second has events that were collected later."""
    begin = 1_700_000_000
    raw = [{"e": {"k": "Init"}, "t": begin + n // 2, "n": n % 2, "a": begin + n // 2 + 40} for n in range(800)]
    simulator = Simulator(events={"c1": raw}, max_page_size=20, bounds=bounds, compare=compare)
    async with simulator, Client(**simulator.client_options) as client:
        window: dict[str, Any] = {"since": begin + 50, "until": begin + 350}
        pages = [page async for page in client.list_events("c1", **window, concurrency=4).pages()]
        assert len(pages) > 4
        expected = sorted(ids(event for page in pages for event in page.items))
        delivered: list[tuple[float, int]] = []
        for page in pages:
            delivered += ids(page.items)
            rest = client.list_events("c1", **window, concurrency=after, checkpoint=page.checkpoint)
            assert sorted(delivered + ids(await rest.collect())) == expected


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_listing_resumes_again_and_again(concurrency: int) -> None:
    async with listing() as (_, client):
        events: list[EventMetadata] = []
        checkpoint: Any = None
        while checkpoint is None or not checkpoint.finished:
            stream = client.list_events("c1", **WINDOW, concurrency=concurrency, checkpoint=checkpoint)
            pages = stream.pages()
            first = await anext(pages)
            await pages.aclose()
            events += first.items
            checkpoint, concurrency = first.checkpoint, 5 - concurrency if first.cursor is None else concurrency
        assert sorted(ids(events)) == everything()


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("on", range(1, 16, 2))
async def test_error_checkpoint_resumes_after_the_delivered(concurrency: int, on: int) -> None:
    """An error's checkpoint resumes after what was delivered."""
    async with listing() as (simulator, client):
        simulator.faults.add(faults.status(404), on=on)
        events: list[EventMetadata] = []
        with pytest.raises(NotFoundError) as raised:
            async for event in client.list_events("c1", **WINDOW, concurrency=concurrency):
                events.append(event)  # noqa: PERF401
        error = pickle.loads(pickle.dumps(raised.value))
        rest = client.list_events("c1", **WINDOW, checkpoint=error.checkpoint, concurrency=concurrency)
        events += await rest.collect()
        assert sorted(ids(events)) == everything()


async def test_resumed_listing_requests_only_the_rest() -> None:
    async with listing() as (simulator, client):
        one_by_one = await pages_of(client)
        side_by_side = await pages_of(client, concurrency=4)
        simulator.requests.clear()
        await pages_of(client, checkpoint=one_by_one[4].checkpoint)
        assert len(simulator.requests) == len(one_by_one) - 5
        assert simulator.requests[0].query["cursor"] == one_by_one[4].cursor
        simulator.requests.clear()
        middle: Any = side_by_side[len(side_by_side) // 2].checkpoint
        await pages_of(client, checkpoint=middle, concurrency=4)
        assert {request.query["from"] for request in simulator.requests} >= {str(middle.reached - 1)}
        assert min(int(request.query["from"]) for request in simulator.requests) == middle.reached - 1
        assert {request.query["to"] for request in simulator.requests} >= {str(WINDOW["until"])}


async def test_first_error_has_a_checkpoint_of_the_start() -> None:
    """The checkpoint of an error before the first page is at the beginning."""
    async with listing() as (simulator, client):
        simulator.faults.add(faults.status(401), times=1)
        with pytest.raises(AuthenticationError) as raised:
            await pages_of(client)
        account = simulator.account_id
        assert raised.value.checkpoint == Checkpoint("c1", WINDOW["since"], WINDOW["until"], account_id=account)


async def test_repeats_at_a_slice_checkpoint_are_dropped() -> None:
    """An event that a page repeats at a checkpoint of slices is dropped, to the end."""
    reached = Checkpoint("c1", 1, 90, reached=50, delivered=((49, 0), (50, 0)))
    pages = [page(item(50), item(60), cursor="a"), page(item(70), cursor="b"), page(item(49), item(80))]
    async with ScriptedAPI(*pages) as api, Client(**api.client_options) as client:
        events = await client.list_events("c1", since=1, until=90, checkpoint=reached).collect()
        assert ids(events) == [(60, 0), (70, 0), (80, 0)]
        assert {(request.query["from"], request.query["to"]) for request in api.requests} == {("49", "90")}


async def test_order_of_kinds_does_not_matter() -> None:
    async with listing() as (_, client):
        first, *rest = await pages_of(client, kind=["Reconcile", "RekeyStart", "Init"])
        again = await pages_of(client, kind={"RekeyStart", "Init", "Reconcile"}, checkpoint=str(first.checkpoint))
        assert [page.items for page in again] == [page.items for page in rest]
        again = await pages_of(client, kind=["Init", "RekeyStart", "Reconcile"], checkpoint=first.checkpoint)
        assert [page.items for page in again] == [page.items for page in rest]


async def test_late_delivery_keeps_checkpoints_small() -> None:
    """A late delivery of many old events makes no checkpoint large."""
    # Recorded over hours without a connection, and collected at once.
    begin, collected = 1_700_000_000, 1_700_050_000
    raw = [{"e": {"k": "Init"}, "t": begin + 10 * number, "n": 0, "a": collected} for number in range(4000)]
    async with Simulator(events={"c1": raw}) as simulator, Client(**simulator.client_options) as client:
        stream = client.list_events("c1", since=begin, until=begin + 60_000, concurrency=4)
        assert max([len(str(page.checkpoint)) async for page in stream.pages()]) < 300


async def test_repeats_of_the_page_before_are_dropped() -> None:
    """Events of the page before a checkpoint are dropped."""
    async with listing() as (simulator, client):
        simulator.faults.add(faults.overlap(3))
        pages = await pages_of(client)
        rest = await pages_of(client, checkpoint=pages[4].checkpoint)
        assert [page.items for page in rest] == [page.items for page in pages[5:]]


@pytest.mark.parametrize("cursor", ["\ud800", ""])
async def test_checkpoint_with_invalid_cursor_is_refused(cursor: str) -> None:
    """A checkpoint whose cursor cannot be sent is refused."""
    text = str(Checkpoint("c1", 1, 9, cursor=cursor))
    async with ScriptedAPI(page()) as api, Client(**api.client_options) as client:
        with pytest.raises(CheckpointError, match="cursor"):
            await client.list_events("c1", since=1, until=9, checkpoint=text).collect()
        assert api.requests == []


_READ = """
import asyncio, os
from cfevents import Checkpoint, Client

async def main():
    checkpoint = Checkpoint.from_json(os.environ["CHECKPOINT"])
    concurrency = int(os.environ["CONCURRENCY"])
    async with Client() as client:
        stream = client.list_events(checkpoint.connector_id, since=checkpoint.since, until=checkpoint.until,
                                    kind=checkpoint.kind, checkpoint=checkpoint, concurrency=concurrency)
        async for event in stream:
            print(event.recorded_ts, event.sequence)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(1, 1, marks=pytest.mark.once),
        pytest.param(4, 4, marks=pytest.mark.once),
        (1, 4),
        pytest.param(4, 1, marks=pytest.mark.once),
    ],
)
def test_listing_resumes_in_a_new_process(before: int, after: int) -> None:
    async def begin(simulator: Simulator) -> tuple[list[tuple[float, int]], str]:
        async with Client(**simulator.client_options) as client:
            stream = client.list_events("c1", **WINDOW, kind=["Reconcile", "RekeyStart"], concurrency=before)
            pages = stream.pages()
            events = [event for _ in range(2) for event in (await anext(pages)).items]
            error_or_page = await anext(pages)
            await pages.aclose()
            return ids([*events, *error_or_page.items]), str(error_or_page.checkpoint)

    with SimulatorThread(Simulator(history=HISTORY, max_page_size=20)) as simulator:
        received, text = asyncio.run(begin(simulator))
        environment = {"CHECKPOINT": text, "CONCURRENCY": str(after), **simulator.environment}
        command = [sys.executable, "-c", _READ]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    rest = [(int(time), int(sequence)) for time, sequence in map(str.split, done.stdout.splitlines())]
    kinds = {(raw["t"], raw["n"]) for raw in HISTORY.events["c1"] if raw["e"]["k"] in {"Reconcile", "RekeyStart"}}
    assert sorted([*received, *rest]) == sorted(kinds)
    assert 0 < len(received) < len(kinds)

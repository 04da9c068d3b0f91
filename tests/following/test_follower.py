"""Following: new events as they come, late ones too, once each, whatever the API does meanwhile."""

import asyncio
import gc
import logging
import os
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import Any

import pytest
from aiohttp import web
from support.arriving import BEGIN, DAY, ArrivingAPI, late_history
from support.following import keys, run, until
from support.scripted import Reply

from cfevents import (
    APIStatusError,
    AuthenticationError,
    Checkpoint,
    CheckpointError,
    Client,
    ConfigurationError,
    EventDetail,
    FleetError,
    FollowCheckpoint,
    Follower,
    NotFoundError,
    Retry,
    _time,
)
from cfevents.testing import History, Simulator
from cfevents.testing.store import Bounds, Compare, Order


def client_options(client: Client) -> dict[str, Any]:
    """The options of another client of the same API."""
    endpoints = client._endpoints
    return {"base_url": endpoints.base_url, "account_id": endpoints.account_id}


def fails_by_chance(seed: int) -> Callable[[web.Request], int | None]:
    random = Random(seed)
    return lambda _: 503 if random.random() < 0.2 else None


# 30 days with 20 seeds take a while: `nox -s soak`.
LONG = "CFEVENTS_SOAK_SEEDS" in os.environ
DAYS, SEEDS = (30, 20) if LONG else (4, 2)


@pytest.mark.once
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("failing", [False, True])
def test_followed_late_events_come_once_each(seed: int, failing: bool) -> None:
    events = {
        "a": late_history(seed, DAYS, 40 * DAYS),
        "ahead": late_history(seed + 100, DAYS, 20 * DAYS, ahead=3600),
    }

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = fails_by_chance(seed) if failing else api.fails
        follower = client.follow_events(list(api.events), since=BEGIN, interval="15min")
        events = await until(BEGIN + (DAYS + 1) * DAY, follower)
        assert sorted(keys(events)) == api.keys()
        newest: dict[str, int] = {}
        for event in events:
            assert event.late == (event.event.recorded_ts < newest.get(event.connector_id, 0))
            newest[event.connector_id] = max(newest.get(event.connector_id, 0), event.event.recorded_ts)

    run(scenario, events)


@pytest.mark.once
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEEDS))
def test_only_events_later_than_the_lookback_are_lost(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Only events later than the lookback are lost, and the log warns before."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN, interval="15min", lookback="4h")
        events = await until(BEGIN + (DAYS + 1) * DAY, follower)
        assert len(events) == len(set(keys(events)))
        lag = {(t, n): a - t for t, n, a in api.events["a"]}
        lost = {(t, n) for _, t, n in set(api.keys()) - set(keys(events))}
        assert lost
        assert min(lag[key] for key in lost) > 4 * 3600
        (warning,) = [record for record in caplog.records if "later than the lookback" in record.getMessage()]
        # When it was told, the event that it was told of had come, and none was lost yet.
        first = next(event for event in events if event.event.lag >= timedelta(hours=2))
        assert str(first.event.lag) in warning.getMessage()
        collected = {(t, n): a for t, n, a in api.events["a"]}
        assert first.event.collected_ts < min(collected[key] for key in lost)

    rising = [(t, n, int(t + (a - t) * (t - BEGIN) / (DAYS * DAY))) for t, n, a in late_history(seed, DAYS, 40 * DAYS)]
    run(scenario, {"a": rising})


@pytest.mark.once
def test_late_event_during_a_long_listing_is_not_lost() -> None:
    """An event that is collected late, while a backlog is listed, is delivered."""
    # A backlog that takes hours to list; meanwhile something comes into a part that was listed already.
    backlog = [(BEGIN - 28 * 3600 + 100 * i, 0, BEGIN - 28 * 3600 + 100 * i) for i in range(1200)]
    late = (BEGIN - 22 * 3600, 5, BEGIN + 6600)

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.latency = 240
        follower = client.follow_events("a", since=BEGIN - 2 * DAY, lookback="24h")
        events = await until(BEGIN + 14 * 3600, follower)
        assert sorted(keys(events)) == api.keys()

    run(scenario, {"a": [*backlog, late]}, page_size=10, timeout=600)


@pytest.mark.once
def test_outage_is_probed_once_a_minute_and_nothing_is_missing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """During an outage one request a minute is sent; afterwards nothing is missing."""
    begin, end = BEGIN + 3 * 3600, BEGIN + 9 * 3600

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: 503 if begin <= _time.now() < end else None
        events = await until(BEGIN + 1.2 * DAY, client.follow_events(list(api.events), since=BEGIN, interval="5min"))
        assert sorted(keys(events)) == api.keys()
        # In the first few minutes it is found to be down.
        times = [at for at, _ in api.asked if begin + 400 < at < end]
        assert len(times) >= 300
        assert all(later - earlier >= 60 for earlier, later in pairwise(times))
        assert sum(begin <= at < end for at, _ in api.asked) <= 360

    run(scenario, {name: late_history(seed, 1, 30, 4 * 3600) for seed, name in enumerate("abcd")})
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert sum("API unreachable" in message for message in messages) == 1
    assert sum("API reachable again" in message for message in messages) == 1


def test_idle_poll_is_one_request() -> None:
    """An idle poll is one request for each connector, at jittered intervals."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        events = await until(BEGIN + 6 * 3600, client.follow_events(["a", "b"], interval=60))
        assert events == []
        for connector in "ab":
            times = [at for at, name in api.asked if name == connector]
            gaps = [later - earlier for earlier, later in pairwise([*times, BEGIN + 6 * 3600])]
            assert all(53 <= gap <= 67 for gap in gaps[:-1])
            assert gaps[-1] <= 67
            # Their mean is the interval; by chance alone it is out of these bounds once in ten million times.
            assert 59 <= fmean(gaps[:-1]) <= 61
            assert len({round(gap, 1) for gap in gaps}) > 10  # they do not knock together

    run(scenario, {"a": [], "b": []})


@pytest.mark.once
@pytest.mark.soak
def test_idle_polls_do_not_grow_memory(caplog: pytest.LogCaptureFixture) -> None:
    rounds = 10_000 if LONG else 300
    # What is told of each request is kept by the tests, to be searched.
    caplog.set_level("INFO", "cfevents.requests")

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        task = asyncio.create_task(until(BEGIN + (rounds + 200) * 30, client.follow_events("a", since=BEGIN - DAY)))
        await asyncio.sleep(200 * 30)
        tracemalloc.start()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await asyncio.sleep((rounds - 1) * 30)
        api.asked.clear()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"{after - before} bytes in {rounds} rounds")
        assert after - before < 1_000_000
        await task

    run(scenario, {"a": [(BEGIN - 60 * i, 0, BEGIN) for i in range(200)]})


@pytest.mark.once
def test_watermark_does_not_grow_with_time() -> None:
    """The keys that are kept are those of the lookback, the overlap and one deep interval."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN, interval="5min", lookback="2h")
        # The last event comes five minutes before the third day ends, and a poll may be a little later than that.
        events = await until(BEGIN + 3 * DAY + 600, follower)
        assert len(events) == 3 * 288
        # Three hours of them at most: the lookback, the overlap, and the time between two deep rounds.
        assert len(follower.checkpoint.of("a").delivered) <= 36

    run(scenario, {"a": [(BEGIN + 300 * i, 0, BEGIN + 300 * i) for i in range(3 * 288)]})


def test_watermark_shrinks_without_late_events() -> None:
    """The keys of a burst are dropped although no deep poll finds anything."""
    burst = [(BEGIN + 3600 + i, 0, BEGIN + 3600 + i) for i in range(50)]

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        options = {"interval": "5min", "lookback": "2h", "deep_interval": "6h"}
        follower = client.follow_events("a", since=BEGIN, **options)
        assert len(await until(BEGIN + 14 * 3600, follower)) == 52
        assert len(follower.checkpoint.of("a").delivered) == 2

    run(scenario, {"a": [*burst, *((BEGIN + hour * 3600, 0, BEGIN + hour * 3600) for hour in (8, 13))]})


def test_following_begins_now_without_since() -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        events = await until(BEGIN + 600, client.follow_events("a"))
        assert keys(events) == [("a", BEGIN + 5, 0)]

    run(scenario, {"a": [(BEGIN - 5, 0, BEGIN - 5), (BEGIN - 1, 0, BEGIN + 60), (BEGIN + 5, 0, BEGIN + 6)]})


def test_clock_ahead_loses_and_delays_nothing() -> None:
    """An appliance whose clock is ahead neither loses events nor delays others."""
    events = [(BEGIN + 7200 + i, 1, BEGIN + i) for i in range(0, 600, 60)]  # two hours ahead
    events += [(BEGIN + i, 0, BEGIN + i) for i in range(600, 9000, 60)]  # and then it was put right

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        received = await until(BEGIN + 2.6 * 3600, client.follow_events("a", since=BEGIN, lookback="1h"))
        assert sorted(keys(received)) == sorted(("a", t, n) for t, n, _ in events)

    run(scenario, {"a": events})


def test_poll_is_one_ascending_batch() -> None:
    """The events of a poll come as one batch, ascending."""
    events = [(BEGIN - i, n, BEGIN) for i in range(500) for n in range(2)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        async with aclosing(follower.batches()) as batches:
            batch = await anext(batches)
        assert keys(list(batch.items)) == api.keys()
        assert not any(item.late for item in batch.items)

    run(scenario, {"a": events}, page_size=60)


def test_large_poll_comes_in_several_batches() -> None:
    events = [(BEGIN - i, 0, BEGIN) for i in range(21_000)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        received: list[Any] = []
        async with aclosing(follower.batches()) as batches:
            sizes = []
            while len(received) < len(events):
                received += (items := (await anext(batches)).items)
                sizes.append(len(items))
        assert sizes == [10_000, 10_000, 1_000]
        assert keys(received) == api.keys()

    run(scenario, {"a": events})


def test_listed_events_do_not_wait_for_the_whole_backlog() -> None:
    """Events that were listed are delivered before the whole backlog is."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.latency = 20
        follower = client.follow_events("a", since=BEGIN - DAY)
        async with aclosing(follower.batches()) as batches:
            first = (await anext(batches)).items
            assert _time.now() < BEGIN + 200
        assert len(first) < 2000

    run(scenario, {"a": [(BEGIN - 10 * i, 0, BEGIN) for i in range(8000)]}, page_size=100)


def test_long_silence_delays_nothing() -> None:
    """A long silence before the first event delays nothing."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.latency = 10
        follower = client.follow_events("a", since=BEGIN - 60 * DAY)
        async with aclosing(follower.batches()) as batches:
            await anext(batches)
            assert _time.now() < BEGIN + 300

    run(scenario, {"a": [(BEGIN - 10 * i, 0, BEGIN) for i in range(20_000)]}, page_size=100)


@pytest.mark.parametrize("order", ["ascending", "descending", "grouped", "shuffled"])
@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize("compare", ["t", "a"])
async def test_poll_is_complete_whatever_the_api_leaves_open(order: Order, bounds: Bounds, compare: Compare) -> None:
    """Whatever the API leaves open, a poll has every event once, ascending."""
    history = History(days=3, connectors=1)
    async with (
        Simulator(history=history, order=order, bounds=bounds, compare=compare, max_page_size=100) as simulator,
        Client(**simulator.client_options) as client,
    ):
        (connector,) = history.events
        follower = client.follow_events(connector, since=history.since).once()
        received = keys([event async for event in follower])
        assert received == [(connector, event["t"], event["n"]) for event in history.events[connector]]


def test_connector_that_is_behind_is_polled_again_at_once() -> None:
    """A connector whose poll was more than a page is polled again at once."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        await until(BEGIN + 1, client.follow_events("a", since=BEGIN - DAY).once())
        one_round = len(api.asked)
        api.asked.clear()
        await until(BEGIN + 500, client.follow_events("a", since=BEGIN - DAY, interval=600))
        assert len(api.asked) > one_round
        assert api.asked[-1][0] - api.asked[0][0] < 10

    run(scenario, {"a": [(BEGIN - i, 0, BEGIN) for i in range(30)]}, page_size=10)


def test_poll_costs_little_more_than_its_pages() -> None:
    # One every five seconds: each round lists 180 again, which are two pages, and hardly anything is new.
    events = [(BEGIN + at, 0, BEGIN + at) for at in range(-1800, 1800, 5)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - 1800, interval=60, deep_interval=DAY)
        await until(BEGIN + 1800, follower)
        # Some twenty rounds, a little less than a minute apart.
        assert 30 < sum(at > BEGIN + 600 for at, _ in api.asked) < 4 * 24

    run(scenario, {"a": events}, page_size=100)


def test_deep_poll_costs_little_more_than_its_pages() -> None:
    events = [(BEGIN - at, 0, BEGIN - at) for at in range(1, DAY, 30)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        await until(BEGIN + 1, follower := client.follow_events("a", since=BEGIN - DAY).once())
        api.asked.clear()
        await until(BEGIN + 3600, client.follow_events("a", checkpoint=follower.checkpoint).once())
        assert len(api.asked) <= 1.5 * len(events) / 100

    run(scenario, {"a": events}, page_size=100)


@pytest.mark.once
def test_batch_checkpoint_is_the_state_after_it() -> None:
    """A batch's checkpoint is the state after it, also if the process dies before the next."""
    history = late_history(1, 1, 100)

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        events: list[Any] = []
        stored: str | None = None
        random = Random(1)
        while _time.now() < BEGIN + 2 * DAY:
            follower = client.follow_events(["a", "b"], since=BEGIN, checkpoint=stored, interval="5min")
            async with aclosing(follower.batches()) as batches:
                for _ in range(random.randrange(1, 5)):
                    try:
                        async with asyncio.timeout(4 * 3600):
                            batch = await anext(batches)
                    except TimeoutError:
                        break
                    if random.random() < 0.3:
                        break  # the process dies before the batch is stored
                    events += batch.items
                    stored = batch.checkpoint.to_json()
        assert sorted(keys(events)) == api.keys()

    run(scenario, {"a": history, "b": late_history(2, 1, 50)})


def test_follower_checkpoint_excludes_the_present_event() -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        count = 0
        async with aclosing(aiter(follower)) as iterator:
            async for _ in iterator:
                count += 1
                rest = client.follow_events("a", checkpoint=follower.checkpoint.to_json()).once()
                assert [key async for key in _keys_of(rest)] == api.keys()[count - 1 :]
                if count == 5:
                    break
        # Whoever reads on gets the present event again.
        again = client.follow_events("a", checkpoint=follower.checkpoint).once()
        assert [key async for key in _keys_of(again)] == api.keys()[4:]
        async with aclosing(aiter(follower)) as iterator:
            assert [keys([await anext(iterator)])[0] for _ in range(5)] == api.keys()[4:]

    run(scenario, {"a": [(BEGIN - i, 0, BEGIN) for i in range(9)]})


async def _keys_of(follower: Follower[Any]) -> AsyncGenerator[tuple[str, int, int], None]:
    async for event in follower:
        yield keys([event])[0]


def test_follower_checkpoint_excludes_the_present_batch() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY).once()
        async with aclosing(follower.batches()) as batches:
            batch = await anext(batches)
            assert not follower.checkpoint.of("a").delivered
            assert [batch async for batch in batches] == []
        assert follower.checkpoint.to_json() == batch.checkpoint.to_json()

    run(scenario, {"a": [(BEGIN - i, 0, BEGIN) for i in range(9)]})


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"connector_ids": ["a", "b"]}, r"connector_ids is \('a',\), not \('a', 'b'\)"),
        ({"kind": "Init"}, "kind is None, not 'Init'"),
        ({"since": BEGIN}, f"since is {BEGIN - DAY}, not {BEGIN}"),
        ({"account_id": "other"}, "account_id .* not 'other'"),
    ],
)
def test_checkpoint_of_other_following_is_refused(others: dict[str, Any], says: str) -> None:
    """A checkpoint of other connectors, kinds or accounts is refused before anything is sent."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        checkpoint = client.follow_events("a", since=BEGIN - DAY).checkpoint
        assert client.follow_events({"b", "a"}, checkpoint=client.follow_events(["b", "a"]).checkpoint)
        arguments: dict[str, Any] = {"connector_ids": "a", "checkpoint": checkpoint.to_json()} | others
        account = arguments.pop("account_id", None)
        options: dict[str, Any] = {"base_url": "https://a.example", "api_token": "t", "account_id": account}
        with pytest.raises(CheckpointError, match=says):
            (Client(**options) if account else client).follow_events(**arguments)
        assert api.asked == []

    run(scenario, {"a": []})


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"interval": "soon"}, ValueError, "interval='soon' is not a length of time: write '30s'"),
        ({"interval": 0}, ValueError, "interval"),
        ({"lookback": -1}, ValueError, "lookback"),
        ({"overlap": None}, TypeError, "overlap"),
        ({"deep_interval": True}, TypeError, "deep_interval"),
        ({"since": "yesterday"}, ValueError, "since='yesterday' has no time zone: write '2023-"),
        ({"since": BEGIN + 5}, ValueError, "future"),
        ({"connector_ids": None}, TypeError, r"write client.fleet\(\) for all connectors"),
        ({"kind": 5}, TypeError, "kind"),
        ({"connector_ids": []}, ValueError, "connector_ids is empty"),
        ({"connector_ids": "../x"}, ValueError, "connector_ids"),
        ({"connector_ids": 5}, TypeError, "connector_ids"),
        ({"checkpoint": 5}, TypeError, "checkpoint"),
        ({"checkpoint": "{}"}, CheckpointError, "checkpoint"),
        ({"checkpoint": Checkpoint("a", 1, 2)}, CheckpointError, "list_events"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    """Wrong arguments are refused before anything is sent."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        with pytest.raises(error, match=says):
            client.follow_events(**{"connector_ids": "a"} | arguments)
        assert api.asked == []

    run(scenario, {"a": []})


def test_second_loop_resumes() -> None:
    """A second loop over a follower resumes where the first ended."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        async with aclosing(follower.batches()) as batches:
            first = await anext(batches)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(300):
                    await anext(batches)
        api.add("a", (BEGIN + 1, 0, BEGIN + 1))
        second = await anext(aiter(follower))
        assert keys([*first.items, second]) == api.keys()

    run(scenario, {"a": [(BEGIN - 5, 0, BEGIN)]})


def test_once_reads_what_there_is() -> None:
    """A follower made by `once` reads what there is, and ends."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        first = client.follow_events(client.fleet(), since=BEGIN - DAY).once()
        events = [event async for event in first]
        assert sorted(keys(events)) == api.keys()
        assert [connector for _, connector in api.asked] == ["", "a", "b"]
        api.add("a", (BEGIN - 50, 7, BEGIN))
        more = client.follow_events(client.fleet(), checkpoint=first.checkpoint).once()
        events = [event async for event in more]
        assert keys(events) == [("a", BEGIN - 50, 7)]
        assert events[0].late

    run(scenario, {"a": [(BEGIN - 5, 0, BEGIN)], "b": [(BEGIN - 6, 0, BEGIN)]})


def test_once_raises_failures_after_serving_the_others() -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda request: 404 if "/a/" in request.path else None
        follower = client.follow_events(["a", "b"], since=BEGIN - DAY).once()
        events = []
        with pytest.raises(FleetError) as caught:
            async for event in follower:
                events.append(event)  # noqa: PERF401 - it ends in an error
        assert keys(events) == [("b", BEGIN - 6, 0)]
        assert isinstance(caught.value.errors["a"], NotFoundError)
        lenient = client.fleet(["a", "b"], on_error="collect")
        assert len([event async for event in client.follow_events(lenient, since=BEGIN - DAY).once()]) == 1
        assert list(lenient.errors) == ["a"]

    run(scenario, {"a": [(BEGIN - 5, 0, BEGIN)], "b": [(BEGIN - 6, 0, BEGIN)]})


@pytest.mark.once
def test_failed_payloads_lose_no_event() -> None:
    """Payloads come with the events, and a payload that fails loses no event."""
    history = late_history(3, 0.5, 60, longest=4 * 3600)

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        random = Random(3)
        broken = {f"/{t}.{n}" for t, n, _ in random.sample(history, 5)}

        def fails(request: web.Request) -> int | None:
            if request.path.endswith(tuple(broken)):
                return 500 if _time.now() < BEGIN + DAY else None
            return 503 if random.random() < 0.1 else None

        api.fails = fails
        follower = client.follow_events("a", since=BEGIN, interval="5min").details(concurrency=3)
        events = await until(BEGIN + 1.1 * DAY, follower)
        assert sorted((event.event.metadata.recorded_ts, event.event.metadata.sequence) for event in events) == [
            (t, n)
            for _, t, n in api.keys()  # noqa: SIM118
        ]
        for event in events:
            assert isinstance(event.event, EventDetail)
            assert event.event.recorded is not None
            assert event.event.recorded.id == event.event.metadata.id

    run(scenario, {"a": history})


def test_events_without_payload() -> None:
    """An event that is gone, and one of another kind, come without payload."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda request: 404 if request.path.endswith(f"{BEGIN - 5}.0") else None
        follower = client.follow_events("a", since=BEGIN - DAY)
        assert [event.event.recorded async for event in follower.details().once()] == [None]
        assert [event.event.recorded async for event in follower.details(kinds="Leave").once()] == [None]
        assert sum(path.endswith(".0") for path in _paths(api)) == 1

    def _paths(api: ArrivingAPI) -> list[str]:
        return [f"{at}.0" for at, connector in api.asked if connector == "a"][:1]

    run(scenario, {"a": [(BEGIN - 5, 0, BEGIN)]})


@pytest.mark.once
def test_refused_connector_is_polled_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A connector that is refused is logged and polled rarely; the others go on."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda request: 403 if "/a/" in request.path and _time.now() < BEGIN + 7200 else None
        follower = client.follow_events(["a", "b"], since=BEGIN)
        events = await until(BEGIN + 7000, follower)
        assert {event.connector_id for event in events} == {"b"}
        assert 7 <= sum(connector == "a" for _, connector in api.asked) <= 10
        assert sum(connector == "b" for _, connector in api.asked) > 200
        assert sum("cannot read connector a" in record.getMessage() for record in caplog.records) == 1
        assert type(follower.status["a"].error).__name__ == "PermissionDeniedError"
        assert follower.status["b"].error is None
        rest = client.follow_events(["a", "b"], checkpoint=follower.checkpoint)
        events += await until(BEGIN + 4 * 3600, rest)
        assert sorted(keys(events)) == api.keys()
        assert rest.status["a"].error is None

    run(scenario, {"a": late_history(1, 0.1, 20, 600), "b": late_history(2, 0.1, 20, 600)})


def test_only_credentials_that_never_worked_end_following() -> None:
    """Credentials that never worked end following; those that worked once are retried."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: 401
        with pytest.raises(AuthenticationError):
            await anext(aiter(client.follow_events("a", since=BEGIN)))
        api.fails = lambda _: 401 if BEGIN + 100 < _time.now() < BEGIN + 4000 else None
        events = await until(BEGIN + 9000, client.follow_events("a", since=BEGIN))
        assert keys(events) == api.keys()

    run(scenario, {"a": [(BEGIN + i, 0, BEGIN + i) for i in range(0, 8000, 500)]})


def test_whole_fleet_finds_new_connectors() -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(client.fleet(), since=BEGIN)
        task = asyncio.create_task(until(BEGIN + 7200, follower))
        await asyncio.sleep(600)
        api.add("new", (BEGIN + 300, 0, BEGIN + 300), (BEGIN + 3000, 0, BEGIN + 3000))
        assert sorted(keys(await task)) == api.keys()
        assert follower.status.keys() == {"a", "new"}

    run(scenario, {"a": [(BEGIN + 10, 0, BEGIN + 10)]})


def test_kinds_are_filtered() -> None:
    """Only the wanted kinds are delivered."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        assert await until(BEGIN + 600, client.follow_events("a", since=BEGIN - 60, kind="Leave")) == []
        assert len(await until(BEGIN + 1200, client.follow_events("a", since=BEGIN - 60, kind={"Leave", "Init"}))) == 1

    run(scenario, {"a": [(BEGIN - 10, 0, BEGIN - 10)]})


def test_status_shows_lag_backlog_and_time() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        assert follower.status == {}
        async with aclosing(follower.batches()) as batches:
            await anext(batches)
            assert follower.status["a"].backlog >= timedelta(0)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(100):
                    await anext(batches)
        status = follower.status["a"]
        assert status.lag == timedelta(seconds=70)
        assert status.last_good_at is not None
        assert datetime.fromtimestamp(BEGIN + 60, UTC) < status.last_good_at < datetime.fromtimestamp(BEGIN + 110, UTC)
        assert (status.error, status.backlog) == (None, timedelta(0))

    run(scenario, {"a": [(BEGIN - 100, 0, BEGIN - 30), (BEGIN - 90, 0, BEGIN - 80)]})


@asynccontextmanager
async def waiting(client: Client) -> AsyncGenerator[tuple[Follower[Any], "asyncio.Task[Any]"], None]:
    """A follower for which somebody waits."""
    follower = client.follow_events(["a", "b", "c"])

    async def read() -> list[Any]:
        return [event async for event in follower]

    task = asyncio.create_task(read())
    await asyncio.sleep(45)
    yield follower, task


def test_closing_or_cancelling_ends_at_once() -> None:
    """Closing the follower, or cancelling its task, ends it at once."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        before = asyncio.all_tasks()
        async with waiting(client) as (follower, task):
            began = _time.now()
            await follower.aclose()
            assert await task == []
        async with waiting(client) as (follower, task):
            began = _time.now()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert _time.now() - began < 1
        # The server keeps a task for each connection.
        assert [task for task in asyncio.all_tasks() - before if "web_protocol" not in repr(task)] == []

    run(scenario, {"a": [], "b": [], "c": []})


def test_closed_client_ends_following() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        async with waiting(client) as (_follower, task):
            await client.close()
            with pytest.raises(ConfigurationError, match="closed"):
                await task

    run(scenario, {"a": [], "b": [], "c": []})


def test_closed_follower_stays_closed() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        await follower.aclose()
        assert [event async for event in follower] == []

    run(scenario, {"a": [(BEGIN - 1, 0, BEGIN)]})


@pytest.mark.once
def test_500_connectors_are_polled_fairly() -> None:
    """None of 500 connectors waits more than twice the mean, and others keep a part of the budget."""
    names = [f"c{number}" for number in range(500)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        await until(BEGIN + 900, client.follow_events(names))
        times: dict[str, list[float]] = {name: [] for name in names}
        for at, name in api.asked:
            times[name].append(at)
        assert min(map(len, times.values())) >= 3
        gaps = [later - earlier for moments in times.values() for earlier, later in pairwise(moments)]
        assert max(gaps) < 2 * sum(gaps) / len(gaps)
        # Following leaves others a part of the budget.
        assert max(Counter(int(at) // 300 for at, _ in api.asked).values()) < 0.9 * 1200

    run(scenario, {name: [] for name in names})


def test_bounds_of_collection_times_lose_nothing() -> None:
    """A clock that was hours ahead once brings an event that is listed before those that were recorded before it."""
    ahead = (BEGIN - 4 * 3600, 0, BEGIN - 10 * 3600)
    events = [ahead, *((BEGIN - 9 * 3600 + 60 * i, 1, BEGIN - 9 * 3600 + 60 * i) for i in range(540))]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.compares = 2
        follower = client.follow_events("a", since=BEGIN - 12 * 3600, lookback="1h").once()
        assert sorted(keys([event async for event in follower])) == api.keys()

    run(scenario, {"a": events}, page_size=50)


@pytest.mark.once
def test_busy_connector_keeps_the_interval() -> None:
    """A busy connector is not polled more often than the interval says."""
    busy = [(BEGIN + i // 2, i % 2, BEGIN + i // 2) for i in range(7200)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        events = await until(BEGIN + 3700, client.follow_events("a", interval="60s"))
        assert sorted(keys(events)) == api.keys()
        assert len({round(at) for at, _ in api.asked}) < 100

    run(scenario, {"a": busy}, page_size=1000)


@pytest.mark.once
def test_rare_kinds_do_not_lengthen_polls() -> None:
    """Kinds that hardly ever come do not make polls longer and longer."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN, kind={"Leave", "HaError"}, lookback="1h")
        assert await until(BEGIN + DAY / 2, follower) == []
        # One request for a shallow round, and a few for a deep one.
        assert len(api.asked) < 1.5 * DAY / 2 / 30

    run(scenario, {"a": [(BEGIN + 10 * i, 0, BEGIN + 10 * i) for i in range(4320)]}, page_size=200)


@pytest.mark.once
def test_account_is_followed_once_it_can_be_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An account whose connectors cannot be listed for hours is followed afterwards."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: 503 if _time.now() < BEGIN + 7200 else None
        events = await until(BEGIN + 3 * 3600, client.follow_events(client.fleet(), since=BEGIN))
        assert sorted(keys(events)) == api.keys()
        down = [at for at, _ in api.asked if at < BEGIN + 7200]
        assert len(down) <= 130
        assert all(later - earlier >= 59 for earlier, later in pairwise(down[10:]))

    run(scenario, {"a": [(BEGIN + 10, 0, BEGIN + 20)]})
    assert sum("cannot list the connectors" in record.getMessage() for record in caplog.records) == 1


def test_connectors_of_checkpoint_are_followed_meanwhile() -> None:
    """The checkpoint's connectors are followed while those of the account cannot be listed."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        first = client.follow_events(client.fleet(), since=BEGIN - DAY).once()
        assert len([event async for event in first]) == 1
        api.add("a", (BEGIN + 1, 0, BEGIN + 1))
        api.fails = lambda request: 500 if request.path.endswith("/connectors") else None
        rest = client.follow_events(client.fleet(), checkpoint=first.checkpoint)
        assert keys(await until(BEGIN + 600, rest)) == [("a", BEGIN + 1, 0)]

    run(scenario, {"a": [(BEGIN - 10, 0, BEGIN)]})


def test_removed_connectors_are_not_polled() -> None:
    """A connector that left the account is not polled any more."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(client.fleet(), since=BEGIN)
        task = asyncio.create_task(until(BEGIN + 3 * 3600, follower))
        await asyncio.sleep(3600)
        del api.events["b"]
        await task
        assert max(at for at, connector in api.asked if connector == "b") < BEGIN + 3600 + 1000
        assert follower.status.keys() == {"a"}

    run(scenario, {"a": [], "b": []})


@pytest.mark.once
def test_hanging_connectors_do_not_delay_others() -> None:
    """Connectors that do not answer do not delay the others."""
    names = [f"c{number}" for number in range(18)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        hanging = set(names[:8])
        api.hangs = lambda request: request.path.split("/")[7] in hanging
        await until(BEGIN + 3600, client.follow_events(names))
        rounds = Counter(name for at, name in api.asked if at > BEGIN + 600)
        assert min(rounds[name] for name in names if name not in hanging) >= 60

    run(scenario, {name: [] for name in names})


def test_client_may_be_closed_after_the_follower() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        async with waiting(client) as (follower, task):
            await follower.aclose()
            await client.close()
            assert await task == []

    run(scenario, {"a": [], "b": [], "c": []})


def test_reopened_client_does_not_hang_followers() -> None:
    """A client that was closed and opened meanwhile ends its followers with an error."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        async with aclosing(follower.batches()) as batches:
            await anext(batches)
            await client.close()
            await client.open()
            with pytest.raises(ConfigurationError, match="closed while it was reading"):
                await anext(batches)

    run(scenario, {"a": [(BEGIN - 1, 0, BEGIN)]})


def test_closed_follower_sends_nothing() -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(["a", "b"], since=BEGIN - DAY)
        async with aclosing(follower.batches()) as batches:
            await anext(batches)
            await follower.aclose()
            await asyncio.sleep(1)
            count = len(api.asked)
            await asyncio.sleep(3600)
            assert len(api.asked) == count
            assert [batch async for batch in batches] == []

    run(scenario, {"a": [(BEGIN - 1, 0, BEGIN)], "b": []})


def test_new_loop_takes_over() -> None:
    """A new loop over a follower takes over from one that was not closed."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=BEGIN - DAY)
        async with asyncio.timeout(3600):
            first = aiter(follower)
            events = [await anext(first)]
            async for event in follower:  # the first was not closed
                events.append(event)
                if len(events) == 4:
                    break
        assert keys(events[1:]) == api.keys()
        assert keys(events[:1]) == api.keys()[:1]

    run(scenario, {"a": [(BEGIN - i, 0, BEGIN) for i in range(3)]})


def test_absurd_times_do_not_end_following() -> None:
    """An event with absurd times is delivered, and ends nothing."""
    events = [(BEGIN - 5, 0, BEGIN - 5), (BEGIN - 4, 0, -(2**60))]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        events = [event async for event in client.follow_events("a", since=BEGIN - DAY).once()]
        assert sorted(keys(events)) == api.keys()

    run(scenario, {"a": events})


def test_checkpoint_outweighs_relative_since() -> None:
    """A checkpoint outweighs a relative since, which means another time each day."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        stored = client.follow_events("a", since="6h").checkpoint.to_json()
        await asyncio.sleep(7200)
        follower = client.follow_events("a", since="6h", checkpoint=stored)
        assert follower.checkpoint.since == BEGIN - 6 * 3600

    run(scenario, {"a": []})


def test_checkpoint_is_small() -> None:
    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a" * 36, since=BEGIN - DAY)
        async with aclosing(follower.batches()) as batches:
            batch = await anext(batches)
        assert len(batch.items) == 5000
        text = batch.checkpoint.to_json()
        assert len(text) < 200_000
        assert FollowCheckpoint.from_json(text).to_json() == text

    run(scenario, {"a" * 36: [(BEGIN - 17 * i, i % 3, BEGIN) for i in range(5000)]})


def test_outage_is_logged_once_without_retries(caplog: pytest.LogCaptureFixture) -> None:
    """An outage is logged once, also where requests are sent once."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: 500
        assert await until(BEGIN + 600, client.follow_events("a", since=BEGIN)) == []
        assert 9 <= len(api.asked) <= 11

    run(scenario, {"a": []}, retry=Retry(attempts=1))
    assert sum("API unreachable" in record.getMessage() for record in caplog.records) == 1


def coded(status: int, *codes: int) -> Reply:
    errors = [{"code": code, "message": "no"} for code in codes]
    return Reply({"result": None, "success": False, "errors": errors}, status)


def chained(status: int, code: int, reason: int) -> Reply:
    error = {"code": code, "message": "no", "error_chain": [{"code": reason, "message": "why"}]}
    return Reply({"result": None, "success": False, "errors": [error]}, status)


@pytest.mark.parametrize(
    ("refusal", "name"),
    [
        (coded(401, 10000), "AuthenticationError"),
        (coded(403, 9109), "PermissionDeniedError"),
        (coded(403, 10000), "PermissionDeniedError"),
        (coded(403, 9103), "PermissionDeniedError"),
        (coded(403, 1000), "PermissionDeniedError"),
        (coded(400, 6003), "BadRequestError"),
        (chained(400, 1000, 9109), "BadRequestError"),
        (chained(400, 1000, 6003), "BadRequestError"),
        (coded(200, 9109), "APIStatusError"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_refused_credentials_end_what_never_had_an_answer(refusal: Reply, name: str, whole: bool) -> None:
    """What the API answers wrong credentials ends following that never had another answer; later it is asked again."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: refusal
        connectors = client.fleet() if whole else list(api.events)
        with pytest.raises(APIStatusError) as raised:
            await anext(aiter(client.follow_events(connectors, since=BEGIN)))
        assert type(raised.value).__name__ == name
        assert len(api.asked) <= 12  # of 50
        assert _time.now() < BEGIN + 1
        if not whole:
            api.fails = lambda _: refusal if BEGIN + 100 < _time.now() < BEGIN + 700 else None
            events = await until(BEGIN + 1800, client.follow_events([*api.events][:2], since=BEGIN, interval="2min"))
            assert keys(events) == [("c0", BEGIN + 600, 0)]

    run(scenario, {f"c{number}": [(BEGIN + 600, 0, BEGIN + 600)] * (number == 0) for number in range(50)})


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("body", [b"<html>", b"", b"error code: 1020", {"title": "Access denied", "error_code": 1020}])
def test_refusal_of_the_edge_is_asked_again_in_a_minute(status: int, body: Any) -> None:
    """An answer without envelope is none of the API's: it ends nothing, and is asked again as in an outage."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: Reply(body, status) if _time.now() < BEGIN + 630 else None
        events = await until(BEGIN + 800, client.follow_events("a", since=BEGIN))
        assert keys(events) == api.keys()
        refused = [at for at, _ in api.asked if at < BEGIN + 630]
        assert 10 <= len(refused) <= 11

    run(scenario, {"a": [(BEGIN + 10, 0, BEGIN + 20)]})


def test_failing_token_source_does_not_end_following(caplog: pytest.LogCaptureFixture) -> None:
    """A function that returns the token, and fails for hours after it had worked, is called again."""

    def token() -> str:
        if BEGIN + 100 < _time.now() < BEGIN + 2000:
            raise OSError("the file is being rewritten")
        return "arg-token-33bb"

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        async with Client(**client_options(client), api_token=token) as rotating:
            events = await until(BEGIN + 3000, rotating.follow_events(["a", "b"], since=BEGIN))
            assert sorted(keys(events)) == api.keys()

    arriving = [(BEGIN + i, 0, BEGIN + i) for i in range(0, 2500, 500)]
    run(scenario, {"a": arriving, "b": arriving})
    assert sum("API unreachable" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("whole", [False, True])
def test_token_source_that_never_worked_ends_following(whole: bool) -> None:
    async def scenario(api: ArrivingAPI, client: Client) -> None:
        async with Client(**client_options(client), api_token=lambda: "") as broken:
            connectors = broken.fleet() if whole else ["a"]
            with pytest.raises(ConfigurationError, match="returned no token"):
                await until(BEGIN + 9000, broken.follow_events(connectors, since=BEGIN))
        assert api.asked == []
        assert _time.now() < BEGIN + 1

    run(scenario, {"a": []})


@pytest.mark.parametrize(
    ("seconds", "requests", "says"),
    [("300", 6, "every 5min"), ("30", 30, "once a minute"), ("9" * 9, 2, "every 15min")],
)
def test_outage_that_names_a_time_is_probed_then(
    seconds: str, requests: int, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """During an outage no request is sent before the time that the answers name, up to a quarter of an hour."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.fails = lambda _: Reply(b"", 503, {"Retry-After": seconds}) if _time.now() < BEGIN + 1800 else None
        events = await until(BEGIN + 3000, client.follow_events("a", since=BEGIN))
        assert keys(events) == api.keys()
        down = [at for at, _ in api.asked if at < BEGIN + 1800]
        assert 0.85 * requests <= len(down) <= requests + 2
        gaps = [later - earlier for earlier, later in pairwise(down)]
        assert min(gaps) >= max(60, min(float(seconds), 900))
        assert f"API unreachable; retrying {says}: " in caplog.text

    run(scenario, {"a": [(BEGIN + 10, 0, BEGIN + 20)]}, retry=Retry(attempts=1))


@pytest.mark.once
def test_connectors_that_are_gone_leave_the_checkpoint() -> None:
    """A connector that left the account is dropped once it is older than the lookback; one that returns goes on."""
    visits = {f"gone-{day}": (BEGIN + day * DAY, BEGIN + day * DAY + 3600) for day in range(5)}
    events = {name: [(begin + 60, 0, begin + 61)] for name, (begin, _) in visits.items()}
    steady = [(BEGIN + hour * 3600, 0, BEGIN + hour * 3600) for hour in range(7 * 24)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.listed = lambda name: name == "a" or (name in visits and visits[name][0] <= api.now() < visits[name][1])
        follower = client.follow_events(client.fleet(), since=BEGIN, interval="30min", lookback="12h")
        received = await until(BEGIN + 6 * DAY, follower)
        assert {name for name, _, _ in keys(received)} == {"a", *visits}
        checkpoint = FollowCheckpoint.from_json(follower.checkpoint.to_json())
        assert list(checkpoint.connectors) == ["a"]
        visits["gone-2"] = BEGIN + 6 * DAY, BEGIN + 9 * DAY
        api.add("gone-2", (BEGIN + 6 * DAY + 60, 0, BEGIN + 6 * DAY + 61))
        rest = client.follow_events(client.fleet(), checkpoint=checkpoint, interval="30min", lookback="12h")
        more = await until(BEGIN + 6.2 * DAY, rest)
        assert [key for key in keys(more) if key[0] != "a"] == [("gone-2", BEGIN + 6 * DAY + 60, 0)]

    run(scenario, {"a": steady, **events})


@pytest.mark.once
def test_late_events_of_a_connector_that_was_away_come() -> None:
    """A connector that is back within the lookback delivers what it recorded before its newest delivered event."""
    away = [BEGIN + 4 * 3600, BEGIN + 8 * 3600]
    before, late = (BEGIN + 1000, 0, BEGIN + 1001), (BEGIN + 500, 0, BEGIN + 9 * 3600)
    steady = [(BEGIN + hour * 3600, 0, BEGIN + hour * 3600) for hour in range(24)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.listed = lambda name: name == "a" or not away[0] <= api.now() < away[1]
        follower = client.follow_events(client.fleet(), since=BEGIN, interval="30min", lookback="12h")
        received = await until(BEGIN + 12 * 3600, follower)
        assert [key for key in keys(received) if key[0] == "b"] == [("b", *before[:2]), ("b", *late[:2])]

    run(scenario, {"a": steady, "b": [before, late]})

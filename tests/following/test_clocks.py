"""Following while a clock is wrong: this machine's, an appliance's, or the API's own."""

import asyncio
import json
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from support.arriving import BEGIN, DAY, Arriving, ArrivingAPI
from support.following import keys, run, until

from cfevents import Client, FollowCheckpoint, Retry

HOUR = 3600
Ahead = Callable[[float], float]


def during(begin: float, end: float, seconds: float) -> Ahead:
    """A clock that is ahead for some hours from BEGIN on."""
    return lambda now: seconds if begin * HOUR <= now - BEGIN < end * HOUR else 0.0


def always(seconds: float) -> Ahead:
    return lambda _: seconds


def recorded(hours: int, ahead: int = 0, until_hour: int = 0) -> list[Arriving]:
    """An event every ten minutes, of an appliance whose clock is ahead in the first hours."""
    times = range(60, hours * HOUR, 600)
    wrong = {at: int(at < until_hour * HOUR) for at in times}
    return [(BEGIN + at + ahead * is_ahead, is_ahead, BEGIN + at + 1) for at, is_ahead in wrong.items()]


WRONG: dict[str, tuple[Ahead, Ahead]] = {
    "right": (always(0), always(0)),
    "two days ahead for a while": (during(5, 9, 2 * DAY), always(0)),
    "a year ahead in the beginning": (during(0, 5, 365 * DAY), always(0)),
    "two days behind": (always(-2 * DAY), always(0)),
    "in 1970": (always(-BEGIN), always(0)),
    "behind, then right": (during(0, 7, -30 * DAY), always(0)),
    "API two days ahead for a while": (always(0), during(5, 9, 2 * DAY)),
    "API a year behind": (always(0), always(-365 * DAY)),
}


@pytest.mark.once
@pytest.mark.parametrize("wrong", WRONG)
def test_one_wrong_clock_loses_and_delays_nothing(wrong: str) -> None:
    """Whichever clock is wrong beside an appliance's, each event comes once, and about as soon as it is collected."""
    ours, of_api = WRONG[wrong]
    events = {"ahead": recorded(90, 70 * HOUR, 10), "right": recorded(90)}

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.date_ahead = of_api
        received: list[Any] = []
        late: list[float] = []
        collected = {(name, t, n): a for name, events in api.events.items() for t, n, a in events}
        pace: dict[str, Any] = {"interval": "30min", "overlap": "1h", "deep_interval": "2h", "lookback": "6h"}
        since = None if "1970" in wrong or "behind" in wrong else BEGIN - HOUR
        follower = client.follow_events(["ahead", "right"], since=since, **pace)

        async def read() -> None:
            async for event in follower:
                received.append(event)
                (key,) = keys([event])
                # Events that are dated more than a day ahead are listed later: docs/following.md says so.
                late.append(api.now() - max(collected[key], key[1] - DAY))

        await ended(api, follower, read, 92 * HOUR)
        assert sorted(keys(received)) == api.keys()
        assert max(late) < 40 * 60
        # Those of the lookback, and those that an appliance dated in the future.
        assert wrong == "API a year behind" or len(follower.checkpoint.of("ahead").delivered) < 60 + 60

    run(scenario, events, ahead=ours, retry=Retry(attempts=1))


EVENTS = {"a": [(BEGIN + at, 0, BEGIN + at + 1) for at in range(-8 * HOUR, 2 * HOUR, 600)]}


@pytest.mark.parametrize("since", [None, "6h"])
@pytest.mark.parametrize("ours", [during(0, 1 / 60, 365 * DAY), always(2 * DAY), always(90 * HOUR)])
def test_follower_does_not_begin_in_the_future(since: Any, ours: Ahead, caplog: pytest.LogCaptureFixture) -> None:
    """A follower that a wrong clock lets begin in the future begins when it was meant to: its first batch says so."""
    begin = BEGIN if since is None else BEGIN - 6 * HOUR

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a", since=since, interval="10min")
        wrong = follower.checkpoint.since
        assert wrong > begin
        received: list[Any] = []
        stored: list[str] = []

        async def read() -> None:
            async for batch in follower.batches():
                received.extend(batch.items)
                stored.append(batch.checkpoint.to_json())

        await ended(api, follower, read, 3 * HOUR)
        assert keys(received) == [("a", t, n) for t, n, _ in api.events["a"] if t >= begin]
        first = FollowCheckpoint.from_json(stored[0])
        assert (begin - 2 <= first.since <= begin, first.connectors) == (True, {})
        assert follower.checkpoint.since == first.since

    run(scenario, EVENTS, ahead=ours)
    assert caplog.text.count("following was to begin at 20") == 1


def test_checkpoint_of_the_future_goes_on_now(caplog: pytest.LogCaptureFixture) -> None:
    """What a wrong clock made of a checkpoint in an earlier run does not stop the next one."""
    ahead = BEGIN + 300 * DAY
    mark: dict[str, Any] = {"since": ahead, "newest": None, "reached": None, "delivered": []}

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        state = json.loads(client.follow_events(["a", "b"], since=BEGIN - 5 * HOUR).checkpoint.to_json())
        stored = json.dumps(state | {"connectors": {"a": mark}})
        follower = client.follow_events(["a", "b"], checkpoint=stored, interval="10min")
        events = await until(BEGIN + 3 * HOUR, follower)
        begins = {"a": BEGIN, "b": BEGIN - 5 * HOUR}
        expected = [(name, t, n) for name, begin in begins.items() for t, n, _ in api.events[name] if t >= begin]
        assert sorted(keys(events)) == expected

    run(scenario, EVENTS | {"b": EVENTS["a"]})
    assert caplog.text.count("following was to begin at 20") == 1


def test_right_beginning_is_kept() -> None:
    """No empty batch comes where the clock is right within a minute, or behind: nothing is lost by that."""

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events("a")
        begin = follower.checkpoint.since
        await asyncio.sleep(HOUR)  # only then it is read
        async with aclosing(follower.batches()) as batches:
            batch = await anext(batches)
        assert batch.items
        assert batch.checkpoint.since == begin

    for ahead in (0, 50, -50, -2 * HOUR):
        run(scenario, EVENTS, ahead=always(ahead))


def test_status_shows_a_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    """A clock that is wrong by more than a minute is in the status, and once in the log."""

    async def scenario(_: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(["a", "b"], interval="10min")
        await until(BEGIN + HOUR, follower)
        assert {round(status.clock_ahead.total_seconds() / 60) for status in follower.status.values()} == {-120}
        assert follower.status["a"].backlog == timedelta(0)

    run(scenario, EVENTS | {"b": []}, ahead=always(-2 * HOUR))
    assert caplog.text.count("this machine's clock is 2h behind the API's: set it, by NTP") == 1


async def ended(api: ArrivingAPI, follower: Any, read: Callable[[], Any], seconds: float) -> None:
    """Read for a while, whatever the clocks show."""
    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=BEGIN + seconds - api.now())
    await follower.aclose()
    await task

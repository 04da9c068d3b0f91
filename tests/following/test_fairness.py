"""Following many connectors on one budget, some of which give no answer."""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise

import pytest
from support.arriving import BEGIN, DAY, ArrivingAPI
from support.following import run, until

from cfevents import Budget, Client


def most_within(times: list[float], seconds: float) -> int:
    """The most requests that came within some seconds."""
    return max(number - bisect_right(times, at - seconds) for number, at in enumerate(times, 1))


@pytest.mark.once
@pytest.mark.parametrize(("silent", "connectors"), [(30, 60), (3, 6), (1, 2)])
@pytest.mark.parametrize("first", ["silent", "healthy"])
def test_silent_connectors_delay_no_other(silent: int, connectors: int, first: str) -> None:
    """A healthy connector is polled within twice its interval while others never answer, from the beginning on."""
    names = [f"c{number:02}" for number in range(connectors)]
    quiet = {*(names[:silent] if first == "silent" else names[-silent:])}

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        api.hangs = lambda request: request.path.split("/")[7] in quiet
        end = BEGIN + 480
        await until(end, client.follow_events(names))
        asked = defaultdict(list)
        for at, name in api.asked:
            asked[name].append(at)
        gaps = [later - at for name in {*names} - quiet for at, later in pairwise([BEGIN, *asked[name], end])]
        assert max(gaps) <= 60
        # And they are looked at again and again.
        assert all(len(asked[name]) >= 4 for name in quiet)

    run(scenario, {name: [] for name in names})


@pytest.mark.once
@pytest.mark.parametrize("budget", [(300, 75.0), (60, 15.0)])
def test_polls_of_many_pages_leave_others_their_part(budget: tuple[int, float]) -> None:
    """Following takes at most four fifths of the budget in any of its periods, however many pages a poll has."""
    requests, period = budget
    # Clocks that are 20 hours ahead: each poll lists all of that again.
    ahead = [(BEGIN + at, 0, BEGIN - DAY) for at in range(0, 20 * 3600, 60)]

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        await until(BEGIN + 2 * period, client.follow_events(list(api.events), since=BEGIN - DAY, interval="1s"))
        times = [at for at, _ in api.asked]
        assert most_within(times, 0.9 * period) <= 0.8 * 0.9 * requests
        # Not much less either.
        assert len(times) >= 0.6 * 0.9 * requests * 2

    run(scenario, dict.fromkeys("abcde", ahead), page_size=20, budget=Budget(requests, period))


def test_wait_for_the_part_of_following_is_known() -> None:
    """Following knows for how long its own part of the budget makes it wait, where the budget itself has room."""
    waits = list[tuple[float, float]]()

    async def scenario(api: ArrivingAPI, client: Client) -> None:
        follower = client.follow_events(["a"], since=BEGIN - DAY, interval="1s")

        async def sample() -> None:
            while True:
                await asyncio.sleep(1)
                waits.append((api.now(), follower._progress().wait))

        sampling = asyncio.create_task(sample())
        await until(BEGIN + 90, follower)
        sampling.cancel()
        ends = [round(at + wait) for at, wait in waits if wait > 2]
        assert len(ends) >= 20
        asked = [at for at, _ in api.asked]
        assert all(any(abs(at - end) <= 2 for at in asked) for end in ends if end < BEGIN + 88)

    run(
        scenario,
        {"a": [(BEGIN - at, 0, BEGIN - at) for at in range(60, 3600, 60)]},
        page_size=1,
        budget=Budget(10, 60.0),
    )

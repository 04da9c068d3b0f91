"""What the tasks of a job read, without Spark: each event once, at the pace of their slots."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from attrs import evolve
from support.clock import StillLoop, run_jumping
from support.scripted import ScriptedAPI, failure, item, page, success

from cfevents import Client, ConfigurationError, NotFoundError, events
from cfevents.spark.options import Options
from cfevents.spark.parts import Part, cut
from cfevents.spark.reading import blocks, connectors, paced, read
from cfevents.spark.rows import schema
from cfevents.testing import Simulator, SimulatorThread
from cfevents.timespan import Timespan

DAY = 86_400
WINDOW = Timespan(1_700_000_000, 1_700_000_000 + 3 * DAY)
CUTS = [WINDOW.since + DAY, WINDOW.since + 2 * DAY]


def crowded_at_the_cuts() -> list[dict[str, Any]]:
    """Events all over a window, and many in the seconds around its cuts, by either of their times."""
    random, times = (
        Random(8),
        [(CUTS[0] + offset, CUTS[0] + offset + lag) for offset in range(-3, 4) for lag in (0, 1, 3)],
    )
    times += [(CUTS[1] - lag, CUTS[1] + offset) for offset in range(-2, 3) for lag in (0, 2, 500, 40_000)]
    times += [(WINDOW.since + offset, WINDOW.since + offset) for offset in (0, 1, 3 * DAY - 1, 3 * DAY)]
    times += [(when := random.randrange(*WINDOW), when + random.randrange(90_000)) for _ in range(400)]
    return [
        {"e": {"k": random.choice(["Init", "StartUpgrade"]), "url": f"https://u/{number}"}, "t": t, "n": number, "a": a}
        for number, (t, a) in enumerate(times)
    ]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with SimulatorThread(Simulator(events={"c1": crowded_at_the_cuts()}, quota=10**9)) as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in simulator.environment.items():
        monkeypatch.setenv(name, value)


def fast(**options: Any) -> Options:
    """Options for tasks that need not wait."""
    return Options(connectors=("c1",), **{"requests": 10**6, **options})


def set_environment(monkeypatch: pytest.MonkeyPatch, api: ScriptedAPI) -> None:
    """Let tasks find an API without an option."""
    options = api.client_options
    for name in ("api_token", "account_id", "base_url"):
        monkeypatch.setenv(f"CLOUDFLARE_{name.upper()}", str(options[name]))


def rows_of(parts: list[Part], options: Options) -> list[dict[str, Any]]:
    """What some tasks read, in no order."""
    rows = [row for part in parts for batch in read(part, options) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: (row["connector_id"], row["id"]))


def listed(since: int, until: int, **more: Any) -> list[dict[str, Any]]:
    """What the client's own listing has."""

    async def main() -> Any:
        async with Client() as client:
            return await client.list_events("c1", since=since, until=until, **more).to_arrow()

    return sorted(asyncio.run(main()).to_pylist(), key=lambda row: (row["connector_id"], row["id"]))


@pytest.mark.parametrize("compare", ["t", "a"])
@pytest.mark.parametrize("bounds", ["inclusive", "exclusive"])
@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "grouped"])
def test_the_parts_of_a_window_have_together_what_its_listing_has_once(
    simulator: Simulator, order: Any, bounds: Any, compare: Any
) -> None:
    simulator.order, simulator.bounds, simulator.compare = order, bounds, compare
    parts = cut(["c1"], WINDOW, slots=1)
    assert [part.window.until for part in parts[:-1]] == CUTS
    rows = rows_of(parts, fast())
    assert len(rows) > 300
    assert rows == listed(*WINDOW)


def test_the_seam_between_two_parts_is_asked_for_only_where_an_event_may_lie_in_it(simulator: Simulator) -> None:
    simulator.order, simulator.bounds, simulator.compare = "ascending", "inclusive", "t"
    quiet = CUTS[0] + 1000
    for begin, requests in ((CUTS[0], 2), (quiet, 1)):
        simulator.requests.clear()
        part = Part("c1", Timespan(begin - 1, begin + 600), Timespan(begin - 1, begin))
        _ = rows_of([part], fast(page_size=1000))
        asked = [(int(request.query["from"]), int(request.query["to"])) for request in simulator.requests]
        assert asked == [part.window, Timespan(begin - 1, begin)][:requests]


def test_a_fraction_of_a_second_at_a_seam_comes_once_where_the_bounds_are_of_whole_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = [CUTS[0] - 1.5, CUTS[0] - 0.5, CUTS[0] + 0.5]

    async def rounding(request: Any) -> Any:
        begin, end = int(request.query["from"]), int(request.query["to"])
        return await page(*(item(time) for time in times if math.ceil(time) >= begin and int(time) <= end))(request)

    async def main() -> list[float]:
        async with ScriptedAPI(rounding) as api:
            set_environment(monkeypatch, api)
            async with paced(fast()) as client:
                parts = cut(["c1"], Timespan(CUTS[0] - DAY, CUTS[0] + DAY), slots=1)
                found = [block for part in parts async for block in blocks(client, part, fast())]
        return sorted(event.recorded_ts for block in found for event in block.events)

    assert run_jumping(main(), StillLoop) == times


def test_a_batch_of_a_stream_has_the_same_events_however_late_it_is_read(simulator: Simulator) -> None:
    simulator.order, simulator.bounds, simulator.compare = "ascending", "inclusive", "t"
    window = Timespan(CUTS[0] - DAY, CUTS[0] + DAY)
    (first, second) = cut(["c1"], window, slots=1)
    until = CUTS[0] + 1
    rows = rows_of([evolve(part, collected_until=until) for part in (first, second)], fast())
    expected = [row for row in listed(*window) if row["collected_at"].timestamp() <= until]
    assert 0 < len(rows) < len(listed(*window))
    assert rows == expected
    assert rows_of([evolve(first, collected_until=until)], fast(details=True))


def test_kinds_and_payloads_are_read_where_they_are_wanted() -> None:
    options = fast(kind=("StartUpgrade",), details=True)
    parts = cut(["c1"], Timespan(CUTS[0] - DAY, CUTS[0] + DAY), slots=1)
    rows = rows_of(parts, options)
    assert {row["kind"] for row in rows} == {"StartUpgrade"}
    assert all(row["url"].startswith("https://u/") for row in rows)
    plain = listed(CUTS[0] - DAY, CUTS[0] + DAY, kind=events.StartUpgrade)
    assert [row["id"] for row in rows] == [row["id"] for row in plain]


@pytest.mark.parametrize("details", [False, True])
def test_batches_are_of_the_columns_that_spark_was_told(details: bool) -> None:
    part = Part("c1", Timespan(CUTS[0] - 5, CUTS[0] + 5))
    assert {batch.schema for batch in read(part, fast(details=details))} == {schema(payloads=details)}
    assert schema(payloads=False).field("kind").type == pa.string()


def test_a_task_that_is_given_up_leaves_nothing_behind(simulator: Simulator) -> None:
    simulator.requests.clear()
    reading = read(Part("c1", WINDOW), fast(page_size=10))
    assert next(iter(reading)).num_rows
    reading.close()  # type: ignore[attr-defined]


def test_an_error_says_whose_events_could_not_be_read() -> None:
    with pytest.raises(NotFoundError) as caught:
        rows_of([Part("gone", Timespan(0, 60))], fast())
    assert caught.value.__notes__ == ["connector 'gone', from 1970-01-01T00:00:00+00:00 to 1970-01-01T00:01:00+00:00"]


def test_an_error_says_so_too_where_a_bound_has_no_date() -> None:
    with pytest.raises(NotFoundError) as caught:
        rows_of([Part("gone", Timespan(-84_600_000_000, 60))], fast())
    assert caught.value.__notes__ == ["connector 'gone', from -84600000000 to 1970-01-01T00:01:00+00:00"]


def test_all_connectors_of_the_account_are_asked_for(simulator: Simulator) -> None:
    assert asyncio.run(connectors(Options(connectors=None, requests=10**6))) == ("c1",)
    simulator.requests.clear()
    assert asyncio.run(connectors(fast())) == ("c1",)
    assert simulator.requests == []


def test_the_token_is_found_where_the_options_say(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    part, file = Part("c1", Timespan(CUTS[0], CUTS[0] + 60)), tmp_path / "token"
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "env-token-77aa")
    monkeypatch.setenv("THE_OTHER", simulator.api_token)
    file.write_text(f"{simulator.api_token}\n")
    assert rows_of([part], fast(token_env="THE_OTHER"))
    assert rows_of([part], fast(token_file=str(file)))
    with pytest.raises(Exception, match=r"refused with status 40[13]"):
        rows_of([part], fast())


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ({"token_env": "NOT_THERE"}, "environment variable that token_env names is not set where this task runs"),
        ({"token_file": "none"}, "file that token_file names cannot be read where this task runs: No such file"),
        ({"token_file": "empty"}, "file that token_file names is empty where this task runs"),
        ({"token_file": "a\0b"}, "file that token_file names cannot be read where this task runs: no file has such"),
        ({"token_file": "binary"}, "file that token_file names cannot be read where this task runs: it is no text"),
    ],
)
def test_a_token_that_is_not_there_is_an_error_that_names_the_option(
    option: dict[str, str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    Path("binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=fault):
        rows_of([Part("c1", WINDOW)], fast(**option))


def test_a_block_that_a_task_meets_ends_in_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> float:
        async with ScriptedAPI(failure(429, 10100, headers={"Retry-After": "300"}), page(item(CUTS[0]))) as api:
            set_environment(monkeypatch, api)
            async with paced(fast()) as client:
                (block,) = [each async for each in blocks(client, Part("c1", WINDOW), fast())]
        assert (len(block.events), len(api.requests)) == (1, 2)
        return asyncio.get_running_loop().time()

    assert 300 <= run_jumping(main(), StillLoop) <= 301


class Arrivals:
    """An API that notes when it is asked, and tells nothing of its limits."""

    def __init__(self) -> None:
        self.times: list[float] = []

    async def __call__(self, request: Any) -> Any:
        loop = asyncio.get_running_loop()
        self.times.append(loop.time())
        await asyncio.sleep(Random(len(self.times)).uniform(0.001, 0.09))
        if request.path.endswith("/connectors"):
            return await success([])(request)
        number = int(request.query.get("cursor", "0"))
        return await page(cursor=str(number + 1) if number < 4 else None)(request)


@pytest.mark.parametrize("slots", [1, 2, 7, 8])
def test_tasks_that_follow_each_other_on_the_slots_keep_the_quota_though_none_tells_it_to_another(
    slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(connectors=None, requests=60, period=3.0, share=1.0, slots=slots)

    async def slot(numbers: Iterator[int]) -> None:
        for number in numbers:
            async with paced(options) as client:
                _ = [each async for each in blocks(client, Part(f"c{number}", WINDOW), options)]

    async def main(arrivals: Arrivals) -> float:
        loop = asyncio.get_running_loop()
        async with ScriptedAPI(arrivals) as api:
            set_environment(monkeypatch, api)
            for _ in range(3):  # jobs: each is planned, and then its tasks run
                await connectors(options)
                waiting = iter(range(9 + 2 * slots))
                await asyncio.gather(*(slot(waiting) for _ in range(slots)))
        return loop.time()

    arrivals = Arrivals()
    passed = run_jumping(main(arrivals), StillLoop)
    times = sorted(arrivals.times)
    assert len(times) == 3 * (1 + (9 + 2 * slots) * 5)
    assert min(later - time for time, later in zip(times, times[options.allowed :], strict=False)) >= options.period
    # What the even pace costs: an answer more for each request, and one more for each task.
    assert passed <= 3 * (options.pace + 0.09) * (2 + math.ceil((9 + 2 * slots) / slots) * 6)

"""What the tasks of a job read, without Spark: each event once, at the pace of their slots."""

import asyncio
import math
import traceback
from collections.abc import Iterator
from contextlib import aclosing
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from attrs import evolve
from support.clock import StillLoop, run_jumping
from support.scripted import ACCOUNT, TOKEN, ScriptedAPI, item, page, success

from cfevents import Client, FleetError, NotFoundError, events
from cfevents._time import TimeWindow
from cfevents.frames.tables import plain_schema
from cfevents.spark.options import Options
from cfevents.spark.partitions import EventPartition, partition_window
from cfevents.spark.reader import find_connectors, read, read_events, spark_columns
from cfevents.testing import Simulator, SimulatorThread

DAY = 86_400
WINDOW = TimeWindow(1_700_000_000, 1_700_000_000 + 3 * DAY)
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


def rows_of(parts: list[EventPartition], options: Options) -> list[dict[str, Any]]:
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
def test_partitions_together_equal_the_listing(simulator: Simulator, order: Any, bounds: Any, compare: Any) -> None:
    """The partitions of a window together have the events of its listing, once each."""
    simulator.order, simulator.bounds, simulator.compare = order, bounds, compare
    parts = partition_window(["c1"], WINDOW, slots=1)
    assert [part.window.until for part in parts[:-1]] == CUTS
    rows = rows_of(parts, fast())
    assert len(rows) > 300
    assert rows == listed(*WINDOW)


def test_seam_is_listed_only_if_needed(simulator: Simulator) -> None:
    """The seam between two partitions is listed only if an event may lie in it."""
    simulator.order, simulator.bounds, simulator.compare = "ascending", "inclusive", "t"
    quiet = CUTS[0] + 1000
    for begin, requests in ((CUTS[0], 2), (quiet, 1)):
        simulator.requests.clear()
        part = EventPartition("c1", TimeWindow(begin - 1, begin + 600), TimeWindow(begin - 1, begin))
        _ = rows_of([part], fast(page_size=1000))
        windows = [(int(request.query["from"]), int(request.query["to"])) for request in simulator.requests]
        assert windows == [part.window, TimeWindow(begin - 1, begin)][:requests]


def test_fractional_times_at_a_seam_come_once() -> None:
    """Events at fractions of a second come once, where the bounds mean whole seconds."""
    times = [CUTS[0] - 1.5, CUTS[0] - 0.5, CUTS[0] + 0.5]

    async def rounding(request: Any) -> Any:
        begin, end = int(request.query["from"]), int(request.query["to"])
        return await page(*(item(time) for time in times if math.ceil(time) >= begin and int(time) <= end))(request)

    async def main() -> list[float]:
        async with ScriptedAPI(rounding) as api, Client(**api.client_options) as client:
            parts = partition_window(["c1"], TimeWindow(CUTS[0] - DAY, CUTS[0] + DAY), slots=1)
            blocks = [block for part in parts async for block in read_events(client, part, fast())]
        return sorted(event.recorded_ts for block in blocks for event in block.events)

    assert run_jumping(main(), StillLoop) == times


def test_stream_batch_does_not_depend_on_when_it_is_read(simulator: Simulator) -> None:
    """A batch of a stream has the same events however late it is read."""
    simulator.order, simulator.bounds, simulator.compare = "ascending", "inclusive", "t"
    window = TimeWindow(CUTS[0] - DAY, CUTS[0] + DAY)
    (first, second) = partition_window(["c1"], window, slots=1)
    until = CUTS[0] + 1
    rows = rows_of([evolve(part, collected_until=until) for part in (first, second)], fast())
    expected = [row for row in listed(*window) if row["collected_at"].timestamp() <= until]
    assert 0 < len(rows) < len(listed(*window))
    assert rows == expected
    assert rows_of([evolve(first, collected_until=until)], fast(details=True))


def test_kinds_and_payloads_are_read() -> None:
    options = fast(kind=("StartUpgrade",), details=True)
    parts = partition_window(["c1"], TimeWindow(CUTS[0] - DAY, CUTS[0] + DAY), slots=1)
    rows = rows_of(parts, options)
    assert {row["kind"] for row in rows} == {"StartUpgrade"}
    assert all(row["url"].startswith("https://u/") for row in rows)
    plain = listed(CUTS[0] - DAY, CUTS[0] + DAY, kind=events.StartUpgrade)
    assert [row["id"] for row in rows] == [row["id"] for row in plain]


@pytest.mark.parametrize("details", [False, True])
def test_batches_have_the_declared_columns(details: bool) -> None:
    part = EventPartition("c1", TimeWindow(CUTS[0] - 5, CUTS[0] + 5))
    assert {batch.schema for batch in read(part, fast(details=details))} == {plain_schema(payloads=details)}
    assert plain_schema(payloads=False).field("kind").type == pa.string()


def test_column_types_mean_the_same_in_every_session() -> None:
    """With spark.sql.timestampType=TIMESTAMP_NTZ, "timestamp" would be a type without a zone."""
    for payloads in (False, True):
        types = dict(spark_columns(payloads=payloads))
        assert (types["recorded_at"], types["collected_at"]) == ("timestamp_ltz", "timestamp_ltz")
        assert {*types.values()} == {"string", "bigint", "timestamp_ltz"}


def test_abandoned_task_ends_cleanly(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    simulator.requests.clear()
    reading = read(EventPartition("c1", WINDOW), fast(page_size=10))
    assert next(iter(reading)).num_rows
    sent = len(simulator.requests)
    reading.close()  # type: ignore[attr-defined]
    assert len(simulator.requests) == sent
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelname != "DEBUG"] == []


def test_nothing_is_prefetched(simulator: Simulator) -> None:
    """No page is requested before the one before it was taken."""

    async def main() -> int:
        simulator.requests.clear()
        async with (
            Client() as client,
            aclosing(read_events(client, EventPartition("c1", WINDOW), fast(page_size=10))) as iterator,
        ):
            await anext(iterator)
            await asyncio.sleep(0.05)
            return len(simulator.requests)

    assert asyncio.run(main()) == 1
    assert simulator.requests[0].query["limit"] == "10"


def test_error_names_connector_and_window() -> None:
    with pytest.raises(NotFoundError) as caught:
        rows_of([EventPartition("gone", TimeWindow(0, 60))], fast())
    assert caught.value.__notes__ == ["connector 'gone', from 1970-01-01T00:00:00+00:00 to 1970-01-01T00:01:00+00:00"]


def test_error_has_no_traceback_of_ours() -> None:
    with pytest.raises(NotFoundError) as caught:
        rows_of([EventPartition("gone", TimeWindow(0, 60))], fast())
    lines = traceback.format_exception(caught.value)
    assert sum("site-packages" in line or "cfevents" in line for line in lines) < 8
    assert lines[-1].startswith("connector 'gone', from")


def test_error_names_bounds_without_a_date() -> None:
    with pytest.raises(NotFoundError) as caught:
        rows_of([EventPartition("gone", TimeWindow(-84_600_000_000, 60))], fast())
    assert caught.value.__notes__ == ["connector 'gone', from -84600000000 to 1970-01-01T00:01:00+00:00"]


async def test_unusable_connector_id_fails_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedAPI(success([{"id": "c1"}, {"id": "a/b"}])) as api:
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        options = Options(connectors=None, requests=10**6, base_url=api.base_url, account_id=ACCOUNT)
        with pytest.raises(FleetError, match="a/b"):
            await find_connectors(options)


def test_all_connectors_are_listed(simulator: Simulator) -> None:
    assert asyncio.run(find_connectors(Options(connectors=None, requests=10**6))) == ("c1",)
    simulator.requests.clear()
    assert asyncio.run(find_connectors(fast())) == ("c1",)
    assert simulator.requests == []

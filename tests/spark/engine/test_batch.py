"""Batches with a real Spark: what they have, what they cost, and what goes wrong."""

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.spark import load, options

from cfevents import Client
from cfevents.frames.tables import plain_schema
from cfevents.testing import History, Simulator, SimulatorThread, faults

SETTINGS = list(product(["ascending", "descending", "shuffled", "grouped"], ["inclusive", "exclusive"]))


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    history = History(seed=1, connectors=50, days=30)
    with SimulatorThread(Simulator(history=history, quota=10**7, max_page_size=1000)) as running:
        yield running


def in_order(table: pa.Table) -> pa.Table:
    """The same rows, sorted, with kinds as text."""
    return table.cast(plain_schema(payloads=False)).sort_by([("connector_id", "ascending"), ("id", "ascending")])


def listed(simulator: Simulator, connectors: list[str], **window: Any) -> pa.Table:
    """What the client's own listings have, page by page."""

    async def main() -> list[pa.Table]:
        async with Client(**simulator.client_options) as client:
            return [await client.list_events(connector, **window).to_arrow() for connector in connectors]

    return in_order(pa.concat_tables(asyncio.run(main()), promote_options="permissive"))


@pytest.mark.parametrize(("order", "bounds"), SETTINGS)
def test_fleet_batch_equals_its_listings(spark: Any, simulator: Simulator, order: Any, bounds: Any) -> None:
    """A batch over a fleet has, row for row, what its listings have, and costs hardly more."""
    assert simulator.history is not None
    simulator.order, simulator.bounds = order, bounds
    simulator.compare = "ta"[SETTINGS.index((order, bounds)) % 4 in {1, 2}]  # type: ignore[assignment]
    since, until = simulator.history.since, simulator.history.until
    simulator.requests.clear()
    own = listed(simulator, list(simulator.history.events), since=since, until=until)
    page_by_page = len(simulator.requests)
    simulator.requests.clear()
    rows = load(spark, simulator, connectors="all", since=since, until=until, slots=2).toArrow()
    assert own.num_rows > 400_000
    assert in_order(rows) == own
    assert len(simulator.requests) <= 1.5 * page_by_page


def test_failed_task_is_retried_without_doubles(spark: Any, small: Simulator) -> None:
    assert small.history is not None
    frame = load(spark, small, connectors="a,b,c", since="5d", slots=2, page_size=50)
    small.faults.add(faults.status(400), on=7)
    small.faults.add(faults.status(400), on=20)
    rows = frame.toArrow()
    assert sum(request.query.get("cursor") is None for request in small.requests) > len(small.history.events)
    own = listed(small, ["a", "b", "c"], since="5d")
    assert in_order(rows) == own


@pytest.mark.parametrize("zone", ["TIMESTAMP_NTZ", "TIMESTAMP_LTZ"])
def test_times_have_a_zone_in_every_session(spark: Any, small: Simulator, zone: str) -> None:
    """The session's setting says what "timestamp" means in its SQL, and nothing about this source."""
    spark.conf.set("spark.sql.timestampType", zone)
    try:
        frame = load(spark, small, connectors="a", since="5d")
        assert dict(frame.dtypes)["recorded_at"] == "timestamp"
        assert in_order(frame.toArrow()) == listed(small, ["a"], since="5d")
    finally:
        spark.conf.unset("spark.sql.timestampType")


def test_details_have_payloads(spark: Any, small: Simulator) -> None:
    rows = load(spark, small, connectors="a,b,c", since="5d", kind="StartUpgrade,RekeyStart", details="true").collect()
    assert {row.kind for row in rows} == {"StartUpgrade", "RekeyStart"}
    assert all((row.url or "https://").startswith("https://") for row in rows)
    assert all((row.tunnel_id is None) == (row.kind == "StartUpgrade") for row in rows)


def test_an_account_without_connectors_has_no_rows(spark: Any) -> None:
    with SimulatorThread(Simulator(events={}, quota=10**7)) as simulator:
        assert load(spark, simulator, connectors="all", since="4d").count() == 0


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"connectors": "a", "since": "4x", "slots": "-"}, ["since='4x' is not a time", "slots='-' is not a whole"]),
        ({"connectors": "a", "api_key": "x"}, ["api_key: options are shown in plans and logs"]),
        ({"connectors": "a"}, ["since is missing"]),
        ({"connectors": "a", "since": "1d", "lookback": "1h"}, ["lookback has no meaning for read"]),
    ],
)
def test_wrong_options_fail_before_a_job_starts(
    spark: Any, small: Simulator, given: dict[str, str], faults: list[str]
) -> None:
    with pytest.raises(Exception, match="these options of the format 'cfevents' cannot be used") as caught:
        load(spark, small, **given).count()
    assert all(f"- {fault}" in str(caught.value) for fault in faults)
    assert small.requests == []


def test_other_columns_are_refused(spark: Any, small: Simulator) -> None:
    reader = spark.read.format("cfevents").options(**options(small, connectors="a", since="1d"))
    with pytest.raises(Exception, match="the columns of the format 'cfevents' are fixed"):
        reader.schema("id string").load().count()


def test_missing_connector_fails_the_job_with_its_id(spark: Any, small: Simulator) -> None:
    with pytest.raises(Exception, match="connector 'nobody', from") as caught:
        load(spark, small, connectors="a,nobody", since="1d").count()
    assert "NotFoundError" in str(caught.value)


def test_several_accounts_are_several_reads(spark: Any, small: Simulator, tmp_path: Path) -> None:
    other = Simulator(events={"x": [{"e": {"k": "Init"}, "t": 1_700_000_000, "n": 0}]}, quota=10**7)
    other.account_id, other.api_token = "another", "arg-token-33bb"
    (tmp_path / "token").write_text("arg-token-33bb")
    with SimulatorThread(other):
        one = load(spark, small, connectors="a", since="1h")
        two = load(spark, other, connectors="all", since="1700000000", token_file=tmp_path / "token")
        assert one.union(two).where("connector_id = 'x'").count() == 1

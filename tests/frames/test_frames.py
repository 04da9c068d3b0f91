"""Tables of Arrow, pandas and polars: the same events in each of them, whatever the pages."""

import asyncio
import json
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, get_type_hints

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, details, listed, with_payload
from support.brief import examples
from support.scripted import ScriptedAPI, failure, item, page

import cfevents
from cfevents import Budget, Client, ConfigurationError, EventDetail, EventMetadata, Retry, events
from cfevents._extras import require_extra
from cfevents._model.results import EventBatch, EventColumns
from cfevents._protocol import responses
from cfevents._protocol.records import time_of
from cfevents.events import PAYLOAD_FIELDS
from cfevents.frames import tables
from cfevents.storage import Archive
from cfevents.testing import History, Simulator

LISTED = ["connector_id", "id", "recorded_at", "collected_at", "sequence", "kind"]
DETAILED = [*LISTED, "version", "url", "tunnel_id", "extra"]


def spelled(text: str | None) -> str | None:
    """Text as Arrow can hold it."""
    return None if text is None else text.encode(errors="backslashreplace").decode()


def listed_row(connector_id: str, event: EventMetadata) -> dict[str, Any]:
    """What a table has to say of an event, by the event's own attributes."""
    return {
        "connector_id": spelled(connector_id),
        "id": str(event.id),
        "recorded_at": time_of(event, "recorded_at"),
        "collected_at": time_of(event, "collected_at"),
        "sequence": event.sequence,
        "kind": spelled(event.kind),
    }


def detailed_row(connector_id: str, detail: EventDetail) -> dict[str, Any]:
    row = listed_row(connector_id, detail.metadata)
    if detail.recorded is None:
        return row | dict.fromkeys(["version", "url", "tunnel_id", "extra"])
    event = detail.recorded.event
    rest = event.payload if isinstance(event, events.UnknownEvent) else event.extra
    return row | {
        "version": spelled(detail.recorded.version),
        "url": spelled(getattr(event, "url", None)),
        "tunnel_id": spelled(getattr(event, "tunnel_id", None)),
        "extra": rest,
    }


def read(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table, with the JSON text in them read."""
    return [row | ({"extra": row["extra"] and json.loads(row["extra"])} if "extra" in row else {}) for row in rows]


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of whichever table."""
    if isinstance(frame, pa.Table):
        return read(frame.to_pylist())
    if isinstance(frame, pl.DataFrame):
        return read(frame.to_dicts())
    plain = frame.astype(object)
    return read(plain.where(plain.notna(), None).to_dict("records"))


async def blocks_of(blocks: Iterable[EventBatch]) -> AsyncGenerator[EventColumns, None]:
    for block in blocks:
        yield block.columns()


def frames_of(blocks: Sequence[EventBatch], *, payloads: bool = False, **options: Any) -> list[Any]:
    """The same events as each of the tables."""
    ways: Any = (tables.to_arrow, tables.to_pandas, tables.to_polars)
    return [asyncio.run(way(blocks_of(blocks), payloads=payloads, **options)) for way in ways]


@st.composite
def split(draw: st.DrawFn) -> tuple[list[EventDetail], list[list[EventDetail]]]:
    """Events, and the pages that they come in."""
    these = draw(st.lists(details(), max_size=8))
    cuts = sorted(draw(st.lists(st.integers(0, len(these)), max_size=4)))
    return these, [these[a:b] for a, b in zip([0, *cuts], [*cuts, len(these)], strict=True)]


@pytest.mark.once
@settings(max_examples=examples(150))
@given(made=split(), rows=st.integers(1, 9))
def test_all_frames_agree_with_the_events(made: tuple[list[EventDetail], list[list[EventDetail]]], rows: int) -> None:
    """All three frames agree with each other and with the events."""
    these, pages = made
    blocks = [EventBatch("c1", [event.metadata for event in page]) for page in pages]
    frames = frames_of(blocks, batch_events=rows)
    for frame in frames:
        assert rows_of(frame) == [listed_row("c1", event.metadata) for event in these]


@pytest.mark.once
@settings(max_examples=examples(150))
@given(made=split(), rows=st.integers(1, 9))
def test_all_frames_of_details_agree_with_the_events(
    made: tuple[list[EventDetail], list[list[EventDetail]]], rows: int
) -> None:
    """All three frames of details agree with each other and with the events."""
    _, pages = made
    blocks = [
        EventBatch(
            [f"site-{len(page)}"] * len(page), [event.metadata for event in page], [event.recorded for event in page]
        )
        for page in pages
    ]
    frames = frames_of(blocks, payloads=True, batch_events=rows)
    for frame in frames:
        assert rows_of(frame) == [detailed_row(f"site-{len(page)}", event) for page in pages for event in page]


@pytest.mark.once
@settings(max_examples=examples(60))
@given(made=split(), rows=st.integers(1, 9))
def test_any_split_into_pages_gives_the_same_table(
    made: tuple[list[EventDetail], list[list[EventDetail]]], rows: int
) -> None:
    these, pages = made
    whole, *_ = frames_of([EventBatch("c1", [event.metadata for event in these])])
    cut, *_ = frames_of([EventBatch("c1", [event.metadata for event in page]) for page in pages], batch_events=rows)
    assert cut.equals(whole)
    assert cut.schema == whole.schema


def test_column_types_do_not_depend_on_events() -> None:
    """The columns are of these types also where there is no event."""
    utc, text = pa.timestamp("us", tz="UTC"), pa.string()
    types = [text, text, utc, utc, pa.int64(), pa.dictionary(pa.int32(), text)]
    expected = pa.schema([*zip(LISTED, types, strict=True)])
    detailed = pa.schema([*zip(DETAILED, [*types, text, text, text, text], strict=True)])
    some = [EventBatch("c1", [listed(BEGIN)])]
    some_detailed = [EventBatch("c1", [listed(BEGIN)], [with_payload(listed(BEGIN)).recorded])]
    for blocks in ([], [EventBatch("c1", [])], some):
        arrow, pandas, polars = frames_of(blocks)
        assert arrow.schema == expected
        assert [str(dtype) for dtype in pandas.dtypes][2:] == ["datetime64[us, UTC]"] * 2 + ["int64", "category"]
        assert pandas["id"].dtype == frames_of(some)[1]["id"].dtype
        assert pandas["kind"].cat.categories.dtype == pandas["id"].dtype
        assert polars.dtypes == [pl.String, pl.String, *[pl.Datetime("us", "UTC")] * 2, pl.Int64, pl.Categorical]
    for blocks in ([], some_detailed):
        arrow, pandas, polars = frames_of(blocks, payloads=True)
        assert arrow.schema == detailed
        assert [*pandas.columns] == polars.columns == DETAILED
        assert polars.dtypes[6:] == [pl.String] * 4


def test_payload_fields_are_text_columns_of_their_own() -> None:
    """The documented payload fields are all text and none has the name of another column."""
    assert PAYLOAD_FIELDS == ("url", "tunnel_id")
    assert not {*PAYLOAD_FIELDS} & {*LISTED, "version", "extra"}
    for kind in events.KINDS.values():
        hints = get_type_hints(kind)
        assert {hints[name] for name in PAYLOAD_FIELDS if name in hints} <= {str | None}


def test_kinds_share_one_dictionary() -> None:
    """Kinds have one dictionary in the order in which they were seen."""
    pages = [["Init", "New"], ["Leave", "Init"], ["\ud800", "\\ud800", "New", "Last"]]
    blocks = [EventBatch("c1", [listed(BEGIN, kind=kind) for kind in kinds]) for kinds in pages]
    arrow, pandas, _ = frames_of(blocks, batch_events=1)
    assert [chunk.dictionary.to_pylist() for chunk in arrow["kind"].chunks] == [
        ["Init", "New", "Leave", "\\ud800", "Last"]
    ] * 3
    assert [*pandas["kind"].cat.categories] == ["Init", "New", "Leave", "\\ud800", "Last"]


def test_times_keep_microseconds_or_are_null() -> None:
    """Times keep their microseconds and are null where there is no date."""
    times = [1.5, 0.000001, 1_700_000_000.25, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 2**62]
    arrow, *_ = frames_of([EventBatch("c1", [listed(time) for time in times])])
    whole, *_ = frames_of([EventBatch("c1", [listed(time) for time in times if isinstance(time, int)])])
    assert arrow["recorded_at"].cast(pa.int64()).to_pylist() == [
        1_500_000, 1, 1_700_000_000_250_000, -62_135_596_800_000_000, None, 253_402_300_799_000_000, None, None,
    ]  # fmt: skip
    assert whole["recorded_at"].to_pylist() == arrow["recorded_at"].to_pylist()[3:]
    assert arrow["id"].to_pylist()[:2] == ["1.5.0", "1e-06.0"]


def test_empty_payload_differs_from_no_payload() -> None:
    """A payload that is there and empty is told from one that is not."""
    first, second = listed(BEGIN), listed(BEGIN + 1)
    recorded = cfevents.RecordedEvent(events.Init(), BEGIN, 0)
    arrow, *_ = frames_of([EventBatch("c1", [first, second], [recorded, None])], payloads=True)
    assert arrow["extra"].to_pylist() == ["{}", None]


def test_events_keep_their_connectors_in_one_batch() -> None:
    """Pages of several connectors go together and each event keeps its own."""
    blocks = [EventBatch(name, [listed(BEGIN)]) for name in ("a", "a", "b")]
    arrow, *_ = frames_of([*blocks, EventBatch(["c", "a"], [listed(BEGIN), listed(BEGIN)])])
    assert arrow["connector_id"].to_pylist() == ["a", "a", "b", "c", "a"]


def test_pages_of_few_events_go_together_and_a_page_is_a_batch() -> None:
    blocks = [EventBatch("c1", [listed(BEGIN + offset)]) for offset in range(19)]
    arrow, *_ = frames_of([*blocks, EventBatch("c1", [listed(BEGIN)] * 30)], batch_events=10)
    assert [len(batch) for batch in arrow.to_batches()] == [10, 39]


def test_large_table_needs_little_extra_memory() -> None:
    """A table of 100 000 events takes little more memory than it has itself."""
    frames_of([EventBatch("c1", [listed(BEGIN)])])  # which loads what is loaded late
    peak, before = 0, pa.total_allocated_bytes()

    async def blocks() -> AsyncGenerator[EventColumns, None]:
        nonlocal peak
        for number in range(100):
            events = [listed(BEGIN + number * 1000 + offset) for offset in range(1000)]
            yield EventBatch("0123456789abcdef" * 2, events).columns()
            peak = max(peak, pa.total_allocated_bytes() - before + tracemalloc.get_traced_memory()[1])

    tracemalloc.start()
    try:
        table = asyncio.run(tables.to_arrow(blocks(), payloads=False))
        peak = max(peak, pa.total_allocated_bytes() - before + tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert len(table) == 100_000
    assert peak < 2 * table.nbytes + 10_000_000


@asynccontextmanager
async def opened(**options: Any) -> AsyncGenerator[tuple[Simulator, Client], None]:
    history = History(seed=3, connectors=["a", "b"], days=1, until=1_780_000_000)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(history=history, quota=10**7, **options))
        client = Client(**simulator.client_options, budget=Budget(10**7), retry=Retry(attempts=1))
        yield simulator, await stack.enter_async_context(client)


WINDOW: dict[str, Any] = {"since": 1_780_000_000 - 86_400, "until": 1_780_000_000}


@pytest.mark.parametrize("options", [{}, {"concurrency": 3}, {"kind": ["Init", "Leave"]}])
async def test_a_stream_becomes_the_tables_of_its_events(options: dict[str, Any]) -> None:
    async with opened(max_page_size=20) as (_, client):
        stream = client.list_events("a", **WINDOW, **options)
        expected = [listed_row("a", event) for event in await stream.collect()]
        assert expected
        for frame in (await stream.to_arrow(), await stream.to_pandas(), await stream.to_polars()):
            assert rows_of(frame) == expected


async def test_no_event_is_made_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """With msgspec, its own objects go into columns; what they lack for an event, a table does not need."""
    pytest.importorskip("msgspec")
    async with opened(max_page_size=20) as (_, client):
        expected = [listed_row("a", event) for event in await client.list_events("a", **WINDOW).collect()]
        monkeypatch.setattr(responses, "convert_listing", None)
        assert rows_of(await client.list_events("a", **WINDOW).to_arrow()) == expected
        assert rows_of(await client.list_events("a", **WINDOW, concurrency=3).to_arrow()) == expected
        assert len(await client.fleet(["a"]).list_events(**WINDOW).to_arrow()) == len(expected)


async def test_details_become_tables_with_payloads() -> None:
    """The details of a stream become the tables of its events with payloads."""
    async with opened(max_page_size=20) as (_, client):
        stream = client.list_events("a", since=1_780_000_000 - 20_000, until=1_780_000_000)
        expected = [detailed_row("a", event) async for event in stream.details()]
        assert expected
        for frame in (
            await stream.details().to_arrow(),
            await stream.details(concurrency=2).to_pandas(),
            await stream.details().to_polars(),
        ):
            assert rows_of(frame) == expected


async def test_fleet_becomes_tables_with_connectors() -> None:
    """A fleet and its details become tables that tell whose each event is."""
    async with opened() as (_, client):
        stream = client.fleet().list_events(since=1_780_000_000 - 9_000, until=1_780_000_000)
        expected = [listed_row(event.connector_id, event.event) for event in await stream.collect()]
        assert {row["connector_id"] for row in expected} == {"a", "b"}
        for frame in (await stream.to_arrow(), await stream.to_pandas(), await stream.to_polars()):
            assert rows_of(frame) == expected
        events = [event async for event in stream.details()]
        assert rows_of(await stream.details().to_polars()) == [
            detailed_row(event.connector_id, event.event) for event in events
        ]


async def test_an_archive_becomes_the_same_tables(tmp_path: Path) -> None:
    these = [with_payload(listed(BEGIN + offset)) for offset in range(5)] + [EventDetail(listed(BEGIN + 9), None)]
    async with Archive(tmp_path / "events.db") as archive:
        await archive.append(batch(these))
        stream = archive.list_events("c1", since=BEGIN, until=BEGIN + 9)
        assert rows_of(await stream.to_arrow()) == [listed_row("c1", event.metadata) for event in these]
        assert rows_of(await stream.details().to_pandas()) == [detailed_row("c1", event) for event in these]
        assert len(await archive.list_events("other", since=BEGIN).to_polars()) == 0


async def test_details_that_were_begun_give_a_table_of_the_rest() -> None:
    async with opened() as (_, client):
        details = client.list_events("a", since=1_780_000_000 - 20_000, until=1_780_000_000).details()
        first = await anext(details)
        table = await details.to_arrow()
        assert str(first.metadata.id) not in table["id"].to_pylist()
        assert len(await details.to_arrow()) == 0


async def test_incomplete_table_raises_as_iterating_does() -> None:
    """A table that cannot be had whole raises what iterating raises."""
    async with (
        ScriptedAPI(page(item(1), cursor="x"), failure(403)) as api,
        Client(**api.client_options) as client,
    ):
        with pytest.raises(cfevents.PermissionDeniedError) as raised:
            await client.list_events("c1", since=1, until=9).to_arrow()
        assert raised.value.checkpoint is not None


@pytest.mark.parametrize(
    ("method", "library", "extra"),
    [
        ("to_arrow", "pyarrow", "arrow"),
        ("to_parquet", "pyarrow", "arrow"),
        ("to_pandas", "pandas", "pandas"),
        ("to_pandas", "pyarrow", "pandas"),
        ("to_polars", "polars", "polars"),
        ("to_polars", "pyarrow", "polars"),
        ("progress", "tqdm", "notebook"),
    ],
)
async def test_what_lacks_its_extra_names_it_before_anything_is_sent(
    method: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    arguments = ["events.parquet"] if method == "to_parquet" else []
    async with ScriptedAPI(page(item(1))) as api, Client(**api.client_options) as client:
        stream: Any = client.list_events("c1", since=1, until=9)
        for reader in (stream, stream.details(), client.fleet(["c1"]).list_events(since=1, until=9)):
            with pytest.raises(ConfigurationError) as raised:
                made = getattr(reader, method)(*arguments)
                await made
            assert str(raised.value) == f"{library} is not installed: pip install 'cfevents[{extra}]'"
        assert api.requests == []


def test_broken_library_names_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is there and lacks something itself says what."""
    (tmp_path / "broken_library.py").write_text("import what_it_lacks")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_lacks"):
        require_extra("arrow", "broken_library")


async def test_details_are_an_async_generator_still() -> None:
    async with opened() as (_, client):
        stream = client.list_events("a", since=1_780_000_000 - 20_000, until=1_780_000_000)
        details = stream.details()
        assert isinstance(details, AsyncGenerator)
        assert [await details.asend(None), await anext(details)] == (await first_of(stream))[:2]
        with pytest.raises(KeyError, match="the caller's own"):
            await details.athrow(KeyError("the caller's own"))
        assert [event async for event in details] == []
        await details.aclose()


async def first_of(stream: cfevents.EventStream) -> list[EventDetail]:
    return [event async for event in stream.details()]

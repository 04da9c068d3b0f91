"""What a user's variables are. Checked by the type checkers, never run."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, assert_type

import polars as pl

from cfevents import (
    APIStatusError,
    Batch,
    CfEventsError,
    Checkpoint,
    Client,
    CodedMessage,
    Connector,
    ConnectorStatus,
    Details,
    EventDetail,
    EventId,
    EventMetadata,
    EventStream,
    Fleet,
    FleetError,
    FleetEvent,
    FleetStream,
    FollowCheckpoint,
    FollowedEvent,
    Follower,
    Interrupt,
    InterruptOptions,
    Page,
    RateLimitError,
    RecordedEvent,
    Watch,
    WatchCheckpoint,
    events,
    operations,
    structure,
    unstructure,
)
from cfevents.storage import Archive, ArchivedStream, Extent, NDJSONFile
from cfevents.testing import History, Simulator


async def listing(client: Client) -> None:
    stream = client.list_events("c", since="24h", until=datetime.now().astimezone(), kind=[events.Init, "New"])
    assert_type(stream, EventStream)
    assert_type(stream.since, int)
    assert_type(stream.pages(), AsyncGenerator[Page, None])
    assert_type(await stream.collect(), list[EventMetadata])
    client.list_events("c", since=timedelta(hours=1), kind=events.StartUpgrade, page_size=5, timeout=60)
    client.list_events("c", since=1, until=2.5, cursor="x")
    client.list_events("c", since=1, until=2, checkpoint='{"version":1}', prefetch=0, concurrency=8)
    async for event in stream:
        assert_type(event, EventMetadata)
        assert_type(event.recorded_at, datetime)
        assert_type(event.collected_at, datetime)
        assert_type(event.lag, timedelta)
        assert_type(event.id, EventId)
        assert_type(event.kind, str)
        assert_type(event.recorded_ts, int | float)
        assert_type(event.sequence, int)
        assert_type(event.extra, dict[str, Any])
    for _ in stream:  # type: ignore[attr-defined]
        await stream  # type: ignore[misc]
    async for page in stream.pages():
        assert_type(page.items, tuple[EventMetadata, ...])
        assert_type(page.cursor, str | None)
        assert_type(page.checkpoint, Checkpoint | None)
        assert_type(page.messages, tuple[CodedMessage, ...])


async def details(client: Client) -> None:
    stream = client.list_events("c", since="24h")
    assert_type(stream.details(), Details[EventDetail])
    generator: AsyncGenerator[EventDetail, None] = stream.details()
    assert_type(await anext(generator), EventDetail)
    async for detail in stream.details(concurrency=4, kinds=[events.StartUpgrade, "New"]):
        assert_type(detail, EventDetail)
        assert_type(detail.metadata, EventMetadata)
        assert_type(detail.recorded, RecordedEvent | None)


async def frames(client: Client) -> None:
    stream = client.list_events("c", since="24h")
    fleet = client.fleet().list_events(since="24h")
    assert_type(stream.progress(), EventStream)
    assert_type(stream.progress().details().progress(), Details[EventDetail])
    assert_type(fleet.progress(), FleetStream)
    assert_type(await stream.to_polars(), pl.DataFrame)
    assert_type(await stream.details(kinds=events.StartUpgrade).to_polars(), pl.DataFrame)
    assert_type(await fleet.details().to_polars(), pl.DataFrame)
    assert_type(await fleet.to_parquet(Path("events.parquet")), int)
    (await stream.to_arrow()).column("kind")
    (await stream.to_pandas()).groupby("kind")
    async for event in stream.progress():
        assert_type(event, EventMetadata)


async def following(client: Client) -> None:
    follower = client.follow_events(["c"], since="1h", interval=30, lookback=timedelta(hours=24), kind=events.Init)
    assert_type(follower, Follower[EventMetadata])
    async for event in follower:
        assert_type(event, FollowedEvent[EventMetadata])
        assert_type(event.connector_id, str)
        assert_type(event.late, bool)
    async for batch in follower.once().batches():
        assert_type(batch, Batch[EventMetadata])
        assert_type(batch.items, tuple[FollowedEvent[EventMetadata], ...])
        assert_type(FollowCheckpoint.from_json(batch.checkpoint.to_json()), FollowCheckpoint)
    detailed = client.follow_events(client.fleet(), checkpoint=follower.checkpoint).details(concurrency=4, kinds="New")
    assert_type(detailed, Follower[EventDetail])
    async for detail in detailed:
        assert_type(detail.event, EventDetail)
    assert_type(follower.status, dict[str, ConnectorStatus])
    watch = follower.findings(limits=operations.Limits(), checkpoint="{}")
    assert_type(watch, Watch)
    async for update in watch:
        assert_type(update, operations.FindingUpdate)
        assert_type(update.finding, operations.Finding)
    assert_type(WatchCheckpoint.from_json(watch.checkpoint.to_json()), WatchCheckpoint)
    await follower.aclose()


async def fleet(client: Client) -> None:
    assert_type(client.fleet(), Fleet)
    some = client.fleet((name for name in "abc"), concurrency=4, on_error="collect")
    assert_type(some.errors, dict[str, CfEventsError])
    stream = some.list_events(since="24h", until=datetime.now().astimezone(), kind=events.Init, page_size=5)
    assert_type(stream, FleetStream)
    assert_type(stream.since, int)
    assert_type(stream.until, int)
    assert_type(await stream.collect(), list[FleetEvent[EventMetadata]])
    async for listed in stream:
        assert_type(listed, FleetEvent[EventMetadata])
        assert_type(listed.connector_id, str)
        assert_type(listed.event, EventMetadata)
    assert_type(stream.details(kinds="New"), Details[FleetEvent[EventDetail]])
    async for detail in stream.details(concurrency=4):
        assert_type(detail, FleetEvent[EventDetail])
        assert_type(detail.event, EventDetail)
    async for latest in some.latest_events():
        assert_type(latest, FleetEvent[RecordedEvent])
        assert_type(latest.event.event, events.Event)


async def storing(client: Client) -> None:
    async with NDJSONFile("events.ndjson", checkpoint=Path("elsewhere")) as file:
        assert_type(file, NDJSONFile)
        assert_type(file.checkpoint, str | None)
        follower = client.follow_events("c", checkpoint=file.checkpoint)
        async for batch in follower.batches():
            await file.write(batch)
        async for detailed in follower.details().once().batches():
            await file.write(detailed)
        file.reopen()
    with NDJSONFile(Path("events.ndjson")) as plain:
        assert_type(plain, NDJSONFile)


async def archive(client: Client) -> None:
    async with Archive("events.db", account_id="a", timeout=5) as archive:
        assert_type(archive, Archive)
        assert_type(await archive.extents(), dict[str, Extent | None])
        assert_type(await archive.sync(client, since="30d", details=True), int)
        await archive.sync(client, "c", kind=events.Init, follow=True, interval="1min", lookback=timedelta(days=2))
        await archive.sync(client, client.fleet(["c"]))
        async for batch in client.follow_events(["c"]).batches():
            assert_type(await archive.append(batch), int)
        stream = archive.list_events("c", since="24h", until=datetime.now().astimezone(), kind=[events.Init, "New"])
        assert_type(stream, ArchivedStream)
        assert_type(stream.since, int)
        assert_type(stream.pages(), AsyncGenerator[Page, None])
        assert_type(await stream.collect(), list[EventMetadata])
        assert_type(stream.details(concurrency=4, kinds="New"), Details[EventDetail])
        async for event in stream:
            assert_type(event, EventMetadata)
            assert_type(await archive.get_event("c", event), RecordedEvent)
        assert_type(await archive.latest_events("c", limit=3), list[RecordedEvent])
        assert_type(await archive.list_connectors(), list[str])
        assert_type(await archive.prune(before="90d"), int)


def checkpoint(client: Client, saved: Checkpoint) -> None:
    assert_type(Checkpoint.from_json(saved.to_json()), Checkpoint)
    assert_type(saved.connector_id, str)
    assert_type(saved.since, int)
    assert_type(saved.until, int)
    assert_type(saved.kind, str | tuple[str, ...] | None)
    assert_type(saved.cursor, str | None)
    assert_type(saved.finished, bool)
    client.list_events(saved.connector_id, since=saved.since, until=saved.until, kind=saved.kind, checkpoint=saved)


async def failing_fleet(client: Client) -> None:
    try:
        await client.fleet(["a"]).list_events(since=1).collect()
    except FleetError as error:
        assert_type(error.errors, Mapping[str, CfEventsError])
        assert_type(error.exceptions, tuple[CfEventsError | ExceptionGroup[CfEventsError], ...])
        for name, exception in error.errors.items():
            assert_type(name, str)
            assert_type(exception.checkpoint, Checkpoint | None)


async def single(client: Client, event: EventMetadata) -> str:
    recorded = await client.get_event("c", event)
    assert_type(recorded, RecordedEvent)
    assert_type(await client.get_event("c", event.id), RecordedEvent)
    assert_type(await client.get_event("c", "1700000000.3"), RecordedEvent)
    assert_type(await client.latest_events("c"), list[RecordedEvent])
    assert_type(await client.list_connectors(), list[Connector])
    (interrupt, *interrupts) = await client.list_interrupts("c", timeout=10)
    assert_type(interrupts, list[Interrupt])
    assert_type(interrupt.operation, Literal["restart", "reboot", "shutdown"] | None)
    assert_type(interrupt.reboot, InterruptOptions | None)
    assert_type(interrupt.triggered_at, str | None)
    assert_type(recorded.version, str | None)
    match recorded.event:
        case events.StartUpgrade(url=url):
            assert_type(url, str | None)
        case events.RekeyStart(tunnel_id=tunnel):
            assert_type(tunnel, str | None)
        case events.UnknownEvent(kind=kind, payload=payload):
            assert_type(kind, str)
            assert_type(payload, dict[str, Any])
        case other:
            return other.description
    return recorded.kind


async def opening() -> None:
    async with Client() as client:
        assert_type(client, Client)
    assert_type(await Client(api_token=lambda: "t").open(), Client)

    async def token() -> str:
        return "t"

    Client(api_token=token, timeout=5)
    async with Simulator(history=History(days=1)) as simulator:
        Client(**simulator.client_options)


def json_and_back(raw: object) -> None:
    assert_type(structure(raw, EventMetadata), EventMetadata)
    assert_type(unstructure(EventId(1, 2)), Any)
    assert_type(EventId.parse("1.2"), EventId)


def failing(client: Client, error: APIStatusError) -> None:
    assert_type(error.status, int)
    assert_type(error.errors, tuple[CodedMessage, ...])
    assert_type(error.cursor, str | None)
    assert error.since is not None
    client.list_events("c", since=error.since, until=error.until, kind=error.kind, cursor=error.cursor)
    assert_type(error.checkpoint, Checkpoint | None)
    client.list_events("c", since=error.since, until=error.until, kind=error.kind, checkpoint=error.checkpoint)
    if isinstance(error, RateLimitError):
        assert_type(error.retry_after, int | None)
        assert_type(error.resume_after, int | None)
        assert_type((error.from_edge, error.errors[0].chain), tuple[bool, tuple[CodedMessage, ...]])


async def meaning(client: Client, archive: Archive) -> None:
    stream = client.list_events("c", since="24h")
    everything = await stream.collect()
    assert_type(operations.report(everything).to_html(notes=["late"]), str)
    assert_type(operations.spans(everything), list[operations.Span])
    assert_type(await operations.spans(stream), list[operations.Span])
    assert_type(await operations.spans(stream.details()), list[operations.Span])
    assert_type(await operations.rekeys(archive.list_events("c", since="24h")), list[operations.Rekey])
    assert_type(operations.runs(await client.latest_events("c"), limits=operations.Limits()), list[operations.Run])
    assert_type(await operations.ha(client.fleet().list_events(since=1)), list[operations.HaActivity])
    assert_type(await operations.slots(client.follow_events(["c"]).once()), list[operations.Slot])
    journal = await operations.Journal.read(stream, connector_id="c")
    assert_type(journal, operations.Journal)
    assert_type(operations.gaps(journal, until=datetime.now().astimezone()), list[operations.Gap])
    assert_type(operations.lags(journal, percentages=[50]), list[operations.Lags])
    assert_type(operations.unknowns(journal), list[operations.Unknown])
    report = operations.report(journal, until=1)
    assert_type(report, operations.Report)
    assert_type(await operations.report(stream, until=1.5), operations.Report)
    known = {name: None if extent is None else extent.until for name, extent in (await archive.extents()).items()}
    assert_type(operations.report(journal, since=1, connectors=known, known_until=known), operations.Report)
    assert_type(operations.report(journal, connectors=await client.list_connectors()), operations.Report)
    assert_type(report.connectors[0].last_heartbeat, datetime | None)
    assert_type(report.findings, tuple[operations.Finding, ...])
    assert_type(report.findings[0].event_ids, tuple[EventId, ...])
    assert_type(report.connectors[0].lags, operations.Lags | None)
    assert_type(report.worst, Literal["info", "warning", "error", "critical"] | None)
    async for batch in client.follow_events(["c"]).batches():
        journal.update(batch.items)

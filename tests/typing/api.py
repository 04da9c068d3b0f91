"""What a user's variables are. Checked by the type checkers, never run."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any, assert_type

from cfevents import (
    APIStatusError,
    Client,
    CodedMessage,
    Connector,
    EventId,
    EventMetadata,
    EventStream,
    Page,
    RateLimitError,
    RecordedEvent,
    events,
    structure,
    unstructure,
)
from cfevents.testing import History, Simulator


async def listing(client: Client) -> None:
    stream = client.list_events("c", since="24h", until=datetime.now().astimezone(), kind=[events.Init, "New"])
    assert_type(stream, EventStream)
    assert_type(stream.since, int)
    assert_type(stream.pages(), AsyncGenerator[Page, None])
    assert_type(await stream.collect(), list[EventMetadata])
    client.list_events("c", since=timedelta(hours=1), kind=events.StartUpgrade, page_size=5, timeout=60)
    client.list_events("c", since=1, until=2.5, cursor="x")
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
    async for page in stream.pages():
        assert_type(page.items, tuple[EventMetadata, ...])
        assert_type(page.cursor, str | None)
        assert_type(page.messages, tuple[CodedMessage, ...])


async def single(client: Client, event: EventMetadata) -> str:
    recorded = await client.get_event("c", event)
    assert_type(recorded, RecordedEvent)
    assert_type(await client.get_event("c", event.id), RecordedEvent)
    assert_type(await client.get_event("c", "1700000000.3"), RecordedEvent)
    assert_type(await client.latest_events("c"), list[RecordedEvent])
    assert_type(await client.list_connectors(), list[Connector])
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
    if isinstance(error, RateLimitError):
        assert_type(error.retry_after, int | None)

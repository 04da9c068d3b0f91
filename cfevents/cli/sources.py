"""Where commands read from: the API, a simulated account or an archive; one connector or several."""

import heapq
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from itertools import repeat
from typing import Any, TypeAlias

import aiohttp
from stamina import instrumentation

from cfevents import (
    ArchiveError,
    Budget,
    Client,
    EventStream,
    Fleet,
    FleetEvent,
    FleetStream,
    RecordedEvent,
    _time,
)
from cfevents.cli.console.errors import Failure, WrongUsage, arguments_checked
from cfevents.cli.console.output import Zone
from cfevents.cli.console.progress import show_waits
from cfevents.cli.console.views import metadata_of
from cfevents.storage import Archive, ArchivedStream
from cfevents.testing import LiveHistory, Simulator

Streams: TypeAlias = Mapping[str, EventStream | FleetStream | ArchivedStream]
"""Streams by connector; the one of a fleet, whose events name their connectors, under an empty id."""

# Events of a batch that is merged from several streams.
_MERGED_BATCH_EVENTS = 1000
_MAX_PAYLOAD_REQUESTS = 8
# Ids of an archive that a message names.
_MAX_NAMED_IDS = 5


def simulated_account(port: int = 0, speed: float = 1) -> tuple[Simulator, str]:
    """Create the simulated account: the past of a week up to now, which then goes on.

    All processes of one UTC day see the same past, so that one can get what another has listed.

    Args:
        port: The port to listen on; 0 for a free one.
        speed: How much faster than real time its appliances live from now on.

    Returns:
        The simulator, not yet started, and the id of its first connector.
    """
    history = LiveHistory(speed=speed, clock=_time.now)
    return Simulator(history=history, port=port), next(iter(history.events))


@asynccontextmanager
async def open_client(simulate: bool, speed: float | None = None) -> AsyncIterator[Client]:
    """Open a client, and show its waits in the status line.

    Args:
        simulate: Whether to read from a simulated account, which runs as long as the client.
        speed: How much faster than real time that account lives; None for real time.

    Raises:
        ConfigurationError: The environment lacks credentials or an account.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_stamina_silenced())
        budget = Budget()
        if simulate:
            simulator = await stack.enter_async_context(simulated_account(speed=speed or 1)[0])
            # A session of our own: the client's would use the environment's proxy, which cannot reach this machine.
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = Client(**simulator.client_options, session=session, budget=budget)
        else:
            with arguments_checked():
                client = Client(budget=budget)
        await stack.enter_async_context(client)
        stack.enter_context(show_waits(lambda: budget.wait))
        yield client


@contextmanager
def _stamina_silenced() -> Iterator[None]:
    """Keep stamina from logging retries: the library does, and stamina would with structlog on stdout."""
    before = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([])
    try:
        yield
    finally:
        instrumentation.set_on_retry_hooks(before)


async def connector_or_first(client: Client, connector: str | None) -> str:
    """Return the given connector, by default the account's first."""
    return (await client.list_connectors())[0].id if connector is None else connector


async def connectors_or_first(client: Client, connectors: tuple[str, ...], all_: bool) -> list[str] | Fleet:
    """Return all connectors, the given ones, or by default the account's first."""
    if all_:
        return client.fleet()
    with arguments_checked():
        return list(dict.fromkeys(connectors)) or [await connector_or_first(client, None)]


@asynccontextmanager
async def open_archive(path: str) -> AsyncIterator[Archive]:
    """Open an archive for reading: the environment's account, or, if that is not in it, the only one that is.

    Raises:
        ArchiveError: The archive cannot be opened.
        WrongUsage: The archive has several other accounts.
    """
    account = os.environ.get("CLOUDFLARE_ACCOUNT_ID", "").strip() or None
    async with AsyncExitStack() as stack:
        archive = await stack.enter_async_context(Archive(path, account_id=account))
        if account is not None and not await archive.list_connectors():
            archive = await stack.enter_async_context(Archive(path))
            try:
                await archive.list_connectors()
            except ArchiveError as error:
                raise WrongUsage(f"{error}; set CLOUDFLARE_ACCOUNT_ID to choose one") from error
        stack.enter_context(show_waits(lambda: 0.0))
        yield archive


async def archived_connectors(
    archive: Archive, connectors: tuple[str, ...], all_: bool = False, hint: str = "; --all selects all"
) -> tuple[list[str], str]:
    """Return the given connectors of an archive, all, or by default its only one.

    Args:
        archive: The archive.
        connectors: The given ids.
        all_: Whether all are meant.
        hint: What the message adds if none was given and there are several.

    Returns:
        Those that the archive has; and a message about the others, which is empty if there are none.

    Raises:
        Failure: The archive has none of them.
        WrongUsage: The archive has several, and none was given.
    """
    ids = await archive.list_connectors()
    if not ids:
        raise Failure("the archive is empty: 'cfevents archive PATH' fills it")
    if not connectors and len(ids) > 1 and not all_:
        raise WrongUsage(f"CONNECTOR is missing: the archive has {_id_list(ids)}{hint}")
    known = [connector_id for connector_id in dict.fromkeys(connectors or ids) if connector_id in ids]
    unknown = [connector_id for connector_id in connectors if connector_id not in ids]
    message = f"the archive has nothing of {', '.join(unknown)}; it has {_id_list(ids)}" if unknown else ""
    if not known:
        raise Failure(message)
    return known, message


def _id_list(ids: list[str]) -> str:
    more = len(ids) - _MAX_NAMED_IDS
    return ", ".join(ids[:_MAX_NAMED_IDS]) + (f", and {more} more" if more > 0 else "")


@asynccontextmanager
async def open_source(
    archive: str | None, simulate: bool, connectors: tuple[str, ...], all_: bool
) -> AsyncIterator["ClientSource | ArchivedSource"]:
    """Open the archive, or else the API.

    Raises:
        Failure: The archive lacks a connector; raised at the end, when the others were read.
    """
    if archive is None:
        async with open_client(simulate) as client:
            yield ClientSource(client, await connectors_or_first(client, connectors, all_))
        return
    async with open_archive(archive) as opened:
        known, message = await archived_connectors(opened, connectors, all_)
        yield ArchivedSource(opened, known)
    if message:
        raise Failure(message)


class ClientSource:
    """The events of some connectors, from the API."""

    def __init__(self, client: Client, connectors: list[str] | Fleet) -> None:
        """Read from an open client; `several` is whether there may be more than one connector.

        Raises:
            WrongUsage: Several ids were given, and one is invalid.
        """
        self._client, self._connector_id = client, ""
        self.several = isinstance(connectors, Fleet) or len(connectors) > 1
        if isinstance(connectors, Fleet):
            self._fleet = connectors
        elif self.several:
            with arguments_checked():
                self._fleet = client.fleet(connectors)
        else:
            [self._connector_id] = connectors

    def list_events(self, *, limit: int | None, page_size: int | None, **window: Any) -> Streams:
        """Return the streams of a window; raise ValueError or TypeError for a window without meaning."""
        if self.several:
            return {"": self._fleet.list_events(page_size=page_size, **window)}
        # With a limit, the next page may not be needed.
        prefetch = 1 if limit is None else 0
        stream = self._client.list_events(self._connector_id, page_size=page_size, prefetch=prefetch, **window)
        return {self._connector_id: stream}

    async def latest_events(self) -> AsyncGenerator[Sequence[FleetEvent[RecordedEvent]], None]:
        """Yield the latest events, connector by connector."""
        if self.several:
            async with aclosing(self._fleet.latest_events()) as events:
                async for event in events:
                    yield [event]
            return
        with arguments_checked():
            latest = await self._client.latest_events(self._connector_id)
        yield [FleetEvent(self._connector_id, event) for event in latest]


class ArchivedSource:
    """The events of some connectors, from an archive."""

    def __init__(self, archive: Archive, connectors: list[str]) -> None:
        """Read from an open archive; `several` is whether there is more than one connector."""
        self._archive, self._connectors = archive, connectors
        self.several = len(connectors) > 1

    def list_events(self, *, limit: int | None, page_size: int | None, **window: Any) -> Streams:
        """Return the streams of a window; raise ValueError or TypeError for a window without meaning."""
        del limit, page_size  # they save requests, and an archive needs none
        return {name: self._archive.list_events(name, **window) for name in self._connectors}

    async def latest_events(self) -> AsyncGenerator[Sequence[FleetEvent[RecordedEvent]], None]:
        """Yield the latest events, connector by connector."""
        for connector_id in self._connectors:
            yield [FleetEvent(connector_id, event) for event in await self._archive.latest_events(connector_id)]


async def read_batches(
    streams: Streams, *, details: bool, limit: int | None = None
) -> AsyncGenerator[Sequence[FleetEvent[Any]], None]:
    """Yield the events of a stream as they come, or those of several ascending streams merged into one.

    Args:
        streams: At least one.
        details: Whether to read the payloads.
        limit: How many events are needed, if not all.
    """
    batches = [_read_stream(name, stream, details, limit) for name, stream in streams.items()]
    async with aclosing(_merge(batches) if len(batches) > 1 else batches[0]) as merged:
        async for batch in merged:
            yield batch


async def _read_stream(
    connector_id: str, stream: EventStream | FleetStream | ArchivedStream, details: bool, limit: int | None
) -> AsyncGenerator[Sequence[FleetEvent[Any]], None]:
    if details:
        concurrency = min(_MAX_PAYLOAD_REQUESTS, limit or _MAX_PAYLOAD_REQUESTS)
        async with aclosing(stream.details(concurrency=concurrency)) as items:
            async for item in items:
                yield [item if isinstance(item, FleetEvent) else FleetEvent(connector_id, item)]
        return
    async with aclosing(stream._batches()) as batches:
        async for batch in batches:
            ids = batch.connector_ids
            yield list(map(FleetEvent, repeat(ids) if isinstance(ids, str) else ids, batch.events))


_Batches: TypeAlias = AsyncGenerator[Sequence[FleetEvent[Any]], None]
_Head: TypeAlias = tuple[tuple[float, int], int, FleetEvent[Any], AsyncGenerator[FleetEvent[Any], None]]


async def _merge(sources: list[_Batches]) -> _Batches:
    """Merge ascending sources by a heap of their next events: O(log n) for each event, one batch in memory."""
    async with AsyncExitStack() as stack:
        events = [await stack.enter_async_context(aclosing(_flatten(source))) for source in sources]
        heads = [head for number, source in enumerate(events) if (head := await _next_head(number, source))]
        heapq.heapify(heads)
        batch: list[FleetEvent[Any]] = []
        while heads:
            _, number, event, source = heads[0]
            batch.append(event)
            if head := await _next_head(number, source):
                heapq.heapreplace(heads, head)
            else:
                heapq.heappop(heads)
            if len(batch) == _MERGED_BATCH_EVENTS or not heads:
                yield batch
                batch = []


async def _flatten(batches: _Batches) -> AsyncGenerator[FleetEvent[Any], None]:
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                yield event


async def _next_head(number: int, source: AsyncGenerator[FleetEvent[Any], None]) -> _Head | None:
    item = await anext(source, None)
    if item is None:
        return None
    event = metadata_of(item)
    return (event.recorded_ts, event.sequence), number, item, source


def resolve_bounds(zone: Zone | None, **bounds: str | None) -> dict[str, Any]:
    """Return the bounds of a window, with times without an offset converted from a zone to UTC.

    Raises:
        WrongUsage: A time has no offset, and there is no zone; or it is outside the years 1 to 9999.
    """
    return {name: _resolve(zone, name, text) for name, text in bounds.items()}


def _resolve(zone: Zone | None, name: str, text: str | None) -> str | datetime | None:
    time = None if text is None else _time.parse_naive(text)
    if time is None:
        return text
    if zone is None:
        raise WrongUsage(
            f"{name}={text!r} has no time zone: write '{time.isoformat()}Z' for UTC, or an offset such as '+01:00', or "
            "name the zone: --tz Europe/Berlin, or --tz local"
        )
    try:
        return zone.to_utc(time, latest=name == "until")
    except (OverflowError, OSError, ValueError):
        raise WrongUsage(f"{name}={text!r} is outside the years 1 to 9999") from None

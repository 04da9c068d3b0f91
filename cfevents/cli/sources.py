"""Where `list` and `latest` read from: the API or an archive, one connector or several."""

import heapq
import os
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import cfevents
import cfevents.testing
from cfevents.cli.console.errors import Failure, WrongUsage, arguments_checked
from cfevents.cli.console.logs import stamina_silenced
from cfevents.cli.console.progress import show_waits
from cfevents.cli.console.views import event_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from cfevents import Budget, Client, Fleet, FleetEvent, RecordedEvent
    from cfevents.storage import Archive
    from cfevents.testing import Simulator


def simulated_account(port: int = 0, speed: float = 1) -> "tuple[Simulator, str]":
    """Make the account: a week's past and today's up to now, which then goes on.

    All processes of one UTC day see the same past, so that one can get what another has listed.

    Args:
        port: Where it is to listen; 0 takes a free port.
        speed: How much faster time goes for its appliances from now on.

    Returns:
        The simulator, not yet started, and its first connector's id.
    """
    from cfevents._time import now  # noqa: PLC0415 - not needed for --help

    history = cfevents.testing.LiveHistory(speed=speed, clock=now)
    return cfevents.testing.Simulator(history=history, port=port), next(iter(history.events))


@asynccontextmanager
async def open_client(simulate: bool, speed: float | None = None) -> "AsyncIterator[Client]":
    """Open a client.

    Args:
        simulate: Whether it asks a made-up account, which then runs as long.
        speed: How much faster time goes there; None is real time.

    Raises:
        ConfigurationError: The environment lacks what is needed.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(stamina_silenced())
        with arguments_checked():
            budget = cfevents.Budget()
            client = await _simulated(stack, speed or 1, budget) if simulate else cfevents.Client(budget=budget)
        await stack.enter_async_context(client)
        stack.enter_context(show_waits(lambda: budget.wait))
        yield client


async def _simulated(stack: AsyncExitStack, speed: float, budget: "Budget") -> "Client":
    import aiohttp  # noqa: PLC0415 - not needed for --help

    simulator = await stack.enter_async_context(simulated_account(speed=speed)[0])
    # A session of our own: the client's would take the environment's proxy, which cannot reach this machine.
    session = await stack.enter_async_context(aiohttp.ClientSession())
    return cfevents.Client(**simulator.client_options, session=session, budget=budget)


async def connector_or_first(client: "Client", connector: str | None) -> str:
    """Name the connector that is meant: the given one, or else the account's first."""
    return (await client.list_connectors())[0].id if connector is None else connector


async def connectors_or_first(client: "Client", connectors: tuple[str, ...], all_: bool) -> "list[str] | Fleet":
    """Say which connectors are meant: the given ones, all, or else the account's first."""
    if all_:
        return client.fleet()
    with arguments_checked():
        return list(dict.fromkeys(connectors)) or [await connector_or_first(client, None)]


if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cfevents import EventStream, FleetEvent, FleetStream
    from cfevents.storage import ArchivedStream

    Item: TypeAlias = "FleetEvent[Any]"

# How many events are printed at once, where they do not come in pages.
_PIECE = 1000
# Payloads that are asked for at a time.
_PAYLOADS = 8


class Listing(Protocol):
    """Events of a window."""

    since: int
    until: int

    def pieces(self, *, details: bool, limit: int | None = None) -> "AsyncGenerator[Sequence[Item], None]":
        """Read it, some events at a time.

        Args:
            details: Whether with their payloads.
            limit: How many are wanted; what is left out need not be asked for.
        """
        ...


class Streamed:
    """A listing that is a stream of the library's."""

    def __init__(self, connector_id: str, stream: "EventStream | FleetStream | ArchivedStream") -> None:
        """Take it, and whose events it has where it does not say so itself."""
        self._connector_id, self._stream = connector_id, stream
        self.since, self.until = stream.since, stream.until

    async def pieces(self, *, details: bool, limit: int | None = None) -> "AsyncGenerator[Sequence[Item], None]":
        """Read it page by page, or event by event with its payload."""
        pieces = self._details(min(_PAYLOADS, limit or _PAYLOADS)) if details else self._blocks()
        async with aclosing(pieces) as each:
            async for piece in each:
                yield piece

    async def _blocks(self) -> "AsyncGenerator[Sequence[Item], None]":
        async with aclosing(self._stream._batches()) as blocks:
            async for ids, events, _ in blocks:
                owners = [ids] * len(events) if isinstance(ids, str) else ids
                yield list(map(cfevents.FleetEvent, owners, events))

    async def _details(self, concurrency: int) -> "AsyncGenerator[Sequence[Item], None]":
        async with aclosing(self._stream.details(concurrency=concurrency)) as details:
            async for each in details:
                yield [each if isinstance(each, cfevents.FleetEvent) else cfevents.FleetEvent(self._connector_id, each)]


class Merged:
    """Listings side by side, each of which ascends, as one that ascends."""

    def __init__(self, listings: list[Streamed]) -> None:
        """Take them; there is at least one."""
        self._listings = listings
        self.since, self.until = listings[0].since, listings[0].until

    async def pieces(self, *, details: bool, limit: int | None = None) -> "AsyncGenerator[Sequence[Item], None]":
        """Read them all; a limit makes no difference."""
        async with AsyncExitStack() as stack:
            begun = [await stack.enter_async_context(aclosing(_flat(each, details))) for each in self._listings]
            nexts = [await _next(number, events) for number, events in enumerate(begun)]
            heapq.heapify(heads := [head for head in nexts if head is not None])
            piece: list[Item] = []
            while heads:
                _, number, item, events = heads[0]
                piece.append(item)
                if (head := await _next(number, events)) is None:
                    heapq.heappop(heads)
                else:
                    heapq.heapreplace(heads, head)
                if len(piece) == _PIECE or not heads:
                    yield piece
                    piece = []


async def _flat(listing: Streamed, details: bool) -> "AsyncGenerator[Item, None]":
    async with aclosing(listing.pieces(details=details)) as pieces:
        async for piece in pieces:
            for item in piece:
                yield item


async def _next(number: int, events: "AsyncGenerator[Item, None]") -> "tuple[Any, int, Item, Any] | None":
    try:
        item: Item = await anext(events)
    except StopAsyncIteration:
        return None
    event = event_of(item)
    return (event.recorded_ts, event.sequence), number, item, events


class Source(Protocol):
    """What is read from."""

    several: bool
    """Whether there may be events of several connectors."""

    def listing(self, *, limit: int | None, page_size: int | None, **window: Any) -> Listing:
        """List events; raises ValueError where the window has no meaning."""
        ...

    def latest(self) -> "AsyncGenerator[Sequence[FleetEvent[RecordedEvent]], None]":
        """Read the latest events, connector after connector."""
        ...


@asynccontextmanager
async def reading_from(
    archive: str | None, simulate: bool, connectors: tuple[str, ...], all_: bool
) -> "AsyncIterator[Source]":
    """Open what is to be read from.

    Raises:
        Failure: A connector is not in the archive; the others have been served.
    """
    if archive is None:
        async with open_client(simulate) as client:
            yield Online(client, await connectors_or_first(client, connectors, all_))
        return
    async with read_archive(archive) as opened:
        there, missing = await archived_connectors(opened, connectors, all_)
        yield Offline(opened, there)
    if missing:
        raise Failure(missing)


class Online:
    """The API."""

    def __init__(self, client: "Client", whom: "list[str] | Fleet") -> None:
        """Take what asks it, and whom it asks about."""
        self._client, self._whom = client, whom
        self.several = not isinstance(whom, list) or len(whom) > 1

    def listing(self, *, limit: int | None, page_size: int | None, **window: Any) -> Listing:
        """List by pages, or several connectors in rounds; raises as `Source.listing` does."""
        if (one := self._one) is None:
            return Streamed("", self._fleet().list_events(page_size=page_size, **window))
        # What a limit leaves out need not be asked for.
        ahead = 1 if limit is None else 0
        return Streamed(one, self._client.list_events(one, page_size=page_size, prefetch=ahead, **window))

    async def latest(self) -> "AsyncGenerator[Sequence[FleetEvent[RecordedEvent]], None]":
        """Ask for each connector; those that fail are told at the end."""
        if (one := self._one) is not None:
            with arguments_checked():
                found = await self._client.latest_events(one)
            yield [cfevents.FleetEvent(one, each) for each in found]
            return
        with arguments_checked():
            fleet = self._fleet()
        async with aclosing(fleet.latest_events()) as events:
            async for event in events:
                yield [event]

    @property
    def _one(self) -> str | None:
        return self._whom[0] if isinstance(self._whom, list) and not self.several else None

    def _fleet(self) -> "Fleet":
        return self._client.fleet(self._whom) if isinstance(self._whom, list) else self._whom


class Offline:
    """An archive."""

    def __init__(self, archive: "Archive", ids: list[str]) -> None:
        """Take it, and the connectors that are meant."""
        self._archive, self._ids = archive, ids
        self.several = len(ids) > 1

    def listing(self, *, limit: int | None, page_size: int | None, **window: Any) -> Listing:
        """List what was stored; nothing is asked for, so a limit makes no difference."""
        del limit, page_size
        listings = [Streamed(each, self._archive.list_events(each, **window)) for each in self._ids]
        return Merged(listings) if self.several else listings[0]

    async def latest(self) -> "AsyncGenerator[Sequence[FleetEvent[RecordedEvent]], None]":
        """Read what was stored with its payload."""
        for each in self._ids:
            yield [cfevents.FleetEvent(each, event) for event in await self._archive.latest_events(each)]


_SHOWN = 5  # ids of an archive, in a message


@asynccontextmanager
async def read_archive(path: str) -> "AsyncIterator[Archive]":
    """Open an archive to read the account of the environment, or, where nothing of that is in it, whichever is.

    Raises:
        ArchiveError: It cannot be opened.
    """
    from cfevents.storage import Archive  # noqa: PLC0415 - not needed for --help

    account = os.environ.get("CLOUDFLARE_ACCOUNT_ID", "").strip() or None
    async with Archive(path, account_id=account) as archive:
        if account is None or await archive.list_connectors():
            with show_waits(lambda: 0.0):
                yield archive
            return
    async with Archive(path) as archive:
        try:
            await archive.list_connectors()
        except cfevents.ArchiveError as error:
            raise WrongUsage(f"{error}; here CLOUDFLARE_ACCOUNT_ID says which") from error
        with show_waits(lambda: 0.0):
            yield archive


async def archived_connectors(
    archive: "Archive", connectors: tuple[str, ...], all_: bool = False, or_else: str = "; --all means all of them"
) -> tuple[list[str], str]:
    """Name the connectors that are meant: the given ones, all, or the only one that is there.

    Args:
        archive: Where they are.
        connectors: Those that were given.
        all_: Whether all are meant.
        or_else: What else can be said where none was given.

    Returns:
        Those that are there; and what is to be told of the others, which is empty where there are none.

    Raises:
        Failure: There is nothing of any.
        WrongUsage: There are several, and none was given.
    """
    ids = await archive.list_connectors()
    if not ids:
        raise Failure("the archive is empty: 'cfevents archive PATH' fills it")
    if not connectors and len(ids) > 1 and not all_:
        raise WrongUsage(f"CONNECTOR is missing: the archive has {_some(ids)}{or_else}")
    there = [each for each in dict.fromkeys(connectors or ids) if each in ids]
    missing = [each for each in connectors if each not in ids]
    told = f"the archive has nothing of {', '.join(missing)}; it has {_some(ids)}" if missing else ""
    if not there:
        raise Failure(told)
    return there, told


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (f", and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")

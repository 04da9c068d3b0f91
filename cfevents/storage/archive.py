"""Events in a SQLite database."""

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cfevents._following.follower import Batch, Follower
from cfevents._listing.fleet import Fleet
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventReference, RecordedEvent, event_id
from cfevents._model.results import EventDetail
from cfevents._time import DurationLike, TimeLike, parse_time
from cfevents._validation import validate_int, validate_path_segment, validate_seconds, validate_type
from cfevents.errors import ArchiveError
from cfevents.events import KindFilter
from cfevents.storage import queries
from cfevents.storage.archived_stream import ArchivedStream
from cfevents.storage.queries import LISTED, PAYLOAD, Row
from cfevents.storage.sqlite import Database
from cfevents.storage.sync import SupportsFollow, plan_sync


class _Opened(NamedTuple):
    """Two connections, so that reading and writing do not wait for each other."""

    writer: Database
    reader: Database


class _Syncing:
    """A filling that is under way."""

    def __init__(self) -> None:
        self.follower: Follower[Any] | None = None
        self.is_ended = False
        self.has_ended = asyncio.Event()

    async def end(self) -> None:
        """End it, and wait until it has."""
        self.is_ended = True
        if self.follower is not None:
            await self.follower.aclose()
        await self.has_ended.wait()


def followers_of(archive: "Archive") -> list[Follower[Any]]:
    """Say by what it is being filled."""
    return [each.follower for each in archive._syncing if each.follower is not None]


class Archive:
    """Events in a SQLite database, each event once, whatever happens to the process.

    An async context manager. In a notebook, `open` it in one cell and `close` it in another::

        async with Client() as client, Archive("events.db") as archive:
            await archive.sync(client, since="30d")
            async for event in archive.list_events("connector-id", since="24h"):
                print(event.recorded_at, event.kind)

    Other processes may read it while it is written, and write it too, one after the other.
    """

    __module__ = "cfevents.storage"

    def __init__(self, path: str | os.PathLike[str], *, account_id: str | None = None, timeout: float = 60.0) -> None:
        """Take where it is; nothing is opened.

        Args:
            path: The file; it is made where it is missing. While it is used there are two more beside it.
            account_id: The account; it may be left out where the archive has one alone.
            timeout: How long to wait for another process that has it locked, in seconds.

        Raises:
            TypeError: The timeout is not a number.
            ValueError: The timeout is not finite and above 0.
        """
        # Absolute: SQLite takes some names, such as ":memory:", for something else.
        self._path, self._account_id = Path(path).absolute(), account_id
        self._timeout = validate_seconds("timeout", timeout)
        self._open: _Opened | None = None
        self._syncing: set[_Syncing] = set()

    async def open(self) -> Self:
        """Open it, and make or renew its tables where that is needed; once more is no harm.

        Raises:
            ArchiveError: It cannot be opened, or the file is none.
        """
        if self._open is None:
            writer = Database(self._path, self._timeout, writes=True)
            reader = Database(self._path, self._timeout, writes=False)
            try:
                await writer.open()
                await reader.open()
            except BaseException:
                await reader.close()
                await writer.close()
                raise
            self._open = _Opened(writer, reader)
        return self

    async def close(self) -> None:
        """End the filling of it that is under way, after the batch that it is at, and close it."""
        opened = self._open
        for each in list(self._syncing):
            await each.end()
        if opened is not None and opened is self._open:
            self._open = None
            await opened.reader.close()
            await opened.writer.close()

    async def append(self, batch: Batch[Any]) -> int:
        """Store a batch and its checkpoint in one transaction. For those who follow by themselves.

        Events that are there already stay as they are; payloads that they lacked are filled in.

        Returns:
            How many of the events are new.

        Raises:
            ArchiveError: They could not be stored; nothing of the batch is.
        """
        self._check_account(validate_type("batch", batch, Batch).checkpoint.account_id)
        return await self._opened.writer.write(partial(queries.store_batch, batch=batch, since={}, details=False))

    async def sync(
        self,
        client: SupportsFollow,
        connector_ids: str | Iterable[str] | Fleet | None = None,
        *,
        since: TimeLike | None = None,
        follow: bool = False,
        interval: DurationLike = "30s",
        lookback: DurationLike = "24h",
        kind: KindFilter | None = None,
        details: bool = False,
    ) -> int:
        """Fill it with what is new, late events too.

        What is in it is not asked for again: a connector goes on where it ended, or begins anew where it was never
        read from as early a time on.

        Args:
            client: A client that is open.
            connector_ids: One connector's id, several, or a fleet; all of the account where it is left out.
            since: What was recorded before is not asked for. Where it is left out, a connector that is new begins
                where the others did, and all begin now where there are no others.
            follow: Whether to go on until the archive is closed or the call is cancelled.
            interval: How often each connector is then asked.
            lookback: How late an event may come: how long after it was recorded it may be collected.
            kind: A kind's name, its class in `cfevents.events`, or a collection of them.
            details: Whether to store the payloads too, each of which costs a request: also of events that are in it
                without, from ``since`` on.

        Returns:
            How many events are new in it.

        Raises:
            ArchiveError: It could not be read or written.
            FleetError: Some connectors failed; what the others had is stored.
            CfEventsError: Nothing could be asked.
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning.
        """
        if not hasattr(client, "follow_events"):
            raise TypeError(f"client must be a Client that is open, not {type(client).__name__}")
        fleet = client.fleet() if connector_ids is None else connector_ids
        ids = fleet if isinstance(fleet, str | Fleet) else list(fleet)
        follow_events = partial(client.follow_events, ids, interval=interval, lookback=lookback, kind=kind)
        asked = follow_events(since=since).checkpoint
        self._check_account(asked.account_id)
        self._syncing.add(syncing := _Syncing())
        try:
            start = partial(plan_sync, asked=asked, is_given=since is not None, details=details)
            checkpoint, begins = await self._opened.writer.write(start)
            follower: Follower[Any] = follow_events(checkpoint=checkpoint)
            follower = follower.details() if details else follower
            syncing.follower = follower if follow else follower.once()
            store = partial(queries.store_batch, since=begins, details=details)
            return 0 if syncing.is_ended else await self._fill(syncing.follower, store)
        finally:
            self._syncing.discard(syncing)
            syncing.has_ended.set()

    async def _fill(self, follower: Follower[Any], store: Callable[..., int]) -> int:
        new = 0
        async with aclosing(follower.batches()) as batches:
            async for batch in batches:
                new += await self._opened.writer.write(partial(store, batch=batch))
        return new

    def list_events(
        self, connector_id: str, *, since: TimeLike, until: TimeLike | None = None, kind: KindFilter | None = None
    ) -> ArchivedStream:
        """List the events of a connector that were recorded in a window of time, ascending.

        Args:
            connector_id: The connector.
            since: The window's lower bound, as for ``Client.list_events``. It belongs to the window.
            until: Its upper bound likewise; now where it is left out.
            kind: A kind's name, its class in `cfevents.events`, or a collection of them.

        Returns:
            A stream. Nothing is read before it is asked for.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning; the message says what to write instead.
        """
        return ArchivedStream(ListQuery.of(connector_id, since=since, until=until, kind=kind), self._select)

    async def get_event(self, connector_id: str, event: EventReference) -> RecordedEvent:
        """Get one event with its payload.

        Args:
            connector_id: The connector.
            event: Which one: ``EventMetadata`` from a listing, an ``EventId``, or ``"1700000000.3"``.

        Raises:
            ArchiveError: It is not there, or without its payload; or the archive cannot be read.
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning.
        """
        key = event_id(event)
        values = validate_path_segment("connector_id", connector_id), key.recorded_ts, key.sequence
        found = await self._select(LISTED + PAYLOAD, "AND recorded_ts = ? AND sequence = ?", values)
        if not found:
            raise ArchiveError(f"the archive {self._path} has no event {key} of {connector_id}")
        if found[0].recorded is None:
            raise ArchiveError(
                f"the archive {self._path} has the event {key} of {connector_id} without its payload: sync with "
                "details=True stores them"
            )
        return found[0].recorded

    async def latest_events(self, connector_id: str, limit: int = 10) -> list[RecordedEvent]:
        """Get the latest events of a connector that are there with their payloads, the newest first.

        Args:
            connector_id: The connector.
            limit: How many at most.

        Raises:
            ArchiveError: The archive cannot be read.
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning.
        """
        values = validate_path_segment("connector_id", connector_id), validate_int("limit", limit)
        rest = "AND event IS NOT NULL ORDER BY recorded_ts DESC, sequence DESC LIMIT ?"
        found = await self._select(LISTED + PAYLOAD, rest, values)
        return [each.recorded for each in found if each.recorded is not None]

    async def list_connectors(self) -> list[str]:
        """List the ids of the connectors of which there are events.

        Raises:
            ArchiveError: The archive cannot be read.
        """
        return await self._opened.reader.do(lambda each: queries.connectors(each, self._account_id))

    async def prune(self, *, before: TimeLike) -> int:
        """Remove what was recorded before a time, of all accounts where none was given, and let the file shrink.

        Args:
            before: The time, as ``since`` of `list_events`.

        Returns:
            How many events were removed.

        Raises:
            ArchiveError: The archive cannot be written; a part may have been removed.
            TypeError: The time is of the wrong type.
            ValueError: The time has no meaning.
        """
        second, removed, writer = parse_time("before", before), 0, self._opened.writer
        for connector in await writer.do(lambda each: queries.all_connectors(each, self._account_id)):
            prune_some = partial(queries.prune_some, connector=connector, before=second)
            while some := await writer.write(prune_some):
                removed += some
        await writer.do(queries.give_back)
        return removed

    async def _select(self, columns: tuple[str, ...], rest: str, values: Row) -> list[EventDetail]:
        return await self._opened.reader.do(
            lambda each: queries.select_events(each, self._account_id, columns, rest, values)
        )

    def _check_account(self, account_id: str) -> None:
        if self._account_id not in {None, account_id}:
            raise ArchiveError(f"the archive was opened for the account {self._account_id}, not for {account_id}")

    @property
    def _opened(self) -> _Opened:
        if self._open is None:
            raise ArchiveError(f"the archive {self._path} is not open; write 'async with Archive(...) as archive'")
        return self._open

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Archive {str(self._path)!r}, {'not open' if self._open is None else 'open'}>"

"""Events in a SQLite database."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from cfevents._following.follower import Batch, Follower
from cfevents._listing.fleet import Fleet
from cfevents._listing.query import ListQuery
from cfevents._model.api import Connector, EventMetadata, EventReference, RecordedEvent, event_id
from cfevents._model.results import EventDetail
from cfevents._public import set_module
from cfevents._time import DurationLike, TimeLike, parse_duration, parse_time
from cfevents._validation import validate_int, validate_path_segment, validate_seconds, validate_type
from cfevents.errors import ArchiveError
from cfevents.events import KindFilter
from cfevents.storage import queries
from cfevents.storage.archived_stream import ArchivedStream
from cfevents.storage.extents import Extent, prune_extents, store_extent
from cfevents.storage.rows import LISTED, PAYLOAD, Row, prune_some, select_events
from cfevents.storage.sqlite import Database

T = TypeVar("T")

# Pruned in pieces, so that other processes that write need not wait long.
_PRUNE_EVENTS = 10_000


class SupportsFollow(Protocol):
    """The part of `Client` that is needed here."""

    @property
    def fleet(self) -> Callable[[], Fleet]:
        """All connectors of the account."""
        raise NotImplementedError

    @property
    def follow_events(self) -> Callable[..., Follower[EventMetadata]]:
        """A function that follows connectors."""
        raise NotImplementedError


class _Databases(NamedTuple):
    """Two connections, so that reading and writing do not wait for each other."""

    writer: Database
    reader: Database

    async def close(self) -> None:
        try:
            await self.reader.close()
        finally:
            await self.writer.close()


class _Sync:
    """A call of `Archive.sync` that runs."""

    follower: Follower[Any] | None = None
    is_ended = False

    def __init__(self) -> None:
        self.has_ended = asyncio.Event()

    async def end(self) -> None:
        # After the batch that it is at.
        self.is_ended = True
        if self.follower is not None:
            await self.follower.aclose()
        await self.has_ended.wait()


@set_module("cfevents.storage")
class Archive:
    """Events in a SQLite database, each event once, whatever happens to the process.

    An async context manager. In a notebook, `open` it in one cell and `close` it in another::

        async with Client() as client, Archive("events.db") as archive:
            await archive.sync(client, since="30d")
            async for event in archive.list_events("connector-id", since="24h"):
                print(event.recorded_at, event.kind)

    Other processes may read it while it is written, and write it too, one after the other.
    """

    def __init__(self, path: str | os.PathLike[str], *, account_id: str | None = None, timeout: float = 60.0) -> None:
        """Set the file and the account; nothing is opened.

        Args:
            path: The file; it is created where it is missing. While it is open there are two more beside it.
            account_id: The account; it may be left out where the archive has one alone.
            timeout: How long to wait for another process that has it locked, in seconds.

        Raises:
            TypeError: The timeout is not a number.
            ValueError: The timeout is not finite and above 0.
        """
        # Absolute: SQLite takes some names, such as ":memory:", for something else.
        self._path, self._account_id = Path(path).absolute(), account_id
        self._timeout = validate_seconds("timeout", timeout)
        self._databases: _Databases | None = None
        self._syncs: set[_Sync] = set()
        self._follower: Follower[Any] | None = None  # of the last sync

    async def open(self) -> Self:
        """Open the file, and create its tables if needed. Does nothing if it is open.

        The tables of an older version are read as they are, and migrated before something is written.

        Raises:
            ArchiveError: The file cannot be opened, or it is no archive.
        """
        if self._databases is None:
            writer = Database(self._path, self._timeout, writes=True)
            reader = Database(self._path, self._timeout, writes=False)
            databases = _Databases(writer, reader)
            try:
                await writer.connect()
                await reader.connect()
            except BaseException:
                await databases.close()
                raise
            self._databases = databases
        return self

    async def close(self) -> None:
        """Close the file. A `sync` that runs ends after the batch that it is at."""
        databases = self._databases
        try:
            for sync in list(self._syncs):
                await sync.end()
        finally:
            if databases is not None and databases is self._databases:
                self._databases = None
                await databases.close()

    async def append(self, batch: Batch[Any]) -> int:
        """Store a batch and its checkpoint in one transaction: for a follower of your own.

        Events that are there already stay as they are; payloads that they lacked are filled in. `sync` resumes after
        the batch only if the archive has all that the follower delivered before; else it reads that first.

        Returns:
            How many of the events are new.

        Raises:
            ArchiveError: The batch could not be stored; nothing of it is.
        """
        self._check_account(validate_type("batch", batch, Batch).checkpoint.account_id)
        return await (await self._writer()).write(partial(queries.append_batch, batch=batch))

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
        """Store new events, late ones too; of all connectors of the account, their serial numbers and notes as well.

        A connector resumes where its last sync ended. If ``since`` is earlier than ever before, or than the account's
        first where all of it is archived, it is read again from there.

        Args:
            client: An open client.
            connector_ids: One connector's id, several, or a fleet; all of the account where it is left out.
            since: The time from which events are stored, by when they were recorded. Where it is left out, a new
                connector begins where the others did, and all begin now where there are no others.
            follow: Whether to go on until the archive is closed or the call is cancelled.
            interval: The time between two polls of a connector.
            lookback: The longest time from when an event is recorded to when it is collected.
            kind: A kind's name, its class in `cfevents.events`, or a collection of them.
            details: Whether to store the payloads too, each of which costs a request; also those that stored events
                lack, from ``since`` on.

        Returns:
            How many events are new in the archive.

        Raises:
            ArchiveError: The archive could not be read or written.
            FleetError: Some connectors failed; the events of the others are stored.
            CfEventsError: No connector could be read.
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid.
        """
        if not hasattr(client, "follow_events"):
            raise TypeError(f"client must be a Client that is open, not {type(client).__name__}")
        fleet = client.fleet() if connector_ids is None else connector_ids
        ids = fleet if isinstance(fleet, str | Fleet) else list(fleet)
        follow_events = partial(client.follow_events, ids, interval=interval, lookback=lookback, kind=kind)
        request = follow_events(since=since).checkpoint
        self._check_account(request.account_id)
        plan_sync = partial(
            queries.plan_sync,
            request=request,
            is_since_given=since is not None,
            lookback=parse_duration("lookback", lookback),
            details=details,
        )
        self._syncs.add(sync := _Sync())
        try:
            checkpoint, starts = await (await self._writer()).write(plan_sync)
            follower: Follower[Any] = follow_events(checkpoint=checkpoint)._with_poll_ends()
            follower = follower.details() if details else follower
            self._follower = sync.follower = follower if follow else follower.once()
            return 0 if sync.is_ended else await self._fill(sync.follower, starts, details=details)
        finally:
            self._syncs.discard(sync)
            sync.has_ended.set()

    async def _fill(self, follower: Follower[Any], starts: Mapping[str, int], *, details: bool) -> int:
        new, named, account_id = 0, list[Connector](), follower.checkpoint.account_id
        async with aclosing(follower._polls()) as polls:
            async for result, batch in polls:
                write = self._require_open().writer.write
                if (listed := follower._members.listed) is not named:
                    named = listed
                    await write(partial(queries.store_connectors, account_id=account_id, listed=listed))
                if result is None:  # a wrong clock had set where it begins
                    starts = {name: min(since, batch.checkpoint.of(name).since) for name, since in starts.items()}
                elif result.ended is None:
                    new += await write(partial(queries.store_batch, batch=batch, since=starts, details=details))
                else:
                    name, request = result.connector_id, batch.checkpoint
                    since, until = starts.get(name, request.since), result.ended
                    await write(partial(store_extent, request=request, connector_id=name, since=since, until=until))
        return new

    async def _remove_if_empty(self) -> None:
        """Remove the file unless it has events, or the time of a connector without; nobody writes it meanwhile."""

        def remove(connection: sqlite3.Connection) -> None:
            if not queries.has_results(connection):
                # Others that have it open are told that it was removed. The file itself comes last: a new one of this
                # name may get its own beside it at once. Windows removes no open file.
                for suffix in ("-wal", "-shm", ""):
                    with suppress(OSError):
                        Path(f"{self._path}{suffix}").unlink()

        await (await self._writer()).write(remove)

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
            A stream. Nothing is read before it is iterated.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid; the message says what to write instead.
        """
        return ArchivedStream(ListQuery.of(connector_id, since=since, until=until, kind=kind), self._query)

    async def get_event(self, connector_id: str, event: EventReference) -> RecordedEvent:
        """Return one event with its payload.

        Args:
            connector_id: The connector.
            event: Its ``EventMetadata`` from a listing, an ``EventId``, or ``"1700000000.3"``.

        Raises:
            ArchiveError: The event is not there, or without its payload; or the archive cannot be read.
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid.
        """
        key = event_id(event)
        values = validate_path_segment("connector_id", connector_id), key.recorded_ts, key.sequence
        details = await self._select(LISTED + PAYLOAD, "AND recorded_ts = ? AND sequence = ?", values)
        if not details:
            raise ArchiveError(f"the archive {self._path} has no event {key} of {connector_id}")
        if details[0].recorded is None:
            raise ArchiveError(
                f"the archive {self._path} has the event {key} of {connector_id} without its payload: sync with "
                "details=True stores them"
            )
        return details[0].recorded

    async def latest_events(self, connector_id: str, limit: int = 10) -> list[RecordedEvent]:
        """Return the latest events of a connector that have their payloads, the newest first.

        Args:
            connector_id: The connector.
            limit: The largest number of events.

        Raises:
            ArchiveError: The archive cannot be read.
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid.
        """
        values = validate_path_segment("connector_id", connector_id), validate_int("limit", limit)
        rest = "AND event IS NOT NULL ORDER BY recorded_ts DESC, sequence DESC LIMIT ?"
        details = await self._select(LISTED + PAYLOAD, rest, values)
        return [detail.recorded for detail in details if detail.recorded is not None]

    async def list_connectors(self) -> list[str]:
        """Return the ids of the connectors that have events, or had none when they were asked.

        Raises:
            ArchiveError: The archive cannot be read.
        """
        return await self._query(queries.connectors)

    async def store_connectors(self, listed: Iterable[Connector]) -> None:
        """Store the serial numbers and notes of connectors, as `cfevents.Client.list_connectors` returns them.

        Those that were stored before are replaced. `sync` does the same, if it follows all of the account.

        Raises:
            ArchiveError: The archive cannot be written, or has no account yet and was opened without one.
        """
        store = partial(queries.store_connectors, account_id=self._account_id, listed=[*listed])
        await (await self._writer()).write(store)

    async def named_connectors(self) -> list[Connector]:
        """Return the connectors of `list_connectors`, with the serial numbers and notes that are stored.

        Raises:
            ArchiveError: The archive cannot be read.
        """
        return await self._query(queries.named_connectors)

    async def extents(self) -> dict[str, Extent | None]:
        """Return the time of which the archive has all events, for each connector that `list_connectors` returns.

        None stands for a connector whose first fill did not end: it is under way, was interrupted, or was of some
        kinds only. After `append`, an extent ends with the last event that came, and begins after a gap before it.

        Raises:
            ArchiveError: The archive cannot be read.
        """
        return await self._query(queries.extents)

    async def _event_counts(self) -> list[tuple[str, float | None, float | None, int]]:
        return await self._query(queries.event_counts)

    async def _limited_kinds(self) -> dict[str, set[str]]:
        return await self._query(queries.limited_kinds)

    async def prune(self, *, before: TimeLike) -> int:
        """Remove the events that were recorded before a time, of all accounts where none was given; the file shrinks.

        A connector that was last asked before that time is forgotten.

        Args:
            before: The time, as ``since`` of `list_events`.

        Returns:
            How many events were removed.

        Raises:
            ArchiveError: The archive cannot be written; a part may have been removed.
            TypeError: The time is of the wrong type.
            ValueError: The time has no meaning.
        """
        second, removed, writer = parse_time("before", before), 0, await self._writer()
        for key in await writer.run(partial(queries.connector_keys, account_id=self._account_id)):
            prune = partial(prune_some, connector_key=key, before=second, limit=_PRUNE_EVENTS)
            while count := await writer.write(prune):
                removed += count
        await writer.write(partial(prune_extents, account_id=self._account_id, before=second))
        await writer.run(queries.shrink_file)
        return removed

    async def _select(self, columns: tuple[str, ...], rest: str, values: Row) -> list[EventDetail]:
        return await self._query(select_events, columns=columns, rest=rest, values=values)

    async def _query(self, query: Callable[..., T], **values: Any) -> T:
        return await self._require_open().reader.run(partial(query, account_id=self._account_id, **values))

    async def _writer(self) -> Database:
        """Return what writes, after its tables were migrated if they are of an older version."""
        writer = self._require_open().writer
        await writer.migrate()
        return writer

    def _migrated(self) -> float:
        """Return the part of the tables that is migrated, from 0 to 1."""
        return self._require_open().writer.migrated

    def _check_account(self, account_id: str) -> None:
        if self._account_id not in {None, account_id}:
            raise ArchiveError(f"the archive was opened for the account {self._account_id}, not for {account_id}")

    def _require_open(self) -> _Databases:
        if self._databases is None:
            raise ArchiveError(f"the archive {self._path} is not open; write 'async with Archive(...) as archive'")
        return self._databases

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Archive {str(self._path)!r}, {'not open' if self._databases is None else 'open'}>"

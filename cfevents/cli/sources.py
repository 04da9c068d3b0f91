"""Where `list` and `latest` read from: the API or an archive, one connector or several."""

import os
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import cfevents
from cfevents.cli.connection import connected, connectors_or_first
from cfevents.cli.console.errors import Failure, WrongUsage, arguments_checked
from cfevents.cli.console.progress import waits_shown
from cfevents.cli.listings import Listing, Merged, Streamed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from cfevents import Client, Fleet, FleetEvent, RecordedEvent
    from cfevents.storage import Archive


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
        async with connected(simulate) as client:
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
            with waits_shown(lambda: 0.0):
                yield archive
            return
    async with Archive(path) as archive:
        try:
            await archive.list_connectors()
        except cfevents.ArchiveError as error:
            raise WrongUsage(f"{error}; here CLOUDFLARE_ACCOUNT_ID says which") from error
        with waits_shown(lambda: 0.0):
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

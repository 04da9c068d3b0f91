"""New events of connectors as they come, and late ones, once each."""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from attrs import frozen

from cfevents._following.checkpoint import FollowCheckpoint, resumed
from cfevents._following.poll import Payloads, PollResult
from cfevents._following.poller import FollowOptions, Poller
from cfevents._following.schedule import Intervals
from cfevents._following.status import ConnectorStatus
from cfevents._http.connection import Reader
from cfevents._listing.details import wanted_kinds
from cfevents._listing.fleet import Fleet, FleetMembers, fleet_members
from cfevents._listing.query import ListQuery
from cfevents._model.api import EventMetadata
from cfevents._model.results import EventDetail, FollowedEvent
from cfevents._time import DurationLike, TimeLike, now, parse_duration, parse_time
from cfevents._validation import validate_int
from cfevents.errors import ConfigurationError
from cfevents.events import KindFilter

T = TypeVar("T")

# Slices that a connector's listing has side by side where it is behind.
_SLICES = 4


@frozen(eq=False)
class Batch(Generic[T]):
    """What a round of one connector brought that was not delivered before, ascending; a large one in parts."""

    __module__ = "cfevents"

    items: tuple[FollowedEvent[T], ...]

    checkpoint: FollowCheckpoint
    """The state after it: to be stored in the same transaction as the items."""


class Follower(Generic[T]):
    """New events of connectors as they come, and late ones, once each. Made by `Client.follow_events`.

    Nothing is sent before it is read. It is read by one ``async for`` at a time; another goes on where that one ended.
    """

    __module__ = "cfevents"

    def __init__(self, reader: Reader, members: FleetMembers, terms: FollowOptions, start: FollowCheckpoint) -> None:
        """Take what to read with, whom to follow, on which terms, and what was delivered before."""
        self._reader, self._members, self._terms = reader, members, terms
        self._reached = start
        self._present: tuple[PollResult, int] | None = None
        self._asking: Poller | None = None
        self._ended = False

    @property
    def status(self) -> dict[str, ConnectorStatus]:
        """How it goes, by connector id."""
        return {} if self._asking is None else dict(self._asking.status)

    @property
    def checkpoint(self) -> FollowCheckpoint:
        """What was delivered before the present event or batch: who goes on from there gets that one again."""
        if self._present is None:
            return self._reached
        found, taken = self._present
        part = self._reached.of(found.connector_id).after(found.events[:taken])
        return self._reached.with_connector(found.connector_id, part)

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> "Follower[EventDetail]":
        """Follow with the payloads: the same, but each event is an `EventDetail`. Each costs a request.

        Args:
            concurrency: How many payloads are asked for at a time, of each connector that is asked.
            kinds: Ask only for the payloads of these kinds: a name, a class in `cfevents.events`, or a collection of
                them. Events of other kinds come without.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning.
        """
        payloads = Payloads(validate_int("concurrency", concurrency), wanted_kinds(kinds))
        return self._with(self._terms._replace(payloads=payloads))

    def once(self) -> "Follower[T]":
        """Read what there is by now, late events too, and end: for a job that runs now and then.

        Reading raises `FleetError` where connectors failed, after the others have been served; the checkpoint leaves
        them where they were.
        """
        return self._with(self._terms._replace(once=True))

    def _with(self, terms: FollowOptions) -> "Follower[Any]":
        return Follower(self._reader, self._members, terms, self.checkpoint)

    async def batches(self) -> AsyncGenerator[Batch[T], None]:
        """Read round by round, each with the state after it.

        Yields:
            Batches that are not empty. A round that brought more than 10,000 events comes in parts, and with payloads
            one of more than 200.

        Raises:
            AuthenticationError: The API takes the credentials for nothing that was asked so far.
            ConfigurationError: The client was closed.
        """
        async with aclosing(self._found()) as each:
            async for found in each:
                after = self._reached.with_connector(found.connector_id, found.after)
                yield Batch(found.items, after)
                self._reached = after

    async def __aiter__(self) -> AsyncGenerator[FollowedEvent[T], None]:
        """Read event by event; raises as `batches` does."""
        async with aclosing(self._found()) as each:
            async for found in each:
                for taken, event in enumerate(found.items):
                    self._present = found, taken
                    yield event
                self._reached, self._present = self._reached.with_connector(found.connector_id, found.after), None

    async def aclose(self) -> None:
        """End it: whoever reads it has reached the end."""
        self._ended = True
        if self._asking is not None:
            self._asking.end()

    async def _found(self) -> AsyncGenerator[PollResult, None]:
        if self._asking is not None:  # by one who may read no more
            self._asking.end(ConfigurationError("the follower is read by another now: make one for each reader"))
            await self._asking.close()
        self._reached, self._present = self.checkpoint, None
        self._asking = asking = Poller(self._reader, self._members, self._terms, self._reached)
        try:
            while (found := await self._next(asking)) is not None:
                yield found
        finally:
            await asking.close()
        if self._terms.once and not self._ended:
            self._members.end(asking.errors)

    async def _next(self, asking: Poller) -> PollResult | None:
        if self._ended:
            return None
        try:
            return await asking.next()
        except ConfigurationError:
            if self._ended:  # the client may be closed right after it
                return None
            raise

    def __repr__(self) -> str:
        return f"<Follower of {self._reached!r}>"


def follow(
    reader: Reader,
    fleet: Fleet,
    *,
    since: TimeLike | None,
    checkpoint: FollowCheckpoint | str | None,
    interval: DurationLike,
    overlap: DurationLike,
    lookback: DurationLike,
    deep_interval: DurationLike,
    kind: KindFilter | None,
) -> Follower[EventMetadata]:
    """Check what the caller wants of following.

    Raises:
        CheckpointError: The checkpoint is of another account, other connectors or other kinds, or damaged.
        TypeError: An argument is of the wrong type.
        ValueError: An argument has no meaning; the message says what to write instead.
    """
    members, present = fleet_members(fleet), math.floor(now())
    begin = present if since is None else parse_time("since", since)
    if begin > present:
        raise ValueError(f"since={since!r} lies ahead: leave it out to begin now")
    query = ListQuery.of("follower", since=0, kind=kind, concurrency=_SLICES)
    pace = Intervals(parse_duration("interval", interval), parse_duration("deep_interval", deep_interval))
    terms = FollowOptions(query, pace, parse_duration("overlap", overlap), parse_duration("lookback", lookback))
    start = FollowCheckpoint(
        reader.api.account_id,
        # In another order they are the same.
        None if members.named is None else tuple(sorted(members.named)),
        query.start.kind,
        begin,
    )
    return Follower(reader, members, terms, start if checkpoint is None else resumed(start, checkpoint, since))

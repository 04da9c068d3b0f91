"""The follower: new events of connectors as they come, and late ones, once each."""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from attrs import define, evolve, frozen

from cfevents._following.checkpoint import FollowCheckpoint, require_same_following
from cfevents._following.poll import ConnectorStatus, FollowOptions, PollResult
from cfevents._following.poller import Poller
from cfevents._following.schedule import Intervals
from cfevents._http.connection import Usage
from cfevents._listing.fleet import Fleet, FleetMembers
from cfevents._listing.query import ListQuery, validate_kind, wanted_kinds
from cfevents._listing.stream_base import AsyncOnly
from cfevents._model.api import Connector, EventMetadata
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import EventDetail, FollowedEvent
from cfevents._progress import Progress
from cfevents._public import set_module
from cfevents._time import DurationLike, TimeLike, is_relative, now, parse_duration, to_seconds
from cfevents._validation import validate_int
from cfevents.errors import ConfigurationError
from cfevents.events import KindFilter

if TYPE_CHECKING:
    from cfevents._following.watch import Watch, WatchCheckpoint
    from cfevents.operations.limits import Limits

T = TypeVar("T")

_POLL_SLICES = 4  # that a poll lists side by side where it is behind
_is_late = attrgetter("late")


@set_module("cfevents")
@frozen(eq=False)
class Batch(Generic[T]):
    """The new events of one poll of a connector, ascending; those of a large poll come in several batches.

    The very first has no events where a wrong clock had set the beginning in the future: its checkpoint is corrected.
    """

    items: tuple[FollowedEvent[T], ...]

    checkpoint: FollowCheckpoint
    """The state after the batch: store it in the same transaction as the items."""

    before: FollowCheckpoint | None = None
    """The state before the batch; None where it is not known."""


@set_module("cfevents")
@define
class SinkMetrics:
    """Events that are in a sink, writes that had to be repeated, and events that the sink refused for good."""

    delivered: int = 0
    retried: int = 0
    dead_letters: int = 0


@set_module("cfevents")
class FollowerMetrics(NamedTuple):
    """The state of a follower and its counts so far: a copy, made by `Follower.metrics`."""

    connectors: Mapping[str, ConnectorStatus]
    """The state of each connector, by id."""

    listed: tuple[Connector, ...] = ()
    """The connectors of the account as they were listed last; none where the follower was given ids."""

    usage: Usage | None = None
    """The requests and waits of the client; None before the first."""

    sink: SinkMetrics | None = None
    """What ``cfevents.sinks.forward`` has delivered; None where it does not run."""


@set_module("cfevents")
class Follower(AsyncOnly, Generic[T]):
    """New events of connectors as they come, and late ones, once each. Made by `Client.follow_events`.

    Nothing is sent before it is iterated. One ``async for`` iterates it at a time; the next one resumes where that
    ended.
    """

    _advice = "use 'async for item in follower'; follower.once() ends when all was read"

    def __init__(self, members: FleetMembers, options: FollowOptions, start: FollowCheckpoint) -> None:
        self._members, self._options, self._reached = members, options, start
        self._present: tuple[PollResult, int] | None = None
        self._poller: Poller | None = None
        self._ended, self._delivered = False, 0  # events
        self._sink: SinkMetrics | None = None

    @property
    def status(self) -> dict[str, ConnectorStatus]:
        """The state of each connector, by id."""
        return {} if self._poller is None else dict(self._poller.status)

    def metrics(self) -> FollowerMetrics:
        """Return what was done so far, and the state of each connector, as a copy: for monitoring.

        Nothing is sent for it. ``cfevents.metrics`` has it in the form of Prometheus.
        """
        status = {name: evolve(status, errors={**status.errors}) for name, status in self.status.items()}
        connection = None if self._poller is None else self._poller.connection
        usage = None if connection is None else Usage.of(connection.counters, connection.budget)
        return FollowerMetrics(status, tuple(self._members.listed), usage, self._sink and evolve(self._sink))

    def _progress(self) -> Progress:
        """Return the part of the first polls of all connectors that is done, and the events so far."""
        return Progress(0.0, "") if self._poller is None else self._poller.progress()

    def _next_poll_s(self) -> float | None:
        """Return the seconds until a connector is polled; None if one is polled now."""
        return None if self._poller is None else self._poller.next_poll_s()

    @property
    def checkpoint(self) -> FollowCheckpoint:
        """The state before the current event or batch: a follower that resumes from it delivers that one again."""
        if self._present is None:
            return self._reached
        result, delivered = self._present
        mark = self._reached.of(result.connector_id).after(result.events[:delivered])
        return self._reached.with_connector(result.connector_id, mark)

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> "Follower[EventDetail]":
        """Return a follower whose events are `EventDetail`, with the payload. Each payload costs a request.

        Args:
            concurrency: How many payloads of a connector are requested at a time.
            kinds: The kinds whose payload is requested: a name, a class in `cfevents.events`, or a collection of them.
                Events of other kinds come without.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid.
        """
        payloads = validate_int("concurrency", concurrency), wanted_kinds(kinds)
        return Follower(self._members, self._options._replace(payloads=payloads), self.checkpoint)

    def once(self) -> "Follower[T]":
        """Return a follower that reads what there is by now, late events too, and ends: for a job that runs regularly.

        It raises `FleetError` where connectors failed, after the others have been served; the checkpoint leaves those
        that failed where they were.
        """
        return Follower(self._members, self._options._replace(once=True), self.checkpoint)

    async def batches(self) -> AsyncGenerator[Batch[T], None]:
        """Yield the new events poll by poll, each batch with the state after it.

        Yields:
            Batches of at most 10,000 events, or 200 with payloads. Only the first may be empty: see `Batch`.

        Raises:
            AuthenticationError: The API has not accepted the credentials for anything so far.
            PermissionDeniedError: Likewise: they are not known, or the permission is missing.
            ConfigurationError: The client was closed, or the function that returns the API token never worked.
        """
        async with aclosing(self._polls()) as polls:
            async for _, batch in polls:
                yield batch

    async def __aiter__(self) -> AsyncGenerator[FollowedEvent[T], None]:
        """Yield event by event; raises as `batches` does."""
        async with aclosing(self._results()) as results:
            async for result, after in results:
                if result is not None:
                    for delivered, event in enumerate(result.items):
                        self._present = result, delivered
                        yield event
                self._reached, self._present = after, None

    def _resume(self, checkpoint: FollowCheckpoint | str) -> None:
        """Go on after a checkpoint, wherever it would begin; raise CheckpointError for one of another follower."""
        self._reached, self._present = require_same_following(checkpoint, self.checkpoint, absolute=False), None
        self._options = self._options._replace(age=0.0)

    def findings(self, *, checkpoint: "WatchCheckpoint | str | None" = None, limits: "Limits | None" = None) -> "Watch":
        """Return the findings of a report as they open, change their severity and are over: an async iterator.

        Args:
            checkpoint: The checkpoint of an earlier watch, or its text, to go on after it. Without one, what was over
                before the follower's ``since`` is left out.
            limits: The limits from which something is wrong.

        Raises:
            CheckpointError: The checkpoint is of other connectors, or damaged.
            TypeError: An argument is of the wrong type.
            ValueError: The follower is limited to some kinds.
        """
        from cfevents._following.watch import Watch  # noqa: PLC0415 - most programs need no rules
        from cfevents.operations.limits import limits_or_default  # noqa: PLC0415 - as above

        if self._reached.kind is not None:
            raise ValueError("findings need events of all kinds: follow without kind")
        watch = Watch(self, limits_or_default(limits))
        if checkpoint is not None:
            watch._resume(checkpoint)
        return watch

    def _with_poll_ends(self, since: int | None = None) -> "Follower[T]":
        """Return a follower whose `_polls` yield the end of each poll too, as a result without events.

        It begins at another time, by this machine's clock, if one is given.
        """
        options, start = self._options._replace(has_poll_ends=True), self.checkpoint
        if since is not None:
            options, start = options._replace(age=now() - since), evolve(start, since=since, connectors={})
        return Follower(self._members, options, start)

    async def _polls(self) -> AsyncGenerator[tuple[PollResult | None, Batch[T]], None]:
        """Yield results with their batches; None with that of a corrected beginning."""
        async with aclosing(self._results()) as results:
            async for result, after in results:
                yield result, Batch((), after) if result is None else Batch(result.items, after, self._reached)
                self._reached = after
                self._delivered += len(result.items) if result else 0

    async def aclose(self) -> None:
        """End it: a loop that iterates it ends too."""
        self._ended = True
        if self._poller is not None:
            await self._poller.close()

    async def _results(self) -> AsyncGenerator[tuple[PollResult | None, FollowCheckpoint], None]:
        """Yield results with the state after them; None with a corrected beginning."""
        if self._poller is not None:  # of an earlier loop, which ends now
            reason = "another loop iterates this follower now: use one follower for each"
            await self._poller.close(ConfigurationError(reason))
        self._reached, self._present = self.checkpoint, None
        self._poller = poller = Poller(self._members, self._options, self._reached)
        try:
            while not self._ended and (result := await poller.next()) is not None:
                if isinstance(result, FollowCheckpoint):
                    self._reached = result
                    yield None, result
                else:
                    connector_id, mark = result.connector_id, result.after
                    yield result, self._reached.with_connector(connector_id, mark, gone=poller.gone)
                    if status := poller.status.get(connector_id):
                        status.delivered += len(result.items)
                        status.late += sum(map(_is_late, result.items))
        except ConfigurationError:
            if not self._ended:  # else the client may be closed
                raise
        finally:
            await poller.close()
        if self._options.once and not self._ended:
            self._members.raise_errors(poller.errors)

    def __repr__(self) -> str:
        state = "ended" if self._ended else "not read yet" if self._poller is None else "read"
        return f"<Follower of {self._members} since={self._reached.since}, {state}>"

    def _repr_html_(self) -> str:
        from cfevents._html import rows_of  # noqa: PLC0415 - only a notebook asks for it

        head = "connector", "last good poll", "backlog", "largest lag", "error"
        rows = [
            (name, status.last_good_at, status.backlog, status.lag, status.error)
            for name, status in self.status.items()
        ]
        return rows_of(repr(self).strip("<>"), head, rows, most=50)


def follow(
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
    """Return a follower for the arguments of `Client.follow_events`; raises as that does."""
    members, present = fleet._members, math.floor(now())
    begin = present if since is None else math.floor(to_seconds("since", since, present))
    if begin > present:
        raise ValueError(f"since={since!r} is in the future by this machine's clock: leave it out to begin now")
    # Each poll brings its connector and its window.
    kinds = None if kind is None else validate_kind(kind)
    query = ListQuery(Checkpoint("", 0, 0, kinds), concurrency=_POLL_SLICES)
    intervals = Intervals(parse_duration("interval", interval), parse_duration("deep_interval", deep_interval))
    is_absolute = since is not None and not is_relative(since)
    options = FollowOptions(
        query,
        intervals,
        parse_duration("overlap", overlap),
        parse_duration("lookback", lookback),
        has_since=since is not None,
        age=0.0 if is_absolute or checkpoint is not None else present - begin,
    )
    ids = None if members.named is None else tuple(sorted(members.named))  # their order means nothing
    start = FollowCheckpoint(members.account_id, ids, kinds, begin)
    if checkpoint is not None:
        start = require_same_following(checkpoint, start, absolute=is_absolute)
    return Follower(members, options, start)

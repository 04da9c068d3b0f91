"""The events that a follower has delivered: a watermark for each connector, and all as text to resume from. No I/O."""

import json
import math
from collections.abc import Iterable, Mapping, Set
from typing import Any

from attrs import asdict, evolve, field, frozen

from cfevents._model.api import EventMetadata, event_key
from cfevents._model.checkpoint import Checkpoint, EventKey, read_state
from cfevents._public import set_module
from cfevents._time import TimeWindow
from cfevents.errors import CheckpointError

_FOLLOW_VERSION = 1
_MAX_CLOCK_AHEAD_S = 86_400  # events that an appliance recorded "tomorrow" are listed too
_RESUME_ADVICE = {
    "account_id": "use a client of that account",
    "connector_ids": "None is all of the account; resume with the same, and follow others with another checkpoint",
    "kind": "resume with the same kinds; checkpoint.kind has them",
    "since": "leave since out, or write a duration such as '6h', which counts the first time alone",
}


@frozen(eq=False, repr=False)
class Watermark:
    """The events of a connector that were delivered: all before ``since``, and of the later ones ``delivered``.

    De-duplication by key. Invariant: an event is delivered if and only if it is not covered yet, and is covered from
    then on; ``since`` moves only past times of which nothing can come any more. So each event that is collected within
    the lookback is delivered exactly once. Memory is one key for each event of the lookback; an update copies them.
    """

    since: int  # events recorded earlier are not delivered, in seconds since the Unix epoch
    newest: int | float | None = None  # the latest recording time of the events that were delivered
    reached: int | float | None = None  # the same of those that were listed, of any kind
    # The events that were delivered and may be listed again; a dict, since it is the quickest to copy.
    delivered: Mapping[EventKey, None] = field(factory=dict)

    def window(self, overlap: float, earliest: float, latest: float) -> TimeWindow:
        """Return the window to list: from ``overlap`` seconds, or all that may come again, until a day from now.

        Now is some time between ``earliest`` and ``latest``.
        """
        # No later than now: an appliance whose clock is ahead may be corrected.
        mark = min(self.since if self.reached is None else self.reached, earliest)
        begin = self.since if math.isinf(overlap) else max(self.since, math.floor(mark - overlap))
        # A second early: whether bounds are inclusive is not known. Where a clock was never set, now may seem earlier.
        return TimeWindow(max(0, begin - 1), max(math.ceil(latest), begin) + _MAX_CLOCK_AHEAD_S)

    def undelivered(self, events: Iterable[EventMetadata]) -> list[EventMetadata]:
        """Return the events that are not covered yet, ascending and once each."""
        missing = {
            key: event
            for event in events
            if event.recorded_ts >= self.since and (key := event_key(event)) not in self.delivered
        }
        return [missing[key] for key in sorted(missing)]

    @property
    def complete_from(self) -> int:
        """The time from which on nothing was delivered so far: a store that begins here has all of it."""
        return max([self.since, *(math.floor(recorded_ts) + 1 for recorded_ts, _ in self.delivered)])

    def covers(self, other: "Watermark") -> bool:
        """Return whether all that counts as delivered there does so here: who goes on from there leaves no gap."""
        return other.since <= self.since and all(
            key[0] < self.since or key in self.delivered for key in other.delivered
        )

    def with_lookback(self, begin: int, seconds: float) -> "Watermark":
        """Return the watermark back by a lookback, but not before ``begin``: another may have had a shorter one.

        Events that are delivered again are in the store already.
        """
        if self.reached is None:
            return self
        return evolve(self, since=max(begin, min(self.since, math.floor(self.reached - seconds))))

    def is_late(self, event: EventMetadata) -> bool:
        return self.newest is not None and event.recorded_ts < self.newest

    def after(self, events: Iterable[EventMetadata]) -> "Watermark":
        """Return the watermark once these events are delivered."""
        keys = dict.fromkeys(map(event_key, events))
        if not keys:
            return self
        newest_ts = max(recorded_ts for recorded_ts, _ in keys)
        newest = newest_ts if self.newest is None else max(self.newest, newest_ts)
        return evolve(self, newest=newest, delivered={**self.delivered, **keys}).with_reached(newest_ts)

    def with_reached(self, recorded_ts: float) -> "Watermark":
        """Return the watermark once an event of that recording time was listed, of whatever kind."""
        return evolve(self, reached=recorded_ts if self.reached is None else max(self.reached, recorded_ts))

    def to_dict(self) -> dict[str, Any]:
        # One flat array of keys: it is the longest part by far.
        return {**asdict(self, recurse=False), "delivered": [part for key in sorted(self.delivered) for part in key]}

    def prune_before(self, recorded_ts: float) -> "Watermark":
        """Return the watermark without the events recorded earlier: nothing more of then can be collected in time."""
        since = math.floor(recorded_ts)
        if since <= self.since:
            return self
        return evolve(self, since=since, delivered={key: None for key in self.delivered if key[0] >= since})


@set_module("cfevents")
@frozen(eq=False, repr=False)
class FollowCheckpoint:
    """The events that a follower has delivered: `Client.follow_events` resumes after them.

    The checkpoint of a batch is the state after it: store both in one transaction, and each event is stored once.
    `Follower.checkpoint` is the state before the current event: a program that stores it gets that event again, and
    loses none. A checkpoint belongs to its account, connectors and kinds: resume with the same.
    """

    account_id: str
    """The account."""

    connector_ids: tuple[str, ...] | None
    """The connectors; None for all of the account."""

    kind: str | tuple[str, ...] | None
    """The kind or kinds that following is limited to."""

    since: int
    """Events recorded earlier are not delivered, in seconds since the Unix epoch."""

    connectors: Mapping[str, Watermark] = field(factory=dict)
    """The watermark of each connector."""

    dropped_until: int | None = None
    """Connectors that left the account long ago are dropped; none of them had an event from then on."""

    def of(self, connector_id: str) -> Watermark:
        """Return a connector's watermark; a new one begins at ``since``, and after all that were dropped."""
        begin = self.since if self.dropped_until is None else max(self.since, self.dropped_until)
        return self.connectors.get(connector_id) or Watermark(begin)

    def with_connector(self, connector_id: str, mark: Watermark, *, gone: Set[str] = frozenset()) -> "FollowCheckpoint":
        """Return the same state but for one connector, and without those that left the account."""
        marks = {**self.connectors, connector_id: mark}
        ends = [marks.pop(dropped).complete_from for dropped in marks.keys() & gone]
        known = [] if self.dropped_until is None else [self.dropped_until]
        return evolve(self, connectors=marks, dropped_until=max(ends + known, default=None))

    def to_json(self) -> str:
        """Return the state as one line of JSON."""
        state = {
            "version": _FOLLOW_VERSION,
            "account_id": self.account_id,
            "connector_ids": self.connector_ids,
            "kind": self.kind,
            "since": self.since,
            "dropped_until": self.dropped_until,
            "connectors": {connector_id: mark.to_dict() for connector_id, mark in self.connectors.items()},
        }
        return json.dumps(state, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FollowCheckpoint":
        """Parse the text that `to_json` returned.

        Raises:
            CheckpointError: The text is no checkpoint of a follower, is damaged, or is of a newer version of this
                library.
            TypeError: The argument is not text.
        """
        try:
            return read_state(text, _FOLLOW_VERSION, cls)
        except ValueError as error:
            raise CheckpointError(f"invalid checkpoint, or not one of following: {error}") from None

    def __str__(self) -> str:
        return self.to_json()

    def __repr__(self) -> str:
        return f"<FollowCheckpoint of {len(self.connectors)} connectors since={self.since}>"


def require_same_following(
    checkpoint: FollowCheckpoint | str, start: FollowCheckpoint, *, absolute: bool
) -> FollowCheckpoint:
    """Return a checkpoint, parsed, or raise CheckpointError if it is not of what begins at ``start``."""
    if isinstance(checkpoint, Checkpoint):
        raise CheckpointError("the checkpoint is of a listing: resume it with list_events")
    if not isinstance(checkpoint, FollowCheckpoint):
        checkpoint = FollowCheckpoint.from_json(checkpoint)
    for name, advice in _RESUME_ADVICE.items():
        theirs, ours = getattr(checkpoint, name), getattr(start, name)
        if theirs != ours and (name != "since" or absolute):
            message = f"the checkpoint belongs to another follower: its {name} is {theirs!r}, not {ours!r}; {advice}"
            raise CheckpointError(message, mismatch=(name, theirs, ours))
    return checkpoint

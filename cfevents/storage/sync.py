"""Where filling an archive goes on."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from attrs import evolve

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Follower
from cfevents._listing.fleet import Fleet
from cfevents._model.api import EventMetadata
from cfevents._time import DurationLike, TimeLike
from cfevents.events import KindFilter
from cfevents.storage.queries import store_checkpoint, stored_checkpoints

_ALL = ""
"""The name under which it is stored since when all connectors of an account are followed."""


class SupportsFollow(Protocol):
    """What a client is here: it knows the account's connectors, and follows them."""

    def fleet(self) -> Fleet:
        """Take all connectors of the account."""
        ...

    def follow_events(
        self,
        connector_ids: str | Iterable[str] | Fleet,
        *,
        since: TimeLike | None = ...,
        checkpoint: FollowCheckpoint | str | None = ...,
        interval: DurationLike = ...,
        lookback: DurationLike = ...,
        kind: KindFilter | None = ...,
    ) -> Follower[EventMetadata]:
        """Follow connectors."""
        ...


class Beginning(NamedTuple):
    """Where to go on, and since when each connector that is known is followed."""

    checkpoint: FollowCheckpoint
    since: Mapping[str, int]


def plan_sync(connection: sqlite3.Connection, asked: FollowCheckpoint, *, is_given: bool, details: bool) -> Beginning:
    """Find where to go on, and store since when that is.

    Without it a process that is killed before the first event comes would later begin at another time.

    Args:
        connection: With a transaction open.
        asked: The connectors, the kinds, and since when.
        is_given: Whether the caller said since when.
        details: Whether payloads are stored too: that goes on by itself, so that those that are missing come.

    Raises:
        ArchiveError: A stored checkpoint is damaged.
    """
    known = stored_checkpoints(connection, asked, details=details)
    since = asked.since
    if not is_given:
        # What is new now was to be read since the others were, with payloads or without.
        others = known or stored_checkpoints(connection, asked, details=not details)
        since = min((each.since for each in others.values()), default=since)
    usable = {name: each for name, each in known.items() if each.since <= since or not is_given}
    for name in (_ALL,) if asked.connector_ids is None else asked.connector_ids:
        usable.setdefault(name, _fresh(asked, name, since))
    # Of those that were followed from a later time on, the earlier part is missing: all is read again.
    usable |= {name: _fresh(asked, name, since) for name in known.keys() - usable.keys()}
    for name, each in usable.items():
        if each is not known.get(name):
            store_checkpoint(connection, each, details=details)
    if _ALL in usable:
        # One of which nothing was ever stored may be new, or may have been silent so far.
        since = min(since, usable[_ALL].since)
    marks = {name: each.of(name) for name, each in usable.items() if name != _ALL}
    begins = {name: each.since for name, each in usable.items()}
    return Beginning(evolve(asked, since=since, connectors=marks), begins)


def _fresh(asked: FollowCheckpoint, name: str, since: int) -> FollowCheckpoint:
    return evolve(asked, connector_ids=None if name == _ALL else (name,), since=since, connectors={})

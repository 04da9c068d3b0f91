"""The time of which an archive has all events of a connector: from when on, and when it was last asked with success.

Invariant: an extent ends where a poll began that listed everything, so whatever was collected by then is stored. One
that does not touch the extent before it replaces that, since nothing is known of the time between them. A fill that
did not end has no extent.
"""

import json
import sqlite3
from datetime import datetime

from attrs import frozen

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._public import set_module
from cfevents._time import to_datetime

_ALL_KINDS = json.dumps(None)
_EXTENT_KEY = "account_id = ? AND connector_id = ? AND kind = ?"
_STORE = (
    "INSERT INTO extents VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (account_id, connector_id, kind) "
    "DO UPDATE SET since_ts = excluded.since_ts, until_ts = excluded.until_ts"
)


@set_module("cfevents.storage")
@frozen
class Extent:
    """The time of which an archive has all events of a connector."""

    since: datetime
    """Events recorded earlier were not requested, or were removed by `Archive.prune`."""

    until: datetime
    """When the connector was last asked with success. What was collected by then is in the archive."""


def store_extent(
    connection: sqlite3.Connection, request: FollowCheckpoint, connector_id: str, since: int, until: float
) -> None:
    """Store that everything of a connector was read that was recorded from a time on and collected by another."""
    key = request.account_id, connector_id, json.dumps(request.kind)
    known = connection.execute(f"SELECT since_ts, until_ts FROM extents WHERE {_EXTENT_KEY}", key).fetchone()  # noqa: S608
    if known is not None and since <= known[1]:
        since = min(since, known[0])
    connection.execute(_STORE, (*key, since, until))


def extend_extent(
    connection: sqlite3.Connection, request: FollowCheckpoint, connector_id: str, since: int, until: float
) -> None:
    """Store that a follower of the user's read all that was recorded from a time on up to an event.

    One that is not there yet leaves the extent as it is, until it reaches it.
    """
    key = request.account_id, connector_id, json.dumps(request.kind)
    known = connection.execute(f"SELECT since_ts, until_ts FROM extents WHERE {_EXTENT_KEY}", key).fetchone()  # noqa: S608
    if known is None or since > known[1] + 1:  # the second after the last event is the next
        store_extent(connection, request, connector_id, since, until)
    elif until >= known[0]:
        store_extent(connection, request, connector_id, min(since, known[0]), max(until, known[1]))


def forget_extent(connection: sqlite3.Connection, request: FollowCheckpoint, connector_id: str) -> None:
    """Remove the extent of a connector that is read again from an earlier time on."""
    key = request.account_id, connector_id, json.dumps(request.kind)
    connection.execute(f"DELETE FROM extents WHERE {_EXTENT_KEY}", key)  # noqa: S608


def prune_extents(connection: sqlite3.Connection, account_id: str | None, before: int) -> None:
    """Let the extents, of one account or of all, begin at a time, and remove those that ended before it."""
    account = (account_id, account_id)
    update = "UPDATE extents SET pruned_ts = max(pruned_ts, ?) WHERE ? IS NULL OR account_id = ?"
    connection.execute(update, (before, *account))
    connection.execute("DELETE FROM extents WHERE until_ts < ? AND (? IS NULL OR account_id = ?)", (before, *account))


def read_extents(connection: sqlite3.Connection, account_id: str | None) -> dict[str, Extent]:
    """Return the extents of an account's connectors, for events of all kinds."""
    rows = connection.execute(
        "SELECT connector_id, max(since_ts, pruned_ts), until_ts FROM extents WHERE account_id = ? AND kind = ?",
        (account_id, _ALL_KINDS),
    )
    return {name: Extent(to_datetime(since), to_datetime(until)) for name, since, until in rows}

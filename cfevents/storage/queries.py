"""The state of an archive beside its events: connectors, checkpoints. Each function does its work on a connection."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from attrs import evolve

from cfevents._following.checkpoint import FollowCheckpoint, Watermark
from cfevents._following.follower import Batch
from cfevents._model.api import Connector, Device, event_key
from cfevents.errors import ArchiveError, CfEventsError
from cfevents.storage.extents import Extent, extend_extent, forget_extent, read_extents
from cfevents.storage.rows import as_listed, from_sql, sole_account, sql_text, store_events
from cfevents.storage.schema import is_version_1

# The row under which the checkpoint of a whole account is stored.
_ACCOUNT_ROW = ""
_CHECKPOINT = (
    "INSERT OR REPLACE INTO checkpoints (account_id, connector_id, kind, details, checkpoint) VALUES (?, ?, ?, ?, ?)"
)
_NAMES = (
    "INSERT INTO connectors (account_id, connector_id, serial_number, notes) VALUES (?, ?, ?, ?) ON CONFLICT "
    "(account_id, connector_id) DO UPDATE SET serial_number = excluded.serial_number, notes = excluded.notes"
)


def store_batch(connection: sqlite3.Connection, batch: Batch[Any], since: Mapping[str, int], *, details: bool) -> int:
    """Store the batch of a sync in the open transaction; return how many of its events are new.

    `since` is the time from which each connector is followed, in seconds since the Unix epoch, where that is not what
    the batch says.
    """
    for name in _connectors_of(batch):
        start = since.get(name, batch.checkpoint.since)
        checkpoint = _checkpoint_of(name, batch.checkpoint, start, batch.checkpoint.of(name))
        store_checkpoint(connection, checkpoint, details=details)
    return store_events(connection, batch.checkpoint.account_id, batch.items)


def append_batch(connection: sqlite3.Connection, batch: Batch[Any]) -> int:
    """Store the batch of a follower that began anywhere, in the open transaction; return how many events are new.

    Invariant: of a connector's events, the archive has all that were recorded from its checkpoint's ``since`` on and
    that its watermark covers. So the checkpoint advances only if it covers all that the follower had delivered before.
    Otherwise it stays, and the next sync reads what lies between. One that is stored first begins after that.
    """
    names = _connectors_of(batch)
    stored = _stored_checkpoints(connection, batch.checkpoint, names, details=False)
    for name in names:
        known, before, after = stored.get(name), _watermark_before(batch, name), batch.checkpoint.of(name)
        start = before.complete_from
        if known is None or known.of(name).covers(before):
            start = start if known is None else min(known.since, start)
            store_checkpoint(connection, _checkpoint_of(name, batch.checkpoint, start, after), details=False)
        events = as_listed(item for item in batch.items if item.connector_id == name)
        # Ascending: of a poll of several batches, later ones may have events that were collected before this one's.
        until = min(events[-1].recorded_ts, max(event.collected_ts for event in events))
        extend_extent(connection, batch.checkpoint, name, start, until)
    return store_events(connection, batch.checkpoint.account_id, batch.items)


def _watermark_before(batch: Batch[Any], connector_id: str) -> Watermark:
    if batch.before is not None:
        return batch.before.of(connector_id)
    after = batch.checkpoint.of(connector_id)
    keys = set(map(event_key, as_listed(item for item in batch.items if item.connector_id == connector_id)))
    return evolve(after, delivered={key: None for key in after.delivered if key not in keys})


def _connectors_of(batch: Batch[Any]) -> Collection[str]:
    return dict.fromkeys(item.connector_id for item in batch.items).keys()


def store_checkpoint(connection: sqlite3.Connection, checkpoint: FollowCheckpoint, *, details: bool) -> None:
    """Store the checkpoint of one connector, or of a whole account."""
    name = _ACCOUNT_ROW if checkpoint.connector_ids is None else checkpoint.connector_ids[0]
    kind = json.dumps(checkpoint.kind)
    connection.execute(_CHECKPOINT, (checkpoint.account_id, name, kind, details, checkpoint.to_json()))


def _checkpoint_of(
    name: str, request: FollowCheckpoint, since: int, watermark: Watermark | None = None
) -> FollowCheckpoint:
    """Return the checkpoint of one connector, or of the account, that is followed from a time on."""
    ids = None if name == _ACCOUNT_ROW else (name,)
    return evolve(request, connector_ids=ids, since=since, connectors={name: watermark} if watermark else {})


def _stored_checkpoints(
    connection: sqlite3.Connection, request: FollowCheckpoint, names: Collection[str] | None, *, details: bool
) -> dict[str, FollowCheckpoint]:
    rows = connection.execute(
        "SELECT connector_id, checkpoint FROM checkpoints WHERE account_id = ? AND kind = ? AND details = ?",
        (request.account_id, json.dumps(request.kind), details),
    ).fetchall()
    return {name: _parse_checkpoint(text) for name, text in rows if names is None or name in names}


def _parse_checkpoint(text: Any) -> FollowCheckpoint:
    try:
        return FollowCheckpoint.from_json(text)
    except (CfEventsError, TypeError) as error:
        raise ArchiveError(f"it has a checkpoint that is damaged: {error}") from error


def has_results(connection: sqlite3.Connection) -> bool:
    """Return whether anything was read into the archive, for any account."""
    return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("events", "extents"))  # noqa: S608 - no text of others


def plan_sync(
    connection: sqlite3.Connection, request: FollowCheckpoint, *, is_since_given: bool, lookback: float, details: bool
) -> tuple[FollowCheckpoint, dict[str, int]]:
    """Decide for each connector whether it goes on or restarts, and store that in the open transaction.

    Otherwise a process that is killed before the first event comes would later start at another time. A sync with
    payloads has checkpoints of its own, so that payloads that are missing come. Where `is_since_given` is false, the
    request's time is now. The lookback is in seconds.

    Returns:
        The checkpoint to follow from, and when each connector begins, in seconds since the Unix epoch.
    """
    is_account = request.connector_ids is None
    requested = {*(request.connector_ids or ()), _ACCOUNT_ROW}
    known = _stored_checkpoints(connection, request, None if is_account else requested, details=details)
    since = request.since if is_since_given else _others_start(connection, request, details=details)
    if account := known.get(_ACCOUNT_ROW):
        # All connectors were followed from there on, those without a checkpoint in silence.
        since = min(since, account.since)
    plan = dict[str, FollowCheckpoint]()
    for name in {**known, _ACCOUNT_ROW: None} if request.connector_ids is None else request.connector_ids:
        checkpoint = known.get(name)
        # One that is known from a later time on lacks the events before it, and restarts.
        if checkpoint is None or (checkpoint.since > since and (is_since_given or is_account or account)):
            if checkpoint is not None:
                forget_extent(connection, request, name)
            checkpoint = _checkpoint_of(name, request, since)
            store_checkpoint(connection, checkpoint, details=details)
        plan[name] = checkpoint
    starts = {name: checkpoint.since for name, checkpoint in plan.items()}
    watermarks = {
        name: checkpoint.of(name).with_lookback(checkpoint.since, lookback)
        for name, checkpoint in plan.items()
        if name != _ACCOUNT_ROW
    }
    return evolve(request, since=since, connectors=watermarks), starts


def _others_start(connection: sqlite3.Connection, request: FollowCheckpoint, *, details: bool) -> int:
    """Return when the account was first followed, else the first connector, with payloads or without; or now."""
    row = connection.execute(
        "SELECT checkpoint FROM checkpoints WHERE account_id = ? AND kind = ? "
        "ORDER BY details != ?, connector_id != ?, json_extract(checkpoint, '$.since') LIMIT 1",
        (request.account_id, json.dumps(request.kind), details, _ACCOUNT_ROW),
    ).fetchone()
    return request.since if row is None else _parse_checkpoint(row[0]).since


def connectors(connection: sqlite3.Connection, account_id: str | None) -> list[str]:
    """Return the connectors of an account that have events, or were asked with success."""
    account = sole_account(connection, account_id)
    rows = connection.execute(
        "SELECT DISTINCT connector_id FROM checkpoints AS known WHERE account_id = ? AND EXISTS (SELECT 1 FROM events "
        "WHERE account_id = known.account_id AND connector_id = known.connector_id) "
        "UNION SELECT connector_id FROM extents WHERE account_id = ? ORDER BY connector_id",
        (account, account),
    )
    return [name for (name,) in rows]


def store_connectors(connection: sqlite3.Connection, account_id: str | None, listed: Iterable[Connector]) -> None:
    """Store the serial numbers and notes of an account's connectors, in place of those that were known."""
    if (account := sole_account(connection, account_id)) is None:
        raise ArchiveError("it has no account yet: give one as account_id=")
    rows = (
        (connector.id, connector.device and connector.device.serial_number, connector.notes) for connector in listed
    )
    values = ((account, *(text and sql_text(text) for text in row)) for row in rows)
    connection.executemany(_NAMES, values)


def named_connectors(connection: sqlite3.Connection, account_id: str | None) -> list[Connector]:
    """Return `connectors` with what is known of their names."""
    statement = "SELECT connector_id, serial_number, notes FROM connectors WHERE account_id = ?"
    account = sole_account(connection, account_id)
    rows = () if is_version_1(connection) else connection.execute(statement, (account,))
    names = {name: list(map(from_sql, row)) for name, *row in rows}
    known = ((name, *names.get(name, (None, None))) for name in connectors(connection, account_id))
    return [
        Connector(name, device=serial and Device(serial_number=serial), notes=notes) for name, serial, notes in known
    ]


def event_counts(
    connection: sqlite3.Connection, account_id: str | None
) -> list[tuple[str, float | None, float | None, int]]:
    """Return each of `connectors`, the times of its first and last event, and the number of its events.

    SQLite counts by reading the account's events once, in the order of their key: 0.1 s for a million.
    """
    tables = "events" if is_version_1(connection) else "connectors JOIN listed_events USING (connector_key)"
    rows = connection.execute(
        f"SELECT connector_id, MIN(recorded_ts), MAX(recorded_ts), COUNT(*) FROM {tables} WHERE account_id = ? "  # noqa: S608 - no text of others
        "GROUP BY connector_id",
        (sole_account(connection, account_id),),
    )
    counts = {name: (name, first, last, count) for name, first, last, count in rows}
    return [counts.get(name, (name, None, None, 0)) for name in connectors(connection, account_id)]


def extents(connection: sqlite3.Connection, account_id: str | None) -> dict[str, Extent | None]:
    """Return the extent of each of `connectors`; None where reading it has not ended once."""
    known = read_extents(connection, sole_account(connection, account_id))
    return {connector_id: known.get(connector_id) for connector_id in connectors(connection, account_id)}


def limited_kinds(connection: sqlite3.Connection, account_id: str | None) -> dict[str, set[str]]:
    """Return the kinds of each connector that was never asked for events of all kinds."""
    account = sole_account(connection, account_id)
    rows = connection.execute(
        "SELECT connector_id, kind FROM checkpoints WHERE account_id = ? "
        "UNION SELECT connector_id, kind FROM extents WHERE account_id = ?",
        (account, account),
    )
    kinds: dict[str, set[str]] = {}
    unlimited: set[str] = set()
    for name, kind in rows:
        match json.loads(kind):
            case None:
                unlimited.add(name)
            case str(one):
                kinds.setdefault(name, set()).add(one)
            case several:
                kinds.setdefault(name, set()).update(several)
    return {} if _ACCOUNT_ROW in unlimited else {name: kinds[name] for name in kinds.keys() - unlimited}


def connector_keys(connection: sqlite3.Connection, account_id: str | None) -> list[int]:
    """Return the numbers of the connectors of one account, or of all."""
    select = "SELECT connector_key FROM connectors WHERE ? IS NULL OR account_id = ?"
    return [key for (key,) in connection.execute(select, (account_id, account_id))]


def shrink_file(connection: sqlite3.Connection) -> None:
    """Return free pages of the file to the file system."""
    # A page is freed with each step of it; execute takes only the first, since it returns no rows.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

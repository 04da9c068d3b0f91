"""The statements on an archive's tables, and events as their rows. Each function does its work on a connection."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from attrs import evolve

from cfevents._following.checkpoint import FollowCheckpoint, Watermark
from cfevents._following.follower import Batch
from cfevents._model.api import Connector, Device, EventMetadata, RecordedEvent, event_key
from cfevents._model.results import EventDetail, FollowedEvent
from cfevents._protocol.converter import structure, unstructure
from cfevents._protocol.fast_path import OWN_TEXT
from cfevents.errors import ArchiveError, CfEventsError
from cfevents.events import Event
from cfevents.storage.extents import Extent, extend_extent, forget_extent, read_extents

Value: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = tuple[Value, ...]

LISTED = ("kind", "recorded_ts", "sequence", "collected_ts", "extra")
"""The columns of an event as it is listed."""

PAYLOAD = ("version", "event", "recorded_extra")
"""The columns of its payload; ``event`` is null where there is none."""

# The row under which the checkpoint of a whole account is stored.
_ACCOUNT_ROW = ""
_KEY = "account_id = ? AND connector_id = ?"
_INSERT = (
    f"INSERT INTO events (account_id, connector_id, {', '.join(LISTED)}) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT DO NOTHING"
)
_FILL_IN = (
    f"UPDATE events SET {', '.join(f'{name} = ?' for name in PAYLOAD)} "  # noqa: S608
    f"WHERE {_KEY} AND recorded_ts = ? AND sequence = ? AND event IS NULL"
)
_CHECKPOINT = (
    "INSERT OR REPLACE INTO checkpoints (account_id, connector_id, kind, details, checkpoint) VALUES (?, ?, ?, ?, ?)"
)
_NAMES = "INSERT OR REPLACE INTO connectors (account_id, connector_id, serial_number, notes) VALUES (?, ?, ?, ?)"
_PRUNE = (
    f"DELETE FROM events WHERE {_KEY} AND (recorded_ts, sequence) IN (SELECT recorded_ts, sequence FROM events "  # noqa: S608
    f"WHERE {_KEY} AND recorded_ts < ? ORDER BY recorded_ts, sequence LIMIT ?)"
)


def sql_text(text: str) -> str | bytes:
    """Return text as SQLite takes it: as bytes where it has half of a surrogate pair, which JSON allows."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def _from_sql(value: Any) -> Any:
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value


def _dump_extra(extra: dict[str, Any]) -> str | None:
    return json.dumps(extra) if extra else None


def _load_extra(extra: str | None) -> dict[str, Any]:
    return {} if extra is None else json.loads(extra)


def _detail(row: tuple[Any, ...]) -> EventDetail:
    """Convert the values of `LISTED`, and of `PAYLOAD` where they follow, to the event."""
    kind, recorded_ts, sequence, collected_ts, extra, *payload = row
    name = _from_sql(kind)
    listed = EventMetadata(OWN_TEXT.get(name, name), recorded_ts, sequence, collected_ts, extra=_load_extra(extra))
    version, event, recorded_extra = payload or (None, None, None)
    if event is None:
        return EventDetail(listed, None)
    extra = _load_extra(recorded_extra)
    recorded = structure(json.loads(event), Event)
    return EventDetail(listed, RecordedEvent(recorded, recorded_ts, sequence, _from_sql(version), extra=extra))


def store_batch(connection: sqlite3.Connection, batch: Batch[Any], since: Mapping[str, int], *, details: bool) -> int:
    """Store the batch of a sync in the open transaction; return how many of its events are new.

    `since` is the time from which each connector is followed, in seconds since the Unix epoch, where that is not what
    the batch says.
    """
    for name in _connectors_of(batch):
        start = since.get(name, batch.checkpoint.since)
        checkpoint = _checkpoint_of(name, batch.checkpoint, start, batch.checkpoint.of(name))
        store_checkpoint(connection, checkpoint, details=details)
    return _store_events(connection, batch)


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
        events = [_metadata(item) for item in batch.items if item.connector_id == name]
        # Ascending: of a poll of several batches, later ones may have events that were collected before this one's.
        until = min(events[-1].recorded_ts, max(event.collected_ts for event in events))
        extend_extent(connection, batch.checkpoint, name, start, until)
    return _store_events(connection, batch)


def _watermark_before(batch: Batch[Any], connector_id: str) -> Watermark:
    if batch.before is not None:
        return batch.before.of(connector_id)
    after = batch.checkpoint.of(connector_id)
    keys = {event_key(_metadata(item)) for item in batch.items if item.connector_id == connector_id}
    return evolve(after, delivered={key: None for key in after.delivered if key not in keys})


def _connectors_of(batch: Batch[Any]) -> Collection[str]:
    return dict.fromkeys(item.connector_id for item in batch.items).keys()


def _store_events(connection: sqlite3.Connection, batch: Batch[Any]) -> int:
    """Store events and return how many are new. Those that are there stay; payloads that they lacked are filled in."""
    account_id, before = batch.checkpoint.account_id, connection.total_changes
    connection.executemany(_INSERT, (_listed_row(account_id, item) for item in batch.items))
    new = connection.total_changes - before
    connection.executemany(_FILL_IN, _payload_rows(account_id, batch.items))
    return new


def _metadata(item: FollowedEvent[Any]) -> EventMetadata:
    return item.event.metadata if isinstance(item.event, EventDetail) else item.event


def _listed_row(account_id: str, item: FollowedEvent[Any]) -> Row:
    event = _metadata(item)
    times = event.recorded_ts, event.sequence, event.collected_ts
    return account_id, item.connector_id, sql_text(event.kind), *times, _dump_extra(event.extra)


def _payload_rows(account_id: str, items: Iterable[FollowedEvent[Any]]) -> Iterable[Row]:
    for item in items:
        if isinstance(item.event, EventDetail) and (recorded := item.event.recorded) is not None:
            event = item.event.metadata
            version = None if recorded.version is None else sql_text(recorded.version)
            payload = version, json.dumps(unstructure(recorded.event)), _dump_extra(recorded.extra)
            yield *payload, account_id, item.connector_id, event.recorded_ts, event.sequence


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


def select_events(
    connection: sqlite3.Connection, account_id: str | None, columns: tuple[str, ...], rest: str, values: Row
) -> list[EventDetail]:
    """Return events of a connector, by the rest of the statement after the connector, and all values from it on.

    The columns are `LISTED`, with `PAYLOAD` or without. Without an account the archive must have one alone.
    """
    statement = f"SELECT {', '.join(columns)} FROM events WHERE {_KEY} {rest}"  # noqa: S608 - all of it is ours
    rows = connection.execute(statement, (_account(connection, account_id), *values)).fetchall()
    try:
        return list(map(_detail, rows))
    except (CfEventsError, TypeError, ValueError, RecursionError) as error:
        raise ArchiveError(f"it has an event of {values[0]!r} that is damaged: {error}") from error


def _account(connection: sqlite3.Connection, account_id: str | None) -> str | None:
    if account_id is not None:
        return account_id
    # Those that have events, or were asked with success: an id that was mistyped once was not.
    rows = connection.execute(
        "SELECT DISTINCT account_id FROM checkpoints AS known "
        "WHERE EXISTS (SELECT 1 FROM events WHERE account_id = known.account_id) "
        "UNION SELECT account_id FROM extents"
    )
    accounts = [name for (name,) in rows]
    if len(accounts) > 1:
        raise ArchiveError(f"it has several accounts: give one as account_id=, of {', '.join(accounts)}")
    return accounts[0] if accounts else None


def connectors(connection: sqlite3.Connection, account_id: str | None) -> list[str]:
    """Return the connectors of an account that have events, or were asked with success."""
    account = _account(connection, account_id)
    rows = connection.execute(
        "SELECT DISTINCT connector_id FROM checkpoints AS known WHERE account_id = ? AND EXISTS (SELECT 1 FROM events "
        "WHERE account_id = known.account_id AND connector_id = known.connector_id) "
        "UNION SELECT connector_id FROM extents WHERE account_id = ? ORDER BY connector_id",
        (account, account),
    )
    return [name for (name,) in rows]


def store_connectors(connection: sqlite3.Connection, account_id: str | None, listed: Iterable[Connector]) -> None:
    """Store the serial numbers and notes of an account's connectors, in place of those that were known."""
    if (account := _account(connection, account_id)) is None:
        raise ArchiveError("it has no account yet: give one as account_id=")
    rows = (
        (connector.id, connector.device and connector.device.serial_number, connector.notes) for connector in listed
    )
    values = ((account, *(text and sql_text(text) for text in row)) for row in rows)
    connection.executemany(_NAMES, values)


def named_connectors(connection: sqlite3.Connection, account_id: str | None) -> list[Connector]:
    """Return `connectors` with what is known of their names."""
    statement = "SELECT connector_id, serial_number, notes FROM connectors WHERE account_id = ?"
    rows = connection.execute(statement, (_account(connection, account_id),))
    names = {name: list(map(_from_sql, row)) for name, *row in rows}
    known = ((name, *names.get(name, (None, None))) for name in connectors(connection, account_id))
    return [
        Connector(name, device=serial and Device(serial_number=serial), notes=notes) for name, serial, notes in known
    ]


def event_counts(
    connection: sqlite3.Connection, account_id: str | None
) -> list[tuple[str, float | None, float | None, int]]:
    """Return each of `connectors`, the times of its first and last event, and the number of its events.

    SQLite counts by reading the account's events once, in the order of their key: 0.4 s for a million.
    """
    rows = connection.execute(
        "SELECT connector_id, MIN(recorded_ts), MAX(recorded_ts), COUNT(*) FROM events WHERE account_id = ? "
        "GROUP BY connector_id",
        (_account(connection, account_id),),
    )
    counts = {name: (name, first, last, count) for name, first, last, count in rows}
    return [counts.get(name, (name, None, None, 0)) for name in connectors(connection, account_id)]


def extents(connection: sqlite3.Connection, account_id: str | None) -> dict[str, Extent | None]:
    """Return the extent of each of `connectors`; None where reading it has not ended once."""
    known = read_extents(connection, _account(connection, account_id))
    return {connector_id: known.get(connector_id) for connector_id in connectors(connection, account_id)}


def limited_kinds(connection: sqlite3.Connection, account_id: str | None) -> dict[str, set[str]]:
    """Return the kinds of each connector that was never asked for events of all kinds."""
    account = _account(connection, account_id)
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


def account_connectors(connection: sqlite3.Connection, account_id: str | None) -> list[tuple[str, str]]:
    """Return the connectors of one account, or of all, each as account and connector."""
    rows = connection.execute("SELECT DISTINCT account_id, connector_id FROM checkpoints")
    return [(account, name) for account, name in rows if name != _ACCOUNT_ROW and account_id in {None, account}]


def prune_some(connection: sqlite3.Connection, connector: tuple[str, str], before: int, limit: int) -> int:
    """Remove at most so many events of a connector that were recorded before a time; return how many."""
    return connection.execute(_PRUNE, (*connector, *connector, before, limit)).rowcount


def shrink_file(connection: sqlite3.Connection) -> None:
    """Return free pages of the file to the file system."""
    # A page is freed with each step of it; execute takes only the first, since it returns no rows.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

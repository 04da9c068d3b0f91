"""What is done with the archive's tables. Each function is one piece of work on a connection."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from attrs import evolve

from cfevents._following.checkpoint import FollowCheckpoint
from cfevents._following.follower import Batch
from cfevents._model.api import EventMetadata, RecordedEvent
from cfevents._model.results import EventDetail, FollowedEvent
from cfevents._protocol.converter import structure, unstructure
from cfevents._protocol.fast_path import OWN_TEXT
from cfevents.errors import ArchiveError, CfEventsError
from cfevents.events import Event

Value: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = tuple[Value, ...]

LISTED = ("kind", "recorded_ts", "sequence", "collected_ts", "extra")
"""The columns of an event as it is listed."""

PAYLOAD = ("version", "event", "recorded_extra")
"""The columns of its payload; ``event`` is null where there is none."""


def listed_row(event: EventMetadata) -> Row:
    """Make the values of `LISTED`."""
    return sql_text(event.kind), event.recorded_ts, event.sequence, event.collected_ts, _json(event.extra)


def payload_row(recorded: RecordedEvent) -> Row:
    """Make the values of `PAYLOAD`."""
    version = None if recorded.version is None else sql_text(recorded.version)
    return version, json.dumps(unstructure(recorded.event)), _json(recorded.extra)


def detail(row: tuple[Any, ...]) -> EventDetail:
    """Make the event again from the values of `LISTED`, with its payload where those of `PAYLOAD` follow."""
    listed, payload = row[: len(LISTED)], row[len(LISTED) :]
    event = _listed_event(*listed)
    return EventDetail(event, _recorded_event(event, *payload) if payload else None)


def sql_text(text: str) -> str | bytes:
    """Make a value that SQLite takes: it has no text with half of a surrogate pair, which JSON has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def _text(value: str | bytes) -> str:
    return value.decode(errors="surrogatepass") if isinstance(value, bytes) else value


def _listed_event(kind: str | bytes, recorded: Any, sequence: Any, collected: Any, extra: Any) -> EventMetadata:
    name = _text(kind)
    return EventMetadata(OWN_TEXT.get(name, name), recorded, sequence, collected, extra=_object(extra))


def _recorded_event(listed: EventMetadata, version: Any, event: Any, extra: Any) -> RecordedEvent | None:
    if event is None:
        return None
    made = structure(json.loads(event), Event)
    text = None if version is None else _text(version)
    return RecordedEvent(made, listed.recorded_ts, listed.sequence, text, extra=_object(extra))


def _json(extra: dict[str, Any]) -> str | None:
    return json.dumps(extra) if extra else None


def _object(extra: str | None) -> dict[str, Any]:
    return {} if extra is None else json.loads(extra)


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
# In pieces, so that whoever else wants to write need not wait long.
_PRUNED_AT_ONCE = 10_000
_PRUNE = (
    f"DELETE FROM events WHERE {_KEY} AND (recorded_ts, sequence) IN (SELECT recorded_ts, sequence FROM events "  # noqa: S608
    f"WHERE {_KEY} AND recorded_ts < ? ORDER BY recorded_ts, sequence LIMIT {_PRUNED_AT_ONCE})"
)


def store_batch(connection: sqlite3.Connection, batch: Batch[Any], since: Mapping[str, int], *, details: bool) -> int:
    """Store events and how far their connectors are followed; how many of the events are new.

    Args:
        connection: With a transaction open.
        batch: The events. Those that are there stay as they are; payloads that they lacked are filled in.
        since: From when on each connector is followed, in seconds since the Unix epoch, where that is not what the
            batch says.
        details: Whether the payloads of all events were asked for.
    """
    account_id, before = batch.checkpoint.account_id, connection.total_changes
    connection.executemany(_INSERT, (_inserted(account_id, item) for item in batch.items))
    new = connection.total_changes - before
    connection.executemany(_FILL_IN, _filled_in(account_id, batch.items))
    for connector_id in {item.connector_id: None for item in batch.items}:
        mark, begin = batch.checkpoint.of(connector_id), since.get(connector_id, batch.checkpoint.since)
        reached = evolve(batch.checkpoint, connector_ids=(connector_id,), since=begin, connectors={connector_id: mark})
        store_checkpoint(connection, reached, details=details)
    return new


def _inserted(account_id: str, item: FollowedEvent[Any]) -> Row:
    event = item.event.metadata if isinstance(item.event, EventDetail) else item.event
    return account_id, item.connector_id, *listed_row(event)


def _filled_in(account_id: str, items: Iterable[FollowedEvent[Any]]) -> Iterable[Row]:
    for item in items:
        if isinstance(item.event, EventDetail) and item.event.recorded is not None:
            event = item.event.metadata
            key = account_id, item.connector_id, event.recorded_ts, event.sequence
            yield *payload_row(item.event.recorded), *key


def store_checkpoint(connection: sqlite3.Connection, checkpoint: FollowCheckpoint, *, details: bool) -> None:
    """Store how far one connector is followed, or, without one, since when all of the account are."""
    ids = checkpoint.connector_ids
    name, kind = "" if ids is None else ids[0], json.dumps(checkpoint.kind)
    connection.execute(_CHECKPOINT, (checkpoint.account_id, name, kind, details, checkpoint.to_json()))


def stored_checkpoints(
    connection: sqlite3.Connection, asked: FollowCheckpoint, *, details: bool
) -> dict[str, FollowCheckpoint]:
    """Find how far the connectors that are asked for are followed; the account itself is under an empty name.

    Raises:
        ArchiveError: A checkpoint is damaged.
    """
    rows = connection.execute(
        "SELECT connector_id, checkpoint FROM checkpoints WHERE account_id = ? AND kind = ? AND details = ?",
        (asked.account_id, json.dumps(asked.kind), details),
    ).fetchall()
    wanted = None if asked.connector_ids is None else set(asked.connector_ids)
    try:
        return {name: FollowCheckpoint.from_json(text) for name, text in rows if wanted is None or name in wanted}
    except (CfEventsError, TypeError) as error:
        raise ArchiveError(f"it has a checkpoint that is damaged: {error}") from error


def select_events(
    connection: sqlite3.Connection, account_id: str | None, columns: tuple[str, ...], rest: str, values: Row
) -> list[EventDetail]:
    """Read events of a connector.

    Args:
        connection: What to read with.
        account_id: The account that was given.
        columns: What to read of them.
        rest: How the statement goes on after the connector.
        values: Its values, from the connector on.

    Raises:
        ArchiveError: The account has to be given, or an event is damaged.
    """
    statement = f"SELECT {', '.join(columns)} FROM events WHERE {_KEY} {rest}"  # noqa: S608 - all of it is ours
    rows = connection.execute(statement, (_account(connection, account_id), *values)).fetchall()
    try:
        return list(map(detail, rows))
    except (CfEventsError, TypeError, ValueError, RecursionError) as error:
        raise ArchiveError(f"it has an event of {values[0]!r} that is damaged: {error}") from error


def _account(connection: sqlite3.Connection, account_id: str | None) -> str | None:
    if account_id is not None:
        return account_id
    # Those that have events: an id that was mistyped once has none.
    accounts = [
        name
        for (name,) in connection.execute(
            "SELECT DISTINCT account_id FROM checkpoints AS known "
            "WHERE EXISTS (SELECT 1 FROM events WHERE account_id = known.account_id)"
        )
    ]
    if len(accounts) > 1:
        raise ArchiveError(f"it has several accounts: give one as account_id=, of {', '.join(accounts)}")
    return accounts[0] if accounts else None


def connectors(connection: sqlite3.Connection, account_id: str | None) -> list[str]:
    """Find the connectors of an account that have events.

    Raises:
        ArchiveError: The account has to be given.
    """
    rows = connection.execute(
        "SELECT DISTINCT connector_id FROM checkpoints AS known WHERE account_id = ? AND EXISTS (SELECT 1 FROM events "
        "WHERE account_id = known.account_id AND connector_id = known.connector_id) ORDER BY connector_id",
        (_account(connection, account_id),),
    )
    return [name for (name,) in rows]


def all_connectors(connection: sqlite3.Connection, account_id: str | None) -> list[tuple[str, str]]:
    """Find the connectors of all accounts, or of one, each with its account."""
    rows = connection.execute("SELECT DISTINCT account_id, connector_id FROM checkpoints WHERE connector_id != ''")
    return [(account, connector) for account, connector in rows if account_id in {None, account}]


def prune_some(connection: sqlite3.Connection, connector: tuple[str, str], before: int) -> int:
    """Remove some events of a connector that were recorded before a time; how many, 0 when there are none left."""
    return connection.execute(_PRUNE, (*connector, *connector, before)).rowcount


def give_back(connection: sqlite3.Connection) -> None:
    """Let the file shrink by what is free in it."""
    # A page is freed with each step of it; execute takes only the first, since it brings no rows.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

"""Events of an archive as columns, many at once: for tables, files and reports, which need no objects.

Algorithm: SQLite joins each column of a page to one JSON array, in C, which takes a third of the time of rows that
Python makes one by one. SQLite writes fractional numbers there with 15 digits, so a page that has one, or an event with
undocumented fields, is read again row by row, as are archives of version 1.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cfevents._model.api import EventMetadata
from cfevents._protocol.fast_path import decode_integers, make_events
from cfevents.storage.rows import LISTED, ArchivedWindow, damage_named, load_extra, own_kind, select_rows, sole_account
from cfevents.storage.schema import is_version_1

_WHOLE_COLUMNS = """
    SELECT json_group_array(kind_key), json_group_array(recorded_ts), json_group_array(sequence),
        json_group_array(collected_ts), count(extra), count(payload_key)
    FROM (
        SELECT kind_key, recorded_ts, sequence, collected_ts, extra, payload_key FROM listed_events
        WHERE connector_key = (SELECT connector_key FROM connectors WHERE account_id = ? AND connector_id = ?)
        AND {times}{kinds} ORDER BY recorded_ts, sequence LIMIT ?
    )
"""

_OF_KINDS = " AND kind_key IN (SELECT kind_key FROM kinds WHERE true{})"


class ArchivedColumns(NamedTuple):
    """Some events of one connector as columns of one length, ascending by ``recorded_ts`` and ``sequence``."""

    kinds: Sequence[int]
    """Numbers of kinds. What they stand for is in `kind_names`, which may differ from page to page."""

    recorded_ts: Sequence[int | float]
    """Times the events were recorded, in seconds since the Unix epoch; whole ones are ``int``."""

    sequence: Sequence[int]
    """Sequence numbers."""

    collected_ts: Sequence[int | float]
    """Times the events were collected, likewise."""

    kind_names: Mapping[int, str]
    """The text of each number in `kinds`, and maybe of others."""

    extra: Mapping[int, dict[str, Any]]
    """The undocumented fields of the events that have any, by their row from 0 on."""

    may_have_payloads: bool = True
    """False if no event has a payload."""

    def events(self) -> tuple[EventMetadata, ...]:
        """Return the events as a listing has them."""
        names = [*map(self.kind_names.__getitem__, self.kinds)]
        events = make_events(names, self.recorded_ts, self.sequence, self.collected_ts)
        for row, extra in self.extra.items():
            events[row].extra.update(extra)
        return events


def read_columns(connection: sqlite3.Connection, account_id: str | None, window: ArchivedWindow) -> ArchivedColumns:
    """Return the first events of a window. Without an account the archive must have one alone."""
    account = sole_account(connection, account_id)
    columns = None if is_version_1(connection) else _read_whole_columns(connection, account, window)
    return columns or _read_rows(connection, account, window)


def _read_whole_columns(
    connection: sqlite3.Connection, account: str | None, window: ArchivedWindow
) -> ArchivedColumns | None:
    """Return columns of whole numbers, without undocumented fields; None where there is anything else."""
    kinds_condition = _OF_KINDS.format(window.kinds) if window.kinds else ""
    statement = _WHOLE_COLUMNS.format(times=window.times, kinds=kinds_condition)
    *texts, extras, payloads = connection.execute(statement, (account, *window.values)).fetchone()
    if extras:
        return None
    columns = [numbers for text in texts if (numbers := decode_integers(text)) is not None]
    if len(columns) < len(texts):
        return None
    with damage_named(window.connector_id):
        names = {key: own_kind(kind) for key, kind in connection.execute("SELECT kind_key, kind FROM kinds")}
    kinds, recorded_ts, sequence, collected_ts = columns
    whole = ArchivedColumns(kinds, recorded_ts, sequence, collected_ts, names, {}, may_have_payloads=payloads > 0)
    return whole if names.keys() >= {*kinds} else None


def _read_rows(connection: sqlite3.Connection, account: str | None, window: ArchivedWindow) -> ArchivedColumns:
    rows = select_rows(connection, account, LISTED, window.rest, window.values)
    kinds, recorded_ts, sequence, collected_ts, extras = zip(*rows, strict=True) if rows else ((),) * len(LISTED)
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    with damage_named(window.connector_id):
        names = {number: own_kind(kind) for kind, number in numbers.items()}
        extra = {row: load_extra(text) for row, text in enumerate(extras) if text is not None}
    return ArchivedColumns([numbers[kind] for kind in kinds], recorded_ts, sequence, collected_ts, names, extra)

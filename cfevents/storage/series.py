"""The events of an archive as a report needs them."""

import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache
from typing import Any

from cfevents._model.api import RecordedEvent
from cfevents._model.checkpoint import EventKey
from cfevents._protocol.converter import structure
from cfevents.events import Event
from cfevents.operations.journal import to_payload
from cfevents.operations.series import NO_PAYLOAD, EventSeries, Payload
from cfevents.storage.archived_stream import ArchivedStream
from cfevents.storage.rows import ArchivedWindow, damage_named, from_sql, select_rows, sole_account


async def read_series(stream: ArchivedStream) -> AsyncGenerator[EventSeries, None]:
    """Yield the events of a stream as one series, which grows with each page. It takes 24 bytes for most events."""
    connector_id = stream._query.start.connector_id
    series = EventSeries(connector_id)
    async with aclosing(stream._read_columns()) as pages:
        async for page in pages:
            payloads = None
            if page.may_have_payloads and page.kinds:
                window = ArchivedWindow(connector_id, page.recorded_ts[0], page.recorded_ts[-1], "", (), -1)
                known = await stream._read(_select_payloads, window=window)
                keys = zip(page.recorded_ts, page.sequence, strict=True)
                payloads = [known.get(key, NO_PAYLOAD) for key in keys] if known else None
            kinds = map(page.kind_names.__getitem__, page.kinds)
            series.add(kinds, page.recorded_ts, page.sequence, page.collected_ts, payloads)
            yield series


def _select_payloads(
    connection: sqlite3.Connection, account_id: str | None, window: ArchivedWindow
) -> dict[EventKey, Payload]:
    window = window._replace(kinds=" AND event IS NOT NULL")
    columns, account = ("recorded_ts", "sequence", "version", "event"), sole_account(connection, account_id)
    rows = select_rows(connection, account, columns, window.rest, window.values)
    with damage_named(window.connector_id):
        return {(recorded_ts, sequence): _parse_payload(*payload) for recorded_ts, sequence, *payload in rows}


@lru_cache(1024)  # most events of a kind have the same
def _parse_payload(version: Any, event: str) -> Payload:
    return to_payload(RecordedEvent(structure(json.loads(event), Event), 0, 0, from_sql(version)))

"""The calls of the API, from a decoded query to the result's JSON. No HTTP."""

import base64
import hashlib
import json
import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from random import Random
from typing import Any

from attrs import define

from cfevents.testing.history import History
from cfevents.testing.store import Number, Selection, SimulatorSettings, SortKey, Store, StoredEvent

LATEST_EVENTS = 10  # the API's documentation has no number
# A query put together without percent-encoding loses these characters, and with them the cursor.
_CURSOR_PREFIX = "1+&/"
_CHECKSUM_BYTES = 6
_FIRST_UPDATE_TS = 1735689600  # 2025-01-01
# What a connector's owner calls it, and its time zone.
_SITES = (
    ("Hamburg office", "Europe/Berlin"),
    ("Lisbon warehouse", "Europe/Lisbon"),
    ("Chicago data center", "America/Chicago"),
    ("Singapore office", "Asia/Singapore"),
    ("Toronto warehouse", "America/Toronto"),
)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EVENT_ID = re.compile(r"(-?[0-9]{1,40})\.(-?[0-9]{1,40})")
_LAST_CURSOR: Mapping[str, dict[str, str | None]] = {"absent": {}, "null": {"cursor": None}, "empty": {"cursor": ""}}


@define
class Refusal(Exception):  # noqa: N818
    """A request that is answered with an HTTP status and a coded message."""

    status: int
    code: int
    message: str

    def envelope(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        errors = [{"code": self.code, "message": self.message}]
        return {"result": None, "success": False, "errors": errors, "messages": []}


def malformed(message: str) -> Refusal:
    """Return the refusal of a malformed request; the documentation names no code for it."""
    return Refusal(400, 1400, message)


def not_found(what: str) -> Refusal:
    """Return the refusal of a request for something unknown; the documentation names no code for it."""
    return Refusal(404, 1404, f"{what} not found")


def _number_parameter(query: Mapping[str, str], name: str) -> Number:
    if (text := query.get(name)) is None:
        raise malformed(f"{name}: this parameter is required")
    if (match := _NUMBER.fullmatch(text)) is None or math.isinf(float(text)):
        raise malformed(f"{name}: must be a number")
    return float(text) if match[1] or match[2] else int(text)


def _limit_parameter(query: Mapping[str, str], largest: int) -> int:
    limit = _number_parameter(query, "limit") if "limit" in query else largest
    if limit < 1 or limit != int(limit):
        raise malformed("limit: must be a positive whole number")
    return min(int(limit), largest)


def _to_cursor(selection: Selection, after: SortKey | None, empty_pages: int) -> str:
    """Return the cursor of a position, Base64 of a checksum and JSON; it is valid for this selection alone.

    The position is the sort key of the last event delivered, and the number of empty pages to come.
    """
    content = json.dumps([after, empty_pages]).encode()
    # As floats, since 3 and 3.0 are the same bound.
    start, end = float(selection.start), float(selection.end)
    scope = repr((selection.connector_id, start, end, selection.kind, selection.order))
    salted = content + b"\0" + scope.encode("utf-8", "surrogatepass")
    checksum = hashlib.blake2b(salted, digest_size=_CHECKSUM_BYTES).digest()
    return _CURSOR_PREFIX + base64.b64encode(checksum + content).decode()


def _from_cursor(selection: Selection, cursor: str) -> tuple[SortKey | None, int]:
    """Return the position of a cursor; refuse one that is spelled in any other way than it was given out."""
    try:
        after, empty_pages = json.loads(base64.b64decode(cursor[len(_CURSOR_PREFIX) :])[_CHECKSUM_BYTES:])
        after = None if after is None else tuple(after)
    except (ValueError, TypeError, RecursionError) as error:
        raise malformed("cursor: damaged cursor") from error
    if _to_cursor(selection, after, empty_pages) != cursor:
        raise malformed("cursor: damaged cursor, or a cursor of another query")
    return after, empty_pages


class Backend:
    """An account's connectors and events.

    A call raises `Refusal` if the connector or event is unknown, or the query or id malformed.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        store: Store,
        connectors: Sequence[Mapping[str, Any]] | None = None,
        history: History | None = None,
        interrupts: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        """Serve a store's events, and those that the history collects later."""
        self._settings, self._store, self._history = settings, store, history
        self._interrupts = {} if interrupts is None else interrupts
        self._connectors = None if connectors is None else [dict(connector) for connector in connectors]
        # Pages of a long listing do not sort it again.
        self._sorted_events = lru_cache(maxsize=16)(self._sort_events)

    def collect_new_events(self) -> None:
        """Add to the store what the history has collected since; an event that a test has added first stays."""
        for connector_id, events in self._history.news().items() if self._history else ():
            new = [event for event in events if self._store.get(connector_id, event["t"], event["n"]) is None]
            self._store.add(connector_id, new)

    def list_connectors(self) -> list[dict[str, Any]]:
        """Return the result of List Connectors."""
        if self._connectors is not None:
            return self._connectors
        names = enumerate(self._store.connector_ids())
        return [describe_connector(number, name, self._store.newest(name, 3)) for number, name in names]

    def list_interrupts(self, connector_id: str) -> list[Mapping[str, Any]]:
        """Return the result of List Interrupts: the history's, and those of the settings."""
        self._check_connector(connector_id)
        of_history = self._history.interrupts(connector_id) if self._history else []
        return [*of_history, *self._interrupts.get(connector_id, ())]

    def list_events(self, connector_id: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the result of List Events."""
        self._check_connector(connector_id)
        selection = self._parse_selection(connector_id, query)
        size = _limit_parameter(query, self._settings.max_page_size)
        cursor, first = query.get("cursor"), (None, self._settings.empty_pages)
        after, empty_pages = first if cursor is None else _from_cursor(selection, cursor)
        if empty_pages:
            return _result_page([], cursor=_to_cursor(selection, after, empty_pages - 1))
        # Revision first: an event added right after is then missed once, never for good.
        listing = self._sorted_events(selection, self._store.revision)
        start = 0 if after is None else bisect_right(listing, after, key=itemgetter(0))
        items = [event.item for _, event in listing[start : start + size]]
        if start + size >= len(listing):
            return _result_page(items, **_LAST_CURSOR[self._settings.ending])
        last_key, _ = listing[start + size - 1]
        return _result_page(items, cursor=_to_cursor(selection, last_key, self._settings.empty_pages))

    def get_event(self, connector_id: str, event_id: str) -> dict[str, Any]:
        """Return the result of Get Event."""
        self._check_connector(connector_id)
        if (match := _EVENT_ID.fullmatch(event_id)) is None:
            raise malformed("event: the id must be t.n, two whole numbers")
        if (event := self._store.get(connector_id, int(match[1]), int(match[2]))) is None:
            raise not_found("event")
        return event.recorded

    def latest_events(self, connector_id: str) -> dict[str, Any]:
        """Return the result of Get latest Events: the events recorded last, newest first."""
        self._check_connector(connector_id)
        return _result_page([event.recorded for event in self._store.newest(connector_id, LATEST_EVENTS)])

    def _check_connector(self, connector_id: str) -> None:
        described = [connector.get("id") for connector in self._connectors or ()]
        if connector_id not in described and connector_id not in self._store.connector_ids():
            raise not_found("connector")

    def _parse_selection(self, connector_id: str, query: Mapping[str, str]) -> Selection:
        start, end = _number_parameter(query, "from"), _number_parameter(query, "to")
        if start > end:
            raise malformed("from: must not be later than to")
        how = self._settings
        return Selection(connector_id, start, end, query.get("k"), how.order, how.bounds, how.compare, how.seed)

    def _sort_events(self, selection: Selection, _revision: int) -> list[tuple[SortKey, StoredEvent]]:
        return selection.sort(self._store.events(selection.connector_id))


def _result_page(items: list[dict[str, Any]], **cursor: str | None) -> dict[str, Any]:
    return {"count": len(items), "items": items, **cursor}


def describe_connector(number: int, connector_id: str, newest: Sequence[StoredEvent] = ()) -> dict[str, Any]:
    """Return a connector's JSON: its site by its number, and what its newest events, newest first, show."""
    random, (round_, place) = Random(f"device/{connector_id}"), divmod(number, len(_SITES))
    site, timezone = _SITES[place]
    connector: dict[str, Any] = {
        "id": connector_id,
        "activated": True,
        "device": {"id": f"{random.getrandbits(128):032x}", "serial_number": f"SIM{random.randrange(10**7):07d}"},
        "interrupt_window_duration_hours": 4,
        "interrupt_window_hour_of_day": random.randrange(24),
        "last_updated": _utc_text(_FIRST_UPDATE_TS + random.randrange(10**7)),
        "notes": f"{site} {round_ + 1}" if round_ else site,
        "timezone": timezone,
    }
    if newest:
        with suppress(OverflowError, ValueError):  # a time that is no date
            connector["last_heartbeat"] = _utc_text(max(event.a for event in newest))
        versions = [event.recorded["v"] for event in newest if "v" in event.recorded]
        connector |= {"last_seen_version": versions[0]} if versions and versions[0] is not None else {}
    return connector


def _utc_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")

"""The four calls, from what was asked to the result. No HTTP."""

import base64
import binascii
import bisect
import hashlib
import json
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

from attrs import frozen

from cfevents.testing.envelope import malformed, not_found
from cfevents.testing.history import History
from cfevents.testing.settings import Bounds, Compare, Order, SimulatorSettings
from cfevents.testing.store import Number, Store, StoredEvent, format_event_id

SortKey = tuple[str | Number, ...]

# A query put together without percent-encoding loses these, and with them the cursor.
_CURSOR_PREFIX = "1+&/"
_CHECKSUM_BYTES = 6


@frozen
class Position:
    """A place in a listing.

    Attributes:
        after: The sort key of the last event delivered; None before the first.
        empties_left: How many empty pages come before the next page of items.
    """

    after: SortKey | None
    empties_left: int


def encode(position: Position, scope: str) -> str:
    """Spell a position; `scope` is everything that must be the same when it comes back."""
    content = json.dumps([position.after, position.empties_left]).encode()
    return _CURSOR_PREFIX + base64.b64encode(_checksum(content, scope) + content).decode()


def decode(cursor: str, scope: str) -> Position:
    """Understand a cursor.

    Raises:
        ValueError: It did not come from here, was changed, or belongs to another query.
    """
    if not cursor.startswith(_CURSOR_PREFIX):
        raise ValueError("unknown cursor")
    try:
        packed = base64.b64decode(cursor[len(_CURSOR_PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("damaged cursor") from error
    # Base64 has several spellings of some texts; only one of them was given out.
    if base64.b64encode(packed).decode() != cursor[len(_CURSOR_PREFIX) :]:
        raise ValueError("damaged cursor")
    check, content = packed[:_CHECKSUM_BYTES], packed[_CHECKSUM_BYTES:]
    if check != _checksum(content, scope):
        raise ValueError("damaged cursor, or a cursor of another query")
    after, empties_left = json.loads(content)
    return Position(None if after is None else tuple(after), empties_left)


def _checksum(content: bytes, scope: str) -> bytes:
    salted = content + b"\0" + scope.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(salted, digest_size=_CHECKSUM_BYTES).digest()


_BEFORE = datetime(2025, 1, 1, tzinfo=UTC).timestamp()


def describe_connector(connector_id: str, newest: Sequence[StoredEvent] = ()) -> dict[str, Any]:
    """Describe a connector: always the same for one id, but for what its newest events tell.

    Args:
        connector_id: The connector's id.
        newest: Its last events, newest first.

    Returns:
        The connector as JSON; times are ISO 8601 texts in UTC.
    """
    random = Random(f"device/{connector_id}")
    described: dict[str, Any] = {
        "id": connector_id,
        "activated": True,
        "device": {
            "id": f"{random.getrandbits(128):032x}",
            "serial_number": f"SIM{random.randrange(10**7):07d}",
        },
        "interrupt_window_duration_hours": 4,
        "interrupt_window_hour_of_day": random.randrange(24),
        "last_updated": _utc_text(_BEFORE + random.randrange(10**7)),
        "notes": f"Simulated appliance {connector_id}",
        "timezone": random.choice(["Europe/Lisbon", "America/Chicago", "Asia/Singapore"]),
    }
    if newest:
        with suppress(OverflowError, ValueError):  # a time that is no date
            described["last_heartbeat"] = _utc_text(max(event.a for event in newest))
        version = next((event.recorded["v"] for event in newest if "v" in event.recorded), None)
        described |= {} if version is None else {"last_seen_version": version}
    return described


def _utc_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@frozen
class Selection:
    """Everything that decides which events a listing has, and in which order; see `SimulatorSettings`."""

    connector_id: str
    start: Number
    end: Number
    kind: str | None = None
    order: Order = "ascending"
    bounds: Bounds = "inclusive"
    compare: Compare = "t"
    seed: int = 0

    def matches(self, event: StoredEvent) -> bool:
        """Tell whether an event belongs to the listing."""
        time = event.t if self.compare == "t" else event.a
        inside = self.start <= time <= self.end
        if self.bounds == "exclusive":
            inside = self.start < time < self.end
        return inside and self.kind in (None, event.kind)

    def sort_key(self) -> Callable[[StoredEvent], SortKey]:
        """Give the key by which the listing is sorted; no two events share one."""
        keys: dict[Order, Callable[[StoredEvent], SortKey]] = {
            "ascending": lambda event: (event.t, event.n),
            "descending": lambda event: (-event.t, -event.n),
            "grouped": lambda event: (event.kind, event.t, event.n),
            "shuffled": lambda event: (_shuffle_key(self.seed, event), event.t, event.n),
        }
        return keys[self.order]


def _shuffle_key(seed: int, event: StoredEvent) -> str:
    text = f"{seed}/{format_event_id(event.t, event.n)}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class SortedEvents:
    """A selection's events in order, ready to be cut into pages."""

    def __init__(self, selection: Selection, events: Iterable[StoredEvent]) -> None:
        """Select from a connector's events, and sort."""
        key = selection.sort_key()
        pairs = sorted(((key(event), event) for event in events if selection.matches(event)), key=_first)
        self._keys = [pair[0] for pair in pairs]
        self._events = [pair[1] for pair in pairs]

    def page(self, after: SortKey | None, size: int) -> tuple[list[StoredEvent], SortKey | None]:
        """Cut the page of at most `size` events after a key; None begins.

        Returns:
            The events, and the key after which to go on; None if there are no more.
        """
        start = 0 if after is None else bisect.bisect_right(self._keys, after)
        end = start + size
        return self._events[start:end], self._keys[end - 1] if end < len(self._keys) else None


def _first(pair: tuple[SortKey, StoredEvent]) -> SortKey:
    return pair[0]


class Listings:
    """The listings used last, so that a long one is not sorted anew for every page."""

    def __init__(self, store: Store, keep: int = 16) -> None:
        """Make listings of a store's events, keeping a few."""
        self._store = store
        self._keep = keep
        self._kept: OrderedDict[tuple[Selection, int], SortedEvents] = OrderedDict()

    def get(self, selection: Selection) -> SortedEvents:
        """Give the listing of a selection as the store is now."""
        # Revision first: an event added right after is then missed once, never for good.
        key = (selection, self._store.revision)
        if key not in self._kept:
            self._kept[key] = SortedEvents(selection, self._store.events(selection.connector_id))
        self._kept.move_to_end(key)
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return self._kept[key]


_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EVENT_ID = re.compile(r"(-?[0-9]{1,40})\.(-?[0-9]{1,40})")


@frozen
class ListParameters:
    """A listing's query.

    Attributes:
        start: `from`, seconds since the Unix epoch.
        end: `to`, seconds since the Unix epoch.
        kind: `k`; None asks for every kind.
        limit: The most items wanted on a page; None leaves it to the server.
        cursor: Where to go on; None begins.
    """

    start: Number
    end: Number
    kind: str | None = None
    limit: int | None = None
    cursor: str | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "ListParameters":
        """Understand a decoded query; what it has beside the documented parameters is ignored.

        Raises:
            Refusal: A parameter is missing or malformed; the message names it.
        """
        start, end = _number_parameter(query, "from"), _number_parameter(query, "to")
        if start > end:
            raise malformed("from: must not be later than to")
        return cls(start, end, query.get("k"), _limit_parameter(query), query.get("cursor"))


def parse_event_id(text: str) -> tuple[int, int]:
    """Understand an event's id, `t.n`, both whole numbers.

    Raises:
        Refusal: The text is not of this form.
    """
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise malformed("event: the id must be t.n, two whole numbers")
    return int(match[1]), int(match[2])


def _number_parameter(query: Mapping[str, str], name: str) -> Number:
    text = query.get(name)
    if text is None:
        raise malformed(f"{name}: this parameter is required")
    match = _NUMBER.fullmatch(text)
    if match is None or math.isinf(float(text)):
        raise malformed(f"{name}: must be a number")
    return float(text) if match[1] or match[2] else int(text)


def _limit_parameter(query: Mapping[str, str]) -> int | None:
    if "limit" not in query:
        return None
    limit = _number_parameter(query, "limit")
    if limit < 1 or limit != int(limit):
        raise malformed("limit: must be a positive whole number")
    return int(limit)


LATEST_EVENTS = 10
"""How many events "latest" gives; the API's documentation has no number."""


class Backend:
    """An account's connectors and events."""

    def __init__(
        self,
        settings: SimulatorSettings,
        store: Store,
        connectors: Sequence[Mapping[str, Any]] | None = None,
        history: History | None = None,
    ) -> None:
        """Serve a store's events.

        Args:
            settings: How to answer.
            store: The events.
            connectors: The connectors' descriptions as JSON; None makes them up.
            history: Where more events come from.
        """
        self._settings = settings
        self._store = store
        self._history = history
        self._listings = Listings(store)
        self._connectors = None if connectors is None else [dict(connector) for connector in connectors]

    def collect_new_events(self) -> None:
        """Take in what was collected meanwhile; what a test has added in its place stays."""
        news = {} if self._history is None else self._history.news()
        for connector_id, events in news.items():
            new = [event for event in events if self._store.get(connector_id, event["t"], event["n"]) is None]
            self._store.add(connector_id, new)

    def list_connectors(self) -> list[dict[str, Any]]:
        """Answer List Connectors."""
        if self._connectors is not None:
            return self._connectors
        return [describe_connector(name, self._store.newest(name, 3)) for name in self._store.connector_ids()]

    def list_events(self, connector_id: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer List Events.

        Raises:
            Refusal: The connector is unknown, or the query malformed.
        """
        self._check_connector(connector_id)
        parameters = ListParameters.parse(query)
        selection = self._selection(connector_id, parameters)
        position = self._position(parameters, selection)
        if position.empties_left:
            following = Position(position.after, position.empties_left - 1)
            return _page_document([], encode(following, _cursor_scope(selection)))
        size = min(parameters.limit or self._settings.max_page_size, self._settings.max_page_size)
        events, after = self._listings.get(selection).page(position.after, size)
        items = [event.item for event in events]
        if after is None:
            return self._last_page(items)
        return _page_document(items, encode(Position(after, self._settings.empty_pages), _cursor_scope(selection)))

    def get_event(self, connector_id: str, event_id: str) -> dict[str, Any]:
        """Answer Get Event.

        Raises:
            Refusal: The id is malformed, or there is no such connector or event.
        """
        self._check_connector(connector_id)
        event = self._store.get(connector_id, *parse_event_id(event_id))
        if event is None:
            raise not_found("event")
        return event.recorded

    def latest_events(self, connector_id: str) -> dict[str, Any]:
        """Answer Get latest Events: the last ones recorded, newest first.

        Raises:
            Refusal: The connector is unknown.
        """
        self._check_connector(connector_id)
        return _page_document([event.recorded for event in self._store.newest(connector_id, LATEST_EVENTS)])

    def _check_connector(self, connector_id: str) -> None:
        described = [connector.get("id") for connector in self._connectors or ()]
        if connector_id not in described and connector_id not in self._store.connector_ids():
            raise not_found("connector")

    def _selection(self, connector_id: str, parameters: ListParameters) -> Selection:
        how = self._settings
        return Selection(
            connector_id,
            parameters.start,
            parameters.end,
            parameters.kind,
            how.order,
            how.bounds,
            how.compare,
            how.seed,
        )

    def _position(self, parameters: ListParameters, selection: Selection) -> Position:
        if parameters.cursor is None:
            return Position(None, self._settings.empty_pages)
        try:
            return decode(parameters.cursor, _cursor_scope(selection))
        except ValueError as error:
            raise malformed(f"cursor: {error}") from error

    def _last_page(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        spellings: dict[str, dict[str, Any]] = {
            "absent": {},
            "null": {"cursor": None},
            "empty": {"cursor": ""},
        }
        return _page_document(items) | spellings[self._settings.ending]


def _page_document(items: list[dict[str, Any]], cursor: str | None = None) -> dict[str, Any]:
    page: dict[str, Any] = {"count": len(items), "items": items}
    return page if cursor is None else page | {"cursor": cursor}


def _cursor_scope(selection: Selection) -> str:
    """Say what a cursor belongs to; 3 and 3.0 are the same bound."""
    start, end = float(selection.start), float(selection.end)
    return repr((selection.connector_id, start, end, selection.kind, selection.order))

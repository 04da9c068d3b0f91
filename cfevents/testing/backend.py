"""The four calls, from what was asked to the result. No HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

from cfevents.testing.cursors import Position, decode, encode
from cfevents.testing.devices import describe_connector
from cfevents.testing.envelope import malformed, not_found
from cfevents.testing.history import History
from cfevents.testing.listing import Listings, Selection
from cfevents.testing.query import ListQuery, parse_event_id
from cfevents.testing.settings import Settings
from cfevents.testing.store import Store

__all__ = ["LATEST", "Backend"]

LATEST = 10
"""How many events "latest" gives; the API's documentation has no number."""


class Backend:
    """An account's connectors and events."""

    def __init__(
        self,
        settings: Settings,
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

    def take_in_news(self) -> None:
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
        asked = ListQuery.parse(query)
        selection = self._selection(connector_id, asked)
        position = self._position(asked, selection)
        if position.empties_left:
            following = Position(position.after, position.empties_left - 1)
            return _page([], encode(following, _bond(selection)))
        size = min(asked.limit or self._settings.max_page_size, self._settings.max_page_size)
        events, after = self._listings.get(selection).page(position.after, size)
        items = [event.item for event in events]
        if after is None:
            return self._last_page(items)
        return _page(items, encode(Position(after, self._settings.empty_pages), _bond(selection)))

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
        return _page([event.recorded for event in self._store.newest(connector_id, LATEST)])

    def _check_connector(self, connector_id: str) -> None:
        described = [connector.get("id") for connector in self._connectors or ()]
        if connector_id not in described and connector_id not in self._store.connector_ids():
            raise not_found("connector")

    def _selection(self, connector_id: str, asked: ListQuery) -> Selection:
        how = self._settings
        return Selection(connector_id, asked.start, asked.end, asked.kind, how.order, how.bounds, how.compare, how.seed)

    def _position(self, asked: ListQuery, selection: Selection) -> Position:
        if asked.cursor is None:
            return Position(None, self._settings.empty_pages)
        try:
            return decode(asked.cursor, _bond(selection))
        except ValueError as error:
            raise malformed(f"cursor: {error}") from error

    def _last_page(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        spellings: dict[str, dict[str, Any]] = {
            "absent": {},
            "null": {"cursor": None},
            "empty": {"cursor": ""},
        }
        return _page(items) | spellings[self._settings.ending]


def _page(items: list[dict[str, Any]], cursor: str | None = None) -> dict[str, Any]:
    page: dict[str, Any] = {"count": len(items), "items": items}
    return page if cursor is None else page | {"cursor": cursor}


def _bond(selection: Selection) -> str:
    """Say what a cursor belongs to; 3 and 3.0 are the same bound."""
    start, end = float(selection.start), float(selection.end)
    return repr((selection.connector_id, start, end, selection.kind, selection.order))

"""Requests: one method for each endpoint of the API."""

import ipaddress
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from attrs import define, frozen
from yarl import URL

from cfevents._model.api import Connector, EventId, Interrupt, Latest, Listing, RecordedEvent
from cfevents._model.kinds import sent_kind
from cfevents._time import TimeWindow
from cfevents._validation import validate_path_segment
from cfevents.errors import CfEventsError, ConfigurationError

T = TypeVar("T")


@define(eq=False, repr=False)
class Request(Generic[T]):
    """A request, and the class of its result."""

    url: URL
    result: Any  # the class that the result is structured into, as `Endpoints` types it
    method: str = "GET"
    as_rows: bool = False  # events only need the attributes of `EventMetadata`: they go into columns

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.url.path

    def at(self, cursor: str) -> "Request[T]":
        """Return the request for another page of the same listing."""
        return Request(_with_query(self.url, {"cursor": cursor}), self.result, as_rows=self.as_rows)


class request_context(AbstractContextManager[object]):  # noqa: N801 - as contextlib's own; three times as fast
    """Name the request on every error of the library that is raised inside."""

    __slots__ = ("_request",)

    def __init__(self, request: Request[Any]) -> None:
        self._request = request

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        # A ConfigurationError is raised before anything is sent.
        if isinstance(error, CfEventsError) and not isinstance(error, ConfigurationError):
            error.method, error.path = self._request.method, self._request.path


@frozen(eq=False, repr=False)
class Endpoints:
    """The endpoints of one account."""

    base_url: URL
    account_id: str

    def list_events(
        self,
        connector_id: str,
        window: TimeWindow,
        *,
        kinds: tuple[str, ...] = (),
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Request[Listing]:
        """List events, one page. The API filters by a single name; all else is filtered by the caller."""
        query = {"from": str(window.since), "to": str(window.until)}
        if kinds and (kind := sent_kind(kinds)):
            query["k"] = kind
        if limit is not None:
            query["limit"] = str(limit)
        if cursor is not None:
            query["cursor"] = cursor
        return Request(_with_query(self._events_url(connector_id), query), Listing)

    def get_event(self, connector_id: str, event_id: EventId) -> Request[RecordedEvent]:
        """Get one event with its payload."""
        # The id of an event with a fractional time would read as another one's.
        if not isinstance(event_id.recorded_ts, int):
            raise ValueError(f"event {event_id} cannot be fetched: the API's paths take whole seconds only")
        return Request(self._events_url(connector_id, str(event_id)), RecordedEvent)

    def latest_events(self, connector_id: str) -> Request[Latest]:
        """Get the latest events with their payloads."""
        return Request(self._events_url(connector_id, "latest"), Latest)

    def list_connectors(self) -> Request[list[Connector]]:
        """List the account's connectors."""
        return Request(_connectors_url(self.base_url, self.account_id), list[Connector])

    def list_interrupts(self, connector_id: str) -> Request[list[Interrupt]]:
        """List the restarts, reboots and shutdowns of a connector that somebody ordered."""
        path = validate_path_segment("connector_id", connector_id), "interrupts"
        return Request(_connectors_url(self.base_url, self.account_id, *path), list[Interrupt])

    def _events_url(self, connector_id: str, *rest: str) -> URL:
        path = validate_path_segment("connector_id", connector_id), "telemetry", "events", *rest
        return _connectors_url(self.base_url, self.account_id, *path)


# Every page of a listing has the same path.
@lru_cache(maxsize=128)
def _connectors_url(base_url: URL, account_id: str, *segments: str) -> URL:
    # Each segment is quoted as a whole: yarl's own "/" would let ".." and "/" leave the account's path.
    path = "/".join(quote(segment, safe="") for segment in ("accounts", account_id, "magic", "connectors", *segments))
    return base_url.with_path(f"{base_url.raw_path.rstrip('/')}/{path}", encoded=True)


def _with_query(url: URL, query: dict[str, str]) -> URL:
    """Return a URL with more in its query."""
    url = url.extend_query(query)
    if "+" not in url.raw_query_string:
        return url
    path, _, encoded = str(url).partition("?")
    # yarl writes a space as "+", which not every server reads as one; a plus itself is "%2B".
    return URL(f"{path}?{encoded.replace('+', '%20')}", encoded=True)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

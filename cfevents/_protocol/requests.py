"""What is asked: one function for each of the API's calls."""

import ipaddress
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from attrs import define, frozen
from yarl import URL

from cfevents._http.config import environment, hide
from cfevents._model.api import Connector, EventId, Latest, Listing, RecordedEvent
from cfevents._time import Timespan
from cfevents._validation import check_segment
from cfevents.errors import ConfigurationError

T = TypeVar("T")

DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"
# The API's documentation: account_id, maxLength 32.
_LONGEST_ACCOUNT_ID = 32


@define(eq=False, repr=False)
class Request(Generic[T]):
    """One call: where it goes, and what its ``result`` is structured into."""

    url: URL
    result: Any
    """The class of the result; typed by the functions below."""

    method: str = "GET"

    @property
    def path(self) -> str:
        """The path without its query, for people."""
        return self.url.path

    def at(self, cursor: str) -> "Request[T]":
        """Ask for the page at a cursor, of the listing whose first page this asks for."""
        return Request(self.url.extend_query({"cursor": cursor}), self.result)


@frozen(eq=False, repr=False)
class API:
    """The calls of one account."""

    base_url: URL
    account_id: str

    def list_events(
        self,
        connector_id: str,
        timespan: Timespan,
        *,
        kinds: tuple[str, ...] = (),
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Request[Listing]:
        """Ask for one page of a listing; a single kind is left to the API to filter."""
        query = {"from": str(timespan.since), "to": str(timespan.until)}
        if len(kinds) == 1:
            query["k"] = kinds[0]
        if limit is not None:
            query["limit"] = str(limit)
        first: Request[Listing] = Request(self._events(connector_id).with_query(query), Listing)
        return first if cursor is None else first.at(cursor)

    def get_event(self, connector_id: str, event_id: EventId) -> Request[RecordedEvent]:
        """Ask for one event with its payload.

        Raises:
            ValueError: The event's time is fractional: its id would read as another one's.
        """
        if not isinstance(event_id.recorded_ts, int):
            raise ValueError(f"event {event_id} cannot be fetched: the API's paths take whole seconds only")
        return Request(self._events(connector_id, str(event_id)), RecordedEvent)

    def latest_events(self, connector_id: str) -> Request[Latest]:
        """Ask for the latest events with their payloads."""
        return Request(self._events(connector_id, "latest"), Latest)

    def list_connectors(self) -> Request[list[Connector]]:
        """Ask for the account's connectors."""
        return Request(self._url(), list[Connector])

    def _events(self, connector_id: str, *rest: str) -> URL:
        return self._url(check_segment("connector_id", connector_id), "telemetry", "events", *rest)

    def _url(self, *segments: str) -> URL:
        return _quoted(self.base_url, "accounts", self.account_id, "magic", "connectors", *segments)


# A listing asks for the same path, page after page.
@lru_cache(maxsize=128)
def _quoted(base_url: URL, *segments: str) -> URL:
    # Each segment is quoted whole: yarl's own "/" would let ".." and "/" leave the account's path.
    path = "/".join(quote(segment, safe="") for segment in segments)
    return base_url.with_path(f"{base_url.raw_path.rstrip('/')}/{path}", encoded=True)


def find_api(base_url: str | None, account_id: str | None) -> API:
    """Find the API and the account: from the arguments, or from the environment.

    Raises:
        ConfigurationError: The account is missing, or one of them is unusable.
    """
    account_id = _stripped(account_id) or environment("CLOUDFLARE_ACCOUNT_ID")
    if account_id is None:
        raise ConfigurationError("no account: set CLOUDFLARE_ACCOUNT_ID, or pass account_id=")
    where = hide(_stripped(base_url) or environment("CLOUDFLARE_BASE_URL") or DEFAULT_BASE_URL)
    return API(_checked_base_url(where), _checked_account_id(account_id))


def _stripped(value: str | None) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else value


def _checked_account_id(value: str) -> str:
    try:
        check_segment("account_id", value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"account_id is unusable: {error}") from None
    if len(value) > _LONGEST_ACCOUNT_ID:
        raise ConfigurationError(f"account_id has {len(value)} characters; the API takes at most 32")
    return value


def _checked_base_url(value: str) -> URL:
    url = _parsed(value)
    if url is None:
        raise ConfigurationError("base_url is not a URL")
    if why := _fault(url):
        # It may hold a password, and a traceback shows variables. The message does not repeat it either.
        del url
        raise ConfigurationError(why)
    return url


def _parsed(value: str) -> URL | None:
    try:
        return URL(value)
    except (TypeError, ValueError):
        return None


def _fault(url: URL) -> str | None:
    """Say why a URL is no base for the API: neither https nor plain http to a loopback address, or with secrets."""
    if url.scheme not in {"http", "https"} or not url.host:
        return f"base_url must be an absolute URL, such as {DEFAULT_BASE_URL}"
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        return "base_url must be without user, password, query and fragment"
    if url.scheme == "http" and not is_loopback(url.host):
        return f"base_url would send the credentials to {url.host} unencrypted: use https"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: what is sent there stays here."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

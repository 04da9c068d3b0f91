"""What is asked, and what came back: each request once, and no more than twelve."""

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from attrs import field, frozen

from cfevents import _time
from cfevents._http.transport import Exchange
from cfevents._listing.pages import CursorGuard
from cfevents._model.api import Connector, EventId, EventMetadata, RecordedEvent, event_key
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response
from cfevents._time import TimeWindow
from cfevents.errors import PaginationError

if TYPE_CHECKING:
    from cfevents._client import Client
    from cfevents._model.api import Listing

CursorSpelled: TypeAlias = Literal["text", "absent", "null", "empty"]
"""How a page spells its cursor: with a text, not at all, as ``null`` or as ``""``."""


@frozen
class SeenPage:
    """One page."""

    items: tuple[EventMetadata, ...]
    cursor: str | None
    """The next page's; None on the last."""

    spelled: CursorSpelled
    seconds: float = 0.0
    """How long it took."""


@frozen
class ProbedListing:
    """The pages of one listing, from the first on."""

    window: TimeWindow
    limit: int | None
    """How many events were asked for at once; None where that was left to the API."""

    pages: tuple[SeenPage, ...]
    circular: bool = False
    """Whether a cursor came for the second time."""

    @property
    def items(self) -> tuple[EventMetadata, ...]:
        """The events of all pages, in the API's order."""
        return tuple(event for page in self.pages for event in page.items)

    @property
    def complete(self) -> bool:
        """Whether the last page is among them."""
        return bool(self.pages) and self.pages[-1].cursor is None

    def lacking(self, known: Iterable[EventMetadata]) -> list[EventMetadata]:
        """Choose the events that the listing came to its end without."""
        if not self.complete:
            return []
        there = {event_key(event) for event in self.items}
        return [event for event in known if event_key(event) not in there]


def cursor_spelled(body: bytes) -> CursorSpelled:
    """Tell how a page's JSON spells its cursor."""
    result = json.loads(body)["result"]
    if "cursor" not in result:
        return "absent"
    return "null" if result["cursor"] is None else "text" if result["cursor"] else "empty"


T = TypeVar("T")

MOST_REQUESTS = 12
"""The most requests of an examination, those that failed included."""

# Seconds, for one call: the client's own patience with an attempt is shorter as a rule.
_PATIENCE = 60.0


class OutOfRequestsError(Exception):
    """No further request may be sent; the message says why."""


@frozen
class Answered:
    """An answer, and when it came."""

    sent_at: float
    """When its request was sent, by this machine's clock, in seconds since the Unix epoch."""

    received_at: float
    """When it had arrived, likewise."""

    seconds: float
    """How long that took."""

    response: Response


@frozen(eq=False, repr=False)
class Recorder(Exchange):
    """An exchange that keeps what comes back."""

    sent: list[Request[Any]] = field(factory=list)
    answers: list[Answered] = field(factory=list)

    async def send(self, request: Request[Any]) -> Response:
        """Send it once; raises also where that would be one too many."""
        if len(self.sent) >= MOST_REQUESTS:
            raise OutOfRequestsError(f"the {MOST_REQUESTS} requests of an examination were sent")
        self.sent.append(request)
        loop = asyncio.get_running_loop()
        sent_at, began = _time.now(), loop.time()
        response = await super().send(request)
        self.answers.append(Answered(sent_at, _time.now(), loop.time() - began, response))
        return response


class Asking:
    """Asks by an open client, within its budget."""

    def __init__(self, client: "Client") -> None:
        """Take the client."""
        reader = client._reader
        session = reader.opened()
        exchange = session.exchange
        self._client, self.api = client, reader.api
        self.recorder = Recorder(exchange.transport, exchange.credentials, exchange.settings)
        self._session = session.through(self.recorder)

    @property
    def is_proxied(self) -> bool:
        """Whether it goes through the proxy that the environment names."""
        return self.recorder.transport.is_proxied

    @property
    def last_body(self) -> bytes | None:
        """The body of the last answer; None before there was one."""
        answers = self.recorder.answers
        return answers[-1].response.body if answers else None

    async def connectors(self) -> list[Connector]:
        """Ask for the account's connectors; all of these raise `CfEventsError` and `OutOfRequestsError`."""
        return await self._ask(self.api.list_connectors())

    async def latest(self, connector_id: str) -> tuple[RecordedEvent, ...]:
        """Ask for the latest events."""
        return (await self._ask(self.api.latest_events(connector_id))).items

    async def event(self, connector_id: str, event_id: EventId) -> RecordedEvent:
        """Ask for one event."""
        return await self._ask(self.api.get_event(connector_id, event_id))

    async def listing(
        self,
        connector_id: str,
        window: TimeWindow,
        *,
        limit: int | None = None,
        enough: float = float("inf"),
        most: int = 3,
    ) -> ProbedListing:
        """List a window, from its first page on.

        Args:
            connector_id: The connector.
            window: The window, sent as it is.
            limit: How many events to ask for at once.
            enough: With how many events to stop.
            most: How many pages to ask for, those that are empty not counted.
        """
        first = request = self.api.list_events(connector_id, window, limit=limit)
        pages, trail = [await self._page(first)], CursorGuard()
        try:
            while (cursor := pages[-1].cursor) is not None:
                request = first.at(trail.after(request, cursor, None))
                if sum(len(page.items) for page in pages) >= enough or sum(bool(page.items) for page in pages) >= most:
                    break
                pages.append(await self._page(request))
        except PaginationError:
            return ProbedListing(window, limit, tuple(pages), circular=True)
        except OutOfRequestsError:
            pass  # what came until then tells something, too
        return ProbedListing(window, limit, tuple(pages))

    async def _page(self, request: "Request[Listing]") -> SeenPage:
        listing = await self._ask(request)
        answered = self.recorder.answers[-1]
        spelled = cursor_spelled(answered.response.body)
        return SeenPage(listing.items, listing.cursor or None, spelled, answered.seconds)

    async def _ask(self, request: Request[T]) -> T:
        if self._client.usage.left < 1:
            raise OutOfRequestsError("the request budget has no room for more at this moment")
        return (await self._session.ask(request, _PATIENCE)).result

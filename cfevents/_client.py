"""The client: checks arguments and hands them to the packages behind it."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NoReturn, Self

import aiohttp
from yarl import URL

from cfevents._http.budget import Budget
from cfevents._http.config import TokenSource, resolve_credentials, resolve_endpoints
from cfevents._http.connection import Connection, Counters, Usage
from cfevents._http.retry import Retry, default_retry
from cfevents._http.transport import Transport, TransportOptions
from cfevents._listing.query import ListQuery
from cfevents._listing.stream import EventStream
from cfevents._model.api import Connector, EventMetadata, EventReference, Interrupt, RecordedEvent, event_id
from cfevents._model.checkpoint import Checkpoint
from cfevents._public import set_module
from cfevents._secrets import mask, mask_values
from cfevents._time import DurationLike, TimeLike
from cfevents._validation import require_process, validate_timeout, validate_type
from cfevents.errors import ConfigurationError
from cfevents.events import KindFilter

if TYPE_CHECKING:
    from cfevents._following.checkpoint import FollowCheckpoint
    from cfevents._following.follower import Follower
    from cfevents._listing.fleet import Fleet


@set_module("cfevents")
class Client:
    """Reads the telemetry events of an account's connectors.

    An async context manager. In a notebook, `open` it in one cell and `close` it in another::

        async with Client() as client:
            async for event in client.list_events("connector-id", since="24h"):
                print(event.recorded_at, event.id, event.kind)

    Arguments that are left out come from the environment: ``CLOUDFLARE_API_TOKEN``, or the file that
    ``CLOUDFLARE_API_TOKEN_FILE`` names, or ``CLOUDFLARE_EMAIL`` and ``CLOUDFLARE_API_KEY``; ``CLOUDFLARE_ACCOUNT_ID``;
    ``CLOUDFLARE_BASE_URL``. Credentials are not mixed: if an argument has one, the environment's are ignored. The token
    is preferred to the key.

    Every method raises a TypeError for an argument of a wrong type, and a ValueError for one without meaning, before
    anything is sent; the message says what to write instead. A request that does not succeed raises a `CfEventsError`.
    The ``timeout`` of a call is in seconds, and for its requests and waits together.
    """

    _connection: Connection | None = None
    _closed = False

    def __init__(
        self,
        *,
        api_token: str | TokenSource | None = None,
        api_email: str | None = None,
        api_key: str | None = None,
        account_id: str | None = None,
        base_url: str | URL | None = None,
        session: aiohttp.ClientSession | None = None,
        timeout: float | aiohttp.ClientTimeout = 30.0,
        max_body_size: int = 16 * 1024 * 1024,
        extra_headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Validate the settings. Nothing is opened or sent.

        Args:
            api_token: API token with the permission *Magic WAN Read*, or a function, plain or async, that returns
                it; it is called before each request, so that a rotated token needs no restart.
            api_email: The email that belongs to ``api_key``.
            api_key: A global API key, the older scheme.
            account_id: The account, at most 32 characters.
            base_url: The API's URL; https, or http to a loopback address.
            session: An aiohttp session to use. It stays open, and its own timeout and ``raise_for_status``
                change nothing. The default is a session of the client's own, with the proxy of the environment.
            timeout: The timeout of one attempt, in seconds, or an aiohttp ``ClientTimeout``.
            max_body_size: The largest response that is read, in bytes after decompression.
            extra_headers: Headers for each request, such as those of a gateway in front of the API.
            retry: The rules for repeating a request; the default is `Retry()`, which waits for a longer period of the
                budget too.
            budget: The requests that may be sent, which several clients can share; the default is its own `Budget()`.

        Raises:
            ConfigurationError: Credentials, account or base URL are missing or unusable.
        """
        # Before anything can be raised: a traceback may show this function's variables.
        api_token, api_email, api_key = mask(api_token), mask(api_email), mask(api_key)
        hidden_url = mask(str(base_url) if isinstance(base_url, URL) else base_url)
        hidden_headers = mask_values(extra_headers)
        base_url = extra_headers = None
        self._credentials = resolve_credentials(api_token, api_email, api_key)
        self._endpoints = resolve_endpoints(hidden_url, account_id)
        self._budget = validate_type("budget", Budget() if budget is None else budget, Budget)
        retry = default_retry(self._budget.allowance[1]) if retry is None else retry
        self._retry = validate_type("retry", retry, Retry)
        self._counters = Counters()
        self._transport_options = TransportOptions.of(session, timeout, max_body_size, hidden_headers)

    async def open(self) -> Self:
        """Open the client on the running event loop, also after `close`. An open client stays open.

        Raises:
            ConfigurationError: The client is open on another event loop, or the session that was passed cannot be used.
        """
        if self._connection is None:
            transport = Transport(self._endpoints.base_url, self._credentials, self._transport_options)
            self._connection = Connection(transport, self._endpoints, self._budget, self._retry, self._counters)
            self._finalizer = transport.warn_if_unclosed(self, self._endpoints.account_id)
        self._get_connection()
        return self

    async def close(self) -> None:
        """Close the client and its connections; a session that was passed stays open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._closed = True
            self._finalizer.detach()
            await connection.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def list_events(
        self,
        connector_id: str,
        *,
        since: TimeLike,
        until: TimeLike | None = None,
        kind: KindFilter | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        checkpoint: Checkpoint | str | None = None,
        prefetch: int = 1,
        concurrency: int = 1,
        timeout: float | None = None,
    ) -> EventStream:
        """List the events of a connector in a window of time, and follow the cursor to its end.

        Nothing is sent until the stream is iterated.

        Args:
            connector_id: The connector.
            since: The window's lower bound: an aware ``datetime``, seconds since the Unix epoch, a ``timedelta`` or
                ``"24h"`` for that long ago, or ISO 8601 text with an offset. Widened to whole seconds.
            until: The upper bound likewise; the default is now.
            kind: A kind's name, its class in `cfevents.events`, or a collection of them. Case does not
                matter. ``Rekey*`` is a pattern; ``!Reconcile`` leaves a kind out.
            page_size: The most events per page (the API's ``limit``); the default is the API's own.
            cursor: The cursor of a page or an error, to resume there. Both bounds must be as they were, and absolute.
            checkpoint: The checkpoint of a page or an error, or its text, to list only the rest. Connector, bounds and
                kinds must be as they were.
            prefetch: How many pages are requested ahead, while the caller works on one.
            concurrency: How many slices of the window are listed side by side. From 2 on the events come in ascending
                order, a page for each slice, without a cursor.
            timeout: Seconds to wait for the API over the whole listing; the caller's own time does not count.

        Raises:
            CheckpointError: The checkpoint is of another listing, or damaged.
        """
        query = ListQuery.of(
            connector_id,
            since=since,
            until=until,
            kind=kind,
            page_size=page_size,
            cursor=cursor,
            checkpoint=checkpoint,
            prefetch=prefetch,
            concurrency=concurrency,
            timeout=timeout,
            account_id=self._endpoints.account_id,
        )
        return EventStream(query, self._get_connection)

    def fleet(
        self,
        connector_ids: Iterable[str] | None = None,
        *,
        concurrency: int = 8,
        on_error: Literal["raise", "collect"] = "raise",
    ) -> "Fleet":
        """Return several connectors as one.

        Args:
            connector_ids: The connectors. The default is all of the account, listed again each time.
            concurrency: How many connectors are read at a time.
            on_error: Report connectors that fail, after the others have been read, by a `FleetError` (``"raise"``) or
                in `Fleet.errors` only (``"collect"``).
        """
        from cfevents._listing.fleet import Fleet  # noqa: PLC0415 - most programs read one connector

        return Fleet(self._get_connection, self._endpoints.account_id, connector_ids, concurrency, on_error)

    def follow_events(
        self,
        connector_ids: "str | Iterable[str] | Fleet",
        *,
        since: TimeLike | None = None,
        checkpoint: "FollowCheckpoint | str | None" = None,
        interval: DurationLike = "30s",
        overlap: DurationLike = "15min",
        lookback: DurationLike = "24h",
        deep_interval: DurationLike = "15min",
        kind: KindFilter | None = None,
    ) -> "Follower[EventMetadata]":
        """Follow connectors: new and late events, once each.

        An appliance that was offline delivers its events afterwards, with their old times. So each poll begins some
        time before the newest event that was delivered, and from time to time a whole lookback earlier.
        Nothing is sent until the follower is iterated.

        Args:
            connector_ids: One connector's id, several, or a fleet.
            since: Events recorded before are not delivered; the default is now.
            checkpoint: The checkpoint of an earlier follower, or its text, to go on after it. Connectors and kinds must
                be as they were.
            interval: The time between two polls of a connector: ``"30s"``, a ``timedelta``, or seconds. It is longer
                where the request budget has no room for all connectors.
            overlap: How far before the newest event each poll begins.
            lookback: The longest time between the recording and the collection of an event.
            deep_interval: The time between two polls that begin a whole lookback earlier.
            kind: A kind's name, its class in `cfevents.events`, or a collection of them. Case does not
                matter. ``Rekey*`` is a pattern; ``!Reconcile`` leaves a kind out.

        Raises:
            CheckpointError: The checkpoint is of other connectors or kinds, or damaged.
        """
        from cfevents._following.follower import follow  # noqa: PLC0415 - most programs never follow
        from cfevents._listing.fleet import Fleet  # noqa: PLC0415 - as above

        if connector_ids is None:
            raise TypeError("connector_ids is None: write client.fleet() for all connectors of the account")
        ids = [connector_ids] if isinstance(connector_ids, str) else connector_ids
        return follow(
            ids if isinstance(ids, Fleet) else self.fleet(ids),
            since=since,
            checkpoint=checkpoint,
            interval=interval,
            overlap=overlap,
            lookback=lookback,
            deep_interval=deep_interval,
            kind=kind,
        )

    async def get_event(
        self, connector_id: str, event: EventReference, *, timeout: float | None = None
    ) -> RecordedEvent:
        """Get one event with its payload.

        Args:
            connector_id: The connector.
            event: The event: `EventMetadata` from a listing, an `EventId`, or ``"1700000000.3"``.
            timeout: The timeout of the whole call, in seconds.

        Raises:
            NotFoundError: There is no such event.
        """
        timeout, request = validate_timeout(timeout), self._endpoints.get_event(connector_id, event_id(event))
        return (await self._get_connection().request(request, timeout)).result

    async def latest_events(self, connector_id: str, *, timeout: float | None = None) -> list[RecordedEvent]:
        """Get the latest events of a connector with their payloads, in the API's order."""
        timeout, request = validate_timeout(timeout), self._endpoints.latest_events(connector_id)
        return list((await self._get_connection().request(request, timeout)).result.items)

    async def list_connectors(self, *, timeout: float | None = None) -> list[Connector]:
        """List the connectors of the account."""
        timeout, request = validate_timeout(timeout), self._endpoints.list_connectors()
        return (await self._get_connection().request(request, timeout)).result

    async def list_interrupts(self, connector_id: str, *, timeout: float | None = None) -> list[Interrupt]:
        """List the restarts, reboots and shutdowns of a connector that somebody ordered, in the API's order.

        Events alone cannot say whether a start without a stop was a crash or an order; `operations.report` takes these.
        """
        timeout, request = validate_timeout(timeout), self._endpoints.list_interrupts(connector_id)
        return (await self._get_connection().request(request, timeout)).result

    def _get_connection(self) -> Connection:
        if self._connection is None:
            state = "is closed" if self._closed else "is not open"
            raise ConfigurationError(f"the client {state}: write 'async with Client() as client', or await open()")
        require_process(self._connection.pid, "the client", ConfigurationError)
        if self._connection.loop is not asyncio.get_running_loop():
            raise ConfigurationError("the client is open on another event loop: make one for each loop")
        return self._connection

    @property
    def usage(self) -> Usage:
        """The requests and waits of this client so far, and what is left of its budget at this moment."""
        return Usage.of(self._counters, self._budget)

    @property
    def clock_ahead(self) -> timedelta:
        """Lead of this machine's clock over the API's, by its last response; zero for less than a minute.

        Raises:
            ConfigurationError: The client is not open, or on another event loop.
        """
        return timedelta(seconds=self._get_connection().clock.ahead)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds credentials and connections, and is not copied: make one where it is needed")

    def __repr__(self) -> str:
        # A traceback shows this also for a client that could not be made.
        endpoints = vars(self).get("_endpoints")
        account = f" of account {endpoints.account_id} at {endpoints.base_url}" if endpoints else ""
        state = "open" if self._connection is not None else "closed" if self._closed else "not open"
        return f"<Client{account}, {state}>"

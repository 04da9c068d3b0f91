"""Several connectors read as one."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Literal, TypeAlias

from attrs import define, evolve, field

from cfevents._http.connection import GetConnection
from cfevents._listing.details import Details, ListedEvent, get_details, wanted_kinds
from cfevents._listing.fleet_rounds import Rounds
from cfevents._listing.ordered import ordered_map
from cfevents._listing.pages import tell_how_to_go_on
from cfevents._listing.query import ListQuery
from cfevents._listing.stream_base import Drawn, Framed
from cfevents._model.api import Connector, EventMetadata, RecordedEvent
from cfevents._model.results import EventBatch, EventDetail, FleetEvent
from cfevents._progress import PageCounter, ProgressUpdate
from cfevents._time import TimeLike
from cfevents._validation import short_repr, validate_int, validate_path_segment
from cfevents.errors import APIResponseError, CfEventsError, ConfigurationError, FleetError
from cfevents.events import KindFilter

OnError: TypeAlias = Literal["raise", "collect"]

# Answers that may wait for that of an earlier connector, for each that is asked at a time.
_WAITING = 4


@define(eq=False)
class FleetMembers:
    """Which connectors they are, what they are read with, and what went wrong."""

    get_connection: GetConnection
    account_id: str
    named: tuple[str, ...] | None
    concurrency: int
    on_error: OnError
    errors: dict[str, CfEventsError] = field(factory=dict)

    async def begin(
        self, get_connection: GetConnection | None = None
    ) -> tuple[tuple[str, ...], dict[str, CfEventsError]]:
        """Find the connectors for a reading that begins, and where its errors go: another may begin meanwhile.

        The API is asked where they were not named, by another connection if one is given.
        """
        self.errors = errors = dict[str, CfEventsError]()
        if self.named is not None:
            return self.named, errors
        connection = (get_connection or self.get_connection)()
        connectors = (await connection.request(connection.endpoints.list_connectors())).result
        return tuple(
            each.id for each in {each.id: each for each in connectors}.values() if _usable(each, errors)
        ), errors

    def end(self, errors: dict[str, CfEventsError]) -> None:
        """Tell what went wrong in a reading, where that is wanted."""
        if errors and self.on_error == "raise":
            raise FleetError(errors)


def _usable(connector: Connector, errors: dict[str, CfEventsError]) -> bool:
    """Whether a connector can be asked for; the API may send any text for its id."""
    try:
        validate_path_segment("id", connector.id)
    except ValueError as error:
        errors[connector.id] = APIResponseError(f"a connector that cannot be asked for: {error}", place="result[].id")
        return False
    return True


class Fleet:
    """Several connectors of an account. Made by `Client.fleet`."""

    __module__ = "cfevents"

    def __init__(
        self,
        get_connection: GetConnection,
        account_id: str,
        connector_ids: Iterable[str] | None,
        concurrency: int,
        on_error: OnError,
    ) -> None:
        """Take what to read with, and which connectors."""
        if on_error not in {"raise", "collect"}:
            raise ValueError(f"on_error={on_error!r} must be 'raise' or 'collect'")
        ids = None if connector_ids is None else _checked(connector_ids)
        self._members = FleetMembers(
            get_connection, account_id, ids, validate_int("concurrency", concurrency), on_error
        )

    @property
    def errors(self) -> dict[str, CfEventsError]:
        """What went wrong in the reading that began last, by connector id."""
        return self._members.errors

    def list_events(
        self,
        *,
        since: TimeLike,
        until: TimeLike | None = None,
        kind: KindFilter | None = None,
        page_size: int | None = None,
    ) -> "FleetStream":
        """List the events of all connectors in a window of time, ascending.

        Args:
            since: The window's lower bound, as for `Client.list_events`.
            until: Its upper bound likewise; now where it is left out.
            kind: A kind's name, its class in `cfevents.events`, or a collection of them.
            page_size: How many events the API may send at once (its ``limit``).

        Returns:
            A stream. Nothing is sent before it is read.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument has no meaning; the message says what to write instead.
        """
        # One for all: which connectors they are may not be known yet.
        account_id = self._members.account_id
        query = ListQuery.of("fleet", since=since, until=until, kind=kind, page_size=page_size, account_id=account_id)
        return FleetStream(self._members, query)

    async def latest_events(self) -> AsyncGenerator[FleetEvent[RecordedEvent], None]:
        """Get the latest events of each connector with their payloads, connector after connector.

        Yields:
            Events in the API's order.

        Raises:
            FleetError: Some connectors failed; the others have been served.
            CfEventsError: The connectors could not be listed.
        """
        members = self._members
        ids, errors = await members.begin()
        things, waiting = _one_by_one(ids), _WAITING * members.concurrency
        async with aclosing(
            ordered_map(members.get_connection, things, self._latest, members.concurrency, waiting)
        ) as outcomes:
            async for connector_id, found in outcomes:
                if isinstance(found, ConfigurationError):  # of the client, not of a connector
                    raise found
                if isinstance(found, CfEventsError):
                    errors[connector_id] = found
                    continue
                for event in found:
                    yield FleetEvent(connector_id, event)
        members.end(errors)

    async def _latest(self, connector_id: str) -> tuple[RecordedEvent, ...]:
        connection = self._members.get_connection()
        return (await connection.request(connection.endpoints.latest_events(connector_id))).result.items


async def _one_by_one(ids: Iterable[str]) -> AsyncGenerator[str, None]:
    for each in ids:
        yield each


def _checked(connector_ids: Iterable[str]) -> tuple[str, ...]:
    if isinstance(connector_ids, str | bytes) or not isinstance(connector_ids, Iterable):
        raise TypeError(f"connector_ids is {short_repr(connector_ids)}: write a list of ids, also for one")
    ids = tuple(dict.fromkeys(validate_path_segment("connector_ids", each) for each in connector_ids))
    if not ids:
        raise ValueError("connector_ids is empty: all connectors of the account are client.fleet(), without it")
    return ids


def fleet_members(fleet: Fleet) -> FleetMembers:
    """Say which connectors a fleet has."""
    return fleet._members


class FleetStream(Framed, Drawn):
    """The events of several connectors in a window of time, ascending. Made by `Fleet.list_events`.

    Nothing is sent before it is read; every ``async for`` starts again at the beginning, over the same window.
    """

    __module__ = "cfevents"

    _unit = "round"

    def __init__(self, members: FleetMembers, query: ListQuery) -> None:
        """Take whose events, and what to ask for."""
        super().__init__(query)
        self._members = members

    async def collect(self) -> list[FleetEvent[EventMetadata]]:
        """Read everything into a list.

        Raises:
            FleetError: Some connectors failed; what was read is lost to the caller, so read event by event what must
                not be, or let the fleet collect its errors.
            CfEventsError: The connectors could not be listed.
        """
        return [event async for event in self]

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> Details[FleetEvent[EventDetail]]:
        """Read event by event with the payloads, as `EventStream.details` does.

        A connector of which a payload cannot be had ends there, like one that cannot be listed.
        """
        terms = validate_int("concurrency", concurrency), wanted_kinds(kinds)
        return Details(self, self._details(*terms, tally := PageCounter()), tally)

    async def __aiter__(self) -> AsyncGenerator[FleetEvent[EventMetadata], None]:
        """Read event by event.

        Raises:
            FleetError: Some connectors failed; the others have been served. The ``checkpoint`` of each error goes on,
                for its connector.
            CfEventsError: The connectors could not be listed.
        """
        async with aclosing(self._read()) as read:
            async for listed in read:
                for each in listed:
                    yield FleetEvent(each.reached.connector_id, each.event)

    async def _blocks(self) -> AsyncGenerator[EventBatch, None]:
        async with aclosing(self._read()) as read:
            async for listed in read:
                yield EventBatch([each.reached.connector_id for each in listed], [each.event for each in listed])

    def _read(self) -> AsyncGenerator[list[ListedEvent], None]:
        return self._drawn(self._each_round(), _seen)

    async def _each_round(self) -> AsyncGenerator[list[ListedEvent], None]:
        rounds = await self._rounds()
        async with aclosing(rounds.read()) as each_round:
            async for listed in each_round:
                yield listed
        self._members.end(rounds.errors)

    async def _details(
        self, concurrency: int, kinds: tuple[str, ...], tally: PageCounter
    ) -> AsyncGenerator[FleetEvent[EventDetail], None]:
        rounds, ended = await self._rounds(), set[str]()
        listed = self._listed(rounds, tally)
        async with aclosing(get_details(self._members.get_connection, listed, concurrency, kinds)) as details:
            async for each, detail in details:
                connector_id = each.reached.connector_id
                if isinstance(detail, ConfigurationError):
                    raise tell_how_to_go_on(detail, each.reached)
                if connector_id in ended:
                    continue
                if isinstance(detail, EventDetail):
                    yield FleetEvent(connector_id, detail)
                    continue
                # Its listing may have failed already, but farther on.
                ended.add(connector_id)
                rounds.fail(connector_id, tell_how_to_go_on(detail, each.reached))
        self._members.end(rounds.errors)

    async def _rounds(self) -> Rounds:
        members = self._members
        ids, errors = await members.begin()
        queries = (evolve(self._query, start=evolve(self._query.start, connector_id=each)) for each in ids)
        return Rounds(members.get_connection, queries, members.concurrency, errors)

    async def _listed(self, rounds: Rounds, tally: PageCounter) -> AsyncGenerator[ListedEvent, None]:
        async with aclosing(rounds.read()) as each_round:
            async for listed in each_round:
                tally.pages += 1
                for each in listed:
                    yield each

    @property
    def _label(self) -> str:
        named = self._members.named
        return "all connectors" if named is None else named[0] if len(named) == 1 else f"{len(named)} connectors"

    def _wait(self) -> float:
        return self._members.get_connection().wait

    def __repr__(self) -> str:
        return f"<FleetStream since={self.since} until={self.until}>"


def _seen(listed: list[ListedEvent]) -> ProgressUpdate:
    return ProgressUpdate([each.event for each in listed])

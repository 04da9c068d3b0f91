"""The events of several connectors, read as one stream."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from attrs import define, evolve, field

from cfevents._http.connection import GetConnection
from cfevents._listing.details import Details, ListedEvent, detail_or_raise, get_details
from cfevents._listing.fleet_rounds import Rounds
from cfevents._listing.ordered import as_async, ordered_map
from cfevents._listing.query import ListQuery
from cfevents._listing.stream_base import AsyncOnly, BaseStream
from cfevents._model.api import Connector, EventMetadata, RecordedEvent
from cfevents._model.results import EventBatch, EventDetail, FleetEvent, PageCounter
from cfevents._public import set_module
from cfevents._time import TimeLike
from cfevents._validation import short_repr, validate_int, validate_path_segment
from cfevents.errors import APIResponseError, CfEventsError, ConfigurationError, FleetError
from cfevents.events import KindFilter

if TYPE_CHECKING:
    from cfevents._progress import Update

_MAX_NAMED_IDS = 3  # of a repr


@define(eq=False)
class FleetMembers:
    """The connectors of a fleet, and the errors of those that failed."""

    get_connection: GetConnection
    account_id: str
    named: tuple[str, ...] | None  # the connectors' ids; None for all of the account
    concurrency: int
    on_error: Literal["raise", "collect"]
    errors: dict[str, CfEventsError] = field(factory=dict)  # of the most recent reading, by connector id
    listed: list[Connector] = field(factory=list)  # the account's connectors at the most recent reading of all

    def __str__(self) -> str:
        """Return the members by their ids, or by their account."""
        if self.named is None:
            return f"all connectors of account {self.account_id}"
        more = len(self.named) - _MAX_NAMED_IDS
        return ", ".join(map(short_repr, self.named[:_MAX_NAMED_IDS])) + (f", and {more} more" if more > 0 else "")

    async def resolve(
        self, get_connection: GetConnection | None = None
    ) -> tuple[tuple[str, ...], dict[str, CfEventsError]]:
        """Return the connectors' ids, from the API if they are not named, and where to put this reading's errors."""
        self.errors = errors = dict[str, CfEventsError]()
        if self.named is not None:
            return self.named, errors
        connection = (get_connection or self.get_connection)()
        self.listed = (await connection.request(connection.endpoints.list_connectors())).result
        ids = dict.fromkeys(connector.id for connector in self.listed)
        for connector_id in ids:
            try:  # the API may send any text
                validate_path_segment("id", connector_id)
            except ValueError as error:
                message = f"the API lists a connector whose id cannot be part of a path: {error}"
                errors[connector_id] = APIResponseError(message, place="result[].id")
        return tuple(connector_id for connector_id in ids if connector_id not in errors), errors

    def raise_errors(self, errors: dict[str, CfEventsError]) -> None:
        """Raise a `FleetError` of a reading's errors, unless they are only collected."""
        if errors and self.on_error == "raise":
            raise FleetError(errors)


@set_module("cfevents")
class Fleet(AsyncOnly):
    """Several connectors of an account. Made by `Client.fleet`."""

    _advice = "use 'async for item in fleet.list_events(since=...)'"

    def __init__(
        self,
        get_connection: GetConnection,
        account_id: str,
        connector_ids: Iterable[str] | None,
        concurrency: int,
        on_error: Literal["raise", "collect"],
    ) -> None:
        if on_error not in {"raise", "collect"}:
            raise ValueError(f"on_error={on_error!r} must be 'raise' or 'collect'")
        if isinstance(connector_ids, str | bytes) or not isinstance(connector_ids, Iterable | None):
            raise TypeError(f"connector_ids is {short_repr(connector_ids)}: write a list of ids, also for one")
        ids = None
        if connector_ids is not None:
            ids = tuple(dict.fromkeys(validate_path_segment("connector_ids", value) for value in connector_ids))
        if ids == ():
            raise ValueError("connector_ids is empty: all connectors of the account are client.fleet(), without it")
        concurrency = validate_int("concurrency", concurrency)
        self._members = FleetMembers(get_connection, account_id, ids, concurrency, on_error)

    @property
    def errors(self) -> dict[str, CfEventsError]:
        """The errors of the most recent reading, by connector id."""
        return self._members.errors

    @property
    def connectors(self) -> list[Connector]:
        """The connectors of the account at the most recent reading; none where the fleet was given ids."""
        return self._members.listed

    def list_events(
        self,
        *,
        since: TimeLike,
        until: TimeLike | None = None,
        kind: KindFilter | None = None,
        page_size: int | None = None,
    ) -> "FleetStream":
        """List the events of all connectors in a window of time, ascending.

        Connectors that do not answer in time are set aside, which is logged, and listed after all others.
        `Client.list_events` explains the arguments.

        Returns:
            A stream. Nothing is sent before it is read.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: An argument is invalid; the message says what to write instead.
        """
        # One query for all: which connectors they are may not be known yet.
        account_id = self._members.account_id
        query = ListQuery.of("fleet", since=since, until=until, kind=kind, page_size=page_size, account_id=account_id)
        return FleetStream(self._members, query)

    async def latest_events(self) -> AsyncGenerator[FleetEvent[RecordedEvent], None]:
        """Yield the latest events of each connector with their payloads: connector by connector, in the API's order.

        Raises:
            FleetError: Some connectors failed; the events of the others were yielded.
            CfEventsError: The connectors could not be listed.
        """
        members = self._members
        ids, errors = await members.resolve()
        stalled = members.get_connection().spare(members.concurrency)
        latest = ordered_map(
            members.get_connection, as_async(ids), self._latest, members.concurrency, max_stalled=stalled
        )
        async with aclosing(latest) as results:
            async for connector_id, events in results:
                if isinstance(events, ConfigurationError):  # of the client, not of a connector
                    raise events
                if isinstance(events, CfEventsError):
                    errors[connector_id] = events
                    continue
                for event in events:
                    yield FleetEvent(connector_id, event)
        members.raise_errors(errors)

    def __repr__(self) -> str:
        # A traceback shows this also for a fleet that could not be made.
        return f"<Fleet of {vars(self).get('_members', 'nobody')}>"

    def _repr_html_(self) -> str:
        from cfevents._html import rows_of  # noqa: PLC0415 - only a notebook asks for it

        members = self._members
        notes = {connector.id: connector.notes for connector in members.listed}
        rows = [(name, notes.get(name), members.errors.get(name)) for name in (members.named or notes)]
        return rows_of(f"Fleet of {members}", ("connector", "notes", "error of the last reading"), rows, most=50)

    async def _latest(self, connector_id: str) -> tuple[RecordedEvent, ...]:
        connection = self._members.get_connection()
        return (await connection.request(connection.endpoints.latest_events(connector_id))).result.items


@set_module("cfevents")
class FleetStream(BaseStream):
    """The events of several connectors in a window of time, ascending. Made by `Fleet.list_events`.

    Those of connectors that did not answer in time come after all others, ascending too.

    Nothing is sent before it is read; every ``async for`` starts again at the beginning, over the same window.
    """

    _unit = "round"

    def __init__(self, members: FleetMembers, query: ListQuery) -> None:
        named = members.named or ()
        label = named[0] if len(named) == 1 else f"{len(named)} connectors" if named else "all connectors"
        super().__init__(query, label, lambda: members.get_connection().wait)
        self._members = members
        self._latest_rounds: Rounds | None = None

    async def collect(self) -> list[FleetEvent[EventMetadata]]:
        """Read everything into a list.

        Raises:
            FleetError: Some connectors failed. The events of the others are lost to the caller, who can read event by
                event instead, or let the fleet collect its errors.
            CfEventsError: The connectors could not be listed.
        """
        return [event async for event in self]

    def details(self, *, concurrency: int = 8, kinds: KindFilter | None = None) -> Details[FleetEvent[EventDetail]]:
        """Return the events with their payloads, as `EventStream.details` does.

        If a payload cannot be read, its connector ends there, as if it could not be listed.
        """
        return Details(self, self._read_fleet_details, concurrency, kinds)

    async def __aiter__(self) -> AsyncGenerator[FleetEvent[EventMetadata], None]:
        """Yield event by event.

        Raises:
            FleetError: Some connectors failed; the events of the others were yielded. The ``checkpoint`` of each error
                continues with its connector.
            CfEventsError: The connectors could not be listed.
        """
        async with aclosing(self._rounds()) as rounds:
            async for events in rounds:
                for listed in events:
                    yield FleetEvent(listed.checkpoint.connector_id, listed.event)

    async def _batches(self) -> AsyncGenerator[EventBatch, None]:
        async with aclosing(self._rounds()) as rounds:
            async for events in rounds:
                ids = [listed.checkpoint.connector_id for listed in events]
                yield EventBatch(ids, [listed.event for listed in events])

    def _rounds(self) -> AsyncGenerator[list[ListedEvent], None]:
        return self._with_progress(self._read_rounds(), _round_progress)

    async def _read_rounds(self) -> AsyncGenerator[list[ListedEvent], None]:
        rounds = await self._start_rounds()
        async with aclosing(rounds.read()) as read:
            async for events in read:
                yield events
        self._members.raise_errors(rounds.errors)

    async def _start_rounds(self) -> Rounds:
        members = self._members
        ids, errors = await members.resolve()
        starts = [evolve(self._query.start, connector_id=connector_id) for connector_id in ids]
        queries = [evolve(self._query, start=start) for start in starts]
        self._latest_rounds = Rounds(members.get_connection, queries, members.concurrency, errors)
        return self._latest_rounds

    def _listed_fraction(self) -> float:
        """Return the part of the window that was listed by who reads it now, before its events are yielded."""
        return 0.0 if self._latest_rounds is None else self._latest_rounds.fraction

    async def _read_fleet_details(
        self, concurrency: int, kinds: tuple[str, ...], counter: PageCounter
    ) -> AsyncGenerator[FleetEvent[EventDetail], None]:
        rounds, failed = await self._start_rounds(), set[str]()
        events = self._list_rounds(rounds, counter)
        async with aclosing(get_details(self._members.get_connection, events, concurrency, kinds)) as details:
            async for listed, result in details:
                connector_id = listed.checkpoint.connector_id
                try:
                    detail = detail_or_raise(listed, result)
                except ConfigurationError:  # of the client, not of a connector
                    raise
                except CfEventsError as error:
                    if connector_id not in failed:
                        failed.add(connector_id)
                        # In place of an error of its listing, which may have failed already, but later in the window.
                        rounds.fail(connector_id, error)
                    continue
                if connector_id not in failed:
                    yield FleetEvent(connector_id, detail)
        self._members.raise_errors(rounds.errors)

    async def _list_rounds(self, rounds: Rounds, counter: PageCounter) -> AsyncGenerator[ListedEvent, None]:
        async with aclosing(rounds.read()) as read:
            async for events in read:
                counter.pages += 1
                for listed in events:
                    yield listed

    def __repr__(self) -> str:
        return f"<FleetStream since={self.since} until={self.until}>"


def _round_progress(events: list[ListedEvent]) -> "Update":
    return [listed.event for listed in events], None

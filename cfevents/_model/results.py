"""The objects that the library returns: pages, details, events of a fleet or a follower."""

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, Generic, NamedTuple, TypeVar

from attrs import field, frozen

from cfevents._model.api import SUMMARY_FIELDS, EventMetadata, RecordedEvent, summary_fields
from cfevents._model.checkpoint import Checkpoint
from cfevents._public import set_module
from cfevents._secrets import hide
from cfevents.errors import CodedMessage
from cfevents.events import PAYLOAD_FIELDS

E = TypeVar("E")

# The columns that a table or a file has of a listed event, and besides those of a payload.
EVENT_COLUMNS = ("connector_id", "id", "recorded_at", "collected_at", "sequence", "kind")
PAYLOAD_COLUMNS = ("version", *PAYLOAD_FIELDS, "extra")


@set_module("cfevents")
@frozen
class EventDetail:
    """A listed event with its payload."""

    metadata: EventMetadata
    """The event as the listing shows it."""

    recorded: RecordedEvent | None
    """The event with its payload; None where the API no longer has it, or where it was not requested."""


@set_module("cfevents")
@frozen
class FleetEvent(Generic[E]):
    """An event of one of several connectors."""

    connector_id: str
    """The event's connector."""

    event: E
    """`EventMetadata` of a listing, `EventDetail` of its details, `RecordedEvent` of the latest events."""


@set_module("cfevents")
@frozen
class FollowedEvent(Generic[E]):
    """An event that was delivered while its connector was followed."""

    connector_id: str
    """The event's connector."""

    event: E
    """`EventMetadata`, or `EventDetail` with the payload."""

    late: bool = False
    """True where a newer event of its connector was delivered before it."""


@set_module("cfevents")
@frozen
class Page:
    """One page of a listing."""

    items: tuple[EventMetadata, ...]
    """Its events, without those that the page before it had already: in the API's order, or ascending where slices of
    the window are listed side by side."""

    cursor: str | None = None
    """Cursor of the *next* page; None on the last, and where slices are listed side by side."""

    count: int | None = None
    """The response's ``count``, which is not documented and need not be the number of items."""

    messages: tuple[CodedMessage, ...] = ()
    """The API's messages beside the result."""

    errors: tuple[CodedMessage, ...] = ()
    """What the API reported as errors although the request succeeded."""

    checkpoint: Checkpoint | None = None
    """The position after this page, from which a listing can be resumed."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Fields of the result that are not documented, as they were sent."""

    def _repr_html_(self) -> str:
        from cfevents._html import rows_of  # noqa: PLC0415 - for notebooks only

        is_last = self.checkpoint is not None and self.checkpoint.finished
        after = f", next cursor {hide(self.cursor)}" if self.cursor else ", the last" if is_last else ""
        rows = [list(summary_fields(event).values()) for event in self.items]
        return rows_of(f"Page of {len(rows):,} events{after}", SUMMARY_FIELDS, rows)


class PageCounter:
    """The pages that a listing had so far."""

    pages = 0


class EventColumns(NamedTuple):
    """Events that were read together, column by column."""

    connector_ids: str | Sequence[str]  # the connector of all events, or of each one
    kinds: Sequence[str]
    recorded_ts: Sequence[int | float]
    sequences: Sequence[int]
    collected_ts: Sequence[int | float]
    recorded: Sequence[RecordedEvent | None] | None = None  # the payloads, where they are read
    extra: Mapping[int, dict[str, Any]] = {}  # the undocumented fields by row, where they are read and not empty

    @property
    def length(self) -> int:
        """The number of events."""
        return len(self.kinds)


class EventBatch(NamedTuple):
    """Events that were read together."""

    connector_ids: str | Sequence[str]  # the connector of all events, or of each one
    events: Sequence[EventMetadata]
    recorded: Sequence[RecordedEvent | None] | None = None  # the payloads, where they are read

    def select(self, wanted: Sequence[bool]) -> "EventBatch":
        """Return the events that are wanted, by their places."""
        ids = self.connector_ids if isinstance(self.connector_ids, str) else list(compress(self.connector_ids, wanted))
        recorded = None if self.recorded is None else list(compress(self.recorded, wanted))
        return EventBatch(ids, list(compress(self.events, wanted)), recorded)

    def columns(self, *, extra: bool = False) -> EventColumns:
        """Return the same events column by column, with their undocumented fields or without."""
        return EventColumns(
            self.connector_ids,
            [event.kind for event in self.events],
            [event.recorded_ts for event in self.events],
            [event.sequence for event in self.events],
            [event.collected_ts for event in self.events],
            self.recorded,
            {row: event.extra for row, event in enumerate(self.events) if event.extra} if extra else {},
        )

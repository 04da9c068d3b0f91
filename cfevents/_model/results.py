"""What the library gives: pages, details, events of a fleet or a follower."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from attrs import field, frozen

from cfevents._model.api import SUMMARY_FIELDS, EventMetadata, RecordedEvent, summary_fields
from cfevents._model.checkpoint import Checkpoint
from cfevents.errors import CodedMessage

E = TypeVar("E")


@frozen
class EventDetail:
    """A listed event with its payload."""

    __module__ = "cfevents"

    metadata: EventMetadata
    """The event as the listing shows it."""

    recorded: RecordedEvent | None
    """The event with its payload; None where the API has it no longer, or where it was not asked for."""


@frozen
class FleetEvent(Generic[E]):
    """An event of one of several connectors."""

    __module__ = "cfevents"

    connector_id: str
    """Whose event it is."""

    event: E
    """`EventMetadata` of a listing, `EventDetail` of its details, `RecordedEvent` of the latest events."""


@frozen
class FollowedEvent(Generic[E]):
    """An event that came while its connector was followed."""

    __module__ = "cfevents"

    connector_id: str
    """Whose event it is."""

    event: E
    """`EventMetadata`, or `EventDetail` with the payload."""

    late: bool = False
    """Whether something newer of its connector was delivered before it."""


@frozen
class Page:
    """One page of a listing."""

    __module__ = "cfevents"

    items: tuple[EventMetadata, ...]
    """Its events, without those that the page before it had already: in the API's order, or ascending where slices of
    the window are listed side by side."""

    cursor: str | None = None
    """Cursor of the *next* page; None on the last, and where slices are listed side by side."""

    count: int | None = None
    """The answer's ``count``, which is not documented and need not be the number of items."""

    messages: tuple[CodedMessage, ...] = ()
    """What the API said beside the result."""

    errors: tuple[CodedMessage, ...] = ()
    """What the API called errors although it called the request a success."""

    checkpoint: Checkpoint | None = None
    """What has been delivered with this page and those before it, to go on after it."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Fields of the result that are not documented, as they were sent."""

    def _repr_html_(self) -> str:
        from cfevents._html import rows_of  # noqa: PLC0415 - only a notebook asks for it

        is_last = self.checkpoint is not None and self.checkpoint.finished
        follows = f", next cursor {self.cursor}" if self.cursor else ", the last" if is_last else ""
        rows = [list(summary_fields(each).values()) for each in self.items]
        return rows_of(f"Page of {len(rows):,} events{follows}", SUMMARY_FIELDS, rows)


class EventBatch(NamedTuple):
    """Some events that were read together."""

    connector_ids: str | Sequence[str]
    """Whose they are: of all of them, or of each."""

    events: Sequence[EventMetadata]
    recorded: Sequence[RecordedEvent | None] | None = None
    """Their payloads, where those are read."""

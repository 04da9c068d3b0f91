"""What a listing brought, page by page, as it was sent."""

import json
from collections.abc import Iterable
from typing import Literal, TypeAlias

from attrs import frozen

from cfevents._model.api import EventMetadata, key_of
from cfevents._time import Timespan

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
class Listed:
    """The pages of one listing, from the first on."""

    window: Timespan
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
        there = {key_of(event) for event in self.items}
        return [event for event in known if key_of(event) not in there]


def cursor_spelled(body: bytes) -> CursorSpelled:
    """Tell how a page's JSON spells its cursor."""
    result = json.loads(body)["result"]
    if "cursor" not in result:
        return "absent"
    return "null" if result["cursor"] is None else "text" if result["cursor"] else "empty"

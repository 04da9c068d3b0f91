"""The payloads of listed events: a request for each."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from cfevents._http.connection import Reader
from cfevents._listing.ordered import in_order
from cfevents._model.api import EventMetadata
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.results import EventDetail
from cfevents.errors import CfEventsError, NotFoundError
from cfevents.events import KindFilter, kind_names, tell_of_unknown

# Payloads that may wait for an earlier one, for each that is asked for at a time.
_WAITING = 4


class Listed(NamedTuple):
    """An event as it was listed, and what had been delivered before its page."""

    reached: Checkpoint
    event: EventMetadata


def wanted_kinds(kinds: KindFilter | None) -> tuple[str, ...]:
    """Check of which kinds the payloads are wanted; none for all.

    Raises:
        TypeError: A kind is neither text nor one of the documented classes.
        ValueError: A name is empty, or the collection is.
    """
    names = kind_names(kinds, "kinds")
    for name in names:
        tell_of_unknown(name)
    return names


async def get_details(
    reader: Reader, listed: AsyncGenerator[Listed, None], concurrency: int, kinds: tuple[str, ...]
) -> AsyncGenerator[tuple[Listed, EventDetail | CfEventsError], None]:
    """Get the payload of each event, in order; an error takes the place of what could not be had.

    Args:
        reader: What to ask with.
        listed: The events; it is closed at the end.
        concurrency: How many are asked for at a time.
        kinds: The kinds whose payload is asked for; none for all.
    """

    async def detail(each: Listed) -> EventDetail:
        event = each.event
        if (kinds and event.kind not in kinds) or not isinstance(event.recorded_ts, int):
            return EventDetail(event, None)
        request = reader.api.get_event(each.reached.connector_id, event.id)
        try:
            return EventDetail(event, (await reader.opened().ask(request)).result)
        except NotFoundError:
            return EventDetail(event, None)

    async with aclosing(in_order(reader, listed, detail, concurrency, _WAITING * concurrency)) as details:
        async for each in details:
            yield each

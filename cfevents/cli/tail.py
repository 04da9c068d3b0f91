"""The newest events of a listing: it has no documented order, so that all of it is read to find them."""

import heapq
from collections.abc import Sequence
from typing import Any, TypeAlias

from cfevents import Client, EventDetail, FleetEvent, Page
from cfevents._time import TimeWindow
from cfevents.cli.console.views import metadata_of

_Entry: TypeAlias = tuple[float, int, int, FleetEvent[Any]]


class NewestEvents:
    """The newest of the events that were added, by the time of their recording.

    Algorithm: a heap with the oldest of them on top, which a newer one replaces. Invariant: no event that was added is
    newer than one in the heap, unless it is in the heap too. Bound: `count` events. Cost: O(log count) for each event.
    """

    def __init__(self, count: int) -> None:
        """Set how many are kept."""
        self._count, self._added, self._heap = count, 0, list[_Entry]()

    def add(self, events: Sequence[FleetEvent[Any]]) -> None:
        """Add the events that come next."""
        for item in events:
            event = metadata_of(item)
            entry = event.recorded_ts, event.sequence, self._added, item
            self._added += 1
            if len(self._heap) < self._count:
                heapq.heappush(self._heap, entry)
            elif entry > self._heap[0]:
                heapq.heapreplace(self._heap, entry)

    def in_order(self) -> list[FleetEvent[Any]]:
        """Return them in the order in which they were added."""
        return [item for *_, item in sorted(self._heap, key=lambda entry: entry[2])]


async def read_payloads(
    client: Client, events: Sequence[FleetEvent[Any]], window: TimeWindow
) -> list[FleetEvent[EventDetail]]:
    """Return listed events with their payloads, in the same order; each costs a request."""
    places_by_id = dict[str, list[int]]()
    for place, item in enumerate(events):
        places_by_id.setdefault(item.connector_id, []).append(place)
    details = dict[int, FleetEvent[EventDetail]]()
    for connector_id, places in places_by_id.items():
        stream = client.list_events(connector_id, since=window.since, until=window.until)
        page = Page(tuple(events[place].event for place in places))
        for place, detail in zip(places, await stream._page_details(page), strict=True):
            details[place] = FleetEvent(connector_id, detail)
    return [details[place] for place in range(len(events))]

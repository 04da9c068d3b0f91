"""The newest events of a listing, which looks back as far as it takes."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import click
from click.core import ParameterSource

from cfevents import Client, EventId, EventStream, FleetEvent, FleetStream
from cfevents._progress import Coverage
from cfevents._time import TimeWindow
from cfevents.cli.console import views
from cfevents.cli.options import CommandOptions
from cfevents.storage import Archive, ArchivedStream

Streams: TypeAlias = Sequence[EventStream | FleetStream | ArchivedStream]
_Entry: TypeAlias = tuple[float, int, int, FleetEvent[Any]]

_DAY_S = 86_400
_LOOK_BACK_DAYS = (7, 30, 90)


class Reading:
    """A listing under way: the streams of a window, and how many events it and the later windows had."""

    def __init__(self, streams: Streams) -> None:
        """Start with the streams of the first window."""
        self.events, self.until = 0, streams[0].until
        self.begin(streams)

    def begin(self, streams: Streams) -> None:
        """Go on with the streams of an earlier window."""
        self.streams, self.since = streams, streams[0].since
        self.coverage = Coverage(self.since, streams[0].until)

    def add(self, events: Sequence[FleetEvent[Any]]) -> None:
        """Count the events that were read next."""
        self.coverage.add([views.metadata_of(item) for item in events])
        self.events += len(events)


def looks_back(options: CommandOptions) -> bool:
    """Return whether the newest events are wanted, however old they are."""
    source = click.get_current_context().get_parameter_source("since")
    return options.tail is not None and options.until is None and source is not ParameterSource.COMMANDLINE


def earlier_windows(reading: Reading, reader: Client | Archive) -> Iterator[TimeWindow]:
    """Yield windows that go back from what was read, those of an archive to its beginning.

    Whether bounds are inclusive is not known: a window ends a second after the next one begins.
    """
    until = reading.until
    for days in _LOOK_BACK_DAYS:
        yield TimeWindow(until - days * _DAY_S, reading.since + 1)
    if isinstance(reader, Archive):
        yield TimeWindow(0, reading.since + 1)


class NewestEvents:
    """The newest of the events that were added, by the time of their recording: a listing has no documented order.

    Algorithm: a heap with the oldest of them on top, which a newer one replaces. Invariant: no event that was added is
    newer than one in the heap, unless it is in the heap too. Bound: `count` events. Cost: O(log count) for each event.
    """

    def __init__(self, count: int) -> None:
        """Set how many are kept."""
        self._count, self._added, self._rounds, self._heap = count, 0, 0, list[_Entry]()
        self._earlier = set[tuple[str, EventId]]()

    @property
    def is_full(self) -> bool:
        """True if there are as many as are wanted."""
        return len(self._heap) == self._count

    def add(self, events: Sequence[FleetEvent[Any]]) -> Sequence[FleetEvent[Any]]:
        """Add the events that come next, and return those that no later window had."""
        if self._earlier:
            events = [item for item in events if _key(item) not in self._earlier]
        for item in events:
            event = views.metadata_of(item)
            entry = event.recorded_ts, event.sequence, self._added, item
            self._added += 1
            if len(self._heap) < self._count:
                heapq.heappush(self._heap, entry)
            elif entry > self._heap[0]:
                heapq.heapreplace(self._heap, entry)
        return events

    def go_back(self) -> None:
        """Expect events of an earlier window: those that are known are passed over then."""
        self._earlier, self._rounds = {_key(item) for *_, item in self._heap}, self._rounds + 1

    def in_order(self) -> list[FleetEvent[Any]]:
        """Return them in the order in which they were added; those of several windows by time."""
        entries = sorted(self._heap, key=lambda entry: entry[:3] if self._rounds else entry[2:3])
        return [item for *_, item in entries]


def _key(item: FleetEvent[Any]) -> tuple[str, EventId]:
    return item.connector_id, views.metadata_of(item).id

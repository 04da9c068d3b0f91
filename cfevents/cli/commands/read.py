"""The commands that read events or connectors, from the API or an archive."""

import heapq
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from itertools import repeat
from typing import Any, TypeAlias

from cfevents import Client, EventDetail, EventStream, FleetError, FleetEvent, FleetStream, Page, RecordedEvent
from cfevents._html import counted
from cfevents._model.kinds import kind_test
from cfevents._time import TimeWindow, to_datetime
from cfevents.cli.archive_notes import ArchiveNotes, note_extents
from cfevents.cli.commands.newest import NewestEvents, Reading, Streams, earlier_windows, looks_back
from cfevents.cli.console import connector_views, views
from cfevents.cli.console.errors import Failure, arguments_checked, print_note
from cfevents.cli.console.output import View, Zone, is_terminal
from cfevents.cli.console.progress import show_progress
from cfevents.cli.kinds import kinds_text
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.sources import (
    Source,
    check_options,
    list_and_remember,
    listing_progress,
    open_reader,
    open_source,
)
from cfevents.cli.times import read_window
from cfevents.storage import Archive, ArchivedStream

_Batches: TypeAlias = AsyncGenerator[Sequence[FleetEvent[Any]], None]
_Head: TypeAlias = tuple[tuple[float, int], int, FleetEvent[Any], AsyncGenerator[FleetEvent[Any], None]]

# Events of a batch that is merged from several streams.
_MERGED_BATCH_EVENTS = 1000
_MAX_PAYLOAD_REQUESTS = 8


async def list_events(options: CommandOptions) -> None:
    """Print the events of a window."""
    options, window = check_options(options), read_window(options)
    if options.page_size is not None and options.archive is not None:
        raise usage_error("--page-size is for the API: an archive has no pages.")
    if options.limit is not None and options.tail is not None:
        raise usage_error("-n ends the list early, --tail prints its newest events: leave one out.")
    async with open_source(options) as source:
        with arguments_checked():
            reading = Reading(_list_streams(source, options, window))
        notes = await _note_extents(source, None if looks_back(options) else window, options)
        view = views.listed(options.zone or Zone(), several=source.several, details=options.details)
        write = views.writer(view, options.style)
        read = _read_first if options.tail is None else _read_newest
        with show_progress(lambda: listing_progress(reading.coverage, reading.streams[0], details=options.details)):
            async with aclosing(read(source, reading, options)) as batches:
                async for batch in batches:
                    if batch:  # a table of nothing has no header
                        write(batch)
        if not (notes and notes.failure):
            _print_lack(source, reading, notes, write, options)
    if notes is not None and notes.failure:
        raise Failure(notes.failure)


def _print_lack(
    source: Source,
    reading: Reading,
    notes: ArchiveNotes | None,
    write: Callable[[Sequence[Any]], None],
    options: CommandOptions,
) -> None:
    """Print that a listing is of no events, or of fewer than were wanted, and where there may be more."""
    if reading.events >= (options.tail or 1):
        return
    text_of = (options.zone or Zone()).named_time
    since, until = (text_of(to_datetime(time)) for time in (reading.since, reading.until))
    is_whole = looks_back(options) and isinstance(source.reader, Archive)
    window = "in the archive" if is_whole else f"between {since} and {until}"
    events = f"only {counted(reading.events, 'event')}" if reading.events else "no events"
    hint = "" if looks_back(options) else "; an earlier --since looks further back"
    if begins := [extent.since for extent in (notes.extents.values() if notes else ()) if extent]:
        hint = f"; the archive begins at {text_of(min(begins))}"
    text = f"{events}{kinds_text(options.kinds)} of {source.names} {window}{hint}"
    if not reading.events:
        _print_nothing(text, write, options)
    else:
        print_note(text)


async def _read_first(source: Source, reading: Reading, options: CommandOptions) -> _Batches:
    """Yield the events as they come, as many as are wanted."""
    async with aclosing(_read_batches(source, reading.streams, options)) as batches:
        async for batch in batches:
            wanted = batch if options.limit is None else batch[: options.limit - reading.events]
            reading.add(wanted)
            yield wanted
            if reading.events == options.limit:
                break


async def _read_newest(source: Source, reading: Reading, options: CommandOptions) -> _Batches:
    """Yield the newest events, those of connectors that could be read."""
    reads_payloads = options.details and isinstance(source.reader, Client)
    newest, failure = NewestEvents(options.tail or 0), None
    listed = options._replace(details=options.details and not reads_payloads)
    earlier = earlier_windows(reading, source.reader) if looks_back(options) else iter(())
    while True:
        try:
            async with aclosing(_read_batches(source, reading.streams, listed)) as batches:
                async for batch in batches:
                    reading.add(newest.add(batch))
        except FleetError as error:
            failure = error
        window = None if failure or newest.is_full else next(earlier, None)
        if window is None:
            break
        newest.go_back()
        reading.begin(_list_streams(source, options, window))
    events = newest.in_order()
    if reads_payloads and isinstance(source.reader, Client):
        yield await _read_payloads(source.reader, events, TimeWindow(reading.since, reading.until))
    else:
        yield events
    if failure is not None:
        raise failure


async def _note_extents(source: Source, window: TimeWindow | None, options: CommandOptions) -> ArchiveNotes | None:
    if not isinstance(source.reader, Archive):
        return None
    notes = await note_extents(source.reader, source.connectors, window, options.zone)
    notes.print()
    return notes


def _list_streams(source: Source, options: CommandOptions, window: TimeWindow) -> Streams:
    query: dict[str, Any] = {"since": window.since, "until": window.until, "kind": options.kinds or None}
    if source.fleet is not None:
        return [source.fleet.list_events(page_size=options.page_size, **query)]
    if isinstance(source.reader, Archive):
        return [source.reader.list_events(connector_id, **query) for connector_id in source.connectors]
    # With a limit, the next page may not be needed.
    prefetch = 1 if options.limit is None else 0
    [connector_id] = source.connectors
    return [source.reader.list_events(connector_id, page_size=options.page_size, prefetch=prefetch, **query)]


async def _read_batches(source: Source, streams: Streams, options: CommandOptions) -> _Batches:
    """Yield the events of one stream as they come, or those of several ascending streams merged into one."""
    # A fleet's events name their connectors.
    batches = [
        _read_stream(connector_id, stream, options)
        for connector_id, stream in zip(source.connectors or [""], streams, strict=True)
    ]
    async with aclosing(_merge(batches) if len(batches) > 1 else batches[0]) as merged:
        async for batch in merged:
            yield batch


async def _read_stream(
    connector_id: str, stream: EventStream | FleetStream | ArchivedStream, options: CommandOptions
) -> _Batches:
    if options.details:
        concurrency = min(_MAX_PAYLOAD_REQUESTS, options.limit or _MAX_PAYLOAD_REQUESTS)
        async with aclosing(stream.details(concurrency=concurrency)) as items:
            async for item in items:
                yield [item if isinstance(item, FleetEvent) else FleetEvent(connector_id, item)]
        return
    async with aclosing(stream._batches()) as batches:
        async for batch in batches:
            ids = batch.connector_ids
            yield list(map(FleetEvent, repeat(ids) if isinstance(ids, str) else ids, batch.events))


async def _merge(sources: list[_Batches]) -> _Batches:
    """Merge ascending sources by a heap of their next events: O(log n) for each event, one batch in memory."""
    async with AsyncExitStack() as stack:
        events = [await stack.enter_async_context(aclosing(_flatten(source))) for source in sources]
        heads = [head for number, source in enumerate(events) if (head := await _next_head(number, source))]
        heapq.heapify(heads)
        batch: list[FleetEvent[Any]] = []
        while heads:
            _, number, event, source = heads[0]
            batch.append(event)
            if head := await _next_head(number, source):
                heapq.heapreplace(heads, head)
            else:
                heapq.heappop(heads)
            if len(batch) == _MERGED_BATCH_EVENTS or not heads:
                yield batch
                batch = []


async def _flatten(batches: _Batches) -> AsyncGenerator[FleetEvent[Any], None]:
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                yield event


async def _next_head(number: int, source: AsyncGenerator[FleetEvent[Any], None]) -> _Head | None:
    item = await anext(source, None)
    if item is None:
        return None
    event = views.metadata_of(item)
    return (event.recorded_ts, event.sequence), number, item, source


async def get_event(options: CommandOptions) -> None:
    """Print one event; a single argument is its id, which is enough with ``--simulate`` and ``--archive``."""
    connector, event_id = options.connector, options.event_id
    if event_id is None:
        if connector is None or "." not in connector:
            raise usage_error("T.N is missing: the event's id, as 'cfevents list' shows it.")
        connector, event_id = None, str(connector)
    if connector is None and options.archive is None and not options.simulate:
        raise usage_error("CONNECTOR is missing: 'cfevents connectors' lists them.")
    connectors, event_id = () if connector is None else (connector,), event_id.removeprefix("id=")
    async with open_source(options._replace(connectors=connectors, event_id=event_id)) as source:
        [connector_id] = source.connectors
        with arguments_checked():
            event = await source.reader.get_event(connector_id, event_id)
        views.writer(views.one(connector_id, options.zone or Zone()), options.style)([event])


async def latest_events(options: CommandOptions) -> None:
    """Print the latest events of connectors."""
    options, seen, count = check_options(options), 0, 0
    is_wanted = kind_test(options.kinds)
    async with open_source(options) as source:
        write = views.writer(views.recorded(options.zone or Zone(), several=source.several), options.style)
        async with aclosing(_read_latest(source)) as batches:
            async for batch in batches:
                wanted = [item for item in batch if is_wanted(item.event.kind)]
                if wanted:
                    write(wanted)
                seen, count = seen + len(batch), count + len(wanted)
        await _note_extents(source, None, options)
        if options.archive is not None and not seen:
            print_note(f"no payloads in {options.archive}: 'cfevents archive PATH --details' stores them")
        if not count:
            text = f"no latest events{kinds_text(options.kinds)} of {source.names}"
            _print_nothing(text, write, options)


async def _read_latest(source: Source) -> AsyncGenerator[Sequence[FleetEvent[RecordedEvent]], None]:
    if source.fleet is not None:
        async with aclosing(source.fleet.latest_events()) as events:
            async for event in events:
                yield [event]
    for connector_id in source.connectors:
        with arguments_checked():
            latest = await source.reader.latest_events(connector_id)
        yield [FleetEvent(connector_id, event) for event in latest]


async def list_connectors(options: CommandOptions) -> None:
    """Print the connectors of the account, or those in an archive with their events."""
    listed: Sequence[Any]
    async with open_reader(options) as reader:
        if isinstance(reader, Archive):
            view: View[Any] = connector_views.archived(options.zone or Zone())
            names = {connector.id: connector for connector in await reader.named_connectors()}
            rows = await reader._event_counts()
            listed = [connector_views.ArchivedConnector(names[row[0]], *row[1:]) for row in rows]
        else:
            view = connector_views.connectors(options.zone or Zone())
            listed = await list_and_remember(reader, options)
    write = views.writer(view, options.style)
    if listed:
        write(listed)
    else:
        text = "the archive is empty: 'cfevents archive PATH' fills it"
        if options.archive is None:
            text = "the account has no connectors: check CLOUDFLARE_ACCOUNT_ID"
        _print_nothing(text, write, options)


def _print_nothing(text: str, write: Callable[[Sequence[Any]], None], options: CommandOptions) -> None:
    """Print that there is nothing, on a terminal or of ``--tail``, in place of an empty table; CSV has its header."""
    if not options.style.is_table:
        write(())
    if options.tail is not None or is_terminal(sys.stderr):
        print_note(text)


async def _read_payloads(
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

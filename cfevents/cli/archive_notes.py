"""Sentences about what an archive lacks of a window: it may begin later, end earlier, or not be filled yet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from cfevents import _time
from cfevents._model.kinds import split_kinds
from cfevents._time import TimeWindow, format_duration, to_datetime
from cfevents.cli.console.errors import print_line, print_note
from cfevents.cli.console.output import Zone
from cfevents.cli.console.wording import id_list
from cfevents.operations import Limits
from cfevents.storage import Archive, Extent

# An archive that lags less behind a window is up to date.
_TOLERANCE = timedelta(minutes=1)
_ADVICE = "'cfevents archive PATH' fills it up"


class ArchiveNotes(NamedTuple):
    """The sentences about what an archive lacks of a window."""

    extents: Mapping[str, Extent | None]
    lines: Sequence[str] = ()
    limited: Sequence[str] = ()
    """The connectors of which it has events of some kinds alone."""

    lacks_events: bool = False
    """True if the first fill of a connector did not end, or if some of the archive ends so long before the window that
    a gap there would be a finding."""

    failure: str = ""
    """The one sentence about an archive that ends before the window begins."""

    def print(self) -> None:
        """Print the sentences on stderr, but for the failure; with ``--quiet`` only where all is not well."""
        for line in self.lines:
            (print_line if self.lacks_events else print_note)(line)


async def note_extents(
    archive: Archive, connectors: Sequence[str], window: TimeWindow | None, zone: Zone | None
) -> ArchiveNotes:
    """Return what an archive lacks of connectors in a window as far as that is over, or at present without one."""
    known = await archive.extents()
    extents = {name: known[name] for name in connectors if name in known}
    present, note = to_datetime(_time.now()), partial(_note, len(extents))
    begin, end = (to_datetime(0), present) if window is None else map(to_datetime, window)
    relation = "ago" if window is None or end - present > _TOLERANCE else "before the window does"
    end, text_of = min(end, present), (zone or Zone()).named_time
    read = {name: extent for name, extent in extents.items() if extent is not None}
    begins = {name: extent.since for name, extent in read.items() if window and extent.since - begin > _TOLERANCE}
    ends = {name: extent.until for name, extent in read.items() if end - extent.until > _TOLERANCE}
    if extents and len(ends) == len(extents) and (last := max(ends.values())) < begin:
        failure = note([*ends], "ends", text_of(last), f"{format_duration(begin - last)} before the window begins")
        return ArchiveNotes(extents, failure=f"{failure}; {_ADVICE}")
    lines = []
    if begins and (first := max(begins.values())):
        lines.append(
            note([*begins], "begins", text_of(first), f"{format_duration(first - begin)} after the window does")
        )
    if ends and (last := min(ends.values())):
        lines.append(note([*ends], "ends", text_of(last), f"{format_duration(end - last)} {relation}"))
    kinds = await archive._limited_kinds()
    unread = [name for name in extents if name not in read]
    lines += _note_unread(partial(_archive_of, len(extents)), unread, kinds)
    limited = [name for name in unread if name in kinds]
    lacks_events = len(limited) < len(unread) or any(end - last > Limits().gap_least for last in ends.values())
    return ArchiveNotes(extents, lines, limited, lacks_events)


def _note_unread(
    archive_of: Callable[[Sequence[str]], str], unread: Sequence[str], kinds: Mapping[str, set[str]]
) -> Iterator[str]:
    """Yield sentences about connectors of which no part is whole, and the kinds of those that have some alone."""
    if limited := [name for name in unread if name in kinds]:
        wanted, left_out = split_kinds(sorted(set().union(*map(kinds.__getitem__, limited))))
        names = ", ".join([*wanted, *(f"all kinds but {name}" for name in left_out)])
        yield f"{archive_of(limited)} has events of {names} alone; 'cfevents archive PATH' adds the other kinds"
    if begun := [name for name in unread if name not in kinds]:
        yield f"the first fill of {archive_of(begun)} was interrupted, or goes on: it lacks events; {_ADVICE}"


def _archive_of(connectors: int, names: Sequence[str]) -> str:
    of_some = f" of {id_list(names)}" if len(names) < connectors else ""
    return f"the archive{of_some}"


def _note(connectors: int, names: Sequence[str], verb: str, at: str, distance: str) -> str:
    return f"{_archive_of(connectors, names)} {verb} at {at}, {distance}"

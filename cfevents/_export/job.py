"""An export: everything gathered, connector after connector, and then put in its place."""

from contextlib import aclosing
from typing import Any, Protocol

from attrs import evolve

from cfevents._export.formats import Format
from cfevents._export.sources import Source
from cfevents._export.staging import Progress, Staging
from cfevents.errors import ArchiveError


class Sink(Protocol):
    """Where lines go."""

    def add(self, data: bytes, progress: Progress, /) -> None:
        """Take data, and how far it came with that."""
        ...


async def export(gathered: Staging, progress: Progress, source: Source, form: Format) -> int:
    """Gather what is left, and put the whole in its place.

    Args:
        gathered: What was gathered before; it is open.
        progress: How far that came.
        source: Where events come from.
        form: How they are written.

    Returns:
        How many events there are.

    Raises:
        ArchiveError: It could not be written.
        CfEventsError: Something could not be had. What was gathered stays, and can be gone on with.
    """
    if gathered.is_published():
        gathered.finish(None)
        return progress.events
    gathered.begin(progress)
    progress = await gather(gathered, progress, source, form)
    gathered.finish(await form.whole(gathered.data))
    return progress.events


async def gather(sink: Sink, progress: Progress, source: Source, form: Format) -> Progress:
    """Give what is left to a sink, portion by portion; raises as `export` does."""
    if not progress.events:
        progress = _add(sink, progress, form.header)
    while not progress.is_whole:
        connector_id = progress.connectors[progress.done]
        async with aclosing(source.portions(connector_id, progress)) as portions:
            async for portion in portions:
                number = progress.events + len(portion.block.events)
                progress = _add(sink, progress, form.lines(portion.block), after=portion.after, events=number)
        progress = _add(sink, progress, b"", after=None, done=progress.done + 1)
    return progress


def _add(sink: Sink, progress: Progress, data: bytes, **changes: Any) -> Progress:
    progress = evolve(progress, length=progress.length + len(data), **changes)
    sink.add(data, progress)
    return progress


def require_same(gathered: Staging, progress: Progress, asked: dict[str, Any], window: tuple[int, int]) -> None:
    """Check that what was begun is what is asked for.

    Args:
        gathered: What was gathered.
        progress: How far that came.
        asked: What is asked for now.
        window: The bounds that this means now: those of what was begun may be given in other words.

    Raises:
        ArchiveError: It is something else.
    """
    is_window = window == (progress.since, progress.until)
    for name, ours in asked.items():
        theirs = progress.asked.get(name)
        if theirs != ours and not (is_window and name in {"--since", "--until"}):
            raise ArchiveError(
                f"{gathered.folder} has {progress.events} events of another export: there {_told(name, theirs)}, here "
                f"{_told(name, ours)}. Write it as it was there, to go on; or --restart, to throw that away; or name "
                "another file"
            )


def _told(name: str, value: Any) -> str:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if value is None or value in {"", False}:
        return f"no {name}"
    return name if value is True else f"{name} {value}"

"""The command that fills an archive."""

from contextlib import ExitStack
from datetime import datetime
from typing import Any

from cfevents import Client, ConnectorStatus, Fleet
from cfevents._html import counted
from cfevents._progress import Progress
from cfevents._time import now, parse_time
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.output import Zone, printable, write_stdout
from cfevents.cli.console.progress import show_progress
from cfevents.cli.console.signals import Ending, end_on_signal
from cfevents.cli.options import require_connectors, require_simulate
from cfevents.cli.sources import connectors_or_first, open_client, resolve_bounds
from cfevents.storage import Archive
from cfevents.storage.archive import followers_of

_FIRST_SINCE = "24h"


async def fill_archive(
    *,
    path: str,
    connectors: tuple[str, ...],
    all_: bool,
    since: str | None,
    zone: Zone | None,
    simulate: bool,
    speed: float | None,
    **options: Any,
) -> None:
    """Store events in an archive; the other options are those of `_fill`."""
    require_connectors(connectors, all_, optional=simulate)
    require_simulate(speed, simulate)
    begin = resolve_bounds(zone, since=since)["since"]
    with end_on_signal() as ending:
        async with open_client(simulate, speed) as client:
            chosen = await connectors_or_first(client, connectors, all_)
            await _fill(path, client, chosen, ending, since=begin, **options)


async def _fill(
    path: str,
    client: Client,
    connectors: list[str] | Fleet,
    ending: Ending,
    *,
    since: str | datetime | None,
    follow: bool,
    details: bool,
    **pace: str,
) -> None:
    """Store events, and print how many are new; the pace is ``interval`` and ``lookback``."""
    with arguments_checked():
        # Wrong arguments fail here, before a file is created.
        follower = client.follow_events(connectors, since=since, **pace)
    async with Archive(path, account_id=follower.checkpoint.account_id) as archive:
        if since is None and (isinstance(connectors, list) or not await archive.list_connectors()):
            since = _FIRST_SINCE
        with ExitStack() as stack:
            # On a signal, the archive stores the batch that it is at, and the count is printed.
            stack.enter_context(ending.by_calling(archive.close))
            if not follow:
                begin = follower.checkpoint.since if since is None else parse_time("since", since)
                stack.enter_context(show_progress(_Filling(archive, client, begin).progress, prints=False))
            new = await archive.sync(client, connectors, since=since, follow=follow, details=details, **pace)
    write_stdout(f"{new} new event{'' if new == 1 else 's'} in {printable(path)}\n")


class _Filling:
    """The progress of filling an archive: the part of the time since the beginning, averaged over its connectors."""

    def __init__(self, archive: Archive, client: Client, since: float) -> None:
        self._archive, self._client, self._window = archive, client, now() - since

    def progress(self) -> Progress:
        states = [status for follower in followers_of(self._archive) for status in follower.status.values()]
        part = sum(map(self._part, states)) / max(1, len(states))
        words = counted(len(states), "connector"), counted(self._client.usage.sent, "request")
        return Progress(part, ", ".join(words))

    def _part(self, state: ConnectorStatus) -> float:
        if state.last_good_at is not None:
            return 1.0
        backlog = state.backlog.total_seconds()
        # The backlog is 0 until the first event arrives.
        return max(0.0, 1 - backlog / self._window) if backlog > 0 and self._window > 0 else 0.0

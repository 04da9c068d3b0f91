"""How far the filling of an archive came, shown while it goes on."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cfevents.cli.console.progress import Progress, progress_shown

if TYPE_CHECKING:
    from cfevents import Client, ConnectorStatus
    from cfevents.storage import Archive


def filling_shown(archive: "Archive", client: "Client", since: float) -> AbstractContextManager[None]:
    """Show how far an archive is filled: which part of the time since then, on average over its connectors."""
    from cfevents._time import now  # noqa: PLC0415 - not needed for --help
    from cfevents.storage.archive import followers_of  # noqa: PLC0415 - not needed for --help

    window = now() - since

    def told() -> Progress:
        states = [each for follower in followers_of(archive) for each in follower.status.values()]
        sent, count = client.usage.sent, len(states)
        part = sum(_part(each, window) for each in states) / max(1, count)
        return Progress(part, f"{count:,} connector{'s' * (count != 1)}, {sent:,} request{'s' * (sent != 1)}")

    return progress_shown(told, prints=False)


def _part(state: "ConnectorStatus", window: float) -> float:
    if state.last_good_at is not None:
        return 1.0
    backlog = state.backlog.total_seconds()
    # Before anything was found, nothing is behind either.
    return max(0.0, 1 - backlog / window) if backlog > 0 and window > 0 else 0.0

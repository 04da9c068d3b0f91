"""Whose events a command for several connectors is about, where those are in an archive."""

from typing import TYPE_CHECKING

from cfevents.cli.failures import Failure, WrongUsage

if TYPE_CHECKING:
    from cfevents.storage import Archive

_SHOWN = 5


async def archived_connectors(archive: "Archive", connectors: tuple[str, ...], all_: bool) -> list[str]:
    """Name the connectors that are meant: the given ones, all that are there, or the only one.

    Raises:
        Failure: There is nothing of one.
        WrongUsage: There are several, and it was not said which.
    """
    there = await archive.list_connectors()
    if not there:
        raise Failure("the archive is empty: 'cfevents archive PATH' fills it")
    some = ", ".join(there[:_SHOWN]) + (f", and {len(there) - _SHOWN} more" if len(there) > _SHOWN else "")
    if not connectors and not all_ and len(there) > 1:
        raise WrongUsage(f"CONNECTOR is missing: the archive has {some}; --all means all of them")
    if missing := [each for each in connectors if each not in there]:
        raise Failure(f"the archive has nothing of {', '.join(missing)}; it has {some}")
    return [*dict.fromkeys(connectors or there)]

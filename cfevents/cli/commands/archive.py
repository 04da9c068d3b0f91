"""The command that fills an archive."""

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from cfevents import CfEventsError, Client, Fleet
from cfevents._html import counted
from cfevents._progress import Progress
from cfevents._validation import printable
from cfevents.cli.console.errors import arguments_checked, exists, is_refusal
from cfevents.cli.console.output import write_summary
from cfevents.cli.console.progress import show_progress
from cfevents.cli.console.signals import Ending, end_on_signal
from cfevents.cli.metrics import measured
from cfevents.cli.options import CommandOptions
from cfevents.cli.sources import check_options, chosen_connectors, identify, open_client
from cfevents.cli.times import read_begin, read_pace
from cfevents.storage import Archive

if TYPE_CHECKING:
    from cfevents._time import TimeLike

_FIRST_SINCE = "24h"


async def fill_archive(options: CommandOptions) -> None:
    """Store events in an archive, and print how many are new."""
    options, new = check_options(options), 0
    with end_on_signal() as ending:
        async with open_client(options) as client:
            options = await identify(client, options)
            new = await _fill(client, chosen_connectors(client, options), options, ending)
    write_summary(f"{counted(new, 'new event')} in {printable(options.path)}")
    if not options.follow:
        ending.exit_if_requested("interrupted: the same command goes on where this one stopped")


async def _fill(client: Client, connectors: list[str] | Fleet, options: CommandOptions, ending: Ending) -> int:
    since: TimeLike | None = read_begin(options)
    follow, pace = options.follow, read_pace(options)
    with arguments_checked():  # wrong arguments fail here, before a file is created
        follower = client.follow_events(connectors, since=since, **pace)
    is_new = not exists(options.path)
    async with Archive(options.path, account_id=follower.checkpoint.account_id) as archive:
        measured().get_follower = lambda: archive._follower
        await _migrate(archive)
        if since is None and (isinstance(connectors, list) or not await archive.list_connectors()):
            since = _FIRST_SINCE
        with ExitStack() as stack:
            # On a signal, the archive stores the batch that it is at, and the count is printed.
            stack.enter_context(ending.by_calling(archive.close))
            if not follow:
                stack.enter_context(show_progress(partial(_progress, archive), prints=False))
            try:
                if options.listed:
                    await archive.store_connectors(options.listed)
                return await archive.sync(
                    client, connectors, since=since, follow=follow, details=options.details, **pace
                )
            except CfEventsError as error:
                if is_new and is_refusal(error):
                    await archive._remove_if_empty()
                raise


def _progress(archive: Archive) -> Progress:
    """Return the part of the window that was read, averaged over the connectors."""
    return Progress(0.0, "") if archive._follower is None else archive._follower._progress()


async def _migrate(archive: Archive) -> None:
    """Bring an archive of an older version up to date."""

    def progress() -> Progress:
        return Progress(archive._migrated(), "migrating the archive to a new version")

    with show_progress(progress, prints=False):
        await archive._writer()

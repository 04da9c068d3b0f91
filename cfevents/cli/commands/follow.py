"""The command that prints or stores events as they arrive."""

import math
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve

from cfevents import Batch, CfEventsError, CheckpointError, Client, Fleet, FollowCheckpoint, Follower, Watch
from cfevents._files import is_same_file
from cfevents._html import counted
from cfevents._model.kinds import split_kinds
from cfevents._progress import Progress
from cfevents._time import format_duration, now, to_datetime
from cfevents.cli.console import views
from cfevents.cli.console.errors import (
    Failure,
    WrongUsage,
    arguments_checked,
    exists,
    is_refusal,
    print_line,
    print_note,
    time_text,
)
from cfevents.cli.console.output import View, Zone
from cfevents.cli.console.progress import can_show, show_progress
from cfevents.cli.console.service import notify_systemd
from cfevents.cli.console.signals import Ending, call_on_hangup, end_on_signal
from cfevents.cli.console.wording import id_list
from cfevents.cli.kinds import kinds_text
from cfevents.cli.metrics import measured
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.sources import check_options, chosen_connectors, identify, open_client
from cfevents.cli.times import read_begin, read_pace
from cfevents.sinks.files import CheckpointFile
from cfevents.storage import NDJSONFile

_STDOUT = "-"
_OPTION_BY_FIELD = {
    "account_id": "the account",
    "connector_ids": "CONNECTOR",
    "kind": "--kind",
    "since": "--since",
}


class _PrintedEvents:
    """Stdout, like an `NDJSONFile`. After a crash a batch may come twice: its checkpoint is stored when it is printed.

    Before anything is printed, the checkpoint is stored: the first event may come long after, and a checkpoint that
    cannot be replaced is found out.
    """

    def __init__(self, view: View[Any], options: CommandOptions, file: CheckpointFile | None) -> None:
        self._write, self._file = views.writer(view, options.style), file
        self.checkpoint = None if file is None else file.read()

    async def begin(self, checkpoint: FollowCheckpoint) -> None:
        self._save(checkpoint)
        self._write(())  # the header of a table

    async def write(self, batch: Batch[Any]) -> None:
        self._write(batch.items)
        self._save(batch.checkpoint)

    def _save(self, checkpoint: FollowCheckpoint) -> None:
        if self._file is not None:
            self._file.store(checkpoint)


@contextmanager
def name_checkpoint(path: str | None, another: str = "file, for the events too") -> Iterator[None]:
    """Turn a CheckpointError into a `Failure` with its file; for a checkpoint of something else, into `WrongUsage`.

    The message says to name another file, or what else keeps the checkpoint.
    """
    try:
        yield
    except CheckpointError as error:
        if error.mismatch is not None:
            name, theirs, ours = error.mismatch
            option = _OPTION_BY_FIELD[name]
            raise WrongUsage(
                f"{path} is of {_written(option, theirs)}, and this is {_written(option, ours)}: use the same to "
                f"resume, or name another {another}"
            ) from error
        raise Failure(f"{path}: {error}; to start afresh, name another {another}") from error


def _written(option: str, value: Any) -> str:
    """Return what an option or argument was, as it is typed."""
    if value is None:
        return "--all" if option == "CONNECTOR" else f"no {option}"
    values = [value] if isinstance(value, str | int) else value
    if option == "--kind":
        options = zip(("--kind", "--exclude"), split_kinds([*map(str, values)]), strict=True)
        return " ".join(f"{name} {shlex.quote(','.join(kinds))}" for name, kinds in options if kinds)
    names = [time_text(name) if isinstance(name, int) else shlex.quote(name) for name in values]
    return id_list(names) if option == "CONNECTOR" else f"{option} {f' {option} '.join(names)}"


async def follow_events(options: CommandOptions) -> None:
    """Print or store events until a signal."""
    options = check_options(options)
    _check_output(options.output, options)
    if options.output == _STDOUT:
        options = options._replace(output=None, format_="ndjson")
    # A hangup before the file is open needs no reopening.
    with end_on_signal() as ending, call_on_hangup(lambda: None) if options.output else nullcontext():
        async with open_client(options) as client:
            options = await identify(client, options)
            await _follow(client, chosen_connectors(client, options), options, ending)


def _check_output(path: str | None, options: CommandOptions) -> None:
    if path is not None and (options.format_ not in {None, "ndjson"} or options.columns):
        raise usage_error("--output is NDJSON: leave out --format and --columns.")
    if options.limit and (options.checkpoint or path not in {None, _STDOUT}):
        raise usage_error("-n may end amid events that --checkpoint and --output keep together: leave it out.")
    if path and path != _STDOUT and Path(path).exists() and not Path(path).is_file():
        raise usage_error(f"--output {path} is no plain file, which alone keeps each event once: use > instead.")
    if path and options.checkpoint and is_same_file(path, options.checkpoint):
        raise usage_error("--output and --checkpoint are the same file: give each its own.")


async def _follow(client: Client, connectors: list[str] | Fleet, options: CommandOptions, ending: Ending) -> None:
    since, pace = read_begin(options), read_pace(options)
    follow = partial(client.follow_events, connectors, kind=options.kinds or None, **pace)
    with arguments_checked():
        follow(since=since)  # wrong arguments fail here, before a file is created
    files = (options.output, options.checkpoint or (options.output and f"{options.output}.checkpoint"))
    new_files = [path for path in files if path and not exists(path)]
    async with _open_destination(options, ending) as destination:
        with name_checkpoint(options.checkpoint or options.output):
            # A checkpoint has the beginning: "24h" is another moment in each run.
            checkpoint = destination.checkpoint
            follower = follow(since=since if checkpoint is None else None, checkpoint=checkpoint)
        _print_beginning(follower.checkpoint, options, is_resumed=checkpoint is not None)
        await destination.begin(follower.checkpoint)
        life = Life(follower.details() if options.details else follower)
        with life.shown(new_files, prints=not options.output):
            async with aclosing(life.follower.batches()) as batches:
                async for batch in batches:
                    left = None if options.limit is None else options.limit - life.events
                    with ending.under_way():
                        await destination.write(evolve(batch, items=batch.items[:left]))
                    if left is not None and len(batch.items) >= left:
                        return


def _print_beginning(start: FollowCheckpoint, options: CommandOptions, *, is_resumed: bool) -> None:
    if is_resumed and options.since:
        print_note("going on where the checkpoint ends; --since has no effect")
    if can_show():
        print_line(beginning(start, options, is_resumed=is_resumed))


def beginning(start: FollowCheckpoint, options: CommandOptions, *, is_resumed: bool | None) -> str:
    """Return a sentence about what is followed, how often it is polled, and where it is stored.

    It leaves out where it begins if that is not known yet, which ``is_resumed`` is None for.
    """
    ids = start.connector_ids
    connectors = "all connectors of the account" if ids is None else id_list(ids)
    begin = (options.zone or Zone()).named_time(to_datetime(start.since))
    store = options.checkpoint or (f"{options.output}.checkpoint" if options.output else None)
    words = (
        f"following {connectors}",
        f"events{text}" if (text := kinds_text(options.kinds)) else "",
        "" if is_resumed is None else f"from where {store} ends" if is_resumed else f"from {begin} on",
        f"a poll every {options.interval}",
        f"stored in {options.output}" if options.output else "",
    )
    return f"{', '.join(filter(None, words))}{'; Ctrl-C ends it' if can_show() else ''}"


class Life:
    """The state of following as text: the events so far, the last poll and the next one."""

    def __init__(self, follower: Follower[Any] | Watch, unit: str = "event") -> None:
        self._followed, self._unit = follower, unit
        measured().get_follower = lambda: self.follower

    @property
    def follower(self) -> Follower[Any]:
        """The follower; of a watch the one that it reads."""
        return self._followed._follower if isinstance(self._followed, Watch) else self._followed

    @property
    def events(self) -> int:
        """The events so far that were printed, stored or delivered; of a watch the findings."""
        return self._followed._delivered

    @contextmanager
    def shown(self, new_files: Sequence[str], *, prints: bool) -> Iterator[None]:
        """Show the state in the status line and to systemd.

        If the API has refused everything, remove the files that this run made: the next one may mean something else.
        """
        is_refused = False
        try:
            with show_progress(self.progress, prints=prints, stays=True), notify_systemd(self.text, self.signs):
                yield
        except CfEventsError as error:
            is_refused = is_refusal(error)
            raise
        finally:
            states = self.follower.status.values()
            was_read = self.events or any(status.last_good_at for status in states)
            is_refused = is_refused or (bool(states) and all(is_refusal(status.error) for status in states))
            if is_refused and not was_read:
                # While their lock is held, so that nobody else uses them. Windows removes no open file.
                for path in new_files:
                    with suppress(OSError):
                        Path(path).unlink()

    def progress(self) -> Progress:
        """Return the text of the status line, and the wait for the quota."""
        return Progress(None, self.text(), self.follower._progress().wait)

    def signs(self) -> object:
        """Return what changes with each poll, and with each attempt to deliver."""
        metrics = self.follower.metrics()
        return self.follower._next_poll_s(), metrics.usage and metrics.usage.sent, metrics.sink

    def text(self) -> str:
        """Return the state as one sentence."""
        states, next_s = list(self.follower.status.values()), self.follower._next_poll_s()
        last = max((status.last_good_at for status in states if status.last_good_at), default=None)
        failing = sum(status.error is not None for status in states)
        words = (
            counted(len(states), "connector"),
            f"{failing} of them failing" if failing else "",
            f"{counted(self.events, self._unit)} so far",
            f"read {format_duration(to_datetime(now()) - last)} ago" if last else "",
            f"next poll in {format_duration(timedelta(seconds=math.ceil(next_s)))}" if next_s else "polling now",
        )
        return ", ".join(filter(None, words))


@asynccontextmanager
async def _open_destination(options: CommandOptions, ending: Ending) -> AsyncIterator[_PrintedEvents | NDJSONFile]:
    if options.output:
        async with NDJSONFile(options.output, checkpoint=options.checkpoint) as file:
            with call_on_hangup(file.reopen):
                yield file
        return
    with nullcontext() if options.checkpoint is None else CheckpointFile(options.checkpoint) as checkpoint:
        several = options.all_ or len(options.connectors) > 1
        with ending.when_reader_leaves():
            view = views.followed(options.zone or Zone(), several=several, details=options.details)
            yield _PrintedEvents(view, options, checkpoint)

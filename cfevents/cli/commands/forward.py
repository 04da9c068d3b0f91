"""The command that delivers events to a sink."""

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from cfevents import Client, Follower, SinkMetrics
from cfevents._files import is_same_file, missing_directory
from cfevents._html import counted
from cfevents._secrets import Secret, mask
from cfevents.cli.commands.follow import Life, beginning, name_checkpoint
from cfevents.cli.console.errors import arguments_checked, exists, print_note
from cfevents.cli.console.output import write_summary
from cfevents.cli.console.signals import call_on_hangup, end_on_signal
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.sources import check_options, chosen_connectors, identify, open_client
from cfevents.cli.times import read_begin, read_pace
from cfevents.sinks import KeepingSink, Sink, connect, forward
from cfevents.storage import NDJSONFile

ONCE_PATIENCE_S = 900  # a job ends, and the next one goes on


async def forward_events(options: CommandOptions) -> None:
    """Deliver events until a signal, or once, and print how many."""
    options, follower = check_options(options), None
    sink = connect_sink(options)
    if options.checkpoint and options.dead_letters and is_same_file(options.checkpoint, options.dead_letters):
        raise usage_error("--dead-letters and --checkpoint are the same file: give each its own.")
    with end_on_signal() as ending:
        async with open_client(options) as client, AsyncExitStack() as stack:
            # Before anything is asked of the API; but a file only when the connectors are known.
            if not isinstance(sink, NDJSONFile):
                await stack.enter_async_context(sink)
            options = await identify(client, options)
            follower = make_follower(client, options)
            await _deliver(follower, sink, options, stack)
    if follower is not None:
        _write_summary(follower, sink)
    if options.once:
        ending.exit_if_requested("interrupted: the same command goes on where this one stopped")


async def _deliver(follower: Follower[Any], sink: Sink, options: CommandOptions, stack: AsyncExitStack) -> None:
    life, name = Life(follower), _name(sink)
    files = (name, f"{name}.checkpoint") if isinstance(sink, NDJSONFile) else (options.checkpoint,)
    new_files = [path for path in files if path and not exists(path)]
    if isinstance(sink, NDJSONFile):
        await stack.enter_async_context(sink)
        stack.enter_context(call_on_hangup(sink.reopen))
    if not options.once:
        print_note(beginning(follower.checkpoint, options._replace(output=name), is_resumed=None))
    if options.checkpoint is None and not isinstance(sink, KeepingSink):
        print_note("without --checkpoint, the next run begins at --since again")
    patience = ONCE_PATIENCE_S if options.once else None
    kept = {"checkpoint": options.checkpoint, "dead_letters": options.dead_letters}
    named = name_checkpoint(options.checkpoint, "file")
    if isinstance(sink, KeepingSink):
        named = name_checkpoint(name) if isinstance(sink, NDJSONFile) else name_checkpoint(name, "table")
    with named, life.shown(new_files, prints=False):
        await forward(follower, sink, patience=patience, **kept)


def _write_summary(follower: Follower[Any], sink: Sink) -> None:
    counts = follower.metrics().sink or SinkMetrics()
    new = getattr(sink, "stored", counts.delivered)  # what a table had already is not stored again
    also = "" if new == counts.delivered else f", {new} of them new"
    also += f", {counts.dead_letters} refused" if counts.dead_letters else ""
    write_summary(f"{counted(counts.delivered, 'event')} delivered to {_name(sink)}{also}")


def make_follower(
    client: Client, options: CommandOptions, *, payload_kinds: Sequence[str] | None = None
) -> Follower[Any]:
    """Return the follower of the options; with ``--details`` it reads the payloads of all kinds, or of some."""
    since, pace = read_begin(options), read_pace(options)
    connectors, kinds = chosen_connectors(client, options), options.kinds or None
    with arguments_checked():
        follower: Follower[Any] = client.follow_events(connectors, since=since, kind=kinds, **pace)
    follower = follower.details(kinds=payload_kinds) if options.details else follower
    return follower.once() if options.once else follower


def _name(sink: Sink) -> str:
    """Return what a sink is called in messages: of a file its path."""
    if isinstance(sink, NDJSONFile):
        return os.path.relpath(sink._path) if sink._path.is_relative_to(Path.cwd()) else str(sink._path)
    return repr(sink).strip("<>")


def connect_sink(options: CommandOptions) -> Sink:
    """Return the sink of ``--to``, which is not open yet."""
    if not options.to:
        raise usage_error("--to is missing: write where to, such as postgresql://HOST/DB?table=NAME or file:PATH.")
    secrets: dict[str, Any] = {"token": _token(options), "headers": dict(map(_header, options.header_envs))}
    format_ = options.format_ or "cfevents"
    with arguments_checked():
        sink = connect(options.to, **secrets, insecure=options.insecure, gzip=options.gzip, format=format_)
    if isinstance(sink, NDJSONFile) and (missing := missing_directory(sink._path)):
        raise usage_error(f"--to: {missing}")
    return sink


def _token(options: CommandOptions) -> Secret | None:
    """Return the token that the options name."""
    if options.token_env and options.token_file:
        raise usage_error("--token-env and --token-file exclude each other: leave one out.")
    if options.token_file:
        with suppress(OSError, ValueError):
            return Secret(Path(options.token_file).read_text(encoding="ascii").strip())
        raise usage_error(f"--token-file {options.token_file} cannot be read as text.")
    return _variable("--token-env", options.token_env) if options.token_env else None


def _header(text: str) -> tuple[str, Secret]:
    name, _, variable = text.partition("=")
    return name.strip(), _variable("--header-env", variable.strip())


def _variable(option: str, name: str) -> Secret:
    """Return the value of a variable. A message does not repeat its name: it may be the secret itself."""
    value: Secret | None = mask(os.environ.get(name, "").strip() or None)
    if value is None:
        form = "'X-Key=NAME'" if option == "--header-env" else "NAME"
        raise usage_error(f"{option} names no variable that is set: write {form}, with a name and not with the value.")
    return value

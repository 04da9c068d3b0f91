"""The commands that tell of findings as they open, change and are over, and that wait for an event."""

import asyncio
import json
import logging
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

import click
from attrs import evolve

from cfevents import Batch, ConnectorStatus, FleetError, FollowedEvent, Follower, Watch
from cfevents._secrets import hide
from cfevents._time import parse_duration
from cfevents.cli.commands.follow import Life, beginning, name_checkpoint
from cfevents.cli.commands.forward import ONCE_PATIENCE_S, connect_sink, make_follower
from cfevents.cli.commands.report import findings_view
from cfevents.cli.console import views
from cfevents.cli.console.errors import Failure, arguments_checked, exists, print_line, print_note
from cfevents.cli.console.output import Colour, Row, View, Zone
from cfevents.cli.console.progress import show_progress
from cfevents.cli.console.signals import end_on_signal
from cfevents.cli.kinds import kinds_text
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.sources import check_options, identify, open_client
from cfevents.events import KINDS
from cfevents.operations import FindingUpdate
from cfevents.operations.rules import severity_rank
from cfevents.sinks import KeepingSink, RefusedEvent, Sink, forward

_FINDINGS_STATUS, _TIMEOUT_STATUS = 3, 124
_INTERRUPTED = "interrupted before it was done"
_EXEC_TIMEOUT_S = 60
_NAME_CHARS, _UUID_CHARS = 20, 36
_STDERR = 2  # also for what a command prints: stdout has findings alone
_SECRETS = {"CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "CFEVENTS_TO", "CFEVENTS_WATCH_TO"}
_NAMING_KINDS = [
    name for name in KINDS if name == "Init" or any(part in name for part in ("Upgrade", "Rekey", "Bless"))
]

_log = logging.getLogger("cfevents")


async def watch_findings(options: CommandOptions) -> None:
    """Report findings until a signal, for a time, or once; the status is 3 if one is so severe as ``--fail-on``."""
    options, sink, command = check_options(options), _receiver(options), _command(options.exec_)
    limit_s = _duration("--for", options)
    with end_on_signal() as ending:
        async with open_client(options) as client, AsyncExitStack() as stack:
            if sink is not None:  # before anything is asked of the API
                await stack.enter_async_context(sink)
            options = await identify(client, options)
            watch = make_follower(client, options, payload_kinds=_NAMING_KINDS).findings()
            outputs = _Outputs(watch, sink, command, options)
            if not options.once:
                print_note(beginning(watch.checkpoint.start, options, is_resumed=None))
            with ending.when_reader_leaves():
                await _report_findings(outputs, options, limit_s)
    if outputs.is_failure:
        raise click.exceptions.Exit(_FINDINGS_STATUS)
    if options.once or limit_s is not None:
        ending.exit_if_requested(_INTERRUPTED)


async def _report_findings(outputs: "_Outputs", options: CommandOptions, limit_s: float | None) -> None:
    new_files = [path for path in (options.checkpoint,) if path and not exists(path)]
    limit, patience = asyncio.timeout(limit_s), ONCE_PATIENCE_S if options.once else None
    with name_checkpoint(options.checkpoint, "file"), Life(outputs.watch, "finding").shown(new_files, prints=True):
        try:
            async with limit:
                await forward(outputs.watch, outputs, checkpoint=options.checkpoint, patience=patience)
        except TimeoutError:
            if not limit.expired():
                raise
            _require_read(outputs.watch.status)


class _Outputs(Sink):
    """A receiver, which may take findings later, then a command, and stdout."""

    def __init__(self, watch: Watch, receiver: Sink | None, command: Sequence[str], options: CommandOptions) -> None:
        self.watch, self._receiver, self._command = watch, receiver, command
        self._fail_on, self.is_failure = options.fail_on, False
        self._has_dead_letters = options.checkpoint is not None
        of_headers = (text.partition("=")[2].strip() for text in options.header_envs)
        self._hidden_variables = {options.token_env, *of_headers, *_SECRETS}
        self._write = views.writer(_updates_view(options.zone or Zone()), options.style)

    async def write(self, batch: Batch[Any]) -> Sequence[RefusedEvent]:
        updates = cast("tuple[FindingUpdate, ...]", batch.items)
        refused = () if self._receiver is None else await self._receiver.write(batch) or ()
        for event in () if self._has_dead_letters else refused:
            _log.warning("a finding is refused: %s", event.reason)
        for update in updates if self._command else ():
            await self._call(update)
        self._write(updates)
        severities = [update.finding.severity for update in updates if update.state != "over"]
        if self._fail_on and any(severity_rank(name) >= severity_rank(self._fail_on) for name in severities):
            self.is_failure = True
            await self.watch.aclose()  # what was printed is then stored
        return refused if self._has_dead_letters else ()

    async def _call(self, update: FindingUpdate) -> None:
        """Run the command for a finding. That it fails is logged: the next finding may be worse."""
        variables = {
            name: value
            for name, value in os.environ.items()
            if name not in self._hidden_variables and hide(value) == value
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, env=variables, stdin=asyncio.subprocess.PIPE, stdout=_STDERR
            )
            try:
                async with asyncio.timeout(_EXEC_TIMEOUT_S):
                    await process.communicate(json.dumps(update.to_dict()).encode() + b"\n")
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            fault = f"ended with status {process.returncode}" if process.returncode else ""
        except TimeoutError:
            fault = f"was killed after {_EXEC_TIMEOUT_S} s"
        except OSError as error:
            fault = f"cannot be run: {error.strerror or error}"
        if fault:
            _log.warning("the command of --exec %s, for %s of %s", fault, update.finding.kind, update.connector_id)


def _receiver(options: CommandOptions) -> Sink | None:
    sink = connect_sink(options._replace(format_=None)) if options.to else None  # its --format is what is printed
    if isinstance(sink, KeepingSink):
        raise usage_error("--to is a place for events alone: send findings to a receiver over HTTP, or use > FILE.")
    return sink


def _command(text: str | None) -> list[str]:
    try:
        words = shlex.split(text or "")
    except ValueError as error:
        raise usage_error(f"--exec {text}: {str(error).lower()}.") from None
    if text is not None and not (words and shutil.which(words[0])):
        raise usage_error(f"--exec: there is no program {words[0] if words else text!r} to run.")
    return words


def _duration(option: str, options: CommandOptions) -> float | None:
    with arguments_checked():
        return None if options.duration is None else parse_duration(option, options.duration)


def _require_read(status: Mapping[str, ConnectorStatus]) -> None:
    """Raise the errors of connectors that could not be read up to now: nobody knows what came of them."""
    errors = {name: state.error for name, state in status.items() if state.error is not None}
    if errors:
        raise next(iter(errors.values())) if len(errors) == 1 else FleetError(errors)
    if not status or any(state.last_good_at is None for state in status.values()):
        raise Failure("the time was too short to read all connectors: give it more")


def _updates_view(zone: Zone) -> View[FindingUpdate]:
    """Return the view of findings that are watched: their rows in a report, with the state and its time."""
    of_finding = findings_view(zone)
    is_narrow = bool(of_finding.hidden)

    def rows(update: FindingUpdate) -> list[Row]:
        finding = update.finding if update.state == "opened" else evolve(update.finding, first_at=update.at)
        if update.state == "over":  # of a checkpoint, the details may be JSON
            finding = evolve(finding, message=update.text, details={})
        [(severity, time, _, connector, text)] = of_finding.rows(finding)
        return [(time, update.state, severity, connector, f"{update.state} {text}" if is_narrow else text)]

    return View(
        FindingUpdate.to_dict,
        (zone.titled("TIME"), "STATE", "SEVERITY", "CONNECTOR", "FINDING"),
        rows,
        (Colour.NONE, Colour.QUIET, views.severity_colour, Colour.NAME, Colour.NONE),
        widths=(zone.width, len("changed"), len("critical"), _NAME_CHARS if is_narrow else _UUID_CHARS),
        fields=("state", "at", "before", *of_finding.fields),
        hidden=("STATE",) if is_narrow else (),
    )


async def wait_for_event(options: CommandOptions) -> None:
    """Print the first event that comes; the status is 124 if none came in time."""
    options = check_options(options)
    limit_s, event = _duration("--timeout", options), None
    with end_on_signal() as ending:
        async with open_client(options) as client:
            options = await identify(client, options)
            follower = make_follower(client, options)
            with show_progress(Life(follower).progress, prints=True, stays=True):
                event = await _first_event(follower, limit_s)
        several = options.all_ or len(options.connectors) > 1
        view = views.followed(options.zone or Zone(), several=several, details=options.details)
        views.writer(view, options.style)([event] if event else [])
    ending.exit_if_requested(_INTERRUPTED)
    if event is None:
        print_line(f"no event{kinds_text(options.kinds)} came within {options.duration}")
        raise click.exceptions.Exit(_TIMEOUT_STATUS)


async def _first_event(follower: Follower[Any], limit_s: float | None) -> FollowedEvent[Any] | None:
    """Return the first event, or None if it is known that there was none in time."""
    limit, first = asyncio.timeout(limit_s), None
    try:
        async with limit, aclosing(aiter(follower)) as events:
            first = await anext(events, None)
    except TimeoutError:
        if not limit.expired():
            raise
    # The time may also end while the follower is closed, after the event.
    if first is None:
        _require_read(follower.status)
    return first

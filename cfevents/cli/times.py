"""Times as they are typed in a shell: read in the zone of ``--tz``, in UTC without it."""

import math
import sys
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import click

from cfevents import _time
from cfevents._time import SHELL_FORMS, TimeWindow, parse_duration, parse_wall_time, to_datetime, to_seconds
from cfevents.cli.console.errors import WrongUsage, arguments_checked, print_note
from cfevents.cli.console.output import Zone, is_terminal
from cfevents.cli.options import CommandOptions

_DAY_S = 86_400


class _Bound(NamedTuple):
    """A bound of a window: its option as it was typed, and the time that it is."""

    typed: str
    seconds: float
    is_ago: bool
    without_offset: bool
    shown: str


def read_window(options: CommandOptions) -> TimeWindow:
    """Return the window of ``--since`` and ``--until``, widened to whole seconds.

    Raises:
        WrongUsage: A bound is no time, or nothing can lie between the two.
    """
    present = _time.now()
    since, until = _read_bound("--since", options, present), _read_bound("--until", options, present)
    if not _time.is_clock_set(present) and (_is_relative(options.since) or _is_relative(options.until)):
        clock = Zone().named_time(to_datetime(present))
        raise WrongUsage(
            f"this machine's clock shows {clock}: set it, by NTP, or write --since and --until as dates with times"
        )
    bounds = f"{since.typed} is {since.shown}, {until.typed} is {until.shown}"
    if _time.is_clock_set(present):
        _require_past(since, present, options)
    if since.seconds > until.seconds:
        raise WrongUsage(f"the window is reversed: {bounds}; write an earlier --since")
    if since.seconds == until.seconds and since.is_ago and until.is_ago:
        raise WrongUsage(f"the window is empty: {bounds}; write an earlier --since, such as 24h for the last 24 hours")
    if options.zone is None and (since.without_offset or until.without_offset):
        _note_zone(f"from {since.shown} to {until.shown}")
    return TimeWindow(math.floor(since.seconds), math.ceil(until.seconds))


def read_begin(options: CommandOptions) -> datetime | timedelta | None:
    """Return the time of ``--since`` for a command that has no end, or None; raises `WrongUsage` as `read_window`."""
    if options.since is None:
        return None
    present = _time.now()
    since = _read_bound("--since", options, present)
    _require_past(since, present, options)
    if options.zone is None and since.without_offset:
        _note_zone(f"from {since.shown}")
    return timedelta(seconds=present - since.seconds) if since.is_ago else to_datetime(since.seconds)


def read_pace(options: CommandOptions) -> dict[str, Any]:
    """Return ``--interval`` and ``--lookback`` in seconds; raise `WrongUsage` for what is no length of time."""
    with arguments_checked():
        return {
            "interval": parse_duration("--interval", options.interval),
            "lookback": parse_duration("--lookback", options.lookback),
        }


def zone_of_times(options: CommandOptions) -> str | None:
    """Return the name of the zone in which the bounds are read; None where it does not matter."""
    texts = filter(None, (options.since, options.until))
    if not any(parse_wall_time(text, to_datetime(_time.now())) for text in texts):
        return None
    return (options.zone or Zone()).name


def _read_bound(option: str, options: CommandOptions, present: float) -> _Bound:
    given = options.until if option == "--until" else options.since
    text, zone = "now" if given is None else given, options.zone or Zone()
    source = click.get_current_context().get_parameter_source(option.removeprefix("--"))
    default = source is not click.core.ParameterSource.COMMANDLINE
    typed = f"{option}, by default {text}," if default else _time.written(option, text)
    with arguments_checked():
        try:
            wall = parse_wall_time(text, to_datetime(present).astimezone(zone.tz))
            moment = text if wall is None else zone.bound(wall, is_end=option == "--until")
        except (OverflowError, OSError, ValueError):
            raise WrongUsage(f"{typed} is outside the years 1 to 9999") from None
        seconds = to_seconds(option, moment, present, SHELL_FORMS)
    shown = zone.named_time(to_datetime(seconds))
    return _Bound(typed, seconds, _time.is_ago(text), wall is not None, shown)


def _is_relative(text: str | None) -> bool:
    return text is None or _time.is_relative(text)


def _require_past(since: _Bound, present: float, options: CommandOptions) -> None:
    if since.seconds <= present:
        return
    clock = (options.zone or Zone()).named_time(to_datetime(present))
    clock_time = (options.since or "").strip()
    was_yesterday = clock_time[:1].isdigit() and _is_relative(clock_time) and since.seconds - _DAY_S <= present
    hint = f"; write 'yesterday {clock_time}'" if was_yesterday else ""
    raise WrongUsage(f"{since.typed} is {since.shown}, in the future: this machine's clock shows {clock}{hint}")


def _note_zone(window: str) -> None:
    if is_terminal(sys.stderr):
        print_note(f"{window}; times without an offset are UTC, --tz local reads them as this machine's")

"""The time zone in which tables show times, and in which times are read that have none of their own."""

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cfevents.cli.console.errors import WrongUsage

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_LOCAL = "local"


class Zone(NamedTuple):
    """A time zone."""

    name: str = "UTC"
    tz: dt.tzinfo | None = dt.UTC
    """None is that of this machine."""

    @property
    def width(self) -> int:
        """How many characters a time usually takes."""
        return 19 if self.name == "UTC" else 22

    def titled(self, what: str) -> str:
        """Name a column of times."""
        return f"{what} ({self.name.rpartition('/')[2]})"

    def shown(self, time: dt.datetime) -> str:
        """Write a time that is aware; outside UTC with its offset, without which an hour in autumn would be two.

        Raises:
            OverflowError: It would lie outside the years 1 to 9999 there; also a ValueError or OSError.
        """
        local = time.astimezone(self.tz)
        return local.replace(tzinfo=None).isoformat(" ") if self.name == "UTC" else _brief(local.isoformat(" "))

    def meant(self, time: dt.datetime, *, latest: bool = False) -> dt.datetime:
        """Read a time of a clock on the wall there: where it comes twice or never, a window becomes wider by it."""
        both = [time.replace(tzinfo=self.tz, fold=fold).astimezone(dt.UTC) for fold in (0, 1)]
        return max(both) if latest else min(both)


def _brief(text: str) -> str:
    # +02:00, but not +05:30: the minutes of an offset hardly ever tell anything.
    return text.removesuffix(":00") if text[-6] in "+-" else text


class _ZoneName(click.ParamType):  # type: ignore[type-arg]
    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Zone:
        if isinstance(value, Zone):
            return value
        if value.lower() == _LOCAL:
            return Zone(_LOCAL, None)
        if value.upper() == "UTC":
            return Zone()
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - most commands are not asked for a zone

        try:
            return Zone(value, ZoneInfo(value))
        except (KeyError, OSError, ValueError):
            told = f"{value!r} is not a time zone: write an IANA name such as Europe/Berlin, or UTC, or local."
            self.fail(told, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from zoneinfo import available_timezones  # noqa: PLC0415 - most commands are not asked for a zone

        from click.shell_completion import CompletionItem  # noqa: PLC0415 - it takes its time to load

        names = sorted({_LOCAL, *available_timezones()})
        return [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]


tz_option = click.option(
    "--tz",
    "zone",
    type=_ZoneName(),
    metavar="NAME",
    envvar="CFEVENTS_TZ",
    show_envvar=True,
    help="The time zone of a table's times, and of times given without one: Europe/Berlin, local; UTC if left out.",
)
"""``--tz``: a `Zone`; None where nobody said."""


def moments(zone: Zone | None, **bounds: str | None) -> dict[str, Any]:
    """Take the bounds of a window as people wrote them: what they left to the zone is read there.

    Raises:
        WrongUsage: A time has no zone, and none was said.
    """
    return {name: _moment(zone, name, text) for name, text in bounds.items()}


def _moment(zone: Zone | None, name: str, text: str | None) -> "str | dt.datetime | None":
    from cfevents._time import parse_naive  # noqa: PLC0415 - not needed for --help

    time = None if text is None else parse_naive(text)
    if time is None:
        return text
    if zone is None:
        raise WrongUsage(
            f"{name}={text!r} has no time zone: write '{time.isoformat()}Z' for UTC, or an offset as '+01:00', or name "
            "the zone: --tz Europe/Berlin, or --tz local"
        )
    try:
        return zone.meant(time, latest=name == "until")
    except (OverflowError, OSError, ValueError):
        raise WrongUsage(f"{name}={text!r} lies outside the years 1 to 9999") from None

"""What all pictures have in common: the axes, their time, and the colours."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cfevents._extras import require_extra
from cfevents._html import shortened
from cfevents._validation import short_repr

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Zone: TypeAlias = str | tzinfo
"""A time zone, or its name."""

# By Okabe and Ito: told apart whatever colours somebody sees.
ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#8c8c8c"

# matplotlib fails at ticks in the years 1 and 9999, and counts in steps of up to a thousand.
_FIRST, _LAST = datetime(1000, 1, 2, tzinfo=UTC), datetime(8999, 12, 30, tzinfo=UTC)

_WIDTH = 11.0  # inches


def zone_of(tz: Zone) -> tzinfo:
    """Find a time zone.

    Raises:
        TypeError: It is neither one nor text.
        ValueError: There is none of that name.
    """
    if isinstance(tz, tzinfo):
        return tz
    if not isinstance(tz, str):
        raise TypeError(f"tz={short_repr(tz)} is no time zone: write 'Europe/Berlin', or give a tzinfo")
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"tz={tz!r} is no time zone: write a name such as 'Europe/Berlin' or 'UTC'") from error


def paper(ax: "Axes | None", tz: Zone, height: float) -> "Axes":
    """Give axes whose horizontal one is time; new ones where none are given.

    Args:
        ax: Axes to draw on.
        tz: The time zone that is written on them.
        height: Of a new figure, in inches.

    Raises:
        ConfigurationError: The extra is not installed.
    """
    zone = zone_of(tz)
    require_extra("plot", "matplotlib")
    from matplotlib import dates, pyplot  # noqa: PLC0415 - only where something is drawn

    if ax is None:
        _, ax = pyplot.subplots(figsize=(_WIDTH, height), layout="constrained")
    locator = dates.AutoDateLocator(tz=zone, maxticks=9)  # type: ignore[no-untyped-call]
    ax.xaxis_date(tz)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    ax.set_xlabel(f"recorded at ({zone})")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def drawn_at(moment: datetime) -> datetime:
    """Find where a moment is drawn: one outside the years 1000 to 8999 at the nearest of them."""
    return min(max(moment, _FIRST), _LAST)


def span_of(ax: "Axes", moments: Sequence[datetime]) -> None:
    """Let the time go from the first moment to the last, with a little room."""
    if moments:
        first, last = min(moments), max(moments)
        room = max((last - first) / 50, timedelta(seconds=1))
        ax.set_xlim(drawn_at(first - room), drawn_at(last + room))  # type: ignore[arg-type]


def nothing(ax: "Axes") -> "Axes":
    """Say that there is nothing to draw."""
    ax.text(0.5, 0.5, "no events", transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set_axis_off()
    return ax


def short(name: str | None) -> str:
    """Shorten a name, so that twenty fit beside a picture, and spell it so that it stands there as it is."""
    return as_it_is(shortened("(not told)" if name is None else name))


def as_it_is(name: str) -> str:
    """Spell a name so that matplotlib shows what it is."""
    # Half of a surrogate pair has no picture, dollars would be a formula, and a key leaves out "" and "_".
    name = name.encode(errors="backslashreplace").decode().replace("$", r"\$")
    return f" {name}" if name[:1] in {"", "_"} else name


def key_above(ax: "Axes", columns: int) -> None:
    """Put the key above the picture, where it covers nothing."""
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0.2)

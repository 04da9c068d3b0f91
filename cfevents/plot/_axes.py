"""The axes of all pictures: their time, their legend, and the colours."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cfevents._extras import require_extra
from cfevents._html import shortened
from cfevents._validation import escape_surrogates, short_repr

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Zone: TypeAlias = str | tzinfo
"""A time zone, or its name."""

# By Okabe and Ito: people who see fewer colours can tell them apart. Nothing but what needs attention is orange or red.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
COLOURS = (BLUE, GREEN, "#56B4E9", "#CC79A7", "#F0E442", "#000000")
GREY = "#8c8c8c"

# matplotlib fails at ticks in the years 1 and 9999, and counts in steps of up to a thousand.
_FIRST_DATE, _LAST_DATE = datetime(1000, 1, 2, tzinfo=UTC), datetime(8999, 12, 30, tzinfo=UTC)
_WIDTH_INCHES = 11.0


def time_axes(ax: "Axes | None", tz: Zone, height: float) -> "Axes":
    """Return axes with time from left to right; for None new ones, of a height in inches."""
    zone = _zone(tz)
    require_extra("plot", "matplotlib")
    from matplotlib import dates, pyplot  # noqa: PLC0415 - only where something is drawn

    if ax is None:
        _, ax = pyplot.subplots(figsize=(_WIDTH_INCHES, height), layout="constrained")
    locator = dates.AutoDateLocator(tz=zone, maxticks=9)  # type: ignore[no-untyped-call]
    ax.xaxis_date(tz)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]
    ax.set_xlabel(f"recorded at ({zone})")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _zone(tz: Zone) -> tzinfo:
    if isinstance(tz, tzinfo):
        return tz
    if not isinstance(tz, str):
        raise TypeError(f"tz={short_repr(tz)} is no time zone: write 'Europe/Berlin', or pass a tzinfo")
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"tz={tz!r} is no time zone: write a name such as 'Europe/Berlin' or 'UTC'; where there is no time zone "
            "database, 'pip install tzdata' adds one"
        ) from error


def drawable(moment: datetime) -> datetime:
    """Return a moment, or the nearest one of the years 1000 to 8999."""
    return min(max(moment, _FIRST_DATE), _LAST_DATE)


def finish(ax: "Axes", moments: Sequence[datetime], legend_columns: int) -> "Axes":
    """Show the time of the moments that were drawn with a little room, and a legend above, where it covers nothing."""
    if not moments:
        ax.text(0.5, 0.5, "no events", transform=ax.transAxes, ha="center", va="center", color=GREY)
        ax.set_axis_off()
        return ax
    first, last = min(moments), max(moments)
    room = max((last - first) / 50, timedelta(seconds=1))
    ax.set_xlim(drawable(first - room), drawable(last + room))  # type: ignore[arg-type]
    if legend_columns:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=legend_columns, frameon=False, borderaxespad=0.2)
    return ax


def connector_label(connector_id: str | None) -> str:
    """Return a connector's id, shortened so that twenty fit beside a picture."""
    return literal("(unknown)" if connector_id is None else shortened(connector_id))


def literal(name: str) -> str:
    """Escape a name so that matplotlib shows it as it is."""
    # Half of a surrogate pair has no glyph, dollars would start a formula, and a legend leaves out "" and "_".
    name = escape_surrogates(name).replace("$", r"\$")
    return f" {name}" if name[:1] in {"", "_"} else name

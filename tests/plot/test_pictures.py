"""Pictures of events: what is drawn, where, and in which colours."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import colors, dates, pyplot
from matplotlib.axes import Axes
from support.told import BEGIN, event, events_of, story

from cfevents import Client, ConfigurationError, plot
from cfevents.plot.paper import ORANGE, RED
from cfevents.testing import History, Simulator

mpl.use("Agg")
PICTURES = [plot.timeline, plot.counts, plot.lag]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def key(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def marks(ax: Axes, name: str) -> Any:
    """Where the marks of one sort are: pairs of a moment and a height."""
    (found,) = [each for each in ax.collections if each.get_label() == name]
    return [(dates.num2date(at), height) for at, height in found.get_offsets().tolist()]  # type: ignore[no-untyped-call, union-attr]


def colour(ax: Axes, name: str) -> str:
    found: Any = next(each for each in ax.collections if each.get_label() == name)
    return colors.to_hex(found.get_facecolor()[0])


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + seconds, UTC)


def test_a_timeline_has_a_lane_for_each_connector_and_a_mark_for_each_operation() -> None:
    events = [
        *story("0 Init", "100 StartUpgrade", "160 FinishUpgradeFailure", connector="a"),
        *story("50 StartRotatePki", "70 FinishRotatePkiSuccess", "4000 StartAttestation", connector="b"),
    ]
    ax = plot.timeline(events)
    assert names(ax) == ["a", "b"]
    assert set(key(ax)) == {"success", "failure", "open", "other events"}
    assert marks(ax, "failure") == [(at(100), 0)]
    assert marks(ax, "success") == [(at(50), 1)]
    assert marks(ax, "open") == [(at(4000), 1)]
    assert marks(ax, "other events") == [(at(0), 0)]
    ax = plot.timeline(events, lanes="operation")
    assert names(ax) == ["Attestation", "RotatePki", "Upgrade", "other events"]
    assert marks(ax, "failure") == [(at(100), 2)]


def test_rekeys_are_bars_too_and_a_reset_is_a_failure() -> None:
    ax = plot.timeline(story("0 RekeyStart a", "9 RekeyReset a", "50 RekeyStart b"), lanes="operation")
    assert names(ax) == ["Rekey"]
    assert len(marks(ax, "failure")) == 1
    assert (colour(ax, "failure"), colour(ax, "open")) == (RED.lower(), ORANGE.lower())


def test_counts_are_stacked_by_the_hour() -> None:
    events = [
        event(3600 * hour + number, "Reconcile", sequence=number) for hour in range(3) for number in range(hour + 1)
    ]
    events += [event(7200 + number, f"New{number}", sequence=100 + number) for number in range(9)]
    ax = plot.counts(events)
    assert key(ax)[0] == "Reconcile"
    assert key(ax)[-1] == "other kinds"
    assert len(key(ax)) == 8
    assert sum(patch.get_height() for patch in ax.patches) == len(events)  # type: ignore[attr-defined]
    assert max(patch.get_y() + patch.get_height() for patch in ax.patches) >= 9  # type: ignore[attr-defined]
    assert ax.get_ylabel() == "events per hour"
    assert plot.counts(events, per=timedelta(days=1)).get_ylabel() == "events per day"


def test_a_lag_is_drawn_over_the_time_that_was_recorded() -> None:
    ax = plot.lag([event(0, "Init", lag=5), event(60, "Init", lag=21_600), event(90, "Init", lag=-30, connector="x")])
    assert key(ax) == ["site", "x"]
    assert marks(ax, "site") == [(at(0), 5), (at(60), 21_600)]
    assert {"1 s", "1 h", "6 h", "-10 s"} <= set(names(ax))


@pytest.mark.parametrize("picture", PICTURES)
def test_the_time_zone_stands_on_the_axis(picture: Any) -> None:
    for zone in ("UTC", "Europe/Berlin"):
        assert picture(story("0 Init"), tz=zone).get_xlabel() == f"recorded at ({zone})"
    with pytest.raises(ValueError, match="tz='Nowhere' is no time zone: write a name such as 'Europe/Berlin'"):
        picture(story("0 Init"), tz="Nowhere")
    with pytest.raises(TypeError, match="tz=5 is no time zone"):
        picture(story("0 Init"), tz=5)


@pytest.mark.parametrize("picture", PICTURES)
def test_it_draws_on_the_axes_that_it_is_given(picture: Any) -> None:
    _, ax = pyplot.subplots()
    assert picture(story("0 Init", "60 Leave"), ax=ax) is ax
    assert picture([], ax=ax) is ax


@pytest.mark.parametrize("picture", PICTURES)
async def test_a_stream_is_awaited(picture: Any) -> None:
    history = History(connectors=2, days=1)
    async with Simulator(history=history) as simulator, Client(**simulator.client_options) as client:
        ax = await picture(client.fleet().list_events(since=history.since, until=history.until))
    assert isinstance(ax, Axes)
    ax.figure.canvas.draw()


@pytest.mark.parametrize("picture", PICTURES)
def test_nothing_and_odd_times_are_drawn_without_a_complaint(picture: Any) -> None:
    for events in ([], [event(0, "Init")], [event(0, "Init"), event(0, "Init", sequence=1)]):
        picture(events).figure.canvas.draw()


def test_twenty_connectors_in_a_week_fit() -> None:
    ax = plot.timeline(events_of(History(connectors=20, days=7)))
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) == 20
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert min(box.x0 for box in boxes) >= 0
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y1 <= ax.figure.bbox.y1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match=r"matplotlib is not installed: pip install 'cfevents\[plot\]'"):
        plot.counts(story("0 Init"))


def test_arguments_of_no_use_are_refused() -> None:
    lanes: Any = "kind"
    with pytest.raises(ValueError, match="lanes='kind' must be 'connector' or 'operation'"):
        plot.timeline(story("0 Init"), lanes=lanes)
    pers: list[tuple[Any, type[Exception]]] = [(timedelta(0), ValueError), (3600, TypeError)]
    for per, error in pers:
        with pytest.raises(error, match="per="):
            plot.counts(story("0 Init"), per=per)

"""Pictures of events: what is drawn, where, and in which colours."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import pytest
from matplotlib import colors, dates, pyplot
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from support.appliance_events import BEGIN, DAY, event, events_at, history_events, without_payloads

from cfevents import Client, ConfigurationError, Interrupt, InterruptOptions, operations, plot
from cfevents.plot._axes import BLUE, COLOURS, GREY, ORANGE, RED
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
    (result,) = [item for item in ax.collections if item.get_label() == name]
    return [(dates.num2date(at), height) for at, height in result.get_offsets().tolist()]  # type: ignore[no-untyped-call, union-attr]


def bars(ax: Axes) -> list[tuple[datetime, datetime]]:
    """When each bar begins and ends."""
    drawn = [line for item in ax.collections if isinstance(item, LineCollection) for line in item.get_segments()]
    return sorted(tuple(dates.num2date([line[0][0], line[-1][0]])) for line in drawn)  # type: ignore[no-untyped-call]


def colour(ax: Axes, name: str) -> str:
    result: Any = next(item for item in ax.collections if item.get_label() == name)
    return colors.to_hex(result.get_facecolor()[0])


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(BEGIN + seconds, UTC)


def test_timeline_lanes_and_marks() -> None:
    """A timeline has a lane for each connector and a mark for each operation."""
    events = [
        *events_at("0 Init", "100 StartUpgrade", "160 FinishUpgradeFailure", connector="a"),
        *events_at("50 StartRotatePki", "70 FinishRotatePkiSuccess", "4000 StartAttestation", connector="b"),
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
    ax = plot.timeline(events_at("0 RekeyStart a", "9 RekeyReset a", "50 RekeyStart b"), lanes="operation")
    assert names(ax) == ["Rekey"]
    assert len(marks(ax, "failure")) == 1
    assert (colour(ax, "failure"), colour(ax, "open")) == (RED.lower(), ORANGE.lower())


def test_end_of_bars() -> None:
    """A bar ends with the answer; an open rekey's bar ends with the events."""
    ax = plot.timeline(events_at("0 StartUpgrade", "90 FinishUpgradeFailure", "100 RekeyStart a", "200 Reconcile"))
    assert bars(ax) == [(at(0), at(90)), (at(100), at(205))]


WEEK = ["crash", "failed_upgrade", "stuck_rekey", "ha_flapping", "outage", "unblessed_slot", "rekey_reset"]


@pytest.mark.parametrize("listed", [False, True])
def test_every_finding_is_seen_in_a_week(listed: bool) -> None:
    """What a report finds has a mark in its connector's lane; who has none looks healthy."""
    sites = [f"site-{number}" for number in range(8)]
    history = History(seed=7, connectors=sites, days=1, until=1_794_787_200, incidents=WEEK)
    events = without_payloads(history_events(history)) if listed else history_events(history)
    ax = plot.timeline(events)
    drawn = sorted([*marks(ax, "failure"), *marks(ax, "warning")])
    findings = operations.report(events).findings
    assert len(findings) == 7
    assert drawn == sorted((finding.first_at, sites.index(str(finding.connector_id))) for finding in findings)
    assert (colour(ax, "failure"), colour(ax, "warning")) == (RED.lower(), ORANGE.lower())


def test_a_finding_lies_in_the_lane_of_its_operation() -> None:
    """A finding of one operation is in its lane, and one of none or of several among the other events."""
    events = events_at("0 Init", "50 FinishRotatePkiFailure", "60 StartAttestation", "90 Init", "95 Reconcile")
    ax = plot.timeline(events, lanes="operation")
    assert names(ax) == ["Attestation", "RotatePki", "other events"]
    assert marks(ax, "failure") == [(at(50), 1)]
    assert marks(ax, "warning") == [(at(60), 2)]


def test_findings_of_a_report_of_ones_own() -> None:
    """A report with other limits and with interrupts is drawn as it is."""
    events = events_at("0 Init", "60 Reconcile", "90 Init", "95 Reconcile")
    order = Interrupt("", at(80).isoformat(), reboot=InterruptOptions())
    ax = plot.timeline(events, report=operations.report(events, interrupts={"site": [order]}))
    assert set(key(ax)) == {"other events", "info"}
    assert marks(ax, "info") == [(at(60), 0)]
    silent = operations.report(events, connectors=["site", "silent"], since=BEGIN, until=BEGIN + DAY)
    assert names(plot.timeline(events, report=silent)) == ["silent", "site"]


def test_a_length_that_is_not_known_is_drawn_as_such() -> None:
    """Without payloads a stuck rekey is a dotted line, for as long as it may be, and no other has a length."""
    events = events_at(
        "0 RekeyStart a", "600 RekeyStart b", "620 RekeyAdvance b", "640 RekeyComplete b", "900 Reconcile"
    )
    ax = plot.timeline(without_payloads(events), lanes="operation")
    assert {"perhaps open", "success", "failure"} <= set(key(ax))
    assert (at(600), at(600)) in bars(ax)
    lines: list[Any] = [item for item in ax.collections if isinstance(item, LineCollection)]
    (dotted,) = [item for item in lines if item.get_linestyle()[0][1]]
    assert [line[:, 0].tolist() for line in dotted.get_segments()] == [dates.date2num([at(0), at(905)]).tolist()]  # type: ignore[no-untyped-call]
    ax = plot.timeline(events, lanes="operation")
    assert "perhaps open" not in key(ax)
    assert {(at(600), at(640)), (at(0), at(905))} <= set(bars(ax))


def test_an_open_bar_ends_with_the_events_of_its_connector() -> None:
    """Of a connector that is silent, a bar shows no more than is known."""
    events = [*events_at("0 RekeyStart a", "10 Reconcile", connector="x"), *events_at("9000 Init", connector="y")]
    assert (at(0), at(15)) in bars(plot.timeline(events))


def seen(colour: str, matrix: list[list[float]]) -> list[float]:
    """A colour as people see it who lack one of the eye's cones, by Machado, Oliveira and Fernandes."""
    linear = [
        (value / 12.92) if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in colors.to_rgb(colour)
    ]
    mixed = [sum(part * value for part, value in zip(row, linear, strict=True)) for row in matrix]
    return [max(0.0, min(1.0, value)) ** (1 / 2.2) for value in mixed]


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ],
)
def test_alarms_are_told_from_health_by_anyone(matrix: list[list[float]]) -> None:
    """Who lacks a cone can tell the colours of failures and warnings from all others."""
    for alarm in (RED, ORANGE):
        for healthy in (*COLOURS, GREY):
            pairs = zip(seen(alarm, matrix), seen(healthy, matrix), strict=True)
            assert sum((one - other) ** 2 for one, other in pairs) ** 0.5 > 0.12, (alarm, healthy)


@pytest.mark.parametrize("picture", PICTURES)
def test_nothing_healthy_has_the_colour_of_a_failure(picture: Any) -> None:
    """Of appliances that are well, nothing is red or orange, whatever the number of their kinds."""
    ax = picture(history_events(History(connectors=6, days=1, until=1_780_000_000, incidents=())))
    drawn = [patch.get_facecolor() for patch in ax.patches] + [
        row for item in ax.collections for row in item.get_facecolor()
    ]
    assert drawn
    assert not {colors.to_hex(item) for item in drawn} & {RED.lower(), ORANGE.lower()}


def test_failures_are_red_among_the_counts() -> None:
    """Kinds that say that something failed are red, however common, and an error is marked upon its bar."""
    events = [event(60 * number, "FinishUpgradeFailure") for number in range(9)]
    events += [*events_at("3700 Reconcile", "7300 RekeyReset a"), *events_at("7300 Init", connector="x")]
    ax = plot.counts(events)
    assert key(ax)[-1] == "failures"
    heights = {(patch.get_height(), colors.to_hex(patch.get_facecolor())) for patch in ax.patches}  # type: ignore[attr-defined]
    assert {(9, RED.lower()), (1, RED.lower()), (1, BLUE.lower())} <= heights
    assert [height for _, height in marks(ax, "errors")] == [9, 2]
    assert "errors" not in key(plot.counts(events_at("0 Init")))


def test_ticks_show_the_time_zone() -> None:
    """The ticks show the time of the chosen zone."""
    ax = plot.timeline(events_at("0 Init", f"{10 * 3600} Init"), tz="Asia/Tokyo")
    ax.figure.canvas.draw()
    ticks: Any = dates.num2date(ax.get_xticks(), ZoneInfo("Asia/Tokyo"))  # type: ignore[no-untyped-call]
    assert len(ticks) > 4
    for tick, label in zip(ticks, ax.get_xticklabels(), strict=True):
        assert label.get_text() == (f"{tick:%H:%M}" if tick.hour else f"{tick:%b-%d}")
    week = plot.timeline(events_at("0 Init", f"{7 * 86_400} Init"), tz="Asia/Tokyo")
    assert {tick.hour for tick in dates.num2date(week.get_xticks(), ZoneInfo("Asia/Tokyo"))} == {0}  # type: ignore[no-untyped-call]


def test_counts_are_stacked_by_the_hour() -> None:
    events = [
        event(3600 * hour + number, "Reconcile", sequence=number) for hour in range(3) for number in range(hour + 1)
    ]
    events += [event(7200 + number, f"New{number}", sequence=100 + number) for number in range(9)]
    ax = plot.counts(events)
    assert key(ax)[0] == "Reconcile"
    assert key(ax)[-1] == "other kinds"
    assert len(key(ax)) == 7
    assert sum(patch.get_height() for patch in ax.patches) == len(events)  # type: ignore[attr-defined]
    assert max(patch.get_y() + patch.get_height() for patch in ax.patches) >= 9  # type: ignore[attr-defined]
    assert ax.get_ylabel() == "events per hour"
    assert ax.get_xlim()[1] >= max(patch.get_x() + patch.get_width() for patch in ax.patches)  # type: ignore[attr-defined]
    assert plot.counts(events, per=timedelta(days=1)).get_ylabel() == "events per day"


def test_a_lag_is_drawn_over_the_time_that_was_recorded() -> None:
    ax = plot.lag([event(0, "Init", lag=5), event(60, "Init", lag=21_600), event(90, "Init", lag=-30, connector="x")])
    assert key(ax) == ["site", "x"]
    assert marks(ax, "site") == [(at(0), 5), (at(60), 21_600)]
    assert {"1 s", "1 h", "6 h", "-10 s"} <= set(names(ax))
    assert ax.get_yscale() == "symlog"
    assert names(plot.lag([event(0, "Init", lag=5)])) == ["0", "1 s", "10 s"]


@pytest.mark.parametrize("lag", [2**64, -(2**64), 1e300, -1e308, 10**19, 0.5])
def test_any_lag_is_drawn(lag: float) -> None:
    ax = plot.lag([event(0, "Init", lag=5), event(60, "Init", lag=lag)])
    (_, nearest), (_, drawn) = sorted(marks(ax, "site"))
    assert (nearest, drawn) == (5, pytest.approx(max(-1e15, min(lag, 1e15))))
    ax.figure.canvas.draw()


def test_more_than_six_connectors_are_grey_in_a_picture_of_lags() -> None:
    sample = [event(0, "Init", connector=str(number)) for number in range(7)]
    ax = plot.lag(sample)
    assert key(ax) == []
    assert {colour(ax, str(number)) for number in range(7)} == {GREY}
    assert len(key(plot.lag(sample[1:]))) == 6


@pytest.mark.parametrize("picture", PICTURES)
def test_the_time_zone_stands_on_the_axis(picture: Any) -> None:
    for zone in ("UTC", "Europe/Berlin"):
        assert picture(events_at("0 Init"), tz=zone).get_xlabel() == f"recorded at ({zone})"
    with pytest.raises(ValueError, match="tz='Nowhere' is no time zone: write a name such as 'Europe/Berlin'"):
        picture(events_at("0 Init"), tz="Nowhere")
    with pytest.raises(TypeError, match="tz=5 is no time zone"):
        picture(events_at("0 Init"), tz=5)


@pytest.mark.parametrize("picture", PICTURES)
def test_it_draws_on_the_axes_that_it_is_given(picture: Any) -> None:
    _, ax = pyplot.subplots()
    assert picture(events_at("0 Init", "60 Leave"), ax=ax) is ax
    assert picture([], ax=ax) is ax


@pytest.mark.parametrize("picture", PICTURES)
async def test_a_stream_is_awaited(picture: Any) -> None:
    history = History(connectors=2, days=1)
    async with Simulator(history=history) as simulator, Client(**simulator.client_options) as client:
        ax = await picture(client.fleet().list_events(since=history.since, until=history.until))
    assert isinstance(ax, Axes)
    ax.figure.canvas.draw()


@pytest.mark.parametrize("picture", PICTURES)
def test_few_events_are_drawn(picture: Any) -> None:
    """No event, one event and two of one time are drawn."""
    for events in ([], [event(0, "Init")], [event(0, "Init"), event(0, "Init", sequence=1)]):
        picture(events).figure.canvas.draw()


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("picture", PICTURES)
def test_far_times_are_drawn_at_the_edge(picture: Any, zone: str) -> None:
    """A time far outside the calendar is drawn at its edge."""
    odd = [event(-(2**62), "Init"), event(0, "Init"), event(2**62, "StartUpgrade"), event(2**62 + 1, "RekeyStart")]
    for events in (odd, odd[:2], odd[1:]):
        ax = picture(events, tz=zone)
        ax.figure.canvas.draw()
        first, last = (item.year for item in dates.num2date(ax.get_xlim()))  # type: ignore[no-untyped-call]
        assert 1000 <= first <= 2025 <= last <= 9000


ODD_NAMES = ["$^{$", "$a$", "_hidden", "", "\ud800", "x" * 100]


@pytest.mark.parametrize("picture", PICTURES)
def test_names_are_shown_literally(picture: Any) -> None:
    """Any name is shown as it is."""
    ax = picture([event(0, name, connector=name or " ", sequence=place) for place, name in enumerate(ODD_NAMES)])
    ax.figure.canvas.draw()
    legend = ax.get_legend()
    assert legend.get_window_extent().x1 <= ax.figure.bbox.x1
    shown = set(names(ax) if picture is plot.timeline else key(ax))
    assert {r"\$^{\$", r"\$a\$", " _hidden", " ", "\\ud800"} <= shown
    assert len(shown) == len(ODD_NAMES)


def test_events_are_counted_in_whole_numbers() -> None:
    ax = plot.counts([event(0, "Init")])
    assert all(tick.is_integer() for tick in ax.get_yticks())


@pytest.mark.once
def test_twenty_connectors_in_a_week_fit() -> None:
    ax = plot.timeline(history_events(History(connectors=20, days=7)))
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) == 20
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert min(box.x0 for box in boxes) >= 0
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y1 <= ax.figure.bbox.y1


def test_missing_extra_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the error says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigurationError, match=r"matplotlib is not installed: pip install 'cfevents\[plot\]'"):
        plot.counts(events_at("0 Init"))


def test_invalid_arguments_are_refused() -> None:
    """Invalid lanes and widths are refused."""
    lanes: Any = "kind"
    with pytest.raises(ValueError, match="lanes='kind' must be 'connector' or 'operation'"):
        plot.timeline(events_at("0 Init"), lanes=lanes)
    with pytest.raises(TypeError, match="report must be a Report, not str"):
        plot.timeline(events_at("0 Init"), report="yesterday")  # type: ignore[call-overload]
    pers: list[tuple[Any, type[Exception]]] = [(timedelta(0), ValueError), (3600, TypeError)]
    for per, error in pers:
        with pytest.raises(error, match="per="):
            plot.counts(events_at("0 Init"), per=per)

"""Silence: who was asked for is in the report, and nothing is judged that is not known yet."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support.appliance_events import BEGIN, DAY, HOUR, MINUTE, event, events_at, offsets, reconciles

from cfevents import Connector, FleetEvent, RecordedEvent, _time, events, operations

WINDOW: dict[str, Any] = {"since": BEGIN, "until": BEGIN + DAY}


def connector(name: str, heartbeat: int | str | None, **more: Any) -> Connector:
    """A connector of the account, whose last heartbeat came some seconds after `BEGIN`."""
    if isinstance(heartbeat, int):
        heartbeat = datetime.fromtimestamp(BEGIN + heartbeat, UTC).isoformat().replace("+00:00", "Z")
    return Connector(name, last_heartbeat=heartbeat, **more)


def silences(report: operations.Report) -> list[tuple[str | None, str, str]]:
    assert {finding.kind for finding in report.findings} <= {"silence"}
    return [(finding.connector_id, finding.severity, finding.message) for finding in report.findings]


@pytest.fixture
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be a day after `BEGIN`."""
    monkeypatch.setattr(_time, "time", SimpleNamespace(time=lambda: float(BEGIN + DAY)))


def test_connector_without_an_event_is_a_finding() -> None:
    """Who was asked for and sent nothing is in the report, with a finding."""
    report = operations.report(reconciles(0, DAY), connectors=["dead", "site"], **WINDOW)
    assert [(item.connector_id, item.events, item.first_at) for item in report.connectors] == [
        ("dead", 0, None),
        ("site", 288, report.connectors[1].first_at),
    ]
    assert silences(report) == [("dead", "error", "silent: no event in the window")]
    assert report.summary().startswith("288 events of 2 connectors, ")
    assert report.findings[0].event_ids == ()


@pytest.mark.parametrize(
    ("heartbeat", "severity", "message"),
    [
        (-2 * HOUR, "error", "silent: no event in the window, and no heartbeat for 1d 2h"),
        (DAY - 31 * MINUTE, "error", "silent: no event in the window, and no heartbeat for 31min"),
        (DAY - 29 * MINUTE, "warning", "silent: no event in the window, though its heartbeats go on"),
        (DAY + 10, "warning", "silent: no event in the window, though its heartbeats go on"),
        (9 * DAY, "error", "silent: no event in the window; its heartbeats are of a later time"),
        (None, "error", "silent: no event in the window, and no heartbeat so far"),
        ("0001-01-01T00:00:00Z", "error", "silent: no event in the window, and no heartbeat so far"),
        ("", "error", "silent: no event in the window, and no heartbeat so far"),
        ("yesterday", "error", "silent: no event in the window"),
        ("2025-06-15T15:00:00", "error", "silent: no event in the window"),
    ],
)
def test_heartbeat_is_in_the_finding(heartbeat: int | str | None, severity: str, message: str) -> None:
    """The last heartbeat says how bad it is that no event came."""
    report = operations.report([], connectors=[connector("dead", heartbeat)], **WINDOW)
    assert silences(report) == [("dead", severity, message)]
    if isinstance(heartbeat, int):
        at = datetime.fromtimestamp(BEGIN + heartbeat, UTC)
        assert report.findings[0].details["last_heartbeat"] == report.connectors[0].last_heartbeat == at
    else:
        assert "last_heartbeat" not in report.findings[0].details
    assert str(report).startswith("0 events of 1 connector, 2025-06-15 15:06 to 2025-06-16 15:06 UTC: 1 finding\n")


@pytest.mark.parametrize(
    "ends", [{"until": 20 * MINUTE}, {"until": DAY, "known_until": 20 * MINUTE}, {"until": 29 * MINUTE}]
)
def test_short_window_shows_no_silence(ends: dict[str, int]) -> None:
    """Half an hour without an event is no silence, unless the heartbeats stopped or never came."""
    window: dict[str, Any] = {"since": BEGIN} | {name: BEGIN + end for name, end in ends.items()}
    asked: list[Any] = ["named", connector("none", None), connector("stopped", -DAY)]
    asked += [connector("before", -MINUTE), connector("within", MINUTE), connector("after", DAY)]
    assert [finding[:2] for finding in silences(operations.report([], connectors=asked, **window))] == [
        ("stopped", "error"),
        ("none", "warning"),
    ]


def test_part_of_a_short_window_shows_no_silence() -> None:
    """Who is known for a part of a short window is not silent, but who is not known at all is a finding."""
    known = {"part": BEGIN + 2 * MINUTE, "unknown": BEGIN + HOUR}
    report = operations.report([], since=BEGIN, until=BEGIN + 5 * MINUTE, connectors=[*known], known_since=known)
    assert [finding[:2] for finding in silences(report)] == [("unknown", "error")]


def test_heartbeats_go_on_where_one_came_in_the_known_time() -> None:
    """A heartbeat from before what is known shows nothing of it."""
    known, asked = BEGIN + DAY - 5 * MINUTE, [connector("site", DAY - 6 * MINUTE), connector("alive", DAY - 60)]
    report = operations.report([], connectors=asked, known_since={"site": known, "alive": known}, **WINDOW)
    ends = {str(finding.connector_id): finding.message.partition("and silent since")[2] for finding in report.findings}
    assert ends == {"site": "", "alive": ", though its heartbeats go on"}


@pytest.mark.parametrize(
    ("known_since", "severity", "more"),
    [
        (23 * HOUR, "error", ", and silent since"),
        (DAY - 60, "warning", ", and silent since"),
        (2 * DAY, "error", ""),
    ],
)
def test_nothing_is_judged_before_it_is_known(known_since: int, severity: str, more: str) -> None:
    """Who sent nothing since an archive began is silent for that time, and not for the whole window."""
    known = {"new": BEGIN + known_since, "old": BEGIN - DAY}
    report = operations.report([], connectors=["new", "old"], known_since=known, **WINDOW)
    moment = datetime.fromtimestamp(BEGIN + known_since, UTC)
    message = f"nothing is known of it before {moment:%Y-%m-%d %H:%M:%S} UTC{more}"
    assert sorted(silences(report)) == [("new", severity, message), ("old", "error", "silent: no event in the window")]
    (finding,) = (finding for finding in report.findings if finding.connector_id == "new")
    assert finding.first_at == min(moment, datetime.fromtimestamp(BEGIN + DAY, UTC))


def test_notes_are_in_the_finding() -> None:
    """A finding says which connector it is as its owner calls it."""
    asked = connector("dead", DAY - 60, notes="Hamburg,\n  2nd floor")
    report = operations.report(reconciles(0, DAY), connectors=[asked, "site"], **WINDOW)
    (finding,) = report.findings
    assert (finding.notes, finding.where) == ("Hamburg,\n  2nd floor", "dead (Hamburg, 2nd floor)")
    assert "  dead (Hamburg, 2nd floor)  silence: " in str(report)
    assert "dead (Hamburg, 2nd floor)" in report._repr_html_()
    assert report.connectors[0].findings == (finding,)


def test_connector_out_of_service_may_be_silent() -> None:
    """Nobody expects events of a connector that is not in service."""
    spare = connector("spare", None, activated=False)
    message = "not in service: silent: no event in the window, and no heartbeat so far"
    assert silences(operations.report([], connectors=[spare], **WINDOW)) == [("spare", "info", message)]


def test_few_events_hide_no_silence() -> None:
    """A connector that died soon after the window began has too few events for a usual pause, and is silent."""
    sample = reconciles(0, HOUR)
    message = "silent for 23h 4min, and still silent"
    for asked, expected in (
        ([connector("site", HOUR)], "silent for 23h, and still silent"),
        ([connector("site", None)], message),
        (["site"], message),
        ([], message),
    ):
        found = silences(operations.report(sample, connectors=asked, **WINDOW))
        assert found == [("site", "error", expected)]
    alive = operations.report(sample, connectors=[connector("site", DAY - 10)], **WINDOW)
    assert silences(alive) == [("site", "warning", "silent for 23h 4min, though its heartbeats go on")]
    (finding,) = operations.report(sample, **WINDOW).findings
    assert offsets(finding.event_ids) == [HOUR - 300]
    assert operations.report(sample, since=BEGIN, until=BEGIN + 12 * HOUR).findings == ()


def test_gap_has_the_heartbeat_and_is_one_finding() -> None:
    """A silence that the usual pause shows comes once, with the heartbeat."""
    report = operations.report(reconciles(0, 20 * HOUR), connectors=[connector("site", 19 * HOUR)], **WINDOW)
    assert [finding.kind for finding in report.findings] == ["silence"]
    assert report.findings[0].details["usual"] == timedelta(minutes=5)
    assert report.findings[0].details["last_heartbeat"] == report.connectors[0].last_heartbeat


def test_gap_is_weighed_as_any_silence() -> None:
    """A silence that the usual pause shows is a warning if the heartbeats go on, and expected out of service."""
    sample = reconciles(0, 20 * HOUR)
    for asked, severity, message in (
        (connector("site", DAY - 10), "warning", "silent for 4h 4min, though its heartbeats go on"),
        (
            connector("site", None, activated=False),
            "info",
            "not in service: silent for 4h 4min, and still silent",
        ),
    ):
        assert silences(operations.report(sample, connectors=[asked], **WINDOW)) == [("site", severity, message)]


def test_usual_pause_is_the_measure_of_a_silence() -> None:
    """A connector that reports in bursts may be silent for longer than twelve hours, but not without heartbeats."""
    bursts = [event(at + n, "Reconcile") for at in range(-9 * DAY, 11 * HOUR, 2 * HOUR) for n in range(30)]
    assert silences(operations.report(bursts, connectors=[connector("site", DAY)], **WINDOW)) == []
    stopped = operations.report(bursts, connectors=[connector("site", 12 * HOUR)], **WINDOW)
    assert silences(stopped) == [("site", "error", "silent for 12h, and still silent")]


@pytest.mark.usefixtures("_now")
def test_window_that_is_not_over_ends_now() -> None:
    """Nothing is judged that lies in the future: neither silence nor what is still open."""
    sample = [*reconciles(0, DAY), event(DAY - 60, "RekeyStart"), event(DAY - 50, "StartUpgrade")]
    report = operations.report(sample, since=BEGIN, until=BEGIN + 2 * DAY, connectors=["site"])
    assert report.findings == ()
    assert report.until.timestamp() == BEGIN + DAY
    assert operations.gaps(sample, until=BEGIN + 2 * DAY) == []
    assert operations.gaps(sample, until=BEGIN + 2 * DAY, known_until=BEGIN + 2 * DAY) != []
    later = operations.report([], since=BEGIN + 2 * DAY, until=BEGIN + 3 * DAY, connectors=["site"])
    assert later.findings == ()


@pytest.mark.usefixtures("_now")
def test_events_from_after_now_move_it() -> None:
    """Events that were collected later show that our clock is behind; their own clock shows nothing."""
    sample = [*reconciles(0, 2 * DAY), *reconciles(0, DAY, connector="dead")]
    assert silences(operations.report(sample, until=BEGIN + 3 * DAY)) == [
        ("dead", "error", "silent for 1d, and still silent")
    ]
    ahead = RecordedEvent(events.Init(), BEGIN + 9 * DAY, 0)
    some: list[Any] = [*reconciles(0, DAY), FleetEvent("ahead", ahead)]
    assert operations.report(some, until=BEGIN + 9 * DAY).findings == ()


def test_what_is_known_ends_for_each_connector() -> None:
    """Each connector is judged until it was last asked."""
    sample = [
        *reconciles(0, 20 * HOUR),
        *reconciles(0, 20 * HOUR, connector="old"),
        *reconciles(0, HOUR, connector="part"),
    ]
    sample += events_at(f"{20 * HOUR - 60} StartUpgrade", connector="old")
    known = {"old": BEGIN + 20 * HOUR, "part": None, "missed": BEGIN - 6 * HOUR, "none": None}
    report = operations.report(sample, connectors=known, known_until=known, **WINDOW)
    assert silences(report) == [
        ("missed", "error", "last asked 6h before the window begins: nothing is known of it"),
        ("none", "error", "silent: no event in the window"),
        ("site", "error", "silent for 4h 4min, and still silent"),
    ]
    assert {item.connector_id: item.until.timestamp() - BEGIN for item in report.connectors} == {
        "missed": -6 * HOUR,
        "none": DAY,
        "old": 20 * HOUR,
        "part": HOUR - 295,
        "site": DAY,
    }


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"connectors": "site"}, TypeError, "write a list, also for one"),
        ({"connectors": [5]}, TypeError, "5 is no connector: write its id"),
        ({"known_until": "24h"}, TypeError, "known_until='24h' is no time"),
        ({"known_until": {"a": datetime(2026, 1, 1)}}, ValueError, r"known_until\['a'\].* has no time zone"),
        ({"since": True}, TypeError, "since=True is no time"),
    ],
)
def test_invalid_arguments_are_refused(arguments: Any, error: type[Exception], words: str) -> None:
    """An argument without meaning is refused, with what to write instead."""
    with pytest.raises(error, match=words):
        operations.report([], **arguments)


def test_connectors_need_events_that_name_theirs() -> None:
    """Nobody is called silent whose events do not name their connector."""
    nameless: list[Any] = [item.event for item in reconciles(0, DAY)]
    with pytest.raises(ValueError, match="connector_id="):
        operations.report(nameless, connectors=["site"])
    journal = operations.Journal(nameless, connector_id="site")
    assert operations.report(journal, connectors=["site"], **WINDOW).findings == ()


def test_events_of_the_future_do_not_reverse_the_summary() -> None:
    """Where all events are from after the end, since a clock is ahead, the summary ends with the last of them."""
    report = operations.report(reconciles(2 * DAY, 3 * DAY), connectors=["site"], **WINDOW)
    begin, end = report.summary().split(", ")[1].removesuffix(" UTC: no findings").split(" to ")
    assert begin < end

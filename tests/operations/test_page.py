"""The report as a page: what it says, what it escapes, how large it is."""

import base64
import hashlib
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from support.appliance_events import BEGIN, DAY, HOUR, DetailedEvent, event, events_at, reconciles
from support.pages import HOSTILE, hostile_report

import cfevents
from cfevents import EventMetadata, operations
from cfevents.operations import Report

# An upgrade that fails, a stuck rekey, a restart without a stop, and a connector that goes silent after four hours.
EVENTS = [
    *reconciles(0, 4 * HOUR),
    *events_at("600 StartUpgrade", "670 FinishUpgradeFailure", "900 RekeyStart a", "4000 Init", "4100 Init"),
    *reconciles(0, DAY, connector="well"),
    event(70, "Novelty", connector="well", sequence=3),
]


def report_of(events: list[DetailedEvent] = EVENTS, **options: Any) -> Report:
    return operations.report(events, since=BEGIN, until=BEGIN + DAY, **options)


def parse(page: str) -> ET.Element:
    """The page as XML, which is stricter than a browser."""
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def text_of(page: str) -> str:
    return " ".join("".join(parse(page).itertext()).split())


def table(page: str, caption: str) -> list[list[str]]:
    (found,) = [it for it in parse(page).iter("table") if it.findtext("caption") == caption]
    return [["".join(cell.itertext()).strip() for cell in row] for row in found.iter("tr")]


def test_page_begins_with_the_verdict_and_the_worst_finding() -> None:
    page = parse(report_of().to_html())
    assert page.findtext("body/header/h1") == "6 findings on 2 of 2 connectors"
    worst = page.find("body/header/p[@class='worst']")
    assert worst is not None
    assert "".join(worst.itertext()) == "The worst:  error: failed upgrade on site: upgrade failed after 1min 10s"
    assert {link.get("href") for link in worst.iter("a")} == {"#findings"}
    assert page.get("lang") == "en"


def test_headings_are_in_order() -> None:
    levels = [int(it.tag[1]) for it in parse(report_of().to_html()).iter() if re.fullmatch(r"h\d", it.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_findings_have_their_events_with_kind_time_and_id() -> None:
    """Each finding has the events that show it, the first twelve by kind, time and id."""
    shown = text_of(report_of().to_html())
    assert f"StartUpgrade 15:16:40 {BEGIN + 600}.0" in shown
    assert f"FinishUpgradeFailure 15:17:50 {BEGIN + 670}.1" in shown
    starts = report_of(events_at(*(f"{60 * at} Init" for at in range(40))))
    assert "and 28 more events" in text_of(starts.to_html())


def test_every_connector_with_findings_has_a_lane_in_words() -> None:
    """A lane is a picture with a title and a text; a connector without findings has none."""
    pictures = [it for it in parse(report_of().to_html()).iter("svg") if it.get("role") == "img"]
    lane, _ = pictures
    assert len(list(parse(report_of(EVENTS[:-1]).to_html()).iter("figure"))) == 1
    texts = {it.get("id") or "": it.text or "" for it in lane if it.tag in {"title", "desc"}}
    assert lane.get("aria-labelledby") == " ".join(["name1", *texts])
    assert texts["title1"].startswith("2025-06-15 15:06:40 to 2025-06-16 15:06:40 UTC")
    assert "error: failed_upgrade, 2025-06-15 15:16:40 to 15:17:50" in texts["text1"]


def drawn(page: str, kind: str) -> ET.Element:
    return next(it for it in parse(page).iter("g") if kind in (it.findtext("title") or ""))


def test_lengths_that_are_not_known_are_hatched_or_open() -> None:
    """What took so long at most is hatched; what did not end has an arrow; what is known has neither."""
    page = report_of().to_html()

    def signs(kind: str) -> set[str]:
        shapes = drawn(page, kind)
        return {name for it in shapes for name in (it.get("fill"), it.get("href")) if name in {"url(#hatch)", "#later"}}

    assert signs("unclean_restart") == {"url(#hatch)"}
    assert signs("stuck_rekey") == signs("silence") == {"#later"}
    assert signs("failed_upgrade") == set()


def test_a_slot_that_failed_does_not_go_on() -> None:
    """A slot that could not be blessed is over; one that is still not blessed is not."""
    ends = "BlessSlotPending", "BlessSlotFailure"
    pages = [report_of(events_at("60 FinishUpgradeSuccess", f"9000 {end}")).to_html() for end in ends]
    assert ["#later" in {it.get("href") for it in drawn(page, "unblessed_slot")} for page in pages] == [True, False]


def test_an_operation_without_start_is_open_to_the_left() -> None:
    page = report_of(events_at("0 Init", "9000 FinishUpgradeSuccess")).to_html()
    uses = [it.get("href") for it in drawn(page, "Upgrade: success") if it.tag == "use"]
    assert uses == ["#earlier"]


def test_availability_counts_stops_and_silences_once() -> None:
    """A silence of 20 hours leaves a sixth of a day; a connector without a stop has all of it."""
    rows = {row[0]: row for row in table(report_of().to_html(), "All connectors")}
    assert rows["Connector"][2:4] == ["Available", "Down at most"]
    assert rows["site"][2:4] == ["at least 16.09 %", "20h 8min"]
    assert rows["well"][2:5] == ["100 %", "-", "-"]
    assert rows["well"][6:9] == ["5s", "5s", "5s"]


def test_overlapping_findings_count_once() -> None:
    """The same time in two findings is down once, and at most all of the time."""
    report = report_of()
    site, well = report.connectors
    twice = evolve(site, findings=site.findings * 2)
    rows = [table(evolve(report, connectors=(it, well)).to_html(), "All connectors")[1] for it in (site, twice)]
    assert rows[0][2:4] == rows[1][2:4]


def test_a_connector_without_events_is_not_called_available() -> None:
    page = report_of(connectors=["site", "well", "unheard"]).to_html()
    rows = {row[0]: row for row in table(page, "All connectors")}
    assert rows["unheard"][2] == "not known to be"


def test_events_that_name_no_connector_have_a_lane() -> None:
    listed = [item.event for item in events_at("600 StartUpgrade", "670 FinishUpgradeFailure")]
    page = operations.report(listed, since=BEGIN, until=BEGIN + HOUR).to_html(tz=None)
    assert table(page, "All connectors")[1][:2] == ["Events", "error: 1"]
    assert "Events 1 finding" in text_of(page)


def test_kinds_are_counted_by_hour_and_in_longer_windows_by_day() -> None:
    """The busiest hour, or the busiest day, is in the table as a number, and each hour is a bar."""
    page = report_of().to_html()
    rows = {row[0]: row for row in table(page, "Events of each kind")}
    assert rows["Kind"][2:] == ["Events", "Most per hour", "On"]
    assert rows["Reconcile"][2:] == ["336", "24", "2025-06-15 16:00"]
    assert rows["Novelty (not known)"][2:4] == ["1", "1"]
    assert len(rows) == 7
    month = operations.report(EVENTS, since=BEGIN - 29 * DAY, until=BEGIN + DAY)
    rows = {row[0]: row for row in table(month.to_html(), "Events of each kind")}
    assert rows["Reconcile"][2:] == ["336", "181", "2025-06-16"]


def test_days_begin_at_midnight_of_the_zone() -> None:
    """In another zone the events of an evening belong to the next day."""
    evening = datetime(2025, 6, 15, 23, 30, tzinfo=UTC)
    late = [event(evening.timestamp() - BEGIN, "Init")]
    report = operations.report(late, since=BEGIN - 20 * DAY, until=BEGIN + DAY)
    assert table(report.to_html(), "Events of each kind")[1][4] == "2025-06-15"
    berlin = report.to_html(tz=ZoneInfo("Europe/Berlin"))
    assert table(berlin, "Events of each kind")[1][4] == "2025-06-16+02"
    assert "2025-06-16 01:30:00+02" in text_of(berlin)
    assert "Europe/Berlin" in text_of(berlin)


def test_page_says_what_was_asked_and_what_is_not_known() -> None:
    page = report_of().to_html(about={"Read from": "an archive"}, notes=["the archive ends early"])
    rows = dict(table(page, "How this page was made"))
    assert list(rows) == ["Window", "Read from", "Made"]
    assert rows["Window"] == "2025-06-15 15:06:40 to 2025-06-16 15:06:40 UTC"
    assert rows["Made"].endswith(f"by cfevents {cfevents.__version__}")
    assert "the archive ends early" in text_of(page)


@pytest.mark.parametrize(
    ("events", "verdict"), [([], "No findings on 0 connectors"), (EVENTS[:2], "No findings on 1 connector")]
)
def test_page_of_nothing(events: Any, verdict: str) -> None:
    """Without findings there is no timeline, and without events no table of them."""
    page = parse(operations.report(events).to_html())
    assert page.findtext("body/header/h1") == verdict
    assert page.find(".//figure") is None


def test_text_of_the_api_cannot_break_out() -> None:
    """Hostile notes, ids, kinds, versions and payloads stay text: no tag or attribute comes from them."""
    page = hostile_report().to_html(about={HOSTILE: HOSTILE}, notes=[HOSTILE])
    known = {it.tag for it in parse(report_of().to_html()).iter()}
    assert {it.tag for it in parse(page).iter()} <= known | {"bdi", "br"}
    assert not {name for it in parse(page).iter() for name in it.attrib if name.startswith("on") or name == "style"}
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ud800]", page)
    assert page.count("window.broken=1") > 8


@settings(max_examples=40)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_gives_a_well_formed_page(name: str, kind: str) -> None:
    events = [event(0, kind, connector="site"), event(10, "RekeyReset", tunnel_id=name)]
    report = operations.report(events, since=BEGIN, until=BEGIN + HOUR)
    parse(report.to_html(about={name: kind}, notes=[name]))


def test_policy_allows_the_style_alone() -> None:
    """The page's policy forbids everything but its own style, which it names by its hash."""
    page = hostile_report().to_html()
    metas = {it.get("http-equiv") or it.get("name"): it.get("content") for it in parse(page).iter("meta")}
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert metas["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert metas["referrer"] == "no-referrer"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_contrast_with_what_they_lie_on(scheme: int) -> None:
    """Text has the 4.5:1 of WCAG on the page and on a card, and every sign its 3:1 also on a lane."""
    rules = re.findall(r":root \{(.*?)\}", report_of().to_html(), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", rules))

    def contrast(one: str, other: str) -> float:
        low, high = sorted([luminance(colours[one]), luminance(colours[other])])
        return (high + 0.05) / (low + 0.05)

    for text in ("text", "muted"):
        assert min(contrast(text, "page"), contrast(text, "card")) >= 4.5
    for sign in ("critical", "error", "warning", "info", "operation", "text"):
        assert min(contrast(sign, ground) for ground in ("page", "card", "known")) >= 3


def test_a_bad_month_of_a_fleet_stays_small() -> None:
    """300 connectors with 40 findings each in 30 days stay below 5 MB; what is left out is said."""
    report = report_of()
    site, findings = report.connectors[0], report.findings[:5] * 8
    names = [f"{number:08x}-8b50-411e-a0d7-17035160a8c3" for number in range(300)]
    connectors = [
        evolve(
            site,
            connector_id=name,
            notes="Branch office",
            findings=tuple(evolve(it, connector_id=name) for it in findings),
        )
        for name in names
    ]
    hourly = Counter(
        {
            (f"Kind{kind}", hour): 1
            for kind in range(80)
            for hour in range((BEGIN + DAY) // HOUR - 700, (BEGIN + DAY) // HOUR)
        }
    )
    every = tuple(finding for connector in connectors for finding in connector.findings)
    page = evolve(
        report, since=report.until - timedelta(30), connectors=tuple(connectors), findings=every, hourly=hourly
    ).to_html()
    assert len(page.encode()) < 5_000_000
    assert "10,000 more are left out" in page
    assert "worst 16 findings of a connector" in page
    assert "20 other kinds" in page


@pytest.mark.parametrize("moment", [-1e12, 1e12])
def test_clocks_of_another_age_are_drawn_at_the_edge(moment: float) -> None:
    page = operations.report([*EVENTS, event(moment, "RekeyReset")]).to_html(tz=ZoneInfo("Asia/Tokyo"))
    places = [it.get("x") or "0%" for it in parse(page).iter("use")]
    assert all(0 <= float(place.rstrip("%")) <= 100 for place in places)


@pytest.mark.parametrize("seconds", [-1e11, -62_135_596_800, 253_402_300_799, 1.7e12])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_event_at_the_edge_of_the_calendar_is_on_a_page(seconds: float, zone: str) -> None:
    """Whatever time a broken clock has recorded, there is a page."""
    events = [EventMetadata("HaError", seconds, 1, BEGIN)]
    assert "ha error" in text_of(operations.report(events).to_html(tz=ZoneInfo(zone)))

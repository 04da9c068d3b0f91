"""What a notebook shows: small tables of what is there, with every text as text."""

import re
from collections.abc import Callable, Iterable, Sized
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.batches import BEGIN, details, listed, texts, with_payload

from cfevents import Checkpoint, Client, Connector, Device, EventMetadata, Page, RecordedEvent, events
from cfevents._html import fields_of, rows_of
from cfevents.storage import Archive

CLIENT: dict[str, Any] = {"api_token": "arg-token-33bb", "account_id": "a"}


class Reader(HTMLParser):
    """Reads the cells of a table, and the tags that it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag in {"td", "th", "caption"}:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


def cells(value: Any) -> list[str]:
    return Reader(value._repr_html_()).cells


@given(details())
def test_whatever_an_event_has_stands_there_as_text(detail: Any) -> None:
    shown: list[Any] = [detail.metadata, Page((detail.metadata,)), *filter(None, [detail.recorded])]
    for value in shown:
        html = value._repr_html_()
        html.encode()
        assert Reader(html).tags <= {"table", "caption", "tr", "th", "td"}
        assert "colspan" not in html


@given(texts | st.sampled_from(["<script>", "</td>", "&amp;", '"', "'"]))
def test_a_text_of_any_kind_is_escaped(text: str) -> None:
    for html in (fields_of(text, {text: text}), rows_of(text, [text], [[text]])):
        assert Reader(html).tags <= {"table", "caption", "tr", "th", "td"}
        html.encode()


def test_event_shows_kind_times_and_unknown_fields() -> None:
    """An event shows its kind its times and what is not documented."""
    event = EventMetadata("<b>", 1_700_000_000, 3, 1_700_000_060.5, extra={"new": [1]})
    assert cells(event) == [
        "Event 1700000000.3", "kind", "<b>", "recorded_at", "2023-11-14 22:13:20 UTC",
        "collected_at", "2023-11-14 22:14:20.500000 UTC", "sequence", "3", "extra", '{"new": [1]}',
    ]  # fmt: skip
    assert "2000000000000 s" in cells(listed(2_000_000_000_000))


def test_a_recorded_event_shows_its_payload() -> None:
    recorded = with_payload(listed(BEGIN), "https://u/?a&b").recorded
    assert cells(recorded)[:4] == ["Recorded event 1700000000.0", "kind", "StartUpgrade", "description"]
    assert cells(recorded)[-4:] == ["version", "1.2", "event.url", "https://u/?a&b"]
    unknown = RecordedEvent(events.UnknownEvent("New", {"x": 1}), BEGIN, 0)
    assert cells(unknown)[-2:] == ["event.payload", '{"x": 1}']


def test_a_page_shows_its_first_events_and_how_many_there_are() -> None:
    page = Page(tuple(listed(BEGIN + offset) for offset in range(25)), cursor="<next>")
    assert cells(page)[0] == "Page of 25 events, next cursor <next> (the first 10 of 25)"
    assert cells(page)[1:5] == ["kind", "recorded_at", "collected_at", "sequence"]
    assert len(cells(page)) == 1 + 4 + 10 * 4
    assert cells(Page(page.items[:10]))[0] == "Page of 10 events"
    last = Page((), checkpoint=Checkpoint("c", 1, 2, finished=True))
    assert cells(last)[0] == "Page of 0 events, the last"


def test_missing_values_are_empty_or_left_out() -> None:
    """A cell without a value is empty and a field without one is left out."""
    assert Reader(rows_of("x", ["a", "b"], [[None, 0]])).cells == ["x", "a", "b", "", "0"]
    assert Reader(fields_of("x", {"a": None, "b": 0})).cells == ["x", "b", "0"]


def test_a_long_text_is_cut() -> None:
    (caption, _, shown) = Reader(fields_of("x", {"a": "y" * 1000})).cells
    assert shown == "y" * 300 + "…"
    assert caption == "x"


def test_a_stream_shows_what_it_would_ask() -> None:
    client = Client(**CLIENT)
    window: dict[str, Any] = {"since": 1_700_000_000, "until": 1_700_003_600}
    stream = client.list_events("<c1>", **window, kind=["Init", "Leave"], page_size=50, concurrency=4, timeout=9)
    assert cells(stream) == [
        "EventStream: sent when it is read", "connector", "<c1>", "since", "2023-11-14 22:13:20 UTC",
        "until", "2023-11-14 23:13:20 UTC", "kind", "Init, Leave", "page size", "50", "slices at a time", "4",
        "timeout", "9 s",
    ]  # fmt: skip
    resumed = client.list_events("c1", **window, cursor="here")
    assert cells(resumed)[-2:] == ["continues at", "here"]
    assert "every kind" in cells(resumed)
    assert cells(stream.details())[0].startswith("Details: ")
    assert cells(client.fleet().list_events(**window))[:3] == [
        "FleetStream: sent when it is read", "connector", "all connectors",
    ]  # fmt: skip
    assert "2 connectors" in cells(client.fleet(["a", "b"]).list_events(**window))
    assert repr(client.list_events("c", since=1, until=2).details()).startswith("<Details of <EventStream of 'c'")


def test_connector_shows_what_people_know_it_by() -> None:
    """A connector shows its notes, its serial number and its heartbeat, and no licence key."""
    licences = {"license_key": "l1cense-98", "licences": [{"license_key": ["l1cense-97"]}]}
    device = Device(id="d1", serial_number="SN-7", extra=licences)
    connector = Connector(
        "c1", device=device, last_heartbeat="2026-03-01T07:00:00+01:00", last_updated="soon", notes="Hamburg",
        license_key="l1cense-99", extra=licences,
    )  # fmt: skip
    line = "<Connector 'c1' notes='Hamburg' serial_number='SN-7' last_heartbeat='2026-03-01T07:00:00+01:00'>"
    assert repr(connector) == line
    shown = cells(connector)
    assert shown[0] == "Connector"
    for name, text in [
        ("id", "c1"), ("notes", "Hamburg"), ("device.serial_number", "SN-7"),
        ("last_heartbeat", "2026-03-01 06:00:00 UTC"), ("last_updated", "soon"),
    ]:  # fmt: skip
        assert shown[shown.index(name) + 1] == text
    assert "l1cense" not in connector._repr_html_()
    assert repr(Connector("c2")) == "<Connector 'c2' last_heartbeat=None>"
    assert Connector("c2")._repr_html_()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T07:00:00.5+01:00", datetime(2026, 3, 1, 6, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-01T06:00:00Z", datetime(2026, 3, 1, 6, tzinfo=UTC)),
        *((text, None) for text in [None, "", "never", "2026-03-01T06:00:00", "9999-12-31T23:00:00-02:00", "24h"]),
    ],
)
def test_odd_times_of_a_connector_are_none_and_stay_as_text(text: str | None, moment: datetime | None) -> None:
    connector = Connector("c", last_heartbeat=text, last_updated=text)
    assert connector.last_heartbeat_at == connector.last_updated_at == moment
    assert connector.last_heartbeat == text


def test_fleet_and_follower_show_whom_they_read() -> None:
    client = Client(**CLIENT)
    assert repr(client.fleet()) == "<Fleet of all connectors of account a>"
    assert repr(client.fleet(["b", "c", "d", "e"])) == "<Fleet of 'b', 'c', 'd', and 1 more>"
    assert cells(client.fleet(["<b>", "c"]))[:5] == ["Fleet of '<b>', 'c'", "connector", "notes", *(
        "error of the last reading", "<b>",
    )]  # fmt: skip
    follower = client.follow_events("b", since=1_700_000_000)
    assert repr(follower) == "<Follower of 'b' since=1700000000, not read yet>"
    assert cells(follower)[0] == "Follower of 'b' since=1700000000, not read yet"


def test_plain_loop_and_await_get_advice(tmp_path: Path) -> None:
    """A plain loop, an index, next() and an await say how to read, and isinstance finds no iterable."""
    client, archive = Client(**CLIENT), Archive(tmp_path / "a.db")
    fleet, stream = client.fleet(["c"]), client.list_events("c", since=1)
    streams: list[Any] = [
        stream, stream.details(), fleet, fleet.list_events(since=1), client.follow_events(fleet),
        archive.list_events("c", since=1), archive.list_events("c", since=1).details(),
    ]  # fmt: skip
    ways: list[Callable[[Any], object]] = [list, next, lambda it: it[0], lambda it: it[:5], lambda it: it.__await__()]
    for value in streams:
        assert not isinstance(value, Iterable | Sized)
        assert bool(value)
        for way in ways:
            with pytest.raises(TypeError, match=rf"^{type(value).__name__} .*: use 'async for "):
                way(value)


@pytest.mark.parametrize("value", [listed(BEGIN), Page((listed(BEGIN),)), Client(**CLIENT).list_events("c", since=1)])
def test_no_colour_of_its_own_is_read_badly_on_dark_paper(value: Any) -> None:
    styles = re.findall(r"(?<!-)(?:color|background)[a-z-]*: ([^;\"]+)", value._repr_html_())
    assert {*styles} == {"inherit", "transparent"}

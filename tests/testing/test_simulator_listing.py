"""The simulator's listings, without HTTP: filters, orders, pages, cursors."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfevents.testing.backend import Backend, Refusal
from cfevents.testing.store import Bounds, Compare, Ending, Order, SimulatorSettings, Store, StoredEvent

SITE = "site-1"
EVENTS = [
    {"e": {"k": "ABC"[number % 3]}, "t": 1000 + number // 2, "n": number % 2, "a": 2000 - number}
    for number in range(40)
]
IDS = [(event["t"], event["n"]) for event in EVENTS]


def backend(**settings: Any) -> Backend:
    """Make a backend with forty events, two in each second."""
    store = Store()
    store.add(SITE, EVENTS)
    return Backend(SimulatorSettings(**settings), store)


def listed(page: dict[str, Any]) -> list[tuple[int, int]]:
    """List the ids on a page."""
    return [(item["t"], item["n"]) for item in page["items"]]


def pages(served: Backend, **query: str) -> list[dict[str, Any]]:
    """Follow the cursor to the end."""
    query = {"from": "0", "to": "9999"} | query
    result: list[dict[str, Any]] = []
    for _ in range(1000):
        result.append(json.loads(json.dumps(served.list_events(SITE, query))))
        cursor = result[-1].get("cursor")
        if not cursor:
            return result
        query["cursor"] = cursor
    raise AssertionError("the listing does not end")


def everything(served: Backend, **query: str) -> list[tuple[int, int]]:
    """List the ids on all pages."""
    return [event for page in pages(served, **query) for event in listed(page)]


@given(
    size=st.integers(1, 50),
    order=st.sampled_from(["ascending", "descending", "shuffled", "grouped"]),
    ending=st.sampled_from(["absent", "null", "empty"]),
    compare=st.sampled_from(["t", "a"]),
    empty_pages=st.integers(0, 3),
    seed=st.integers(),
)
def test_every_way_of_listing_gives_the_same_events_once(
    *, size: int, order: Order, ending: Ending, compare: Compare, empty_pages: int, seed: int
) -> None:
    served = backend(order=order, ending=ending, compare=compare, empty_pages=empty_pages, seed=seed)
    result = everything(served, limit=str(size))
    assert sorted(result) == IDS


@given(
    window=st.tuples(st.integers(995, 1025), st.integers(995, 1025)).map(sorted),
    bounds=st.sampled_from(["inclusive", "exclusive"]),
    kind=st.sampled_from([None, "A", "B", "unheard of"]),
    size=st.integers(1, 7),
)
def test_a_listing_has_what_is_within_its_bounds_and_of_its_kind(
    window: list[int], bounds: Bounds, kind: str | None, size: int
) -> None:
    first, last = window if bounds == "inclusive" else (window[0] + 1, window[1] - 1)
    expected = [
        (event["t"], event["n"])
        for event in EVENTS
        if first <= event["t"] <= last and kind in {None, event["e"]["k"]}  # type: ignore[operator,index]
    ]
    query = {"from": str(window[0]), "to": str(window[1]), "limit": str(size)}
    served = backend(bounds=bounds)
    assert everything(served, **query, **({} if kind is None else {"k": kind})) == expected


def test_bounds_can_compare_the_time_collected() -> None:
    """The bounds compare with the time collected if the setting says so."""
    query = {"from": "1995", "to": "2000"}
    assert everything(backend(compare="a"), **query) == IDS[:6]
    assert everything(backend(compare="a", bounds="exclusive"), **query) == IDS[1:5]
    assert everything(backend(compare="t"), **query) == []


def test_the_four_orders_are_what_they_are_called() -> None:
    assert everything(backend(order="ascending")) == IDS
    assert everything(backend(order="descending")) == IDS[::-1]
    assert everything(backend(order="grouped")) == [*IDS[::3], *IDS[1::3], *IDS[2::3]]
    shuffled = everything(backend(order="shuffled"))
    assert shuffled not in (IDS, IDS[::-1])
    assert shuffled == everything(backend(order="shuffled"), limit="3")
    assert shuffled != everything(backend(order="shuffled", seed=1))


def test_a_page_is_never_longer_than_the_largest_allowed() -> None:
    sizes = [len(page["items"]) for page in pages(backend(max_page_size=15), limit="1000")]
    assert sizes == [15, 15, 10]
    assert [len(page["items"]) for page in pages(backend(max_page_size=15))] == sizes
    assert all(page["count"] == len(page["items"]) for page in pages(backend(max_page_size=15)))


@pytest.mark.parametrize(("ending", "last"), [("absent", {}), ("null", {"cursor": None}), ("empty", {"cursor": ""})])
def test_last_page_spells_its_cursor_by_setting(ending: Ending, last: dict[str, Any]) -> None:
    """The last page spells its missing cursor by the setting."""
    *_, page = pages(backend(ending=ending), limit="20")
    assert {name: value for name, value in page.items() if name == "cursor"} == last


def test_empty_pages_with_a_cursor_come_before_every_page() -> None:
    listing = pages(backend(empty_pages=2), limit="20")
    assert [page["count"] for page in listing] == [0, 0, 20, 0, 0, 20]
    assert len({page["cursor"] for page in listing[:-1]}) == 5


def test_a_listing_of_nothing_has_its_empty_pages_too_and_ends() -> None:
    listing = pages(backend(empty_pages=3), k="unheard of")
    assert [page["count"] for page in listing] == [0, 0, 0, 0]


def test_cursors_hold_their_place_while_events_are_added() -> None:
    store = Store()
    store.add(SITE, EVENTS)
    served = Backend(SimulatorSettings(), store)
    query = {"from": "0", "to": "9999", "limit": "10"}
    first = served.list_events(SITE, query)
    new = [{"e": {"k": "Z"}, "t": t, "n": 0} for t in (5, 1003.5, 5000)]
    store.add(SITE, new)
    following = everything(served, limit="10", cursor=first["cursor"])
    assert following == [*IDS[10:], (5000, 0)]


def test_a_cursor_works_only_where_it_came_from() -> None:
    served = backend()
    query = {"from": "0", "to": "9999", "limit": "10", "k": "A"}
    cursor = served.list_events(SITE, query)["cursor"]
    assert served.list_events(SITE, query | {"cursor": cursor, "from": "0.0", "limit": "3"})["count"] == 3
    for other in ({"from": "1"}, {"to": "9998"}, {"k": "B"}):
        with pytest.raises(Refusal, match="cursor"):
            served.list_events(SITE, query | {"cursor": cursor} | other)


def test_a_cursor_of_another_order_is_refused() -> None:
    settings = SimulatorSettings()
    store = Store()
    store.add(SITE, EVENTS)
    served = Backend(settings, store)
    query = {"from": "0", "to": "9999", "limit": "10"}
    cursor = served.list_events(SITE, query)["cursor"]
    settings.order = "grouped"
    with pytest.raises(Refusal, match="cursor"):
        served.list_events(SITE, query | {"cursor": cursor})


@given(data=st.data())
def test_a_cursor_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    served = backend()
    query = {"from": "0", "to": "9999", "limit": "10"}
    cursor = served.list_events(SITE, query)["cursor"]
    place = data.draw(st.integers(0, len(cursor) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda other: other != cursor[place]))
    with pytest.raises(Refusal, match="cursor"):
        served.list_events(SITE, query | {"cursor": cursor[:place] + character + cursor[place + 1 :]})


def test_another_spelling_of_the_same_cursor_is_refused() -> None:
    served = backend()
    query = {"from": "0", "to": "9999"}
    cursors = [served.list_events(SITE, query | {"limit": str(limit)})["cursor"] for limit in range(1, 39)]
    (padded, *_) = [cursor for cursor in cursors if cursor.endswith("=")]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = padded.rstrip("=")
    twin = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + padded[len(body) :]
    assert base64.b64decode(twin[4:]) == base64.b64decode(padded[4:])
    with pytest.raises(Refusal, match="cursor"):
        served.list_events(SITE, query | {"cursor": twin})


def test_cursors_have_characters_that_a_query_must_quote() -> None:
    cursors = [page["cursor"] for page in pages(backend(), limit="1")[:-1]]
    assert all({"+", "&", "/"} <= set(cursor) for cursor in cursors)


@given(kind=st.text(min_size=1))
def test_any_kind_can_be_listed_grouped_and_filtered(kind: str) -> None:
    store = Store()
    store.add(SITE, ({"e": {"k": kind}, "t": t, "n": 0} for t in range(5)))
    served = Backend(SimulatorSettings(order="grouped", max_page_size=2), store)
    assert everything(served, k=kind) == [(t, 0) for t in range(5)]


def counting_sorts(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by a connector's id whenever its events are read for sorting."""
    read: list[str] = []
    original = store.events

    def counted(name: str) -> list[StoredEvent]:
        read.append(name)
        return original(name)

    monkeypatch.setattr(store, "events", counted)
    return read


def test_pages_of_a_long_listing_do_not_sort_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.add(SITE, ({"e": {"k": "A"}, "t": t, "n": 0} for t in range(3000)))
    read = counting_sorts(store, monkeypatch)
    assert len(everything(Backend(SimulatorSettings(order="shuffled"), store))) == 3000
    assert read == [SITE]


def test_listings_that_are_long_unused_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.add(SITE, EVENTS)
    served, read = Backend(SimulatorSettings(), store), counting_sorts(store, monkeypatch)
    for end in range(40):
        served.list_events(SITE, {"from": "0", "to": str(end)})
    for end in range(39, -1, -1):
        served.list_events(SITE, {"from": "0", "to": str(end)})
    assert len(read) == 40 + 24

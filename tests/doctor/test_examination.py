"""What an examination finds, over real connections: every setting of the simulator, and servers of other habits."""

import re
import time
from functools import cache
from itertools import product
from typing import Any

import pytest
from aiohttp import web
from support.scripted import Reply, ScriptedAPI, failure, item, page, success

from cfevents import Budget, Client, ConfigurationError
from cfevents.doctor import DoctorReport, examine
from cfevents.testing import History, Simulator, faults

ORDERS: dict[str, tuple[str, set[str | None]]] = {
    "ascending": ("ascending", {"t and n"}),
    "descending": ("descending", {"t and n"}),
    "shuffled": ("none", {None}),
    "grouped": ("ascending", {"kind"}),
}
BOUNDS = ("inclusive", "exclusive")
ENDINGS = ("absent", "null", "empty")
CAPS = {10: 10, 100: 100, 2000: None}
NOW = 1_780_000_000
RULES = [*product("ta", BOUNDS, BOUNDS)]


@cache
def history(seed: int) -> History:
    return History(seed=seed, connectors=["site-1"], days=3, until=NOW)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfevents._time.now", lambda: NOW)


async def examined(api: "Simulator | ScriptedAPI", connector_id: str | None = None, **how: Any) -> DoctorReport:
    """Examine a running API, by at most twelve requests."""
    before = len(api.requests)
    async with Client(**api.client_options, **how) as client:
        report = await examine(client, connector_id)
    assert report.requests == len(api.requests) - before <= 12
    return report


def answers(report: DoctorReport) -> dict[str, Any]:
    """What was found of the API's habits."""
    names = ("window", "from", "to")
    inferred = {name: report[name].values["is"] for name in names}
    inferred |= {"order": report["order"].values["direction"], "by": report["order"].values["by"]}
    inferred |= {"ending": report["ending"].values["spelled"], "empties": report["empty pages"].values["in_a_row"]}
    return inferred | {
        "cap": report["page size"].values["largest"],
        "default": report["default size"].values["default"],
    }


def check_settings(report: DoctorReport, simulator: Simulator) -> None:
    """Compare what was found with what is set."""
    inferred = answers(report)
    direction, keys = ORDERS[simulator.order]
    assert inferred["order"] == direction
    # Some pages have the same order by both times: that is said, and not guessed.
    assert inferred["by"] in keys or (inferred["by"] is None and "in order by both" in report["order"].found)
    assert inferred["window"] == simulator.compare
    assert inferred["from"] == inferred["to"] == simulator.bounds
    assert inferred["ending"] == simulator.ending
    assert inferred["cap"] == CAPS[simulator.max_page_size]
    assert inferred["empties"] == simulator.empty_pages
    assert report["assumptions"].verdict == "ok"
    assert not report.failed


@pytest.mark.once
@pytest.mark.parametrize(("third", "order"), [*enumerate(ORDERS)])
async def test_combinations_of_settings_are_told_apart(order: Any, third: int) -> None:
    combinations = [*product(CAPS, ENDINGS, BOUNDS, "ta")][third % 3 :: 3]
    for seed, (cap, ending, bounds, compare) in enumerate(combinations):
        settings: Any = {"bounds": bounds, "compare": compare, "ending": ending, "max_page_size": cap}
        async with Simulator(history=history(seed % 3), order=order, seed=seed, **settings) as simulator:
            report = await examined(simulator)
        check_settings(report, simulator)
        # It is asked for last.
        assert answers(report)["default"] in ({cap} if report.requests < 12 and cap < 2000 else {cap, None})


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"order": "descending"},
        {"order": "shuffled"},
        {"order": "grouped"},
        {"bounds": "exclusive"},
        {"compare": "a"},
        {"ending": "null"},
        {"ending": "empty"},
        {"max_page_size": 10},
        {"max_page_size": 2000},
        {"empty_pages": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [3, 4])
async def test_each_setting_is_told_apart(setting: dict[str, Any], seed: int) -> None:
    async with Simulator(history=history(seed), seed=seed, **setting) as simulator:
        check_settings(await examined(simulator), simulator)


@pytest.mark.parametrize(
    ("setting", "cap", "empties"),
    [({"empty_pages": 3}, 100, 3), ({"empty_pages": 20}, None, 11), ({"max_page_size": 1}, 1, 0)],
    ids=str,
)
@pytest.mark.parametrize("order", ["ascending", "shuffled"])
async def test_what_requests_do_not_show_is_unknown(
    setting: dict[str, int], cap: int | None, empties: int, order: Any
) -> None:
    """What twelve requests do not show is unknown, and never guessed."""
    truth: dict[str, Any] = {"window": "a", "from": "exclusive", "to": "exclusive", "ending": "null"}
    truth |= {"order": order, "by": "t and n"} if order == "ascending" else {"order": "none"}
    truth |= {"cap": cap, "default": cap, "empties": empties}
    settings: Any = {"order": order, "compare": "a", "bounds": "exclusive", "ending": "null", **setting}
    async with Simulator(history=history(5), **settings) as simulator:
        report = await examined(simulator)
    inferred = {name: value for name, value in answers(report).items() if value is not None}
    assert inferred == {name: truth[name] for name in inferred}
    assert "unknown" in {check.verdict for check in report.checks}
    assert report["assumptions"].verdict != "failed"
    assert not report.failed


class Listings:
    """A server of events that lists by a rule of its own, page by page."""

    def __init__(self, rule: tuple[str, str, str] = ("t", "inclusive", "inclusive"), *, bare_end: bool = False) -> None:
        self.clock, self.lower, self.upper = rule
        self.bare_end = bare_end
        self.loses, self.most = -1, 5000
        self.events = [
            item(NOW - 4000 + 40 * n, n % 3, k=("Init", "Leave")[n % 2], a=NOW - 3990 + 43 * n) for n in range(40)
        ]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rpartition("/")[2]
        if path == "connectors":
            return await success([{"id": "site-1"}])(request)
        if path == "latest":
            return await success({"count": 0, "items": []})(request)
        if path != "events":
            event = next(event for event in self.events if f"{event['t']}.{event['n']}" == path)
            return await success({"e": {"k": event["k"]}, "t": event["t"], "n": event["n"]})(request)
        return await self._page(request)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if int(request.query.get("limit", 0)) > self.most:
            return await failure(400, 1001, "limit: too large")(request)
        since, until = int(request.query["from"]), int(request.query["to"])
        listed = [event for event in self.events if self._takes(event[self.clock], since, until)]
        if until - since < 4000:
            listed = [event for event in listed if self.events.index(event) != self.loses]
        first = int(request.query.get("cursor", 0))
        after = first + min(int(request.query.get("limit", 15)), 15)
        more = after <= len(listed) if self.bare_end else after < len(listed)
        return await page(*listed[first:after], cursor=str(after) if more else None)(request)

    def _takes(self, time: int, since: int, until: int) -> bool:
        return (
            since < time < until
            or (time == since and self.lower == "inclusive")
            or (time == until and self.upper == "inclusive")
        )


@pytest.mark.parametrize("rule", RULES)
async def test_each_bound_is_told_by_itself(rule: tuple[str, str, str]) -> None:
    async with ScriptedAPI(Listings(rule)) as api:
        report = await examined(api)
    inferred = answers(report)
    assert (inferred["window"], inferred["from"], inferred["to"]) == rule


async def test_empty_last_page_is_reported() -> None:
    """An empty page after the last events is reported."""
    async with ScriptedAPI(Listings(bare_end=True)) as api:
        report = await examined(api)
    assert report["ending"].values == {"spelled": "null", "empty": True}
    assert "empty, after the page with the last events" in report["ending"].found


async def test_event_missing_in_narrow_window_is_a_failure() -> None:
    """An event that a narrower window does not have is a failure."""
    listings = Listings()
    async with ScriptedAPI(listings) as api:
        report = await examined(api)
        while report["assumptions"].verdict != "failed":
            listings.loses += 1
            report = await examined(api)
    assert report["window"].values == {"is": None}
    assert report["assumptions"].values["windows"] is False
    assert "a short window lists the same events" in report["assumptions"].found
    assert report.failed


async def test_quiet_connector_leaves_behaviour_unknown() -> None:
    """Without events, everything that events would show is unknown."""
    async with Simulator(events={"site-1": [], "site-2": []}) as simulator:
        report = await examined(simulator)
    assert {check.verdict for check in report.checks if check.name in ("order", "window", "from", "to", "times")} == {
        "unknown"
    }
    assert "no event of the last 30 days" in report["order"].found
    assert report["listing"].verdict == "ok"
    assert not report.failed


async def test_an_account_without_connectors_is_a_warning() -> None:
    async with Simulator(events={}) as simulator:
        report = await examined(simulator)
    assert report["connectors"].verdict == "warning"
    assert "there is no connector" in report["listing"].found
    assert not report.failed


async def test_last_heartbeat_is_examined_first() -> None:
    """The connector with the last heartbeat is examined, and others where it has no events."""
    events = {"silent": [], "loud": history(1).events["site-1"]}
    connectors = [
        {"id": "loud", "last_heartbeat": "2026-01-01T00:00:00Z"},
        {"id": "silent", "last_heartbeat": "2026-05-01"},
    ]
    async with Simulator(events=events, connectors=connectors) as simulator:
        report = await examined(simulator)
        requested = [request.path.split("/")[7] for request in simulator.requests[1:]]
    assert requested[0] == "silent"
    assert set(requested[1:]) == {"loud"}
    assert "loud was examined" in report["connectors"].found


async def test_a_connector_that_is_not_of_the_account_is_a_failure() -> None:
    async with Simulator(history=history(1)) as simulator:
        report = await examined(simulator, "nobody")
    assert report["connectors"].verdict == report["listing"].verdict == "failed"
    assert report["listing"].values == {"trouble": "not found"}


async def test_wrong_id_is_an_error_before_anything_is_sent() -> None:
    """An id that is not one segment of a path is an error before anything is sent."""
    async with Simulator(history=history(1)) as simulator:
        with pytest.raises(ValueError, match="not one segment"):
            await examined(simulator, "a/b")
        assert simulator.requests == []


async def test_a_client_that_is_not_open_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="is not open"):
        await examine(Client(api_token="arg-token-33bb", account_id="a"))


async def test_equal_times_leave_the_compared_one_open() -> None:
    """Where both times of each event are the same, it stays open which one is compared."""
    events = [{"e": {"k": "Init"}, "t": NOW - 900 * n, "n": 0} for n in range(12)]
    async with Simulator(events={"site-1": events}, bounds="exclusive") as simulator:
        report = await examined(simulator)
    assert "t and a are the same" in report["window"].found
    assert answers(report)["from"] == answers(report)["to"] == "exclusive"
    assert "in order by time, and by kind" in report["order"].found


async def test_fractional_times_and_late_events_are_warnings() -> None:
    events = [{"e": {"k": "Init"}, "t": NOW - 100.5 * n, "n": 0, "a": NOW + 90_000 * (n == 3)} for n in range(1, 9)]
    async with Simulator(events={"site-1": events}) as simulator:
        report = await examined(simulator)
    assert report["times"].verdict == report["lateness"].verdict == "warning"
    assert report["times"].found == "t is fractional in 4 of 8 events"
    assert report["lateness"].values["longest_seconds"] > 90_000


@pytest.mark.parametrize("seconds", [-3600, -30, 0, 30, 86400 * 400])
async def test_the_clock_is_compared_with_the_servers(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedAPI(
        Reply({"result": [], "success": True}, headers={"Date": "Thu, 28 May 2026 20:26:40 GMT"})
    ) as api:
        monkeypatch.setattr("cfevents._time.now", lambda: NOW + seconds)
        check = (await examined(api))["clock"]
    assert check.verdict == ("warning" if seconds else "ok")
    assert abs(check.values["ahead_seconds"] - seconds) <= 1
    if seconds:
        assert ("ahead of" if seconds > 0 else "behind") in check.found
        assert "NTP" in str(check.advice)


async def test_clock_that_was_never_set_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this machine's clock shows 1970, the last 30 days are those before the API's time."""
    monkeypatch.setattr("cfevents._time.now", lambda: 300.0)
    async with Simulator(events={"site-1": []}) as simulator:
        await examined(simulator)
        since, until = (int(simulator.requests[1].query[name]) for name in ("from", "to"))
    assert until - since == 30 * 86_400 + 1
    assert abs(until - time.time()) < 60


async def test_budget_shows_headers_and_client() -> None:
    """The budget is reported as the headers and the client have it."""
    async with Simulator(history=history(1)) as simulator:
        check = (await examined(simulator))["budget"]
        assert check.verdict == "ok"
        assert check.values["policies"] == {"default": {"requests": 1200, "period": 300}}
        assert check.values["remainders"]["default"]["requests"] == 1200 - len(simulator.requests)
        assert check.values["left"] == 1080 - len(simulator.requests)
        simulator.faults.add(faults.headers({"Ratelimit": None}))
        assert "no Ratelimit header" in (await examined(simulator))["budget"].found
        simulator.faults.clear()
        simulator.faults.add(faults.headers({"Ratelimit": '"default";r=200;t=30'}))
        assert (await examined(simulator))["budget"].verdict == "warning"


async def test_empty_budget_ends_the_examination() -> None:
    """Where the budget has no room, nothing more is sent."""
    async with Simulator(history=history(1)) as simulator:
        report = await examined(simulator, budget=Budget(requests=3, period=300, share=1))
    assert report.requests == 3
    assert "the request budget has no room" in report["window"].found
    assert report["connection"].verdict == report["listing"].verdict == report["event"].verdict == "ok"


async def test_a_cursor_that_comes_again_is_a_failure() -> None:
    async with Simulator(history=history(1), max_page_size=3) as simulator:
        simulator.faults.add(faults.cursor_cycle(1))
        report = await examined(simulator)
    assert report["assumptions"].values["cursors"] is False
    assert report.failed


async def test_a_limit_that_is_not_kept_is_a_warning() -> None:
    events = [item(NOW - 100 * n, k="AB"[n % 2]) for n in range(20)]
    async with ScriptedAPI(
        success([{"id": "site-1"}]), page(*events), Reply(status=404), Reply(status=404), page(*events)
    ) as api:
        report = await examined(api)
    assert report["page size"].verdict == "warning"
    assert report["page size"].values["kept"] is False


async def test_refused_limit_is_reported_and_left_out() -> None:
    """A limit that the API refuses is reported, and the listing does without."""
    listings = Listings()
    listings.most = 500
    async with ScriptedAPI(listings) as api:
        report = await examined(api)
    assert report["listing"].verdict == "ok"
    assert re.match("15 .* 1,000 is refused", report["page size"].found)
    assert report["default size"].values == {"default": 15}
    assert answers(report)["order"] == "ascending"
    assert not report.failed


async def test_failure_while_measuring_has_its_own_line() -> None:
    """A request that fails while behaviour is measured has a line of its own."""
    async with Simulator(history=history(1)) as simulator:
        simulator.faults.add(faults.status(500), path="/events", on={2, 3, 4, 5, 6, 7})
        report = await examined(simulator)
    assert report["measuring"].values == {"trouble": "server"}
    assert "an earlier request failed" in report["window"].found
    assert report["listing"].verdict == "ok"
    assert report.failed


async def test_shared_id_and_wrong_event_are_failures() -> None:
    """Two events with one id, and another event than the requested one, are failures."""
    events = [item(NOW - 100), item(NOW - 100, k="Leave")]
    other = success({"e": {"k": "Leave"}, "t": NOW - 7, "n": 0})
    async with ScriptedAPI(
        success([{"id": "site-1"}]), page(*events), other, success({"items": []}), page(*events)
    ) as api:
        report = await examined(api)
    assert report["event"].verdict == "failed"
    assert report["assumptions"].values["ids"] is report["assumptions"].values["paths"] is False


async def test_events_that_neighbouring_pages_share_hide_nothing() -> None:
    async with Simulator(history=history(1), max_page_size=5) as simulator:
        simulator.faults.add(faults.overlap(2))
        report = await examined(simulator)
    assert answers(report)["order"] == "ascending"
    assert not report.failed

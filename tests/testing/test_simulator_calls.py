"""The simulator over HTTP: what each call answers, and how it refuses."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from attrs import frozen
from yarl import URL

from cfevents.testing import AskedRequest, Simulator

SITE = "site-1"
INIT = {"e": {"k": "Init"}, "t": 1700000000, "n": 0, "a": 1700000003, "v": "1.2.3"}
UPGRADE = {"e": {"k": "StartUpgrade", "url": "https://x.test/b", "more": [1, None]}, "t": 1700000060, "n": 0}
NOVEL = {"e": {"k": "Something.New"}, "t": 1700000060.0, "n": 1.0, "site": {"floor": 3}}
WINDOW = {"from": "1700000000", "to": "1700000100"}


@frozen
class Answer:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def result(self) -> Any:
        """The result of a success, with the documented envelope checked."""
        assert self.status == 200
        document = self.document
        assert document == {"result": document["result"], "success": True, "errors": [], "messages": []}
        return document["result"]

    @property
    def error(self) -> dict[str, Any]:
        """The one coded message of a failure, with the documented envelope checked."""
        assert self.headers["Content-Type"].startswith("application/json")
        document = self.document
        assert document == {"result": None, "success": False, "errors": document["errors"], "messages": []}
        (error,) = document["errors"]
        assert set(error) == {"code", "message"}
        message: dict[str, Any] = error
        return message


@frozen
class Asker:
    """Asks a running simulator."""

    simulator: Simulator
    session: aiohttp.ClientSession

    async def __call__(
        self,
        path: str,
        query: Mapping[str, str] | str = "",
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        account: str | None = None,
    ) -> Answer:
        """Ask for a path under the account's connectors."""
        base = f"{self.simulator.base_url}/accounts/{account or self.simulator.account_id}/magic/connectors"
        url = URL(base + path, encoded=True)
        url = URL(f"{url}?{query}", encoded=True) if isinstance(query, str) else url.with_query(query)
        if headers is None:
            headers = {"Authorization": f"Bearer {self.simulator.api_token}"}
        async with self.session.request(method, url, headers=headers) as response:
            return Answer(response.status, response.headers, await response.text())


@pytest.fixture
async def ask() -> AsyncIterator[Asker]:
    """Run a simulator with three events."""
    simulator = Simulator(events={SITE: [INIT, UPGRADE, NOVEL], "site-2": []})
    async with simulator, aiohttp.ClientSession() as session:
        yield Asker(simulator, session)


EVENTS = f"/{SITE}/telemetry/events"


async def test_a_listing_has_the_documented_items_and_their_count(ask: Asker) -> None:
    result = (await ask(EVENTS, WINDOW)).result
    assert result == {
        "count": 3,
        "items": [
            {"a": 1700000003, "k": "Init", "n": 0, "t": 1700000000},
            {"a": 1700000060, "k": "StartUpgrade", "n": 0, "t": 1700000060},
            {"a": 1700000060, "k": "Something.New", "n": 1, "t": 1700000060, "site": {"floor": 3}},
        ],
    }


async def test_numbers_are_spelled_as_they_were_given(ask: Asker) -> None:
    text = (await ask(EVENTS, WINDOW)).text
    assert '"t": 1700000060.0' in text
    assert '"n": 1.0' in text
    assert '"t": 1700000000}' in text


async def test_event_is_found_by_its_canonical_id(ask: Asker) -> None:
    """An event is found under its canonical id, with its payload kept."""
    assert (await ask(EVENTS + "/1700000000.0")).result == {
        "e": {"k": "Init"}, "n": 0, "t": 1700000000, "v": "1.2.3",
    }  # fmt: skip
    assert (await ask(EVENTS + "/1700000060.0")).result == {
        "e": UPGRADE["e"], "n": 0, "t": 1700000060,
    }  # fmt: skip
    spelled_with_floats = await ask(EVENTS + "/1700000060.1")
    assert spelled_with_floats.result == {
        "e": {"k": "Something.New"}, "n": 1, "t": 1700000060, "site": {"floor": 3},
    }  # fmt: skip
    assert '"t": 1700000060.0' in spelled_with_floats.text


async def test_latest_gives_the_last_ten_recorded_newest_first(ask: Asker) -> None:
    ask.simulator.add(SITE, *({"e": {"k": "Reconcile"}, "t": 1699990000 + i, "n": 0} for i in range(20)))
    result = (await ask(EVENTS + "/latest")).result
    assert result["count"] == 10
    assert [(item["t"], item["n"]) for item in result["items"][:4]] == [
        (1700000060, 1), (1700000060, 0), (1700000000, 0), (1699990019, 0),
    ]  # fmt: skip
    assert result["items"][2] == {"e": {"k": "Init"}, "n": 0, "t": 1700000000, "v": "1.2.3"}


async def test_latest_of_a_silent_connector_is_empty(ask: Asker) -> None:
    assert (await ask("/site-2/telemetry/events/latest")).result == {"count": 0, "items": []}


async def test_connectors_are_generated_from_their_ids(ask: Asker) -> None:
    first, second = (await ask("")).result
    assert (first["id"], second["id"]) == (SITE, "site-2")
    assert first["last_seen_version"] == "1.2.3"
    assert first["last_heartbeat"] == "2023-11-14T22:14:20Z"
    assert set(second["device"]) == {"id", "serial_number"}
    assert (await ask("")).result == [first, second]


async def test_given_connectors_are_served_as_they_are() -> None:
    connectors = [{"id": "bare", "anything": None}]
    async with Simulator(events={}, connectors=connectors) as simulator, aiohttp.ClientSession() as session:
        ask = Asker(simulator, session)
        assert (await ask("")).result == connectors
        assert (await ask("/bare/telemetry/events", WINDOW)).result == {"count": 0, "items": []}


async def test_interrupts_can_be_ordered_while_it_is_served(ask: Asker) -> None:
    path = f"/{SITE}/interrupts"
    assert (await ask(path)).result == []
    order = {"reboot": {"purge": False}, "submitted_at": "2026-07-12T06:00:00Z"}
    ask.simulator.interrupts[SITE] = [order]
    assert (await ask(path)).result == [order]
    order["triggered_at"] = "2026-07-12T06:00:10Z"
    assert (await ask(path)).result == [order]
    assert (await ask("/nobody/interrupts")).status == 404


async def test_events_can_be_added_while_it_is_served(ask: Asker) -> None:
    await ask(EVENTS, WINDOW)
    ask.simulator.add(SITE, {"e": {"k": "Leave"}, "t": 1700000099, "n": 0})
    ask.simulator.add("site-3", {"e": {"k": "Leave"}, "t": 1700000099, "n": 0})
    assert (await ask(EVENTS, WINDOW)).result["count"] == 4
    assert (await ask("/site-3/telemetry/events", WINDOW)).result["count"] == 1


async def test_requests_are_remembered_without_headers(ask: Asker) -> None:
    await ask(EVENTS, WINDOW | {"k": "a+b &"})
    path = f"/client/v4/accounts/{ask.simulator.account_id}/magic/connectors/site-1/telemetry/events"
    assert ask.simulator.requests == [AskedRequest("GET", path, WINDOW | {"k": "a+b &"})]
    assert ask.simulator.api_token not in repr(ask.simulator.requests)


async def test_of_a_parameter_given_twice_the_last_is_remembered(ask: Asker) -> None:
    await ask(EVENTS, "from=1&to=2&from=3")
    assert ask.simulator.requests[0].query == {"from": "3", "to": "2"}


async def test_every_answer_has_a_ray_and_counts_down_the_rate_limit(ask: Asker) -> None:
    answers = [await ask(EVENTS, WINDOW), await ask("/nowhere/at/all"), await ask("", headers={})]
    assert len({answer.headers["CF-Ray"] for answer in answers}) == 3
    assert {answer.headers["Ratelimit-Policy"] for answer in answers} == {'"default";q=1200;w=300'}
    assert [answer.headers["Ratelimit"].split(";")[:2] for answer in answers] == [
        ['"default"', "r=1199"], ['"default"', "r=1198"], ['"default"', "r=1197"],
    ]  # fmt: skip


async def test_either_scheme_of_credentials_is_enough(ask: Asker) -> None:
    simulator = ask.simulator
    both = {"X-Auth-Email": simulator.api_email, "X-Auth-Key": simulator.api_key}
    assert (await ask("", headers=both)).status == 200
    simulator.api_token = "rotated"
    assert (await ask("", headers={"Authorization": "Bearer rotated"})).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, 10000),
        ({"Authorization": "Bearer wrong"}, 401, 10000),
        ({"Authorization": "Bearer wröng"}, 401, 10000),
        ({"Authorization": "simulated-token-0123456789abcdef"}, 401, 10000),
        ({"X-Auth-Email": "nobody@example.com"}, 403, 9103),
        ({"X-Auth-Email": "nobody@example.com", "X-Auth-Key": "wrong"}, 403, 9103),
        ({"X-Auth-Email": "other@example.com", "X-Auth-Key": "simulated-key-0123456789abcdef"}, 403, 9103),
    ],
)
async def test_wrong_credentials_are_refused(ask: Asker, headers: dict[str, str], status: int, code: int) -> None:
    answer = await ask(EVENTS, WINDOW, headers=headers)
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize(
    "path",
    [
        "/elsewhere/telemetry/events?from=1&to=2",
        "/elsewhere/telemetry/events/latest",
        "/elsewhere/telemetry/events/1700000000.0",
        EVENTS + "/1700000000.7",
        "/a%2Fb/telemetry/events/latest",
    ],
)
async def test_what_does_not_exist_is_not_found(ask: Asker, path: str) -> None:
    answer = await ask(*path.partition("?")[::2])
    assert (answer.status, answer.error["code"]) == (404, 1404)


async def test_another_account_is_not_found(ask: Asker) -> None:
    answer = await ask("", account="f" * 32)
    assert (answer.status, answer.error["message"]) == (404, "account not found")


async def test_an_unknown_route_says_so(ask: Asker) -> None:
    answer = await ask("/site-1/telemetry/metrics")
    assert (answer.status, answer.error["code"]) == (404, 7003)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_other_methods_are_refused(ask: Asker, method: str) -> None:
    answer = await ask(EVENTS, method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"
    assert "not allowed" in answer.error["message"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("to=2", "from"),
        ("from=1", "to"),
        ("from=&to=2", "from"),
        ("from=nan&to=2", "from"),
        ("from=1&to=inf", "to"),
        ("from=1&to=1e999", "to"),
        ("from=1&to=2024-01-01", "to"),
        ("from=3&to=2", "from"),
        ("from=1&to=2&limit=0", "limit"),
        ("from=1&to=2&limit=-1", "limit"),
        ("from=1&to=2&limit=1.5", "limit"),
        ("from=1&to=2&limit=many", "limit"),
        ("from=1&from=1&to=2", "from"),
        ("from=1&to=2&k=Init&k=Leave", "k"),
        ("from=1&to=2&cursor=", "cursor"),
        ("from=1&to=2&cursor=unknown", "cursor"),
        ("from=1&to=2&cursor=1%2B%26%2F!", "cursor"),
        ("from=1&to=2&cursor=1%2B%26%2FAAAA", "cursor"),
    ],
)
async def test_a_malformed_query_is_refused_by_name(ask: Asker, query: str, named: str) -> None:
    answer = await ask(EVENTS, query)
    assert answer.status == 400
    assert answer.error["message"].startswith(f"{named}: ")


@pytest.mark.parametrize("event_id", ["1700000000", "1700000000.0.3.0", "a.b", "--1.0", "1.", "1.0%20"])
async def test_a_malformed_event_id_is_refused(ask: Asker, event_id: str) -> None:
    answer = await ask(f"{EVENTS}/{event_id}")
    assert answer.status == 400
    assert answer.error["message"].startswith("event: ")


async def test_bounds_may_be_fractional_or_spelled_otherwise(ask: Asker) -> None:
    result = (await ask(EVENTS, {"from": "1.7e9", "to": "1700000059.5"})).result
    assert [item["k"] for item in result["items"]] == ["Init"]


async def test_a_cursor_pasted_into_a_url_unquoted_is_refused(ask: Asker) -> None:
    first = (await ask(EVENTS, WINDOW | {"limit": "1"})).result
    pasted = await ask(EVENTS, f"from=1700000000&to=1700000100&limit=1&cursor={first['cursor']}")
    assert pasted.status == 400
    assert (await ask(EVENTS, WINDOW | {"limit": "1", "cursor": first["cursor"]})).result["count"] == 1


async def test_a_line_as_long_as_a_long_cursor_needs_is_read(ask: Asker) -> None:
    answer = await ask(EVENTS, WINDOW | {"cursor": "x" * 30_000})
    assert answer.status == 400
    assert answer.error["message"].startswith("cursor: ")


@pytest.mark.parametrize(
    "settings", [{"interrupts": 5}, {"interrupts": {"c": 5}}, {"interrupts": {"c": ["x"]}}, {"connectors": 5}]
)
def test_settings_of_a_wrong_type_are_refused_at_once(settings: Any) -> None:
    """What would be answered with status 500 is refused when the simulator is made."""
    with pytest.raises(ValueError, match=f"^{next(iter(settings))} must be "):
        Simulator(events={}, **settings)

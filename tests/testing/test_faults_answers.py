"""Faults of the status, the envelope and the paging: that what is to arrive wrong arrives wrong."""

import json
from typing import Any

import aiohttp
import pytest
from testing.raw import EVENTS, LISTING, SITE, START, ask, made, struck
from yarl import URL

from cfevents.testing import Simulator, faults
from cfevents.testing.faults import ABSENT, Fault


@pytest.mark.parametrize("number", [400, 401, 408, 425, 429, 500, 502, 503, 504, *range(520, 527), 530])
async def test_any_status_comes_with_an_envelope_a_web_page_or_nothing(number: int) -> None:
    _, heard = await struck(faults.status(number))
    assert heard.status == number
    code = 10100 if number == 429 else 1000
    assert heard.document["errors"] == [{"code": code, "message": "simulated"}]
    assert heard.headers["content-type"] == "application/json"
    _, heard = await struck(faults.status(number, "html"))
    assert (heard.status, heard.headers["content-type"]) == (number, "text/html; charset=utf-8")
    assert heard.body.startswith(b"<!DOCTYPE html>")
    _, heard = await struck(faults.status(number, "nothing"))
    assert (heard.status, heard.body) == (number, b"")
    assert "cf-ray" in heard.headers


async def test_an_envelope_has_the_code_that_is_wanted() -> None:
    _, heard = await struck(faults.status(429, code=971, message="slower"))
    assert heard.document["errors"] == [{"code": 971, "message": "slower"}]


@pytest.mark.parametrize(("number", "code"), [(403, 1020), (429, 1015), (502, 502), (530, 530)])
async def test_edge_answers_by_a_document_or_a_line(number: int, code: int) -> None:
    """The edge's own errors are RFC 9457 documents, or one line of text."""
    _, heard = await struck(faults.status(number, "problem", retry_after=30, message="Simulated"))
    document = heard.document
    assert (heard.status, heard.headers["retry-after"]) == (number, "30")
    assert (document["status"], document["error_code"], document["retry_after"]) == (number, code, 30)
    assert (document["title"], document["retryable"]) == (f"Error {code}: Simulated", True)
    assert not {"success", "errors", "result"} & document.keys()
    _, heard = await struck(faults.status(number, "text"))
    assert (heard.status, heard.body) == (number, b"error code: %d" % code)
    _, heard = await struck(faults.status(number, "problem", code=1004))
    assert (heard.document["error_code"], heard.document["retryable"]) == (1004, False)


@pytest.mark.parametrize(
    ("reason", "status", "code", "chain"),
    [("malformed", 400, 6003, [6111]), ("unknown", 403, 9109, []), ("rolled", 403, 10000, [])],
)
async def test_wrong_token_is_refused_as_the_api_does(reason: Any, status: int, code: int, chain: list[int]) -> None:
    _, heard = await struck(faults.wrong_token(reason))
    (error,) = heard.document["errors"]
    assert (heard.status, error["code"], heard.document["success"]) == (status, code, False)
    assert [reason["code"] for reason in error.get("error_chain", [])] == chain


def test_reason_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="reason must be one of 'malformed', 'unknown', 'rolled', not 'old'"):
        faults.wrong_token("old")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_filling_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"body must be one of 'envelope', .*'text', not 'xml'"):
        faults.status(500, "xml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("value", [0, 1, 300, 1.5, "Wed, 21 Oct 2026 07:28:00 GMT", "soon", ""])
async def test_a_wait_is_asked_for_in_any_words(value: Any) -> None:
    _, heard = await struck(faults.status(429, retry_after=value))
    assert heard.headers["retry-after"].strip() == str(value)


async def test_headers_can_be_changed_or_left_out() -> None:
    _, heard = await struck(faults.status(429, changes={"Ratelimit": None, "CF-Ray": "x"}))
    assert not {"ratelimit", "retry-after"} & set(heard.headers)
    assert heard.headers["cf-ray"] == "x"
    true, heard = await struck(faults.headers({"Ratelimit": "nonsense", "ratelimit-policy": None}))
    assert (heard.headers["ratelimit"], heard.document) == ("nonsense", true.document)
    assert "ratelimit-policy" not in heard.headers


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
async def test_redirect_names_its_target(number: int) -> None:
    """A redirect has the location that was given, with the path filled in."""
    _, heard = await struck(faults.redirect("http://127.0.0.2:1{path}", number))
    assert heard.status == number
    location = URL(heard.headers["location"])
    assert (location.host, location.port) == ("127.0.0.2", 1)
    assert (location.path.endswith(EVENTS), location.query["from"]) == (True, str(START))


ENVELOPES = [
    ({"success": False}, {"success": False}),
    ({"result": None}, {"result": None}),
    ({"errors": None}, {"errors": None}),
    ({"errors": ["text"]}, {"errors": ["text"]}),
    ({"errors": [{"code": 1, "message": "x"}] * 1000}, {"errors": [{"code": 1, "message": "x"}] * 1000}),
]


@pytest.mark.parametrize(("fields", "changed"), ENVELOPES)
async def test_fields_of_the_envelope_are_changed(fields: dict[str, Any], changed: dict[str, Any]) -> None:
    true, heard = await struck(faults.envelope(**fields))
    assert heard.status == 200
    assert heard.document == true.document | changed


async def test_fields_are_left_out() -> None:
    _, heard = await struck(faults.envelope(result=ABSENT))
    assert heard.document == {"success": True, "errors": [], "messages": []}
    _, heard = await struck(faults.result(items=ABSENT, cursor=ABSENT))
    assert heard.document["result"] == {"count": 2}


@pytest.mark.parametrize("fields", [{"items": None}, {"items": {}}, {"count": 7}, {"cursor": 3}])
async def test_fields_of_the_result_are_changed(fields: dict[str, Any]) -> None:
    true, heard = await struck(faults.result(**fields))
    assert heard.document["result"] == true.document["result"] | fields


async def test_a_result_that_is_no_object_is_left_as_it_is() -> None:
    true, heard = await struck(faults.result(items=None), "")
    assert heard.document == true.document


async def test_a_key_is_there_twice() -> None:
    true, heard = await struck(faults.duplicate_key())
    pairs = json.loads(heard.body, object_pairs_hook=list)
    assert [value is None for name, value in pairs if name == "result"] == [True, False]
    assert heard.document == true.document


@pytest.mark.parametrize(
    "spelling", ["NaN", "1e400", '"1700000000"', str(2**64), "9" * 5000, "-1", "true", "null", "1.5"]
)
async def test_a_number_is_spelled_in_any_way(spelling: str) -> None:
    for path in (LISTING, f"{EVENTS}/latest", f"{EVENTS}/{START}.0"):
        true, heard = await struck(faults.number(spelling), path)
        assert (
            heard.body.count(b'"t": %b}' % spelling.encode()) + heard.body.count(b'"t": %b,' % spelling.encode()) == 1
        )
        assert heard.body.count(b'"t": ') == true.body.count(b'"t": ')
    _, heard = await struck(faults.number(spelling, "n"))
    assert b'"n": %b,' % spelling.encode() in heard.body


async def test_where_there_is_no_event_the_envelope_is_changed() -> None:
    _, heard = await struck(faults.number("NaN"), "/nowhere/telemetry/events/latest")
    assert heard.status == 404
    assert heard.body.endswith(b', "t": NaN}')


async def pages(simulator: Simulator, most: int = 9) -> list[dict[str, Any]]:
    """Follow the cursor to the end, or for a while; a refusal ends it too."""
    result: list[dict[str, Any]] = []
    query = {"from": str(START), "to": str(START + 1000)}
    headers = {"Authorization": f"Bearer {simulator.api_token}"}
    url = f"{simulator.base_url}/accounts/{simulator.account_id}/magic/connectors{EVENTS}"
    async with aiohttp.ClientSession(headers=headers) as session:
        while len(result) < most:
            async with session.get(URL(url).with_query(query)) as response:
                document = await response.json()
                result.append(document["result"] or document)
            if not result[-1].get("cursor"):
                break
            query["cursor"] = result[-1]["cursor"]
    return result


def times(page: dict[str, Any]) -> list[int]:
    return [item["t"] - START for item in page["items"]]


@pytest.mark.parametrize(("length", "circle"), [(1, [2, 2, 2, 2]), (2, [2, 4, 2, 4])])
async def test_cursors_run_in_a_circle(length: int, circle: list[int]) -> None:
    async with made() as simulator:
        simulator.add(SITE, *({"e": {"k": "Leave"}, "t": START + second, "n": 0} for second in range(6, 12)))
        simulator.faults.add(faults.cursor_cycle(length))
        assert [times(page)[0] for page in await pages(simulator, 5)] == [0, *circle]
        assert [times(page)[0] for page in await pages(simulator, 5)] == [0, *circle]


async def test_cursor_cycle_of_three_from_nth_request() -> None:
    """A cycle may have three cursors and begin at the n-th request."""
    async with made(max_page_size=1) as simulator:
        simulator.faults.add(faults.cursor_cycle(3), times=8)
        assert [times(page) for page in await pages(simulator, 8)] == [[0], [1], [2], [3], [1], [2], [3], [1]]
        simulator.faults.clear()
        simulator.faults.add(faults.cursor_cycle(1), on=3)
        listing = await pages(simulator)
        assert [times(page) for page in listing] == [[0], [1], [2], [2], [3], [4], [5]]


async def test_long_cursor_leads_where_the_true_one_does() -> None:
    """A long cursor has awkward characters and leads where the true one leads."""
    async with made() as simulator:
        true = await pages(simulator)
        simulator.faults.add(faults.long_cursor(), times=2)
        listing = await pages(simulator)
        assert [page["items"] for page in listing] == [page["items"] for page in true]
        for page in listing[:2]:
            assert len(page["cursor"].encode()) == 10_000
            assert set("+%& /=?#ü€\N{SNOWMAN}") <= set(page["cursor"])
        query = {"from": str(START), "to": str(START + 1000), "cursor": listing[0]["cursor"][:-1]}
        assert (await ask(simulator, str(URL(EVENTS).with_query(query)))).status == 400


async def test_a_cursor_is_expired() -> None:
    async with made() as simulator:
        simulator.faults.add(faults.expired_cursor(), on={1, 3})
        listing = await pages(simulator)
        assert [times(page) for page in listing[:2]] == [[0, 1], [2, 3]]
        assert listing[2]["errors"] == [{"code": 1400, "message": "cursor: expired"}]


async def test_neighbouring_pages_have_the_same_events() -> None:
    async with made() as simulator:
        simulator.faults.add(faults.long_cursor(100), on=1)
        simulator.faults.add(faults.overlap(1))
        assert [times(page) for page in await pages(simulator)] == [[0, 1], [2, 3, 4], [4, 5]]
        simulator.faults.clear()
        simulator.faults.add(faults.overlap(2), on=1)
        listing = await pages(simulator)
        assert [times(page) for page in listing] == [[0, 1, 2, 3], [2, 3], [4, 5]]
        assert listing[0]["count"] == 4


PAGING = [faults.cursor_cycle(), faults.long_cursor(), faults.expired_cursor(), faults.overlap()]


@pytest.mark.parametrize("fault", PAGING, ids=repr)
@pytest.mark.parametrize("path", ["", f"{EVENTS}/latest", "/nowhere/x"])
async def test_what_is_no_listing_has_no_faults_of_paging(fault: Fault, path: str) -> None:
    true, heard = await struck(fault, path)
    assert (heard.status, heard.document) == (true.status, true.document)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (faults.reset(), "reset('before headers')"),
        (faults.stall("in body", 3), "stall('in body', 3)"),
        (faults.trickle(0.5), "trickle(0.5)"),
        (faults.status(429, "html", retry_after=3), "status(429, 'html', retry_after=3)"),
        (faults.envelope(result=ABSENT, success=False), "envelope(result=ABSENT, success=False)"),
        (faults.result(items=list(range(99))), "result(items=[0, 1, 2, 3, 4, 5, ...])"),
        (faults.number("9" * 5000, "n"), "number('999999999999...9999999999999', 'n')"),
        (faults.body(b"x" * 99), "body(b'xxxxxxxxxxx...xxxxxxxxxxxxx')"),
    ],
    ids=repr,
)
def test_fault_repr_is_its_call(fault: Fault, name: str) -> None:
    """The repr of a fault is its call, with long arguments shortened."""
    assert repr(fault) == name

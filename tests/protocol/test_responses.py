"""What answers mean: strict about the documented shape, clear about where it breaks."""

import json
import pickle
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.brief import examples
from support.json_values import json_values
from yarl import URL

import cfevents
from cfevents import CfEventsError, CodedMessage, EventMetadata, structure, unstructure
from cfevents._model.api import Connector, Interrupt, Latest, Listing, RecordedEvent
from cfevents._protocol import fast_path
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, parse_result
from cfevents._secrets import remember

URL_ = URL("https://api.example.com/client/v4/accounts/a")
ITEM = {"a": 3, "k": "Init", "n": 0, "t": 1}
RECORDED = {"e": {"k": "Init"}, "n": 0, "t": 1, "v": "v"}


def read(body: Any, status: int = 200, *, result: Any = Listing, **headers: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_result(Request(URL_, result), Response(status, data, **headers))


def envelope(result: Any, **more: Any) -> dict[str, Any]:
    return {"result": result, "success": True, "errors": [], "messages": []} | more


def error_of(body: Any, status: int = 200, *, result: Any = Listing, **headers: Any) -> Any:
    with pytest.raises(cfevents.APIError) as raised:
        read(body, status, result=result, **headers)
    return raised.value


def test_documented_example_is_a_success_with_errors(caplog: pytest.LogCaptureFixture) -> None:
    """The documentation's own example is a success with errors beside it."""
    answer = read(
        {
            "result": {"count": 0, "items": [{"a": 0, "k": "k", "n": 0, "t": 0}], "cursor": "cursor"},
            "success": True,
            "errors": [{"code": 0, "message": "message"}],
            "messages": [{"code": 0, "message": "message"}],
        }
    )
    listing = answer.result
    assert (listing.items, listing.cursor, listing.count) == ((EventMetadata("k", 0, 0, 0),), "cursor", 0)
    assert answer.errors == answer.messages == (CodedMessage(0, "message"),)
    assert "succeeded, and the API reported: 0: message" in caplog.text


@pytest.mark.parametrize("spelled", [{}, {"errors": None, "messages": None}, {"errors": [], "messages": []}])
def test_errors_and_messages_may_be_absent_null_or_empty(spelled: dict[str, Any]) -> None:
    answer = read({"result": {"count": 0, "items": []}, "success": True} | spelled)
    assert (answer.errors, answer.messages) == ((), ())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (["text"], ["text"]),
        ("text", ["text"]),
        ([{"code": "7003", "message": 5, "chain": []}], [""]),
        ([None, [1], {"code": 1, "message": "m", "error_chain": [{}]}], ["null", "[1]", "1: m"]),
        ({"code": 1, "message": "m"}, ["1: m"]),
    ],
)
def test_messages_of_any_form_are_kept(raw: Any, expected: list[str]) -> None:
    assert [str(message) for message in read(envelope({"items": []}, messages=raw)).messages] == expected


@pytest.mark.parametrize(
    ("result", "place", "says"),
    [
        ({}, "result.items", "is missing"),
        ({"items": None}, "result.items", "an array was expected, not null"),
        ({"items": {}}, "result.items", "an array was expected, not an object"),
        ({"items": "abc"}, "result.items", 'an array was expected, not "abc"'),
        ([], "result", "an object was expected, not an array"),
        ("x" * 80, "result", f'an object was expected, not "{"x" * 56}...'),
        ({"items": [ITEM, []]}, "result.items[1]", "an object was expected"),
        ({"items": [ITEM, ITEM | {"t": None}]}, "result.items[1].t", "a number was expected, not null"),
        ({"items": [ITEM | {"t": "1"}]}, "result.items[0].t", 'a number was expected, not "1"'),
        ({"items": [ITEM | {"t": True}]}, "result.items[0].t", "a number was expected, not true"),
        ({"items": [ITEM | {"n": 1.5}]}, "result.items[0].n", "a whole number was expected, not 1.5"),
        ({"items": [ITEM | {"n": False}]}, "result.items[0].n", "a number was expected, not false"),
        ({"items": [ITEM | {"a": 2**63}]}, "result.items[0].a", "a number of 64 bits was expected"),
        ({"items": [ITEM | {"t": -(2**63) - 1}]}, "result.items[0].t", "a number of 64 bits was expected"),
        ({"items": [ITEM | {"t": 1e30}]}, "result.items[0].t", "a number of 64 bits was expected, not 1e+30"),
        ({"items": [ITEM | {"k": 5}]}, "result.items[0].k", "text was expected, not 5"),
        ({"items": [], "cursor": 5}, "result.cursor", "text was expected, not 5"),
        *(
            ({"items": [{k: v for k, v in ITEM.items() if k != gone}]}, f"result.items[0].{gone}", "is missing")
            for gone in ITEM
        ),
    ],
)
def test_a_wrong_shape_is_an_error_that_names_the_place(result: Any, place: str, says: str) -> None:
    error = error_of(envelope(result), ray_id="8f-AMS")
    assert type(error) is cfevents.APIResponseError
    assert (error.place, error.ray_id) == (place, "8f-AMS")
    assert str(error).startswith(f"GET /client/v4/accounts/a: {place}: {says}")
    assert str(error).endswith("(CF-Ray 8f-AMS)")


@pytest.mark.parametrize(
    ("shape", "result", "place"),
    [
        (RecordedEvent, RECORDED | {"e": {}}, "result.e.k"),
        (RecordedEvent, RECORDED | {"e": {"k": None}}, "result.e.k"),
        (RecordedEvent, RECORDED | {"e": "Init"}, "result.e"),
        (RecordedEvent, {"n": 0, "t": 1}, "result.e"),
        (Latest, {"items": [RECORDED, {"e": {"k": "Init"}, "t": 1}]}, "result.items[1].n"),
        (list[Connector], [{"id": "c"}, {"notes": ""}], "result[1].id"),
        (list[Connector], {"id": "c"}, "result"),
        (list[Interrupt], [{"submitted_at": ""}, {"reboot": {}}], "result[1].submitted_at"),
        (list[Interrupt], {"submitted_at": ""}, "result"),
    ],
)
def test_the_other_results_name_the_place_too(shape: Any, result: Any, place: str) -> None:
    assert error_of(envelope(result), result=shape).place == place


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "body"),
        (b"<html>Bad gateway</html>", "body"),
        (b'{"result": {"items": [', "body"),
        (b'{"result": {"items": []}, "success": tru', "body"),
        (b'{"result": {"items": [{"t": NaN}]}, "success": true}', "body"),
        (b'{"result": {"items": [], "x": -Infinity}, "success": true}', "body"),
        (b'{"result": {"items": [], "x": 1e400}, "success": true}', "body"),
        (b'{"result": {"items": [], "x": ' + b"9" * 5000 + b'}, "success": true}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"result": "\xff"}', "body"),
        (b"[]", "envelope"),
        (b"null", "envelope"),
        (b"{}", "success"),
        (b'{"result": {"items": []}}', "success"),
        (b'{"result": {"items": []}, "success": 1}', "success"),
        (b'{"result": {"items": []}, "success": "true"}', "success"),
        (b'{"success": true}', "result"),
        (b'{"success": true, "result": null}', "result"),
    ],
)
def test_what_is_no_envelope_is_an_error_that_says_so(body: bytes, place: str) -> None:
    error = error_of(body)
    assert type(error) is cfevents.APIResponseError
    assert error.place == place


def test_a_byte_order_mark_and_utf_16_are_read() -> None:
    text = json.dumps(envelope({"items": [ITEM]}))
    assert all(read(text.encode(code)).result.items for code in ("utf-8-sig", "utf-16", "utf-8"))


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (301, "APIStatusError"),
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "APIStatusError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (520, "InternalServerError"),
        (599, "InternalServerError"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b'"text"', b'{"errors": [{"code": 1003, "message": "bad id"}]}'])
def test_a_status_has_its_error_whatever_the_body(status: int, name: str, body: bytes) -> None:
    error = error_of(body, status, ray_id="ray")
    assert (type(error).__name__, error.status, error.ray_id) == (name, status, "ray")
    explained = body.startswith(b"{")
    assert error.errors == ((CodedMessage(1003, "bad id"),) if explained else ())
    assert f"refused with status {status}: " in str(error)
    assert ("1003: bad id" in str(error)) is explained


def test_success_false_with_200_is_a_status_error() -> None:
    """A response with success: false and status 200 is a status error with the vendor's messages."""
    error = error_of({"success": False, "result": None, "errors": [{"code": 7, "message": "why"}]})
    assert type(error) is cfevents.APIStatusError
    assert (error.status, error.errors) == (200, (CodedMessage(7, "why"),))


@pytest.mark.parametrize("code", [971, 10100, 10300])
def test_the_codes_of_the_quota_count_as_429(code: int) -> None:
    error = error_of({"success": False, "errors": [{"code": code, "message": "limit"}]}, retry_after=300)
    assert type(error) is cfevents.RateLimitError
    assert error.retry_after == 300


def test_a_few_of_a_thousand_errors_are_read_and_shown() -> None:
    error = error_of({"errors": [{"code": n, "message": "m" * 300} for n in range(1000)]}, 400)
    assert len(error.errors) == 20
    assert str(error).endswith("; and 995 more")
    assert len(str(error)) < 1200


@pytest.mark.parametrize("spelled", ['{"success":false,"errors":[%s]}', '{"success":true,"result":%s}', "%s"])
def test_any_depth_of_nesting_gives_an_error_of_the_family(spelled: str) -> None:
    for depth in [*range(150, 1010, 3), 100_000]:
        with pytest.raises(CfEventsError):
            read((spelled % ("[" * depth + "]" * depth)).encode())


@settings(max_examples=examples(400))
@given(st.sampled_from([Listing, RecordedEvent, Latest, list[Connector], list[Interrupt]]), json_values)
def test_any_json_value_gives_a_result_or_an_error_of_the_family(shape: Any, value: Any) -> None:
    for body in (value, envelope(value), envelope({"items": value}), envelope({"items": [value], "cursor": value})):
        with suppress(CfEventsError):
            read(body, result=shape)


@settings(max_examples=examples(300))
@given(st.binary(max_size=200), st.integers(200, 599))
def test_any_bytes_give_an_error_of_the_family(body: bytes, status: int) -> None:
    with pytest.raises(CfEventsError):
        read(body, status)


@pytest.mark.parametrize("raw", [None, 5, "x", [], {}, {"k": []}, {"k": {}}, {"k": None, "t": 1, "n": 1, "a": 1}])
def test_structure_refuses_what_is_no_event(raw: Any) -> None:
    with pytest.raises(cfevents.APIResponseError):
        structure(raw, EventMetadata)


def test_a_number_too_long_to_print_is_refused_in_short() -> None:
    with pytest.raises(cfevents.APIResponseError, match="not a longer one"):
        structure(ITEM | {"t": 10**5000}, EventMetadata)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_structure_refuses_a_number_that_json_has_not(value: float) -> None:
    with pytest.raises(cfevents.APIResponseError, match="t: a finite number was expected"):
        structure(ITEM | {"t": value}, EventMetadata)


def test_odd_fields_of_a_connector_are_kept() -> None:
    """A connector with fields of other types than documented keeps them beside its id."""
    raw = {"id": "c", "activated": "yes", "device": {"id": 5}, "notes": 1, "timezone": None}
    connector = structure(raw, Connector)
    assert (connector.activated, connector.notes, connector.extra) == (None, None, {"activated": "yes", "notes": 1})
    assert connector.device is not None
    assert connector.device.extra == {"id": 5}


@pytest.mark.parametrize(
    ("raw", "operation", "purge", "extra"),
    [
        ({"restart": {"purge": False}}, "restart", False, {}),
        ({"reboot": {"purge": True}, "triggered_at": None}, "reboot", True, {}),
        ({"restart": None, "shutdown": {"grace": 9}, "by": "someone"}, "shutdown", None, {"by": "someone"}),
        ({"hibernate": {"purge": True}}, None, None, {"hibernate": {"purge": True}}),
        ({"reboot": True, "triggered_at": 5}, None, None, {"reboot": True, "triggered_at": 5}),
    ],
)
def test_an_interrupt_has_its_operation_and_the_rest(raw: Any, operation: Any, purge: Any, extra: Any) -> None:
    """An interrupt names its operation, keeps what is unknown, and becomes the same JSON again."""
    raw = {**raw, "submitted_at": "2026-07-12T06:00:00Z"}
    interrupt = structure(raw, Interrupt)
    assert (interrupt.operation, interrupt.submitted_at, interrupt.extra) == (operation, raw["submitted_at"], extra)
    options = interrupt.restart or interrupt.reboot or interrupt.shutdown
    assert (options and options.purge) == purge
    assert unstructure(interrupt) == {name: value for name, value in raw.items() if value is not None}


@pytest.mark.parametrize("cls", [object, 5])
def test_structure_refuses_a_foreign_class(cls: Any) -> None:
    """Structuring into a class that is none of the library's is a TypeError."""
    with pytest.raises(TypeError, match="is none of the classes that JSON is structured into"):
        structure(ITEM, cls)


def test_without_the_extra_speed_a_listing_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    body = envelope({"items": [ITEM], "cursor": "c", "count": 1})
    before = read(body).result.items
    monkeypatch.setitem(sys.modules, "msgspec", None)  # as if it were not installed
    fast_path._decoders.cache_clear()
    try:
        assert fast_path.decode_listing(json.dumps(body).encode()) is None
        assert read(body).result.items == before == (EventMetadata("Init", 1, 0, 3),)
    finally:
        fast_path._decoders.cache_clear()


MALFORMED = {"code": 6003, "message": "Invalid request headers"}


@pytest.mark.parametrize(
    ("code", "message", "name"),
    [
        (6111, "Invalid format for Authorization header", "AuthenticationError"),
        (6103, "Invalid format for X-Auth-Key header", "AuthenticationError"),
        (6102, "Invalid format for X-Auth-Email header", "AuthenticationError"),
        (6100, "something else", "BadRequestError"),
    ],
)
def test_malformed_credentials_are_an_authentication_error(code: int, message: str, name: str) -> None:
    """A 400 whose error_chain blames the credentials is an AuthenticationError, with the chain in its message."""
    chain = [{"code": code, "message": message, "more": 1}]
    error = error_of({"success": False, "errors": [MALFORMED | {"error_chain": chain}]}, 400)
    assert (type(error).__name__, error.status) == (name, 400)
    assert f"6003: Invalid request headers ({code}: {message})" in str(error)
    (coded,) = error.errors
    assert (coded.chain, coded.extra) == ((CodedMessage(code, message, extra={"more": 1}),), {"error_chain": chain})


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_reasons_behind_an_error_are_shown_at_any_status(status: int) -> None:
    chain = [{"code": 7, "message": "why"}, {"code": 8}]
    error = error_of({"success": False, "errors": [{"code": 1, "message": "m", "error_chain": chain}]}, status)
    assert "1: m (7: why; 8)" in str(error)


@pytest.mark.parametrize(
    ("chain", "shown"),
    [
        (None, "1: m"),
        ("text", "1: m"),
        ([None, 5, "x", [], {}, {"note": 1}], "1: m"),
        ([{"code": "6111", "message": ["x"]}], "1: m"),
        ([{"code": True, "message": "only text"}], "1: m (only text)"),
        ([{"code": 2, "error_chain": [{"code": 3}]}], "1: m (2)"),
        ([{"code": n} for n in range(1000)], "1: m (0; 1; 2; 3; 4)"),
    ],
)
def test_reasons_of_any_form_do_no_harm(chain: Any, shown: str) -> None:
    error = error_of({"success": False, "errors": [{"code": 1, "message": "m", "error_chain": chain}]}, 400)
    assert str(error).endswith(f"refused with status 400: {shown}")


DOCUMENT = {
    "type": "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/error-1020/",
    "title": "Error 1020: Access denied",
    "status": 403,
    "detail": "The owner of this website has banned your address.",
    "error_code": 1020,
    "error_name": "access_denied",
    "retryable": False,
    "ray_id": "9d99a4434fz2d168",
}
DENIED = "1020: Access denied: The owner of this website has banned your address."


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 502, 530])
@pytest.mark.parametrize(
    ("body", "code", "shown"),
    [
        (DOCUMENT, 1020, DENIED),
        ({"title": "Access denied"}, None, "Access denied"),
        ({"error_code": 1033}, 1033, "1033"),
        ({"title": 5, "detail": ["x"], "error_code": "1020", "status": 1}, None, None),
        (b"error code: 1020", 1020, "1020"),
        (b"error code: 502\n", 502, "502"),
        (b"error code: 1020 and more", None, None),
        (b"<html><title>Attention Required!</title></html>", None, None),
        ({"message": "Forbidden"}, None, None),
        ([DOCUMENT], None, None),
        (b"null", None, None),
    ],
)
def test_answers_without_envelope_are_not_the_apis(status: int, body: Any, code: int | None, shown: str | None) -> None:
    """What has no envelope came from the edge or a proxy; the edge's own title, detail and code are in the error."""
    error = error_of(body, status)
    assert error.from_edge
    assert [message.code for message in error.errors] == ([] if shown is None else [code])
    assert f"refused with status {status}: by the edge or a proxy in front of the API" in str(error)
    assert shown is None or f"in front of the API: {shown}" in str(error)


def test_fields_of_an_edge_document_are_kept() -> None:
    (message,) = error_of(DOCUMENT, 403).errors
    assert message.extra == {name: DOCUMENT[name] for name in ("type", "status", "error_name", "retryable", "ray_id")}


@pytest.mark.parametrize("body", [{"success": False}, {"errors": []}, {"success": False, "errors": [MALFORMED]}])
def test_envelope_is_the_apis_own_word(body: Any) -> None:
    assert not error_of(body, 403).from_edge
    assert not error_of({"success": False}).from_edge


@pytest.mark.parametrize("status", [403, 429, 502])
def test_retry_after_is_in_the_error_of_any_status(status: int) -> None:
    error = error_of(b"", status, retry_after=120)
    assert error.retry_after == 120
    assert "Retry-After: 120 s" in str(error)


@settings(max_examples=100)
@given(json_values, st.sampled_from([400, 403, 502]))
def test_any_refusal_is_a_status_error_that_can_be_shown(value: Any, status: int) -> None:
    document = {"title": value, "detail": value, "error_code": value}
    chain = {"success": False, "errors": [{"code": 1, "message": "m", "error_chain": value}, value]}
    for body in (value, document, chain):
        error = error_of(body, status)
        assert isinstance(error, cfevents.APIStatusError)
        back = pickle.loads(pickle.dumps(error))
        assert (str(back), back.errors, back.from_edge) == (str(error), error.errors, error.from_edge)


def test_message_whose_escapes_look_like_a_secret_is_kept() -> None:
    """A message that is written in JSON like a secret, and is none, is read as any other."""
    remember(["Bearer repeated-by-the-answer"])
    message = "\repeated-by-the-answer"
    assert error_of({"errors": [{"code": 1, "message": message}]}, 400).errors[0].message == message

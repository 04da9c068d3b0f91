"""That the search for credentials finds them: each test plants one and expects to see it found."""

import json
import logging
import traceback
from typing import Any

import pytest
from support.scripted import TOKEN, Reply, ScriptedAPI, failure, success
from support.secrets import Watch
from yarl import URL

import cfevents
from cfevents._model.api import Listing
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, parse_result
from cfevents._secrets import Secret


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_secret_is_masked_in_every_repr_and_sent_as_it_is() -> None:
    secret = Secret(TOKEN)
    shown = repr([secret, {"a": secret}]) + f"{secret!r}" + ascii(secret)
    assert TOKEN not in shown
    assert f"Bearer {secret}" == f"Bearer {TOKEN}"
    assert secret == TOKEN


def test_a_credential_in_a_log_line_is_found(watch: Watch) -> None:
    watch.emit(logging.makeLogRecord({"msg": "sent %s", "args": (TOKEN,)}))
    assert len(watch.leaks()) == 1


def test_search_finds_a_credential_anywhere(watch: Watch) -> None:
    """The search finds a credential in a message, a cause or a variable."""

    def by_message() -> None:
        raise cfevents.CfEventsError(TOKEN)

    def by_attribute() -> None:
        raise cfevents.APIError("why", ray_id=TOKEN)

    def by_cause() -> None:
        raise cfevents.CfEventsError("why") from ValueError(TOKEN)

    def by_variable() -> None:
        headers = {"Authorization": TOKEN}
        raise cfevents.CfEventsError(str(len(headers)))

    for leak in (by_message, by_attribute, by_cause, by_variable):
        watch.told.clear()
        with pytest.raises(cfevents.CfEventsError):
            watch.watched(leak)()
        assert watch.leaks(), leak.__name__


async def test_what_awaits_and_yields_is_watched_too(watch: Watch) -> None:
    async def call() -> None:
        raise cfevents.CfEventsError(TOKEN)

    async def pages() -> Any:
        yield 1
        raise cfevents.CfEventsError(TOKEN)

    with pytest.raises(cfevents.CfEventsError):
        await watch.watched(call)()
    assert watch.leaks()
    watch.told.clear()
    with pytest.raises(cfevents.CfEventsError):
        async for _ in watch.watched(pages)():
            pass
    assert watch.leaks()


@pytest.mark.parametrize(
    "fault",
    [
        failure(403, 9109, f"Invalid access token {TOKEN}"),
        Reply({"success": False, "errors": [f"Bearer {TOKEN}"]}),
        Reply({"success": True, "result": f"Bearer {TOKEN}"}),
        Reply({"success": True, "result": {TOKEN: 1, "items": [{"e": TOKEN, "t": 1, "n": 0}]}}),
        Reply(json.dumps({"success": False, "errors": [TOKEN]}).replace("5", "\\u0035")),
        Reply(json.dumps({"success": True, "result": TOKEN}).encode("utf-16")),
        Reply(b"", 404, {"CF-Ray": TOKEN}),
        failure(400, 1, "bad X-Access header-secret-55dd"),
    ],
)
async def test_a_server_that_echoes_the_token_does_not_make_us_show_it(fault: Reply) -> None:
    headers = {"X-Access": "header-secret-55dd"}
    async with ScriptedAPI(fault) as api, cfevents.Client(**api.client_options, extra_headers=headers) as client:
        with pytest.raises(cfevents.APIError, match=r"\*{10}") as raised:
            await client.latest_events("c1")
    assert TOKEN not in repr(vars(raised.value))


async def test_token_echoed_in_html_is_not_shown() -> None:
    """A page that is not JSON and echoes the token does not make us show it."""
    response = Response(200, f"<pre>Authorization: Bearer {TOKEN}</pre>".encode(), request_secrets=(Secret(TOKEN),))
    with pytest.raises(cfevents.APIResponseError) as raised:
        parse_result(Request(URL("https://api.example.com"), Listing), response)
    inner = raised.value.__traceback__
    assert inner is not None
    trace = traceback.TracebackException(type(raised.value), raised.value, inner.tb_next, capture_locals=True)
    assert TOKEN not in "".join(trace.format())


async def test_token_echoed_beside_a_result_is_masked() -> None:
    """A success that echoes the token beside its result is logged without it."""
    fault = Reply({"success": True, "result": {"items": []}, "errors": [f"deprecated: Bearer {TOKEN}"]})
    async with ScriptedAPI(fault) as api, cfevents.Client(**api.client_options) as client:
        (page,) = [page async for page in client.list_events("c", since=1, until=9).pages()]
    assert [str(message) for message in page.errors] == ["deprecated: Bearer **********"]


async def test_events_with_a_credentials_text_are_kept() -> None:
    """Events that contain the text of a credential are left alone."""
    connectors = success([{"id": "c1", "notes": "call arg@mail.example"}])
    options: dict[str, Any] = {"api_email": "arg@mail.example", "api_key": "arg-key-33bb", "account_id": "a"}
    async with ScriptedAPI(connectors) as api, cfevents.Client(base_url=api.base_url, **options) as client:
        (connector,) = await client.list_connectors()
    assert connector.notes == "call arg@mail.example"

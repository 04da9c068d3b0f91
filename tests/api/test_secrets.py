"""That the search for credentials finds them: each test plants one and expects to see it found."""

import asyncio
import base64
import html
import json
import logging
import pickle
import pprint
import reprlib
import traceback
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
import pytest
import rich.pretty
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from support.scripted import ACCOUNT, TOKEN, Reply, ScriptedAPI, failure, item, page, success
from support.secrets import TRACES, Watch
from yarl import URL

import cfevents
from cfevents import _secrets
from cfevents._model.api import Listing
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response, parse_result
from cfevents._secrets import MASK, Secret, hide, quoted_pattern, remember


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_secret_is_masked_in_every_repr_and_sent_as_it_is() -> None:
    secret = Secret(TOKEN)
    shown = repr([secret, {"a": secret}]) + f"{secret!r}" + ascii(secret)
    assert TOKEN not in shown
    assert f"Bearer {secret}" == f"Bearer {TOKEN}"
    assert secret == TOKEN


@pytest.mark.parametrize(
    "show",
    [
        lambda secret: repr(secret[:4]) + repr(secret[-8:]) + repr(secret[0]),
        lambda secret: repr([*secret]),
        lambda secret: f"{secret:.9}{secret:>40}",
        lambda secret: pprint.pformat({"a": Secret(secret * 20)}, width=20),
        reprlib.repr,
        lambda secret: rich.pretty.pretty_repr({"a": [Secret(secret * 9)]}, max_string=80),
    ],
)
def test_printers_that_cut_a_secret_show_no_part_of_it(show: Callable[[Secret], str]) -> None:
    assert not set("scriptedtoken") <= set(show(Secret(TOKEN)))


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
        Reply({"success": False, "errors": [f"\r{TOKEN}\\", {"message": "x", TOKEN: [{"y": f"\n{TOKEN}"}]}]}),
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
    remember([f"Bearer {TOKEN}"])
    response = Response(200, f"<pre>Authorization: Bearer {TOKEN}</pre>".encode())
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


ONCE = cfevents.Retry(attempts=1)
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 within": lambda text: base64.urlsafe_b64encode(f"u:{text}?".encode()).decode(),
    "percent": lambda text: "".join(f"%{code:02x}" if code in b"-+/=" else chr(code) for code in text.encode()),
}
PLACES = {
    "status line": "HTTP/1.1 4O3 {}\r\n\r\n",
    "version": "HTP/{} 200 OK\r\n\r\n",
    "reason": "HTTP/1.1 403 {}\r\nContent-Length: 0\r\n\r\n",
    "header": "HTTP/1.1 200 OK\r\n{}\r\n\r\n",
    "header name": "HTTP/1.1 200 OK\r\nX {}: 1\r\n\r\n",
    "content length": "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
    "chunk size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n",
    "ray of a large answer": "HTTP/1.1 200 OK\r\nCF-Ray: {}\r\nContent-Length: 5000\r\n\r\n" + 5000 * "x",
    "ray of a short answer": "HTTP/1.1 200 OK\r\nCF-Ray: {}\r\nContent-Length: 900\r\n\r\nx",
    "ray of a refusal": "HTTP/1.1 403 No\r\nCF-Ray: {}\r\nContent-Length: 0\r\n\r\n",
    "policy": 'HTTP/1.1 429 No\r\nRatelimit: "{}";r=0;t=9\r\nRetry-After: 500\r\nContent-Length: 0\r\n\r\n',
    "encoding": "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n{:40.40}",
    "redirect": "HTTP/1.1 302 No\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("place", PLACES)
async def test_no_place_outside_the_json_shows_what_was_sent(place: str, encoding: str) -> None:
    """An answer that repeats the token, in any place and encoding, is an error without it; the fixture searches."""
    answer = PLACES[place].format(ENCODINGS[encoding](TOKEN))
    async with raw_server(answer.encode()) as port:
        options: Any = {
            "api_token": TOKEN,
            "account_id": "a",
            "max_body_size": 1000,
            "retry": ONCE,
        }
        async with cfevents.Client(base_url=f"http://127.0.0.1:{port}", **options) as client:
            with pytest.raises(cfevents.APIError) as raised:
                await client.list_connectors()
    assert_nothing_shows(raised.value)


def assert_nothing_shows(error: BaseException) -> None:
    shown = f"{error!r}{error}{vars(error)}{''.join(traceback.format_exception(error))}{pickle.dumps(error)!r}"
    shown += f"{error.__cause__!r}{vars(error.__cause__) if error.__cause__ else ''}"
    assert not [trace for trace in TRACES if trace in shown]


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[int]:
    """A server on a free port that answers whatever comes with these bytes."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_cursor_with_a_credential_is_followed_not_shown(encoding: str) -> None:
    """A cursor that repeats a credential is followed, and in no error, checkpoint, repr or pickle."""
    cursor = ENCODINGS[encoding](TOKEN)
    pages = page(item(1), cursor=cursor), page(item(2), cursor=cursor), failure(500)
    for script in (pages, (pages[0], failure(400)), (page(item(1), cursor=f"{cursor}\ud800"),)):
        async with ScriptedAPI(*script) as api, cfevents.Client(**api.client_options) as client:
            read: list[cfevents.Page] = []
            with pytest.raises(cfevents.CfEventsError) as raised:
                async for one in client.list_events("c1", since=1, until=9).pages():
                    read.append(one)  # noqa: PERF401 - it raises
        assert_nothing_shows(raised.value)
        checkpoint = raised.value.checkpoint
        assert checkpoint is not None
        assert (checkpoint.cursor, checkpoint.finished, raised.value.cursor) == (None, False, None)
        assert not [trace for trace in TRACES if trace in f"{read}{[one.checkpoint for one in read]}"]
        if len(script) > 1:
            assert api.requests[1].query["cursor"] == cursor


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_connector_id_with_a_credential_is_not_shown(encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    """A connector whose id repeats a credential is asked, and its id shown nowhere."""
    connector_id = ENCODINGS[encoding](TOKEN)
    script = success([{"id": connector_id}, {"id": "c2"}]), failure(404)
    async with ScriptedAPI(*script) as api, cfevents.Client(**api.client_options) as client:
        with pytest.raises(cfevents.FleetError) as raised:
            await client.fleet().list_events(since=1, until=9).collect()
        assert any(connector_id in request.path for request in api.requests)
        connectors = await client.list_connectors() if len(api.steps) == 1 else []
    assert_nothing_shows(raised.value)
    assert not [trace for trace in TRACES if trace in f"{raised.value.errors}{connectors}{caplog.text}"]
    for error in raised.value.errors.values():
        assert_nothing_shows(error)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("repeated", ["user:header-secret-55dd", "header-secret-55dd", "+/pass/+word?&"])
async def test_proxy_that_repeats_its_credentials_is_masked(
    repeated: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that repeats the Proxy-Authorization that it got, or a part of it, makes nothing show it."""
    password = repeated.rpartition(":")[2]
    text = ENCODINGS[encoding](repeated)
    async with raw_server(f"HTTP/1.1 407 Basic {text}\r\nX-Sent: {text}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        monkeypatch.setenv("https_proxy", f"http://user:{quote(password, safe='')}@127.0.0.1:{port}")
        async with cfevents.Client(api_token=TOKEN, account_id="a", retry=ONCE) as client:
            with pytest.raises(cfevents.APIConnectionError, match=r"\*{10}") as raised:
                await client.list_connectors()
    assert_nothing_shows(raised.value)
    assert text not in f"{raised.value}{raised.value.__cause__!r}{''.join(traceback.format_exception(raised.value))}"


@pytest.mark.parametrize("how", ["url", "auth", "header"])
async def test_session_of_the_caller_shows_no_password(how: str) -> None:
    """What a caller's session sends to its proxy or a gateway is masked like the client's own."""
    basic = "Basic dXNlcjpoZWFkZXItc2VjcmV0LTU1ZGQ="
    answer = f"HTTP/1.1 407 {basic} header-secret-55dd\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(answer.encode()) as port:
        user = "user:header-secret-55dd@" if how == "url" else ""
        options: dict[str, Any] = {"proxy": f"http://{user}127.0.0.1:{port}"}
        if how != "url":
            options["headers"] = {"Proxy-Authorization": basic} if how == "auth" else {"X-A": "header-secret-55dd"}
        async with (
            aiohttp.ClientSession(**options) as session,
            cfevents.Client(session=session, api_token=TOKEN, account_id="a", retry=ONCE) as client,
        ):
            with pytest.raises(cfevents.APIConnectionError, match="407") as raised:
                await client.list_connectors()
    text = f"{raised.value}{raised.value.__cause__!r}{''.join(traceback.format_exception(raised.value))}"
    assert "header-secret" not in text


CONTROLS = "\x1b[2J\a\r\nfake: line\u202egnol\u009b1m\u2028\x00"


async def test_controls_of_the_api_are_in_no_error_or_log(caplog: pytest.LogCaptureFixture) -> None:
    """Control characters of the API stand in no text of an error and in no log record."""
    bad = [{"code": 1, "message": f"no{CONTROLS}"}]
    scripts = [
        (Reply({"success": False, "errors": bad}, 403),),
        (Reply({"success": True, "result": {"items": []}, "errors": bad, "messages": bad}), failure(500)),
        (success({"items": f"x{CONTROLS}"}),),
        (success({"items": [], "cursor": f"x{CONTROLS}"}),),
        (success([{"id": f"c{CONTROLS}"}]), failure(404)),
    ]
    errors: list[BaseException] = []
    for script in scripts:
        async with ScriptedAPI(*script) as api:
            options: dict[str, Any] = {**api.client_options, "retry": ONCE}
            async with cfevents.Client(**options) as client:
                for call in (client.list_events("c", since=1, until=9), client.fleet().list_events(since=1, until=9)):
                    try:
                        await call.collect()
                    except cfevents.FleetError as group:
                        errors += [group, *group.exceptions]
                    except cfevents.CfEventsError as error:
                        errors.append(error)
    messages = [message for error in errors for message in getattr(error, "errors", ()) if not isinstance(message, str)]
    texts = [str(error) for error in [*errors, *messages]] + [record.getMessage() for record in caplog.records]
    assert len(texts) > 10
    assert [text for text in texts if not text.isprintable()] == []


async def test_texts_of_a_megabyte_make_short_lines() -> None:
    """An id, a cursor or a message of a megabyte makes an error of a few thousand characters at most."""
    long = "x" * 2**20
    refusal = cfevents.APIStatusError("no", path=f"/connectors/{long}", ray_id=long, method="GET")
    texts = [str(refusal), str(cfevents.CfEventsError(long)), str(cfevents.CodedMessage(1, long))]
    texts.append(str(cfevents.FleetError({long: refusal})))
    assert max(map(len, texts)) < 7000
    assert "GET /connectors/xxx" in texts[0]
    assert texts[0].endswith("xxx)")


async def test_tokens_of_many_clients_at_once_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token stays remembered while its request is under way, however many others are sent meanwhile."""
    monkeypatch.setattr(_secrets, "_MAX_REMEMBERED_SECRETS", 2)
    tokens = [f"{number}-{TOKEN}" for number in range(12)]
    all_sent = asyncio.Barrier(len(tokens))

    async def answer(request: web.Request) -> web.StreamResponse:
        await all_sent.wait()
        refusal = failure(403, 9109, f"Invalid access token {request.headers['Authorization']}")
        return await Reply(refusal.body, 403, {"CF-Ray": request.headers["Authorization"]})(request)

    async def refused(token: str) -> str:
        async with cfevents.Client(base_url=api.base_url, account_id=ACCOUNT, api_token=token) as client:
            with pytest.raises(cfevents.PermissionDeniedError) as caught:
                await client.list_connectors()
        return str(caught.value)

    async with ScriptedAPI(answer) as api:
        texts = await asyncio.gather(*map(refused, tokens))
    assert all(text.count(MASK) == 2 and TOKEN not in text for text in texts)
    assert len(_secrets._forms_by_secret) == 2


def test_long_token_is_compiled_only_where_it_seems_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """To compile the pattern of a long token takes long, and a long text is searched without a copy."""
    lengths: list[int] = []

    def pattern(text: str) -> str:
        lengths.append(len(text))
        return quoted_pattern(text)

    monkeypatch.setattr(_secrets, "quoted_pattern", pattern)
    token, text = TOKEN * 20, "%41" * 30_000
    remember([f"Bearer {token}"])
    tracemalloc.start()
    assert hide(text) == text
    assert tracemalloc.get_traced_memory()[1] < len(text)
    tracemalloc.stop()
    assert max(lengths) < 10
    assert hide(f"%41{token[:-1]}%{ord(token[-1]):x}") == f"%41{MASK}"
    assert max(lengths) == len(token)


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)


@given(
    SECRETS, st.sampled_from(["{}", "Bearer {}"]), st.binary(max_size=4), st.binary(max_size=4), st.integers(0, 2**60)
)
def test_secret_is_hidden_in_every_encoding(secret: str, sent: str, before: bytes, after: bytes, seed: int) -> None:
    """Whatever a secret is made of, no text repeats it: plain, in base64, escaped or percent-encoded in part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_secrets, "_forms_by_secret", {})
        remember([sent.format(secret)])
        raw = before + secret.encode() + after
        quoted = "".join(f"%{ord(character):02x}" if seed >> n & 1 else character for n, character in enumerate(secret))
        for text in (secret, quoted, html.escape(secret)):
            assert secret not in unquote(html.unescape(hide(f"x{text}y")))
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            hidden = hide(encode(raw).decode())
            assert MASK in hidden
            assert len(hidden.replace(MASK, "")) <= 8 * (len(before) + len(after) + 3) / 6 + 4
        assert secret not in json.loads(hide(json.dumps(secret)))

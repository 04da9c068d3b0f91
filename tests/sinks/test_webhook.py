"""The webhook: lines or arrays over HTTP, within the receiver's limits, and no secret anywhere else."""

import asyncio
import logging
import ssl
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from aiohttp import web
from support.batches import BEGIN, batch, listed
from support.receivers import Hook, Received

from cfevents import Batch, SinkError
from cfevents.sinks import Sink, connect

SECRET = "header-secret-55dd"  # which is searched for after each test


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    async with Hook() as running:
        yield running


def events(count: int) -> Batch[Any]:
    return batch([listed(BEGIN + number, number) for number in range(count)])


def ids(*numbers: int) -> list[str]:
    return [f"{BEGIN + number}.{number}" for number in numbers]


def sizes(hook: Hook) -> list[int]:
    """How many events were in each request that had some."""
    return [len(request.events) for request in hook.requests if request.body not in {b"", b"[]"}]


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("gzip", [False, True])
async def test_events_arrive_as_lines_or_array(hook: Hook, array: bool, gzip: bool) -> None:
    url = ("json+" if array else "") + hook.url + "?source=wan"
    async with connect(url, gzip=gzip, token=SECRET, headers={"X-Site": "b"}) as sink:
        assert not await sink.write(events(3))
    first, second = hook.requests
    assert (first.events, second.path) == ([], "/hook?source=wan")
    assert hook.taken == ids(0, 1, 2)
    assert second.events[0]["kind"] == "Init"
    assert second.headers["content-type"] == ("application/json" if array else "application/x-ndjson")
    assert (second.headers["authorization"], second.headers["x-site"]) == (f"Bearer {SECRET}", "b")
    assert ("content-encoding" in second.headers) is gzip
    assert second.headers["user-agent"].startswith("cfevents/")


async def test_requests_keep_the_limits(hook: Hook) -> None:
    """Neither more events nor more bytes; an event that is larger comes alone."""
    async with connect(hook.url, max_events=4) as sink:
        await sink.write(events(10))
    assert sizes(hook) == [4, 4, 2]
    hook.requests.clear()
    async with connect(hook.url, max_bytes=500) as sink:
        kinds = "Init", "Init", "K" * 600, "Init"
        await sink.write(batch([listed(BEGIN + number, kind=kind) for number, kind in enumerate(kinds)]))
    assert sizes(hook) == [2, 1, 1]


async def test_request_that_is_too_large_is_split(hook: Hook) -> None:
    """The bound that was found stays; one event that is too large is refused, and the others arrive."""
    hook.answers = lambda request: 413 if len(request.body) > 3000 else 200
    some = [listed(BEGIN + number, number, "K" * 4000 if number == 50 else "Init") for number in range(100)]
    async with connect(hook.url) as sink:
        (refused,) = [*(await sink.write(batch(some)) or ())]
        assert (refused.item.event.sequence, "answers 413" in refused.reason) == (50, True)
        assert hook.taken == ids(*range(50), *range(51, 100))
        hook.requests.clear()
        await sink.write(events(100))
    assert [request.status for request in hook.requests] == [200] * len(hook.requests)


async def test_event_that_is_invalid_is_isolated(hook: Hook) -> None:
    """It takes a few requests, not one an event, and afterwards requests are as large as before."""

    def strict(request: Received) -> web.Response:
        return web.Response(status=422 if b'"Bad"' in request.body else 200, text="no such kind: Bad")

    hook.answers = strict
    some = [listed(BEGIN + number, number, "Bad" if number == 700 else "Init") for number in range(1000)]
    async with connect(hook.url) as sink:
        (refused,) = [*(await sink.write(batch(some)) or ())]
        assert refused.reason.endswith("answers 422: no such kind: Bad")
        assert len(hook.requests) < 25
        hook.requests.clear()
        await sink.write(events(2000))
    assert sizes(hook) == [1000, 1000]


async def test_receiver_that_takes_nothing_is_wrong(hook: Hook) -> None:
    """It expects something else: not all events become dead letters."""
    hook.answers = lambda _: 400
    async with connect(hook.url) as sink:
        with pytest.raises(SinkError, match=r"refuses every event so far: .* answers 400"):
            await sink.write(events(1000))
    assert len(hook.requests) < 60


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 521])
async def test_batch_goes_on_where_it_was_interrupted(hook: Hook, status: int) -> None:
    answers = iter([200, 200, status])
    hook.answers = lambda _: web.Response(status=next(answers, 200), headers={"Retry-After": "7"})
    async with connect(hook.url, max_events=10) as sink:
        all_of = events(50)
        with pytest.raises(SinkError, match=f"answers {status}") as caught:
            await sink.write(all_of)
        assert (caught.value.is_temporary, caught.value.retry_after) == (True, 7)
        await sink.write(all_of)
    assert hook.taken == ids(*range(50))


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "the credentials are refused"),
        (403, "the credentials are refused"),
        (404, "check the address"),
        (405, "check the address"),
        (302, "redirects are not followed"),
    ],
)
async def test_wrong_credentials_or_address_show_at_once(hook: Hook, status: int, says: str) -> None:
    """They show by a request without events, before there is one; the answer's text is in the message, no secret is."""
    hook.answers = lambda request: web.Response(status=status, text=f"denied {request.headers['x-key']}")
    with pytest.raises(SinkError, match=says) as caught:
        await connect(f"{hook.url}/{SECRET}?k={SECRET}", headers={"X-Key": SECRET}).__aenter__()
    assert not caught.value.is_temporary
    assert f"http://127.0.0.1:{hook.port} answers {status}: denied ****" in str(caught.value)
    assert (len(hook.requests), hook.requests[0].body) == (1, b"")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [line for line in shown.format() if "/cfevents/sinks/" in line]
    assert SECRET not in "".join(ours)


async def test_receiver_may_come_up_later(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """Only what cannot pass by itself ends at once."""
    port, sink = hook.port, connect(hook.url)
    await hook.__aexit__()
    async with sink:
        assert "cannot be reached" in caplog.text
        with pytest.raises(SinkError, match=r"cannot be reached: Connection refused$") as caught:
            await sink.write(events(1))
        assert caught.value.is_temporary
        await hook.__aenter__(port)
        await sink.write(events(1))
    assert hook.taken == ids(0)


async def test_receiver_that_is_silent_is_given_up(hook: Hook) -> None:
    release = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    server = web.ServerRunner(web.Server(wait), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    port = server.addresses[0][1]
    async with connect(f"http://127.0.0.1:{port}", timeout=0.05) as sink:
        with pytest.raises(SinkError, match=r"did not answer within 0\.05 s") as caught:
            await sink.write(events(1))
    assert caught.value.is_temporary
    release.set()
    await server.cleanup()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"],
)
async def test_receiver_that_breaks_off_has_taken_nothing(answer: bytes) -> None:
    """A connection that ends before the answer does is a failure that may pass."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with server, connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as sink:
        with pytest.raises(SinkError, match="cannot be reached") as caught:
            await sink.write(events(1))
    assert caught.value.is_temporary
    assert "RawResponse" not in str(caught.value)


async def test_certificate_that_is_not_trusted_ends_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with Hook(context) as hook:
        with pytest.raises(SinkError, match=r"no valid TLS certificate.*SSL_CERT_FILE") as caught:
            await connect(hook.url).__aenter__()
    assert not caught.value.is_temporary


async def test_server_without_tls_ends_it(hook: Hook) -> None:
    with pytest.raises(SinkError, match="speaks no TLS") as caught:
        await connect(hook.url.replace("http", "https")).__aenter__()
    assert not caught.value.is_temporary


async def test_address_and_headers_stay_secret(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """Neither repr nor log has more of the address than its host."""
    caplog.set_level(logging.DEBUG)
    sink = connect(f"{hook.url}/{SECRET}", token=SECRET, headers={"X-Key": SECRET})
    async with sink:
        await sink.write(events(1))
    assert repr(sink) == f"<Webhook http://127.0.0.1:{hook.port}>"
    assert SECRET not in caplog.text
    assert hook.requests[0].path == f"/hook/{SECRET}"


async def test_sink_must_be_open() -> None:
    sink: Sink = connect("https://hook.example")
    with pytest.raises(SinkError, match="is not open"):
        await sink.write(events(1))


async def test_proxy_is_taken_from_the_environment(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the whole address; a receiver on this machine, or one that is exempt, is reached without it."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{SECRET}@127.0.0.1:{hook.port}")
    monkeypatch.setenv("NO_PROXY", "exempt.invalid")
    async with connect("http://hook.invalid/path?source=wan", insecure=True) as sink:
        await sink.write(events(2))
    assert hook.taken == ids(0, 1)
    assert (hook.requests[-1].headers["host"], hook.requests[-1].path) == ("hook.invalid", "/path?source=wan")
    assert "proxy-authorization" in hook.requests[-1].headers
    hook.requests.clear()
    async with connect(hook.url) as sink:
        await sink.write(events(2))
    assert "proxy-authorization" not in hook.requests[-1].headers
    hook.requests.clear()
    async with connect("http://exempt.invalid", insecure=True) as sink:
        with pytest.raises(SinkError, match=r"exempt\.invalid cannot be reached"):
            await sink.write(events(1))
    assert not hook.requests

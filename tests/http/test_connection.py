"""One request over real HTTP: repeated while it may be, bounded, and never taken elsewhere."""

import asyncio
import gzip
import logging
import socket
import warnings
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import stamina.instrumentation
from aiohttp import web
from support.clock import run_jumping
from support.scripted import TOKEN, Reply, ScriptedAPI, failure, success

import cfevents
from cfevents import Client, Retry

CONNECTORS = success([{"id": "c1"}])


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"result": [')
    return await drop(request)


async def stall(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.sleep(10_000)
    return web.Response()


def ask(*steps: Any, timeout: float | None = None, **options: Any) -> tuple[Any, int, float]:
    """Ask once for the connectors, and tell the result or error, the requests made and the time that passed."""

    async def main() -> tuple[Any, int, float]:
        loop = asyncio.get_running_loop()
        async with ScriptedAPI(*steps) as api, Client(**(api.client_options | options)) as client:
            began = loop.time()
            try:
                result: Any = await client.list_connectors(timeout=timeout)
            except cfevents.CfEventsError as error:
                result = error
            return result, len(api.requests), loop.time() - began

    return run_jumping(main())


@pytest.mark.parametrize(
    "fault",
    [
        drop,
        cut,
        Reply(b"<html>", 200),
        Reply(b"", 200),
        Reply(b"", 502),
        failure(500),
        failure(503),
        Reply(b"", 522),
        failure(429, 971, headers={"Retry-After": "1"}),
        Reply(gzip.compress(b'{"result": []}')[:20], headers={"Content-Encoding": "gzip"}),
    ],
)
def test_a_passing_fault_is_outlived(fault: Any) -> None:
    result, requests, passed = ask(fault, fault, CONNECTORS)
    assert [connector.id for connector in result] == ["c1"]
    # aiohttp repeats a request by itself where a kept-alive connection turns out dead.
    assert 3 <= requests <= 5
    assert passed < 15


@pytest.mark.parametrize(
    ("fault", "name", "least"),
    [(drop, "APIConnectionError", 6), (failure(500), "InternalServerError", 6), (Reply(b"x"), "APIResponseError", 6)],
)
def test_a_lasting_fault_ends_in_its_error_after_six_attempts(fault: Any, name: str, least: int) -> None:
    error, requests, passed = ask(fault)
    assert type(error).__name__ == name
    assert requests >= least
    assert passed < 60
    assert (error.method, error.path.rpartition("/")[2]) == ("GET", "connectors")


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (failure(400), "BadRequestError"),
        (failure(401), "AuthenticationError"),
        (failure(403), "PermissionDeniedError"),
        (failure(404), "NotFoundError"),
        (failure(409), "APIStatusError"),
        (Reply({"success": False, "errors": []}), "APIStatusError"),
        (success([{"no": "id"}]), "APIResponseError"),
        (success(None), "APIResponseError"),
        (Reply(b"x" * 2000), "ResponseTooLargeError"),
    ],
)
def test_what_would_fail_again_is_not_repeated(fault: Any, name: str) -> None:
    error, requests, passed = ask(fault, max_body_size=1000)
    assert (type(error).__name__, requests) == (name, 1)
    assert passed < 0.5


def test_block_is_waited_out_with_a_margin(caplog: pytest.LogCaptureFixture) -> None:
    """A block is waited out longer than the API says, and logged once."""
    result, requests, passed = ask(failure(429, 971, headers={"Retry-After": "300"}), CONNECTORS)
    assert [connector.id for connector in result] == ["c1"]
    assert requests == 2
    assert 330 <= passed < 340
    records = [record for record in caplog.records if record.name == "cfevents" and record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in records] == ["the API refuses requests: waiting 330 s"]


@pytest.mark.parametrize(
    "fault", [failure(429, 971), Reply({"success": False, "errors": [{"code": 10100, "message": "limit"}]})]
)
def test_block_without_duration_doubles_each_time(fault: Any) -> None:
    """Blocks whose duration the API does not name are waited out twice as long each time."""
    result, requests, passed = ask(fault, fault, fault, CONNECTORS)
    assert [connector.id for connector in result] == ["c1"]
    assert requests == 4
    assert 7.6 <= passed < 8.2  # 1.1, 2.2 and 4.4


@pytest.mark.parametrize(("status", "least"), [(429, 132), (503, 120)])
def test_retry_after_may_be_a_date(status: int, least: int) -> None:
    """A proxy may name a date. It counts from the response's Date: this machine's clock may be wrong."""
    headers = {"Retry-After": "Sun, 06 Nov 1994 08:51:37 GMT", "Date": "Sun Nov  6 08:49:37 1994"}
    _, requests, passed = ask(failure(status, headers=headers), CONNECTORS)
    assert requests == 2
    assert least <= passed < least + 1


def test_endless_block_ends_in_an_error() -> None:
    """A block that never ends is an error once the longest wait has passed."""
    error, requests, passed = ask(failure(429, headers={"Retry-After": "10"}), retry=Retry(max_block_wait=60))
    assert (type(error), error.retry_after, error.resume_after) == (cfevents.RateLimitError, 10, 10 + 16)
    assert requests == 5
    assert passed < 61


@pytest.mark.parametrize(("retry_after", "timeout", "expected"), [("300", 60, 330), ("370", None, 407)])
def test_a_block_longer_than_the_patience_is_an_error_at_once(
    retry_after: str, timeout: float | None, expected: int
) -> None:
    error, requests, passed = ask(failure(429, headers={"Retry-After": retry_after}), timeout=timeout)
    assert type(error) is cfevents.RateLimitError
    assert (error.retry_after, error.resume_after) == (int(retry_after), expected)
    assert requests == 1
    assert passed < 1


def test_each_attempt_has_its_own_time() -> None:
    result, requests, passed = ask(stall, stall, CONNECTORS, timeout=None)
    assert [connector.id for connector in result] == ["c1"]
    assert requests == 3
    assert 60 < passed < 70


def test_the_time_for_an_attempt_may_be_an_aiohttp_timeout() -> None:
    error, _, passed = ask(stall, timeout=None)
    assert type(error) is cfevents.APITimeoutError
    assert 180 < passed < 220


def test_a_token_source_that_hangs_is_bounded_like_an_attempt() -> None:
    async def token() -> str:
        await asyncio.sleep(1e6)
        return TOKEN

    error, requests, passed = ask(CONNECTORS, api_token=token)
    assert (type(error), requests) == (cfevents.APITimeoutError, 0)
    assert 180 < passed < 220


async def test_the_callers_own_timeout_for_one_attempt_counts() -> None:
    async with ScriptedAPI(stall, CONNECTORS) as api:
        timeout = aiohttp.ClientTimeout(sock_read=0.05)
        async with Client(**api.client_options, timeout=timeout) as client:
            assert len(await client.list_connectors()) == 1


@pytest.mark.parametrize("steps", [(stall,), (failure(500),), (drop,)])
def test_the_calls_patience_bounds_attempts_and_waits_together(steps: Any) -> None:
    error, _, passed = ask(*steps, timeout=2)
    assert type(error) is cfevents.APITimeoutError
    assert "call's timeout" in str(error)
    assert ("; last attempt: " in str(error)) is (steps != (stall,))
    assert passed == pytest.approx(2, abs=0.2)


def test_a_refused_connection_is_our_error_with_its_cause() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{free.getsockname()[1]}"
    error, _, _ = ask(base_url=base_url)
    assert type(error) is cfevents.APIConnectionError
    assert "Cannot connect to host 127.0.0.1" in str(error)
    assert isinstance(error.__cause__, aiohttp.ClientConnectorError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "scheme", [{}, {"api_token": None, "api_email": "arg@mail.example", "api_key": "arg-key-33bb"}]
)
async def test_a_redirect_takes_the_credentials_nowhere(status: int, scheme: dict[str, Any]) -> None:
    async with ScriptedAPI(CONNECTORS) as elsewhere:
        there = Reply(b"", status, {"Location": elsewhere.base_url})
        async with ScriptedAPI(there) as api, Client(**(api.client_options | scheme)) as client:
            with pytest.raises(cfevents.APIStatusError, match="a redirect, which is not followed") as raised:
                await client.list_connectors()
        assert raised.value.status == status
        assert elsewhere.requests == []


async def test_requests_carry_user_agent_scheme_and_headers() -> None:
    """Requests carry the User-Agent, one scheme of credentials and the caller's headers."""
    async with ScriptedAPI(CONNECTORS) as api:
        async with Client(**api.client_options, extra_headers={"X-Access": "header-secret-55dd"}) as client:
            await client.list_connectors()
        headers = api.requests[0].headers
    assert headers["User-Agent"] == f"cfevents/{cfevents.__version__}"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["X-Access"] == "header-secret-55dd"
    assert not {"X-Auth-Key", "X-Auth-Email", "Cookie"} & set(headers)


async def test_the_callers_user_agent_replaces_ours() -> None:
    async with ScriptedAPI(CONNECTORS) as api:
        async with Client(**api.client_options, extra_headers={"User-Agent": "siem/1"}) as client:
            await client.list_connectors()
        assert api.requests[0].headers.getall("User-Agent") == ["siem/1"]


async def test_cookies_are_not_kept() -> None:
    async with ScriptedAPI(Reply(b"", 500, {"Set-Cookie": "a=b"}), CONNECTORS) as api:
        # Not by address: for an address aiohttp keeps no cookies anyway.
        options: dict[str, Any] = {**api.client_options, "base_url": api.base_url.replace("127.0.0.1", "localhost")}
        async with Client(**options) as client:
            await client.list_connectors()
        assert len(api.requests) == 2
        assert "Cookie" not in api.requests[-1].headers


async def test_size_limit_is_for_the_decompressed_body() -> None:
    """A compressed response is limited by its size after decompression."""
    bomb = Reply(gzip.compress(b"0" * 10_000_000), headers={"Content-Encoding": "gzip", "CF-Ray": "ray"})
    async with ScriptedAPI(bomb) as api, Client(**api.client_options, max_body_size=1_000_000) as client:
        with pytest.raises(cfevents.ResponseTooLargeError, match="larger than max_body_size, 1000000 bytes") as raised:
            await client.list_connectors()
    assert raised.value.ray_id == "ray"


async def test_an_answer_of_exactly_the_limit_is_read() -> None:
    text = '{"result": [], "success": true}'
    async with ScriptedAPI(Reply(text)) as api, Client(**api.client_options, max_body_size=len(text)) as client:
        assert await client.list_connectors() == []


@pytest.fixture
async def theirs() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        raise_for_status=True, timeout=aiohttp.ClientTimeout(total=1e-9), auto_decompress=False
    ) as http:
        yield http


async def test_callers_session_stays_open_and_changes_nothing(
    theirs: aiohttp.ClientSession,
) -> None:
    """A caller's session stays open, and its own settings change nothing."""
    zipped = Reply(gzip.compress(b'{"result": [], "success": true}'), headers={"Content-Encoding": "gzip"})
    async with (
        ScriptedAPI(failure(404, 1003, "gone"), zipped) as api,
        Client(**api.client_options, session=theirs) as client,
    ):
        with pytest.raises(cfevents.NotFoundError, match="1003: gone"):
            await client.list_connectors()
        assert await client.list_connectors() == []
    assert not theirs.closed


async def test_closed_session_is_refused(
    theirs: aiohttp.ClientSession,
) -> None:
    """A caller's session that is closed is refused, when the client opens and afterwards."""
    async with ScriptedAPI(CONNECTORS) as api:
        client = await Client(**api.client_options, session=theirs).open()
        await theirs.close()
        with pytest.raises(cfevents.ConfigurationError, match="Session is closed"):
            await client.list_connectors()
        await client.close()
        with pytest.raises(cfevents.ConfigurationError, match="the session that was passed is closed"):
            await client.open()


def test_a_session_of_another_loop_is_refused() -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def use(http: aiohttp.ClientSession) -> None:
        with pytest.raises(cfevents.ConfigurationError, match="belongs to another event loop"):
            await Client(api_token="arg-token-33bb", account_id="a", session=http).open()

    with asyncio.Runner() as one, asyncio.Runner() as other:
        http = one.run(make())
        other.run(use(http))
        one.run(http.close())


async def test_a_session_with_credentials_of_its_own_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        by_auth = aiohttp.ClientSession(auth=aiohttp.BasicAuth("user", "header-secret-55dd"))
    by_header = aiohttp.ClientSession(headers={"authorization": "Bearer header-secret-55dd"})
    async with by_auth, by_header:
        for http in (by_auth, by_header):
            with pytest.raises(cfevents.ConfigurationError, match="credentials of its own"):
                await Client(api_token="arg-token-33bb", account_id="a", session=http).open()


@pytest.mark.parametrize("machine", ["127.0.0.1", "other.example"])
async def test_what_netrc_holds_is_never_sent(machine: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text(f"machine {machine} login me password header-secret-55dd\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    scheme: dict[str, Any] = {"api_token": None, "api_email": "arg@mail.example", "api_key": "arg-key-33bb"}
    async with ScriptedAPI(CONNECTORS) as api:
        options = api.client_options | scheme
        async with Client(**options) as client:
            await client.list_connectors()
        async with aiohttp.ClientSession(trust_env=True) as http:
            client = Client(**options, session=http)
            if machine == "127.0.0.1":
                with pytest.raises(cfevents.ConfigurationError, match=r"would send what \.netrc has for 127\.0\.0\.1"):
                    await client.open()
            else:
                async with client:
                    await client.list_connectors()
        assert all("Authorization" not in request.headers for request in api.requests)


@pytest.fixture
async def proxy() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that lets nobody through: its port, and the heads of the requests that came."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heads


@pytest.mark.parametrize("user", ["", "user:header-secret-55dd@"])
async def test_proxy_of_the_environment_hides_its_password(
    user: str, proxy: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy comes from the environment, and its password is shown nowhere."""
    port, heads = proxy
    monkeypatch.setenv("https_proxy", f"http://{user}127.0.0.1:{port}")
    async with Client(
        retry=Retry(attempts=1), api_token=TOKEN, account_id="a", base_url="https://api.example.com/v4"
    ) as client:
        with pytest.raises(cfevents.APIConnectionError, match="407"):
            await client.list_connectors()
    (head,) = heads
    assert head.startswith(b"CONNECT api.example.com:443 HTTP/1.1")
    assert (b"Proxy-Authorization: Basic " in head) is bool(user)
    assert TOKEN.encode() not in head


@pytest.mark.parametrize("named", ["127.0.0.1:{port}", "user:header-secret-55dd@127.0.0.1:{port}"])
async def test_a_proxy_may_be_named_without_a_scheme(
    named: str, proxy: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, heads = proxy
    monkeypatch.setenv("https_proxy", named.format(port=port))
    async with Client(
        retry=Retry(attempts=1), api_token=TOKEN, account_id="a", base_url="https://api.example.com"
    ) as client:
        with pytest.raises(cfevents.APIConnectionError, match="407"):
            await client.list_connectors()
    assert len(heads) == 1


@pytest.mark.parametrize("name", ["all_proxy", "ALL_PROXY", "HTTPS_PROXY"])
async def test_all_proxy_is_used_where_no_other_is_named(
    name: str, proxy: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALL_PROXY names a proxy as it does for curl; HTTPS_PROXY is stronger."""
    port, heads = proxy
    if name == "HTTPS_PROXY":
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv(name, f"http://user:header-secret-55dd@127.0.0.1:{port}")
    async with Client(
        retry=Retry(attempts=1), api_token=TOKEN, account_id="a", base_url="https://api.example.com"
    ) as client:
        with pytest.raises(cfevents.APIConnectionError, match="407"):
            await client.list_connectors()
    assert len(heads) == 1


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5", "ftp"])
@pytest.mark.parametrize("name", ["all_proxy", "https_proxy"])
async def test_socks_proxy_is_refused_with_what_to_install(
    name: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that cannot be used is refused, not ignored; the message names what can use it."""
    monkeypatch.setenv(name, f"{scheme}://user:header-secret-55dd@127.0.0.1:1080")
    client = Client(api_token=TOKEN, account_id="a", base_url="https://api.example.com")
    with pytest.raises(cfevents.ConfigurationError, match=f"in {name} .* install aiohttp-socks") as raised:
        await client.open()
    assert "header-secret" not in repr(raised.value)


@pytest.mark.parametrize("named", ["http://user:header-secret-55dd@127.0.0.1:99999", "http://[", "http://"])
async def test_a_proxy_that_is_no_url_is_named_without_being_shown(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", named)
    with pytest.raises(cfevents.ConfigurationError, match="in https_proxy is not a URL"):
        await Client(
            retry=Retry(attempts=1), api_token=TOKEN, account_id="a", base_url="https://api.example.com"
        ).open()


async def test_local_api_and_no_proxy_hosts_need_no_proxy(
    proxy: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local API and the hosts in no_proxy are reached without a proxy."""
    port, heads = proxy
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "api.invalid")
    async with ScriptedAPI(CONNECTORS) as api, Client(**api.client_options) as client:
        assert len(await client.list_connectors()) == 1
    async with Client(
        retry=Retry(attempts=1), api_token=TOKEN, account_id="a", base_url="https://api.invalid"
    ) as client:
        with pytest.raises(cfevents.APIConnectionError, match=r"api\.invalid"):
            await client.list_connectors()
    assert heads == []


@pytest.mark.parametrize(("status", "headers"), [(502, {}), (503, {}), (530, {}), (500, {"CF-Ray": "r"})])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"success": false}'])
def test_retry_after_of_a_failure_is_waited(status: int, headers: dict[str, str], body: bytes) -> None:
    """An answer of 500 and above that says when to come back is asked again then, and no earlier."""
    result, requests, passed = ask(Reply(body, status, headers | {"Retry-After": "60"}), CONNECTORS)
    assert ([connector.id for connector in result], requests) == (["c1"], 2)
    assert 60 <= passed < 61


@pytest.mark.parametrize(
    ("seconds", "requests", "passed"),
    [("60", 6, 300), ("120", 4, 360), ("400", 2, 400), ("401", 1, 0), ("9" * 9, 1, 0)],
)
def test_retry_after_is_waited_within_max_block_wait(seconds: str, requests: int, passed: int) -> None:
    error, sent, waited = ask(failure(502, headers={"Retry-After": seconds}))
    assert (type(error), error.retry_after, sent) == (cfevents.InternalServerError, int(seconds), requests)
    assert waited == pytest.approx(passed, abs=1)


def test_retry_after_beyond_the_calls_timeout_is_an_error_at_once() -> None:
    error, requests, passed = ask(failure(503, headers={"Retry-After": "60"}), timeout=20)
    assert (type(error), requests) == (cfevents.InternalServerError, 1)
    assert passed < 1


@pytest.mark.parametrize("seconds", ["0", "soon", "-1"])
def test_retry_after_without_seconds_changes_nothing(seconds: str) -> None:
    _, requests, passed = ask(failure(502, headers={"Retry-After": seconds}), CONNECTORS)
    assert requests == 2
    assert passed <= 1.1


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (Reply({"title": "Host not configured", "error_code": 1004}, 403, {"Retry-After": "120"}), 2),
        (Reply({"title": "Host not configured", "error_code": 1004, "retry_after": 120}, 403), 2),
        (Reply({"title": "Host not configured", "error_code": 1004, "retry_after": "soon"}, 403), 1),
        (Reply({"success": False, "retry_after": 120}, 403), 1),
        (Reply(b"error code: 1020", 403), 1),
        (failure(403, headers={"Retry-After": "120"}), 1),
        (Reply(b"", 302, {"Retry-After": "120"}), 1),
    ],
)
def test_edge_that_names_a_time_is_asked_again(fault: Reply, requests: int) -> None:
    """What the edge refuses for a time that it names is asked again; what the API refuses is not."""
    _, sent, passed = ask(fault, CONNECTORS)
    assert sent == requests
    assert passed == pytest.approx(120 * (requests - 1), abs=1)


async def test_body_that_a_middleware_has_read_is_read() -> None:
    """A middleware of the caller's session may read the body, to log it, and return the response."""

    async def reads(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await handler(request)
        await response.read()
        return response

    options: dict[str, Any] = {"max_body_size": 1000, "retry": Retry(1)}
    async with (
        ScriptedAPI(CONNECTORS, Reply(b""), success([{"id": "c" * 2000}])) as api,
        aiohttp.ClientSession(middlewares=[reads]) as theirs,
        Client(**api.client_options, **options, session=theirs) as client,
    ):
        assert [connector.id for connector in await client.list_connectors()] == ["c1"]
        with pytest.raises(cfevents.APIResponseError, match="the response is not JSON"):
            await client.list_connectors()
        with pytest.raises(cfevents.ResponseTooLargeError):
            await client.list_connectors()


async def reset_within(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000", "CF-Ray": "8f-AMS"})
    await response.prepare(request)
    await response.write(b'{"result": [')
    return await drop(request)


async def stall_within(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000", "CF-Ray": "8f-AMS"})
    await response.prepare(request)
    return await stall(request)


CUT_GZIP = {"Content-Encoding": "gzip", "CF-Ray": "8f-AMS"}


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (reset_within, "APIConnectionError"),
        (stall_within, "APITimeoutError"),
        (Reply(b"no gzip at all", headers=CUT_GZIP), "APIConnectionError"),
        (Reply(b"x" * 2000, headers={"CF-Ray": "8f-AMS"}), "ResponseTooLargeError"),
    ],
)
def test_body_that_is_not_whole_has_the_ray(fault: Any, name: str) -> None:
    """An error of a body that was cut short has the CF-Ray of the headers that came before it."""
    error, _, _ = ask(fault, retry=Retry(1), max_body_size=1000)
    assert (type(error).__name__, error.ray_id) == (name, "8f-AMS")
    assert "(CF-Ray 8f-AMS)" in str(error)


@pytest.mark.parametrize("fault", [cut, Reply(b"x" * 2000)])
async def test_ray_that_repeats_the_token_is_masked(fault: Any) -> None:
    async def echoes(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "2000", "CF-Ray": f"x{TOKEN}"})
        await response.prepare(request)
        await response.write(b"x" * (2000 if isinstance(fault, Reply) else 9))
        return await drop(request)

    options: dict[str, Any] = {"max_body_size": 1000, "retry": Retry(1)}
    async with ScriptedAPI(echoes) as api, Client(**api.client_options, **options) as client:
        with pytest.raises(cfevents.APIError) as raised:
            await client.list_connectors()
    assert raised.value.ray_id == "x**********"


@pytest.mark.parametrize("size", [8190, 8191, 20_000, 60_000])
def test_long_headers_are_read(size: int) -> None:
    """A header beyond aiohttp's own limit of 8,190 bytes does no harm."""
    result, requests, _ = ask(Reply(CONNECTORS.body, headers={"Content-Security-Policy": "x" * size}))
    assert ([connector.id for connector in result], requests) == (["c1"], 1)


def test_header_beyond_any_limit_is_an_error_that_says_so() -> None:
    """It is not repeated, and the header is not shown: it may repeat a credential."""
    error, requests, _ = ask(Reply(CONNECTORS.body, headers={"X-Echo": TOKEN * 5000}))
    assert (type(error), error.place, requests) == (cfevents.APIResponseError, "headers", 1)
    assert "a header or the first line of the response is longer than 65,536 bytes" in str(error)


async def test_every_member_of_a_gzip_body_is_read() -> None:
    """A gzip body may have several members; aiohttp before 3.14.0 dropped all but the first."""
    text = b'{"result": [{"id": "c1"}], "success": true}'
    members = [gzip.compress(text[at : at + 9]) for at in range(0, len(text), 9)]
    reply = Reply(b"".join(members), headers={"Content-Encoding": "gzip"})
    async with ScriptedAPI(reply) as api, Client(**api.client_options, retry=Retry(1)) as client:
        assert [connector.id for connector in await client.list_connectors()] == ["c1"]


@pytest.mark.parametrize("report", [False, True])
def test_repeats_are_reported_to_stamina_on_demand_alone(report: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """stamina's hooks are the process's, and with structlog they print on stdout: a library must not."""
    reported: list[str] = []

    def hook(details: stamina.instrumentation.RetryDetails) -> None:
        reported.append(type(details.caused_by).__name__)
        print("a repeat is scheduled")

    stamina.instrumentation.set_on_retry_hooks([hook])
    try:
        ask(failure(500), failure(502), CONNECTORS, retry=Retry(report_to_stamina=report))
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert reported == ["InternalServerError"] * (2 if report else 0)
    assert bool(capsys.readouterr().out) is report


@pytest.mark.parametrize(
    "body", [b"error code: 1015", b"<html>", {"title": "You are being rate limited", "error_code": 1015}]
)
def test_block_of_the_edge_is_waited_out(body: Any) -> None:
    """The edge limits requests too; its 429 is waited out as the API's is."""
    result, requests, passed = ask(Reply(body, 429, {"Retry-After": "30"}), CONNECTORS)
    assert ([connector.id for connector in result], requests) == (["c1"], 2)
    assert 33 <= passed < 34


@pytest.mark.parametrize(
    ("seconds", "headers", "least"), [(30, {}, 33), ("30", {}, 33), (3, {"Retry-After": "30"}, 33)]
)
def test_edge_may_name_the_time_in_its_document(seconds: Any, headers: dict[str, str], least: int) -> None:
    """The header counts first; a gateway may have taken it away."""
    body = {"title": "You are being rate limited", "error_code": 1015, "retry_after": seconds}
    _, requests, passed = ask(Reply(body, 429, headers), CONNECTORS)
    assert requests == 2
    assert least <= passed < least + 1


def test_response_that_is_no_http_is_named_without_its_url() -> None:
    many = {f"X-{number}": "x" for number in range(200)}
    error, _, _ = ask(Reply(CONNECTORS.body, headers=many), retry=Retry(1))
    assert str(error).endswith("the connection failed: ClientResponseError: 400, Too many headers received")


@pytest.mark.parametrize(("size", "name"), [(20_000, ""), (70_000, "APIResponseError")])
def test_first_line_may_be_long(size: int, name: str) -> None:
    async def long_line(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 %b\r\nContent-Length: 31\r\n\r\n" % (b"O" * size))
        request.transport.write(b'{"result": [], "success": true}')
        return await drop(request) if name else web.Response()

    result, _, _ = ask(long_line, retry=Retry(1))
    assert result == [] if not name else type(result).__name__ == name

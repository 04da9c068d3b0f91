"""What is the matter with a request, told by its name: each trouble made by a real server, proxy or network."""

import asyncio
import json
import math
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from support.clock import run_jumping
from support.secrets import CREDENTIALS

from cfevents import Client
from cfevents.doctor import DoctorReport, examine
from cfevents.testing import Simulator, faults

TOKEN = "arg-token-33bb"
EVENTS = {"site-1": [{"e": {"k": "Init"}, "t": 1_700_000_000, "n": 0}]}


async def examined(base_url: str) -> DoctorReport:
    async with Client(api_token=TOKEN, account_id="account-1", base_url=base_url) as client:
        return await examine(client)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfevents._time.now", lambda: 1_780_000_100)


def told(report: DoctorReport) -> tuple[str, str, int]:
    """The one line that failed, the sort of trouble, and how many requests it took to find out."""
    (failed,) = [check for check in report.checks if check.verdict == "failed"]
    assert failed.advice
    assert not any(secret in report.to_json() for secret in (*CREDENTIALS, "header-secret-55dd"))
    return failed.name, failed.values.get("trouble", ""), report.requests


@asynccontextmanager
async def answering(data: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port that answers whatever comes with these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def test_a_certificate_that_nobody_vouches_for_is_trouble_with_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with answering(b"", context) as port:
        report = await examined(f"https://127.0.0.1:{port}")
    assert told(report) == ("connection", "tls", 1)
    assert "SSL_CERT_FILE" in str(report["connection"].advice)


async def test_a_server_that_speaks_no_tls_is_trouble_with_tls() -> None:
    async with await asyncio.start_server(_plain, "127.0.0.1", 0) as server:
        report = await examined(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert told(report) == ("connection", "tls", 1)


async def _plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_name_that_does_not_resolve_is_trouble_with_the_name() -> None:
    assert told(await examined("https://api.invalid")) == ("connection", "name", 1)


async def test_a_connection_that_is_refused_is_trouble_with_the_connection() -> None:
    report = await examined(f"http://127.0.0.1:{closed_port()}")
    assert told(report) == ("connection", "connection", 1)
    assert report["clock"].verdict == report["budget"].verdict == "unknown"


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
async def test_a_proxy_that_refuses_is_trouble_with_the_proxy(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        monkeypatch.setenv("https_proxy", f"http://user:header-secret-55dd@127.0.0.1:{port}")
        report = await examined("https://api.example.com")
    assert told(report) == ("connection", "proxy", 1)
    assert status[:3] in report["connection"].found


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
async def test_a_proxy_that_is_not_there_is_trouble_with_the_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://{host}:{closed_port()}")
    assert told(await examined("https://api.example.com")) == ("connection", "proxy", 1)


def test_an_answer_that_does_not_come_is_trouble_with_time() -> None:
    async def silent() -> DoctorReport:
        async with Simulator(events=EVENTS) as simulator:
            simulator.faults.add(faults.stall())
            async with Client(**simulator.client_options) as client:
                return await examine(client)

    assert told(run_jumping(silent())) == ("connection", "timeout", 1)


def page(content: str, status: int = 200) -> faults.Fault:
    return faults.status(status, content)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "line", "sort"),
    [
        (faults.reset(), "connection", "connection"),
        (faults.short_body(), "connection", "connection"),
        (faults.body(b"<html>Please log in</html>", content_type="text/html"), "connection", "page"),
        (faults.empty_body(), "connection", "page"),
        (page("html", 403), "connection", "page"),
        (page("html", 407), "connection", "page"),
        (page("nothing", 404), "connection", "page"),
        (faults.redirect("https://login.example.com/"), "connection", "redirect"),
        (page("html", 502), "connection", "server"),
        (page("nothing", 520), "connection", "server"),
        (page("envelope", 500), "connection", "server"),
        (faults.envelope(result="a text"), "connection", "answer"),
        (faults.body(b'{"truncated": '), "connection", "answer"),
        (faults.gzip_bomb(), "connection", "answer"),
        (faults.status(400), "account", "refused"),
        (faults.envelope(success=False), "account", "refused"),
        (faults.status(401), "credentials", "credentials"),
        (faults.status(403), "permission", "permission"),
        (faults.status(404), "account", "not found"),
    ],
    ids=str,
)
async def test_a_fault_of_the_first_answer_is_named_by_one_request(fault: Any, line: str, sort: str) -> None:
    async with Simulator(events=EVENTS) as simulator:
        simulator.faults.add(fault)
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
        assert len(simulator.requests) == 1
    assert told(report) == (line, sort, 1)
    assert report["listing"].found == "not asked: an earlier request failed"
    assert report["assumptions"].found == report["listing"].found
    if line != "connection":
        assert report["connection"].verdict == "ok"


@pytest.mark.parametrize("retry_after", [300, 3, None])
async def test_a_block_is_told_and_not_prolonged_by_further_requests(retry_after: int | None) -> None:
    async with Simulator(events=EVENTS) as simulator:
        simulator.faults.add(faults.status(429, retry_after=retry_after))
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
        assert len(simulator.requests) == 1
    assert told(report)[0] == "budget"
    assert report["connection"].verdict == "ok"
    assert report["credentials"].verdict == "unknown"
    waits = math.ceil((retry_after or 0) * 1.1)
    assert (f"for {waits} s from now" in report["budget"].found) is bool(retry_after)


async def test_a_wrong_token_a_wrong_key_and_a_wrong_account_are_told_apart() -> None:
    async with Simulator(events=EVENTS) as simulator:
        where = {"base_url": simulator.base_url, "account_id": simulator.account_id}
        wrong: dict[str, dict[str, Any]] = {
            "credentials": where | {"api_token": TOKEN},
            "permission": where | {"api_email": "arg@mail.example", "api_key": "arg-key-33bb"},
            "account": {**simulator.client_options, "account_id": "another-account"},
        }
        for line, options in wrong.items():
            async with Client(**options) as client:
                assert told(await examine(client))[0] == line


@pytest.mark.parametrize(("path", "line"), [("/latest", "latest"), ("/17*", "event"), ("/events", "listing")])
@pytest.mark.parametrize("fault", [faults.status(403), faults.status(500), faults.result(items=5, t="x")], ids=str)
async def test_what_one_call_cannot_do_leaves_the_others_to_be_examined(fault: Any, path: str, line: str) -> None:
    events = [{"e": {"k": "Init"}, "t": 1_780_000_000 + n, "n": 0} for n in range(3)]
    async with Simulator(events={"site-1": events}) as simulator:
        simulator.faults.add(fault, path=path)
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
    failed = {check.name for check in report.checks if check.verdict == "failed"}
    assert failed == {line}
    assert {check.name for check in report.checks if check.verdict == "ok"} >= {"latest", "permission"} - {line}


@pytest.mark.parametrize(
    ("fault", "line"),
    [(faults.reset(), "event"), (faults.status(401), "event"), (faults.status(429, retry_after=60), "budget")],
    ids=str,
)
async def test_what_would_fail_likewise_is_not_asked_any_more(fault: Any, line: str) -> None:
    events = [{"e": {"k": "Init"}, "t": 1_780_000_000 + n, "n": 0} for n in range(3)]
    async with Simulator(events={"site-1": events}) as simulator:
        simulator.faults.add(fault, path="/17*")
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
        assert len(simulator.requests) == report.requests == 3
    assert report[line].verdict == "failed"
    assert report["latest"].found == report["window"].found == "not asked: an earlier request failed"
    assert report["order"].verdict == "unknown"


async def test_a_report_for_a_support_case_has_the_rays_and_neither_ids_nor_secrets() -> None:
    events = [{"e": {"k": "Init", "note": "of nobody's business"}, "t": 1_780_000_000 + n, "n": 0} for n in range(3)]
    async with Simulator(events={"site-1": events}) as simulator:
        simulator.faults.add(
            faults.status(404, message=f"account {simulator.account_id} has no site-1"), path="/latest"
        )
        async with Client(**simulator.client_options) as client:
            text = (await examine(client)).to_json()
        report = json.loads(text)
    assert report["failed"] is True
    assert report["requests"] == len(report["ray_ids"]) == len(simulator.requests)
    assert {"cfevents", "python", "aiohttp"} < report.keys()
    latest = next(check for check in report["checks"] if check["name"] == "latest")
    assert "<account> has no <connector>" in latest["found"]
    for secret in (simulator.account_id, simulator.api_token, "site-1", "nobody's business"):
        assert secret not in text

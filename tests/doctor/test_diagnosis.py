"""Diagnoses of failed requests, each failure made by a real server, proxy or network."""

import asyncio
import json
import math
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import pytest
import trustme
from support.clock import run_jumping
from support.scripted import Reply, ScriptedAPI, failure, success
from support.secrets import CREDENTIALS

from cfevents import Client, ConfigurationError
from cfevents.doctor import DoctorReport, examine, misconfigured
from cfevents.testing import Simulator, faults

TOKEN = "arg-token-33bb"
EVENTS = {"site-1": [{"e": {"k": "Init"}, "t": 1_700_000_000, "n": 0}]}


async def examined(base_url: str) -> DoctorReport:
    async with Client(api_token=TOKEN, account_id="account-1", base_url=base_url) as client:
        return await examine(client)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfevents._time.now", lambda: 1_780_000_100)


def failed_line(report: DoctorReport) -> tuple[str, str, int]:
    """The one line that failed, the category, and how many requests it took to find out."""
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


async def test_untrusted_certificate_is_trouble_with_tls() -> None:
    """A certificate without a trusted CA is trouble with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with answering(b"", context) as port:
        report = await examined(f"https://127.0.0.1:{port}")
    assert failed_line(report) == ("connection", "tls", 1)
    assert "SSL_CERT_FILE" in str(report["connection"].advice)


async def test_a_server_that_speaks_no_tls_is_trouble_with_tls() -> None:
    async with await asyncio.start_server(_plain, "127.0.0.1", 0) as server:
        report = await examined(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert failed_line(report) == ("connection", "tls", 1)


async def _plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_name_that_does_not_resolve_is_trouble_with_the_name() -> None:
    assert failed_line(await examined("https://api.invalid")) == ("connection", "name", 1)


async def test_refused_connection_is_trouble_with_the_connection() -> None:
    """A connection that is refused is trouble with the connection."""
    report = await examined(f"http://127.0.0.1:{closed_port()}")
    assert failed_line(report) == ("connection", "connection", 1)
    assert report["clock"].verdict == report["budget"].verdict == "unknown"


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
async def test_a_proxy_that_refuses_is_trouble_with_the_proxy(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        monkeypatch.setenv("https_proxy", f"http://user:header-secret-55dd@127.0.0.1:{port}")
        report = await examined("https://api.example.com")
    assert failed_line(report) == ("connection", "proxy", 1)
    assert status[:3] in report["connection"].found


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
async def test_a_proxy_that_is_not_there_is_trouble_with_the_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://{host}:{closed_port()}")
    assert failed_line(await examined("https://api.example.com")) == ("connection", "proxy", 1)


def test_missing_response_is_a_timeout() -> None:
    """A response that does not come is trouble with the timeout."""

    async def silent() -> DoctorReport:
        async with Simulator(events=EVENTS) as simulator:
            simulator.faults.add(faults.stall())
            async with Client(**simulator.client_options) as client:
                return await examine(client)

    assert failed_line(run_jumping(silent())) == ("connection", "timeout", 1)


def page(content: str, status: int = 200) -> faults.Fault:
    return faults.status(status, content)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "line", "category"),
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
        (faults.wrong_token("malformed"), "credentials", "credentials"),
        (faults.wrong_token("unknown"), "permission", "permission"),
        (faults.wrong_token("rolled"), "permission", "permission"),
        (faults.status(400, code=6003), "credentials", "credentials"),
        (faults.status(404, code=7003), "connection", "path"),
        (faults.status(400, code=7003), "connection", "path"),
        (faults.status(403, "text"), "connection", "edge"),
        (faults.status(403, "problem"), "connection", "edge"),
        (faults.status(401, "problem"), "connection", "edge"),
        (faults.status(403, "html"), "connection", "page"),
        (faults.status(502, "problem"), "connection", "server"),
    ],
    ids=str,
)
async def test_a_fault_of_the_first_answer_is_named_by_one_request(fault: Any, line: str, category: str) -> None:
    async with Simulator(events=EVENTS) as simulator:
        simulator.faults.add(fault)
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
        assert len(simulator.requests) == 1
    assert failed_line(report) == (line, category, 1)
    assert "an earlier request failed" in report["listing"].found
    assert report["assumptions"].found == report["listing"].found
    if line != "connection":
        assert report["connection"].verdict == "ok"


@pytest.mark.parametrize("retry_after", [300, 3, None])
async def test_block_is_reported_and_not_prolonged(retry_after: int | None) -> None:
    """A block is reported, and not prolonged by further requests."""
    async with Simulator(events=EVENTS) as simulator:
        simulator.faults.add(faults.status(429, retry_after=retry_after))
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
        assert len(simulator.requests) == 1
    assert failed_line(report)[0] == "budget"
    assert report["connection"].verdict == "ok"
    assert report["credentials"].verdict == "unknown"
    waits = math.ceil((retry_after or 0) * 1.1)
    assert (f"for {waits} s from now" in report["budget"].found) is bool(retry_after)


async def test_base_url_without_its_path_is_blamed() -> None:
    """A base URL that lacks /client/v4 is answered with a 7003, which blames no id."""
    async with Simulator(events=EVENTS) as simulator:
        options: dict[str, Any] = {
            **simulator.client_options,
            "base_url": simulator.base_url.removesuffix("/client/v4"),
        }
        async with Client(**options) as client:
            report = await examine(client)
    assert failed_line(report) == ("connection", "path", 1)
    assert "CLOUDFLARE_BASE_URL, which ends with /client/v4" in str(report["connection"].advice)


async def test_malformed_token_is_blamed_and_no_id() -> None:
    async with Simulator(events=EVENTS) as simulator:
        simulator.faults.add(faults.wrong_token())
        async with Client(**simulator.client_options) as client:
            check = (await examine(client))["credentials"]
    assert "6111: Invalid format for Authorization header" in check.found
    assert "CLOUDFLARE_API_TOKEN" in str(check.advice)
    assert "ACCOUNT_ID" not in str(check.advice)


async def test_wrong_token_key_and_account_are_told_apart() -> None:
    """A wrong token, a wrong key and a wrong account are told apart."""
    async with Simulator(events=EVENTS) as simulator:
        where = {"base_url": simulator.base_url, "account_id": simulator.account_id}
        wrong: dict[str, dict[str, Any]] = {
            "credentials": where | {"api_token": TOKEN},
            "permission": where | {"api_email": "arg@mail.example", "api_key": "arg-key-33bb"},
            "account": {**simulator.client_options, "account_id": "another-account"},
        }
        for line, options in wrong.items():
            async with Client(**options) as client:
                assert failed_line(await examine(client))[0] == line


@pytest.mark.parametrize(("path", "line"), [("/latest", "latest"), ("/17*", "event"), ("/events", "listing")])
@pytest.mark.parametrize("fault", [faults.status(403), faults.status(500), faults.result(items=5, t="x")], ids=str)
async def test_failed_call_leaves_the_others_examined(fault: Any, path: str, line: str) -> None:
    """Where one call fails, the others are still examined."""
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
async def test_fatal_error_ends_the_examination(fault: Any, line: str) -> None:
    """Nothing more is sent after an error that every further request would meet."""
    events = [{"e": {"k": "Init"}, "t": 1_780_000_000 + n, "n": 0} for n in range(3)]
    async with Simulator(events={"site-1": events}) as simulator:
        simulator.faults.add(fault, path="/17*")
        async with Client(**simulator.client_options) as client:
            report = await examine(client)
        assert len(simulator.requests) == report.requests == 3
    assert report[line].verdict == "failed"
    assert report["latest"].found == report["window"].found
    assert "an earlier request failed" in report["window"].found
    assert report["order"].verdict == "unknown"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "percent-encoded": lambda text: "".join(f"%{code:02X}" for code in text.encode()),
    "partly encoded": lambda text: f"%{ord(text[0]):02x}{text[1:]}",
    "within a word": "x{}y_z".format,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_json_report_hides_ids_however_they_are_spelled(spelling: str) -> None:
    """No id of the account, its connectors and devices is in a report: not in a ray, a policy's name or a message."""
    account, ids = "acc0unt-123", ["site-a1", "site-b2", "site-c3"]
    known = [account, *ids, "dev1ce-77", "SER1AL-88", "l1cense-99"]
    spelled = " ".join(map(SPELLINGS[spelling], known))
    connectors: list[dict[str, Any]] = [{"id": name, "license_key": "l1cense-99"} for name in ids]
    connectors[1] |= {"device": {"id": "dev1ce-77", "serial_number": "SER1AL-88"}}
    headers = {"CF-Ray": f"8f {spelled}", "Ratelimit-Policy": f'"{spelled}";q=9;w=60,"default";q=90;w=60'}
    headers |= {"Ratelimit": f'"{spelled}";r=5;t=5,"user-4711";r=4;t=4'}
    script = Reply(success(connectors).body, 200, headers), failure(404, 1, f"no {spelled}", headers)
    options: dict[str, Any] = {"api_token": TOKEN, "account_id": account}
    async with ScriptedAPI(*script) as api, Client(base_url=api.base_url, **options) as client:
        text = (await examine(client)).to_json()
    for name in (*known, "4711"):
        assert name.lower() not in unquote(text).lower()
    policies = [check["values"]["policies"] for check in json.loads(text)["checks"] if check["name"] == "budget"]
    assert [*policies[0]] == ["<policy 1>", "default"]


def test_json_report_of_wrong_settings_hides_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "acc0unt/123")
    with pytest.raises(ConfigurationError) as raised:
        Client()
    assert "acc0unt" not in misconfigured(raised.value).to_json()


async def test_json_report_has_rays_and_no_ids_or_secrets() -> None:
    """A report for a support case has the CF-Rays, and neither ids nor secrets."""
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

"""The sink of syslog: messages as RFC 5424 has them, and a batch that counts only when the server has read it."""

import asyncio
import json
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from support.batches import BEGIN, batch, details, listed, with_payload
from support.rsyslog import RSyslog
from support.scripted import ACCOUNT
from support.syslog import Message, SyslogServer

from cfevents import EventDetail, SinkError
from cfevents._model.results import FollowedEvent
from cfevents._protocol.records import followed_line
from cfevents.sinks import connect
from cfevents.sinks.formats import format_event, our_format
from cfevents.sinks.syslog import syslog_message

SD_ID = "cfevents@32473"


def message(event: Any, connector_id: str = "c1", facility: int = 16, sd_id: str = SD_ID) -> Message:
    formatted = format_event(FollowedEvent[Any](connector_id, event), ACCOUNT, our_format)
    return Message.parse(syslog_message(formatted, facility=facility, sd_id=sd_id))


def ids(server: SyslogServer) -> list[str]:
    return [json.loads(message.text)["id"] for message in server.messages]


def test_message_has_the_fields_of_its_event() -> None:
    event = with_payload(listed(BEGIN + 0.5, 2, "FinishUpgradeFailure"), url="https://u/é\n")
    parsed = message(event, facility=3, sd_id="telemetry@64999")
    assert (parsed.facility, parsed.severity, parsed.at) == (3, 3, "2023-11-14T22:13:20.500000Z")
    assert (parsed.host, parsed.app, parsed.process, parsed.kind) == ("c1", "cfevents", "-", "FinishUpgradeFailure")
    assert parsed.sd_id == "telemetry@64999"
    names = {"connector_id": "c1", "id": f"{BEGIN}.5.2", "kind": "FinishUpgradeFailure", "version": "1.2"}
    assert parsed.data == {"account_id": ACCOUNT, **names}
    assert json.loads(parsed.text)["event"]["url"] == "https://u/é\n"


@pytest.mark.parametrize(
    ("kind", "severity"), [("RekeyReset", 2), ("BlessSlotFailure", 3), ("HaError", 4), ("Init", 6), ("", 6)]
)
def test_severity_is_that_of_the_kind(kind: str, severity: int) -> None:
    assert message(listed(BEGIN, kind=kind)).severity == severity


@pytest.mark.parametrize("time", [-(2**63), -62135596801, 4102444800, 253402300800, 2**63 - 1])
def test_time_that_no_server_reads_is_nil(time: float) -> None:
    """A datetime has none before the year 1, and rsyslog reads none after 2099; the text has what there is."""
    parsed = message(listed(time))
    assert parsed.at == "-"
    assert json.loads(parsed.text)["recorded_ts"] == time


@pytest.mark.parametrize(
    ("time", "at"),
    [(-62135596800, "0001-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (4102444799, "2099-12-31T23:59:59Z")],
)
def test_time_of_a_year_that_servers_read_is_sent(time: float, at: str) -> None:
    assert message(listed(time)).at == at


def test_header_has_printable_characters_only() -> None:
    """A name that does not fit is cut, and stands whole in the structured data."""
    hostile = 'a b\n"]\\é\0' * 50
    parsed = message(listed(BEGIN, kind=hostile), connector_id=hostile)
    assert parsed.host == ('a?b?"]\\??' * 50)[:255]
    assert parsed.kind == parsed.host[:32]
    assert parsed.data["kind"] == parsed.data["connector_id"] == hostile
    assert message(listed(BEGIN, kind="")).kind == "-"


@given(details())
@settings(max_examples=60)
def test_any_event_is_a_message(event: EventDetail) -> None:
    """The JSON is the line that follow prints, in ASCII; the data is UTF-8."""
    parsed = message(event)
    assert parsed.text.isascii()
    assert json.loads(parsed.text) == followed_line(FollowedEvent[Any]("c1", event))
    assert parsed.data["id"] == str(event.metadata.id)


async def test_batch_is_there_when_the_server_has_read_it() -> None:
    """Each batch has a connection; a server that reads slowly is waited for."""
    async with SyslogServer() as server:
        async with connect(f"{server.url}?facility=daemon") as sink:
            assert repr(sink) == f"<Syslog {server.url}>"
            await sink.write(batch([listed(BEGIN + number) for number in range(2000)]))
            assert ids(server) == [f"{BEGIN + number}.0" for number in range(2000)]

            async def read_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await asyncio.sleep(0.2)
                await server.read_all(reader, writer)

            server.handle = read_late
            await sink.write(batch([listed(BEGIN + 5000)]))
        assert len(ids(server)) == 2001
        assert len(server.connections) == 3
        assert {message.facility for message in server.messages} == {3}


async def _leave_unread(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1000)


async def _die_after_reading(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(None) as limit:
        while await reader.read(65_536):
            limit.reschedule(asyncio.get_running_loop().time() + 0.02)


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _close_without_reading(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    pass


async def _stay_open(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass
    await asyncio.sleep(1)


async def _read_nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("tls", "handle", "says"),
    [
        (False, _leave_unread, "cannot be reached: "),
        (False, _reset, "cannot be reached: "),
        (False, _die_after_reading, "cannot be reached: it closes the connection early"),
        (False, _close_without_reading, "cannot be reached: "),
        (False, _stay_open, "does not close the connection when it has read everything"),
        (False, _read_nothing, "takes nothing for 0.3 s|does not close the connection"),
        (True, _leave_unread, "cannot be reached: "),
        (True, _reset, "cannot be reached: "),
        (True, _die_after_reading, "cannot be reached: it closes the connection early"),
        (True, _close_without_reading, "cannot be reached: "),
    ],
)
@pytest.mark.parametrize("kilobytes", [5, 5000])
async def test_server_that_does_not_end_well_gets_it_again(
    handle: Any, says: str, kilobytes: int, tls: bool, tls_context: ssl.SSLContext
) -> None:
    """A connection that ends in any other way is a failure that may pass; the batch is then sent again, whole."""
    events = batch([with_payload(listed(BEGIN + number), url="u" * kilobytes * 100) for number in range(10)])
    async with SyslogServer(tls_context if tls else None) as server:
        async with connect(server.url, timeout=0.3) as sink:
            server.handle = handle
            with pytest.raises(SinkError, match=says) as caught:
                await sink.write(events)
            assert caught.value.is_temporary
            server.handle, server.connections = server.read_all, []
            await sink.write(events)
        assert len(ids(server)) == 10


async def test_tls_is_closed_by_both(tls_context: ssl.SSLContext) -> None:
    """Over TLS, too, a server that stays may not have read everything."""

    def serve(listening: socket.socket) -> None:
        connection = tls_context.wrap_socket(listening.accept()[0], server_side=True)
        while connection.recv(65_536):
            pass
        time.sleep(0.4)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(serve, listening))
        url = f"syslog+tls://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(SinkError, match="does not close the connection"):
            await connect(url, timeout=0.2).write(batch([listed(BEGIN)]))
        await serving


@pytest.fixture
def tls_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The context of a server whose authority this process trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_events_arrive_over_tls(tls_context: ssl.SSLContext) -> None:
    async with SyslogServer(tls_context) as server:
        async with connect(server.url) as sink:
            await sink.write(batch([listed(BEGIN + number) for number in range(1000)]))
        assert len(ids(server)) == 1000


async def test_certificate_that_is_not_trusted_ends_it(
    tls_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known when the sink is opened."""
    monkeypatch.delenv("SSL_CERT_FILE")
    async with SyslogServer(tls_context) as server:
        with pytest.raises(SinkError, match=r"no valid TLS certificate.*SSL_CERT_FILE") as caught:
            await connect(server.url).__aenter__()
    assert not caught.value.is_temporary


async def test_server_without_tls_ends_it() -> None:
    async with SyslogServer() as server:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"what is this?\n")

        server.handle = answer
        with pytest.raises(SinkError, match="speaks no TLS") as caught:
            await connect(server.url.replace("tcp", "tls")).__aenter__()
    assert not caught.value.is_temporary


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
async def test_server_that_is_down_is_tried_again(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with connect(f"syslog+{scheme}://127.0.0.1:{port}") as sink:
        assert ("it is tried again with the first events" in caplog.text) == (scheme == "tcp")
        with pytest.raises(SinkError, match="cannot be reached: Connection refused") as caught:
            await sink.write(batch([listed(BEGIN)]))
    assert caught.value.is_temporary


async def test_frame_that_is_too_large_is_refused() -> None:
    """A server may misread what follows it."""
    async with SyslogServer() as server, connect(server.url) as sink:
        large = with_payload(listed(BEGIN + 1), url="x" * 1_000_000)
        refused = await sink.write(batch([with_payload(listed(BEGIN)), large]))
        assert refused is not None
        ((item, reason),) = refused
        assert (item.event, ids(server)) == (large, [f"{BEGIN}.0"])
        assert reason.startswith(f"{server.url}: the message has 1,000,")


async def test_datagrams_have_a_message_each() -> None:
    """One that no datagram can hold is refused, and the others are sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1)
        async with connect(f"syslog+udp://127.0.0.1:{sock.getsockname()[1]}") as sink:
            large = with_payload(listed(BEGIN + 1), url="x" * 70_000)
            refused = await sink.write(batch([with_payload(listed(BEGIN)), large, with_payload(listed(BEGIN + 2))]))
        received = [Message.parse(sock.recv(65_536)) for _ in range(2)]
    assert [message.data["id"] for message in received] == [f"{BEGIN}.0", f"{BEGIN + 2}.0"]
    assert refused is not None
    ((item, reason),) = refused
    assert item.event is large
    assert "the message has 70," in reason


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("syslog+tcp://log.example", {}, "would send everything to log.example unencrypted: use syslog.tls, or"),
        ("syslog+udp://log.example", {}, "would send everything to log.example unencrypted: use syslog.tls, or"),
        ("syslog://log.example", {}, "of no known form"),
        ("syslog+tls://log.example/path", {}, "has a path"),
        ("syslog+tls://user@log.example", {}, "holds a user or a password"),
        ("syslog+tls://log.example?facility=local8", {}, "has a facility that is none of user, daemon, "),
        ("syslog+tls://log.example?facility=", {}, "has a facility"),
        ("syslog+tls://log.example?sd-id=telemetry", {}, "has an sd-id that is not NAME@NUMBER"),
        ("syslog+tls://log.example?sd-id=a]@1", {}, "has an sd-id"),
        (f"syslog+tls://log.example?sd-id={'a' * 32}@1", {}, "has an sd-id"),
        ("syslog+tls://log.example?tls=no", {}, "has parameters other than facility, sd-id"),
        ("syslog+tls://log.example", {"token": "header-secret-55dd"}, "token has no use: leave it out"),
        ("syslog+tls://log.example", {"headers": {"a": "b"}}, "headers has no use"),
    ],
)
def test_address_that_cannot_be_meant_is_refused(url: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        connect(url, **options)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("syslog+tls://log.example", "syslog+tls://log.example:6514"),
        ("syslog+tls://[2001:db8::1]", "syslog+tls://[2001:db8::1]:6514"),
        ("SYSLOG+TCP://localhost?facility=local7", "syslog+tcp://localhost:601"),
        ("syslog+udp://[::1]:1514", "syslog+udp://[::1]:1514"),
    ],
)
def test_ports_are_those_of_the_standards(url: str, name: str) -> None:
    assert repr(connect(url)) == f"<Syslog {name}>"


@pytest.mark.once
@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_rsyslog_writes_down_what_was_sent(
    rsyslog: RSyslog, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server reads the frames, whatever is in them, and has written all when the batch counts as delivered."""
    monkeypatch.setenv("SSL_CERT_FILE", str(rsyslog.folder / "ca.pem"))
    hostile = 'a\n<14>1 - - - - - - "]\\é\0 %msg% \u2028'
    some = [with_payload(listed(BEGIN + n, kind=hostile), url=hostile * 30 * n) for n in range(200)]
    events = batch(some, connector_id=hostile)
    async with connect(rsyslog.url(scheme)) as sink:
        assert not await sink.write(events)
        assert rsyslog.events == [followed_line(item) for item in events.items]


# The 32 bits of a clock that was never set, all of them 1, and the ends of years that rsyslog or a datetime has.
@pytest.mark.once
@pytest.mark.parametrize("time", [2**32 - 1, 4102444799, 4102444800, 253402300799, -1, -62135596800])
async def test_rsyslog_reads_events_of_any_year(rsyslog: RSyslog, time: int) -> None:
    """It takes a message with a year that it does not know for one without a header, and the header for text."""
    events = batch([listed(time)])
    async with connect(rsyslog.url()) as sink:
        await sink.write(events)
        assert rsyslog.events == [followed_line(item) for item in events.items]

"""OTLP: what is sent parses as the official messages, and what is rejected in part or for the moment is not lost."""

import json
import logging
import operator
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from google.protobuf.json_format import MessageToDict, Parse, ParseError
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from support.batches import BEGIN, batch, listed, with_payload
from support.receivers import Hook, Received
from support.scripted import ACCOUNT

from cfevents import Batch, EventMetadata, SinkError, structure
from cfevents._protocol.records import followed_line
from cfevents.sinks import Sink, connect
from cfevents.sinks.http import HTTPSink, OutgoingEvent
from cfevents.sinks.receiver import HTTPAnswer

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

SECRET = "header-secret-55dd"  # which is searched for after each test


class Collector(Hook):
    """A receiver of OTLP that parses by the official messages; ``rejects`` decides on each record."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: list[ResourceLogs] = []
        self.kept: list[LogRecord] = []
        self.rejects: Callable[[LogRecord], bool] = lambda _: False
        self.answers = self.export

    def export(self, request: Received) -> web.Response:
        try:
            message = Parse(request.body, ExportLogsServiceRequest())
        except ParseError as error:
            return web.json_response({"message": str(error)}, status=400)
        self.resources += message.resource_logs
        scopes = [scope for resource in message.resource_logs for scope in resource.scope_logs]
        records = [record for scope in scopes for record in scope.log_records]
        rejected = sum(map(self.rejects, records))
        self.kept += [record for record in records if not self.rejects(record)]
        partial = {"rejectedLogRecords": str(rejected), "errorMessage": "no such kind"}
        return web.json_response({"partialSuccess": partial} if rejected else {})

    def sink(self, **options: Any) -> Sink:
        return connect(f"otlp+http://127.0.0.1:{self.port}", **options)

    @property
    def uids(self) -> list[str]:
        return [attribute.value.string_value for record in self.kept for attribute in record.attributes[:1]]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as running:
        yield running


def events(count: int, bad: tuple[int, ...] = ()) -> Batch[Any]:
    return batch([listed(BEGIN + n, n, "Bad" if n in bad else "Init") for n in range(count)])


def uids(*numbers: int) -> set[str]:
    return {f"c1/{BEGIN + number}.{number}" for number in numbers}


def says(*answers: tuple[int, str]) -> Callable[[Received], web.Response]:
    """Return a function that answers the probe, then so in turn, and then takes everything."""
    left = iter([(200, "{}"), *answers])

    def answer(_: Received) -> web.Response:
        status, text = next(left, (200, "{}"))
        return web.Response(status=status, text=text, headers={"Retry-After": "7"})

    return answer


def plain(values: Any) -> dict[str, Any]:
    """Return attributes by their keys."""
    return {pair["key"]: next(iter(pair["value"].values()), None) for pair in values}


@pytest.mark.parametrize("gzip", [False, True])
async def test_events_are_log_records_of_their_connector(collector: Collector, gzip: bool) -> None:
    event = with_payload(listed(BEGIN + 0.25, 3, "StartUpgrade"))
    async with collector.sink(gzip=gzip, token=SECRET) as sink:
        assert not await sink.write(batch([event]))
    probe, request = collector.requests
    assert (request.path, request.headers["content-type"]) == ("/v1/logs", "application/json")
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(probe.body) == {"resourceLogs": []}
    (resource,) = json.loads(request.body)["resourceLogs"]
    assert plain(resource["resource"]["attributes"]) == {
        "service.name": "magic-wan-connector",
        "service.namespace": "cloudflare",
        "service.instance.id": "c1",
        "cloud.provider": "cloudflare",
        "cloud.account.id": ACCOUNT,
    }
    (scope,) = resource["scopeLogs"]
    (record,) = scope["logRecords"]
    assert scope["scope"]["name"] == "cfevents"
    assert plain(record.pop("attributes")) == {
        "log.record.uid": f"c1/{BEGIN + 0.25}.3",
        "cloudflare.event.kind": "StartUpgrade",
        "cloudflare.event.sequence": "3",
        "cloudflare.event.late": False,
    }
    assert plain(record.pop("body")["kvlistValue"]["values"])["version"] == "1.2"
    assert record == {
        "timeUnixNano": "1700000000250000000",
        "observedTimeUnixNano": "1700000003250000000",
        "severityNumber": 9,
        "severityText": "info",
        "eventName": "cloudflare.connector.StartUpgrade",
    }


def unpacked(value: dict[str, Any]) -> Any:
    """Return the JSON that an ``AnyValue`` stands for."""
    (kind, inner), *_ = [*value.items(), ("", None)]
    if kind == "kvlistValue":
        return {pair.get("key", ""): unpacked(pair["value"]) for pair in inner.get("values", [])}
    if kind == "arrayValue":
        return [unpacked(item) for item in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


@pytest.mark.parametrize(
    "extra",
    [
        {"a": None, "b": True, "c": 0, "d": -(2**63), "e": 2**63 - 1, "f": 0.1, "g": "", "h": [], "i": {}},
        {"": [[1, [2.5, None]], {"x": {"y": ["\0", "\U0001f600"]}}], "k": {"": ""}},
    ],
)
async def test_body_is_the_event_as_it_is_followed(collector: Collector, extra: dict[str, Any]) -> None:
    """Numbers, null and undocumented fields come through the official messages as they were."""
    event = structure({"k": "New", "t": BEGIN, "n": 1, "a": BEGIN, "more": extra}, EventMetadata)
    async with collector.sink() as sink:
        await sink.write(some := batch([event]))
    assert unpacked(MessageToDict(collector.kept[0].body)) == followed_line(some.items[0])


async def test_body_may_be_in_another_schema(collector: Collector) -> None:
    async with collector.sink(format="ocsf") as sink:
        await sink.write(batch([listed(BEGIN)]))
    assert unpacked(MessageToDict(collector.kept[0].body))["metadata"]["event_code"] == "Init"


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        ("Init", (9, "info")),
        ("HaError", (13, "warning")),
        ("NewFailure", (17, "error")),
        ("RekeyReset", (18, "critical")),
    ],
)
async def test_severity_comes_from_the_kind(collector: Collector, kind: str, severity: tuple[int, str]) -> None:
    async with collector.sink() as sink:
        await sink.write(batch([listed(BEGIN, kind=kind)]))
    assert (collector.kept[0].severity_number, collector.kept[0].severity_text) == severity


HOSTILE = [
    structure({"k": "\ud800", "t": BEGIN, "n": 1, "a": BEGIN, "\udfff": "x\ud800", "big": 2**70}, EventMetadata),
    listed(-5),
    listed(2**62),
    listed(-0.5, kind=""),
    listed(0.1 + 2**33, kind="a\nb\0"),
]


async def test_any_event_is_a_valid_record(collector: Collector) -> None:
    """Half of a surrogate pair, and times that nanoseconds of 64 bits have no place for."""
    async with collector.sink() as sink:
        assert not await sink.write(batch(HOSTILE))
    assert [record.time_unix_nano for record in collector.kept] == [BEGIN * 10**9, 0, 0, 0, 8589934592100000000]


@pytest.mark.parametrize("bad", [(0,), (7,), (99,), (3, 4, 50), tuple(range(6)), ()])
async def test_records_that_are_rejected_become_dead_letters(collector: Collector, bad: tuple[int, ...]) -> None:
    """The answer has their number alone: they are searched for, and the others all arrive."""
    collector.rejects = lambda record: record.event_name.endswith(".Bad")
    async with collector.sink() as sink:
        refused = await sink.write(events(100, bad)) or ()
    assert {f"c1/{event.item.event.id}" for event in refused} == uids(*bad)
    assert all("no such kind" in event.reason for event in refused)
    assert {*collector.uids} == uids(*range(100)) - uids(*bad)


async def test_receiver_that_rejects_everything_is_wrong(collector: Collector) -> None:
    collector.rejects = lambda _: True
    async with collector.sink() as sink:
        with pytest.raises(SinkError, match=r"refuses every event so far: .*no such kind"):
            await sink.write(events(100))


async def test_warning_of_a_receiver_is_logged_once(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is rejected, and something is said."""
    hint = (200, '{"partialSuccess": {"rejectedLogRecords": 0, "errorMessage": "send less"}}')
    collector.answers = says(hint, hint)
    async with collector.sink() as sink:
        assert not await sink.write(events(1))
        assert not await sink.write(events(2))
    assert [record.levelno for record in caplog.records if "send less" in record.message] == [logging.WARNING]


EMPTY = [
    *("", "{}", '{"partialSuccess": null}', '{"partialSuccess": {}}', '{"partialSuccess": {"errorMessage": ""}}'),
    *('{"partialSuccess": {"rejectedLogRecords": null}}', '{"partialSuccess": {"errorMessage": null}}'),
]


@pytest.mark.parametrize("body", EMPTY)
async def test_success_has_many_forms(collector: Collector, body: str) -> None:
    collector.answers = says((200, body))
    async with collector.sink() as sink:
        assert not await sink.write(events(3))
    assert len(collector.requests) == 2


LIES = [
    *(
        "<html>",
        "[1]",
        "[" * 100_000,
        '{"partialSuccess": {"rejec',
        '{"partialSuccess": 5}',
        '{"partialSuccess": false}',
    ),
    *(f'{{"partialSuccess": {{"rejectedLogRecords": {number}}}}}' for number in ('"x"', "true", "[]", "1e999", "0.5")),
]


@pytest.mark.parametrize("body", LIES, ids=range(len(LIES)))
async def test_success_that_is_none_is_repeated(collector: Collector, body: str) -> None:
    """A receiver that answers 200 with something else, or breaks off, has taken nothing."""
    collector.answers, some = says((200, body)), events(2)
    async with collector.sink() as sink:
        with pytest.raises(SinkError, match="no ExportLogsServiceResponse") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        collector.answers = collector.export
        await sink.write(some)
    assert {*collector.uids} == uids(0, 1)


_numbers = st.integers(-2, 5) | st.integers() | st.floats()
_counts = st.none() | st.booleans() | _numbers | _numbers.map(str) | st.sampled_from(["", "x", "1e2"])
_names = st.sampled_from(["rejectedLogRecords", "rejected_log_records", "new"])
_messages = st.fixed_dictionaries({}, optional={"errorMessage": st.none() | st.just("less") | st.integers()})
_partials = st.builds(operator.or_, st.dictionaries(_names, _counts, max_size=1), _messages)


@given(partial=st.none() | st.booleans() | st.integers() | _partials, is_original=st.booleans())
@example(partial={"rejectedLogRecords": None}, is_original=False)
@example(partial={"rejectedLogRecords": "3"}, is_original=False)
@example(partial={"rejectedLogRecords": True}, is_original=False)
@example(partial={"errorMessage": 5}, is_original=False)
def test_partial_success_means_what_the_official_parser_says(partial: Any, is_original: bool) -> None:
    """Null is a field that is missing, a number may be text, and what is no message is no success."""
    body = json.dumps({"partial_success" if is_original else "partialSuccess": partial})
    sink, items = connect("otlp+http://127.0.0.1"), [OutgoingEvent(item, b"") for item in events(4).items]
    assert isinstance(sink, HTTPSink)
    try:
        official = Parse(body, ExportLogsServiceResponse(), ignore_unknown_fields=True).partial_success
    except (ParseError, OverflowError):
        with pytest.raises(SinkError, match="no ExportLogsServiceResponse"):
            sink.read(HTTPAnswer(200, body.encode(), None), items)
        return
    verdict, rejected = sink.read(HTTPAnswer(200, body.encode(), None), items), official.rejected_log_records
    assert (bool(verdict.refusal), len(verdict.refused)) == (0 < rejected < 4, 4 if rejected >= 4 else 0)


async def test_page_in_its_place_ends_it_at_once(collector: Collector) -> None:
    """Something else than OTLP answers, such as a proxy with its login page."""
    collector.answers = lambda _: web.Response(text="<html>Sign in")
    with pytest.raises(SinkError, match=r"answers 200: <html>Sign in; .*/v1/logs") as caught:
        await collector.sink().__aenter__()
    assert not caught.value.is_temporary


@pytest.mark.parametrize(
    ("status", "is_temporary"),
    [
        (429, True),
        (502, True),
        (503, True),
        (504, True),
        (408, False),
        (425, False),
        (500, False),
        (501, False),
        (507, False),
    ],
)
async def test_only_four_statuses_are_repeated(collector: Collector, status: int, is_temporary: bool) -> None:
    """Those that the specification names, and not before Retry-After; any other ends it, and nothing is lost."""
    collector.answers, some = says((status, '{"message": "busy"}')), events(2)
    async with collector.sink() as sink:
        with pytest.raises(SinkError, match=f"answers {status}: .*busy") as caught:
            await sink.write(some)
    assert (caught.value.is_temporary, caught.value.retry_after) == (is_temporary, 7 if is_temporary else None)


async def test_request_that_is_invalid_is_halved(collector: Collector) -> None:
    def strict(request: Received) -> web.Response:
        return web.Response(status=400) if b'"Bad"' in request.body else collector.export(request)

    collector.answers = strict
    async with collector.sink() as sink:
        (refused,) = [*(await sink.write(events(100, (70,))) or ())]
    assert refused.item.event.sequence == 70
    assert len(collector.uids) == 99

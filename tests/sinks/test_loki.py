"""Loki: a stream for each connector, exact times, and no event lost or stored twice for those that it refuses."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, listed, with_payload
from support.receivers import Hook, Received
from support.scripted import ACCOUNT

from cfevents import Batch, EventMetadata, SinkError
from cfevents._protocol.records import followed_line
from cfevents.sinks import RefusedEvent, Sink, connect
from cfevents.testing.loki import LocalLoki

DAY_S, HOUR_S = 86_400, 3600
NOW = BEGIN + 30 * DAY_S
SECRET = "header-secret-55dd"  # which is searched for after each test


class LokiHook(Hook):
    """A server with a Loki."""

    def __init__(self) -> None:
        super().__init__()
        self.loki = LocalLoki(lambda: NOW)
        self.answers = self.push

    def push(self, request: Received) -> web.Response:
        status, text = self.loki.answer(request.headers, request.body)
        return web.Response(status=status, text=text)

    def sink(self, query: str = "", **options: Any) -> Sink:
        return connect(f"loki+http://127.0.0.1:{self.port}{query}", **options)

    @property
    def stored(self) -> list[float]:
        """The times of the entries, in the order in which they were stored."""
        return [entry.time_ns / 10**9 for entry in self.loki.entries]


@pytest.fixture
async def hook() -> AsyncIterator[LokiHook]:
    async with LokiHook() as running:
        yield running


def at(*times: float, kind: str = "Init") -> Batch[Any]:
    return batch([listed(time, kind=kind) for time in sorted(times)])


def times(refused: Iterable[RefusedEvent] | None) -> list[float]:
    return [event.item.event.recorded_ts for event in refused or ()]


async def deliver(hook: LokiHook, *batches: Batch[Any]) -> list[RefusedEvent]:
    """Deliver batches, and return the events that were refused."""
    async with hook.sink() as sink:
        return [event for some in batches for event in await sink.write(some) or ()]


@pytest.mark.parametrize("gzip", [False, True])
async def test_events_are_entries_of_their_connectors_streams(hook: LokiHook, gzip: bool) -> None:
    event, failure = with_payload(listed(NOW - 5, 3)), listed(NOW - 4, kind="FinishUpgradeFailure")
    async with hook.sink(gzip=gzip, token=SECRET, headers={"X-Scope-OrgID": "wan"}) as sink:
        assert not await sink.write(batch([event]))
        assert not await sink.write(batch([failure], "c2"))
    request, first, second = hook.requests[1], *hook.loki.entries
    assert (request.path, request.headers["x-scope-orgid"]) == ("/loki/api/v1/push", "wan")
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(first.labels) == {"job": "cfevents", "connector_id": "c1"}
    assert json.loads(second.labels) == {"job": "cfevents", "connector_id": "c2"}
    assert json.loads(first.line) == followed_line(batch([event]).items[0])
    assert first.time_ns == (NOW - 5) * 10**9
    assert first.metadata == {
        "account_id": ACCOUNT,
        "collected_at": "2023-12-14T22:13:18Z",
        "id": f"{NOW - 5}.3",
        "kind": "Init",
        "late": "false",
        "level": "info",
        "sequence": "3",
        "version": "1.2",
    }
    assert second.metadata["level"] == "error"


async def test_job_is_a_parameter(hook: LokiHook) -> None:
    async with hook.sink("/prefix/push?job=wan") as sink:
        await sink.write(at(NOW))
    assert json.loads(hook.loki.entries[0].labels)["job"] == "wan"
    assert hook.requests[0].path == "/prefix/push"


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        (NOW, NOW * 10**9),
        (NOW - 0.9, (NOW - 1) * 10**9 + 100_000_000),
        (1702592000.123456, 1702592000_123456000),
        (1702591999.000001, 1702591999_000001000),
    ],
)
async def test_times_are_exact(hook: LokiHook, time: float, nanoseconds: int) -> None:
    """A fraction has the decimals that the API sent, and not those of the float."""
    assert not await deliver(hook, at(time))
    assert hook.loki.entries[0].time_ns == nanoseconds


OLD, BEHIND, GOOD, NEW = NOW - 8 * DAY_S, NOW - 3 * HOUR_S, NOW - 60, NOW + HOUR_S


@pytest.mark.parametrize(
    ("before", "sent", "refused"),
    [
        ([], [OLD, OLD + 0.5, GOOD], [OLD, OLD + 0.5]),
        ([], [OLD + day * DAY_S / 4 for day in range(32)], [OLD + day * DAY_S / 4 for day in range(4)]),
        ([GOOD], [BEHIND, BEHIND + 1, GOOD + 1], [BEHIND, BEHIND + 1]),
        ([GOOD], [OLD, BEHIND, GOOD + 1], [OLD, BEHIND]),
        ([], [BEHIND, GOOD, NEW, NEW + 1], [NEW, NEW + 1]),
        ([GOOD], [OLD, BEHIND, GOOD + 1, NEW], [OLD, BEHIND, NEW]),
        ([], [OLD, OLD + 1], [OLD, OLD + 1]),
        ([], [NEW], [NEW]),
    ],
)
async def test_only_what_is_too_old_or_new_is_refused(
    hook: LokiHook, before: list[float], sent: list[float], refused: list[float]
) -> None:
    """The others of the same push are stored once."""
    letters = await deliver(hook, *[at(*before)] * bool(before), at(*sent))
    assert times(letters) == refused
    assert sorted(hook.stored) == sorted([*before, *({*sent} - {*refused})])


async def test_many_old_events_are_no_reason_to_end(hook: LokiHook) -> None:
    """A backfill begins with events that are too old: none was taken yet, and still Loki is no wrong receiver."""
    old = [OLD + number for number in range(500)]
    async with hook.sink(max_events=200) as sink:
        assert times(await sink.write(at(*old, GOOD))) == old
    assert hook.stored == [GOOD]
    assert len(hook.requests) == 4


async def test_line_that_is_too_long_is_alone(hook: LokiHook) -> None:
    hook.loki.max_line_size = 1000
    events = [listed(NOW - number, number, "K" * 900 if number == 70 else "Init") for number in range(100, 0, -1)]
    (letter,) = await deliver(hook, batch(events))
    assert (letter.item.event.sequence, "max entry size" in letter.reason) == (70, True)
    assert {*hook.stored} == {NOW - number for number in range(1, 101)} - {NOW - 70}


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_nothing_is_lost_whatever_is_refused(data: st.DataObject) -> None:
    """Old, behind, new and too long, in any mixture: an event is stored, or it is a dead letter."""
    moments, kinds = st.sampled_from([OLD, BEHIND, GOOD, NEW]), st.sampled_from(["Init", "K" * 900])
    some_events = st.lists(st.tuples(moments, st.integers(0, 99), kinds), min_size=1, max_size=8)
    batches = data.draw(st.lists(some_events, max_size=3))
    async with LokiHook() as hook:
        hook.loki.max_line_size = 1000
        events = [[listed(time + add, kind=kind) for time, add, kind in sorted(some)] for some in batches]
        letters = await deliver(hook, *map(batch, events))
    sent = {(event.recorded_ts, event.kind) for some in events for event in some}
    stored = {(entry.time_ns / 10**9, entry.metadata["kind"]) for entry in hook.loki.entries}
    assert stored | {(letter.item.event.recorded_ts, letter.item.event.kind) for letter in letters} == sent


HOSTILE = [
    *(listed(NOW, kind=kind) for kind in ("\ud800", "\0", "a\nb\u2028", "", '"}', "\U0001f600")),
    *(listed(time) for time in (-5, 0.5, -0.5, 2**62, -(2**63), 1e17 + 0.5)),
]


@pytest.mark.parametrize("event", HOSTILE, ids=repr)
async def test_no_event_makes_the_push_of_others_invalid(hook: LokiHook, event: EventMetadata) -> None:
    """Half of a surrogate pair, NUL, times of any size: it is stored, or refused alone."""
    letters = await deliver(hook, batch([listed(NOW - 1), event, listed(NOW + 1)]))
    assert {NOW - 1, NOW + 1} <= {*hook.stored}
    assert len(letters) + len(hook.stored) == 3


LIES = [
    "timestamp is: 9-9",
    "timestamp is: 2023-99-99T00:00:00Z",
    "timestamp is: 2099-01-01T00:00:00Z; 9 errors like: x",
]


@pytest.mark.parametrize("text", LIES)
async def test_refusal_that_names_no_bound_is_halved(hook: LokiHook, text: str) -> None:
    """Where the answer leaves open what is refused, each event is sent until it is alone."""
    some, text = at(GOOD, GOOD + 1, GOOD + 2), f"oldest acceptable timestamp {text}, total ignored: 9 out of 3"

    def lie(request: Received) -> web.Response:
        is_bad = f'"{GOOD + 1}.0'.encode() in request.body
        return web.Response(status=400, text=text) if is_bad else hook.push(request)

    hook.answers = lie
    assert times(await deliver(hook, some)) == [GOOD + 1]
    assert hook.stored == [GOOD, GOOD + 2]


@pytest.mark.parametrize("status", [260, 299])
async def test_loki_that_is_blocked_has_stored_nothing(hook: LokiHook, status: int) -> None:
    """It answers with a status of success, and the events wait."""
    hook.loki.block_ingestion_status_code, some = status, at(GOOD)
    async with hook.sink() as sink:
        hook.loki.ingestion_is_blocked = True
        with pytest.raises(SinkError, match=f"answers {status}: ingestion blocked") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        hook.loki.ingestion_is_blocked = False
        await sink.write(some)
    assert hook.stored == [GOOD]


async def test_rate_limit_is_waited_for(hook: LokiHook) -> None:
    hook.loki.refusals_for_rate, some = 1, at(GOOD)
    async with hook.sink() as sink:
        with pytest.raises(SinkError, match="rate limit exceeded") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        await sink.write(some)
    assert hook.stored == [GOOD]


async def test_tenant_that_is_missing_ends_it_at_once(hook: LokiHook) -> None:
    hook.loki.auth_enabled = True
    with pytest.raises(SinkError, match="no org id; the credentials are refused") as caught:
        await hook.sink().__aenter__()
    assert not caught.value.is_temporary
    assert len(hook.requests) == 1


async def test_loki_without_structured_metadata_is_wrong(hook: LokiHook) -> None:
    hook.loki.allow_structured_metadata = False
    with pytest.raises(SinkError, match=r"refuses every event so far: .* structured metadata"):
        await deliver(hook, at(*range(GOOD, GOOD + 9)))

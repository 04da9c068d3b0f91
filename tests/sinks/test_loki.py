"""Loki: a stream for each connector, exact times, and no event lost or stored twice for those that it refuses."""

import json
import re
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.batches import BEGIN, batch, listed, with_payload
from support.scripted import ACCOUNT

from cfevents import Batch, EventMetadata, SinkError
from cfevents._protocol.records import followed_line
from cfevents.sinks import RefusedEvent, Sink, connect
from cfevents.testing import LokiReceiver

DAY_S, HOUR_S = 86_400, 3600
NOW = BEGIN + 30 * DAY_S


class Loki(LokiReceiver):
    """A Loki that keeps the last request."""

    request: web.Request

    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        self.request = request
        return super().receive(request, body)

    def sink(self, query: str = "", **options: Any) -> Sink:
        return connect(f"loki+{self.url}{query}", **options)

    @property
    def stored(self) -> list[float]:
        """The times of the entries, in the order in which they were stored."""
        return [entry.recorded for entry in self.entries]


@pytest.fixture
async def loki() -> AsyncIterator[Loki]:
    async with Loki(present=NOW) as running:
        yield running


def at(*times: float, kind: str = "Init") -> Batch[Any]:
    return batch([listed(time, kind=kind) for time in sorted(times)])


def times(refused: Iterable[RefusedEvent] | None) -> list[float]:
    return [event.item.event.recorded_ts for event in refused or ()]


async def deliver(loki: Loki, *batches: Batch[Any]) -> list[RefusedEvent]:
    """Deliver batches, and return the events that were refused."""
    async with loki.sink() as sink:
        return [event for some in batches for event in await sink.write(some) or ()]


@pytest.mark.parametrize("gzip", [False, True])
async def test_events_are_entries_of_their_connectors_streams(loki: Loki, gzip: bool) -> None:
    event, failure = with_payload(listed(NOW - 5, 3)), listed(NOW - 4, kind="FinishUpgradeFailure")
    loki.tenant = "wan"
    async with loki.sink(gzip=gzip, token=loki.token, headers={"X-Scope-OrgID": "wan"}) as sink:
        assert not await sink.write(batch([event]))
        assert not await sink.write(batch([failure], "c2"))
    headers, (first, second) = loki.request.headers, loki.entries
    assert {*loki.requests} == {"/loki/api/v1/push"}
    assert (headers["Authorization"], "Content-Encoding" in headers) == (f"Bearer {loki.token}", gzip)
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


async def test_line_may_be_in_another_schema(loki: Loki) -> None:
    async with loki.sink(format="ecs") as sink:
        await sink.write(at(NOW))
    assert json.loads(loki.entries[0].line)["event"]["action"] == loki.entries[0].metadata["kind"] == "Init"


async def test_job_is_a_parameter(loki: Loki) -> None:
    async with loki.sink("/prefix/loki/api/v1/push?job=wan") as sink:
        await sink.write(at(NOW))
    assert json.loads(loki.entries[0].labels)["job"] == "wan"
    assert {*loki.requests} == {"/prefix/loki/api/v1/push"}


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        (NOW, NOW * 10**9),
        (NOW - 0.9, (NOW - 1) * 10**9 + 100_000_000),
        (1702592000.123456, 1702592000_123456000),
        (1702591999.000001, 1702591999_000001000),
    ],
)
async def test_times_are_exact(loki: Loki, time: float, nanoseconds: int) -> None:
    """A fraction has the decimals that the API sent, and not those of the float."""
    assert not await deliver(loki, at(time))
    assert loki.entries[0].time_ns == nanoseconds


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
    loki: Loki, before: list[float], sent: list[float], refused: list[float]
) -> None:
    """The others of the same push are stored once."""
    letters = await deliver(loki, *[at(*before)] * bool(before), at(*sent))
    assert times(letters) == refused
    assert all(re.search("answers 400: (oldest acceptable timestamp is|.*too new): 20", why) for _, why in letters)
    assert sorted(loki.stored) == sorted([*before, *({*sent} - {*refused})])


async def test_many_old_events_are_no_reason_to_end(loki: Loki) -> None:
    """A backfill begins with events that are too old: none was taken yet, and still Loki is no wrong receiver."""
    old = [OLD + number for number in range(500)]
    async with loki.sink(max_events=200) as sink:
        assert times(await sink.write(at(*old, GOOD))) == old
    assert loki.stored == [GOOD]
    assert len(loki.requests) == 4


async def test_line_that_is_too_long_is_alone(loki: Loki) -> None:
    loki.max_line_size = 1000
    events = [listed(NOW - number, number, "K" * 900 if number == 70 else "Init") for number in range(100, 0, -1)]
    (letter,) = await deliver(loki, batch(events))
    assert (letter.item.event.sequence, "max entry size" in letter.reason) == (70, True)
    assert {*loki.stored} == {NOW - number for number in range(1, 101)} - {NOW - 70}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
async def test_nothing_is_lost_whatever_is_refused(data: st.DataObject) -> None:
    """Old, behind, new and too long, in any mixture: an event is stored, or it is a dead letter."""
    moments, kinds = st.sampled_from([OLD, BEHIND, GOOD, NEW]), st.sampled_from(["Init", "K" * 900])
    some_events = st.lists(st.tuples(moments, st.integers(0, 99), kinds), min_size=1, max_size=8)
    batches = data.draw(st.lists(some_events, max_size=3))
    async with Loki(present=NOW) as loki:
        loki.max_line_size = 1000
        events = [[listed(time + add, kind=kind) for time, add, kind in sorted(some)] for some in batches]
        # One that is taken: else five that are too long would end it.
        letters = await deliver(loki, batch([listed(GOOD, kind="First")], "c2"), *map(batch, events))
    sent = {(GOOD, "First")} | {(event.recorded_ts, event.kind) for some in events for event in some}
    stored = {(entry.time_ns / 10**9, entry.metadata["kind"]) for entry in loki.entries}
    assert stored | {(letter.item.event.recorded_ts, letter.item.event.kind) for letter in letters} == sent


HOSTILE = [
    *(listed(NOW, kind=kind) for kind in ("\ud800", "\0", "a\nb\u2028", "", '"}', "\U0001f600")),
    *(listed(time) for time in (-5, 0.5, -0.5, 2**62, -(2**63), 1e17 + 0.5)),
]


@pytest.mark.parametrize("event", HOSTILE, ids=repr)
async def test_no_event_makes_the_push_of_others_invalid(loki: Loki, event: EventMetadata) -> None:
    """Half of a surrogate pair, NUL, times of any size: it is stored, or refused alone."""
    letters = await deliver(loki, batch([listed(NOW - 1), event, listed(NOW + 1)]))
    assert {NOW - 1, NOW + 1} <= {*loki.stored}
    assert len(letters) + len(loki.stored) == 3


class Vague(Loki):
    """A Loki that refuses a push for one event, and names a bound that explains nothing."""

    bound = ""

    def receive(self, request: web.Request, body: bytes) -> tuple[int, Any]:
        text = f"oldest acceptable timestamp {self.bound}"
        return (400, text) if f'"{GOOD + 1}.0'.encode() in body else super().receive(request, body)


BOUNDS = [
    *("is: 9-9, total ignored: 9 out of 3", "is: 2023-99-99T00:00:00Z, total ignored: 9 out of 3"),
    *(f"is: 2099-01-01T00:00:00Z; {number} errors like: x" for number in (9, "9" * 5000)),
]


@pytest.mark.parametrize("bound", BOUNDS, ids=range(len(BOUNDS)))
async def test_refusal_that_names_no_bound_is_halved(bound: str) -> None:
    """Where the answer leaves open what is refused, each event is sent until it is alone."""
    async with Vague(present=NOW) as loki:
        loki.bound = bound
        assert times(await deliver(loki, at(GOOD, GOOD + 1, GOOD + 2))) == [GOOD + 1]
    assert loki.stored == [GOOD, GOOD + 2]


@pytest.mark.parametrize("status", [260, 299])
async def test_loki_that_is_blocked_has_stored_nothing(loki: Loki, status: int) -> None:
    """It answers with a status of success, and the events wait."""
    loki.block_ingestion_status_code, some = status, at(GOOD)
    async with loki.sink() as sink:
        loki.is_blocked = True
        with pytest.raises(SinkError, match=f"answers {status}: ingestion blocked") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        loki.is_blocked = False
        await sink.write(some)
    assert loki.stored == [GOOD]


async def test_rate_limit_is_waited_for(loki: Loki) -> None:
    some = at(GOOD)
    async with loki.sink() as sink:
        loki.plan(429)
        with pytest.raises(SinkError, match="answers 429") as caught:
            await sink.write(some)
        assert caught.value.is_temporary
        await sink.write(some)
    assert loki.stored == [GOOD]


async def test_tenant_that_is_missing_ends_it_at_once(loki: Loki) -> None:
    loki.tenant = "wan"
    with pytest.raises(SinkError, match="no org id; the credentials are refused") as caught:
        await loki.sink().__aenter__()
    assert not caught.value.is_temporary
    assert len(loki.requests) == 1


async def test_loki_without_structured_metadata_is_wrong(loki: Loki) -> None:
    loki.allow_structured_metadata = False
    with pytest.raises(SinkError, match=r"refuses every event so far: .* structured metadata"):
        await deliver(loki, at(*range(GOOD, GOOD + 9)))

"""Every fault that the documentation's table names, over real HTTP: the events come whole, or an error of the family.

`ROWS` is that table; `docs/faults.md` shows it to people, and a test holds the two together.
"""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.clock import run_jumping

import cfevents
from cfevents import Client, EventMetadata, Retry, _time
from cfevents.testing import History, Simulator, faults

HISTORY = History(seed=5, connectors=["c1"], days=1, until=1_780_000_000)
WINDOW: dict[str, Any] = {"since": HISTORY.until - 86400, "until": HISTORY.until}
EVENTS = "the events"
SEEDS = int(os.environ.get("CFEVENTS_SOAK_SEEDS", "2"))


class Row(NamedTuple):
    """A fault, when it strikes, and what the caller sees."""

    name: str
    fault: faults.Fault
    seen: str
    lasting: bool = False


def _statuses() -> list[Row]:
    refused = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError"}
    passing = [408, 425, 500, 502, 503, 504, *range(520, 527), 530]
    bodies: list[Any] = ["envelope", "html", "nothing"]
    rows = [
        Row(f"{number}, {body}", faults.status(number, body=body), seen)
        for number, seen in refused.items()
        for body in bodies
    ]
    rows += [
        Row(f"{number}, {body}", faults.status(number, body=body), EVENTS) for number in passing for body in bodies
    ]
    rows += [
        Row(f"{number}", faults.redirect("http://127.0.0.1:9/", number), "APIStatusError")
        for number in (301, 302, 307, 308)
    ]
    rows += [Row(f"429, {body}", faults.status(429, body=body), EVENTS) for body in bodies]
    waits: list[Any] = [0, 1, 300, "Wed, 21 Oct 2026 07:28:00 GMT", "soon", None]
    return rows + [Row(f"429, Retry-After: {wait}", faults.status(429, retry_after=wait), EVENTS) for wait in waits]


ROWS = [
    Row("reset before the headers", faults.reset("before headers"), EVENTS),
    Row("reset in the headers", faults.reset("in headers"), EVENTS),
    Row("reset after the headers", faults.reset("after headers"), EVENTS),
    Row("reset in the body", faults.reset("in body"), EVENTS),
    Row("kept-alive connection closed by the peer", faults.hang_up(), EVENTS),
    Row("stalled before the headers", faults.stall("before headers"), EVENTS),
    Row("stalled in the body", faults.stall("in body"), EVENTS),
    Row("one byte per second", faults.trickle(), EVENTS),
    Row("never an answer", faults.stall("before headers"), "APITimeoutError", lasting=True),
    Row("shorter than Content-Length", faults.short_body(), EVENTS),
    Row("chunked and cut", faults.chunks_cut(), EVENTS),
    Row("gzip cut", faults.gzip_cut(), EVENTS),
    Row("gzip corrupt", faults.gzip_corrupt(), EVENTS),
    Row("gzip that grows a thousandfold", faults.gzip_bomb(), "ResponseTooLargeError", lasting=True),
    Row("wrong charset", faults.wrong_charset(), EVENTS, lasting=True),
    Row("invalid UTF-8", faults.invalid_utf8(), EVENTS),
    Row("invalid UTF-8 for good", faults.invalid_utf8(), "APIResponseError", lasting=True),
    Row("lone surrogate", faults.lone_surrogate(), EVENTS, lasting=True),
    Row("byte order mark", faults.byte_order_mark(), EVENTS, lasting=True),
    Row("empty", faults.empty_body(), EVENTS),
    Row("nested 100,000 deep", faults.nested(), EVENTS),
    Row("100 MB of items", faults.huge(), "ResponseTooLargeError"),
    *_statuses(),
    Row("403 for a time that the edge names", faults.status(403, "problem", code=1004, retry_after=120), EVENTS),
    Row("403 of the edge", faults.status(403, "text"), "PermissionDeniedError"),
    Row("502 with Retry-After: 60", faults.status(502, "problem", retry_after=60), EVENTS),
    Row("502 with Retry-After: 3600", faults.status(502, "problem", retry_after=3600), "InternalServerError"),
    Row("a malformed token", faults.wrong_token("malformed"), "AuthenticationError"),
    Row("an unknown token", faults.wrong_token("unknown"), "PermissionDeniedError"),
    Row("a rolled token", faults.wrong_token("rolled"), "PermissionDeniedError"),
    Row("a header of 20 kB", faults.headers({"X-Long": "x" * 20_000}), EVENTS),
    Row("a header of 70 kB", faults.headers({"X-Long": "x" * 70_000}), "APIResponseError"),
    Row("500 for good", faults.status(500), "InternalServerError", lasting=True),
    Row("success: false with 200", faults.envelope(success=False), "APIStatusError"),
    Row("result absent", faults.envelope(result=faults.ABSENT), "APIResponseError"),
    Row("result null", faults.envelope(result=None), "APIResponseError"),
    Row("errors null", faults.envelope(errors=None), EVENTS, lasting=True),
    Row("errors strings instead of objects", faults.envelope(errors=["odd"]), EVENTS, lasting=True),
    Row("1,000 errors", faults.envelope(errors=[{"code": 1, "message": "m"}] * 1000), EVENTS, lasting=True),
    Row("items null", faults.result(items=None), "APIResponseError"),
    Row("items an object", faults.result(items={}), "APIResponseError"),
    Row("count that disagrees", faults.result(count=7), EVENTS, lasting=True),
    Row("a duplicate key", faults.duplicate_key(), EVENTS, lasting=True),
    Row("NaN", faults.number("NaN"), EVENTS),
    Row("a number as text", faults.number('"1700000000"'), "APIResponseError"),
    Row("a number beyond 64 bits", faults.number(str(2**64)), "APIResponseError"),
    Row("a number of 5,000 digits", faults.number("9" * 5000), EVENTS),
    Row("the cursor repeats", faults.cursor_cycle(1), "PaginationError", lasting=True),
    Row("a cycle of two cursors", faults.cursor_cycle(2), "PaginationError", lasting=True),
    Row("a cycle of three cursors", faults.cursor_cycle(3), "PaginationError", lasting=True),
    Row("a cursor of 10 kB of any characters", faults.long_cursor(), EVENTS, lasting=True),
    Row("an expired cursor", faults.expired_cursor(), "BadRequestError"),
    Row("the same events on two neighbouring pages", faults.overlap(), EVENTS, lasting=True),
]  # fmt: skip


def keys(events: list[EventMetadata]) -> list[tuple[float, int]]:
    return [(event.recorded_ts, event.sequence) for event in events]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_fault_ends_in_the_events_or_in_its_error(row: Row) -> None:
    async def main() -> tuple[list[EventMetadata], list[EventMetadata], Any, int]:
        events: list[EventMetadata] = []
        failure: Any = None
        async with Simulator(history=HISTORY, max_page_size=80) as simulator:
            async with Client(**simulator.client_options) as client:
                whole = await client.list_events("c1", **WINDOW).collect()
                simulator.faults.add(row.fault, on=None if row.lasting else 2)
                try:
                    async for event in client.list_events("c1", **WINDOW):
                        events.append(event)  # noqa: PERF401
                except cfevents.CfEventsError as error:
                    failure = error
            return whole, events, failure, len(simulator.faults.struck)

    whole, events, failure, struck = run_jumping(main())
    assert struck >= 1
    if row.seen == EVENTS:
        assert failure is None
        assert keys(events) == keys(whole)
    else:
        assert type(failure).__name__ == row.seen
        assert (failure.since, failure.until) == (WINDOW["since"], WINDOW["until"])
        assert row.seen == "PaginationError" or keys(events) == keys(whole)[: len(events)]
        assert row.lasting or struck == 1


def test_refused_connection_is_retried() -> None:
    """A connection that is refused is retried until it is accepted."""

    async def main() -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        simulator = Simulator(history=HISTORY, port=port)
        async with Client(
            base_url=f"http://127.0.0.1:{port}/client/v4",
            account_id=simulator.account_id,
            api_token=simulator.api_token,
        ) as client:
            listing = asyncio.ensure_future(client.list_events("c1", **WINDOW).collect())
            await asyncio.sleep(0.5)
            async with simulator:
                return len(await listing)

    assert run_jumping(main()) > 250


async def test_a_negative_number_is_read_as_it_is() -> None:
    async with Simulator(history=HISTORY) as simulator, Client(**simulator.client_options) as client:
        simulator.faults.add(faults.number("-1"), on=1)
        (first, *_) = await client.list_events("c1", **WINDOW).collect()
    assert first.recorded_ts == -1


async def test_a_name_that_does_not_resolve_is_a_connection_error() -> None:
    options: dict[str, Any] = {"base_url": "https://no.such.host.invalid", "api_token": "arg-token-33bb"}
    async with Client(account_id="a", retry=Retry(attempts=1), **options) as client:
        with pytest.raises(cfevents.APIConnectionError, match=r"no\.such\.host\.invalid"):
            await client.list_connectors()


def test_a_wall_clock_that_jumps_changes_no_wait_and_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> tuple[int, int, float]:
        async with Simulator(history=HISTORY) as simulator, Client(**simulator.client_options) as client:
            simulator.faults.add(faults.status(429, retry_after=300), on=2)
            monkeypatch.setattr(_time, "now", lambda: float(HISTORY.until))
            stream = client.list_events("c1", since="24h", page_size=100)
            monkeypatch.setattr(_time, "now", lambda: 5e9)
            began = asyncio.get_running_loop().time()
            events = await stream.collect()
            return len(events), stream.until, asyncio.get_running_loop().time() - began

    count, until, passed = run_jumping(main())
    assert count > 250
    assert until == HISTORY.until
    assert 330 <= passed < 340


def test_an_event_loop_that_is_busy_for_seconds_costs_nothing() -> None:
    async def main() -> tuple[int, int]:
        loop: Any = asyncio.get_running_loop()
        async with (
            Simulator(history=HISTORY, max_page_size=10) as simulator,
            Client(**simulator.client_options) as client,
        ):
            whole = await client.list_events("c1", **WINDOW).collect()

            async def busy() -> None:
                while True:
                    await asyncio.sleep(0)
                    loop.skipped += 0.5

            hog = asyncio.ensure_future(busy())
            try:
                return len(whole), len(await client.list_events("c1", **WINDOW).collect())
            finally:
                hog.cancel()

    whole, count = run_jumping(main())
    assert whole == count > 250


def test_200_tasks_share_a_client_despite_faults() -> None:
    """Two hundred tasks share one client while a fifth of the requests fails."""

    async def main() -> set[int]:
        async with Simulator(history=HISTORY, max_page_size=1000) as simulator:
            simulator.faults.add(PASSING, chance=0.2, seed=1)
            async with Client(**simulator.client_options, retry=Retry(attempts=12)) as client:

                async def one() -> int:
                    return len(await client.list_events("c1", **WINDOW).collect())

                return set(await asyncio.gather(*(one() for _ in range(200))))

    assert len(run_jumping(main())) == 1


# What may be repeated, of the first three groups of the table.
PASSING = [
    faults.reset("before headers"), faults.reset("in headers"), faults.reset("after headers"), faults.reset("in body"),
    faults.hang_up(), faults.stall("before headers"), faults.stall("in body"), faults.short_body(), faults.chunks_cut(),
    faults.gzip_cut(), faults.gzip_corrupt(), faults.invalid_utf8(), faults.empty_body(), faults.nested(),
    faults.status(429, retry_after=5), faults.status(500), faults.status(502, body="html"),
    faults.status(503, body="nothing"), faults.status(408), faults.status(425), faults.status(504), faults.status(530),
    faults.status(429, retry_after=0), faults.status(429, retry_after="soon"), faults.status(429, body="nothing"),
    faults.trickle(), *(faults.status(number, body="html") for number in range(520, 527)),
]  # fmt: skip


@pytest.mark.once
@pytest.mark.timeout(300)
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEEDS))
def test_long_listing_is_exact_despite_faults(seed: int) -> None:
    """A long listing yields each event once while a fifth of the requests fails."""
    raw = [{"e": {"k": "Reconcile"}, "t": 1_700_000_000 + number // 3, "n": number % 3} for number in range(100_000)]

    async def main() -> tuple[list[EventMetadata], int]:
        async with Simulator(events={"c1": raw}, max_page_size=500) as simulator:
            simulator.faults.add(PASSING, chance=0.2, seed=seed)
            async with Client(**simulator.client_options, retry=Retry(attempts=12)) as client:
                events = await client.list_events("c1", since=1_700_000_000, until=1_700_099_999).collect()
            return events, len(simulator.faults.struck)

    events, struck = run_jumping(main())
    assert struck > 25
    assert keys(events) == [(event["t"], event["n"]) for event in raw]


def test_faults_page_shows_every_fault() -> None:
    """The page on faults shows every fault, and what the caller sees."""
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
    shown = {
        tuple(cell.strip(" `") for cell in line.split("|")[1:3]) for line in page.splitlines() if line.startswith("| ")
    }
    documented = {(row.name.split(", ")[0] if row.name[:3].isdigit() else row.name, row.seen) for row in ROWS}
    assert documented <= shown


_MEASURED = """
import asyncio, resource, sys
from cfevents import Client, ResponseTooLargeError

async def main():
    async with Client() as client:
        await client.list_connectors()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            await client.latest_events("c1")
        except ResponseTooLargeError:
            print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)

asyncio.run(main())
"""


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory is told in other units, or not at all")
def test_a_gzip_bomb_costs_no_more_than_a_large_answer_would(cfevents_simulator: Simulator) -> None:
    cfevents_simulator.add("c1", {"e": {"k": "Init"}, "t": 1, "n": 0})
    cfevents_simulator.faults.add(faults.gzip_bomb(1_000_000_000), path="/latest")
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED],
        env=os.environ | cfevents_simulator.environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stderr == ""
    assert int(done.stdout) <= 64
    assert len(cfevents_simulator.faults.struck) == 1

"""Progress: the part of the window that was covered, never more than is known, and drawn only for somebody."""

import asyncio
import io
import os
import re
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run_jumping
from support.scripted import ScriptedAPI, failure, item, page
from support.tidy import client_tasks

import cfevents
from cfevents import Budget, Client, EventMetadata, _progress
from cfevents._progress import Coverage
from cfevents.testing import Simulator

AMPLE = 10**7


def at(*times: float, late: float = 3) -> list[EventMetadata]:
    return [EventMetadata("Init", time, 0, time + late) for time in times]


def test_ascending_listing_covers_from_the_beginning() -> None:
    """An ascending listing covers the window from its beginning."""
    covered = Coverage(100, 200)
    assert [covered.add(at(110, 120)), covered.add(at(120, 150)), covered.add([]), covered.add(at(199))] == [
        0.2, 0.5, 0.5, 0.99,
    ]  # fmt: skip


def test_a_descending_listing_covers_the_window_from_its_end() -> None:
    covered = Coverage(100, 200)
    assert [covered.add(at(190, 180, late=0)), covered.add(at(120, late=0))] == [0.2, 0.8]


def test_order_of_collection_covers_by_that_time() -> None:
    """A listing in the order of collection covers the window by that time."""
    covered = Coverage(100, 200)
    late = EventMetadata("Init", 105, 0, 160)
    assert [covered.add([*at(150), late]), covered.add(at(170))] == [0.6, 0.73]


def test_coverage_is_the_least_of_possible_orders() -> None:
    """As long as several orders are possible it is the least that one means."""
    covered = Coverage(100, 200)
    assert covered.add(at(180, late=0)) == 0.2
    assert covered.add(at(190, late=0)) == 0.9


def test_a_listing_out_of_order_covers_nothing_until_the_end() -> None:
    covered = Coverage(100, 200)
    assert [covered.add(at(150, 120, 190)), covered.add(at(199))] == [0, 0]


def test_reached_time_counts_and_never_shrinks() -> None:
    """What is known to have been reached counts and nothing is taken back."""
    covered = Coverage(100, 200)
    assert [covered.add(at(150), 160), covered.add([], 180), covered.add([], 120), covered.add([], 999)] == [
        0.6, 0.8, 0.8, 1,
    ]  # fmt: skip


def test_events_after_the_reached_time_count_too() -> None:
    """A listing that goes on from what was reached covers what comes after it too."""
    covered = Coverage(100, 200)
    assert [covered.add(at(151, 160), 150), covered.add(at(170), 150)] == [0.6, 0.7]


@given(st.lists(st.lists(st.integers(0, 100)), max_size=5), st.integers(0, 50), st.integers(51, 100))
def test_coverage_is_a_fraction_and_never_shrinks(pages: list[list[int]], since: int, until: int) -> None:
    """The part that is covered is within the window and never shrinks."""
    covered = Coverage(since, until)
    fractions = [covered.add(at(*times)) for times in pages]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)


class Terminal(io.StringIO):
    """What says that it is a terminal, and keeps what was written to it."""

    def isatty(self) -> bool:
        return True

    def drawn(self) -> list[str]:
        """What was drawn since it was asked last: the label, the part covered, and what is told beside it."""
        matches = re.findall(r"([^\r\n]*?): +(\d+)%\|[^\r\n]*\| [^,\r\n]*, ([^\r\n]*)", self.getvalue())
        self.seek(0)
        self.truncate()
        return [f"{label} {part}% {more.strip()}" for label, part, more in matches]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The standard error, on which everything is drawn at once."""
    terminal = Terminal()
    # Not sys.stderr itself, which pytest replaces before each test.
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=terminal, modules=sys.modules))
    monkeypatch.setitem(_progress._TQDM_OPTIONS, "mininterval", 0.0)
    return terminal


@asynccontextmanager
async def served(count: int = 100, **options: Any) -> AsyncGenerator[tuple[Simulator, Client], None]:
    many = [{"e": {"k": "Init"}, "t": t, "n": 0} for t in range(count)]
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(events={"a": many, "b": []}, quota=AMPLE, **options))
        client = Client(**simulator.client_options, budget=Budget(AMPLE))
        yield simulator, await stack.enter_async_context(client)


async def test_bar_shows_coverage_events_and_pages(
    terminal: Terminal,
) -> None:
    """A stream shows the part of its window its events and its pages."""
    async with served(max_page_size=25) as (_, client):
        stream = client.list_events("a", since=0, until=200)
        assert [event async for event in stream.progress()] == await stream.collect()
    lines = terminal.drawn()
    assert "a 12% 25 events, 1 page" in lines
    assert "a 37% 75 events, 3 pages" in lines
    assert lines[-1] == "a 100% 100 events, 4 pages"


async def test_what_is_drawn_already_is_not_drawn_twice(terminal: Terminal) -> None:
    async with served() as (_, client):
        stream = client.list_events("a", since=0, until=100).progress().progress()
        assert len(await stream.details().progress().to_arrow()) == 100
    assert terminal.getvalue().count("\n") == 1


async def test_a_window_of_one_moment_has_a_whole_too(terminal: Terminal) -> None:
    async with served() as (_, client):
        assert len(await client.list_events("a", since=5, until=5).progress().collect()) == 1
    assert terminal.drawn()[-1] == "a 100% 1 event, 1 page"


async def test_a_long_id_leaves_room_for_what_is_told(terminal: Terminal) -> None:
    name = "835529f6-8b50-411e-a0d7-17035160a8c3"
    async with ScriptedAPI(page(item(5))) as api, Client(**api.client_options) as client:
        await client.list_events(name, since=1, until=9).progress().collect()
    assert terminal.drawn()[-1] == "835529f6-…5160a8c3 100% 1 event, 1 page"


@pytest.mark.parametrize("order", ["descending", "shuffled"])
async def test_whatever_the_order_all_is_covered_at_the_end(terminal: Terminal, order: Any) -> None:
    async with served(max_page_size=25, order=order) as (_, client):
        table = await client.list_events("a", since=0, until=200).progress().to_arrow()
    assert len(table) == 100
    lines = terminal.drawn()
    assert lines[-1] == "a 100% 100 events, 4 pages"
    assert ("a 0% 75 events, 3 pages" in lines) == (order == "shuffled")


async def test_slices_fleets_and_details_are_drawn_too(terminal: Terminal) -> None:
    async with served(max_page_size=25) as (_, client):
        window: dict[str, Any] = {"since": 0, "until": 100}
        stream = client.list_events("a", **window)
        assert len(await client.list_events("a", **window, concurrency=3).progress().collect()) == 100
        assert re.fullmatch(r"a 100% 100 events, \d+ pages", terminal.drawn()[-1])
        assert len([event async for event in stream.details().progress()]) == 100
        assert terminal.drawn()[-1] == "a 100% 100 events, 4 pages"
        assert len(await stream.progress().details().progress().to_arrow()) == 100
        assert terminal.drawn()[-1] == "a 100% 100 events, 4 pages"
        fleet = client.fleet().list_events(**window)
        assert len(await fleet.progress().collect()) == 100
        assert re.fullmatch(r"all connectors 100% 100 events, \d+ rounds?", terminal.drawn()[-1])
        assert len(await client.fleet(["a"]).list_events(**window).progress().details().to_arrow()) == 100
        assert re.fullmatch(r"a 100% 100 events, \d+ rounds?", terminal.drawn()[-1])


@pytest.mark.parametrize(
    "ways",
    [
        lambda client: client.list_events("a", since=0, until=100, prefetch=0).progress(),
        lambda client: client.list_events("a", since=0, until=100).details(kinds="Leave").progress(),
        lambda client: client.fleet(["a"]).list_events(since=0, until=100).progress(),
    ],
)
def test_while_the_budget_makes_it_wait_it_says_for_how_long(terminal: Terminal, ways: Any) -> None:
    async def read() -> int:
        async with served(max_page_size=25) as (simulator, _):
            budget = Budget(2, share=1)
            async with Client(**simulator.client_options, budget=budget) as client:
                return len([event async for event in ways(client)])

    assert run_jumping(read()) == 100
    lines = terminal.drawn()
    waits = [int(match[1]) for line in lines if (match := re.search(r", waiting (\d+) s$", line))]
    assert waits[0] in {299, 300}
    assert {*range(2, 299)} <= {*waits}
    assert re.match(r"a 100% 100 events, \d+ (pages|rounds?)$", lines[-1])


async def test_a_listing_that_fails_leaves_the_bar_where_it_was(terminal: Terminal) -> None:
    pages = page(item(5), item(6), cursor="x"), failure(403)
    async with ScriptedAPI(*pages) as api, Client(**api.client_options) as client:
        with pytest.raises(cfevents.PermissionDeniedError):
            await client.list_events("c1", since=1, until=11).progress().collect()
    assert terminal.drawn()[-1] == "c1 50% 2 events, 1 page"


def test_closed_client_ends_a_stream_with_a_bar(terminal: Terminal) -> None:
    """A client that is closed while its stream is drawn says so."""

    async def read() -> None:
        async with served(max_page_size=25) as (simulator, _):
            budget = Budget(2, share=1)
            client = await Client(**simulator.client_options, budget=budget).open()
            reading = asyncio.ensure_future(client.list_events("a", since=0, until=100).progress().collect())
            await asyncio.sleep(20)
            await client.close()
            with pytest.raises(cfevents.ConfigurationError, match="closed"):
                await reading

    run_jumping(read())
    assert ", waiting " in terminal.getvalue()


def test_budget_tells_a_known_wait() -> None:
    """A budget tells the wait of those who wait where it is known."""

    async def read() -> None:
        budget = Budget(2, 300, share=1)
        assert budget.wait == 0
        first = await budget.acquire()
        second = asyncio.ensure_future(budget.acquire())
        await asyncio.sleep(2)
        assert budget.wait == 0  # the second has its slot, although the first is not answered
        budget.release(first)
        budget.release(await second)
        third = asyncio.ensure_future(budget.acquire())
        await asyncio.sleep(1)
        assert 298 < budget.wait < 300
        third.cancel()

    run_jumping(read())


async def test_a_stream_that_is_left_early_leaves_no_task_and_no_timer(terminal: Terminal) -> None:
    async with served(max_page_size=25) as (_, client):
        async for _event in client.list_events("a", since=0, until=100).progress():
            break
        await client.close()
        assert not client_tasks()
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", [])
    assert [handle for handle in scheduled if not handle.cancelled() and "_show_wait" in repr(handle)] == []
    assert terminal.drawn()


async def test_nothing_is_drawn_where_nobody_would_see_it(capfd: pytest.CaptureFixture[str]) -> None:
    async with served() as (_, client):
        stream = client.list_events("a", since=0, until=100)
        assert await stream.progress().collect() == await stream.collect()
        assert len([event async for event in stream.progress().details()]) == 100
        assert len(await client.fleet().list_events(since=0, until=100).progress().collect()) == 100
    assert capfd.readouterr() == ("", "")


_PROGRAM = """
import asyncio
from cfevents import Client
from cfevents.testing import Simulator

async def main():
    events = [{"e": {"k": "Init"}, "t": t, "n": 0} for t in range(100)]
    async with Simulator(events={"a": events}, max_page_size=25) as simulator:
        async with Client(**simulator.client_options) as client:
            await client.list_events("a", since=0, until=100).progress().collect()

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals")
def test_it_is_drawn_on_a_real_terminal() -> None:
    # Neither is there elsewhere.
    import fcntl  # noqa: PLC0415
    import pty  # noqa: PLC0415
    import termios  # noqa: PLC0415

    terminal, its_end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
    subprocess.run([sys.executable, "-c", _PROGRAM], stderr=its_end, check=True)
    os.close(its_end)
    shown = b""
    with suppress(OSError):  # where its other end was closed
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    assert b"a: 100%|" in shown
    assert b", 100 events, 4 pages" in shown


async def test_pages_are_drawn_too_and_are_the_same(terminal: Terminal) -> None:
    async with served(max_page_size=25) as (_, client):
        stream = client.list_events("a", since=0, until=100)
        plain = [page.items async for page in stream.pages()]
        assert [page.items async for page in stream.progress().pages()] == plain
    assert terminal.drawn()[-1] == "a 100% 100 events, 4 pages"

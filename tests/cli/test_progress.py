"""The line on stderr that tells how far a command came and what it waits for: on a terminal, and only meanwhile."""

import asyncio
import logging
import os
import pty
import re
import select
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import pytest
from support.clock import run_jumping
from support.terminal import shown_by

from cfevents.cli.console.logs import log_on_stderr
from cfevents.cli.console.output import write_stdout
from cfevents.cli.console.progress import Progress, show_progress, show_waits
from cfevents.testing import faults

if TYPE_CHECKING:
    from cfevents.testing import Simulator

T = TypeVar("T")

WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T00:03:00Z")
BOTH = {"stdout": None, "stderr": None}
_ERASED = "\r\x1b[0K\r"


class Screen:
    """A terminal that stands for stderr beside a file that stands for stdout, and what it was sent meanwhile."""

    def __init__(self, stdout: "IO[str]") -> None:
        self._ours, theirs = pty.openpty()
        self.stderr: IO[str] | None = os.fdopen(theirs, "w", encoding="utf-8")
        self.stdout = stdout
        self._stream = self.stderr

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run something on a clock that jumps."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", self.stderr)
            patch.setattr(sys, "stdout", self.stdout)
            return run_jumping(main)

    def seen(self) -> str:
        self._stream.flush()
        seen = b""
        # It comes through the kernel, which may take a moment.
        while select.select([self._ours], [], [], 0.05)[0]:
            seen += os.read(self._ours, 65536)
        return seen.decode()

    def close(self) -> None:
        self._stream.close()
        os.close(self._ours)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Screen]:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with (tmp_path / "stdout").open("w") as stdout:
        screen = Screen(stdout)
        yield screen
        screen.close()


def test_a_wait_of_the_budget_is_counted_down_and_then_gone(screen: Screen) -> None:
    seen = list[str]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + 2.1
        with show_waits(lambda: max(0.0, until - loop.time())):
            for _ in range(3):
                await asyncio.sleep(1)
                seen.append(screen.seen())

    screen.run(main())
    assert "waiting 2 s for the quota" in seen[0]
    assert "waiting 3 s" not in "".join(seen)
    assert seen[1].endswith(_ERASED)
    assert seen[2] == ""


def test_progress_is_drawn_as_a_bar_with_what_was_done_and_what_is_waited_for(screen: Screen) -> None:
    async def main() -> None:
        with show_waits(lambda: 12.3), show_progress(lambda: Progress(0.5, "1,234 events")):
            await asyncio.sleep(0.3)

    screen.run(main())
    shown = screen.seen()
    assert "━" * 15 + "─" * 15 + "  50%, waiting 13 s for the quota, 1,234 events" in shown
    assert shown.endswith(_ERASED)


def test_the_line_makes_room_for_what_is_printed(screen: Screen) -> None:
    async def main() -> str:
        with show_waits(lambda: 12.3):
            await asyncio.sleep(0.3)
            screen.seen()
            write_stdout("a row\n")
            return screen.seen()

    assert screen.run(main()) == _ERASED


def test_it_is_cut_where_the_terminal_is_narrow(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    async def main() -> None:
        with show_waits(lambda: 0), show_progress(lambda: Progress(1, "[red]" * 9)):
            await asyncio.sleep(0.3)

    screen.run(main())
    first, *_ = re.findall(r"\r([^\r\x1b]+)", screen.seen())
    assert len(first) == 29
    assert first.endswith("…")


@pytest.mark.parametrize("how", ["dumb", "closed", "piped"])
def test_nothing_is_drawn_where_nobody_would_see_it_or_where_it_would_be_in_the_way(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as pipe:
        if how == "dumb":
            monkeypatch.setenv("TERM", "dumb")
        elif how == "closed":
            screen.stderr = None
        else:
            screen.stdout = pipe

        async def main() -> None:
            with show_waits(lambda: 12.3):
                await asyncio.sleep(1)
                with show_progress(lambda: Progress(0.5, "")):
                    await asyncio.sleep(1)

        screen.run(main())
    os.close(read)
    assert screen.seen() == ""


def test_a_listing_into_a_file_shows_how_much_of_the_window_was_covered_and_leaves_nothing_behind(
    account: "Simulator", tmp_path: Path
) -> None:
    account.faults.add(faults.stall(seconds=0.6), path="/events", on=2)
    path = tmp_path / "events.ndjson"
    with path.open("w") as stdout:
        args = ("list", "site-1", *WINDOW, "--page-size", "2")
        shown = shown_by(args, {"stdout": stdout, "stderr": None}, {})
    assert "━" * 10 + "─" * 20 + "  33%, 2 events" in shown
    assert shown.endswith(_ERASED)
    assert path.read_text().count("\n") == 4


@pytest.mark.once
def test_rows_that_scroll_on_the_same_terminal_have_no_bar_among_them(account: "Simulator") -> None:
    account.faults.add(faults.stall(seconds=0.6), path="/events", on=2)
    shown = shown_by(("list", "site-1", *WINDOW, "--page-size", "2"), BOTH, {})
    assert "\x1b" not in shown
    assert shown.count("\n") == 5


def test_filling_an_archive_shows_how_far_it_came(account: "Simulator", tmp_path: Path) -> None:
    account.faults.add(faults.stall(seconds=0.6), path="/events", on=1)
    path = str(tmp_path / "events.db")
    args = ("archive", path, "site-1", "--since", "2026-01-01T00:00:00Z")
    shown = shown_by(args, BOTH, {})
    assert re.search(r"─+ +\d+%, 1 connector, \d requests?\r?\x1b", shown)
    assert shown.endswith(f"{_ERASED}4 new events in {path}\n")


def test_a_message_stands_on_a_line_of_its_own(screen: Screen) -> None:
    async def main() -> None:
        with log_on_stderr({}), show_waits(lambda: 12.3):
            await asyncio.sleep(0.3)
            logging.getLogger("cfevents").warning("look")

    screen.run(main())
    assert screen.seen().endswith(f" for the quota\x1b[0K\r{_ERASED}cfevents: look\r\n")

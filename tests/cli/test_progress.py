"""The line on stderr that tells how far a command came and what it waits for: on a terminal, and only meanwhile."""

import asyncio
import logging
import os
import pty
import re
import select
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import pytest
from click.testing import Result
from support.clock import run_jumping
from support.old_archives import to_version_1, version
from support.terminal import shown_by

from cfevents._progress import Progress
from cfevents.cli.commands import archive, report
from cfevents.cli.console.log import log_to_stderr
from cfevents.cli.console.output import write_stdout
from cfevents.cli.console.progress import show_progress, show_waits
from cfevents.operations.series import EventSeries
from cfevents.storage.sqlite import Database
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


def test_progress_is_a_bar_with_counts_and_waits(screen: Screen) -> None:
    """Progress is drawn as a bar, with the wait and what was done."""

    async def main() -> None:
        with show_waits(lambda: 12.3), show_progress(lambda: Progress(0.5, "1,234 events")):
            await asyncio.sleep(0.3)

    screen.run(main())
    shown = screen.seen()
    assert "━" * 15 + "─" * 15 + "  50%, waiting 13 s for the quota, 1,234 events" in shown
    assert shown.endswith(_ERASED)


@pytest.mark.parametrize("fraction", [0.5, None])
def test_wait_of_what_is_done_is_shown_too(screen: Screen, fraction: float | None) -> None:
    """What has a pace of its own may wait longer than the budget does."""

    async def main() -> None:
        with show_waits(lambda: 0.0), show_progress(lambda: Progress(fraction, "2 events", 142.3)):
            await asyncio.sleep(0.3)

    screen.run(main())
    assert "waiting 143 s for the quota, 2 events" in screen.seen()


@pytest.mark.parametrize("stays", [False, True])
def test_on_a_terminal_rows_take_the_place_of_a_bar(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, stays: bool
) -> None:
    monkeypatch.setattr("cfevents.cli.console.progress._stdout_is", lambda _: False)

    async def main() -> tuple[str, str]:
        with show_waits(lambda: 0.0), show_progress(lambda: Progress(0.5, "2 events"), stays=stays):
            await asyncio.sleep(0.3)
            before = screen.seen()
            write_stdout("a row\n")
            screen.seen()
            await asyncio.sleep(0.3)
            return before, screen.seen()

    before, after = screen.run(main())
    assert "50%, 2 events" in before
    assert ("50%, 2 events" in after) is stays


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
def test_nothing_is_drawn_where_it_cannot_be_seen(screen: Screen, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Nothing is drawn where nobody would see it, or where it would be in the way."""
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


def test_listing_into_a_file_shows_its_coverage(account: "Simulator", tmp_path: Path) -> None:
    """A listing into a file shows how much of the window was covered, and leaves nothing behind."""
    account.faults.add(faults.stall(seconds=0.6), path="/events", on=2)
    path = tmp_path / "events.ndjson"
    with path.open("w") as stdout:
        args = ("list", "site-1", *WINDOW, "--page-size", "2")
        shown = shown_by(args, {"stdout": stdout, "stderr": None}, {})
    assert "━" * 10 + "─" * 20 + "  33%, 2 events" in shown
    assert shown.endswith(_ERASED)
    assert path.read_text().count("\n") == 4


@pytest.mark.once
def test_no_bar_among_rows_on_the_same_terminal(account: "Simulator") -> None:
    """A bar stands on a terminal until the first row; rows that scroll there have none among them."""
    account.faults.add(faults.stall(seconds=0.6), path="/events", on=2)
    shown = shown_by(("list", "site-1", *WINDOW, "--page-size", "2"), BOTH, {})
    assert "\x1b" not in shown.partition("RECORDED")[2]
    assert shown.count("\n") == 5


def test_a_report_shows_how_far_it_is(account: "Simulator") -> None:
    account.faults.add(faults.stall(seconds=0.4), path="/events", on=1)
    shown = shown_by(("report", "site-1", "--since", "2026-01-01T00:00:00Z"), BOTH, {})
    assert re.search(r"─+ +0%, 0 events, \d requests?\x1b", shown)
    assert "%" not in shown.rpartition(_ERASED)[2]


def test_a_report_of_an_archive_shows_how_far_it_is(
    account: "Simulator", invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The part of the window that is read grows from connector to connector, and never beyond the whole."""
    account.add("site-2", *({"e": {"k": "Init"}, "t": 1767225600 + 60 * n, "n": 0} for n in range(3)))
    path = str(tmp_path / "events.db")
    assert invoke("archive", path, "site-1", "site-2", "--since", "2026-01-01").exit_code == 0
    shown, seen = list[Callable[[], Progress]](), list[Progress]()
    add = EventSeries.add

    def watched(series: EventSeries, *columns: Any) -> None:
        seen.append(shown[0]())
        add(series, *columns)

    @contextmanager
    def show(progress: Callable[[], Progress]) -> Iterator[None]:
        shown.append(progress)
        yield

    monkeypatch.setattr(report, "show_progress", show)
    monkeypatch.setattr(EventSeries, "add", watched)
    assert invoke("report", "--archive", path, "--all", *WINDOW).exit_code == 0
    fractions = [round(progress.fraction or 0, 2) for progress in [*seen, shown[0]()]]
    assert fractions == sorted(fractions)
    assert fractions == [0.0, 0.5, 1.0]
    assert shown[0]().text == "7 events"


def test_filling_an_archive_shows_how_far_it_came(account: "Simulator", tmp_path: Path) -> None:
    account.faults.add(faults.stall(seconds=0.6), path="/events", on=1)
    path = str(tmp_path / "events.db")
    args = ("archive", path, "site-1", "--since", "2026-01-01T00:00:00Z")
    shown = shown_by(args, BOTH, {})
    assert re.search(r"─+ +\d+%, 1 connector, 0 events, \d requests?\r?\x1b", shown)
    assert shown.endswith(f"{_ERASED}4 new events in {path}\n")


def test_filling_an_old_archive_shows_its_migration(
    account: "Simulator", invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An archive of an older version is migrated once, with a bar of its own; then it is filled."""
    path, shown, seen = tmp_path / "events.db", list[Callable[[], Progress]](), list[Progress]()
    account.add("site-2", {"e": {"k": "Init"}, "t": 1767225600, "n": 0})
    fill = ("archive", str(path), "site-1", "site-2", "--since", "2026-01-01")
    assert invoke(*fill).exit_code == 0
    to_version_1(path)
    original = Database._report

    def watched(database: Database, part: float) -> None:
        original(database, part)
        seen.append(shown[0]())

    @contextmanager
    def show(progress: Callable[[], Progress], *, prints: bool) -> Iterator[None]:
        shown.append(progress)
        yield

    monkeypatch.setattr(archive, "show_progress", show)
    monkeypatch.setattr(Database, "_report", watched)
    assert invoke(*fill).exit_code == 0
    assert version(path) == 2
    fractions = [progress.fraction for progress in seen]
    assert (fractions[0], fractions[-1]) == (0.0, 0.5)
    assert {progress.text for progress in seen} == {"migrating the archive to a new version"}
    count = len(seen)
    assert invoke(*fill).exit_code == 0
    assert len(seen) == count


def test_a_message_stands_on_a_line_of_its_own(screen: Screen) -> None:
    async def main() -> None:
        with log_to_stderr({}), show_waits(lambda: 12.3):
            await asyncio.sleep(0.3)
            logging.getLogger("cfevents").warning("look")

    screen.run(main())
    assert screen.seen().endswith(f" for the quota\x1b[0K\r{_ERASED}cfevents: look\r\n")

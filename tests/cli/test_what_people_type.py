"""The page "What people type": what is typed in its tables does what they say."""

import re
import shlex
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import Result

from cfevents.testing import Simulator, SimulatorThread

PAGE = Path(__file__).parents[2] / "docs" / "what-people-type.md"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CONNECTORS = {
    "hamburg-1": ("SN-1001", "Hamburg, first floor"),
    "hamburg-2": ("SN-1002", "Hamburg, basement"),
    "835529f6-8b50-411e-a0d7-17035160a8c3": ("SN-2001", "Berlin"),
}
KINDS_BY_TIME = {
    "2026-11-29T09:00:00Z": "Init",
    "2026-11-29T22:30:00Z": "RekeyStart",
    "2026-11-29T22:30:07Z": "RekeyComplete",
    "2026-11-30T10:15:00Z": "Reconcile",
}
_HEADER = "| You type | It does | Check |"


class Row(NamedTuple):
    """A row of a table: a command without its name, and the checks of what it does."""

    typed: str
    checks: tuple[str, ...]

    def __str__(self) -> str:
        return self.typed


def rows() -> Iterator[Row]:
    in_table = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        in_table = line == _HEADER or (in_table and line.startswith("|"))
        if in_table and line != _HEADER and not line.startswith("|---"):
            typed, _, checks = re.split(r"(?<!\\)\|", line.strip("|"))
            yield Row(_code(typed)[0], tuple(_code(checks)))


def _code(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell.replace(r"\|", "|"))


class Outcome(NamedTuple):
    """What a command printed, and the queries that it sent."""

    result: Result
    queries: list[dict[str, str]]

    def passes(self, check: str) -> bool:
        name, _, text = check.partition(" ")
        return _CHECKS[name](self, text)

    def bound(self, name: str) -> str:
        windows = [query for query in self.queries if name in query]
        return datetime.fromtimestamp(float(windows[-1][name]), UTC).isoformat().replace("+00:00", "Z")


_CHECKS: dict[str, Callable[[Outcome, str], bool]] = {
    "from": lambda outcome, text: outcome.bound("from") == text,
    "to": lambda outcome, text: outcome.bound("to") == text,
    "nothing": lambda outcome, text: text == "sent" and not outcome.queries,
    "sent": lambda outcome, text: any(text.split("=", 1) in map(list, query.items()) for query in outcome.queries),
    "status": lambda outcome, text: outcome.result.exit_code == int(text),
    "events": lambda outcome, text: outcome.result.stdout.count('"recorded_at"') == int(text),
    "stdout": lambda outcome, text: text in " ".join(outcome.result.stdout.split()),
    "stderr": lambda outcome, text: text in " ".join(outcome.result.stderr.split()),
}


def _event(time: str, kind: str) -> dict[str, object]:
    seconds = int(datetime.fromisoformat(time).timestamp())
    return {"e": {"k": kind}, "t": seconds, "n": 0, "a": seconds + 1}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """The account that the page describes."""
    events = {name: [_event("2026-11-30T10:15:00Z", "Reconcile")] for name in CONNECTORS}
    events["hamburg-1"] = [_event(time, kind) for time, kind in KINDS_BY_TIME.items()]
    device = {"type": "MANAGED", "activated": True, "last_heartbeat": "2026-11-30T11:59:55Z"}
    connectors = [
        {"id": name, "notes": note, "device": {"id": f"device-{serial}", "serial_number": serial}, **device}
        for name, (serial, note) in CONNECTORS.items()
    ]
    with SimulatorThread(Simulator(events=events, connectors=connectors)) as simulator:
        yield simulator


@pytest.mark.parametrize("row", [*rows()], ids=str)
def test_row_does_what_the_page_says(
    row: Row,
    running: Simulator,
    invoke: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What a row of the page shows is typed, and its checks pass; stderr is empty where none is about it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # without a file of accounts
    monkeypatch.setattr(time, "time", NOW.timestamp)  # also that of the server, for the Date of its responses
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    running.requests.clear()
    result = invoke(*shlex.split(row.typed))
    outcome = Outcome(result, [dict(request.query) for request in running.requests])
    assert [check for check in row.checks if not outcome.passes(check)] == [], result.stderr
    if not any(check.startswith("status") for check in row.checks):
        assert result.exit_code == 0, result.stderr
    if not any(check.startswith("stderr") for check in row.checks):
        assert result.stderr == ""


def test_page_names_connectors_and_events() -> None:
    """The page describes the account that the rows are typed at."""
    page = PAGE.read_text(encoding="utf-8")
    for name, (serial, note) in CONNECTORS.items():
        assert f"| `{name}` | `{serial}` | {note} |" in page
    assert all(f"`{kind}`" in page for kind in KINDS_BY_TIME.values())

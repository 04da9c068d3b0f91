"""Files that a first run makes, and that a refusal must not leave behind."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from cfevents.testing import faults

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]

NOBODY = "00000000-0000-4000-8000-000000000000"
CALLS = (
    ("archive", "events.db", "CONNECTOR"),
    ("follow", "CONNECTOR", "--checkpoint", "state.json"),
    ("follow", "CONNECTOR", "--output", "events.ndjson"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.mark.parametrize("connector", [NOBODY, "--all"])
@pytest.mark.parametrize("call", CALLS)
def test_a_refused_token_leaves_no_file(
    account: "Simulator", invoke: Invoke, folder: Path, call: tuple[str, ...], connector: str
) -> None:
    account.faults.add(faults.status(401))
    result = invoke(*(connector if word == "CONNECTOR" else word for word in call))
    assert result.exit_code == 1
    assert left(folder) == set()


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_connector_leaves_no_file(
    account: "Simulator", invoke: Invoke, folder: Path, call: tuple[str, ...]
) -> None:
    if call[0] == "follow":
        threading.Timer(0.6, os.kill, [os.getpid(), signal.SIGINT]).start()
    result = invoke(*(NOBODY if word == "CONNECTOR" else word for word in call))
    assert result.exit_code == (1 if call[0] == "archive" else 0)
    assert left(folder) == set()


@pytest.mark.parametrize("call", CALLS)
def test_what_was_there_before_stays(account: "Simulator", invoke: Invoke, folder: Path, call: tuple[str, ...]) -> None:
    """A file that is known to work, or was made beforehand for its mode, stays whatever the API answers."""
    name = next(word for word in call if "." in word)
    (folder / name).touch(0o600)
    account.faults.add(faults.status(401))
    assert invoke(*(NOBODY if word == "CONNECTOR" else word for word in call)).exit_code == 1
    assert name in left(folder)


@pytest.mark.parametrize("connectors", [("site-1", NOBODY), ("site-1",)])
def test_an_archive_with_results_stays(
    account: "Simulator", invoke: Invoke, folder: Path, connectors: tuple[str, ...]
) -> None:
    """One connector that was read is enough, also without an event."""
    assert invoke("archive", "events.db", *connectors).exit_code == len(connectors) - 1
    assert left(folder) == {"events.db"}


def test_an_outage_leaves_where_a_first_run_began(account: "Simulator", invoke: Invoke, folder: Path) -> None:
    """The next run begins where this one would have, so that nothing is lost in an outage."""
    account.faults.add(faults.status(503))
    assert invoke("archive", "events.db", NOBODY).exit_code == 1
    assert left(folder) == {"events.db"}

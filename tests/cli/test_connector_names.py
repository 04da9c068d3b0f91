"""Connectors by what people call them: the beginning of an id, a serial number, a note."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from cfevents.testing import Simulator, SimulatorThread

Invoke = Callable[..., Result]

HAMBURG = "835529f6-8b50-411e-a0d7-17035160a8c3"
ALTONA = "835529aa-0000-411e-a0d7-17035160a8c3"
BERLIN = "c51eab802aacd38cd8d2df43789150ad"
ODD = "dessau.7"
WINDOW = ("--since", "2026-01-01T00:00:00Z", "--until", "2026-01-01T01:00:00Z")
NAMES = {
    HAMBURG: ("SN-1001", "Hamburg"),
    ALTONA: ("SN-1002", "Hamburg  Altona"),
    BERLIN: ("XY-7", "Berlin, c51 rack"),
    ODD: ("", ""),
}


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An account whose connectors have notes and serial numbers; each has one event."""
    described = [
        {"id": name, "notes": notes, "device": {"serial_number": serial}} for name, (serial, notes) in NAMES.items()
    ]
    events = {name: [{"e": {"k": "Init"}, "t": 1767225600 + place, "n": 0}] for place, name in enumerate(NAMES)}
    with SimulatorThread(Simulator(events=events, connectors=described)) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        yield simulator


@pytest.mark.parametrize(
    ("name", "connector_id"),
    [
        ("835529f6", HAMBURG),
        ("835529f6\N{HORIZONTAL ELLIPSIS}", HAMBURG),
        ("835529F6...", HAMBURG),
        ("hamburg", HAMBURG),
        ("ALTONA", ALTONA),
        ("hamburg altona", ALTONA),
        ("sn-1002", ALTONA),
        ("xy", BERLIN),
        ("dessau.7", ODD),
        ("des", ODD),
    ],
)
def test_name_stands_for_the_one_connector(company: Simulator, invoke: Invoke, name: str, connector_id: str) -> None:
    result = invoke("list", name, *WINDOW)
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["connector_id"] == connector_id
    assert sum(request.path.endswith("/connectors") for request in company.requests) == 1


@pytest.mark.parametrize("whole", [HAMBURG, BERLIN])
def test_whole_id_costs_no_request(company: Simulator, invoke: Invoke, whole: str) -> None:
    assert invoke("list", whole, *WINDOW).exit_code == 0
    assert not any(request.path.endswith("/connectors") for request in company.requests)


def test_several_are_all_named(company: Simulator, invoke: Invoke) -> None:
    """A name of several connectors is wrong usage, and each is named with its id, serial number and note."""
    result = invoke("list", "8355", *WINDOW)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{HAMBURG} (SN-1001, Hamburg); {ALTONA} (SN-1002, Hamburg Altona)" in result.stderr
    assert not any("from" in request.query for request in company.requests)


def test_unknown_name_is_requested_and_the_nearest_named(company: Simulator, invoke: Invoke) -> None:
    """Ids have no documented form: a name that nobody has is taken for one, and the error names the nearest."""
    result = invoke("list", "altoma", ODD, *WINDOW)
    assert (result.exit_code, result.stdout.count("\n"), result.stderr.count("\n")) == (1, 1, 1)
    assert f"no connector is called 'altoma'; the nearest is {ALTONA} (SN-1002, Hamburg Altona)" in result.stderr
    assert "'cfevents connectors' lists them" in result.stderr


def test_commands_show_the_id_of_a_name(company: Simulator, invoke: Invoke) -> None:
    """What is printed has the id, since the note may change."""
    assert json.loads(invoke("latest", "altona").stdout)["connector_id"] == ALTONA
    assert json.loads(invoke("get", "altona", "1767225601.0").stdout)["connector_id"] == ALTONA
    assert ALTONA in invoke("export", "-", "hamburg", "altona", *WINDOW).stdout
    assert invoke("doctor", "altona", "--json").exit_code == 0
    assert any(ALTONA in request.path for request in company.requests[-3:])


def test_archive_is_read_by_the_beginning_of_an_id(company: Simulator, invoke: Invoke, tmp_path: Path) -> None:
    path = str(tmp_path / "events.db")
    assert invoke("archive", path, "--all", "--since", WINDOW[1]).exit_code == 0
    result = invoke("list", "--archive", path, "835529aa", *WINDOW)
    assert json.loads(result.stdout)["connector_id"] == ALTONA
    assert invoke("list", "--archive", path, "8355", *WINDOW).exit_code == 2

"""The catalogue, printed."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from cfevents.cli.app import app
from cfevents.events import KINDS
from cfevents.testing import Simulator

Invoke = Callable[..., Result]


def test_kinds_are_printed_in_catalogue_order(invoke: Invoke) -> None:
    """Kinds are printed in the order of the catalogue, with all that is documented of them."""
    printed = [json.loads(line) for line in invoke("kinds").stdout.splitlines()]
    assert [record["kind"] for record in printed] == list(KINDS)
    by_kind = {record["kind"]: record for record in printed}
    assert by_kind["Init"] == {"kind": "Init", "description": "Initialized process", "payload": []}
    assert by_kind["StartUpgrade"]["payload"] == ["url"]
    assert by_kind["RekeyReset"]["payload"] == ["tunnel_id"]


def test_kinds_need_no_api_so_that_simulate_changes_nothing(invoke: Invoke) -> None:
    assert invoke("kinds", "--simulate").stdout == invoke("kinds").stdout


def test_a_table_of_kinds_has_a_line_for_each(invoke: Invoke) -> None:
    header, *lines = invoke("kinds", "--format", "table").stdout.splitlines()
    assert header.split() == ["KIND", "PAYLOAD", "DESCRIPTION"]
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert len({line.index(KINDS[line.split()[0]].description) for line in lines}) == 1


def test_latest_events_of_some_kinds(account: Simulator, invoke: Invoke) -> None:
    """Latest events are limited like listed ones; an undocumented kind passes where others are left out."""
    printed = [json.loads(line)["kind"] for line in invoke("latest", "site-1", "--exclude", "re*").stdout.splitlines()]
    assert sorted(printed) == ["Init", "Novelty"]
    (line,) = invoke("latest", "site-1", "--kind", "rekey*").stdout.splitlines()
    assert json.loads(line)["kind"] == "RekeyStart"


@pytest.mark.parametrize("command", [*app.commands])
def test_help_fits_a_screen(invoke: Invoke, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns and 40 lines shows the help of a command without scrolling."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = invoke(command, "--help").stdout.splitlines()
    assert sum(1 + len(line) // 81 for line in lines) <= 40


@pytest.mark.parametrize("command", ["list", "report", "get", "latest", "follow", "export", "archive", "doctor"])
def test_help_says_how_connectors_are_named(invoke: Invoke, command: str) -> None:
    text = " ".join(invoke(command, "--help").stdout.split())
    assert "CONNECTOR is an id, its beginning, a serial number or a note." in text


def test_help_of_completion_names_what_zsh_needs(invoke: Invoke) -> None:
    assert "after autoload -U compinit && compinit" in invoke("completion", "--help").stdout

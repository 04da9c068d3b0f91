"""Completion by the Tab key, in the shells themselves."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support.old_archives import to_version_1

from cfevents.cli import connector_names
from cfevents.events import KINDS
from cfevents.testing import Simulator, SimulatorThread

Invoke = Callable[..., Result]
Complete = Callable[..., list[str]]

SIMULATED = "835529f6-8b50-411e-a0d7-17035160a8c3"
# What a shell does when the Tab key is pressed, for words that stand in $WORDS; each prints what it offers, by lines.
_SCRIPTS = {
    "bash": """
        eval "$(cfevents completion bash)"
        read -ra COMP_WORDS <<< "$WORDS"; [[ $WORDS == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        $(complete -p cfevents | sed 's/.*-F \\([^ ]*\\) .*/\\1/') cfevents
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compdef() { :; }
        compadd() { print -l -- ${(P)5} }
        _describe() { print -l -- ${${(P)3}%%:*} }
        eval "$(cfevents completion zsh)"
        words=(${=WORDS}); [[ $WORDS == *' ' ]] && words+=('')
        CURRENT=${#words}; _cfevents_completion
    """,
    "fish": 'cfevents completion fish | source; complete -C "$WORDS" | string replace -r "\\t.*" ""',
}


@pytest.fixture(params=_SCRIPTS)
def complete(request: pytest.FixtureRequest, tmp_path: Path) -> Complete:
    """Give a function that lets a shell complete a line."""
    shell = shutil.which(request.param)
    if shell is None:
        pytest.skip(f"there is no {request.param}")
    program = tmp_path / "cfevents"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cfevents "$@"\n')
    program.chmod(0o755)

    def complete(words: str) -> list[str]:
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WORDS": words, "HOME": str(tmp_path)}
        command = [shell, "-c", _SCRIPTS[request.param]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.mark.once
def test_commands_options_and_kinds_are_completed(complete: Complete) -> None:
    assert sorted(complete("cfevents l")) == ["latest", "list"]
    assert complete("cfevents list --det") == ["--details"]
    assert complete("cfevents follow --kind rekeyre") == ["RekeyReset", "RekeyRestart"]
    assert complete("cfevents latest --simulate SIM7") == ["SIM7114869"]


@pytest.mark.once
def test_values_are_completed(complete: Complete, tmp_path: Path) -> None:
    """Values of a list, of choices, of zones and of the file of accounts are offered, in any shell."""
    file = tmp_path / ".config" / "cfevents" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[accounts.emea]\n[accounts.us]\n")
    assert complete("cfevents list --kind Init,rekeyre") == ["Init,RekeyReset", "Init,RekeyRestart"]
    assert sorted(complete("cfevents list --color a")) == ["always", "auto"]
    assert complete("cfevents report --fail-on err") == ["error"]
    assert complete("cfevents list --tz Europe/Berl") == ["Europe/Berlin"]
    assert complete("cfevents list --account e") == ["emea"]


def test_all_kinds_are_offered_and_what_they_mean(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "cfevents list --kind ")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_CFEVENTS_COMPLETE", "zsh_complete")
    offered = invoke().stdout.splitlines()
    assert offered[1::3] == list(KINDS)
    assert offered[2::3] == [kind.description for kind in KINDS.values()]


@pytest.mark.parametrize("option", ["--kind", "--exclude"])
def test_kinds_are_completed_after_a_comma(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv("COMP_WORDS", f"cfevents follow {option} Init,hat")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_CFEVENTS_COMPLETE", "bash_complete")
    assert invoke().stdout == "plain,Init,HaTransition\n"


def test_zones_are_offered_in_whatever_case_they_are_begun(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "cfevents list --tz europe/berl")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_CFEVENTS_COMPLETE", "bash_complete")
    assert invoke().stdout == "plain,Europe/Berlin\n"


@pytest.mark.parametrize(("words", "offered"), [("--kind I", "Init"), ("--simulate 8355", SIMULATED)])
def test_completing_loads_neither_http_client_nor_converter(words: str, offered: str) -> None:
    code = (
        "import os, sys\n"
        f"os.environ |= {{'COMP_WORDS': 'cfevents list {words}', 'COMP_CWORD': '3'}}\n"
        "os.environ['_CFEVENTS_COMPLETE'] = 'bash_complete'\n"
        "from cfevents.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'aiohttp', 'cattrs', 'stamina', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=50)
    assert done.stdout == f"plain,{offered}\n"


def test_the_shell_that_is_used_need_not_be_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/local/bin/fish")
    assert invoke("completion").stdout == invoke("completion", "fish").stdout
    for shell in ("/bin/sh", ""):
        monkeypatch.setenv("SHELL", shell)
        result = invoke("completion")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "write one of bash, zsh, fish" in result.stderr


@pytest.mark.parametrize("command", ["list", "report", "export events.csv", "follow", "archive events.db"])
def test_times_are_offered(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    words = f"cfevents {command} --since y"
    for name, value in {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("_CFEVENTS_COMPLETE", "bash_complete")
    assert invoke().stdout == "plain,yesterday\n"


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("list --tail 2", "20"),
        ("list -n 5", "50"),
        ("list --page-size 10", "100"),
        ("follow --limit 2", "20"),
        ("follow --interval 1m", "1min"),
        ("archive a.db --lookback 7", "7d"),
        ("simulate --speed 36", "3600"),
        ("simulate --port 8", "8080"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_common_values_are_offered(offered: Complete, words: str, value: str, shell: str) -> None:
    assert value in " ".join(offered(f"cfevents {words}", shell)).replace("plain,", "").split()


@pytest.mark.parametrize("command", ["list", "get", "latest", "connectors", "kinds", "report"])
@pytest.mark.parametrize("format_", ["table", "csv"])
def test_columns_are_offered_and_taken(
    account: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str, format_: str
) -> None:
    """What is offered for --columns, after a comma too, is a column that the command has."""
    connectors = ["site-1", "nobody"] if command in {"list", "latest", "report"} else []
    connectors = ["site-1", "1.0"] if command == "get" else connectors
    with monkeypatch.context() as patch:
        patch.setenv("COMP_WORDS", f"cfevents {command} --format {format_} --columns id,")
        patch.setenv("COMP_CWORD", "5")
        patch.setenv("_CFEVENTS_COMPLETE", "bash_complete")
        offered = [line.removeprefix("plain,id,") for line in invoke().stdout.splitlines()]
    # A table of one event has a field and its value.
    assert len(offered) >= (2 if (command, format_) == ("get", "table") else 3)
    result = invoke(command, *connectors, "--format", format_, "--columns", ",".join(offered))
    assert "--columns has no" not in result.stderr


CONNECTORS: list[dict[str, Any]] = [
    {"id": "hamburg-1", "notes": "Hamburg, first floor", "device": {"serial_number": "SN-1001"}, "license_key": "l1c"},
    {"id": "c-2", "notes": "Berlin", "device": {"serial_number": "SN-1002"}},
    {"id": "c-3", "notes": "a\x1bb"},
]


@pytest.fixture
def offered(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Complete:
    """Give a function that completes a line as bash or another shell has it, with a cache of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def offered(words: str, shell: str = "bash") -> list[str]:
        with monkeypatch.context() as patch:
            patch.setenv("COMP_WORDS", words)
            patch.setenv("COMP_CWORD", str(len(words.replace("\\ ", "_").split(" ")) - 1))
            patch.setenv("_CFEVENTS_COMPLETE", f"{shell}_complete")
            result = invoke()
        assert (result.exit_code, result.stderr) == (0, "")
        lines = list(filter(None, result.stdout.split("\n")))
        return lines[1::3] if shell == "zsh" else [line.removeprefix("plain,") for line in lines]

    return offered


@pytest.fixture
def listed(invoke: Invoke, offered: Complete, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """An account whose connectors were listed once, and whose server then went away."""
    with SimulatorThread(Simulator(events={"c-2": []}, connectors=CONNECTORS)) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        assert invoke("connectors").exit_code == 0
    return simulator


@pytest.mark.usefixtures("listed")
def test_connectors_that_were_listed_are_completed(offered: Complete) -> None:
    """Ids, serial numbers and notes are offered, without a request, as the shell takes them."""
    for command in ("list", "latest", "follow", "get", "report", "archive events.db", "export -"):
        assert offered(f"cfevents {command} ") == ["hamburg-1", "c-2", "c-3"]
    assert offered("cfevents list c-2 sn-1") == ["SN-1001", "SN-1002"]
    assert offered("cfevents list ham") == ["hamburg-1", r"Hamburg\,\ first\ floor"]
    assert offered("cfevents list Hamburg,\\ f") == [r"Hamburg\,\ first\ floor"]
    assert offered("cfevents list ham", "zsh") == ["hamburg-1", "Hamburg, first floor"]
    assert offered("cfevents list floor", "zsh") == ["Hamburg, first floor"]
    assert offered("cfevents list a") == offered("cfevents list nothing") == []


def test_completion_does_not_mix_accounts(
    listed: Simulator, offered: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "f" * 32)
    assert offered("cfevents list ") == []
    monkeypatch.delenv("CLOUDFLARE_ACCOUNT_ID")
    assert offered("cfevents list ") == offered("cfevents list --account nobody ") == []


@pytest.mark.usefixtures("listed")
def test_cache_is_the_owners_and_has_names_alone() -> None:
    path = connector_names.cache_path()
    assert path.stat().st_mode & 0o777 == 0o600
    [names] = json.loads(path.read_text()).values()
    assert names == [
        ["hamburg-1", "SN-1001", "Hamburg, first floor"],
        ["c-2", "SN-1002", "Berlin"],
        ["c-3", "", "a\x1bb"],
    ]
    assert [*path.parent.iterdir()] == [path]


def test_lookup_by_name_keeps_the_names_too(account: Simulator, invoke: Invoke, offered: Complete) -> None:
    assert offered("cfevents list ") == []
    invoke("latest", "sim")
    assert "site-1" in offered("cfevents list ")
    connector_names.cache_path().unlink()
    invoke("latest", "--simulate")
    assert offered("cfevents list ") == []


@pytest.mark.parametrize(
    "content", ["", "[1]", "{", '{"%s": 1}', '{"%s": [1, [], ["a"], [1, 2, 3]]}', "[" * 99999, "\x00"]
)
def test_damaged_cache_offers_nothing_and_is_replaced(
    account: Simulator, invoke: Invoke, offered: Complete, content: str
) -> None:
    path = connector_names.cache_path()
    path.parent.mkdir(parents=True)
    path.write_text(content.replace("%s", os.environ["CLOUDFLARE_ACCOUNT_ID"]))
    assert offered("cfevents list ") == []
    assert invoke("connectors").stderr == ""
    assert "site-1" in offered("cfevents list ")


def test_cache_that_cannot_be_written_is_no_failure(
    account: Simulator, invoke: Invoke, offered: Complete, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("")
    result = invoke("connectors")
    assert (result.exit_code, result.stderr) == (0, "")
    assert offered("cfevents list ") == []


def test_archive_and_simulated_account_complete_their_own(
    account: Simulator, invoke: Invoke, offered: Complete, tmp_path: Path
) -> None:
    path = tmp_path / "events.db"
    assert invoke("archive", str(path), "site-1", "--since", "2026-01-01").exit_code == 0
    assert offered(f"cfevents list --archive {path} ") == ["site-1"]
    assert offered(f"cfevents list --archive {path} sing") == [r"Singapore\ office"]
    assert [*tmp_path.glob("events.db*")] == [path]
    to_version_1(path)  # which has no names
    assert offered(f"cfevents list --archive {path} ") == ["site-1"]
    assert offered("cfevents list --simulate 83") == [SIMULATED]
    assert offered("cfevents get --simulate lis", "zsh") == ["Lisbon warehouse"]
    path.write_text("no database")
    assert offered(f"cfevents list --archive {path} ") == []


def test_help_fits_a_terminal_of_80_columns(invoke: Invoke) -> None:
    assert max(map(len, invoke("completion", "--help").stdout.splitlines())) <= 80

"""Completion by the Tab key, in the shells themselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cfevents.events import KINDS
from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Complete = Callable[[str], list[str]]

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


def test_completing_loads_neither_http_client_nor_converter() -> None:
    code = (
        "import os, sys\n"
        "os.environ |= {'COMP_WORDS': 'cfevents list --kind I', 'COMP_CWORD': '3'}\n"
        "os.environ['_CFEVENTS_COMPLETE'] = 'bash_complete'\n"
        "from cfevents.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'aiohttp', 'cattrs', 'stamina', 'rich'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=50)
    assert done.stdout == "plain,Init\n"


def test_the_shell_that_is_used_need_not_be_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/local/bin/fish")
    assert invoke("completion").stdout == invoke("completion", "fish").stdout
    for shell in ("/bin/sh", ""):
        monkeypatch.setenv("SHELL", shell)
        result = invoke("completion")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "write one of bash, zsh, fish" in result.stderr


@pytest.mark.parametrize("command", ["list", "latest", "connectors", "kinds", "report"])
@pytest.mark.parametrize("format_", ["table", "csv"])
def test_columns_are_offered_and_taken(
    account: Simulator, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str, format_: str
) -> None:
    """What is offered for --columns, after a comma too, is a column that the command has."""
    connectors = ["site-1", "nobody"] if command in {"list", "latest", "report"} else []
    with monkeypatch.context() as patch:
        patch.setenv("COMP_WORDS", f"cfevents {command} --format {format_} --columns id,")
        patch.setenv("COMP_CWORD", "5")
        patch.setenv("_CFEVENTS_COMPLETE", "bash_complete")
        offered = [line.removeprefix("plain,id,") for line in invoke().stdout.splitlines()]
    assert len(offered) >= 3
    result = invoke(command, *connectors, "--format", format_, "--columns", ",".join(offered))
    assert "--columns has no" not in result.stderr

"""What only a process of its own shows: start, terminal, pipes and signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from support.terminal import on_terminal

import cfevents
from cfevents.cli.app import app

if TYPE_CHECKING:
    from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


def shell(script: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a line of shell in which ``cfevents`` is the command line."""
    with_function = f'cfevents() {{ "{sys.executable}" -m cfevents "$@"; }}; {script}'
    command = ["/bin/sh", "-c", with_function]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize(
    "args",
    [
        "--version",
        "--help",
        "list --help",
        "report --help",
        "export --help",
        "doctor --help",
        "kinds",
        "completion zsh",
    ],
)
def test_help_and_version_load_no_http_client(args: str) -> None:
    """Help, version, kinds and completion load neither the HTTP client, nor the converter, nor rich."""
    code = (
        "import sys\n"
        f"sys.argv[1:] = {args.split()!r}\n"
        "from cfevents.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'aiohttp', 'cattrs', 'stamina', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=50)


def test_rich_is_loaded_to_draw_alone() -> None:
    code = (
        "import sys\n"
        "sys.modules['rich.style'] = None\n"
        "sys.argv[1:] = 'list --simulate -n 1'.split()\n"
        "from cfevents.cli import main\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert (ended.returncode, ended.stdout.count("\n"), ended.stderr) == (0, 1, "")


@pytest.mark.once
def test_version_is_quicker_than_loading_aiohttp() -> None:
    """The version takes less time than loading the HTTP client would."""

    def seconds(*args: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *args], check=True, capture_output=True, timeout=50)
        return time.perf_counter() - began

    taken = [(seconds("-m", "cfevents", "--version"), seconds("-c", "import aiohttp")) for _ in range(3)]
    ours, theirs = map(min, zip(*taken, strict=True))
    assert ours < 1.5 * theirs


def test_the_version_is_printed(run: Run) -> None:
    printed = run("--version")
    assert (printed.returncode, printed.stdout, printed.stderr) == (0, f"cfevents {cfevents.__version__}\n", "")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_click_or_rich_names_the_extra(missing: str) -> None:
    """Without click or rich, one line says which extra to install."""
    code = f"import sys; sys.modules['{missing}'] = None; from cfevents.cli import main; sys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    message = f"cfevents: the command line needs {missing}: pip install 'cfevents[cli]'\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", message)


def test_broken_installation_is_not_reported_as_missing_click() -> None:
    """A broken installation is not taken for one without click."""
    code = (
        "import sys; sys.modules['cfevents.cli.console.output'] = None; from cfevents.cli import main; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert "cfevents.cli.console.output" in ended.stderr
    assert ended.returncode == 1


def test_ctrl_c_while_it_loads_ends_with_130() -> None:
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from cfevents.cli import main; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.once
@pytest.mark.parametrize("name", app.commands)
def test_every_help_ends_with_an_example_that_runs(invoke: Invoke, tmp_path: Path, name: str) -> None:
    help_text = invoke(name, "--help").stdout
    example = help_text.partition("\n  Example:\n")[2]
    assert example, f"{name} has no example"
    if name != "simulate":
        ended = shell(example, tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout


def test_on_a_terminal_it_prints_tables_that_fit() -> None:
    listed = on_terminal("list", "--simulate", "-n", "3", columns=80).splitlines()
    assert listed[0].split() == ["RECORDED", "(UTC)", "ID", "LAG", "KIND"]
    assert len(listed) == 4
    narrow = on_terminal("kinds", columns=80).splitlines()
    wide = on_terminal("kinds", columns=200).splitlines()
    assert max(map(len, narrow)) <= 80
    assert re.sub(r"\s+", " ", " ".join(narrow)) == re.sub(r"\s+", " ", " ".join(wide))
    assert len(wide) == len(cfevents.events.KINDS) + 1 < len(narrow)


def test_a_terminal_too_narrow_for_columns_wraps_by_itself() -> None:
    assert len(on_terminal("kinds", columns=30).splitlines()) == len(cfevents.events.KINDS) + 1


@pytest.mark.parametrize(
    "command", ["cfevents list --simulate --since 7d", "cfevents kinds --format table", "cfevents --help"]
)
def test_a_reader_that_has_enough_ends_it_without_noise(command: str) -> None:
    ended = shell(f"{{ {command}; echo $? >&2; }} | head -n 1")
    assert ended.stdout.count("\n") == 1
    assert ended.stderr == "0\n"


def test_reader_gone_before_the_first_line_is_no_failure() -> None:
    """A reader that is gone before the first line ends the command without noise."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "cfevents", "list", "--simulate"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=50, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_closed_stdout_is_no_failure() -> None:
    ended = shell("cfevents list --simulate >&-")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line_and_status_1() -> None:
    ended = shell("cfevents list --simulate >/dev/full")
    assert (ended.returncode, ended.stderr) == (1, "cfevents: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_failure_without_stderr_keeps_its_status(stderr: str) -> None:
    """A failure that stderr cannot show keeps its status, and is not printed on stdout."""
    ended = shell(f"cfevents list {stderr}")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_text_that_stdout_cannot_encode_is_replaced_in_a_table(
    account: "Simulator", run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    account.add("site-2", {"e": {"k": "Überraschung"}, "t": 1767225600, "n": 0})
    table = run("latest", "site-2", "--format", "table")
    assert (table.returncode, table.stderr) == (0, "")
    assert "?berraschung" in table.stdout
    assert "\\u00dcberraschung" in run("latest", "site-2").stdout


def test_ctrl_c_ends_a_listing_with_130_and_one_line(
    account: "Simulator", start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        listing = start("list", "site-1")
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            listing.send_signal(signal.SIGINT)
            printed, stderr = listing.communicate(timeout=30)
    advice = "cfevents: interrupted: the list ends early; 'cfevents export' can be resumed\n"
    assert (listing.returncode, printed, stderr) == (130, "", advice)


def test_exit_status_tells_failure_from_wrong_usage(
    account: "Simulator", run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status of a process tells failure from wrong usage."""
    assert run("list", "nobody").returncode == 1
    assert run("list", "..").returncode == 2
    assert run("list").returncode == 2
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    assert run("list", "site-1").returncode == 2

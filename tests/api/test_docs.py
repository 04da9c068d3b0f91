"""The pages of the documentation: their examples run, and the reference is complete."""

import ast
import asyncio
import importlib
import inspect
import os
import pkgutil
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

import cfevents
from cfevents import events, metrics, operations, plot, sinks, storage, testing
from cfevents.cli.app import app
from cfevents.testing import History, Simulator, SimulatorThread, faults
from cfevents.testing.scenarios import DEFAULT_INCIDENTS, INCIDENTS

pytestmark = pytest.mark.once

OUTSIDE_LAYERS = {"__main__", "_version", "testing"}
ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTEST_CONFIG = """[pytest]
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


class Block(NamedTuple):
    """A fenced block of a page, and the line of the page on which its text begins."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of one language on a page."""
    text = page.read_text(encoding="utf-8")
    matches = [match for match in _BLOCK.finditer(text) if match[1] == language]
    return [Block(page, text.count("\n", 0, match.start(2)) + 1, match[2]) for match in matches]


def is_test(block: Block) -> bool:
    return re.search(r"^(async )?def test_", block.text, re.MULTILINE) is not None


def commands(block: Block) -> list[str]:
    """What is typed at the prompts of a block; a command that goes on over lines is one."""
    typed: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            typed.append(line.removeprefix("$ "))
        elif typed and line.startswith(">"):
            typed[-1] += "\n" + line.removeprefix(">").removeprefix(" ")
    return typed


def our_commands(line: str) -> list[list[str]]:
    """The arguments of each `cfevents` in a line of a shell."""
    lexer = shlex.shlex(re.sub(r"\d>", ">", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    parts = [[*words] for is_word, words in groupby(lexer, lambda word: not {*word} <= {*"();<>|&"}) if is_word]
    starts = [(words, [word.rpartition("/")[2] for word in words]) for words in parts]
    return [words[names.index("cfevents") + 1 :] for words, names in starts if "cfevents" in names[:2]]


# What the page on Spark shows is run where Spark is, and that on the command line where its files are exported.
PYTHON = [page for page in PAGES if blocks(page, "python") and page.name not in {"cli.md", "spark.md"}]
TESTS = [block for page in PAGES for block in blocks(page, "python") if is_test(block)]
SHELLS = ("console", "sh", "bash", "zsh", "fish", "shell")
CONSOLE = [block for page in PAGES for block in blocks(page, "console")]
TUTORIAL = blocks(ROOT / "docs" / "tutorial.md", "console")
SIMULATED = [block for block in CONSOLE if all("--simulate" in command for command in commands(block)[:1])]


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A simulator with the connector that the pages ask about, found by a client without arguments."""
    history = History(seed=1, connectors=["connector-id", "another-one"], days=2)
    with SimulatorThread(Simulator(history=history)) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def run_block(block: Block, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    """Run a block as a notebook's cell would; a traceback shows the page's own line."""
    source = "\n" * (block.line - 1) + block.text
    code = compile(source, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        runner.run(result)


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python examples of a page run one after the other."""
    if page.name == "service.md":
        pytest.importorskip("fastapi")
    monkeypatch.chdir(tmp_path)  # what an example writes
    namespace: dict[str, Any] = {"__name__": "example"}
    with asyncio.Runner() as runner:
        for block in blocks(page, "python"):
            if not is_test(block):
                run_block(block, namespace, runner)


def test_proxy_examples_use_the_proxy(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples on proxies send their requests to the proxy."""
    with SimulatorThread() as proxy, asyncio.Runner() as runner:
        monkeypatch.setenv("COMPANY_PROXY", proxy.base_url.removesuffix("/client/v4"))
        for block in blocks(ROOT / "docs" / "proxy.md", "python"):
            run_block(block, {}, runner)
    assert len(proxy.requests) == 1
    assert simulator.requests == []


def test_examples_can_be_pasted_at_a_prompt() -> None:
    """An example can be pasted at a prompt, where an empty line ends a block."""
    pasted = [
        block
        for page in PYTHON
        for block in blocks(page, "python")
        if not re.search(r"^\s*(async )?def ", block.text, re.MULTILINE)
    ]
    assert [str(block) for block in pasted if re.search(r"\n\n[ \t]", block.text)] == []


def test_shell_comments_stand_on_lines_of_their_own() -> None:
    """A comment in a shell example is a line of its own: zsh takes one behind a command for arguments."""
    lines = {
        f"{block}: {line}"
        for page in PAGES
        for language in SHELLS
        for block in blocks(page, language)
        for line in block.text.splitlines()
        if re.search(r"""^[^'"#]*(?:'[^']*'|"[^"]*"|[^'"#])*\s#""", line)
    }
    assert lines == set()


def test_shell_commands_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line takes each command of the pages as it is written."""
    monkeypatch.chdir(tmp_path)
    shown = [line for page in PAGES for block in blocks(page, "console") for line in commands(block)]
    shown += [line for page in PAGES for block in blocks(page, "sh") for line in block.text.splitlines()]
    parsed = [words for line in shown for words in our_commands(line)]
    assert len(parsed) > 40
    for name, *args in parsed:
        for archive in [value for option, value in pairwise(args) if option == "--archive"]:
            Path(archive).touch()
        with suppress(click.exceptions.Exit):  # after --help
            app.commands[name].make_context(name, args)


def test_shown_tests_pass(tmp_path: Path) -> None:
    """The tests that the pages show pass."""
    (tmp_path / "pytest.ini").write_text(_PYTEST_CONFIG)
    for block in TESTS:
        (tmp_path / f"test_{block.page.stem}_{block.line}.py").write_text(block.text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize("block", SIMULATED, ids=str)
def test_shell_examples_with_simulate_work(block: Block, tmp_path: Path) -> None:
    """The shell examples that begin with `--simulate` work, and print no error."""
    script = "\n".join(commands(block))
    if missing := [name for name in re.findall(r"\| (\w+)", script) if shutil.which(name) is None]:
        pytest.skip(f"there is no {missing[0]}")
    script = f'set -e\ncfevents() {{ "$PYTHON" -m cfevents "$@"; }}\n{script}\n'
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


class Terminals:
    """What a newcomer has open: what runs on in one of them is ended by Ctrl-C when all is done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cfevents-tour"
        installed = self._folder / ".venv" / "bin" / "activate"
        installed.parent.mkdir(parents=True)
        installed.write_text('cfevents() { "$PYTHON" -m cfevents "$@"; }; python() { "$PYTHON" "$@"; }')
        self._environment = os.environ | {"HOME": str(folder), "PYTHON": sys.executable}
        self.running: list[subprocess.Popen[str]] = []

    def type(self, command: str) -> str:
        """Type a command, and give what it prints; of one that runs on, the first line."""
        if "-m venv" in command or "pip install" in command:
            return "installed"  # as far as a test may go
        if exported := re.fullmatch(r"export (\w+)=(.*)", command):
            self._environment |= {exported[1]: exported[2]}
            return "exported"
        if command.startswith("cfevents simulate") or "--follow" in command:
            return self._start(command)
        done = subprocess.run(
            ["/bin/sh", "-c", f"set -e; . .venv/bin/activate; {command}"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def _start(self, command: str) -> str:
        self.running.append(
            subprocess.Popen(
                [sys.executable, "-m", *shlex.split(command)],
                cwd=self._folder,
                env=self._environment,
                text=True,
                stdout=subprocess.PIPE,
            )
        )
        # It is there when it has printed something; what follows an archive prints nothing before it ends.
        return "follows" if "--follow" in command else (self.running[-1].stdout or sys.stdin).readline()

    def end(self) -> list[tuple[int, str]]:
        """Press Ctrl-C in each, the last first, and give status and output."""
        ended = []
        for process in reversed(self.running):
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=30)
            ended.append((process.returncode, printed))
        return ended


@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
@pytest.mark.timeout(180)  # a dozen processes one after the other
def test_tutorial_works_from_start_to_end(tmp_path: Path) -> None:
    """The tutorial ends with an archive that is followed, and a report of it."""
    terminals = Terminals(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    # A reader's pace costs half a minute, and finds the same.
    spared = {"8080": port, "--interval 20s": "--interval 1s"}
    typed = [command for block in TUTORIAL for command in commands(block)]
    for written, instead in spared.items():
        typed = [command.replace(written, instead) for command in typed]
    try:
        printed = {command: terminals.type(command) for command in typed}
        (reading,) = [command for command in typed if re.search(r"list --archive .*--since 1h$", command)]
        while terminals.type(reading).splitlines()[-1:] == printed[reading].splitlines()[-1:]:
            # Something newer comes all the time, while both go on.
            assert [process.poll() for process in terminals.running] == [None, None]
    finally:
        ended = terminals.end()
    assert all(text for command, text in printed.items() if not command.startswith(("cd", "cat")))
    assert re.search("error|warning", printed[typed[-1]])
    assert [status for status, _ in ended] == [0, 0]
    assert re.fullmatch(r"\d+ new events? in events\.db\n", ended[0][1])


def test_synopsis_of_a_command_names_its_options() -> None:
    """The page describes those that all commands have, and those of a table, in sections of their own."""
    elsewhere = {"--account", "--json", "--columns", "--no-headers", "--color", "--quiet", "--debug"}
    found = [block.text for block in blocks(ROOT / "docs" / "cli.md", "text") if block.text.startswith("cfevents ")]
    missing = {}
    for text in found:
        options = app.commands[text.split()[1]].params
        names = {name for option in options for name in option.opts if name.startswith("--")}
        missing[text.split()[1]] = {name for name in names - elsewhere if not re.search(rf"{name}\b(?!-)", text)}
    assert missing.keys() >= {"list", "follow", "forward", "watch", "wait", "archive", "report", "export"}
    assert not any(missing.values()), missing


def test_pages_have_examples_of_each_sort() -> None:
    """The pages have Python examples, tests, and shell examples with `--simulate`."""
    assert {page.name for page in PYTHON} >= {"README.md", "index.md", "quickstart.md", "testing.md"}
    assert len(TESTS) >= 3
    assert len(SIMULATED) >= 6


def reference() -> list[str]:
    """The names that the reference documents, in its order."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return re.findall(r"^\.\. auto(?:class|exception|function|data):: ([\w.]+)", text, re.MULTILINE)


def test_reference_has_every_public_name_once() -> None:
    """The reference has every public name once, and no others."""
    names = {f"cfevents.{name}" for name in cfevents.__all__ if name != "events"}
    names |= {f"cfevents.storage.{name}" for name in storage.__all__}
    names |= {f"cfevents.sinks.{name}" for name in sinks.__all__}
    names |= {f"cfevents.metrics.{name}" for name in metrics.__all__}
    names |= {f"cfevents.operations.{name}" for name in operations.__all__}
    names |= {f"cfevents.plot.{name}" for name in plot.__all__}
    names |= {f"cfevents.testing.{name}" for name in testing.__all__}
    names |= {f"cfevents.testing.faults.{name}" for name in faults.__all__}
    names |= {f"cfevents.events.{name}" for name in (*events.KINDS, "DocumentedEvent", "UnknownEvent", "KINDS")}
    assert sorted(reference()) == sorted(names)


def test_reference_has_kinds_in_catalogue_order() -> None:
    """The reference has the kinds in the order of the catalogue."""
    documented = [name.removeprefix("cfevents.events.") for name in reference()]
    assert [name for name in documented if name in events.KINDS] == list(events.KINDS)


def test_development_page_lists_every_module() -> None:
    """The page on development has a row for each module and package of the top level."""
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    modules = [module.name for module in pkgutil.iter_modules(cfevents.__path__)]
    assert [name for name in modules if not re.search(rf"`{name}[`./]", text)] == []
    support = [module.name for module in pkgutil.iter_modules([str(ROOT / "tests" / "support")])]
    assert [name for name in support if f"`{name}`" not in text] == []


def test_pages_name_existing_tests() -> None:
    """Each test and file of tests that a page names exists."""
    pages = (*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in tests] == []
    assert [path for path in re.findall(r"`(tests/[\w/]+\.py)`", text) if not (ROOT / path).is_file()] == []


def test_contributing_lists_every_session() -> None:
    """The page for contributors has a row for each session of nox."""
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = re.findall(r'^@nox\.session(?:\(name="([\w-]+)".*)?.*\ndef (\w+)', noxfile, re.MULTILINE)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `nox -s ([\w-]+)` \|", text, re.MULTILINE)) == sorted(
        name or function for name, function in sessions
    )


def test_supported_pythons_are_the_same_everywhere() -> None:
    """Classifiers, nox and the hosted CI name the same versions of Python."""
    versions = r'"(3\.\d+)"'
    classifiers = re.findall(r":: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (listed,) = re.findall(r"^PYTHONS = (.*)$", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(versions, listed) == classifiers
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    if workflow.is_file():  # the source distribution has none
        (matrix,) = re.findall(r"python: (\[.*\])$", workflow.read_text(encoding="utf-8"), re.MULTILINE)
        assert re.findall(versions, matrix) == classifiers


def test_layout_picture_shows_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture has a box for each module of the contract, and the steps of the page."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    picture: Any = importlib.import_module("picture")
    boxes = re.findall(r"<text [^>]*>(\w+)", picture.draw(picture.layers()))
    named = {name for layer in picture.layers() for name in layer}
    assert {*boxes} == named == {module.name for module in pkgutil.iter_modules(cfevents.__path__)} - OUTSIDE_LAYERS
    text = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    steps = re.findall(r"^(\d)\. ", text, re.MULTILINE)
    assert sorted(", ".join(picture.STEPS.values()).split(", ")) == steps


def settings(heading: str) -> dict[str, str]:
    """The names and defaults in a table of the page on settings."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \|", section, re.MULTILINE)
    return {name: default.strip("`") for names, default in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize(
    ("heading", "called"),
    [
        ("`Client`", cfevents.Client),
        ("`Retry`", cfevents.Retry),
        ("`Budget`", cfevents.Budget),
        ("`Client.list_events`", cfevents.Client.list_events),
        ("`Client.follow_events`", cfevents.Client.follow_events),
        ("`Client.fleet`", cfevents.Client.fleet),
    ],
)
def test_settings_page_shows_every_argument(heading: str, called: Any) -> None:
    """The page on settings shows every argument with its default."""
    shown, meant = settings(heading), inspect.signature(called).parameters
    assert {"self", *shown} | {"connector_id", "connector_ids"} >= {*meant} >= {*shown}
    for name, default in shown.items():
        if re.match(r"[\d\"]|True|False", default):
            assert ast.literal_eval(default) == meant[name].default
        else:
            assert meant[name].default in {None, inspect.Parameter.empty}


def test_settings_page_shows_the_environment() -> None:
    """The page on settings shows the environment variables, and the argument of each."""
    shown = settings("Environment")
    with SimulatorThread() as running:
        assert {*running.environment} <= {*shown}
    assert {*shown.values()} <= {*inspect.signature(cfevents.Client).parameters}


def test_catalogue_kind_has_class_row_and_sample() -> None:
    """A kind of the catalogue has its class, its row in the reference, and a sample."""
    made = History(days=40, connectors=2, until=1_780_000_000, incidents=INCIDENTS)
    samples = {event["e"]["k"] for lived in made.events.values() for event in lived}
    documented = (
        cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, events.DocumentedEvent)
    )
    classes = {cls.__name__ for cls in documented if "kind" in vars(cls)}
    rows = {name.removeprefix("cfevents.events.") for name in reference() if name.startswith("cfevents.events.")}
    for kind in {*events.KINDS, *classes}:
        assert kind in events.KINDS, f"{kind} is not named in Event, in cfevents/events.py"
        assert kind in samples, f"{kind} does not happen: add it to cfevents/testing/scenarios.py"
        assert kind in rows, f"{kind} is not in docs/api.md"


@pytest.mark.parametrize("setting", sorted(inspect.signature(Simulator).parameters))
def test_testing_page_shows_every_setting(setting: str) -> None:
    """The page on testing shows every setting of the simulator."""
    assert f"`{setting}`" in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_testing_page_shows_every_incident() -> None:
    """The page on testing shows every incident, and which ones happen by default."""
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (yes )?\|$", text, re.MULTILINE))
    assert {name: bool(rows.get(name)) for name in INCIDENTS if name in rows} == {
        name: name in DEFAULT_INCIDENTS for name in INCIDENTS
    }


def test_error_tree_shows_every_class() -> None:
    """The tree of errors shows every class."""
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    family = [name for name in cfevents.__all__ if name.endswith("Error")]
    assert [name for name in family if not re.search(rf"[─ ] ?{name} {{2,}}|^{name}$", text, re.MULTILINE)] == []

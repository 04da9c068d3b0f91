"""The pages of the documentation: their examples run, and the reference is complete."""

import ast
import asyncio
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cfevents
from cfevents import events, face, operations, plot, storage, testing
from cfevents.testing import History, Simulator, SimulatorThread, faults

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
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
    found = [match for match in _BLOCK.finditer(text) if match[1] == language]
    return [Block(page, text.count("\n", 0, match.start(2)) + 1, match[2]) for match in found]


def is_test(block: Block) -> bool:
    return re.search(r"^(async )?def test_", block.text, re.MULTILINE) is not None


def commands(block: Block) -> list[str]:
    """What is typed at the prompts of a block."""
    return [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]


PYTHON = [page for page in PAGES if blocks(page, "python")]
TESTS = [block for page in PAGES for block in blocks(page, "python") if is_test(block)]
CONSOLE = [block for page in PAGES for block in blocks(page, "console")]
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
def test_the_python_examples_of_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # what an example writes
    namespace: dict[str, Any] = {"__name__": "example"}
    with asyncio.Runner() as runner:
        for block in blocks(page, "python"):
            if not is_test(block):
                run_block(block, namespace, runner)


def test_an_example_can_be_pasted_at_a_prompt_where_an_empty_line_ends_a_block() -> None:
    pasted = [
        block
        for page in PYTHON
        for block in blocks(page, "python")
        if not re.search(r"^\s*(async )?def ", block.text, re.MULTILINE)
    ]
    assert [str(block) for block in pasted if re.search(r"\n\n[ \t]", block.text)] == []


@pytest.mark.parametrize("block", TESTS, ids=str)
def test_the_tests_that_a_page_shows_pass(block: Block, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(_PYTEST_CONFIG)
    (tmp_path / "test_example.py").write_text(block.text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize("block", SIMULATED, ids=str)
def test_the_shell_examples_with_simulate_work(block: Block, tmp_path: Path) -> None:
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


def test_there_are_examples_of_each_sort() -> None:
    assert {page.name for page in PYTHON} >= {"README.md", "index.md", "quickstart.md", "testing.md"}
    assert len(TESTS) >= 3
    assert len(SIMULATED) >= 6


def reference() -> list[str]:
    """The names that the reference documents, in its order."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return re.findall(r"^\.\. auto(?:class|exception|function|data):: ([\w.]+)", text, re.MULTILINE)


def test_the_reference_has_every_public_name_once_and_no_others() -> None:
    names = {f"cfevents.{name}" for name in face.__all__ if name != "events"}
    names |= {f"cfevents.storage.{name}" for name in storage.__all__}
    names |= {f"cfevents.operations.{name}" for name in operations.__all__}
    names |= {f"cfevents.plot.{name}" for name in plot.__all__}
    names |= {f"cfevents.testing.{name}" for name in testing.__all__}
    names |= {f"cfevents.testing.faults.{name}" for name in faults.__all__}
    names |= {f"cfevents.events.{name}" for name in (*events.KINDS, "DocumentedEvent", "UnknownEvent", "KINDS")}
    assert sorted(reference()) == sorted(names)


def test_the_reference_has_the_kinds_in_the_order_of_the_catalogue() -> None:
    documented = [name.removeprefix("cfevents.events.") for name in reference()]
    assert [name for name in documented if name in events.KINDS] == list(events.KINDS)


def test_the_page_on_development_shows_every_room_of_the_house() -> None:
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    rooms = [f"{each.name}/" if each.ispkg else each.name for each in pkgutil.iter_modules(cfevents.__path__)]
    assert [room for room in rooms if f"`{room}`" not in text] == []


@pytest.mark.parametrize("setting", sorted(inspect.signature(Simulator).parameters))
def test_the_page_on_testing_shows_every_setting_of_the_simulator(setting: str) -> None:
    assert f"`{setting}`" in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_the_page_on_testing_shows_every_incident() -> None:
    from cfevents.testing.incidents import DEFAULT_INCIDENTS, INCIDENTS  # noqa: PLC0415 - no public name

    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (yes )?\|$", text, re.MULTILINE))
    assert {name: bool(rows.get(name)) for name in INCIDENTS if name in rows} == {
        name: name in DEFAULT_INCIDENTS for name in INCIDENTS
    }


def test_the_pages_on_errors_show_the_whole_family() -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    family = [name for name in face.__all__ if name.endswith("Error")]
    assert [name for name in family if not re.search(rf"[─ ] ?{name} {{2,}}|^{name}$", text, re.MULTILINE)] == []

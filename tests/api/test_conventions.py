"""The conventions of the package's code: short functions, unique names, plain prose."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import cfevents

pytestmark = pytest.mark.once

PACKAGE = Path(cfevents.__file__).parent
MODULES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
MAX_BODY_LINES = 25
MAX_MODULES_OF_A_PRIVATE_NAME = 2
MAX_RIDDLES_FRACTION = 0.03

# A first sentence with one of these leaves open what a caller may rely on.
RIDDLES = {"Give", "Say", "Tell", "Take", "What", "How", "Whether", "That", "Until"}
# IPython's own name, and the method of BaseStream that every stream overrides.
EXEMPT = {"_repr_html_", "_batches"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of the package, with the path of its module."""
    for path, module in MODULES.items():
        for node in ast.walk(module):
            yield path, node


@pytest.mark.parametrize("path", MODULES)
def test_functions_have_at_most_25_lines(path: str) -> None:
    """A function's body is at most 25 lines long, its docstring not counted."""
    for node in ast.walk(MODULES[path]):
        if isinstance(node, Function):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= MAX_BODY_LINES, f"{node.name} has {lines} lines"


def test_class_names_are_unique() -> None:
    """No two classes of the package have the same name, a leading underscore ignored."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, node in nodes():
        if isinstance(node, ast.ClassDef):
            places[node.name.lstrip("_")].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_private_functions_are_named_by_what_they_are() -> None:
    """No private function's name occurs in more than two modules, where it would mean something else in each."""
    places: dict[str, set[str]] = defaultdict(set)
    for path, node in nodes():
        if isinstance(node, Function) and node.name.startswith("_") and not node.name.startswith("__"):
            places[node.name].add(path)
    crowded = {name: paths for name, paths in places.items() if len(paths) > MAX_MODULES_OF_A_PRIVATE_NAME}
    assert {name: sorted(paths) for name, paths in crowded.items() if name not in EXEMPT} == {}


@pytest.mark.parametrize("word", ["each", "told"])
def test_variables_are_named_after_what_they_hold(word: str) -> None:
    """No variable or argument has a name that fits everything."""
    violations = []
    for path, node in nodes():
        if (isinstance(node, ast.Name) and node.id == word) or (isinstance(node, ast.arg) and node.arg == word):
            violations.append(f"{path}:{node.lineno}")
    assert violations == []


def test_docstrings_begin_with_the_subject() -> None:
    """At most three docstrings of a hundred begin with a word such as Give, Tell or What."""
    docstrings = [
        text
        for _, node in nodes()
        if isinstance(node, ast.Module | ast.ClassDef | Function) and (text := ast.get_docstring(node))
    ]
    riddles = [text.splitlines()[0] for text in docstrings if text.split()[0].strip(",:`") in RIDDLES]
    assert len(riddles) <= MAX_RIDDLES_FRACTION * len(docstrings), riddles

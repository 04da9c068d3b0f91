"""The public face: its names, what importing loads, and the direction of the imports behind it."""

import ast
import inspect
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

import cfevents
from cfevents import face, operations, storage

PACKAGE = Path(cfevents.__file__).parent
# Each room knows those above it, none below.
HOUSE = [
    "errors", "extras", "looks", "events", "checks", "checkpoint", "models", "listed", "wire", "lines", "quick",
    "timespan", "credentials", "protocol", "blocked", "budget", "transport", "forgotten", "exchange", "retry",
    "session", "query", "paging", "streams", "following", "client",
]  # fmt: skip
# The wings, and the lowest room of the house that each may know.
WINGS = {
    "testing": "events", "operations": "models", "frames": "models", "plot": "models", "storage": "following",
    "doctor": "client", "face": "client", "cli": "client", "spark": "client", "__main__": "client",
}  # fmt: skip
# Who may import what inside a function alone: the one arrow back, and the room that imports it.
BACK = {"streams/framed.py": "frames", "streams/drawn.py": "frames"}
NAMES = [
    "APIConnectionError",
    "APIError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "ArchiveError",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "Budget",
    "CfEventsError",
    "Checkpoint",
    "CheckpointError",
    "Client",
    "CodedMessage",
    "ConfigurationError",
    "Connector",
    "ConnectorStatus",
    "Details",
    "Device",
    "EventDetail",
    "EventId",
    "EventMetadata",
    "EventStream",
    "Fleet",
    "FleetError",
    "FleetEvent",
    "FleetStream",
    "FollowCheckpoint",
    "FollowedEvent",
    "Follower",
    "InternalServerError",
    "NotFoundError",
    "Page",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordedEvent",
    "ResponseTooLargeError",
    "Retry",
    "Usage",
    "events",
    "structure",
    "unstructure",
]


def loaded_after(code: str) -> set[str]:
    """The modules that are loaded in a new process after some code."""
    program = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_these_and_each_is_there() -> None:
    assert face.__all__ == NAMES
    assert set(NAMES) | {"__version__"} == set(dir(cfevents))
    assert all(getattr(cfevents, name) is getattr(face, name) for name in NAMES)
    with pytest.raises(AttributeError, match="module 'cfevents' has no attribute 'Nothing'"):
        getattr(cfevents, "Nothing")  # noqa: B009


def test_a_star_import_brings_the_public_names() -> None:
    found: dict[str, object] = {}
    exec("from cfevents import *", found)
    assert found.keys() - {"__builtins__"} == set(NAMES)


def test_the_parameters_of_the_public_face_are_these() -> None:
    def parameters(call: object) -> list[str]:
        return [name for name in inspect.signature(call).parameters if name != "self"]  # type: ignore[arg-type]

    assert parameters(cfevents.Client) == [
        "api_token", "api_email", "api_key", "account_id", "base_url", "session", "timeout", "max_body_size",
        "extra_headers", "retry", "budget",
    ]  # fmt: skip
    assert parameters(cfevents.Client.list_events) == [
        "connector_id", "since", "until", "kind", "page_size", "cursor", "checkpoint", "prefetch", "concurrency",
        "timeout",
    ]  # fmt: skip
    assert parameters(cfevents.EventStream.details) == ["concurrency", "kinds"]
    for stream in (cfevents.EventStream, cfevents.FleetStream, cfevents.Details):
        assert parameters(stream.progress) == parameters(stream.to_arrow) == []
        assert parameters(stream.to_pandas) == parameters(stream.to_polars) == []
        assert parameters(stream.to_parquet) == ["path"]
    assert parameters(cfevents.Client.fleet) == ["connector_ids", "concurrency", "on_error"]
    assert parameters(cfevents.Fleet.list_events) == ["since", "until", "kind", "page_size"]
    assert parameters(cfevents.Fleet.latest_events) == []
    assert parameters(cfevents.FleetStream.details) == ["concurrency", "kinds"]
    assert parameters(cfevents.Client.follow_events) == [
        "connector_ids", "since", "checkpoint", "interval", "overlap", "lookback", "deep_interval", "kind",
    ]  # fmt: skip
    assert parameters(cfevents.Follower.details) == ["concurrency", "kinds"]
    assert parameters(cfevents.Client.get_event) == ["connector_id", "event", "timeout"]
    assert parameters(cfevents.Client.latest_events) == ["connector_id", "timeout"]
    assert parameters(cfevents.Client.list_connectors) == ["timeout"]


def test_the_parameters_of_the_places_to_put_events_are_these() -> None:
    def parameters(call: object) -> list[str]:
        return [name for name in inspect.signature(call).parameters if name != "self"]  # type: ignore[arg-type]

    assert storage.__all__ == ["Archive", "ArchivedStream", "NDJSONFile"]
    assert parameters(storage.NDJSONFile) == ["path", "checkpoint"]
    assert parameters(storage.Archive) == ["path", "account_id", "timeout"]
    assert parameters(storage.Archive.sync) == [
        "client", "connector_ids", "since", "follow", "interval", "lookback", "kind", "details",
    ]  # fmt: skip
    assert parameters(storage.Archive.list_events) == ["connector_id", "since", "until", "kind"]
    assert parameters(storage.Archive.get_event) == ["connector_id", "event"]
    assert parameters(storage.Archive.latest_events) == ["connector_id", "limit"]
    assert parameters(storage.Archive.prune) == ["before"]
    assert parameters(storage.ArchivedStream.details) == parameters(cfevents.EventStream.details)


def test_the_parameters_of_what_is_asked_of_events_are_these() -> None:
    functions = [getattr(operations, name) for name in operations.__all__ if name.islower()]
    assert {ask.__name__: [*inspect.signature(ask).parameters] for ask in functions} == {
        "gaps": ["events", "until", "limits"],
        "ha": ["events", "limits"],
        "lags": ["events", "percentages"],
        "rekeys": ["events"],
        "report": ["events", "until", "limits"],
        "runs": ["events", "limits"],
        "slots": ["events"],
        "spans": ["events"],
        "unknowns": ["events"],
    }


def test_importing_what_events_mean_loads_no_client() -> None:
    loaded = loaded_after("import cfevents.operations")
    assert not loaded & {"aiohttp", "cattrs", "yarl", "cfevents.client", "cfevents.wire"}


def test_importing_the_package_or_its_pytest_plugin_loads_nothing_else() -> None:
    (plugin,) = entry_points(group="pytest11", name="cfevents")
    assert plugin.value == "cfevents.testing.plugin"
    for code in ("import cfevents", f"import pytest, {plugin.value}"):
        assert not loaded_after(code) & {"aiohttp", "attrs", "cattrs", "stamina", "yarl", "cfevents.client"}


def test_importing_the_client_loads_no_extra_and_no_wing() -> None:
    loaded = loaded_after("from cfevents import Client, events")
    assert "aiohttp" in loaded
    assert not loaded & {
        "click",
        "msgspec",
        "pytest",
        "hypothesis",
        "numpy",
        "pyarrow",
        "pandas",
        "polars",
        "tqdm",
        "matplotlib",
        "IPython",
        "cfevents.testing",
        "cfevents.cli",
        "cfevents.frames",
        "cfevents.looks",
        "cfevents.storage",
        "cfevents.operations",
        "cfevents.spark",
    }


def test_the_runtime_needs_these_libraries_and_no_others() -> None:
    needed = [line for line in requires("cfevents") or [] if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in needed) == ["aiohttp", "attrs", "cattrs", "stamina", "yarl"]


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """All that is run, and not what is there for annotations alone."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _run(child)


def imports(path: Path) -> set[str]:
    """The rooms of the package that a file imports from, wherever in the file."""
    return rooms_in(ast.parse(path.read_text(encoding="utf-8")))


def rooms_in(tree: ast.AST) -> set[str]:
    """The rooms of the package that are imported from in a piece of code."""
    nodes = list(_run(tree))
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    named |= {
        f"cfevents.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "cfevents"
        for alias in node.names
    }
    named |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.split(".")[1] for name in named if name.startswith("cfevents.")} - {"__version__"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.skipif("CFEVENTS_TESTS_INSTALLED" not in os.environ, reason="nox sets it where it tests the wheel")
def test_what_is_tested_is_what_is_installed() -> None:
    assert "site-packages" in PACKAGE.parts
    assert (PACKAGE / "py.typed").is_file()


def test_every_file_belongs_to_a_room() -> None:
    rooms = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert rooms <= {*HOUSE, *WINGS}
    assert rooms >= {*HOUSE}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_room_knows_only_those_above_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    if room in WINGS:
        known = {*HOUSE[: HOUSE.index(WINGS[room]) + 1], room}
        known |= {"operations"} if room == "plot" else {"frames"} if room == "spark" else set()
        all_but = {*NAMES, "cli", "doctor", "frames", "operations", "storage", "testing"}
        known |= all_but if room in {"cli", "__main__"} else set()
    else:
        known = {*HOUSE[: HOUSE.index(room)], room}
    back = {BACK[name]} if (name := path.relative_to(PACKAGE).as_posix()) in BACK else set()
    assert imports(path) <= known | back
    assert not loaded_with(path) & back


def loaded_with(path: Path) -> set[str]:
    """The rooms of the package that are imported when a file is, and not later by a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for function in functions:
        function.body = [ast.Pass()]
    return rooms_in(tree)


def test_events_know_nothing_of_where_they_come_from() -> None:
    assert imports(PACKAGE / "events.py") == set()
    assert imports(PACKAGE / "errors.py") == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_function_is_longer_than_a_reader_sees_at_once(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 25, f"{node.name} has {lines} lines"

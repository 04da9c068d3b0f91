"""The public face: its names, what importing loads, and the direction of the imports behind it."""

import inspect
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

import cfevents
from cfevents import operations, sinks, storage

PACKAGE = Path(cfevents.__file__).parent
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
    "FollowerMetrics",
    "InternalServerError",
    "Interrupt",
    "InterruptOptions",
    "NotFoundError",
    "Page",
    "PaginationError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordedEvent",
    "ResponseTooLargeError",
    "Retry",
    "SinkError",
    "SinkMetrics",
    "Usage",
    "Watch",
    "WatchCheckpoint",
    "events",
    "structure",
    "unstructure",
]


def loaded_after(code: str) -> set[str]:
    """The modules that are loaded in a new process after some code."""
    program = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_public_names() -> None:
    """The public names are these, and each exists."""
    assert cfevents.__all__ == NAMES
    assert set(NAMES) | {"__version__"} == set(dir(cfevents))
    assert all(getattr(cfevents, name) for name in NAMES)
    with pytest.raises(AttributeError, match="module 'cfevents' has no attribute 'Nothing'"):
        getattr(cfevents, "Nothing")  # noqa: B009


def test_public_classes_live_in_the_package() -> None:
    """A public class names the package, and has no line number of another file, by which `inspect` would find it."""
    classes = [value for name in NAMES if isinstance(value := getattr(cfevents, name), type)]
    assert {cls.__module__ for cls in classes} == {"cfevents"}
    assert [cls for cls in classes if "__firstlineno__" in vars(cls)] == []


def test_a_star_import_brings_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from cfevents import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(NAMES)


def test_public_parameters() -> None:
    """The parameters of the public classes and functions are these."""

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
    assert parameters(cfevents.Client.list_interrupts) == ["connector_id", "timeout"]


def test_the_parameters_of_the_places_to_put_events_are_these() -> None:
    def parameters(call: object) -> list[str]:
        return [name for name in inspect.signature(call).parameters if name != "self"]  # type: ignore[arg-type]

    assert storage.__all__ == ["Archive", "ArchivedStream", "Extent", "NDJSONFile"]
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
    assert sinks.__all__ == ["KeepingSink", "RefusedEvent", "Sink", "connect", "forward"]
    assert parameters(sinks.Sink.write) == ["batch"]
    assert parameters(sinks.KeepingSink.resume) == ["start"]
    assert parameters(sinks.forward) == ["follower", "sink", "checkpoint", "dead_letters", "patience"]
    assert parameters(sinks.connect) == [
        "url", "token", "headers", "insecure", "gzip", "format", "timeout", "max_events", "max_bytes",
    ]  # fmt: skip


def test_the_parameters_of_what_is_asked_of_events_are_these() -> None:
    functions = [getattr(operations, name) for name in operations.__all__ if name.islower()]
    assert {ask.__name__: [*inspect.signature(ask).parameters] for ask in functions} == {
        "gaps": ["events", "until", "known_until", "limits"],
        "ha": ["events", "limits"],
        "lags": ["events", "percentages"],
        "rekeys": ["events"],
        "report": ["events", "since", "until", "connectors", "known_until", "known_since", "interrupts", "limits"],
        "runs": ["events", "limits"],
        "slots": ["events"],
        "spans": ["events"],
        "unknowns": ["events"],
    }


def test_importing_what_events_mean_loads_no_client() -> None:
    loaded = loaded_after("import cfevents.operations")
    assert not loaded & {"aiohttp", "cattrs", "yarl", "cfevents._client", "cfevents._protocol.converter"}


def test_importing_the_package_loads_nothing_else() -> None:
    """Importing the package or its pytest plugin loads nothing else."""
    (plugin,) = entry_points(group="pytest11", name="cfevents")
    assert plugin.value == "cfevents.testing.plugin"
    for code in ("import cfevents", f"import pytest, {plugin.value}"):
        assert not loaded_after(code) & {"aiohttp", "attrs", "cattrs", "stamina", "yarl", "cfevents._client"}


def test_importing_the_client_loads_no_extra() -> None:
    """Importing the client loads no extra, and no package beside the core."""
    loaded = loaded_after("from cfevents import Client, events")
    assert "aiohttp" in loaded
    assert not loaded & {
        "click",
        "filelock",
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
        "cfevents.storage",
        "cfevents.operations",
        "cfevents.sinks",
        "cfevents.spark",
    }


def test_what_most_programs_do_not_use_is_loaded_later() -> None:
    """Importing the client loads nothing that only a repeated request, a sliced listing, a fleet or a bar needs."""
    listing = {f"_listing.{name}" for name in ("fleet", "fleet_rounds", "planner", "rates", "slices")}
    later = listing | {"_progress", "_html"}
    loaded = loaded_after("from cfevents import Client, events")
    assert not loaded & {"stamina", "tenacity", "html", "numbers", *(f"cfevents.{name}" for name in later)}


def test_runtime_needs_five_libraries() -> None:
    """The runtime needs five libraries, and no others."""
    needed = [line for line in requires("cfevents") or [] if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in needed) == ["aiohttp", "attrs", "cattrs", "stamina", "yarl"]


@pytest.mark.skipif("CFEVENTS_TESTS_INSTALLED" not in os.environ, reason="nox sets it where it tests the wheel")
def test_what_is_tested_is_what_is_installed() -> None:
    assert "site-packages" in PACKAGE.parts
    assert (PACKAGE / "py.typed").is_file()

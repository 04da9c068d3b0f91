"""What runs around every test."""

import logging
import os
from collections.abc import Iterator

import pytest
from support.brief import IS_BRIEF
from support.secrets import PUBLIC_CALLS, Watch

from cfevents import _secrets
from cfevents._model import kinds
from cfevents._protocol import converter

# Tests of what depends on no version of Python; nox runs these folders on the first one only.
_ONCE_FOLDERS = {"cli", "doctor", "operations", "plot"}
# Fixtures that start the command line, or a notebook's kernel, as a process of its own.
_PROCESS_FIXTURES = {"run", "start", "notebook"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what nox has run on another Python."""
    if IS_BRIEF:
        leave_out = pytest.mark.skip(reason="takes long, and was run on the first Python")
        for item in items:
            if item.get_closest_marker("once") or (item.path.name != "test_processes.py" and _is_the_same(item)):
                item.add_marker(leave_out)


def _is_the_same(item: pytest.Item) -> bool:
    """Return whether a test finds the same on every Python."""
    starts_process = not _PROCESS_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    return starts_process or item.path.parent.name in _ONCE_FOLDERS


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no credential, proxy, cache or .netrc of the machine take part."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in list(os.environ):
        if name.startswith("CLOUDFLARE_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("CFEVENTS_TZ", "CFEVENTS_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", os.devnull)
    monkeypatch.setattr(_secrets, "_forms_by_secret", {})
    converter._warn_once.cache_clear()
    kinds.warn_unknown_kind.cache_clear()


@pytest.fixture(autouse=True)
def _no_credential_shows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Search the test's log records and the exceptions that left public calls for the credentials."""
    watch = Watch()
    root = logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    for cls, name in PUBLIC_CALLS:
        monkeypatch.setattr(cls, name, watch.watched(getattr(cls, name)))
    yield
    root.setLevel(level)
    root.removeHandler(watch)
    assert watch.leaks() == []

"""The contestants: a module for each, with a coroutine for each task that returns the number of events it saw."""

import importlib
import importlib.metadata
import sys
from importlib.util import find_spec
from types import ModuleType

from benchmarks.task import MissingError

OURS = "cfevents"
FAST = "cfevents[speed]"
FLOOR = "floor"
SDK = "cloudflare"
SDK_AIOHTTP = "cloudflare[aiohttp]"
SOCKET = "socket"

_MODULES = {OURS: "ours", FAST: "ours", FLOOR: "floor", SDK: "sdk", SDK_AIOHTTP: "sdk_aiohttp", SOCKET: "bare_socket"}


def load(name: str) -> ModuleType:
    """Import a contestant.

    Raises:
        MissingError: It is not installed.
    """
    if name == OURS:
        # Both live in one environment; a module that is None cannot be imported.
        sys.modules["msgspec"] = None  # type: ignore[assignment]
    if name == FAST and not has_speed():
        raise MissingError(name)
    try:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        raise MissingError(f"{name}: {error}") from error


def has_speed() -> bool:
    """Return whether the extra exists and is installed."""
    extras = importlib.metadata.metadata("cfevents").get_all("Provides-Extra") or []
    return "speed" in extras and find_spec("msgspec") is not None

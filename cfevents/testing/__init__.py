"""A local simulator of the API: a real HTTP server that answers as the API's documentation says.

For tests, and for a first try without an account. Each name is loaded at its first use, so that the pytest plugin in
this package costs a test run nothing until its fixture is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfevents.testing.history import History, LiveHistory
    from cfevents.testing.loki import LokiReceiver
    from cfevents.testing.receivers import ElasticReceiver, EventReceiver, SplunkReceiver
    from cfevents.testing.scenarios import Incident
    from cfevents.testing.server import AskedRequest
    from cfevents.testing.simulator import Simulator, SimulatorThread

__all__ = [
    "AskedRequest",
    "ElasticReceiver",
    "EventReceiver",
    "History",
    "Incident",
    "LiveHistory",
    "LokiReceiver",
    "Simulator",
    "SimulatorThread",
    "SplunkReceiver",
]

_NAMES_BY_MODULE = {
    "history": ["History", "LiveHistory"],
    "loki": ["LokiReceiver"],
    "receivers": ["ElasticReceiver", "EventReceiver", "SplunkReceiver"],
    "scenarios": ["Incident"],
    "server": ["AskedRequest"],
    "simulator": ["Simulator", "SimulatorThread"],
}
_DEFINED_IN = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_DEFINED_IN[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

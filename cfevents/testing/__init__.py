"""A local API to run against: a real HTTP server that answers as the API's documentation says.

It is for tests and for a first try without an account. Nothing is loaded until a name is used, so that the
pytest plugin beside it costs a test run nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfevents.testing.history import History
    from cfevents.testing.live import LiveHistory
    from cfevents.testing.received import AskedRequest
    from cfevents.testing.scenarios import Incident
    from cfevents.testing.simulator import Simulator
    from cfevents.testing.thread import SimulatorThread

__all__ = ["AskedRequest", "History", "Incident", "LiveHistory", "Simulator", "SimulatorThread"]

_HOMES = {
    "AskedRequest": "received",
    "History": "history",
    "Incident": "scenarios",
    "LiveHistory": "live",
    "Simulator": "simulator",
    "SimulatorThread": "thread",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})

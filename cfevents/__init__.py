"""Read the telemetry events of Cloudflare Magic WAN Connectors.

Everything public is here: ``from cfevents import Client, events``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cfevents.face import *
else:
    # Loaded when a name is asked for, not before: pytest imports this package in every project that has it
    # installed, for the fixture's entry point, and `cfevents --version` needs no HTTP client.
    # tests/test_face.py keeps both true.

    def __getattr__(name: str) -> Any:
        if name.startswith("_") or name not in (face := import_module("cfevents.face")).__all__:
            raise AttributeError(f"module 'cfevents' has no attribute {name!r}")
        return getattr(face, name)

    def __dir__() -> list[str]:
        return ["__version__", *import_module("cfevents.face").__all__]

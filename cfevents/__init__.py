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
        # Python itself asks for names such as __path__; of those only __all__ is worth loading the client.
        if name == "__all__" or not name.startswith("_"):
            face = import_module("cfevents.face")
            if name == "__all__" or name in face.__all__:
                return getattr(face, name)
        raise AttributeError(f"module 'cfevents' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return ["__version__", *import_module("cfevents.face").__all__]

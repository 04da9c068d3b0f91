"""Places to put events that are followed, each event once, whatever happens to the process.

Nothing is loaded until a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfevents.storage.archive import Archive
    from cfevents.storage.archived import ArchivedStream
    from cfevents.storage.ndjson import NDJSONFile

__all__ = ["Archive", "ArchivedStream", "NDJSONFile"]

_HOMES = {"Archive": "archive", "ArchivedStream": "archived", "NDJSONFile": "ndjson"}


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

"""The command line, which needs the extra ``cli``."""

import os
import signal
import sys
from importlib.util import find_spec
from types import FrameType

_INTERRUPTED, _TERMINATED = 130, 143


def main() -> int:
    """Run the command that the process's arguments name.

    Returns:
        2 if click or rich is not installed, 130 if Ctrl-C came before they were loaded. Otherwise it does not
        return: the process ends with the command's exit status.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        # rich is not imported here: only a table needs it.
        missing = [name for name in ("click", "rich") if find_spec(name) is None]
        if missing:
            names = " and ".join(missing)
            sys.stderr.write(f"cfevents: the command line needs {names}: pip install 'cfevents[cli]'\n")
            return 2
        from cfevents.cli.app import app  # noqa: PLC0415 - without the extra there is nothing to import
    except KeyboardInterrupt:
        return _INTERRUPTED
    app(prog_name="cfevents")
    raise AssertionError("click ends the process")  # pragma: no cover


def _terminate(_: int, __: FrameType | None) -> None:
    """End the process with the status that a shell reports for SIGTERM; what was begun is closed, but not twice.

    The kernel keeps its own way to end from the first process of a container: that has no SIGTERM without a handler.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(_TERMINATED))
    # Not a cancellation: the event loop may block in a write without a reader.
    raise SystemExit(_TERMINATED)

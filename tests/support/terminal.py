"""Commands that run on a terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any


def on_terminal(*args: str, columns: int = 80, environment: Mapping[str, str] | None = None) -> str:
    """Run a command whose stdout is a terminal, and return what it showed."""
    return shown_by(args, {"stdout": None}, {"COLUMNS": str(columns), **(environment or {})})


def shown_by(
    args: tuple[str, ...], streams: Mapping[str, IO[Any] | None], environment: Mapping[str, str], seen: str = "\0"
) -> str:
    """Run a command on a terminal, without colours by default, and return what it showed.

    Args:
        args: The command.
        streams: Where stdout and stderr go; None for the terminal.
        environment: Variables in addition to those of this process.
        seen: A text after which Ctrl-C ends the command.
    """
    ours, theirs = pty.openpty()
    known = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color", **environment}
    where: dict[str, Any] = {name: theirs if stream is None else stream for name, stream in streams.items()}
    with subprocess.Popen([sys.executable, "-m", "cfevents", *args], env=known, **where) as process:
        os.close(theirs)
        shown = b""
        # Linux answers with EIO once the other side is closed.
        with suppress(OSError):
            while chunk := os.read(ours, 65536):
                shown += chunk
                if seen.encode() in shown:
                    process.send_signal(signal.SIGINT)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")

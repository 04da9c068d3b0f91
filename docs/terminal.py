"""Take a picture of each command on a terminal of 80, 120 and 200 columns: an SVG of what it really prints there.

Each command runs on a pseudo terminal, on the simulated account at a fixed moment, so that pictures differ only where
the output does.
"""

import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from contextlib import suppress
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent / "_static" / "terminal"
WIDTHS = (80, 120, 200)

_MOMENT = 1796040000  # 2026-11-30 12:00 UTC
_MAX_LINES = 40
LAUNCHER = f"import time; time.time = lambda: {_MOMENT}.0; from cfevents.cli import main; main()"
_MEASURED = ((r"\d+ ms", "3 ms"), (r"for \d+ events?$", "for 100 events"))
"""What differs from one run to the next, and what a picture has in its place."""

_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
text {{ font: {char_height}px Menlo, "DejaVu Sans Mono", Consolas, monospace; white-space: pre; }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" xml:space="preserve">
{backgrounds}
{matrix}
</g>
</svg>
"""
"""The picture without the fonts of rich, which come from the internet, and its clip paths, which cut underscores."""

_STATUS_LINE = re.compile(r"\r([^\r\n]*)\x1b\[0K\r")


class Command(NamedTuple):
    """A command line, and a text after which Ctrl-C ends it."""

    line: str
    seen: str = "\0"


COMMANDS = {
    "list": Command("list --simulate --all --since 1h --exclude Reconcile"),
    "get": Command("get --simulate EVENT"),
    "latest": Command("latest --simulate --all"),
    "follow": Command("follow --simulate --since 2h --exclude Reconcile", "next poll in"),
    "forward": Command("forward --to file:events.ndjson --simulate --all --since 24h --once"),
    "watch": Command("watch --simulate --all --since 7d --once"),
    "wait": Command("wait --simulate lisbon --since 3h --kind RekeyComplete,RekeyReset --timeout 1min"),
    "archive": Command("archive events.db --simulate --all --since 7d"),
    "report": Command("report --simulate --all --since 7d"),
    "export": Command("export events.csv --simulate --all --since 7d"),
    "connectors": Command("connectors --simulate"),
    "kinds": Command("kinds"),
    "doctor": Command("doctor --simulate"),
    "simulate": Command("simulate --port 8080", "Ctrl-C"),
    "completion": Command("completion fish"),
}


def run(command: Command, columns: int, folder: str) -> str:
    """Run a command on a terminal of a width, and return what it prints."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDFLARE_", "CFEVENTS_"))}
    environment = {**kept, "TERM": "xterm-256color", "COLUMNS": str(columns), "SHELL": "/bin/bash"}
    argv = [sys.executable, "-c", LAUNCHER, *command.line.split()]
    printed = b""
    with subprocess.Popen(argv, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        with suppress(OSError):  # once the other side is closed
            while chunk := os.read(ours, 65536):
                printed += chunk
                if command.seen.encode() in printed:
                    process.send_signal(signal.SIGINT)
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def draw(title: str, printed: str, columns: int, name: str) -> str:
    """Return a picture of a command line and its output; of the status lines it has the last, if rows go on forever."""
    states = [line for line in _STATUS_LINE.findall(printed) if line]
    lines = _STATUS_LINE.sub("", printed).rstrip("\n").split("\n")
    if name.startswith("follow-") and states:
        lines = [*lines[: _MAX_LINES - 2], re.sub(r"next poll in \d+s", "next poll in 30s", states[-1])]
    for pattern, usual in _MEASURED:
        lines = [re.sub(pattern, usual, line) for line in lines]
    if len(lines) > _MAX_LINES:
        lines = [*lines[:_MAX_LINES], "[…]"]
    console = Console(record=True, width=columns, file=StringIO(), force_terminal=True, color_system="256")
    for line in (f"$ {title}", *lines):
        text = Text.from_ansi(line)
        # A terminal breaks at its edge, and not between words.
        for row in text.divide(range(columns, len(text), columns)):
            console.print(row, no_wrap=True, overflow="ignore", crop=False)
    picture = console.export_svg(title=f"{columns} columns", unique_id="t", code_format=_FRAME)
    picture = re.sub(r' clip-path="[^"]*"', "", picture).replace("&#160;", " ").replace("</text>", "</text>\n")
    return "\n".join(line.strip() for line in picture.splitlines() if line.strip()) + "\n"


def main() -> None:
    """Take all pictures anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        listed = run(Command("list --simulate --since 12h --kind RekeyStart -n 1 --format ndjson"), 80, folder)
        event_id = listed.partition('"id": "')[2].partition('"')[0]
        for name, command in COMMANDS.items():
            for columns in WIDTHS:
                with tempfile.TemporaryDirectory() as fresh:
                    filled = command._replace(line=command.line.replace("EVENT", event_id))
                    picture = draw(f"cfevents {filled.line}", run(filled, columns, fresh), columns, f"{name}-{columns}")
                (FOLDER / f"{name}-{columns}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Writers on stdout: a table on a terminal, NDJSON in a pipe."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from cfevents.cli.console.output import View, is_terminal, write_stdout

T = TypeVar("T")

Write: TypeAlias = Callable[[Sequence[T]], None]


def writer(view: View[T], format_: str | None) -> Write[T]:
    """Make the function that prints things on stdout, each time it is called some more.

    Args:
        view: How they are shown.
        format_: One of `FORMATS`; None for a table on a terminal, and NDJSON elsewhere.
    """
    if (format_ or ("table" if is_terminal(sys.stdout) else "ndjson")) == "table":
        from cfevents.cli.console.table import Table  # noqa: PLC0415 - rich is loaded to draw alone

        return Table(view).write
    return lambda items: write_stdout("".join(json.dumps(view.record(item)) + "\n" for item in items))

"""The commands that send no request: ``kinds`` and ``completion``."""

import os

from click import get_current_context
from click.shell_completion import get_completion_class

from cfevents.cli.console import views
from cfevents.cli.console.output import write_stdout
from cfevents.cli.options import usage_error
from cfevents.events import KINDS


def list_kinds(*, format_: str | None, simulate: bool) -> None:
    """Print the documented kinds of events."""
    del simulate
    views.writer(views.kinds(), format_)([*KINDS.values()])


def print_completion(*, shell: str | None) -> None:
    """Print the completion script of a shell, by default of the one that runs."""
    name = shell or os.environ.get("SHELL", "").rpartition("/")[2]
    completion_class = get_completion_class(name)
    if completion_class is None:
        raise usage_error("SHELL is missing: write one of bash, zsh, fish.")
    command = get_current_context().find_root().command
    write_stdout(completion_class(command, {}, "cfevents", "_CFEVENTS_COMPLETE").source() + "\n")

"""The command that prints what a shell needs to complete the others."""

import os

import click

from cfevents.cli.console.output import write_stdout
from cfevents.cli.options import example

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion", short_help="Complete commands in bash, zsh or fish.", epilog=example("cfevents completion bash")
)
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print what lets a SHELL complete commands, options and kinds with the Tab key; yours if left out.

    \b
    bash, in ~/.bashrc:  eval "$(cfevents completion bash)"
    zsh, in ~/.zshrc:    eval "$(cfevents completion zsh)"
    fish, once:          cfevents completion fish > ~/.config/fish/completions/cfevents.fish
    """  # noqa: D301 - \b keeps click from filling the paragraph
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - not needed for --help

    name = shell or os.environ.get("SHELL", "").rpartition("/")[2]
    found = get_completion_class(name) if name in _SHELLS else None
    if found is None:
        raise click.UsageError(f"SHELL is missing: write one of {', '.join(_SHELLS)}.", ctx=click.get_current_context())
    root = click.get_current_context().find_root()
    write_stdout(found(root.command, {}, "cfevents", "_CFEVENTS_COMPLETE").source() + "\n")

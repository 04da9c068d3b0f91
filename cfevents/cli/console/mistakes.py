"""Mistakes in a command line, in the words of who typed it: what is wrong, and what to write instead."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile

import click
from click.core import ParameterSource

from cfevents._time import SHELL_FORMS, is_time, now, to_seconds, written

# Text that was copied from a chat or a web page has these in place of hyphens.
_DASHES = "\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"
_ANSWERS = {
    "help": "'cfevents --help' lists the commands, and 'cfevents list --help' explains one",
    "version": "write 'cfevents --version'",
}
_TIMES = ("--since", "--until")
_WORD_OF_TIME = r"ago|[ap]m|gmt|mo(n(th)?s?)?|y(ea)?rs?|weeks?|[0-9]{1,2}:[0-9]{2}\S*"


class Command(click.Command):
    """A command whose mistakes name it, also those that click finds before it knows the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; ``-since`` and a long dash get the option that is meant."""
        typed, names = [*args], _option_names([self])
        try:
            for word in () if ctx.resilient_parsing else typed:
                meant = f"--{word.strip('-' + _DASHES).partition('=')[0]}"
                if word[:1] in _DASHES and word and meant in names:
                    raise click.UsageError(f"{word} does not begin with hyphens; write {meant}")
            if not ctx.resilient_parsing:
                _require_quoted_times(typed)
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            long = next((f"-{word}" for word in typed if word.startswith(error.option_name)), "").partition("=")[0]
            found = [long] if long in names else _nearest(error.option_name, names)
            hint = f"; did you mean {found[0]}?" if found else ""
            raise click.UsageError(f"No such option {error.option_name!r}{hint}", ctx) from None
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


def _require_quoted_times(typed: Sequence[str]) -> None:
    """Raise UsageError for a time of several words without quotes: the others would be taken for connectors."""
    for place, word in enumerate(typed):
        option, is_joined, value = word.partition("=")
        begin = place + (1 if is_joined else 2)
        if option in _TIMES and begin <= len(typed):
            value = value if is_joined else typed[place + 1]
            more = [*takewhile(lambda other: not other.startswith("-"), typed[begin:])]
            for count in range(len(more), 0, -1):
                text = " ".join((value, *more[:count]))
                if is_time(text):
                    raise click.UsageError(f"quote a time of several words: {written(option, text)}")
                if all(re.fullmatch(_WORD_OF_TIME, part, re.IGNORECASE) for part in more[:count]):
                    try:
                        to_seconds(option, text, now(), SHELL_FORMS)
                    except ValueError as error:
                        raise click.UsageError(str(error)) from None


def unknown_command(name: str, commands: Iterable[str]) -> str:
    """Return what may be meant by a command that there is not."""
    likest = _nearest(name, commands)
    answer = f"did you mean {likest[0]}?" if likest else f"if it is a connector, write 'cfevents list {name}'"
    return f"No such command {name!r}; {_ANSWERS.get(name.casefold(), answer)}"


def mistake(error: click.UsageError) -> str:
    """Return a usage error in short words."""
    if isinstance(error, click.NoSuchOption):
        return _unknown_option(error)
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter) and error.param:
        return _wrong_value(error, error.param)
    text = error.format_message()
    if extra := re.fullmatch(r"Got unexpected extra arguments? \((.*)\)\.?", text):
        return f"{extra[1]} is more than this command takes; leave it out"
    return text


def _option_names(commands: Iterable[click.Command]) -> set[str]:
    return {name for command in commands for option in command.params for name in option.opts if name[:2] == "--"}


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that begins so, or is most like it; hyphens count for nothing."""
    word, name_by_word = name.strip("-").casefold(), {known_name.strip("-"): known_name for known_name in known}
    begun = [known_word for known_word in name_by_word if len(word) > 1 and known_word.startswith(word)]
    likest = begun if len(begun) == 1 else get_close_matches(word, name_by_word, n=1)
    return [name_by_word[known_word] for known_word in likest]


def _unknown_option(error: click.NoSuchOption) -> str:
    text = f"No such option {error.option_name!r}"
    group = error.ctx.command if error.ctx else None
    if isinstance(group, click.Group) and error.option_name in _option_names(group.commands.values()):
        return f"{text} here; options of a command stand after its name: 'cfevents list {error.option_name}'"
    likest = _nearest(error.option_name, _option_names([group]) | {"--help"}) if group else []
    return f"{text}; did you mean {likest[0]}?" if likest else text


def _wrong_value(error: click.BadParameter, param: click.Parameter) -> str:
    value = error.message.partition(" is not ")[0]
    if isinstance(param.type, click.IntRange | click.FloatRange):
        kind = "a whole number" if isinstance(param.type, click.IntRange) else "a number"
        least, most = param.type.min, param.type.max
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        return f"{_name(error, param)} {value} is not {kind} {limits}"
    if isinstance(param.type, click.Choice):
        choices = [*map(str, param.type.choices)]
        likest = _nearest(value.strip("'"), choices)
        hint = f"; did you mean {likest[0]}?" if likest else ""
        return f"{_name(error, param)} {value} is not one of {', '.join(choices)}{hint}"
    return f"{_name(error, param)}: {error.message}"


def _name(error: click.BadParameter, param: click.Parameter) -> str:
    """Return the option, argument or variable that the value stands in."""
    source = error.ctx.get_parameter_source(param.name) if error.ctx and param.name else None
    if source is ParameterSource.ENVIRONMENT and isinstance(param.envvar, str):
        return param.envvar
    return max(param.opts, key=len) if isinstance(param, click.Option) else str(param.name).upper()

"""The words of the shell: commands that run as they stand, and the options of a command for the library's arguments."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

_SOURCE = "cfevents.source"
_ARCHIVE = "cfevents.archive"
_FILLED = "cfevents.filled"
MAX_NAMED_IDS = 5
_READING = "connectors|list|get|latest|report"
# Not compiled here: importing has to be quick, and re caches what it compiled.
_OPTIONS = {"token": "--token-env or --token-file", "headers": "--header-env"}
_WORDS: tuple[tuple[str, Any], ...] = (
    (r", or pass (?:api_token= \(or api_email= and api_key=\)|account_id=)", ""),
    (r"give one as account_id=, of ", ""),
    (r"^((?:(?!config\.toml|the table).)*)\b(?<!')account_id\b", r"\1CLOUDFLARE_ACCOUNT_ID"),
    (r"\bconnector_ids?=", "CONNECTOR "),
    (r"^(?:kind|page_size)(?==| is empty)", lambda match: f"--{match[0].replace('_', '-')}"),
    (r"^(--kind|--page-size)=", r"\1 "),
    (r"larger than max_body_size, ", "larger than "),
    (r": sync with details=True stores them", "; 'cfevents archive PATH --details' stores it"),
    (r", or give a longer timeout=", ""),
    (r"the connection failed: \w+Error: (.*?)(?: ssl:default)?(?= \[|$)", r"the connection failed: \1"),
    (r"^url (?=is|names|holds|has|would)", "--to "),
    (r"^headers(?=[: ])", "--header-env"),
    (
        r"(?<=, where )[\w, ]+(?= has no use)",
        lambda match: ", ".join(_OPTIONS.get(name, f"--{name}") for name in match[0].split(", ")),
    ),
    (r"(give|check) token= (or|and) headers=", r"\1 --token-env \2 --header-env"),
    (r"(or|give) token=", r"\1 --token-env"),
    (r"(?:give )?insecure=True\b", "--insecure"),
    (r"name a file for dead letters", "name a file by --dead-letters"),
    (r"; since= has no effect", "; --since has no effect"),
    (r"with a longer lookback", "with a longer --lookback"),
    (r"resume it with list_events", "name that of a 'cfevents follow'"),
    (r"has no event (\S+) of (\S+)$", r"\g<0>; 'cfevents list \2' lists its events"),
)


def note_source(context: click.Context) -> None:
    """Remember the options by which the command that runs selects its source, for the commands in its messages."""
    options = context.params
    words = " --simulate" if options.get("simulate") else ""
    if options.get("account") and context.get_parameter_source("account") is ParameterSource.COMMANDLINE:
        words = f" --account {shlex.quote(options['account'])}"
    archive = options.get("archive")
    context.meta[_SOURCE] = words if archive is None else f" --archive {shlex.quote(archive)}"
    context.meta[_ARCHIVE] = options.get("path") if context.info_name == "archive" else archive
    connectors = options.get("connectors") or (options.get("event_id") and [options["connector"]]) or ()
    context.meta[_FILLED] = shlex.join(connectors) or "--all"


def source_words() -> str:
    """Return the options that select the same source again, for a command that is shown."""
    context = click.get_current_context(silent=True)
    return "" if context is None else context.meta.get(_SOURCE, "")


def id_list(ids: Sequence[str]) -> str:
    """Return some ids as text, and how many more there are."""
    more = len(ids) - MAX_NAMED_IDS
    return ", ".join(ids[:MAX_NAMED_IDS]) + (f", and {more} more" if more > 0 else "")


def in_shell_words(text: str) -> str:
    """Return a message of the library as a shell's user would write it.

    Arguments become options and variables; a quoted command gets the options of the source that is read now.
    """
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    text = name_variable(text)
    context = click.get_current_context(silent=True)
    if context is None or _SOURCE not in context.meta:
        return text
    source, archive = context.meta[_SOURCE], context.meta[_ARCHIVE]
    if archive is not None:
        command = f"'cfevents archive {shlex.quote(archive)} {context.meta[_FILLED]}"
        text = text.replace("'cfevents archive PATH", command)
    # In a function, since a path may have a backslash.
    return re.sub(rf"'cfevents (?:{_READING})\b(?! --help)[^']*", lambda match: match[0] + source, text)


def name_variable(text: str) -> str:
    """Return a message that begins with ``--to`` with the variable instead, where the address comes from it."""
    context = click.get_current_context(silent=True)
    if context is None or context.get_parameter_source("to") is not ParameterSource.ENVIRONMENT:
        return text
    variable = next(str(option.envvar) for option in context.command.params if option.name == "to")
    return re.sub(r"^--to(?=[ :])", variable, text)


def wrapped(text: str, width: int) -> str:
    """Return a message in lines of a width, broken between words alone: an id or a path stays whole."""
    import textwrap  # noqa: PLC0415 - only a failure needs it

    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)

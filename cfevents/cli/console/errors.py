"""Failures as one line on stderr and an exit status."""

import os
import re
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

import click

import cfevents
from cfevents._secrets import clean
from cfevents._validation import printable
from cfevents.cli.console import progress
from cfevents.cli.console.mistakes import mistake
from cfevents.cli.console.wording import MAX_NAMED_IDS, id_list, in_shell_words, wrapped

if TYPE_CHECKING:
    from cfevents import CfEventsError

INTERRUPTED = 130
"""The exit status after Ctrl-C, as a shell reports a process that SIGINT ended; 143 is that of SIGTERM."""

DEBUG = "cfevents.debug"
"""The key of ``--debug`` in the meta of a command's context."""

_PATH_OF_EVENT = r"/connectors/([^/]+)/telemetry/events/[-0-9.]+$"
_MAX_REASONS = 3  # of one message
_LIST_OF_CONNECTORS = "; 'cfevents connectors' lists them"
_ACCOUNT = "cfevents.account"
_UNKNOWN = "cfevents.unknown"
_ADVICE_BY_ERROR = {
    "ConfigurationError": "to try it without an account, add --simulate",
    "AuthenticationError": (
        "the credentials are refused: check CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY; "
        "a token needs the permission 'Magic WAN Read' on the account"
    ),
    "PermissionDeniedError": (
        "access is refused: check that the token exists; it needs the permission 'Magic WAN Read' on the account"
    ),
    "NotFoundError": (
        "no such connector or account: check the ids ('cfevents connectors' lists the connectors) and "
        "CLOUDFLARE_ACCOUNT_ID"
    ),
    "APIConnectionError": "check the network, and CLOUDFLARE_BASE_URL if it is set",
    "ResponseTooLargeError": "try a smaller --page-size",
}


def print_line(text: str, file: IO[Any] | None = None) -> None:
    """Print a line on stderr, in the words of the shell: a terminal's is wrapped between words."""
    # A process that was started with stderr closed has none.
    if stream := file or sys.stderr:
        click.echo(as_line(printable(text), stream), file=stream, err=True)


def print_note(text: str) -> None:
    """Print a line on stderr that is no failure, unless the command has ``--quiet``."""
    if not progress.is_quiet():
        progress.clear_status_line()
        print_line(text)


def as_line(text: str, stream: IO[Any]) -> str:
    """Return a message as a line of this program, wrapped for a terminal."""
    line = f"cfevents: {in_shell_words(text)}"
    return wrapped(line, shutil.get_terminal_size().columns) if stream.isatty() else line


class Failure(click.ClickException):
    """A failure of the API, the network or this machine: one line, status 1."""

    def __init__(self, message: str) -> None:
        """Set the line, without the program's name."""
        super().__init__(clean(in_shell_words(message)))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line on stderr."""
        # If stderr cannot be written, the status still reports the failure.
        with suppress(OSError):
            print_line(self.message, file)


class WrongUsage(Failure):
    """A failure of the user's input: status 2, like click's own usage errors."""

    exit_code = 2


@contextmanager
def arguments_checked() -> Iterator[None]:
    """Turn a ValueError or TypeError of the library, which says what to write instead, into `WrongUsage`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise WrongUsage(str(error)) from error


@contextmanager
def name_file(path: str) -> Iterator[None]:
    """Turn an OSError into a `Failure` that names the file."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error


def exists(path: str) -> bool:
    """Return whether there is something at a path, which a command did not make then."""
    return os.path.lexists(path)


def is_refusal(error: object) -> bool:
    """Return whether the API refuses the credentials or does not know the connectors, all of them."""
    errors = error.errors.values() if isinstance(error, cfevents.FleetError) else [error]
    refusals = cfevents.AuthenticationError, cfevents.PermissionDeniedError, cfevents.NotFoundError
    return all(isinstance(error, refusals) for error in errors)


@contextmanager
def exit_on_failure() -> Iterator[None]:
    """Turn whatever ends a command into an exception that click prints as one line, with its exit status.

    Raises:
        ClickException: The command failed.
        Exit: The command was interrupted, or nobody reads its output any more, which is no failure.
    """
    try:
        yield
    except click.UsageError as error:
        raise _one_line(error) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except (KeyboardInterrupt, SystemExit) as end:
        # The rest of the output may wait for a reader that never reads.
        _discard_stdout()
        raise click.exceptions.Exit(getattr(end, "code", INTERRUPTED)) from None
    except BrokenPipeError:
        _discard_stdout()
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        _discard_stdout()
        reason = error.strerror or str(error)
        raise Failure(f"{error.filename}: {reason}" if error.filename else reason) from error
    except Exception as error:
        raise _failure(error) from error


@contextmanager
def print_causes(meta: Mapping[str, Any]) -> Iterator[None]:
    """Print the traceback that led to a `Failure`, if ``--debug`` was given."""
    try:
        yield
    except Failure as failure:
        if meta.get(DEBUG) and failure.__cause__ is not None:
            # Without variables: the library's errors hide credentials, the frames of others might not.
            text = "".join(traceback.format_exception(failure.__cause__))
            click.echo("\n".join(map(clean, text.splitlines())), err=True)
        raise


def _one_line(error: click.UsageError) -> click.ClickException:
    """Return a usage error in one line instead of click's four; NoArgsIsHelpError stays, since it shows the help."""
    # Not there before click 8.2, which shows the help by itself.
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error
    path = "cfevents" if error.ctx is None else error.ctx.command_path
    message = " ".join(mistake(error).split()).removesuffix(".")
    return WrongUsage(f"{message} (see '{path} --help')")


def _discard_stdout() -> None:
    """Redirect stdout to nowhere: the interpreter would write what is buffered once more when it exits."""
    with suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _failure(error: Exception) -> Failure:
    if not isinstance(error, cfevents.CfEventsError):
        return Failure(f"unexpected {type(error).__name__}: {error}; please report it")
    if isinstance(error, cfevents.FleetError):
        first = next(iter(error.errors.values()))
        if unknown := _unknown_connectors(error.errors):
            return Failure(_answered(f"could not read {len(error.errors)} of the connectors: {unknown}", first))
        reasons = f"could not read {len(error.errors)} of the connectors: {_reasons(error.errors)}"
        return Failure("; ".join(filter(None, (reasons, _window(first), advise(first)))))
    advice = advise(error)
    if advice and (is_refusal(error) or _fact_about_connector(error)):
        return Failure(_answered(advice, error))
    message = "; ".join(filter(None, (str(error), _window(error), advice)))
    return WrongUsage(message) if isinstance(error, cfevents.ConfigurationError) else Failure(message)


def _answered(advice: str, error: "CfEventsError") -> str:
    """Return what to do, and after it what the API answered, which few need to read."""
    answer = re.sub(r" \((CF-Ray [^)]*)\)$", r", \1", str(error))
    return f"{advice} ({answer})"


def _unknown_connectors(errors: "Mapping[str, CfEventsError]") -> str:
    """Return that no connectors are called as these, and where to look; empty unless this is known of all."""
    facts = [_fact_about_connector(error) for error in errors.values()]
    if not all(facts):
        return ""
    more = f"; and {len(facts) - MAX_NAMED_IDS} more" if len(facts) > MAX_NAMED_IDS else ""
    return "; ".join(facts[:MAX_NAMED_IDS]) + more + _LIST_OF_CONNECTORS


def _reasons(errors: "Mapping[str, CfEventsError]") -> str:
    """Return the errors of connectors, those for the same reason as one, without the paths of their requests."""
    ids_by_reason, texts = dict[str, list[str]](), dict[str, str]()
    for connector_id, error in errors.items():
        text = str(error).removeprefix(clean(f"{error.method} {error.path}: "))
        reason = re.sub(r" \(CF-Ray [^)]*\)", "", text)
        texts.setdefault(reason, text)
        ids_by_reason.setdefault(reason, []).append(connector_id)
    shown = [f"{id_list(ids)}: {texts[reason]}" for reason, ids in ids_by_reason.items()]
    more = len(shown) - _MAX_REASONS
    return "; ".join(shown[:_MAX_REASONS]) + (f"; and {more} more reasons" if more > 0 else "")


def _window(error: "CfEventsError") -> str:
    if error.since is None or error.until is None:
        return ""
    return f"the window was {window_text(error.since, error.until)}"


def window_text(since: int, until: int) -> str:
    """Return the options for a window, whose bounds are in seconds since the Unix epoch."""
    return f"--since {time_text(since)} --until {time_text(until)}"


def time_text(seconds: int) -> str:
    """Return a time in seconds since the Unix epoch as the options take it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _advice(error: "CfEventsError") -> str:
    is_set = isinstance(error, cfevents.ConfigurationError) and _account_is_set()
    if is_set or getattr(error, "extra", None):  # the message is the advice
        return ""
    if isinstance(error, cfevents.APIStatusError) and error.from_edge and error.status < 500:
        return "this is not the API's own answer: check the network, a proxy, and CLOUDFLARE_BASE_URL if it is set"
    if isinstance(error, cfevents.APIStatusError) and any(message.code == 7003 for message in error.errors):
        return (
            "no such address: check CLOUDFLARE_BASE_URL, which ends with /client/v4 if it is set, and "
            "CLOUDFLARE_ACCOUNT_ID"
        )
    if isinstance(error, cfevents.RateLimitError):
        return f"wait {error.resume_after or 360} s before the next request"
    if isinstance(error, cfevents.NotFoundError) and (match := re.search(_PATH_OF_EVENT, error.path or "")):
        return (
            f"no such event or connector: check the event's id ('cfevents list {unquote(match[1])} --since 7d' lists "
            "those of the connector)"
        )
    names = (cls.__name__ for cls in type(error).__mro__)
    return next((_ADVICE_BY_ERROR[name] for name in names if name in _ADVICE_BY_ERROR), "")


def advise(error: "CfEventsError") -> str:
    """Return what to do about an error, in the words of the account's settings; empty where its message says that."""
    fact = _fact_about_connector(error)
    return fact + _LIST_OF_CONNECTORS if fact else _of_account(_advice(error))


def note_unknown(connector_id: str, fact: str) -> None:
    """Let a failure of a connector that the account does not list begin with this."""
    click.get_current_context().meta.setdefault(_UNKNOWN, {})[connector_id] = fact


def _fact_about_connector(error: "CfEventsError") -> str:
    context = click.get_current_context(silent=True)
    fact_by_id = context.meta.get(_UNKNOWN, {}) if context else {}
    path = unquote(getattr(error, "path", None) or "")
    if not isinstance(error, cfevents.NotFoundError | cfevents.BadRequestError):
        return ""
    return next((fact for name, fact in fact_by_id.items() if f"/connectors/{name}/" in path), "")


def describe_account(name: str, credentials: str) -> None:
    """Let later advice name an account's settings in a file in place of the variables of the environment."""
    click.get_current_context().meta[_ACCOUNT] = (name, credentials)


def _of_account(advice: str) -> str:
    context = click.get_current_context(silent=True)
    if context is None or _ACCOUNT not in context.meta or "CLOUDFLARE_" not in advice:
        return advice
    name, credentials = context.meta[_ACCOUNT]
    advice = advice.replace("CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL and CLOUDFLARE_API_KEY", credentials)
    return re.sub("CLOUDFLARE_([A-Z_]+)", lambda match: match[1].lower(), advice) + f" (of {name})"


def _account_is_set() -> bool:
    """Return whether the environment has an account and credentials, so that some other setting is wrong."""
    names = "ACCOUNT_ID", "API_TOKEN", "API_TOKEN_FILE", "API_KEY"
    account, *credentials = (os.environ.get(f"CLOUDFLARE_{name}") for name in names)
    return bool(account) and any(credentials)

"""Failures: one line on stderr, and an exit status."""

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

import cfevents
from cfevents.cli.console.logs import is_debugged
from cfevents.cli.console.output import printable

if TYPE_CHECKING:
    from cfevents import CfEventsError

INTERRUPTED = 130
"""Ctrl-C: as a shell reports a process that SIGINT ended."""

_ADVICE = {
    "ConfigurationError": "to try it without an account, add --simulate",
    "AuthenticationError": "check CLOUDFLARE_API_TOKEN; the token needs the permission 'Magic WAN Read' on the account",
    "PermissionDeniedError": "the token needs the permission 'Magic WAN Read' on the account",
    "NotFoundError": "check the ids ('cfevents connectors' lists the connectors) and CLOUDFLARE_ACCOUNT_ID",
    "RateLimitError": "wait six minutes before the next request",
    "APIConnectionError": "check the network, and CLOUDFLARE_BASE_URL if it is set",
    "ResponseTooLargeError": "try a smaller --page-size",
}


class Failure(click.ClickException):
    """The API, the network or this machine failed: told in one line, status 1."""

    def __init__(self, message: str) -> None:
        """Take the line, without the program's name."""
        super().__init__(printable(message))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr."""
        # The status tells of it, too, where stderr cannot be written.
        with suppress(OSError):
            click.echo(f"cfevents: {self.message}", file=file, err=file is None)


class WrongUsage(Failure):
    """It was not asked as it has to be: status 2, as click's own usage errors have."""

    exit_code = 2


@contextmanager
def arguments_checked() -> Iterator[None]:
    """Tell what the library says of its arguments as wrong usage.

    Raises:
        WrongUsage: An argument is of no use; the library's message says what to write instead.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise WrongUsage(str(error)) from error


@contextmanager
def file_named(path: str) -> Iterator[None]:
    """Tell which file it is that cannot be read or written.

    Raises:
        Failure: It cannot.
    """
    try:
        yield
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error


@contextmanager
def checkpoint_of(path: str | None) -> Iterator[None]:
    """Tell which file it is whose checkpoint is of no use.

    Raises:
        Failure: The checkpoint is damaged, or of something else.
    """
    try:
        yield
    except cfevents.CheckpointError as error:
        raise Failure(f"{path}: {error}; name another file, for the events too, to begin afresh") from error


@contextmanager
def reported() -> Iterator[None]:
    """Turn whatever ends a command into what click prints in one line, with the exit status that it deserves.

    Raises:
        Failure: The command failed.
        Exit: It was interrupted, or nobody reads its output any more, which is no failure.
    """
    try:
        yield
    except click.UsageError as error:
        raise _wrong_usage(error) from None
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        # What it was about to write may be waiting for a reader that never reads.
        _abandon_stdout()
        _end(INTERRUPTED)
    except BrokenPipeError:
        _abandon_stdout()
        _end(0)
    except OSError as error:
        _abandon_stdout()
        raise Failure(error.strerror or str(error)) from error
    except Exception as error:
        raise _failure(error) from error


@contextmanager
def explained(meta: Mapping[str, Any]) -> Iterator[None]:
    """Tell, with ``--debug``, all that led to a failure before it is told in one line.

    Raises:
        Failure: The same.
    """
    try:
        yield
    except Failure as failure:
        if is_debugged(meta) and failure.__cause__ is not None:
            # Without variables: what the library raises shows no credentials, what it calls might.
            told = "".join(traceback.format_exception(failure.__cause__))
            click.echo("\n".join(map(printable, told.splitlines())), err=True)
        raise


def _wrong_usage(error: click.UsageError) -> click.ClickException:
    """Tell in one line what click tells in four; that there is no command shows the help, which is not to be cut."""
    # Not there before click 8.2, which shows the help by itself.
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return error
    path = "cfevents" if error.ctx is None else error.ctx.command_path
    told = " ".join(error.format_message().split()).removesuffix(".")
    return WrongUsage(f"{told} ('{path} --help' tells more)")


def _end(status: int) -> NoReturn:
    raise click.exceptions.Exit(status) from None


def _abandon_stdout() -> None:
    """Let what stdout still holds go nowhere: the interpreter would try to write it once more as it exits."""
    with suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _failure(error: Exception) -> Failure:
    if not isinstance(error, cfevents.CfEventsError):
        return Failure(f"unexpected {type(error).__name__}: {error}; please report it")
    if isinstance(error, cfevents.FleetError):
        name, first = next(iter(error.errors.items()))
        return Failure("; ".join(filter(None, (error.message, f"{name}: {first}", _advice(first)))))
    told = "; ".join(filter(None, (str(error), _window(error), _advice(error))))
    return WrongUsage(told) if isinstance(error, cfevents.ConfigurationError) else Failure(told)


def _window(error: "CfEventsError") -> str:
    if error.since is None or error.until is None:
        return ""
    return f"the window was --since {moment_spelled(error.since)} --until {moment_spelled(error.until)}"


def moment_spelled(seconds: int) -> str:
    """Spell a bound of a window as an option takes it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _advice(error: "CfEventsError") -> str:
    """Say what to do next, where that is known."""
    if getattr(error, "extra", None):  # the message is the advice
        return ""
    return next((_ADVICE[cls.__name__] for cls in type(error).__mro__ if cls.__name__ in _ADVICE), "")

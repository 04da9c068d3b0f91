"""Checks of arguments, and text for messages.

Each check returns the argument. Otherwise it raises a TypeError for a wrong type, or a ValueError for a value without
meaning; the message says what to write instead.
"""

import operator
import os
from enum import Enum
from typing import TypeVar

T = TypeVar("T")

MAX_SECONDS = 1e9
"""Thirty years: anything longer was not meant in seconds."""


def short_repr(value: object) -> str:
    """Return the repr of an argument, cut to one short line."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def escape_surrogates(text: str) -> str:
    """Return text with lone surrogates escaped as JSON does. JSON can hold them; files, pages and tables cannot."""
    return text.encode(errors="backslashreplace").decode()


def printable(text: str) -> str:
    """Return text that is safe to print in a line: spaces for white space, replacement characters for controls."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def is_number(value: object) -> bool:
    """Return whether a value is a real number, numpy's and fractions included. A bool is none."""
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    from numbers import Number  # noqa: PLC0415 - rarely needed, and importing has to be quick

    if not isinstance(value, Number) or not hasattr(type(value), "__float__"):
        return False
    # To numpy a length of time is an integer too, and its complex numbers lose a part.
    return getattr(getattr(value, "dtype", None), "kind", "f") in "iuf"


def validate_seconds(name: str, value: float) -> float:
    """Return a duration in seconds, finite and above 0, as a float."""
    if not is_number(value):
        raise TypeError(f"{name}={short_repr(value)} is not a number of seconds")
    if not 0 < value < MAX_SECONDS:  # NaN is neither
        raise ValueError(f"{name}={short_repr(value)} must be finite and above 0 seconds, and at most some years")
    return float(value)


def validate_timeout(timeout: float | None) -> float | None:
    """Return the timeout of a call in seconds; None for no limit."""
    return None if timeout is None else validate_seconds("timeout", timeout)


def validate_int(name: str, value: int, *, least: int = 1) -> int:
    """Return a whole number of at least ``least`` and at most 64 bits, numpy's and an enumeration's as an int."""
    if not is_number(value) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name}={short_repr(value)} is not a whole number")
    value = operator.index(value)
    if not least <= value < 2**63:
        raise ValueError(f"{name}={short_repr(value)} must be at least {least}, and fit into 64 bits")
    return value


def validate_type(name: str, value: T, kind: type[T]) -> T:
    """Return an instance of a class."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")
    return value


def validate_text(name: str, value: str) -> str:
    """Return text that a URL can carry: not empty, and without half of a surrogate pair; an enumeration's as a str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} is empty: leave it out instead")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}={value!a} holds a lone surrogate, which no URL can carry") from None
    # str() would return the member's name.
    return str.__str__(value) if isinstance(value, Enum) else value


def validate_path_segment(name: str, value: str) -> str:
    """Return an id that is exactly one path segment."""
    if isinstance(value, str) and (not value or value != value.strip()):
        raise ValueError(f"{name}={short_repr(value)} is empty or has white space around it: write the id alone")
    value = validate_text(name, value)
    if value in {".", ".."} or "/" in value or "\\" in value:
        raise ValueError(
            f"{name}={short_repr(value)} is not one segment of a path: write the id alone, without slashes"
        )
    return value


def require_process(pid: int, name: str, error: type[Exception]) -> None:
    """Raise an error in a process that was forked from the one in which something was opened."""
    if os.getpid() != pid:
        raise error(f"{name} was opened before this process was forked from another: open one here, after the fork")

"""Secrets: kept out of every repr, log line and traceback."""

import os
from collections.abc import Mapping
from typing import Any

MASK = "**********"


class Secret(str):
    """Text that stays out of every ``repr``, and so out of tracebacks with locals, other libraries' frames included.

    It goes into a header as the ``str`` that it is. tests/api/test_secrets.py keeps it from leaking elsewhere.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"


class NonText:
    """The stand-in for an argument that should have been text, and may be a secret all the same."""

    def __init__(self, value: object) -> None:
        self.type_name = type(value).__name__


def mask(value: object) -> Any:
    """Mask an argument that may be a secret: text stays text, a callable and None stay as they are."""
    if value is None or callable(value):
        return value
    return Secret(value) if isinstance(value, str) else NonText(value)


def mask_values(headers: object) -> Any:
    """Mask the values of headers, some of which are secrets; anything but a mapping becomes a `NonText`."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        return NonText(headers)
    return {name: mask(value) for name, value in headers.items()}


def environment(name: str) -> str | None:
    """Read an environment variable, stripped; None where it is empty or not set."""
    # Never hold os.environ in a variable: its repr shows everything.
    return os.environ.get(name, "").strip() or None

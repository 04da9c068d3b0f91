"""Public classes say that they live in a public module: in their repr, in pickles and in the reference."""

from collections.abc import Callable
from typing import TypeVar

C = TypeVar("C", bound=type)


def set_module(name: str) -> Callable[[C], C]:
    """Return a decorator that sets the module of a class.

    Not in the body of the class: from Python 3.13 on, `inspect.getsource` would show other lines as its source.
    """

    def decorate(cls: C) -> C:
        cls.__module__ = name
        # The assignment removes the line number, unless the metaclass is written in Python, as ABCMeta is.
        if "__firstlineno__" in vars(cls):
            delattr(cls, "__firstlineno__")
        return cls

    return decorate

#!/usr/bin/env bash
# inspect.getsource shows the wrong lines for a class that says, in its body, that it lives in another module.
#
# One would guess: a library that sets `__module__ = "package"` in the body of a class, so that its repr and its pickles
# name the public package, loses at most the source: inspect raises OSError, as Python 3.12 does.
# What happens: since Python 3.13 a class has `__firstlineno__`. inspect opens the file of the module that the class names,
# and returns lines from there, beginning at the number of the line in the other file. No error, no warning: whichever lines
# stand there. The docs say that assigning `__module__` removes `__firstlineno__`; an assignment in the body does not, and
# neither does what attrs copies into a class with slots.
# An assignment after the class is made removes the number, and inspect is honest again, but only for plain classes. Where
# the metaclass is written in Python (an ABC, an Enum), the metaclass has a `__module__` of its own, which hides the setter of
# `type`: the number stays, and so do the wrong lines.
# Who meets it: readers of `Class??` in IPython, documentation tools and debuggers, with every library that moves its public
# names this way; attrs classes, NamedTuples, ABCs and plain ones alike. Assign `__module__` after the class is made, and delete
# `__firstlineno__` if it is still there: then it is an honest OSError again.
# Source: https://docs.python.org/3.13/reference/datamodel.html#type.__firstlineno__ and Lib/inspect.py, `_ClassFinder` (3.12)
# and `findsource` (3.13). Seen with CPython 3.12.1, 3.13.0 and attrs 26.1.0.
set -euo pipefail

python=${PYTHON:-python3.13}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check attrs==26.1.0

mkdir "$folder/package"
cat > "$folder/package/__init__.py" <<'PYTHON'
"""The public names."""

from package._shapes import (
    Abstract,
    Late,
    Plain,
    Slotted,
)

COLOURS = ["red", "green"]
SIZES = [1, 2, 3]


def area(side: int) -> int:
    return side * side


def border(side: int) -> int:
    return 4 * side


def diagonal(side: int) -> float:
    return side * 2**0.5
PYTHON
cat > "$folder/package/_shapes.py" <<'PYTHON'
from abc import ABC

import attrs


class Plain:
    __module__ = "package"
    side: int


@attrs.frozen
class Slotted:
    __module__ = "package"
    side: int


class Late:
    side: int


class Abstract(ABC):
    side: int


Late.__module__ = Abstract.__module__ = "package"
PYTHON
cat > "$folder/look.py" <<'PYTHON'
import inspect
import sys

import attrs
import package

print("Python", sys.version.split()[0], "attrs", attrs.__version__)
seen = {}
for name in ("Plain", "Slotted", "Late", "Abstract"):
    cls = getattr(package, name)
    try:
        seen[name] = inspect.getsource(cls).splitlines()[0]
    except OSError as error:
        seen[name] = f"OSError: {error}"
    print(f"{name:8} {cls!r:28} {seen[name]}")

if sys.version_info < (3, 13):
    sys.exit("needs Python 3.13 or newer: set PYTHON")
assert not any(line.startswith(("class ", "@")) for line in seen.values()), "inspect finds the class now"
assert not seen["Plain"].startswith("OSError"), "a class in whose body __module__ stands is an honest error now"
assert not seen["Slotted"].startswith("OSError"), "a slotted class is an honest error now"
assert seen["Late"].startswith("OSError"), "an assignment afterwards is no honest error any more"
assert "__firstlineno__" not in vars(package.Late), "an assignment does not remove the number any more"
assert "__firstlineno__" in vars(package.Abstract), "an assignment removes the number of an ABC now"
assert not seen["Abstract"].startswith("OSError"), "an ABC is an honest error now"
print("as described: the wrong lines three times, and an honest error once")
PYTHON
cd "$folder" && "$folder/venv/bin/python" look.py

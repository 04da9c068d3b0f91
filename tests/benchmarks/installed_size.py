"""The size of an installed distribution, alone and with all that it needs."""

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def alone_mb(name: str) -> float:
    """Return the size of a distribution's own files, without bytecode, which not every installer writes."""
    files = (file for file in distribution(name).files or () if file.suffix != ".pyc")
    return sum(path.stat().st_size for file in files if (path := Path(file.locate())).is_file()) / 1e6


def together_mb(requirement: str) -> float:
    """Return the size of a distribution with its extras and all that they need here."""
    return sum(map(alone_mb, needed(requirement)))


def needed(requirement: str) -> set[str]:
    """Return the names of a requirement and of all that it needs on this Python."""
    names: set[str] = set()
    waiting = [Requirement(requirement)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        current = waiting.pop()
        key = _normal(current.name), frozenset(current.extras)
        if key not in seen:
            seen.add(key)
            names.add(key[0])
            waiting += _needs(distribution(current.name), current.extras)
    return names


def _needs(installed: Distribution, extras: set[str]) -> list[Requirement]:
    needs = [Requirement(text) for text in installed.requires or ()]
    return [need for need in needs if _applies(need, extras)]


def _applies(need: Requirement, extras: set[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

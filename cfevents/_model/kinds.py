"""The kinds that a listing is limited to: names, patterns such as ``Rekey*``, and ``!`` before those that are left out.

They stay text, so that a checkpoint has them as they were written. A pattern also selects kinds that are not documented
yet; and what is not left out by name or pattern is never lost.
"""

import logging
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from functools import cache, lru_cache

from cfevents._time import written
from cfevents.events import KINDS, KindFilter

_LEFT_OUT = "!"
_MAX_CACHED_KINDS = 1024  # the API may send any number of unknown ones
_MIN_LIKENESS = 0.8
_MIN_PART_CHARACTERS = 3
_KINDS_BY_LOWER = {name.lower(): name for name in KINDS}

_log = logging.getLogger("cfevents")


def kind_names(kind: KindFilter | None, argument: str = "kind") -> tuple[str, ...]:
    """Return the API's names of kinds in any case, and patterns, each once; none for None.

    Raises:
        TypeError: A kind is neither text nor one of the documented classes.
        ValueError: A name is empty, or the collection is; or a pattern matches no documented kind.
    """
    if kind is None:
        return ()
    if isinstance(kind, str | bytes | type) or not isinstance(kind, Collection):
        kind = [kind]
    kinds = list(kind)
    if not kinds:
        raise ValueError(f"{argument} is an empty collection, so no event would match: leave it out for all kinds")
    return tuple(dict.fromkeys(_kind_name(item, argument) for item in kinds))


def _kind_name(kind: object, argument: str) -> str:
    for cls in KINDS.values():
        if kind is cls:
            return cls.kind
    if not isinstance(kind, str):
        raise TypeError(f"{argument}={kind!r} is no kind: write a name such as 'Init', or a class such as events.Init")
    mark, name = (_LEFT_OUT, kind[1:]) if kind.startswith(_LEFT_OUT) else ("", kind)
    if not name.strip():
        raise ValueError(f"{argument} is empty: leave it out for all kinds")
    if is_pattern(name) and not any(map(_test_of(name), KINDS)):
        raise ValueError(f"{written(argument, kind)} matches no documented kind: write another, such as 'Rekey*'")
    return mark + _KINDS_BY_LOWER.get(name.lower(), name)


@cache
def warn_unknown_kind(name: str) -> None:
    """Log once that a kind is not in the catalogue, and the nearest ones that are. It may be new, or mistyped."""
    use = "left out" if name.startswith(_LEFT_OUT) else "asked for"
    name = name.removeprefix(_LEFT_OUT)
    if name in KINDS or is_pattern(name):
        return
    from difflib import get_close_matches  # noqa: PLC0415 - rarely needed, and importing has to be quick

    nearest = get_close_matches(name.lower(), _KINDS_BY_LOWER, n=2, cutoff=_MIN_LIKENESS)
    names = (
        " or ".join(map(_KINDS_BY_LOWER.__getitem__, nearest))
        or _pattern_for(name)
        or _pattern_for(name.removesuffix("s"))
    )
    names = names or _KINDS_BY_LOWER[get_close_matches(name.lower(), _KINDS_BY_LOWER, n=1, cutoff=0)[0]]
    _log.warning("%s is not a documented kind; did you mean %s? It is %s as written", name, names, use)


def _pattern_for(part: str) -> str:
    """Return the pattern of the documented kinds that begin or end with a part, or have it; the name of a single one.

    It is empty where there is none, or the part is too short to mean anything.
    """
    lower = part.lower()
    having = [name for name in _KINDS_BY_LOWER if lower in name] if len(part) >= _MIN_PART_CHARACTERS else []
    if len(having) <= 1:
        return _KINDS_BY_LOWER[having[0]] if having else ""
    before = "" if all(name.startswith(lower) for name in having) else "*"
    after = "" if all(name.endswith(lower) for name in having) else "*"
    return f"'{before}{part}{after}'"


def is_pattern(name: str) -> bool:
    """Return whether a kind is a pattern, of which ``*`` and ``?`` have a meaning."""
    return "*" in name or "?" in name


def split_kinds(names: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the kinds that are wanted, and those that are left out."""
    wanted = [name for name in names if not name.startswith(_LEFT_OUT)]
    return wanted, [name.removeprefix(_LEFT_OUT) for name in names if name.startswith(_LEFT_OUT)]


def without_kinds(wanted: Collection[str], left_out: Collection[str]) -> tuple[str, ...]:
    """Return the kinds of a listing that wants some, or all if none are given, but for others.

    Raises:
        ValueError: No documented kind is left, and none that is wanted by name.
    """
    kinds = (*wanted, *(_LEFT_OUT + name for name in left_out))
    names = [name for name in wanted if not is_pattern(name)]
    if not any(map(is_wanted := kind_test(kinds), {*KINDS, *names})):
        raise ValueError("no kind is left to list: leave out fewer")
    # Names alone need no exceptions, and a single one is filtered by the API.
    return tuple(filter(is_wanted, names)) if len(names) == len(wanted) > 0 else kinds


def sent_kind(names: tuple[str, ...]) -> str | None:
    """Return the kind by which the API can filter, or None: it knows neither several nor patterns."""
    is_name = len(names) == 1 and not is_pattern(names[0]) and not names[0].startswith(_LEFT_OUT)
    return names[0] if is_name else None


@lru_cache
def kind_test(names: tuple[str, ...]) -> Callable[[str], bool]:
    """Return the test of whether an event's kind is wanted."""
    wanted, left_out = split_kinds(names)
    if not left_out and not any(map(is_pattern, wanted)):
        return frozenset(wanted).__contains__ if wanted else lambda _: True
    wanted_tests, other_tests = [*map(_test_of, wanted)], [*map(_test_of, left_out)]

    def test(kind: str) -> bool:
        is_wanted = not wanted_tests or any(matches(kind) for matches in wanted_tests)
        return is_wanted and not any(matches(kind) for matches in other_tests)

    return lru_cache(_MAX_CACHED_KINDS)(test)


def _test_of(name: str) -> Callable[[str], bool]:
    pattern = glob_of(name)
    return (lambda kind: fnmatchcase(kind.lower(), pattern)) if is_pattern(name) else name.__eq__


def glob_of(name: str) -> str:
    """Return the pattern that matches kinds in lower case, for Python and for SQLite."""
    return name.lower().replace("[", "[[]")

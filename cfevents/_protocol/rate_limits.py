"""The rate-limit headers of an answer, as far as they can be read."""

import logging
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

# Not compiled here: importing has to be quick, and re remembers what it compiled.
_ITEM = r'\s*"(?P<name>[^"]*)"\s*(?P<parameters>(?:;\s*[a-z]+\s*=\s*[0-9]{1,9}\s*)+)'
_PARAMETER = r"([a-z]+)\s*=\s*([0-9]+)"

# A policy of more than a day is none that a client could keep to.
_LONGEST_PERIOD = 86_400

_log = logging.getLogger("cfevents")


class Policy(NamedTuple):
    """One item of ``Ratelimit-Policy``: so many requests in a window of so many seconds."""

    requests: int
    period: int


class Remainder(NamedTuple):
    """One item of ``Ratelimit``: so many requests left, and the seconds until the window begins anew."""

    requests: int
    resets_in: int


class RateLimits(NamedTuple):
    """What an answer tells of the limits, by the names of the policies; malformed items are left out."""

    policies: Mapping[str, Policy]
    remainders: Mapping[str, Remainder]

    @property
    def resets_in(self) -> int | None:
        """The seconds until every window in which nothing is left begins anew; None where none is named."""
        return max((each.resets_in for each in self.remainders.values() if each.requests == 0), default=None)

    @classmethod
    def of(cls, policy: str | None, ratelimit: str | None) -> "RateLimits":
        """Read ``Ratelimit-Policy: "burst";q=100;w=60`` and ``Ratelimit: "default";r=50;t=30``, items in any order."""
        return cls(_policies(policy), _remainders(ratelimit))


NO_LIMITS = RateLimits({}, {})


def parse_retry_after(text: str | None) -> int | None:
    """Read ``Retry-After``: whole seconds, as the API sends them; anything else tells nothing."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


@lru_cache(maxsize=64)  # it is the same on every answer
def _policies(text: str | None) -> Mapping[str, Policy]:
    items = _items("Ratelimit-Policy", text, "q", "w")
    return {name: Policy(*pair) for name, pair in items.items() if all(pair) and pair[1] <= _LONGEST_PERIOD}


@lru_cache(maxsize=64)
def _remainders(text: str | None) -> Mapping[str, Remainder]:
    items = _items("Ratelimit", text, "r", "t")
    # The smallest last: several may stand for one window that we know without a name.
    return {name: Remainder(*pair) for name, pair in sorted(items.items(), key=lambda item: -item[1][0])}


def _items(header: str, text: str | None, first: str, second: str) -> Mapping[str, tuple[int, int]]:
    found = {}
    for item in (text or "").split(",") if text else ():
        match = re.fullmatch(_ITEM, item, re.ASCII)
        parameters = dict(re.findall(_PARAMETER, match["parameters"])) if match else {}
        if match and first in parameters and second in parameters:
            found[match["name"]] = int(parameters[first]), int(parameters[second])
        else:
            _tell_of_malformed(header)
    return found


@cache
def _tell_of_malformed(header: str) -> None:
    _log.warning("an item of the header %s cannot be read, and is ignored", header)

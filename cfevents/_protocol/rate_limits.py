"""The rate-limit headers of a response, as far as they can be parsed."""

import logging
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

# Not compiled here: importing has to be quick, and re caches what it compiled.
_ITEM = r'\s*"(?P<name>[^"]*)"\s*(?P<parameters>(?:;\s*[a-z]+\s*=\s*[0-9]{1,9}\s*)+)'
_PARAMETER = r"([a-z]+)\s*=\s*([0-9]+)"

_log = logging.getLogger("cfevents")


class Policy(NamedTuple):
    """One item of ``Ratelimit-Policy``."""

    requests: int
    period: int  # in seconds


class Remainder(NamedTuple):
    """One item of ``Ratelimit``."""

    requests: int
    resets_in: int  # seconds until the window resets


class RateLimits(NamedTuple):
    """The limits in the headers, by the names of the policies. Malformed items are left out."""

    policies: Mapping[str, Policy]
    remainders: Mapping[str, Remainder]

    @property
    def resets_in(self) -> int | None:
        """Seconds until every exhausted window has reset; None if no window is exhausted."""
        return max((left.resets_in for left in self.remainders.values() if left.requests == 0), default=None)

    @classmethod
    def of(cls, policy: str | None, ratelimit: str | None) -> "RateLimits":
        """Parse ``Ratelimit-Policy: "burst";q=100;w=60`` and ``Ratelimit: "default";r=50;t=30``, items in any order."""
        return cls(_policies(policy), _remainders(ratelimit))


NO_LIMITS = RateLimits({}, {})


def parse_retry_after(text: str | None) -> int | None:
    """Parse ``Retry-After`` in whole seconds, as the API sends it; None for anything else."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


@lru_cache(maxsize=64)  # it is the same on every answer
def _policies(text: str | None) -> Mapping[str, Policy]:
    items = _items("Ratelimit-Policy", text, "q", "w")
    # A client cannot keep to a period of more than a day.
    return {name: Policy(*pair) for name, pair in items.items() if all(pair) and pair[1] <= 86_400}


@lru_cache(maxsize=64)
def _remainders(text: str | None) -> Mapping[str, Remainder]:
    items = _items("Ratelimit", text, "r", "t")
    # The smallest last: several names may mean the one window that we know without a name.
    return {name: Remainder(*pair) for name, pair in sorted(items.items(), key=lambda item: -item[1][0])}


def _items(header: str, text: str | None, first: str, second: str) -> Mapping[str, tuple[int, int]]:
    items = {}
    for item in text.split(",") if text else ():
        match = re.fullmatch(_ITEM, item, re.ASCII)
        parameters = dict(re.findall(_PARAMETER, match["parameters"])) if match else {}
        if match and parameters.keys() >= {first, second}:
            items[match["name"]] = int(parameters[first]), int(parameters[second])
        else:
            _warn_malformed(header)
    return items


@cache
def _warn_malformed(header: str) -> None:
    _log.warning("an item of the header %s cannot be read, and is ignored", header)

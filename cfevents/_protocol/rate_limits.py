"""The rate-limit headers of a response: lists of structured fields (RFC 9651), as far as they can be parsed.

A parser of RFC 9651 refuses a whole header for one bad item, so this is one of our own, for the few parameters we need.
"""

import logging
import math
import re
from collections.abc import Mapping, Set
from functools import cache, lru_cache
from typing import NamedTuple

from cfevents._time import parse_http_date

# Not compiled here: importing has to be quick, and re caches what it compiled. Possessive, so nothing is tried twice.
_STRING = r'"(?:[^"\\]|\\.)*+"'
_ITEM_NAME = rf"{_STRING}|[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*+"
_PARAMETER_KEY = r"[a-z*][a-z0-9_.*-]*+"
_VALUE = rf"%?{_STRING}|:[A-Za-z0-9+/=]*+:|[?@-]?[A-Za-z0-9:/!#$%&'*+.^_`|~-]++"
_ITEM = rf"\s*+({_ITEM_NAME})((?:\s*+;\s*+{_PARAMETER_KEY}(?:\s*+=\s*+(?:{_VALUE}))?+)*+)\s*+(?:,|\Z)"
_ONE_REMAINDER = r'"([^"\\]{0,100}+)";r=([0-9]{1,15});t=([0-9]{1,15})'
_PARAMETER = rf";\s*+({_PARAMETER_KEY})(?:\s*+=\s*+({_VALUE}))?+"

# A client cannot keep to a longer period.
_MAX_PERIOD_S = 86_400
_MAX_LENGTH = 16_384
_MAX_ITEMS = 16
_MAX_PIECES = 64  # items, and pieces of malformed ones

_log = logging.getLogger("cfevents")


class Policy(NamedTuple):
    """One item of ``Ratelimit-Policy``."""

    requests: int
    period: int  # in seconds


class Remainder(NamedTuple):
    """One item of ``Ratelimit``."""

    requests: int
    resets_in: int | None  # seconds until the window resets; None where the API does not say


class RateLimits(NamedTuple):
    """The limits in the headers, by the names of the policies. Malformed items are left out."""

    policies: Mapping[str, Policy]
    remainders: Mapping[str, Remainder]

    @property
    def resets_in(self) -> int | None:
        """Seconds until every exhausted window has reset; None if no window is exhausted."""
        return max((left.resets_in or 0 for left in self.remainders.values() if left.requests == 0), default=None)

    @classmethod
    def of(cls, policy: str | None, ratelimit: str | None) -> "RateLimits":
        """Parse ``Ratelimit-Policy: "burst";q=100;w=60`` and ``Ratelimit: "default";r=50;t=30``, items in any order.

        Several lines of a header are joined by commas. Other parameters are ignored, except that a policy whose unit,
        ``qu``, is not requests is left out together with its remainder. Of several windows with one name the longest
        has it, and the others have their length beside it. Of several remainders the smallest counts.
        """
        policy, ratelimit = policy or "", ratelimit or ""
        if len(policy) + len(ratelimit) > _MAX_LENGTH:
            policy, ratelimit = _shortened(policy), _shortened(ratelimit)
        policies, other_units = _parse_policies(policy)
        if match := re.fullmatch(_ONE_REMAINDER, ratelimit, re.ASCII):  # nearly all are one item of this form
            left = {} if match[1] in other_units else {match[1]: Remainder(int(match[2]), int(match[3]))}
            return cls(policies, left)
        remainders: dict[str, Remainder] = {}
        items = _parse("Ratelimit", ratelimit, "r", "t")
        for (name, seconds), item in sorted(items.items(), key=lambda pair: (pair[1].number, -(pair[0][1] or 0))):
            if name not in other_units:
                remainders.setdefault(name, Remainder(item.number, seconds))
        return cls(policies, remainders)


class _Item(NamedTuple):
    number: int
    counts_requests: bool


NO_LIMITS = RateLimits({}, {})


def parse_retry_after(text: str | None, date: str | None = None) -> int | None:
    """Parse ``Retry-After`` in whole seconds, as the API sends it, or as the date that a proxy sends; else None.

    Args:
        text: The header.
        date: The response's ``Date``, from which seconds are counted: this machine's clock may be wrong.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text) if len(text) < 10 else None
    until, present = parse_http_date(text), parse_http_date(date)
    return None if until is None or present is None else max(0, math.ceil(until - present))


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH].rpartition(",")[0]


@lru_cache(maxsize=8)  # they are the same on every answer
def _parse_policies(text: str) -> tuple[Mapping[str, Policy], Set[str]]:
    """Return the policies by name, and the names of those that do not count requests."""
    items = _parse("Ratelimit-Policy", text, "q", "w")
    policies: dict[str, Policy] = {}
    for (name, seconds), item in sorted(items.items(), key=lambda pair: -(pair[0][1] or 0)):
        if item.counts_requests and item.number and seconds and seconds <= _MAX_PERIOD_S:
            policies[f"{name};w={seconds}" if name in policies else name] = Policy(item.number, seconds)
    return policies, {name for (name, _), item in items.items() if not item.counts_requests} - policies.keys()


@lru_cache(maxsize=8)
def _parse(header: str, text: str, number_key: str, seconds_key: str) -> Mapping[tuple[str, int | None], _Item]:
    """Return the items by name and seconds; of those that are the same the one with the smaller number."""
    items: dict[tuple[str, int | None], _Item] = {}
    rest, pattern = text, re.compile(_ITEM, re.ASCII)
    for _ in range(_MAX_PIECES):
        if not rest.strip() or len(items) == _MAX_ITEMS:
            break
        match = pattern.match(rest)
        parameters = dict(re.findall(_PARAMETER, match[2], re.ASCII)) if match else {}
        if match and (number := _parse_integer(parameters.get(number_key))) is not None:
            unit = parameters.get("qu", "").strip('"')
            item = _Item(number, unit in {"", "request", "requests"})
            name = re.sub(r"\\(.)", r"\1", match[1][1:-1]) if match[1].startswith('"') else match[1]
            key = name, _parse_integer(parameters.get(seconds_key))
            items[key] = min(item, items.get(key, item))
        else:
            _warn_malformed(header)
        # The next item after a malformed one begins after its first comma, at the latest.
        rest = rest[match.end() :] if match else rest.partition(",")[2]
    return items


def _parse_integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and len(text) <= 15 else None


@cache
def _warn_malformed(header: str) -> None:
    _log.warning("an item of the header %s cannot be read, and is ignored", header)

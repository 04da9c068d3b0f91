"""What a listing is asked for: the query's text, understood or refused."""

import math
import re
from collections.abc import Mapping

from attrs import frozen

from cfevents.testing.envelope import malformed
from cfevents.testing.store import Number

__all__ = ["ListQuery", "parse_event_id"]

_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_EVENT_ID = re.compile(r"(-?[0-9]{1,40})\.(-?[0-9]{1,40})")


@frozen
class ListQuery:
    """A listing's query.

    Attributes:
        start: `from`, seconds since the Unix epoch.
        end: `to`, seconds since the Unix epoch.
        kind: `k`; None asks for every kind.
        limit: The most items wanted on a page; None leaves it to the server.
        cursor: Where to go on; None begins.
    """

    start: Number
    end: Number
    kind: str | None = None
    limit: int | None = None
    cursor: str | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "ListQuery":
        """Understand a decoded query; what it has beside the documented parameters is ignored.

        Raises:
            Refusal: A parameter is missing or malformed; the message names it.
        """
        start, end = _number(query, "from"), _number(query, "to")
        if start > end:
            raise malformed("from: must not be later than to")
        return cls(start, end, query.get("k"), _limit(query), query.get("cursor"))


def parse_event_id(text: str) -> tuple[int, int]:
    """Understand an event's id, `t.n`, both whole numbers.

    Raises:
        Refusal: The text is not of this form.
    """
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise malformed("event: the id must be t.n, two whole numbers")
    return int(match[1]), int(match[2])


def _number(query: Mapping[str, str], name: str) -> Number:
    text = query.get(name)
    if text is None:
        raise malformed(f"{name}: this parameter is required")
    match = _NUMBER.fullmatch(text)
    if match is None or math.isinf(float(text)):
        raise malformed(f"{name}: must be a number")
    return float(text) if match[1] or match[2] else int(text)


def _limit(query: Mapping[str, str]) -> int | None:
    if "limit" not in query:
        return None
    limit = _number(query, "limit")
    if limit < 1 or limit != int(limit):
        raise malformed("limit: must be a positive whole number")
    return int(limit)

"""The simulator's settings: one for every choice that the API's documentation leaves open."""

import math
from typing import Any, Literal, TypeAlias, get_args

from attrs import Attribute, define, field
from attrs.validators import in_, optional

Order: TypeAlias = Literal["ascending", "descending", "shuffled", "grouped"]
Bounds: TypeAlias = Literal["inclusive", "exclusive"]
Compare: TypeAlias = Literal["t", "a"]
Ending: TypeAlias = Literal["absent", "null", "empty"]
Counting: TypeAlias = Literal["fixed", "sliding"]


def _whole_number_from(least: int) -> Any:
    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{attribute.name} must be a whole number, {least} or more, not {value!r}")

    return check


def _positive_seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be a number of seconds, more than 0, not {value!r}")


@define(kw_only=True, eq=False, slots=False)
class SimulatorSettings:
    """The account that is served, and how; any setting may be changed between two requests.

    Attributes:
        account_id: The one account that exists.
        api_token: The token that is accepted.
        api_email: The e-mail address that is accepted together with `api_key`.
        api_key: The key that is accepted together with `api_email`.
        max_page_size: The most items of a page, and the number of items where no `limit` is sent.
        order: The order of a listing: by time recorded, the other way round, random by `seed`, or by kind first.
        bounds: Whether an event exactly on `from` or `to` is listed.
        compare: The time that `from` and `to` are compared with: `"t"`, recorded, or `"a"`, collected.
        ending: The spelling of the last page's missing cursor: not at all, `null` or `""`.
        empty_pages: The number of empty pages, each with a cursor, before every page.
        seed: The seed of `"shuffled"` and of a history made here.
        quota: The number of requests that are answered within `period`; one more blocks everything (429). None refuses
            nothing, and sends the documented 1,200 in 300 seconds in the headers.
        period: The time that `quota` is for, in seconds.
        counting: Whether a request counts until the end of a window that began with the first request after the
            previous window, `"fixed"`, or for a period of its own, `"sliding"`.
        block: The length of a block, in seconds, once the quota is exceeded; then the count starts again.

    Raises:
        ValueError: A value is not allowed; the message names those that are.
    """

    account_id: str = "0123456789abcdef0123456789abcdef"
    api_token: str = field(default="simulated-token-0123456789abcdef", repr=False)
    api_email: str = field(default="nobody@example.com", repr=False)
    api_key: str = field(default="simulated-key-0123456789abcdef", repr=False)
    max_page_size: int = field(default=100, validator=_whole_number_from(1))
    order: Order = field(default="ascending", validator=in_(get_args(Order)))
    bounds: Bounds = field(default="inclusive", validator=in_(get_args(Bounds)))
    compare: Compare = field(default="t", validator=in_(get_args(Compare)))
    ending: Ending = field(default="absent", validator=in_(get_args(Ending)))
    empty_pages: int = field(default=0, validator=_whole_number_from(0))
    seed: int = 0
    quota: int | None = field(default=None, validator=optional(_whole_number_from(1)))
    period: float = field(default=300.0, validator=_positive_seconds)
    counting: Counting = field(default="fixed", validator=in_(get_args(Counting)))
    block: float = field(default=300.0, validator=_positive_seconds)

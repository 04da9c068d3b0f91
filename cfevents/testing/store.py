"""The simulator's settings and events, and the selections that a listing has."""

import hashlib
import heapq
import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, Literal, TypeAlias, get_args

from attrs import Attribute, define, field, frozen
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


Number: TypeAlias = int | float
SortKey: TypeAlias = tuple[str | Number, ...]

_NUMBER_LIMIT = 10**300  # fits a float, so all times compare


@frozen
class StoredEvent:
    """One event, in the two forms in which it is served. Times are in seconds since the Unix epoch."""

    t: Number  # when it was recorded
    n: Number  # its sequence number among the events of that time
    a: Number  # when it was collected
    kind: str
    item: dict[str, Any]  # its JSON in a listing
    recorded: dict[str, Any]  # its JSON when it is fetched alone

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> "StoredEvent":
        """Parse an event in the form of `Simulator.events`. Raises ValueError if it is incomplete or no JSON."""
        if not isinstance(raw, Mapping):
            raise ValueError(f"an event is an object, not {raw!r}")
        payload = raw.get("e")
        if not isinstance(payload, Mapping) or not isinstance(payload.get("k"), str):
            raise ValueError(f"an event needs an object 'e' with a text 'k': {raw!r}")
        t, n = _number_field(raw, "t"), _number_field(raw, "n")
        a = _number_field(raw, "a") if "a" in raw else t
        extra = {name: value for name, value in raw.items() if name not in {"a", "e", "k", "n", "t", "v"}}
        version = {"v": raw["v"]} if "v" in raw else {}
        item = {"a": a, "k": payload["k"], "n": n, "t": t, **extra}
        recorded = {"e": dict(payload), "n": n, "t": t, **version, **extra}
        try:
            json.dumps(recorded, allow_nan=False)
        except (RecursionError, TypeError, ValueError) as error:
            raise ValueError(f"an event must be JSON: {error}") from error
        return cls(t=t, n=n, a=a, kind=payload["k"], item=item, recorded=recorded)


def _number_field(raw: Mapping[str, Any], name: str) -> Number:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NUMBER_LIMIT:
        raise ValueError(f"an event needs a number {name!r}: {raw!r}")
    return value


def _format_event_id(t: Number, n: Number) -> str:
    # As the API spells it, also where the numbers are floats.
    return ".".join(str(int(number) if number == int(number) else number) for number in (t, n))


class Store:
    """Events by connector, in the order in which they were added; safe to use from several threads.

    `revision` is a number that grows whenever events are added.
    """

    def __init__(self) -> None:
        self._events: dict[str, dict[tuple[Number, Number], StoredEvent]] = {}
        self._lock = threading.Lock()
        self.revision = 0

    def add(self, connector_id: str, raw_events: Iterable[Mapping[str, Any]]) -> None:
        """Add events to a connector; see `Simulator.add`."""
        added: dict[tuple[Number, Number], StoredEvent] = {}
        with self._lock:
            present = self._events.get(connector_id, {})
            for event in map(StoredEvent.from_raw, raw_events):
                key = (event.t, event.n)
                if key in present or key in added:
                    raise ValueError(f"{connector_id} already has an event {_format_event_id(*key)}")
                added[key] = event
            self._events.setdefault(connector_id, {}).update(added)
            self.revision += 1

    def connector_ids(self) -> list[str]:
        """Return the connectors in the order in which they were added."""
        with self._lock:
            return list(self._events)

    def events(self, connector_id: str) -> list[StoredEvent]:
        """Return a connector's events; none if it is unknown."""
        with self._lock:
            return list(self._events.get(connector_id, {}).values())

    def get(self, connector_id: str, t: Number, n: Number) -> StoredEvent | None:
        """Return one event, or None."""
        return self._events.get(connector_id, {}).get((t, n))

    def newest(self, connector_id: str, count: int) -> list[StoredEvent]:
        """Return the events recorded last, newest first."""
        return heapq.nlargest(count, self.events(connector_id), key=lambda event: (event.t, event.n))


@frozen
class Selection:
    """Everything that decides which events a listing has, and in which order; see `SimulatorSettings`."""

    connector_id: str
    start: Number
    end: Number
    kind: str | None
    order: Order
    bounds: Bounds
    compare: Compare
    seed: int

    def sort(self, events: Iterable[StoredEvent]) -> list[tuple[SortKey, StoredEvent]]:
        """Return the events of the listing in order, with their sort keys; no two keys are equal."""
        keys: dict[Order, Callable[[StoredEvent], SortKey]] = {
            "ascending": lambda event: (event.t, event.n),
            "descending": lambda event: (-event.t, -event.n),
            "grouped": lambda event: (event.kind, event.t, event.n),
            "shuffled": lambda event: (self._shuffle_key(event), event.t, event.n),
        }
        key = keys[self.order]
        return sorted(((key(event), event) for event in events if self._matches(event)), key=itemgetter(0))

    def _matches(self, event: StoredEvent) -> bool:
        time = event.t if self.compare == "t" else event.a
        on_bound = time in (self.start, self.end) and self.bounds == "exclusive"
        return self.start <= time <= self.end and not on_bound and self.kind in (None, event.kind)

    def _shuffle_key(self, event: StoredEvent) -> str:
        text = f"{self.seed}/{_format_event_id(event.t, event.n)}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

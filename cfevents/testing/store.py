"""The events that the simulator holds."""

import heapq
import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from attrs import frozen

__all__ = ["Number", "Store", "StoredEvent", "format_event_id"]

Number: TypeAlias = int | float

_DOCUMENTED_FIELDS = frozenset("aekntv")
# What fits a float, so that all times compare.
_NUMBER_LIMIT = 10**300


@frozen
class StoredEvent:
    """One event, in the two forms in which it is served.

    Attributes:
        t: When it was recorded, seconds since the Unix epoch.
        n: Its sequence number among the events of that time.
        a: When it was collected, seconds since the Unix epoch.
        kind: Its kind, `k`.
        item: What a listing says of it.
        recorded: What fetching it says.
    """

    t: Number
    n: Number
    a: Number
    kind: str
    item: dict[str, Any]
    recorded: dict[str, Any]

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> "StoredEvent":
        """Take in an event as a test writes it: `{"e": {"k": …}, "t": …, "n": …, "a"?: …, "v"?: …}`.

        Raises:
            ValueError: Something is missing, or not JSON; the message says what.
        """
        if not isinstance(raw, Mapping):
            raise ValueError(f"an event is an object, not {raw!r}")
        payload = raw.get("e")
        if not isinstance(payload, Mapping) or not isinstance(payload.get("k"), str):
            raise ValueError(f"an event needs an object 'e' with a text 'k': {raw!r}")
        t, n = _number_field(raw, "t"), _number_field(raw, "n")
        a = _number_field(raw, "a") if "a" in raw else t
        extra = {name: value for name, value in raw.items() if name not in _DOCUMENTED_FIELDS}
        version = {"v": raw["v"]} if "v" in raw else {}
        item = {"a": a, "k": payload["k"], "n": n, "t": t, **extra}
        recorded = {"e": dict(payload), "n": n, "t": t, **version, **extra}
        _check_json(recorded)
        return cls(t=t, n=n, a=a, kind=payload["k"], item=item, recorded=recorded)


def format_event_id(t: Number, n: Number) -> str:
    """Spell an event's id as the API does: `"1700000000.3"`, also where the numbers are floats."""
    return ".".join(str(int(number) if number == int(number) else number) for number in (t, n))


def _number_field(raw: Mapping[str, Any], name: str) -> Number:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NUMBER_LIMIT:
        raise ValueError(f"an event needs a number {name!r}: {raw!r}")
    return value


def _check_json(value: object) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"an event must be JSON: {error}") from error


class Store:
    """Events by connector, in the order in which they were added; safe to use from several threads."""

    def __init__(self) -> None:
        """Begin without connectors."""
        self._events: dict[str, dict[tuple[Number, Number], StoredEvent]] = {}
        self._lock = threading.Lock()
        self.revision = 0

    def add(self, connector_id: str, raw_events: Iterable[Mapping[str, Any]]) -> None:
        """Add events to a connector, which begins to exist with this: all of them or none.

        Raises:
            ValueError: An event is incomplete, or its `(t, n)` is already there.
        """
        fresh: dict[tuple[Number, Number], StoredEvent] = {}
        with self._lock:
            present = self._events.get(connector_id, {})
            for event in map(StoredEvent.from_raw, raw_events):
                key = (event.t, event.n)
                if key in present or key in fresh:
                    raise ValueError(f"{connector_id} already has an event {format_event_id(*key)}")
                fresh[key] = event
            self._events.setdefault(connector_id, {}).update(fresh)
            self.revision += 1

    def connector_ids(self) -> list[str]:
        """List the connectors in the order in which they came."""
        with self._lock:
            return list(self._events)

    def events(self, connector_id: str) -> list[StoredEvent]:
        """List a connector's events; none if it is unknown."""
        with self._lock:
            return list(self._events.get(connector_id, {}).values())

    def get(self, connector_id: str, t: Number, n: Number) -> StoredEvent | None:
        """Find one event."""
        return self._events.get(connector_id, {}).get((t, n))

    def newest(self, connector_id: str, count: int) -> list[StoredEvent]:
        """List the last events recorded, newest first."""
        return heapq.nlargest(count, self.events(connector_id), key=lambda event: (event.t, event.n))

"""Listings: which events, in which order, and a page of them. Pure, no I/O."""

import bisect
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable

from attrs import frozen

from cfevents.testing.cursors import SortKey
from cfevents.testing.settings import Bounds, Compare, Order
from cfevents.testing.store import Number, Store, StoredEvent, spelled_id

__all__ = ["Listing", "Listings", "Selection"]


@frozen
class Selection:
    """Everything that decides which events a listing has, and in which order; see `Settings`."""

    connector_id: str
    start: Number
    end: Number
    kind: str | None = None
    order: Order = "ascending"
    bounds: Bounds = "inclusive"
    compare: Compare = "t"
    seed: int = 0

    def holds(self, event: StoredEvent) -> bool:
        """Tell whether an event belongs to the listing."""
        time = event.t if self.compare == "t" else event.a
        inside = self.start <= time <= self.end
        if self.bounds == "exclusive":
            inside = self.start < time < self.end
        return inside and self.kind in (None, event.kind)

    def sort_key(self) -> Callable[[StoredEvent], SortKey]:
        """Give the key by which the listing is sorted; no two events share one."""
        keys: dict[Order, Callable[[StoredEvent], SortKey]] = {
            "ascending": lambda event: (event.t, event.n),
            "descending": lambda event: (-event.t, -event.n),
            "grouped": lambda event: (event.kind, event.t, event.n),
            "shuffled": lambda event: (_scatter(self.seed, event), event.t, event.n),
        }
        return keys[self.order]


def _scatter(seed: int, event: StoredEvent) -> str:
    text = f"{seed}/{spelled_id(event.t, event.n)}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Listing:
    """A selection's events in order, ready to be cut into pages."""

    def __init__(self, selection: Selection, events: Iterable[StoredEvent]) -> None:
        """Select from a connector's events, and sort."""
        key = selection.sort_key()
        pairs = sorted(((key(event), event) for event in events if selection.holds(event)), key=_first)
        self._keys = [pair[0] for pair in pairs]
        self._events = [pair[1] for pair in pairs]

    def page(self, after: SortKey | None, size: int) -> tuple[list[StoredEvent], SortKey | None]:
        """Cut the page of at most `size` events after a key; None begins.

        Returns:
            The events, and the key after which to go on; None if there are no more.
        """
        start = 0 if after is None else bisect.bisect_right(self._keys, after)
        end = start + size
        return self._events[start:end], self._keys[end - 1] if end < len(self._keys) else None


def _first(pair: tuple[SortKey, StoredEvent]) -> SortKey:
    return pair[0]


class Listings:
    """The listings used last, so that a long one is not sorted anew for every page."""

    def __init__(self, store: Store, keep: int = 16) -> None:
        """Make listings of a store's events, keeping a few."""
        self._store = store
        self._keep = keep
        self._kept: OrderedDict[tuple[Selection, int], Listing] = OrderedDict()

    def get(self, selection: Selection) -> Listing:
        """Give the listing of a selection as the store is now."""
        # Revision first: an event added right after is then missed once, never for good.
        key = (selection, self._store.revision)
        if key not in self._kept:
            self._kept[key] = Listing(selection, self._store.events(selection.connector_id))
        self._kept.move_to_end(key)
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return self._kept[key]

"""How many requests a listing in slices may cost. No I/O."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from cfevents._model.checkpoint import Key

# The part of a page that is kept for each slice: what two of them turn out to list both cannot be foreseen.
_KEPT = 0.4


class Allowance(NamedTuple):
    """What a listing in slices may cost."""

    in_order: float
    """Requests for each that a listing page by page needs at least, where the server lists in order."""

    out_of_order: float
    """The same where it does not."""

    beyond: float
    """Requests beyond those, for each slice that runs at a time."""


HARD = Allowance(1.4, 1.85, 2)
"""No more than 1.5 and 2 times as many and two for each slice are spent, whatever the listing turns out to be."""

EASY = Allowance(3, 3, 30)
"""A listing that has to bring its first events soon may cost more: no slice is longer than a few pages."""


class Account:
    """What was sent, and what it has earned: each event that is seen for the first time earns a part of a page.

    A listing page by page needs a request for every full page of events at least. So the events that were seen, over
    the size of a page, are the part of its cost that is known already.
    """

    page_size = 1
    """The most events that a page had."""

    per_page = 1
    """Requests for each page that has events: some servers send empty pages in between."""

    in_order = True
    """Whether the server was seen to list in order: what it does not, cannot be planned well."""

    sent = 0
    seen = 0
    """Events that were seen."""

    def __init__(self, concurrency: int, allowance: Allowance) -> None:
        """Begin with what the slices that run at a time may cost."""
        self._concurrency, self._allowance = concurrency, allowance
        self._known: set[Key] = set()
        self._owed: set[Key] = set()

    def see(self, keys: AbstractSet[Key]) -> None:
        """Take in a page's events."""
        self.page_size = max(self.page_size, len(keys))
        self._owed -= keys
        self.seen += len(keys - self._known)
        self._known |= keys

    def owe(self, keys: AbstractSet[Key]) -> None:
        """Remember events whose slice was given up: they have earned already, and have to be listed again."""
        self._owed |= keys

    def forget(self, keys: AbstractSet[Key]) -> None:
        """Drop events that will not be listed again."""
        self._known -= keys
        self._owed -= keys

    def affords(self, pages: float, owing: Collection[Key] = ()) -> bool:
        """Whether so many pages may be spent that earn nothing, with these events to be listed again."""
        share = self._allowance.in_order if self.in_order else self._allowance.out_of_order
        earned = (share * self.seen - len(self._owed) - len(owing)) / self.page_size
        beyond = self._concurrency * max(0, self._allowance.beyond - _KEPT * self.per_page)
        return (earned - pages) * self.per_page + beyond >= self.sent

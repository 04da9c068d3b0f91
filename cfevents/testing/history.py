"""A made-up past: what the appliances of an account did, and what went wrong."""

import operator
import time
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from random import Random

from cfevents.testing.appliance import RawEvent, made_up_id
from cfevents.testing.appliance_life import SLOTS_PER_DAY, Life
from cfevents.testing.planting import plant
from cfevents.testing.scenarios import DEFAULT_INCIDENTS, Incident

__all__ = ["DAY_SECONDS", "History", "now"]

DAY_SECONDS = 86_400


def now() -> int:
    """Tell the time, whole seconds since the Unix epoch."""
    return int(time.time())


class History:
    """The events of some appliances, about 300 a day for each, always the same for the same arguments.

    Every appliance begins with a boot; whatever it begins it also ends, unless an incident says otherwise.

    Attributes:
        seed: What the chances depend on.
        days: How long it is, in days.
        since: When it begins, seconds since the Unix epoch.
        until: When it ends; every event was recorded and collected before.
        events: By connector id the events as JSON, ascending by `(t, n)`.
        incidents: Everything that goes wrong in it, oldest first.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        connectors: int | Collection[str] = 3,
        days: int = 7,
        until: int | None = None,
        incidents: Collection[str] = DEFAULT_INCIDENTS,
    ) -> None:
        """Make a history.

        Args:
            seed: What the chances depend on.
            connectors: How many appliances there are, or their ids.
            days: How long it is, in days, 1 or more.
            until: When it ends, whole seconds since the Unix epoch; None is now.
            incidents: The names of what goes wrong, each of which happens once; `()` is a clean history.

        Raises:
            ValueError: There are no connectors or days, an incident is unknown, or there are too many for
                so short a history.
            TypeError: `until` or `days` is not a whole number.
        """
        self.seed = seed
        self.days = operator.index(days)
        self.until = now() if until is None else operator.index(until)
        self.since = self.until - self.days * DAY_SECONDS
        if self.days < 1:
            raise ValueError(f"a history needs one day or more, not {days}")
        ids = _connector_ids(seed, connectors)
        troubles = self._troubles(ids, incidents)
        self._lives = {name: Life(seed, name, self.since, troubles[name]) for name in ids}
        self.events: Mapping[str, list[RawEvent]] = {
            name: [event for _ in range(self.days) for event in life.next_day()] for name, life in self._lives.items()
        }
        found = [incident for life in self._lives.values() for incident in life.incidents]
        self.incidents: tuple[Incident, ...] = tuple(sorted(found, key=_first_ts))

    def news(self) -> Mapping[str, list[RawEvent]]:
        """Give what was collected since it was asked last, by connector id: nothing, it is past."""
        return {}

    def _troubles(self, ids: list[str], incidents: Collection[str], number: int = 0) -> Mapping[str, Mapping[int, str]]:
        """Plant the incidents in the days of this history, or in the as many days that come so many times later."""
        source, slots = f"{self.seed}/incidents" + f"/{number}" * (number > 0), self.days * SLOTS_PER_DAY
        planted = plant(Random(source), ids, slots, _in_order(incidents))
        return {
            name: {slot + number * slots: incident for slot, incident in its.items()} for name, its in planted.items()
        }

    def __repr__(self) -> str:
        """Say what it was made of, not its events."""
        return f"History(seed={self.seed}, connectors={len(self.events)}, days={self.days}, until={self.until})"


def _first_ts(incident: Incident) -> tuple[int, str]:
    return incident.first_ts, incident.connector_id


def _connector_ids(seed: int, connectors: int | Collection[str]) -> list[str]:
    if isinstance(connectors, str):
        raise ValueError(f"connectors must be a number or a collection of ids, not the text {connectors!r}")
    if isinstance(connectors, int):
        random = Random(f"{seed}/connectors")
        ids = [made_up_id(random) for _ in range(connectors)]
    else:
        ids = list(dict.fromkeys(_in_order(connectors)))
    if not ids:
        raise ValueError("a history needs one connector or more")
    return ids


def _in_order(names: Collection[str]) -> list[str]:
    # A set has another order in every process.
    return sorted(names) if isinstance(names, AbstractSet) else list(names)

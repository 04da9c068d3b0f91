"""A made-up past: what the appliances of an account did, and what went wrong."""

import operator
import time
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from random import Random

from cfevents.testing.appliance import RawEvent, random_id
from cfevents.testing.appliance_life import SLOTS_PER_DAY, ApplianceTimeline
from cfevents.testing.scenarios import DEFAULT_INCIDENTS, INCIDENTS, Incident

_MIN_SLOTS_APART = 5  # slots between two incidents, after the first boot and before the end: half an hour


def place_incidents(
    random: Random, connector_ids: Sequence[str], slots: int, names: Collection[str]
) -> dict[str, dict[int, str]]:
    """Choose for each incident a connector and the slot of its life in which it begins.

    Args:
        random: Where the choice comes from.
        connector_ids: The connectors.
        slots: How many slots each life has.
        names: The incidents.

    Raises:
        ValueError: A name is unknown, or the lives are too short for so many.
    """
    for name in names:
        if name not in INCIDENTS:
            raise ValueError(f"there is no incident {name!r}; there are {', '.join(INCIDENTS)}")
    shares: dict[str, list[str]] = {connector_id: [] for connector_id in connector_ids}
    hosts = random.sample(list(connector_ids), len(connector_ids))
    for number, name in enumerate(random.sample(list(names), len(names))):
        shares[hosts[number % len(hosts)]].append(name)
    return {connector_id: _place(random, share, slots) for connector_id, share in shares.items()}


def _place(random: Random, names: Sequence[str], slots: int) -> dict[int, str]:
    needed = [INCIDENTS[name].slots + _MIN_SLOTS_APART for name in names]
    spare = slots - _MIN_SLOTS_APART - sum(needed)
    if spare < 0:
        raise ValueError(f"the history is too short for {len(names)} incidents on one connector")
    shifts = sorted(random.randint(0, spare) for _ in names)
    return {
        _MIN_SLOTS_APART + shift + sum(needed[:number]): name
        for number, (shift, name) in enumerate(zip(shifts, names, strict=True))
    }


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

    __module__ = "cfevents.testing"

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
        troubles = self._plan_incidents(ids, incidents)
        self._timelines = {name: ApplianceTimeline(seed, name, self.since, troubles[name]) for name in ids}
        self.events: Mapping[str, list[RawEvent]] = {
            name: [event for _ in range(self.days) for event in life.next_day()]
            for name, life in self._timelines.items()
        }
        found = [incident for life in self._timelines.values() for incident in life.incidents]
        self.incidents: tuple[Incident, ...] = tuple(sorted(found, key=_first_ts))

    def news(self) -> Mapping[str, list[RawEvent]]:
        """Give what was collected since it was asked last, by connector id: nothing, it is past."""
        return {}

    def _plan_incidents(
        self, ids: list[str], incidents: Collection[str], number: int = 0
    ) -> Mapping[str, Mapping[int, str]]:
        """Plant the incidents in the days of this history, or in the as many days that come so many times later."""
        source, slots = f"{self.seed}/incidents" + f"/{number}" * (number > 0), self.days * SLOTS_PER_DAY
        planted = place_incidents(Random(source), ids, slots, _in_order(incidents))
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
        ids = [random_id(random) for _ in range(connectors)]
    else:
        ids = list(dict.fromkeys(_in_order(connectors)))
    if not ids:
        raise ValueError("a history needs one connector or more")
    return ids


def _in_order(names: Collection[str]) -> list[str]:
    # A set has another order in every process.
    return sorted(names) if isinstance(names, AbstractSet) else list(names)

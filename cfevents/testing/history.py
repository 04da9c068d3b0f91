"""Made-up histories of an account: what its appliances recorded, and what went wrong."""

import heapq
import itertools
import math
import operator
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from random import Random
from typing import Any, TypeAlias

from cfevents._public import set_module
from cfevents._time import format_iso, to_datetime
from cfevents.testing import scenarios
from cfevents.testing.scenarios import (
    DEFAULT_INCIDENTS,
    INCIDENTS,
    OUTAGE,
    SLOTS_PER_DAY,
    Appliance,
    Episode,
    Incident,
    RawEvent,
)

DAY_SECONDS = 86_400

# A day of every appliance takes milliseconds to make, so a day a second can still be made in time.
_MAX_SPEED = 86_400

_SLOT_SECONDS = 360
_PERIOD_SLOTS = 20  # two hours
_MAX_START_DELAY_S = 60  # every episode then ends, and is collected, before its slot ends

# The episodes of a two-hour period beside the rekeys: the slot, and the probability.
_OCCASIONAL: tuple[tuple[Episode, int, float], ...] = (
    (scenarios.attest, 7, 1 / 6),
    (partial(scenarios.rotate, what="CryptKey"), 8, 1 / 3),
    (partial(scenarios.rotate, what="Pki"), 9, 1 / 12),
    (scenarios.upgrade, 16, 1 / 60),
    (partial(Appliance.record, kind="HaTransition"), 18, 1 / 12),
    (partial(Appliance.record, kind="ConfigureCloudflaredTunnel"), 19, 1 / 84),
)

# When an event was recorded, its connector's id, and the event.
_Record: TypeAlias = tuple[int, str, RawEvent]


@set_module("cfevents.testing")
class History:
    """The events of some appliances, about 300 a day for each, always the same for the same arguments.

    Every appliance begins with a boot. Whatever it begins it also ends, unless an incident prevents it.

    Attributes:
        since: When it begins, seconds since the Unix epoch.
        until: When it ends; every event was recorded and collected before.
        events: By connector id the events as JSON, ascending by `(t, n)`.
        incidents: Everything that went wrong, oldest first.
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
            seed: The seed of the random choices.
            connectors: The number of appliances, or their ids.
            days: The length, in days, 1 or more.
            until: When it ends, whole seconds since the Unix epoch; None is now.
            incidents: The names of the incidents, each of which happens once; `()` is a clean history.

        Raises:
            ValueError: There are no connectors or days, an incident is unknown, or the history is too short for all.
            TypeError: `until` or `days` is not a whole number.
        """
        self.seed = seed
        self.days = operator.index(days)
        self.until = int(time.time()) if until is None else operator.index(until)
        self.since = self.until - self.days * DAY_SECONDS
        if self.days < 1:
            raise ValueError(f"a history needs one day or more, not {days}")
        planned = self._place_incidents(_connector_ids(seed, connectors), incidents)
        self._timelines = {name: ApplianceTimeline(seed, name, self.since, slots) for name, slots in planned.items()}
        self.events: Mapping[str, list[RawEvent]] = {
            connector_id: [event for _ in range(self.days) for event in timeline.next_day()]
            for connector_id, timeline in self._timelines.items()
        }
        happened = [incident for timeline in self._timelines.values() for incident in timeline.incidents]
        happened.sort(key=lambda incident: (incident.first_ts, incident.connector_id))
        self.incidents: tuple[Incident, ...] = tuple(happened)

    def news(self) -> Mapping[str, list[RawEvent]]:
        """Return the events that were collected since the last call, by connector id; a past has none."""
        return {}

    def interrupts(self, connector_id: str) -> list[dict[str, Any]]:
        """Return what was ordered of a connector so far, as *List Interrupts* sends it, oldest first."""
        timeline, interrupts = self._timelines.get(connector_id), list[dict[str, Any]]()
        for details in (incident.details for incident in (timeline.incidents if timeline else ())):
            if "submitted_ts" in details and (submitted_at := self._text_if_past(details["submitted_ts"])):
                triggered_at = self._text_if_past(details["triggered_ts"])
                interrupt = {details["operation"]: {"purge": False}, "submitted_at": submitted_at}
                interrupts.append(interrupt | ({"triggered_at": triggered_at} if triggered_at else {}))
        return interrupts

    def _text_if_past(self, ts: int) -> str | None:
        return format_iso(to_datetime(ts))

    def _place_incidents(
        self, connector_ids: Collection[str], names: Collection[str], repeat: int = 0
    ) -> Mapping[str, Mapping[int, str]]:
        """Choose slots for the incidents in this history, or in its `repeat`-th continuation of as many days."""
        random = Random(f"{self.seed}/incidents" + (f"/{repeat}" if repeat else ""))
        slots = self.days * SLOTS_PER_DAY
        return scenarios.place_incidents(random, list(connector_ids), slots, _in_order(names), first=repeat * slots)

    def __repr__(self) -> str:
        return f"History(seed={self.seed}, connectors={len(self.events)}, days={self.days}, until={self.until})"


@set_module("cfevents.testing")
class LiveHistory(History):
    """A history that goes on: what its appliances record from now on is served as soon as it is collected.

    Its past is some UTC days, today among them up to now: the same for all that are made on one day with the same
    arguments. Its future has no end, and comes `speed` times faster: what would be recorded an hour from now is
    recorded, and dated, that much earlier. One simulator can serve it.

    Attributes:
        until: When it was made: its past, which has the `events` and `incidents`, ends and its future begins there.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        connectors: int | Collection[str] = 3,
        days: int = 8,
        incidents: Collection[str] = DEFAULT_INCIDENTS,
        speed: float = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a history that goes on; raises as `History` does.

        Args:
            seed: The seed of the random choices.
            connectors: The number of appliances, or their ids.
            days: The number of UTC days of its past, today among them, 1 or more.
            incidents: The names of the incidents, each of which happens once in every so many days.
            speed: How much faster its future comes, from 1 to 86,400; else a ValueError.
            clock: Returns the time, seconds since the Unix epoch.
        """
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not 1 <= speed <= _MAX_SPEED:
            raise ValueError(f"speed must be a number from 1 to {_MAX_SPEED}, not {speed!r}")
        now = int(clock())
        midnight = now - now % DAY_SECONDS + DAY_SECONDS
        super().__init__(seed=seed, connectors=connectors, days=days, until=midnight, incidents=incidents)
        self.until, self.speed, self._clock, self._incident_names = now, speed, clock, incidents
        rest_of_today = {name: [event for event in events if event["a"] > now] for name, events in self.events.items()}
        self.events = {name: [event for event in events if event["a"] <= now] for name, events in self.events.items()}
        past = {name: set(map(scenarios.event_id, events)) for name, events in self.events.items()}
        self.incidents = tuple(
            incident for incident in self.incidents if past[incident.connector_id].issuperset(incident.event_ids)
        )
        futures = (self._future(connector_id, events) for connector_id, events in rest_of_today.items())
        self._upcoming = heapq.merge(*futures, key=operator.itemgetter(0))
        self._next = next(self._upcoming)
        # Recorded, but not collected yet: a heap by the time of collection, then in order of recording.
        self._uncollected: list[tuple[int, int, _Record]] = []
        self._order = itertools.count()

    def news(self) -> Mapping[str, list[RawEvent]]:
        """Return the events that were collected since the last call, by connector id; the simulator calls this."""
        now = self._clock()
        # Nothing is collected before it is recorded.
        while self._next[0] <= now:
            heapq.heappush(self._uncollected, (self._next[2]["a"], next(self._order), self._next))
            self._next = next(self._upcoming)
        collected: dict[str, list[RawEvent]] = {}
        while self._uncollected and self._uncollected[0][0] <= now:
            _, connector_id, event = heapq.heappop(self._uncollected)[-1]
            collected.setdefault(connector_id, []).append(event)
        return collected

    def _future(self, connector_id: str, rest_of_today: list[RawEvent]) -> Iterator[_Record]:
        """Yield a connector's events to come, for ever, in order of recording, with times that `speed` moves closer.

        Events that then share a second get new sequence numbers.
        """
        second, sequence = self.until, 0
        for event in itertools.chain(rest_of_today, self._later_days(connector_id)):
            moved = event | {"a": self._closer(event["a"])}
            if event["t"] > self.until:
                recorded = self._closer(event["t"])
                second, sequence = recorded, sequence + 1 if recorded == second else 0
                moved |= {"t": recorded, "n": sequence}
            yield moved["t"], connector_id, moved

    def _later_days(self, connector_id: str) -> Iterator[RawEvent]:
        timeline = self._timelines[connector_id]
        for repeat in itertools.count(1):
            planned = self._place_incidents(self._timelines, self._incident_names, repeat)
            timeline.plan_incidents(planned[connector_id])
            for _ in range(self.days):
                yield from timeline.next_day()

    def _text_if_past(self, ts: int) -> str | None:
        moved = ts if ts <= self.until else self._closer(ts)
        return super()._text_if_past(moved) if moved <= self._clock() else None

    def _closer(self, ts: int) -> int:
        # Rounded up: nothing moves into a second of the past, whose sequence numbers are taken.
        return self.until + math.ceil((ts - self.until) / self.speed)


def _connector_ids(seed: int, connectors: int | Collection[str]) -> list[str]:
    if isinstance(connectors, str):
        raise ValueError(f"connectors must be a number or a collection of ids, not the text {connectors!r}")
    if isinstance(connectors, int):
        random = Random(f"{seed}/connectors")
        ids = [scenarios.random_id(random) for _ in range(connectors)]
    else:
        ids = list(dict.fromkeys(_in_order(connectors)))
    if not ids:
        raise ValueError("a history needs one connector or more")
    return ids


def _in_order(names: Collection[str]) -> list[str]:
    # A set has another order in every process.
    return sorted(names) if isinstance(names, AbstractSet) else list(names)


class ApplianceTimeline:
    """The events of one appliance since its first boot, generated one day after the other.

    A day has 240 slots of six minutes. One episode runs in each slot and ends before the slot does, so a timeline can
    be cut at any day without leaving anything unfinished, except by an incident. The random generator is seeded again
    for each day: the same seed, connector and incidents give the same events.
    """

    def __init__(self, seed: int, connector_id: str, begin: int, planned: Mapping[int, str]) -> None:
        """Begin at a time, in whole seconds since the Unix epoch; incidents are planned as by `plan_incidents`."""
        self.incidents: list[Incident] = []
        """Those that have happened, oldest first."""

        self._connector_id, self._seed, self._begin = connector_id, f"{seed}/{connector_id}", begin
        self._incident_slots: dict[int, tuple[str, int]] = {}
        self._outage_events: list[RawEvent] = []
        self._appliance = Appliance.create(Random(self._seed))
        self._days = 0
        self.plan_incidents(planned)

    def plan_incidents(self, planned: Mapping[int, str]) -> None:
        """Add incidents, by the slot in which each begins, to days that are not generated yet."""
        for first, name in planned.items():
            for slot in range(first, first + INCIDENTS[name].slots):
                self._incident_slots[slot] = (name, first)

    def next_day(self) -> list[RawEvent]:
        """Return the events of the next 86,400 seconds, ascending by `(t, n)`."""
        appliance, first = self._appliance, self._days * SLOTS_PER_DAY
        appliance.random, appliance.log = Random(f"{self._seed}/{self._days}"), []
        plan = _plan_day(appliance)
        if first == 0:
            plan[0] = scenarios.boot
        for slot in range(first, first + SLOTS_PER_DAY):
            self._run_slot(slot, plan.get(slot - first, scenarios.reconcile))
        self._days += 1
        return appliance.log

    def _run_slot(self, slot: int, episode: Episode) -> None:
        name, first = self._incident_slots.get(slot, ("", slot))
        act = INCIDENTS[name].act if name else None  # an outage has none
        appliance, logged = self._appliance, len(self._appliance.log)
        appliance.time = self._begin + slot * _SLOT_SECONDS + appliance.random.randint(0, _MAX_START_DELAY_S)
        if act is None:
            episode(appliance)
        elif slot == first:
            evidence, details = act(appliance)
            self.incidents.append(Incident.shown_by(name, self._connector_id, evidence, details))
        if name == OUTAGE:
            self._delay_collection(appliance.log[logged:], slot, first + INCIDENTS[OUTAGE].slots)

    def _delay_collection(self, events: list[RawEvent], slot: int, end: int) -> None:
        """Collect the events of an outage only after its last slot."""
        end_ts = self._begin + end * _SLOT_SECONDS
        for event in events:
            event["a"] = end_ts + self._appliance.random.randint(5, 300)
        self._outage_events += events
        if slot == end - 1:
            details = {"collected_from_ts": end_ts}
            self.incidents.append(Incident.shown_by(OUTAGE, self._connector_id, self._outage_events, details))
            self._outage_events = []


def _plan_day(appliance: Appliance) -> dict[int, Episode]:
    """Return the episodes of one day by slot; a slot without one is a reconcile."""
    random, plan = appliance.random, dict[int, Episode]()
    for period in range(0, SLOTS_PER_DAY, _PERIOD_SLOTS):
        for tunnel, earliest in zip(appliance.tunnels, (3, 11), strict=True):
            plan[period + earliest + random.randrange(4)] = partial(scenarios.rekey, tunnel=tunnel)
        plan |= {period + slot: episode for episode, slot, chance in _OCCASIONAL if random.random() < chance}
    return plan

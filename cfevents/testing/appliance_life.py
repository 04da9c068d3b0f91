"""The timeline of a simulated appliance, day by day.

A day has 240 slots of six minutes. One episode runs in each slot and ends before the slot does, so a timeline can be
cut at any day without leaving anything unfinished, except by an incident. The random generator is seeded again for
each day: the same seed, connector and incidents give the same events.
"""

from collections.abc import Mapping
from functools import partial
from random import Random

from cfevents.testing import scenarios
from cfevents.testing.scenarios import INCIDENTS, OUTAGE, SLOTS_PER_DAY, Appliance, Episode, Incident, RawEvent

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


class ApplianceTimeline:
    """The events of one appliance since its first boot, generated one day after the other."""

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

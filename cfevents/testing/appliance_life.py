"""The life of an appliance, day by day.

A day is cut into slots of six minutes. In each slot one thing is done and brought to its end, so whatever
begins in a life also ends in it, wherever the life is cut, unless an incident says otherwise.
"""

from collections.abc import Mapping
from functools import partial
from random import Random

from cfevents.testing import scenarios
from cfevents.testing.appliance import Appliance, RawEvent
from cfevents.testing.scenarios import INCIDENTS, OUTAGE, Act, Episode, Incident

__all__ = ["SLOTS_PER_DAY", "SLOT_SECONDS", "ApplianceTimeline"]

SLOT_SECONDS = 360
SLOTS_PER_DAY = 240

_PERIOD_SLOTS = 20  # slots: two hours
_MAX_START_DELAY_S = 60  # seconds into a slot; every episode then ends, and is collected, before the slot does

# What happens at times: the slot of a two-hour block in which it may, and how likely it does.
_OCCASIONAL: tuple[tuple[Episode, int, float], ...] = (
    (scenarios.attest, 7, 1 / 6),
    (scenarios.rotate_crypt_key, 8, 1 / 3),
    (scenarios.rotate_pki, 9, 1 / 12),
    (scenarios.upgrade, 16, 1 / 60),
    (scenarios.ha_transition, 18, 1 / 12),
    (scenarios.configure_tunnel, 19, 1 / 84),
)


class ApplianceTimeline:
    """One appliance's life from its first boot; days are lived one after the other."""

    def __init__(self, seed: int, connector_id: str, begin: int, troubles: Mapping[int, str]) -> None:
        """Begin a life.

        Args:
            seed: What its chances depend on, together with its id.
            connector_id: Its id.
            begin: When it boots, whole seconds since the Unix epoch.
            troubles: The incidents to plant, by the slot of the life in which they begin.
        """
        self.incidents: list[Incident] = []
        self._connector_id = connector_id
        self._source = f"{seed}/{connector_id}"
        self._begin = begin
        self._covered = _covered(troubles)
        self._delayed_events: list[RawEvent] = []
        self._appliance = Appliance.create(Random(self._source))
        self._days = 0

    def plan_incidents(self, troubles: Mapping[int, str]) -> None:
        """Plant more incidents, by the slot of the life in which they begin, none of them lived yet."""
        self._covered |= _covered(troubles)

    def next_day(self) -> list[RawEvent]:
        """Live one more day of 86,400 seconds.

        Returns:
            The day's events, ascending by `(t, n)`.
        """
        appliance, first = self._appliance, self._days * SLOTS_PER_DAY
        appliance.random, appliance.log = Random(f"{self._source}/{self._days}"), []
        plan = _plan_day(appliance)
        if first == 0:
            plan[0] = scenarios.boot
        for slot in range(first, first + SLOTS_PER_DAY):
            self._run_slot(slot, plan.get(slot - first, scenarios.reconcile))
        self._days += 1
        return appliance.log

    def _run_slot(self, slot: int, ordinary: Episode) -> None:
        name, beginning = self._covered.get(slot, ("", slot))
        act = INCIDENTS[name].act if name else None
        appliance, mark = self._appliance, len(self._appliance.log)
        appliance.time = self._slot_start(slot) + appliance.random.randint(0, _MAX_START_DELAY_S)
        if act is None:
            ordinary(appliance)
        elif slot == beginning:
            self._act_out(name, act)
        if name == OUTAGE:
            self._delay_collection(appliance.log[mark:], slot, beginning + INCIDENTS[OUTAGE].slots)

    def _act_out(self, name: str, act: Act) -> None:
        evidence, details = act(self._appliance)
        self.incidents.append(Incident.shown_by(name, self._connector_id, evidence, details))

    def _delay_collection(self, events: list[RawEvent], slot: int, end: int) -> None:
        """Collect an outage's events only after it ends."""
        for event in events:
            event["a"] = self._slot_start(end) + self._appliance.random.randint(5, 300)
        self._delayed_events += events
        if slot == end - 1:
            details = {"collected_from_ts": self._slot_start(end)}
            self.incidents.append(Incident.shown_by(OUTAGE, self._connector_id, self._delayed_events, details))
            self._delayed_events = []

    def _slot_start(self, slot: int) -> int:
        return self._begin + slot * SLOT_SECONDS


def _covered(troubles: Mapping[int, str]) -> dict[int, tuple[str, int]]:
    """Say for each slot of an incident which it is, and where it begins."""
    return {
        slot: (name, beginning)
        for beginning, name in troubles.items()
        for slot in range(beginning, beginning + INCIDENTS[name].slots)
    }


def _plan_day(appliance: Appliance) -> dict[int, Episode]:
    """Say for the slots of one day what happens there; in the others, a reconcile."""
    random = appliance.random
    plan: dict[int, Episode] = {}
    for start in range(0, SLOTS_PER_DAY, _PERIOD_SLOTS):
        for tunnel, least in zip(appliance.tunnels, (3, 11), strict=True):
            plan[start + least + random.randrange(4)] = partial(scenarios.rekey, tunnel=tunnel)
        plan |= {start + place: episode for episode, place, chance in _OCCASIONAL if random.random() < chance}
    return plan

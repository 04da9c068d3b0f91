"""A simulated appliance and its event log."""

from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from attrs import define, field

RawEvent: TypeAlias = dict[str, Any]
"""An event as JSON: `e`, `t`, `n`, `a`, `v`."""


@define
class Appliance:
    """The state, clock and event log of one appliance."""

    random: Random
    tunnels: tuple[str, ...]
    version: str
    blessed: str  # the version that runs after the next boot
    time: int = 0  # its clock, whole seconds since the Unix epoch
    log: list[RawEvent] = field(factory=list)

    @classmethod
    def create(cls, random: Random) -> "Appliance":
        """Return an appliance with two tunnels and a random version."""
        version = f"1.{random.randint(2, 9)}.0"
        return cls(random, (random_id(random), random_id(random)), version, version)

    def record(self, kind: str, after: tuple[int, int] = (0, 0), **payload: str) -> RawEvent:
        """Append an event to the log and return it; `after` is the least and the most seconds since the previous one."""
        self.time += self.random.randint(*after)
        event: RawEvent = {
            "e": {"k": kind, **payload},
            "t": self.time,
            "n": self.log[-1]["n"] + 1 if self.log and self.log[-1]["t"] == self.time else 0,
            "a": self.time + self.random.randint(2, 60),
            "v": self.version,
        }
        self.log.append(event)
        return event


def event_id(event: RawEvent) -> str:
    """Return an event's id as the API spells it, `"1700000000.3"`."""
    return f"{event['t']}.{event['n']}"


def random_id(random: Random) -> str:
    """Return an id that looks like a UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))

"""A simulated appliance and its event log."""

from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from attrs import define, field

RawEvent: TypeAlias = dict[str, Any]
"""An event as JSON: `e`, `t`, `n`, `a`, `v`."""


@define
class Appliance:
    """The state, clock and event log of one appliance.

    Attributes:
        random: The source of its random choices.
        tunnels: The ids of its tunnels.
        version: The version that runs.
        blessed: The version that runs after the next boot.
        time: Its clock, whole seconds since the Unix epoch.
        log: Its events, oldest first.
    """

    random: Random
    tunnels: tuple[str, ...] = ()
    version: str = ""
    blessed: str = ""
    time: int = 0
    log: list[RawEvent] = field(factory=list)

    @classmethod
    def create(cls, random: Random) -> "Appliance":
        """Return an appliance with two tunnels and a random version."""
        version = f"1.{random.randint(2, 9)}.0"
        return cls(random, (random_id(random), random_id(random)), version, version)

    def record(self, kind: str, after: tuple[int, int] = (0, 0), **payload: str) -> RawEvent:
        """Append an event to the log and return it.

        Args:
            kind: The kind.
            after: The least and the most seconds since the previous event.
            **payload: The payload, without the kind.
        """
        self.time += self.random.randint(*after)
        last = self.log[-1] if self.log else None
        event: RawEvent = {
            "e": {"k": kind, **payload},
            "t": self.time,
            "n": last["n"] + 1 if last is not None and last["t"] == self.time else 0,
            "a": self.time + self.random.randint(2, 60),
            "v": self.version,
        }
        self.log.append(event)
        return event


def random_id(random: Random) -> str:
    """Return an id that looks like a UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))

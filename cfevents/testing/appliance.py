"""One appliance at work: what it is, and how it writes down what it does."""

from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from attrs import define, field

__all__ = ["Appliance", "RawEvent", "random_id"]

RawEvent: TypeAlias = dict[str, Any]
"""An event as JSON: `e`, `t`, `n`, `a`, `v`."""


@define
class Appliance:
    """An appliance's state, its clock and its log.

    Attributes:
        random: Where its chances come from.
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
        """Make an appliance with two tunnels and some version."""
        version = f"1.{random.randint(2, 9)}.0"
        return cls(random, (random_id(random), random_id(random)), version, version)

    def record(self, kind: str, after: tuple[int, int] = (0, 0), **payload: str) -> RawEvent:
        """Write down an event.

        Args:
            kind: Its kind.
            after: The least and the most seconds since the event before.
            **payload: What it carries beside its kind.
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
    """Make an id that looks like a UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))

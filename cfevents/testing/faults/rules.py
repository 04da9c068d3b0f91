"""When a fault strikes."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from random import Random

from attrs import Factory, define, field

from cfevents.testing.faults.exchange import Fault

__all__ = ["Faults"]


@define(eq=False)
class _FaultRule:
    """Some faults, and the requests that they strike; see `Faults.add`."""

    faults: tuple[Fault, ...]
    path: str | None
    on: frozenset[int] | None
    times: int | None
    chance: float
    seconds: float | None
    random: Random
    seen: int = 0
    struck: int = 0
    began: float | None = None

    def next(self, path: str, now: float) -> Fault | None:
        """See a request, and give the fault that is due, if any; whether it strikes is for the caller to say."""
        if self.path is not None and not fnmatchcase(path, f"*{self.path}"):
            return None
        self.seen += 1
        self.began = now if self.began is None else self.began
        # Drawn for each request, so that what else is scripted does not change what chance gives.
        fault = self.random.choice(self.faults)
        lucky = self.random.random() < self.chance
        due = lucky and (self.on is None or self.seen in self.on)
        ended = self.times is not None and self.struck >= self.times
        late = self.seconds is not None and now - self.began >= self.seconds
        return fault if due and not ended and not late else None


@define(eq=False)
class Faults:
    """The faults that are to strike a simulator's answers; see ``Simulator.faults``.

    Attributes:
        struck: What struck, oldest first. A test may clear it.
    """

    __module__ = "cfevents.testing.faults"

    struck: list[Fault] = Factory(list)
    _rules: list[_FaultRule] = field(factory=list, init=False)

    def add(
        self,
        fault: Fault | Sequence[Fault],
        *,
        path: str | None = None,
        on: int | Collection[int] | None = None,
        times: int | None = None,
        chance: float = 1.0,
        seed: int = 0,
        seconds: float | None = None,
    ) -> None:
        """Let a fault strike every request from now on, or those that meet every condition given.

        One fault strikes a request at most: of several that are due, the one that was added first. What the
        simulator's quota refuses is neither struck nor counted. It may be called from any thread.

        Args:
            fault: The fault; of several, one is drawn each time.
            path: How the request's path ends, such as `"/latest"`; `*` stands for anything, as in `"/site-1/*"`.
            on: Which of the requests with this path, counted from 1: `3`, or `{1, 3}`.
            times: How often it strikes at most.
            chance: How likely it strikes, from 0 to 1.
            seed: What `chance`, and drawing from several, depend on; the same seed gives the same.
            seconds: How long it may strike, on the event loop's clock, from the first request with this path on.

        Raises:
            ValueError: A condition can never be met, or no fault is given.
        """
        faults = (fault,) if isinstance(fault, Fault) else tuple(fault)
        counted = frozenset([on]) if isinstance(on, int) else None if on is None else frozenset(on)
        _require(bool(faults), "give at least one fault")
        _require(counted is None or (bool(counted) and min(counted) >= 1), f"on counts from 1, not {on!r}")
        _require(times is None or times >= 1, f"times must be 1 or more, not {times!r}")
        _require(0 <= chance <= 1, f"chance must be from 0 to 1, not {chance!r}")
        _require(seconds is None or seconds > 0, f"seconds must be more than 0, not {seconds!r}")
        self._rules.append(_FaultRule(faults, path, counted, times, chance, seconds, Random(seed)))

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._rules.clear()

    def due(self, path: str, now: float) -> Fault | None:
        """Give the fault that strikes a request, if any.

        Args:
            path: The request's path.
            now: The time on the event loop's clock, in seconds.
        """
        # Every rule sees every request.
        due = [(rule, fault) for rule in tuple(self._rules) if (fault := rule.next(path, now)) is not None]
        if not due:
            return None
        rule, fault = due[0]
        rule.struck += 1
        self.struck.append(fault)
        return fault


def _require(met: bool, message: str) -> None:
    if not met:
        raise ValueError(message)

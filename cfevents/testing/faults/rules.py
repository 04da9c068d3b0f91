"""A fault, the exchange that it changes, and the rules by which faults strike."""

import functools
import inspect
import json
import math
import reprlib
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Concatenate, ParamSpec

from aiohttp import web
from attrs import Factory, define, field, frozen

from cfevents._public import set_module


@set_module("cfevents.testing.faults")
@define(eq=False)
class Exchange:
    """One request and its true answer, which a fault changes before it leaves.

    Attributes:
        request: The request, as aiohttp's server represents it.
        status: The answer's HTTP status; also its `headers` and `body`.
        follow: Returns the page that a cursor leads to.
        aliases: The true cursors by the cursors that a fault gave out in their place.
    """

    request: web.Request
    status: int
    headers: MutableMapping[str, str]
    body: bytes
    follow: Callable[[str], dict[str, Any]]
    aliases: dict[str, str]

    @property
    def document(self) -> dict[str, Any]:
        """The body's JSON, parsed at each access; setting it replaces the body."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @document.setter
    def document(self, document: dict[str, Any]) -> None:
        self.body = json.dumps(document).encode()

    def response(self) -> web.Response:
        """Return the answer as aiohttp sends it."""
        return web.Response(status=self.status, headers=self.headers, body=self.body)


@set_module("cfevents.testing.faults")
@frozen(eq=False, repr=False)
class Fault:
    """Something that goes wrong with one answer.

    Attributes:
        name: The name in a test's id, such as `reset('in body')`.
        strike: Changes the exchange; may be a coroutine function.
    """

    name: str
    strike: Callable[[Exchange], Awaitable[None] | None]

    def __repr__(self) -> str:
        return self.name


_P = ParamSpec("_P")


def fault(strike: Callable[Concatenate[Exchange, _P], Awaitable[None] | None]) -> Callable[_P, Fault]:
    """Turn a function of an exchange and arguments into one of the arguments, which returns the fault.

    The fault is named after the call, such as `body(b'{}')`; long arguments are shortened.
    """

    @functools.wraps(strike)
    def make(*args: _P.args, **kwargs: _P.kwargs) -> Fault:
        texts = [reprlib.repr(value) for value in args]
        texts += [f"{name}={reprlib.repr(value)}" for name, value in kwargs.items()]
        return Fault(f"{strike.__name__}({', '.join(texts)})", lambda exchange: strike(exchange, *args, **kwargs))

    signature = inspect.signature(strike)
    _, *parameters = signature.parameters.values()
    make.__signature__ = signature.replace(parameters=parameters, return_annotation=Fault)  # type: ignore[attr-defined]
    return make


@define(eq=False)
class _FaultRule:
    """Some faults, and the requests that they strike; see `Faults.add`."""

    faults: tuple[Fault, ...]
    path: str
    on: frozenset[int] | None
    times: float
    chance: float
    seconds: float
    random: Random
    seen: int = 0
    struck: int = 0
    began: float | None = None

    def next(self, path: str, now: float) -> Fault | None:
        """Count a request; return the fault that is due, or None. The caller counts those that strike."""
        if not fnmatchcase(path, f"*{self.path}"):
            return None
        self.seen += 1
        self.began = now if self.began is None else self.began
        # Drawn for every request, so that the other conditions do not change the random sequence.
        fault = self.random.choice(self.faults)
        due = self.random.random() < self.chance and (self.on is None or self.seen in self.on)
        return fault if due and self.struck < self.times and now - self.began < self.seconds else None


@set_module("cfevents.testing.faults")
@define(eq=False)
class Faults:
    """The faults that strike a simulator's answers; see ``Simulator.faults``.

    Attributes:
        struck: The faults that struck, oldest first. A test may clear it.
    """

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
            path: The end of the request's path, such as `"/latest"`; `*` stands for anything, as in `"/site-1/*"`.
            on: Which of the requests with this path, counted from 1: `3`, or `{1, 3}`.
            times: How often it strikes at most.
            chance: The probability that it strikes, from 0 to 1.
            seed: The seed of `chance` and of drawing from several.
            seconds: How long it may strike, on the event loop's clock, from the first request with this path on.

        Raises:
            ValueError: A condition can never be met, or no fault is given.
        """
        faults = (fault,) if isinstance(fault, Fault) else tuple(fault)
        counted = frozenset([on]) if isinstance(on, int) else None if on is None else frozenset(on)
        conditions = {
            "give at least one fault": bool(faults),
            f"on counts from 1, not {on!r}": counted is None or (bool(counted) and min(counted) >= 1),
            f"times must be 1 or more, not {times!r}": times is None or times >= 1,
            f"chance must be from 0 to 1, not {chance!r}": 0 <= chance <= 1,
            f"seconds must be more than 0, not {seconds!r}": seconds is None or seconds > 0,
        }
        for message, met in conditions.items():
            if not met:
                raise ValueError(message)
        most_times, most_seconds = times or math.inf, seconds or math.inf
        self._rules.append(_FaultRule(faults, path or "", counted, most_times, chance, most_seconds, Random(seed)))

    def clear(self) -> None:
        """Remove all faults."""
        self._rules.clear()

    def due(self, path: str, now: float) -> Fault | None:
        """Return the fault that strikes a request, or None. `now` is seconds on the event loop's clock."""
        # Every rule counts every request.
        due = [(rule, fault) for rule in tuple(self._rules) if (fault := rule.next(path, now)) is not None]
        if not due:
            return None
        rule, fault = due[0]
        rule.struck += 1
        self.struck.append(fault)
        return fault

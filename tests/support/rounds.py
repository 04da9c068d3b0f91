"""Rounds of polling, in simulated time: each connector is asked once, against quotas that are enforced."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

from attrs import frozen

from cfevents import Budget, Client
from cfevents.testing import Simulator
from cfevents.testing.faults import Exchange, Fault
from cfevents.testing.store import Counting
from support.clock import run_jumping

QUOTA, PERIOD, SHARE = 1200, 300.0, 0.9
ANSWER = 0.2
"""How long an answer takes, in seconds."""

COUNTINGS: tuple[Counting, ...] = ("fixed", "sliding")

_MOMENT = 1_700_000_000


@frozen
class Case:
    """Who polls how many connectors, and how the API counts."""

    connectors: int
    tasks: tuple[int, ...]
    """How many tasks each client of a token has."""

    tokens: int = 1
    apart: bool = False
    """Whether the clients of a token have a budget each, as processes have."""

    divided: bool = True
    """Whether each of those has its part of the share, and not the whole of it."""

    counting: Counting = "fixed"
    rounds: int = 1


class Call(NamedTuple):
    """One connector asked, in seconds since its round began."""

    client: int
    asked: float
    answered: float


@frozen
class Round:
    """Every connector asked once."""

    calls: list[Call]
    arrivals: list[float]
    """When requests came to the API, in order."""

    refused: int
    real: float
    """How long it took in truth, in seconds."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(self.ends)

    @property
    def ends(self) -> list[float]:
        """When each client had its last answer."""
        ends: dict[int, float] = {}
        for call in self.calls:
            ends[call.client] = max(call.answered, ends.get(call.client, 0.0))
        return list(ends.values())

    @property
    def served_half_way(self) -> list[float]:
        """The part of its connectors that each client had, when half of all had been answered."""
        half = sorted(call.answered for call in self.calls)[len(self.calls) // 2]
        served: dict[int, list[bool]] = {}
        for call in self.calls:
            served.setdefault(call.client, []).append(call.answered <= half)
        return [sum(calls) / len(calls) for calls in served.values()]

    @property
    def waits(self) -> list[float]:
        """How long each call waited beyond the time that an answer takes, the shortest first."""
        return sorted(call.answered - call.asked - ANSWER for call in self.calls)

    @property
    def most_in_a_second(self) -> int:
        """The most requests that came within one second, over all tokens."""
        return max(bisect_right(self.arrivals, at + 1) - n for n, at in enumerate(self.arrivals))


class _Poller(NamedTuple):
    number: int
    client: Client
    connectors: list[str]
    tasks: int

    async def poll(self, began: float) -> list[Call]:
        """Ask for each connector's events once."""
        loop, todo, calls = asyncio.get_running_loop(), iter(self.connectors), list[Call]()

        async def work() -> None:
            for connector in todo:
                sent_at = loop.time() - began
                await self.client.list_events(connector, since=_MOMENT, until=_MOMENT + 60).collect()
                calls.append(Call(self.number, sent_at, loop.time() - began))

        await asyncio.gather(*(work() for _ in range(self.tasks)))
        return calls


def play(case: Case) -> list[Round]:
    """Poll in simulated time, round after round."""
    return run_jumping(_play(case))


async def _play(case: Case) -> list[Round]:
    arrivals: list[float] = []
    names = [f"site-{number}" for number in range(case.connectors)]
    async with AsyncExitStack() as stack:
        simulators, pollers = [], list[_Poller]()
        for token in range(case.tokens):
            connectors = names[token :: case.tokens]
            simulator = await stack.enter_async_context(_simulator(case, connectors, token))
            simulator.faults.add(Fault("an answer takes its time", _takes_its_time(arrivals)))
            simulators.append(simulator)
            budgets = _budgets(case)
            for number, tasks in enumerate(case.tasks):
                client = Client(**simulator.client_options, budget=budgets[number])
                part = connectors[number :: len(case.tasks)]
                pollers.append(_Poller(len(pollers), await stack.enter_async_context(client), part, tasks))
        return [await _round(pollers, simulators, arrivals) for _ in range(case.rounds)]


def _simulator(case: Case, connectors: list[str], token: int) -> Simulator:
    return Simulator(
        events={name: [{"e": {"k": "Init"}, "t": _MOMENT, "n": 0}] for name in connectors},
        api_token=f"simulated-token-{token:016x}",
        quota=QUOTA,
        period=PERIOD,
        counting=case.counting,
    )


def _budgets(case: Case) -> list[Budget]:
    if case.apart:
        return [Budget(share=SHARE / len(case.tasks) if case.divided else SHARE) for _ in case.tasks]
    return [Budget(share=SHARE)] * len(case.tasks)


def _takes_its_time(arrivals: list[float]) -> Callable[[Exchange], Awaitable[None]]:
    async def strike(_: Exchange) -> None:
        arrivals.append(asyncio.get_running_loop().time())
        await asyncio.sleep(ANSWER)

    return strike


async def _round(pollers: list[_Poller], simulators: list[Simulator], arrivals: list[float]) -> Round:
    refused = sum(simulator.refused for simulator in simulators)
    arrivals.clear()
    began, really_began = asyncio.get_running_loop().time(), time.perf_counter()
    parts = await asyncio.gather(*(poller.poll(began) for poller in pollers))
    return Round(
        calls=[call for part in parts for call in part],
        arrivals=arrivals.copy(),
        refused=sum(simulator.refused for simulator in simulators) - refused,
        real=time.perf_counter() - really_began,
    )

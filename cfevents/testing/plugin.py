"""The pytest plugin: a fixture with a running simulator. It imports nothing until the fixture is used."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cfevents.testing.simulator import Simulator


@pytest.fixture
def cfevents_simulator() -> "Iterator[Simulator]":
    """Yield a running simulator with a generated history, on a thread of its own.

    It works in plain tests and under any async plugin. A test adds what it needs to a connector of its own:
    `cfevents_simulator.add("site-1", {"e": {"k": "Init"}, "t": 1700000000, "n": 0})`.
    """
    from cfevents.testing.simulator import SimulatorThread  # noqa: PLC0415

    with SimulatorThread() as simulator:
        yield simulator

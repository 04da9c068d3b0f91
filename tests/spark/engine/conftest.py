"""What the tests with a real Spark share."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from support.spark import running

from cfevents.testing import History, Simulator, SimulatorThread

# It would log every word that is said to Java.
logging.getLogger("py4j").setLevel(logging.WARNING)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give Java the time that it takes."""
    for item in items:
        if "spark/engine" in item.path.as_posix() and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with two slots, whose tasks are tried three times."""
    with running(tmp_path_factory.mktemp("spark"), "local[2,3]") as session:
        yield session


@pytest.fixture
def small() -> Iterator[Simulator]:
    """Three connectors and four days."""
    history = History(seed=2, connectors=["a", "b", "c"], days=4)
    with SimulatorThread(Simulator(history=history, quota=10**7)) as simulator:
        yield simulator

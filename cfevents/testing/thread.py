"""A simulator for code that has no event loop: on a thread and a loop of its own."""

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from cfevents.testing.simulator import Simulator

__all__ = ["SimulatorThread"]


class SimulatorThread:
    """A context manager that runs a simulator on a thread.

    ::

        with SimulatorThread(Simulator(events={"site-1": []})) as simulator:
            simulator.add("site-1", {"e": {"k": "Init"}, "t": 1700000000, "n": 0})
    """

    __module__ = "cfevents.testing"

    def __init__(self, simulator: Simulator | None = None) -> None:
        """Run a simulator, by default one with a history."""
        self._simulator = simulator or Simulator()
        self._started: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run_thread, name="cfevents-simulator", daemon=True)

    def __enter__(self) -> Simulator:
        """Start, and wait until it listens.

        Raises:
            OSError: The address or port cannot be had.
        """
        self._thread.start()
        self._started.result()
        return self._simulator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and wait until everything is closed."""
        loop, finished = self._started.result()
        loop.call_soon_threadsafe(finished.set)
        self._thread.join()

    def _run_thread(self) -> None:
        try:
            asyncio.run(self._run_simulator())
        except BaseException as error:
            self._started.set_exception(error)

    async def _run_simulator(self) -> None:
        finished = asyncio.Event()
        async with self._simulator:
            self._started.set_result((asyncio.get_running_loop(), finished))
            await finished.wait()

"""An event loop whose clock jumps to the next timer when nothing else is left to do."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the sockets, and instead of waiting for a timer moves the clock there."""

    loop: "JumpingLoop"

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if ready := super().select(min(timeout, self.loop.settling)):
            return ready
        if self.loop.executor_jobs:
            return super().select(timeout)
        self.loop.skipped += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop on which hours pass in milliseconds, with real sockets."""

    settling = 0.0005
    """Real seconds that the kernel has to deliver what is under way on the loopback interface."""

    def __init__(self) -> None:
        self.skipped = 0.0
        self.executor_jobs = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return super().time() + self.skipped

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.executor_jobs += 1
        future.add_done_callback(self._executor_job_done)
        return future

    def _executor_job_done(self, _: object) -> None:
        self.executor_jobs -= 1

    async def shutdown_default_executor(self, *limit: Any) -> None:
        # Its threads end in real time, and since Python 3.12 a timer waits for them.
        self.executor_jobs += 1
        await super().shutdown_default_executor(*limit)
        self.executor_jobs -= 1


class StillLoop(JumpingLoop):
    """One whose clock stands still in between: what is measured on it does not depend on the machine."""

    def time(self) -> float:
        return self.skipped


class SocketlessLoop(StillLoop):
    """One that waits for no socket."""

    settling = 0.0


def run_jumping(main: Coroutine[Any, Any, T], loop: type[JumpingLoop] = JumpingLoop) -> T:
    """Run a coroutine on such a loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)

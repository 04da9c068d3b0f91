"""The loop on which hours pass in milliseconds."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from support.clock import run_jumping


def test_clock_stands_while_threads_end() -> None:
    """The limit within which a loop's threads have to end is no timer to jump to."""

    async def leave_a_thread_at_work() -> None:
        threads = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(threads)
        threads.submit(time.sleep, 0.05)

    run_jumping(leave_a_thread_at_work())
